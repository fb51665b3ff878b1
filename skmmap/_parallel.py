"""Runs work on several cores or machines; the only place that knows joblib."""

import ctypes
import pickle
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import uuid4

import joblib
import numpy as np
from joblib.externals.loky.backend.reduction import dumps
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import ThreadpoolController

_DEATHS = 3  # of workers, after which it is no accident
_PATIENCE = 60  # seconds; threads of a backend of others may stay for more work
# Backends on this machine, whose workers share its memory.
_LOCAL = "joblib._parallel_backends"


class Jobs(NamedTuple):
    """How many workers there are, and what they have in common with this process."""

    number: int = 1
    is_local: bool = True
    has_memory: bool = True
    options: dict = {}  # noqa: RUF012


def find_jobs(n_jobs: int | None, *, prefer: str, needs_memory: bool) -> Jobs:
    """Return what ``n_jobs`` is here: inside of ``joblib.parallel_config``, or not.

    ``prefer`` is "threads" or "processes"; what ``needs_memory`` of this process can
    only go by threads.
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


def cut(schedule, n_spans: int) -> list:
    """Return neighbouring parts of a schedule, each with the number of its first."""
    ends = np.linspace(0, len(schedule), n_spans + 1).astype(int).tolist()
    return [(a, schedule[a:b]) for a, b in pairwise(ends) if a < b]


def iter_done(work: Callable, spans: list, jobs: Jobs) -> Iterator:
    """Yield ``work(span, is_over)`` of each span, in turn; it is never None.

    ``is_over`` says whether nobody waits for it any more. To processes, nothing but
    addresses is sent, and that of the work once to each.
    """
    if not jobs.has_memory:
        yield from _iter_sent(work, spans, jobs)
        return
    with closing(_Threads(work, jobs.number)) as threads:
        tasks = [delayed(threads.run)(span) for span in spans]
        with closing(_run_all(jobs, tasks)) as results:
            try:
                yield from results
            finally:
                threads.is_over.set()  # before joblib lets go of them


class _Threads:
    """Work on threads of this process, which have ended when it is closed.

    BLAS and OpenMP get no more threads together than there are cores.
    """

    def __init__(self, work: Callable, number: int):
        self._work, self._n_inside = work, max(1, joblib.cpu_count() // number)
        self._libraries, self.is_over = ThreadpoolController(), threading.Event()
        # For all threads of the process.
        self._limits = self._libraries.limit(limits=self._n_inside, user_api="blas")
        self._seen = set()

    def run(self, span):
        """Return the result of a span, None if it is over."""
        self._seen.add(threading.current_thread())
        # For this thread alone.
        with self._libraries.limit(limits=self._n_inside, user_api="openmp"):
            return None if self.is_over.is_set() else self._work(span, self.is_over)

    def close(self) -> None:
        """Wait for the threads, which have nothing more to do."""
        self._limits.restore_original_limits()
        for thread in self._seen - {threading.current_thread()}:
            thread.join(_PATIENCE)


def _run_all(jobs: Jobs, tasks: list) -> Iterator:
    results = Parallel(n_jobs=jobs.number, batch_size=1, **jobs.options)(tasks)
    try:
        yield from results
    finally:
        with warnings.catch_warnings():
            # That not all of them were used, when somebody has failed.
            warnings.simplefilter("ignore", UserWarning)
            getattr(results, "close", _nothing)()


def _iter_sent(work: Callable, spans: list, jobs: Jobs) -> Iterator:
    """Yield what processes return, in turn; what a dead one has not is done again."""
    key, data, n_sent, deaths = uuid4().hex, _dump(work), jobs.number, 0
    left, done, turn = dict(enumerate(spans)), {}, 0
    while left:
        # As many tasks as there are workers bring the work along. Where one gets two
        # of them, another one asks for it with what it cannot do.
        numbers = list(left)
        tasks = [
            delayed(_run)(key, data if i < n_sent else None, left[number])
            for i, number in enumerate(numbers)
        ]
        try:
            with closing(_run_all(jobs, tasks)) as results:
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
                    f"{deaths} times a worker process died. If memory was short, use "
                    "fewer n_jobs or a smaller chunk_size."
                )
                raise
        n_sent = len(spans)


def _dump(work: Callable) -> bytes:
    """Pickle as joblib does, but for arrays that lie in no usual way.

    Of bytes, joblib writes nothing to a folder, for others to map.
    """
    return bytes(dumps(work, reducers={np.ndarray: _reduce_array}))


def _reduce_array(array: np.ndarray) -> tuple:
    """Keep the strides: by how arrays lie in memory, BLAS rounds."""
    if array.dtype.hasobject or array.flags.forc:
        return array.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    low, high = np.lib.array_utils.byte_bounds(array)
    offset = array.__array_interface__["data"][0] - low
    data = ctypes.string_at(low, high - low)
    return _lay_out, (data, array.shape, array.dtype, offset, array.strides)


def _lay_out(data: bytes, *layout) -> np.ndarray:
    shape, dtype, offset, strides = layout
    return np.ndarray(shape, dtype, bytearray(data), offset, strides)


# The last work of this worker, by its key.
_known: dict[str, Callable] = {}


def _run(key: str, data: bytes | None, span) -> Any:
    """Return the result of a span, None if the work is not known here."""
    work = _known.get(key)
    if work is None and data is None:
        return None
    if work is None:
        _known.clear()
        work = _known[key] = pickle.loads(data)
    return work(span, threading.Event())


def _nothing() -> None:
    """Close what is a list."""
