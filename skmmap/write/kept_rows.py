"""Rows that a writer goes on after: those of a file, or of a writer that was killed.

A hidden file to be resumed is a ``.npy`` file whose header counts the rows that have
reached the disk; what follows them is overwritten.
"""

import errno
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from skmmap.disk import (
    Unfinished,
    make_header,
    open_regular,
    read_header,
    read_open_state,
)
from skmmap.formats.numpy import npy
from skmmap.formats.shared import MapStore
from skmmap.order import FileOrder
from skmmap.write.batches import PIECE

# Rows are brought to the disk, and counted, this often: a killed run loses no more.
_SECONDS = 1.0


class OldRows:
    """The rows of a complete file, which are the first ones of the new file."""

    def __init__(self, path: Path, dtype: np.dtype | None, option: str):
        self._store = _check_order(npy.open_store(path, "path"))
        instead = f"{option}=False to replace the file"
        check_dtype(self._store.dtype, dtype, path, instead)
        self.shape, self.dtype = self._store.shape, self._store.dtype
        # Open from here on: one that replaces it meanwhile has other rows.
        self._file = io.BufferedReader(open_regular(path))

    def find_key(self) -> str:
        """Return a name for the file as it is now."""
        state = read_open_state(self._file)
        return f"{state.inode:x}_{state.nbytes:x}_{state.modified:x}"

    def copy(self, write: Callable) -> None:
        """Copy the rows.

        Appending in place would cost nothing, and a crash would leave the user's file
        longer than it was.
        """
        self._file.seek(self._store.offset)
        n_bytes = self._store.n_rows * self._store.row_nbytes
        for start, stop in FileOrder(n_bytes, PIECE):
            data = self._file.read(stop - start)
            if len(data) < stop - start:
                raise OSError(errno.EIO, "the file was truncated while copied")
            write(data)

    def close(self) -> None:
        self._file.close()


class KeptRows:
    """Counts rows in the header of the hidden file, once they have reached the disk."""

    def __init__(self, out: Unfinished):
        self._out, self._noted = out, time.monotonic()
        self.n_rows = 0

    def find(self) -> tuple[np.dtype, tuple, int] | None:
        """Return the type and shape of what was left, and where it begins."""
        try:
            header = self._out.read(read_header, "the hidden file")
        except ValueError:  # killed before the first rows were counted
            return None
        shape = header.shape
        if not shape or not shape[0] or self._out.size < header.end:
            return None
        if len(make_header(header.dtype, shape)) != header.n_bytes:
            return None
        self._out.go_to(header.end)
        self.n_rows = shape[0]
        return header.dtype, shape, header.n_bytes

    def note(self, dtype: np.dtype, shape: tuple, end: int, *, now: bool) -> None:
        """Count the rows that were written so far, which end there, if it is time."""
        if not now and time.monotonic() - self._noted <= _SECONDS:
            return
        self._out.sync()
        self._out.write_at(0, make_header(dtype, shape))
        self._out.flush()
        self._out.go_to(end)
        self.n_rows, self._noted = shape[0], time.monotonic()


def _check_order(old: MapStore) -> MapStore:
    """Return the file if rows can be written after its last."""
    if old.order == "F" and len(old.shape) > 1:
        raise ValueError(
            f"{old.path} is stored column by column (Fortran order), so no rows can be "
            "written after its last. Save it in C order once: np.save(path, "
            "np.ascontiguousarray(array)) where it fits in memory."
        )
    return old


def check_dtype(found: np.dtype, dtype: np.dtype | None, what, instead: str) -> None:
    """Raise if another type was given than that of the rows that are there."""
    if dtype is not None and dtype != found:
        raise TypeError(
            f"{what} has the dtype {found}, and dtype={str(dtype)!r} was given. "
            f"Leave dtype out, or {instead}."
        )
