"""Keeps the state of a run in a file, if the parameter ``checkpoint`` asks for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from typing import Any

from sklearn.base import clone

from skmmap._messages import warn
from skmmap.checkpoints.checkpoint import Checkpoint, to_checkpoint
from skmmap.checkpoints.journal import KeptJournal, find_journal, using_journal
from skmmap.checkpoints.kept_run import FORMAT, KeptRun
from skmmap.checkpoints.key import describe_run, describe_search, find_differences
from skmmap.checkpoints.search_journal import SearchJournal
from skmmap.checkpoints.stops import Stops
from skmmap.disk import Generations, Version, to_path
from skmmap.run import Keeper, dump_state, load_state, with_thread_counts


def run_kept(
    wrapper, given: dict, run: Callable[[], None], take: Callable, put: Callable
) -> None:
    """Run a fit, or what is left of it.

    ``given`` are the parameters of ``fit``; ``take`` returns what it has learned, and
    ``put`` is called with that if it is over already.
    """
    if vars(wrapper).get("checkpoint") is None:
        with using_journal(find_journal().open_fit(wrapper)):
            run()
        return
    describe = partial(describe_run, wrapper, given)
    _run_in_file(wrapper, describe, KeptJournal, lambda _: run(), take, put)


def run_search_kept(
    search,
    given: dict,
    run: Callable[[Keeper], None],
    take: Callable[[], dict],
    put: Callable[[dict], None],
) -> None:
    """Run a search, or what is left of it, in the same way.

    ``run`` gets what keeps its tasks.
    """
    if search.checkpoint is None:
        run(Keeper())
        return
    describe = partial(describe_search, search, given)
    _run_in_file(search, describe, SearchJournal, run, take, put)


def _run_in_file(
    wrapper,
    describe: Callable[[], dict],
    make: type[KeptRun],
    run: Callable[[Any], None],
    take: Callable,
    put: Callable,
) -> None:
    checkpoint = to_checkpoint(wrapper.checkpoint)
    file, stops = _open_file(checkpoint), Stops()
    try:
        key = describe()
        version = _find_version(file, key)
        if version is not None and version.about["is_over"]:
            with _loading(version):
                put(version.read("result", load_state))
            return
        with stops.hearing():
            journal = make(file, checkpoint, key, wrapper.random_state, stops)
            begun = _begun(journal, version, wrapper)
            with using_journal(journal), begun, _saying_how(journal):
                run(journal)
                journal.finish(take())
    finally:
        file.close()


def _open_file(checkpoint: Checkpoint) -> Generations:
    path = to_path(checkpoint.path)
    try:
        return Generations(path)
    except OSError as error:
        if error.filename is not None:  # what the system says
            error.add_note(
                f"This is about checkpoint={str(path)!r}. Give a path in a folder "
                "where files can be made."
            )
        raise


def _find_version(file: Generations, key: dict) -> Version | None:
    """Return the last version of the file, if there is one, and it is of this run."""
    version, faults = file.find()
    if version is None:
        if faults:
            raise ValueError(
                f"No version of the checkpoint is whole: {', and '.join(faults)}. "
                f"Delete {file.path} and {file.before.name} to start over, or give "
                "another path."
            )
        return None
    about = version.about
    if about["format"] != FORMAT:
        raise ValueError(
            f"The checkpoint {version.path} was written by another version of skmmap "
            f"(format {about['format']}, and this one has {FORMAT}). Use that "
            f"version, or delete {file.path} and {file.before.name} to start over."
        )
    if differences := find_differences(about["key"], key):
        if not faults and not about["has_learned"]:
            return None  # what was mistaken in that call may be right in this one
        said = "\n".join(f"- {each}" for each in differences)
        raise ValueError(
            f"The checkpoint {version.path} is of another run:\n{said}\nTo continue "
            f"that run, give what it had. To start this one, delete {file.path} and "
            f"{file.before.name}, or give another path."
        )
    for fault in faults:
        warn(
            f"{fault}, so fit goes on from {version.path}, written {about['written']}.",
            UserWarning,
        )
    return version


@contextmanager
def _begun(journal: KeptRun, version: Version | None, wrapper) -> Iterator[None]:
    """Take the state from the file, or write it for the first time."""
    if version is None:
        _check_estimator(wrapper.estimator)
        journal.begin()
        yield
        return
    with _loading(version):
        journal.load(version)
    if wrapper.verbose:
        print(f"fit: continued from {version.path}, {journal.said}", flush=True)
    with with_thread_counts(journal.thread_counts) as missing:
        if missing:
            warn(
                f"The libraries {', '.join(missing)} do not compute with as many "
                "threads as when the run began, so the last bits may be others.",
                UserWarning,
            )
        yield


def _check_estimator(estimator) -> None:
    """Raise if the estimator cannot be written to a file before it has learned."""
    if not hasattr(estimator, "get_params"):  # it is compared as it is
        return
    fresh, name = clone(estimator), type(estimator).__name__
    try:
        dump_state(fresh, BytesIO())
    except Exception as error:
        raise TypeError(
            f"checkpoint= writes the estimator to a file, and {name} "
            f"cannot be pickled ({type(error).__name__}: {error}). Leave out what it "
            "holds of this process in its __getstate__, or do without a checkpoint."
        ) from error


@contextmanager
def _loading(version: Version) -> Iterator[None]:
    """Add the file to an error of an object that is made of what is in it."""
    try:
        yield
    except Exception as error:
        error.add_note(
            f"while loading the checkpoint {version.path}. The classes and functions "
            "that it names must be where they were when it was written."
        )
        raise


@contextmanager
def _saying_how(journal: KeptRun) -> Iterator[None]:
    """Say how to continue a run that ends early."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        warn(f"fit was interrupted. {journal.say_how()}", UserWarning)
        raise
    except Exception as error:
        if journal.has_learned:  # otherwise there is nothing to continue
            error.add_note(journal.say_how())
        raise
