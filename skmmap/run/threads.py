"""Keeps what an estimator calls on one core, while others work beside it.

BLAS and OpenMP take all cores unless told otherwise, and on how many they compute can
change the last bits of a result.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@contextmanager
def one_core() -> Iterator[None]:
    """Let BLAS, and OpenMP in this thread, compute on one core."""
    # OpenMP is told for this thread alone, BLAS for all of the process.
    with _blas, _find_libraries().limit(limits=1, user_api="openmp"):
        yield


@cache
def _find_libraries() -> ThreadpoolController:
    return ThreadpoolController()


class _Blas:
    """BLAS on one core until the last thread has left that wants it so."""

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
