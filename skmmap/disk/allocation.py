"""Allocation: errors say what memory or files were needed for, and what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import numpy as np

from skmmap._messages import say_size

BUFFER = "a buffer of rows", "Lower memory_limit or chunk_size."
LOADED = (
    "all rows",
    "Load fewer, such as rows.read(start, stop) or np.asarray(rows[::9]).",
)
MAP_ADVICE = "Raise the limit (ulimit -v), or use ChunkedFit(read='buffer')."
RESULT = "the result", "Give out='y.npy', which puts it into a file."

_NO_MEMORY = "Not enough memory for"
_NONE_LEFT = errno.EMFILE, errno.ENFILE


def allocate(shape, dtype, use: tuple[str, str]) -> np.ndarray:
    """Return an uninitialised array; ``use`` says what for, and what to do instead."""
    with explaining(
        prod(np.atleast_1d(shape).tolist()) * np.dtype(dtype).itemsize, use
    ):
        return np.empty(shape, dtype)


@contextmanager
def explaining(nbytes: int, use: tuple[str, str]) -> Iterator[None]:
    """Raise a MemoryError inside with what so many bytes were for.

    An error that already says so, about a part of them, is raised as it is.
    """
    try:
        yield
    except (MemoryError, OSError) as error:
        is_other = isinstance(error, OSError) and error.errno != errno.ENOMEM
        if is_other or str(error).startswith(_NO_MEMORY):
            raise
        what, todo = use
        raise MemoryError(f"{_NO_MEMORY} {what}: {say_size(nbytes)}. {todo}") from error


@contextmanager
def counting_files(path) -> Iterator[None]:
    """Say what to do if too many files are open."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NONE_LEFT:
            raise
        raise OSError(
            error.errno,
            "Too many files are open, and maps and rows that are held keep theirs. "
            "Raise the limit (ulimit -n), do without 'with rows:', or use "
            "ChunkedFit(read='buffer'), which closes them again",
            str(path),
        ) from error
