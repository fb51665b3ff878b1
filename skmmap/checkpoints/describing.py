"""What a checkpoint says of its run; nothing in it is loaded."""

from pathlib import Path

from skmmap._messages import say_size
from skmmap.checkpoints.kept_run import FORMAT
from skmmap.checkpoints.key import say_value
from skmmap.disk import find_previous, read_version

_VERSION = "version of "


def describe_checkpoint(path: Path) -> list[tuple[str, str]]:
    """Return names, and what there is to say: where the run is, and its key."""
    about = read_version(path).about
    facts = [("checkpoint", _say_place(about)), ("written", _say_time(about))]
    facts += [("size", say_size(path.stat().st_size)), *_find_previous(path)]
    if about["format"] != FORMAT:
        return facts
    key = about["key"]
    versions = {n.removeprefix(_VERSION): key[n] for n in key if n.startswith(_VERSION)}
    values = {name: key[name] for name in key if not name.startswith(_VERSION)}
    first = list(values).index("X")  # the parameters of fit are at the end
    said = [(name, _say(value)) for name, value in values.items()]
    facts += [("estimator", values["estimator"]), *said[first:]]
    facts.append(("versions", ", ".join(f"{n} {v}" for n, v in versions.items())))
    return facts + [each for each in said[:first] if each[0] != "estimator"]


def _say(value) -> str:
    return "None" if value is None else say_value(value)


def _say_place(about: dict) -> str:
    if about["format"] != FORMAT:
        return f"of another version of skmmap (format {about['format']})"
    return "the run is over" if about["is_over"] else f"the run is {about['said']}"


def _say_time(about: dict) -> str:
    return f"{about['written'].replace('T', ' ').removesuffix('+00:00')} UTC"


def _find_previous(path: Path) -> list[tuple[str, str]]:
    """Return what the version before says of itself, if there is one."""
    previous = find_previous(path)
    try:
        about = read_version(previous).about
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        return [("previous", str(error))]
    said = f"{previous.name}, written {_say_time(about)}: {_say_place(about)}"
    return [("previous", said)]
