"""``NpyWriter``: a ``.npy`` file that grows batch by batch."""

import errno
import os
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from skmmap._types import StrPath
from skmmap.disk import Unfinished, all_or_none, check_path, make_header
from skmmap.formats.numpy import npy
from skmmap.formats.shared import MapStore
from skmmap.order import FileOrder
from skmmap.write.batches import (
    PIECE,
    check_castable,
    check_given_dtype,
    check_kept,
    check_row_shape,
    check_rows,
    check_storable,
    iter_pieces,
    refuse_dtype,
    row_nbytes,
    say_rows,
)

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class NpyWriter:
    """Write a ``.npy`` file batch by batch, without knowing the number of rows.

    The rows are written to a hidden file in the same folder. When the writer is
    closed, that file replaces the one at `path` in a single step. Until then, and if
    anything fails, the file at `path` stays as it is. An exception inside ``with``
    discards the rows, and so does a writer that is never closed.

    Use it for rows that are made, read or received piece by piece. If the whole array
    is in memory, ``np.save`` does the same. If the number of rows is known and they
    come in any order, ``np.lib.format.open_memmap`` makes a memory map to fill.

    Parameters
    ----------
    path : str or path-like
        Path of the file. It must end in ``.npy``, and its folder must exist. An
        existing file is replaced; a symbolic link to one stays a link.

    dtype : dtype, default=None
        Data type of the file. Batches of another type are cast as
        ``casting="same_kind"`` allows, and refused if an integer would change or a
        string would be truncated; structured and void types are not cast. By default
        the type of the first batch, which all other batches must have then.

    resume : bool, default=False
        Whether to append to the file at `path`, if there is one. Its data type and the
        shape of its rows stay. The file is copied first, so that a crash leaves it as
        it was: that takes the time to read and write it, and disk space for both files
        until the writer is closed.

    Attributes
    ----------
    path : pathlib.Path
        The absolute path of the file.

    n_rows : int
        Number of rows so far, those of a resumed file included.

    shape : tuple of int
        ``n_rows`` and the shape of a row, which is () before the first batch.

    dtype : dtype or None
        Data type of the file; None until it is given or the first batch decides it.

    See Also
    --------
    save_rows : Does the same for batches that an iterable yields.
    numpy.save : Writes an array that is in memory.

    Notes
    -----
    Reads: nothing; with ``resume=True`` the file at `path`, once.
    Allocates: nothing for a batch in C order that needs no cast; otherwise 4 MiB, or
    two rows if they are larger.
    Equals: ``np.save(path, np.concatenate(batches))``, byte for byte, in C order.

    When `close` returns, the rows are on the disk and not only in a cache. The file
    has the permissions of the one that it replaces, or those of a file that ``open``
    creates. Memory maps of a replaced file keep showing the old rows.

    A process that is killed leaves a hidden file ``.skmmap_*``, which can be deleted.
    Of two writers to one path, the one that is closed last wins.

    References
    ----------
    "NPY format", NumPy Reference,
    https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from skmmap import NpyWriter
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "X.npy")
    >>> with NpyWriter(path) as rows:
    ...     for n_rows in (3, 2):
    ...         rows.append(np.ones((n_rows, 4), dtype=np.float32))
    >>> np.load(path, mmap_mode="r").shape
    (5, 4)
    >>> with NpyWriter(path, resume=True) as rows:
    ...     rows.append(np.zeros((1, 4), dtype=np.float32))
    ...     rows.shape
    (6, 4)
    >>> NpyWriter("X.dat")
    Traceback (most recent call last):
        ...
    ValueError: path must end in '.npy'; got 'X.dat'. Write 'X.dat.npy'.
    >>> folder.cleanup()
    """

    def __init__(
        self, path: StrPath, *, dtype: DTypeLike | None = None, resume: bool = False
    ) -> None:
        self._path, self._casts = check_path(path), dtype is not None
        self._dtype = None if dtype is None else check_given_dtype(dtype)
        self._row_shape, self._n_rows = None, 0
        self._n_header, self._open = 0, True
        self._out = self._cleanup = None
        old = None
        if resume and self._path.exists():
            old = _check_resumable(npy.open_store(self._path, "path"), self._dtype)
        with self._writing():
            self._out = Unfinished(self._path)
            self._cleanup = weakref.finalize(self, _abandon, self._out, self._path)
            if old is not None:
                self._take(old)

    @property
    def path(self) -> Path:
        """The absolute path of the file."""
        return self._path

    @property
    def n_rows(self) -> int:
        """Number of rows so far, those of a resumed file included."""
        return self._n_rows

    @property
    def shape(self) -> tuple[int, ...]:
        """``n_rows`` and the shape of a row, which is () before the first batch."""
        return (self._n_rows, *(self._row_shape or ()))

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """Data type of the file; None until it is known."""
        return self._dtype

    def append(self, batch: ArrayLike) -> None:
        """Append rows.

        A batch that is refused leaves the writer as it was. If the disk fails, all
        rows are discarded.

        Parameters
        ----------
        batch : array-like of shape (k, ...)
            The rows; there may be none (k = 0). The first batch decides the shape of
            a row, and the data type if the writer was given none.

        Raises
        ------
        TypeError
            If the batch is not a dense array of rows, or has another data type.

        ValueError
            If its rows have another shape, a cast would change an integer or truncate
            a string, or the writer is closed.

        OSError
            If writing fails, for example because the disk is full.

        Notes
        -----
        Reads: the batch once; twice if a cast could change integers or strings.
        Allocates: nothing for a batch in C order that needs no cast; otherwise 4 MiB,
        or two rows if they are larger.
        Equals: ``np.concatenate([before, batch])`` of the rows in the file.
        """
        self._check_open()
        rows = self._check_batch(batch)
        with self._writing():
            if self._row_shape is None:
                self._begin(rows.dtype, rows.shape[1:])
            for piece in iter_pieces(rows, self._dtype):
                # Not all item types, datetime64 for one, have a buffer; bytes have.
                self._out.write(piece.reshape(-1).view(np.uint8).data)
            self._n_rows += len(rows)

    def close(self) -> None:
        """Put the complete file in its place.

        A second call, or one after a failure that discarded the rows, does nothing.

        Raises
        ------
        ValueError
            If there was no batch and no `dtype`, so that no file can be written.

        OSError
            If writing fails, for example because the disk is full.

        Notes
        -----
        Reads: nothing.
        Allocates: nothing.
        Equals: the end of ``np.save``, once the rows have reached the disk.
        """
        if self._open:
            self._finish()
            self._put()

    def _finish(self) -> None:
        """Write everything to the disk, under the hidden name."""
        with self._writing():
            if self._row_shape is None:
                self._begin(self._check_known_dtype(), ())
            self._out.finish(make_header(self._dtype, self.shape))

    def _put(self) -> None:
        with self._writing():
            self._out.put()
        self._release()

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(self, error_type: object, error: object, traceback: object) -> None:
        if error_type is None:
            self.close()
        else:
            self._discard()

    def _check_open(self) -> None:
        if not self._open:
            raise ValueError(
                f"The writer of {self._path} is closed. Open another, with "
                "resume=True to write after the rows of the file."
            )

    def _check_known_dtype(self) -> np.dtype:
        if self._dtype is None:
            raise ValueError(
                f"Nothing was appended for {self._path}, and the item type of an empty "
                "file is not known. Give dtype to NpyWriter, or append an empty batch, "
                "such as np.empty((0, 10))."
            )
        return self._dtype

    def _check_batch(self, batch) -> np.ndarray:
        """Return ``batch`` as an array of rows that fit those of the file."""
        rows = check_rows(batch, self._n_rows, self._path)
        where = say_rows(self._n_rows, len(rows), self._path)
        if self._row_shape is not None:
            check_row_shape(rows.shape[1:], self._row_shape, where)
        if self._dtype is not None and self._dtype == rows.dtype:
            return rows
        check_storable(rows.dtype, f"batch {where} has the dtype {rows.dtype}")
        if self._dtype is not None:
            check = check_castable if self._casts else refuse_dtype
            check(rows.dtype, self._dtype, where)
            check_kept(rows, self._dtype, self._n_rows, where)
        return rows

    def _begin(self, dtype, row_shape) -> None:
        """Write a header for no rows, as long as the one that replaces it."""
        self._dtype = dtype if self._dtype is None else self._dtype
        header = make_header(self._dtype, (0, *row_shape))
        self._out.write(header)
        self._row_shape, self._n_header = row_shape, len(header)

    def _take(self, old: MapStore) -> None:
        """Copy the rows of the file that is resumed.

        Appending in place would cost nothing, and a crash would leave the user's file
        longer than it was.
        """
        self._begin(old.dtype, old.shape[1:])
        with open(self._path, "rb") as file:
            file.seek(old.offset)
            for start, stop in FileOrder(old.n_rows * old.row_nbytes, PIECE):
                data = file.read(stop - start)
                if len(data) < stop - start:
                    raise OSError(errno.EIO, "the file was truncated while copied")
                self._out.write(data)
        self._n_rows = old.n_rows

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Discard everything if something fails halfway; explain errors of the disk."""
        try:
            yield
        except OSError as error:
            self._discard()
            raise self._explain(error) from error
        except BaseException:
            self._discard()
            raise

    def _explain(self, error: OSError) -> OSError:
        n_bytes = self._n_header + self._n_rows * row_nbytes(self.shape, self._dtype)
        left = "No file was left there."
        if os.path.lexists(self._path):
            left = "The file that was there before is unchanged, and no other was left."
        todo = "Check that files can be made there and that no program holds this one"
        if error.errno in _FULL:
            todo = "Make room, or choose a path on another disk"
        text = (
            f"Writing to {self._path} failed after {self._n_rows:,} rows "
            f"({n_bytes:,} bytes): {error.strerror or error}. {left} {todo}; then "
            "write all rows again."
        )
        return OSError(text) if error.errno is None else OSError(error.errno, text)

    def _discard(self) -> None:
        if self._open and self._out is not None:
            self._out.discard()
        self._release()

    def _release(self) -> None:
        self._open = False
        if self._cleanup is not None:
            self._cleanup.detach()


def close_all(writers: list[NpyWriter]) -> None:
    """Let the files of several writers take their places: all of them, or none."""
    for writer in writers:
        writer._finish()
    with all_or_none([writer._out for writer in writers]):
        for writer in writers:
            writer._put()


def _abandon(out: Unfinished, path: Path) -> None:
    out.discard()
    warnings.warn(
        f"The writer of {path} was never closed, and its rows are discarded. Call "
        "close, or use it in a with statement.",
        ResourceWarning,
        stacklevel=2,
    )


def _check_resumable(old: MapStore, dtype: np.dtype | None) -> MapStore:
    """Return the file if rows of ``dtype`` can be written after its last."""
    if old.order == "F" and len(old.shape) > 1:
        raise ValueError(
            f"{old.path} is stored column by column (Fortran order), so no rows can be "
            "written after its last. Save it in C order once: np.save(path, "
            "np.ascontiguousarray(array)) where it fits in memory."
        )
    if dtype is not None and dtype != old.dtype:
        raise TypeError(
            f"{old.path} has the dtype {old.dtype}, and dtype={str(dtype)!r} was "
            "given. Leave dtype out, or resume=False to replace the file."
        )
    return old
