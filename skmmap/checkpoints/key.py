"""What must be the same for a run to be continued: data, parameters and versions."""

import re
import sys
from copy import copy
from datetime import UTC, datetime
from typing import Any

import numpy as np
import scipy
import sklearn
from sklearn.base import BaseEstimator

from skmmap._messages import say_size
from skmmap._version import __version__
from skmmap.checkpoints.digests import find_digest
from skmmap.disk import FileState, await_tick, is_path, read_state
from skmmap.formats import open_source
from skmmap.rows import Rows, Source, is_mapped
from skmmap.wrap import find_learner, find_trained
from skmmap.write import check_known

# Parameters of ChunkedFit that results do not depend on.
_FREE = "checkpoint", "n_jobs", "read", "verbose"
_SIMPLE = bool, int, float, str, bytes, type(None)
_LISTS = "estimators", "steps", "transformer_list", "transformers"
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_SHOWN = 60  # letters of a value


def describe_run(wrapper, given: dict[str, Any]) -> dict[str, Any]:
    """Return what must be the same, by the names in messages, as JSON has it.

    ``given`` are the parameters of ``fit``.
    """
    own = _list_params(wrapper)
    estimator = own.pop("estimator")
    described = {"estimator": _say_class(estimator)}
    if hasattr(estimator, "get_params"):
        inside = estimator.get_params(deep=True)
        own |= {f"estimator__{name}": value for name, value in inside.items()}
    else:
        own["estimator's state"] = estimator
    if getattr(find_learner(estimator)[1], "warm_start", False):
        own["start of warm_start"] = find_trained(wrapper)
    return described | _describe_all(own, given)


def describe_search(search, given: dict[str, Any]) -> dict[str, Any]:
    """Return what must be the same for a search."""
    own = _list_params(search)
    estimator = own.pop("estimator")
    described = {"search": _say_class(search), "estimator": _say_class(estimator)}
    inside = estimator.get_params(deep=True)
    free = _list_free({"": estimator} | inside)
    own |= {
        f"estimator__{name}": _leave_free(value)
        for name, value in inside.items()
        if name not in free
    }
    return described | _describe_all(own, given)


def _list_params(wrapper) -> dict[str, Any]:
    params = BaseEstimator.get_params(wrapper, deep=False)
    return {name: value for name, value in params.items() if name not in _FREE}


def _list_free(parts: dict[str, Any]) -> set[str]:
    """Return the names of parameters of ChunkedFit that results do not depend on."""
    owners = [f"{name}__" if name else "" for name, v in parts.items() if _is_own(v)]
    return {owner + name for owner in owners for name in _FREE}


def _leave_free(value):
    """Return a value without them, such as the steps of a pipeline."""
    if type(value) in (list, tuple):
        return type(value)(map(_leave_free, value))
    if not _is_own(value):
        return value
    bare = copy(value)
    vars(bare).update(dict.fromkeys(_FREE))
    return bare


def _is_own(value) -> bool:
    return any(kind.__name__ == "ChunkedFit" for kind in type(value).__mro__)


def _describe_all(own: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of parameters, of versions, and of the rows."""
    versions = {
        "skmmap": __version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": ".".join(map(str, sys.version_info[:2])),
    }
    described = {name: _describe(value, name) for name, value in own.items()}
    described |= {f"version of {name}": version for name, version in versions.items()}
    return described | {
        name: describe_data(value, name)
        for name, value in given.items()
        if value is not None
    }


def describe_data(value, name: str) -> Any:
    """Return what identifies rows, or another parameter of ``fit``."""
    is_elsewhere = (
        is_path(value) or isinstance(value, Rows | Source) or is_mapped(value)
    )
    if not (is_elsewhere or name in ("X", "X_val")):
        return _describe(value, name)
    source = value if isinstance(value, Source) else open_source(value, name)
    check_known(source, name=name, asked="checkpoint=")
    files = {}
    for path in source.store.identity.states:
        await_tick(path)  # what is written from now on gets another time
        state = read_state(path)
        files[str(path)] = None if state is None else list(state)
    try:
        digest = find_digest(source)
    except Exception as error:
        raise ValueError(
            f"checkpoint= needs rows that can be identified, and {name} "
            f"({source.store.where}) cannot be: {error}. Give a path or "
            "open_rows(path)."
        ) from error
    kind = source.dtype if source.store.is_array else source.store.kind
    shape = " x ".join(f"{size:,}" for size in source.shape)
    return {"rows": f"{shape} {kind}", "digest": digest, "files": files}


def _describe(value, name: str) -> Any:
    """Return a value as JSON has it, or its text and digest."""
    if type(value) in _SIMPLE and not isinstance(value, bytes):
        return value if value == value else "nan"
    said = _say_class(value) if hasattr(value, "get_params") else repr(value)
    said = _ADDRESS.sub("", said)
    said = said if len(said) <= _SHOWN else type(value).__name__
    try:
        return {"value": said, "digest": find_digest(value)}
    except Exception as error:
        raise TypeError(
            f"checkpoint= needs parameters that can be pickled, and {name} ({said}) "
            f"cannot: {type(error).__name__}: {error}. Open files, locks and "
            "connections in its methods, or do without a checkpoint."
        ) from error


def _say_class(value) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def find_differences(before: dict, now: dict) -> list[str]:
    """Say what is not the same, with both values."""
    names = [*before, *(name for name in now if name not in before)]
    differing = [n for n in names if not _is_same(before.get(n), now.get(n))]
    return [
        _say_difference(name, before.get(name), now.get(name))
        for name in differing
        if not any(_is_part(other, name) for other in differing)
    ]


def _is_part(name: str, whole: str) -> bool:
    """Whether a difference says more than that of the estimator or list it is in."""
    owner, _, last = whole.rpartition("__")
    parts = f"{owner if last in _LISTS else whole}__"
    return name.startswith(parts) and name.rpartition("__")[2] not in _LISTS


def _is_same(before, now) -> bool:
    if not (isinstance(before, dict) and isinstance(now, dict) and "files" in before):
        # min_df=1 and min_df=1.0 are not the same.
        return type(before) is type(now) and before == now
    if "files" not in now or before["digest"] != now["digest"]:
        return False
    pairs = [(before["files"].get(path), state) for path, state in now["files"].items()]
    return len(before["files"]) == len(pairs) and all(
        old is new if None in (old, new) else _to_state(new).is_same(_to_state(old))
        for old, new in pairs
    )


def _to_state(values: list) -> FileState:
    return FileState(*values)


def _say_difference(name: str, before, now) -> str:
    there, here = say_value(before, now), say_value(now, before)
    if _is_alike(before, now):
        there, here = _say_rows(before), "other values"
        if before["files"]:
            here = (
                "other rows of it, or the same given in another way (path, map, Rows)"
            )
    return f"{name}: {there} in the checkpoint, {here} now"


def _is_alike(before, now) -> bool:
    """Whether nothing that is said of two sets of rows tells them apart."""
    are_rows = all(isinstance(each, dict) and "files" in each for each in (before, now))
    return are_rows and _say_rows(before) == _say_rows(now)


def say_value(value, other=None) -> str:
    """Return a value of the key as text; with its digest, if ``other`` has its text."""
    if not isinstance(value, dict):
        return "nothing" if value is None else repr(value)
    said, said_of_other = _say_text(value), _say_text(other)
    return f"{said} ({value['digest'][:8]})" if said == said_of_other else said


def _say_text(value) -> str | None:
    if not isinstance(value, dict):
        return None
    return _say_rows(value) if "files" in value else value["value"]


def _say_rows(value: dict) -> str:
    said = [value["rows"]]
    for path, state in value["files"].items():
        if state is None:
            said.append(f"{path}, which is not there")
            continue
        found = _to_state(state)
        when = datetime.fromtimestamp(found.modified / 1e9, UTC)
        said.append(f"{path} of {say_size(found.nbytes)}, written {when:%F %T.%f} UTC")
    return "; ".join(said if len(said) < 4 else [*said[:3], "..."])
