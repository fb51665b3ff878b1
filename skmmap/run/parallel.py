"""Runs work on several cores or machines; the only place that knows joblib."""

import ctypes
import pickle
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import uuid4

import joblib
import numpy as np
from joblib.externals.loky.backend.reduction import dumps
from joblib.parallel import get_active_backend
from sklearn import config_context, get_config
from sklearn.utils.parallel import Parallel, delayed

from skmmap.run.threads import one_core

_DEATHS = 3  # of worker processes, after which the error is raised
# Backends on this machine, whose workers share its memory.
_LOCAL = "joblib._parallel_backends"


class Jobs(NamedTuple):
    """The number of workers, and whether they share this machine and its memory."""

    number: int = 1
    is_local: bool = True
    has_memory: bool = True
    options: dict = {}  # noqa: RUF012


def find_jobs(n_jobs: int | None, *, prefer: str, needs_memory: bool) -> Jobs:
    """Return the workers for ``n_jobs``, by ``joblib.parallel_config`` if it is used.

    ``prefer`` is "threads" or "processes"; work that ``needs_memory`` of this process
    can only use threads.
    """
    hints = {"prefer": prefer, "require": None}
    if needs_memory:
        hints = {"prefer": "threads", "require": "sharedmem"}
    backend, default = get_active_backend(**hints)
    if n_jobs is None:
        n_jobs = backend.default_n_jobs if default is None else default
    number = backend.effective_n_jobs(n_jobs)
    generates = backend.supports_return_generator
    options = {"return_as": "generator" if generates else "list", **hints}
    return Jobs(
        number,
        type(backend).__module__ == _LOCAL,
        getattr(backend, "supports_sharedmem", False),
        options,
    )


def pack_with_code(obj) -> Any:
    """Return what pickles to ``obj``, with the code of functions that are in no module.

    A plain pickle refuses lambdas and functions of functions.
    """
    return joblib.wrap_non_picklable_objects(obj, keep_wrapper=False)


def cut(schedule, n_spans: int) -> list:
    """Return consecutive parts of a schedule, each after the number of its first."""
    ends = np.linspace(0, len(schedule), n_spans + 1).astype(int).tolist()
    return [(a, schedule[a:b]) for a, b in pairwise(ends) if a < b]


def iter_done(work: Callable, spans: list, jobs: Jobs) -> Iterator:
    """Yield ``work(span, is_over)`` of each span in turn, which is never None.

    ``is_over`` is set once nobody waits for the result. Processes are sent addresses
    of rows, never rows, and the work once each. A span that fails returns its error,
    which is raised in its turn: so the row that is named is the first one, regardless
    of which worker was faster, and an error of the estimator is never taken for the
    death of a worker.
    """
    given = work, spans, jobs
    running = _threads(*given) if jobs.has_memory else closing(_iter_sent(*given))
    with running as results:
        for result in results:
            if isinstance(result, _Failed):
                raise result.error from result.cause
            yield result


class _Failed(NamedTuple):
    """Stands for the result of a span whose work has raised."""

    error: Exception
    cause: BaseException | None


@contextmanager
def _threads(work: Callable, spans: list, jobs: Jobs) -> Iterator[Iterator]:
    """Give the results of threads of this process, which end with the context."""
    is_over, seen, config = threading.Event(), set(), get_config()

    def run(span):
        seen.add(threading.current_thread())
        if is_over.is_set():
            return None
        try:
            with one_core(), config_context(**config):
                return work(span, is_over)
        except Exception as error:
            return _Failed(error, error.__cause__)

    # scikit-learn's Parallel sets warning filters, which all threads share.
    results = _start(joblib.Parallel, jobs, [joblib.delayed(run)(s) for s in spans])
    try:
        yield results
    finally:
        is_over.set()
        for _ in results:
            pass  # joblib would warn of tasks that it has to cancel
        # Threads of third-party backends may stay for more work.
        for thread in seen - {threading.current_thread()} if jobs.is_local else ():
            thread.join()


def _start(parallel: type, jobs: Jobs, tasks: list) -> Iterator:
    return iter(parallel(n_jobs=jobs.number, batch_size=1, **jobs.options)(tasks))


def _iter_sent(work: Callable, spans: list, jobs: Jobs) -> Iterator:
    """Yield the results of processes in turn; what a dead one left is done again.

    As many tasks as there are workers carry the work (estimator, addresses, place of
    the result) under a key, and the others the key alone. A worker that does not know
    the key returns None, and its span is sent once more with the work.
    """
    key, data, n_sent, deaths = uuid4().hex, _pack(work), jobs.number, 0
    left, done, turn = dict(enumerate(spans)), {}, 0
    while left:
        numbers = list(left)
        tasks = [
            delayed(_run)(key, data if i < n_sent else None, left[number])
            for i, number in enumerate(numbers)
        ]
        try:
            with _cancelling(_start(Parallel, jobs, tasks)) as results:
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


def _pack(work: Callable) -> bytes:
    """Return the pickled work, or say how to do without."""
    try:
        return _dump(work)
    except Exception as error:
        name = type(work.estimator).__name__
        error.add_note(
            f"while sending {name} to worker processes. Where it cannot be pickled, "
            "use n_jobs=1, or threads: with joblib.parallel_config('threading')."
        )
        raise


def _dump(work: Callable) -> bytes:
    """Pickle as joblib does, except for arrays in neither C nor Fortran order.

    joblib would write large arrays to a folder and map them; it does not for bytes.
    """
    return bytes(dumps(work, reducers={np.ndarray: _reduce_array}))


def _reduce_array(array: np.ndarray) -> tuple:
    """Keep the strides: rounding in BLAS depends on the memory layout."""
    if array.dtype.hasobject or array.flags.forc:
        return array.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    low, high = np.lib.array_utils.byte_bounds(array)
    offset = array.__array_interface__["data"][0] - low
    data = ctypes.string_at(low, high - low)
    return _lay_out, (data, array.shape, array.dtype, offset, array.strides)


def _lay_out(data: bytes, *layout) -> np.ndarray:
    shape, dtype, offset, strides = layout
    return np.ndarray(shape, dtype, bytearray(data), offset, strides)


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


def _send_back(error: Exception) -> _Failed:
    """Return an error that can be pickled, caused by its traceback in the worker."""
    cause = RuntimeError("in a worker:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        said = RuntimeError(f"{type(error).__name__}: {error}")
        for note in error.__notes__:
            said.add_note(note)
        error = said
    return _Failed(error, cause)
