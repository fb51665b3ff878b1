"""Limits BLAS and OpenMP to one core while several workers run.

They use all cores by default, and the number of cores can change the last bits of a
result on wide rows. So every number of jobs limits them, a single job too: otherwise
results would depend on ``n_jobs``. ``n_jobs=None`` leaves them alone, as the
hand-written loop does.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from threadpoolctl import ThreadpoolController


@contextmanager
def one_core() -> Iterator[None]:
    """Let BLAS, and OpenMP in this thread, compute on one core."""
    # threadpoolctl limits OpenMP for this thread alone, BLAS for the whole process.
    with _blas, _find_libraries().limit(limits=1, user_api="openmp"):
        yield


def one_core_in_thread() -> None:
    """Let OpenMP in this thread compute on one core, as long as the thread lives."""
    _find_libraries().limit(limits=1, user_api="openmp")


@cache
def _find_libraries() -> ThreadpoolController:
    return ThreadpoolController()


class _Blas:
    """Limits BLAS to one core until the last thread that needs it has left."""

    def __init__(self):
        self._lock, self._n_inside, self._limit = threading.Lock(), 0, None

    def __enter__(self) -> None:
        with self._lock:
            if self._n_inside == 0:
                self._limit = _find_libraries().limit(limits=1, user_api="blas")
            self._n_inside += 1

    def __exit__(self, *error) -> None:
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0:
                self._limit.restore_original_limits()


_blas = _Blas()


def find_thread_counts() -> dict[str, int]:
    """Return how many threads each library of BLAS and OpenMP computes with."""
    return {name: found.get_num_threads() for name, found in _list_libraries().items()}


def _list_libraries() -> dict:
    # Not those of the cache: some may have been imported since.
    found = ThreadpoolController().lib_controllers
    return {Path(library.filepath).name: library for library in found}


@contextmanager
def with_thread_counts(counts: dict[str, int]) -> Iterator[list[str]]:
    """Let each library compute with so many threads; yield those that do not."""
    libraries = _list_libraries()
    before = find_thread_counts()
    changed = [
        name for name in libraries if counts.get(name, before[name]) != before[name]
    ]
    for name in changed:
        libraries[name].set_num_threads(counts[name])
    now = find_thread_counts()
    try:
        yield [name for name, number in counts.items() if now.get(name) != number]
    finally:
        for name in changed:
            libraries[name].set_num_threads(before[name])
