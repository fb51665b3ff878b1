"""Runs spans of work in processes, on this machine or others."""

import pickle
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from sklearn.utils.parallel import Parallel, delayed

from skmmap.run.jobs import Failed, Jobs, start_jobs
from skmmap.run.packing import pack_work
from skmmap.run.threads import one_core

_DEATHS = 3  # of worker processes, after which the error is raised


def iter_sent(work: Callable, spans: list, jobs: Jobs) -> Iterator:
    """Yield the results of processes in order; spans of dead ones are repeated.

    As many tasks as there are workers carry the work (estimator, addresses, place of
    the result) under a key, and the others the key alone. A worker that does not know
    the key returns None, and its span is sent once more with the work.
    """
    key, data, n_sent, deaths = uuid4().hex, pack_work(work), jobs.number, 0
    left, done, turn = dict(enumerate(spans)), {}, 0
    while left:
        numbers = list(left)
        tasks = [
            delayed(_run)(key, data if i < n_sent else None, left[number])
            for i, number in enumerate(numbers)
        ]
        try:
            with _cancelling(start_jobs(Parallel, jobs, tasks)) as results:
                for number, result in zip(numbers, results, strict=True):
                    if result is not None:
                        del left[number]
                        done[number] = result
                    while turn in done:
                        yield done.pop(turn)
                        turn += 1
        except BrokenProcessPool as error:
            deaths += 1
            if deaths == _DEATHS:
                error.add_note(
                    f"{deaths} times a worker process died. If out of memory, use "
                    "fewer n_jobs or a smaller chunk_size."
                )
                raise
        n_sent = len(spans)


@contextmanager
def _cancelling(results: Iterator) -> Iterator[Iterator]:
    """Cancel the tasks that are not done at the end."""
    try:
        yield results
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of cancelled tasks
            getattr(results, "close", list)()  # a list has none


# The last work of this worker process, by its key.
_known: dict[str, Callable] = {}


def _run(key: str, data: bytes | None, span) -> Any:
    """Return the result of a span, None if the work is not known here."""
    work = _known.get(key)
    if work is None and data is None:
        return None
    if work is None:
        _known.clear()
        work = _known[key] = pickle.loads(data)
    try:
        with one_core():
            return work(span, threading.Event())
    except Exception as error:
        return _send_back(error)


def _send_back(error: Exception) -> Failed:
    """Return an error that can be pickled, caused by its traceback in the worker."""
    cause = RuntimeError("in a worker:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        said = RuntimeError(f"{type(error).__name__}: {error}")
        for note in error.__notes__:
            said.add_note(note)
        error = said
    return Failed(error, cause)
