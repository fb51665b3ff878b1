"""``NpyWriter``: a ``.npy`` file that grows batch by batch."""

import errno
import os
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from skmmap._types import StrPath
from skmmap.disk import Unfinished, all_or_none, check_path, make_header
from skmmap.write.batches import (
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
from skmmap.write.kept_rows import KeptRows, OldRows, check_dtype

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_SAID = BlockingIOError, PermissionError  # of skmmap's own, that say what to do
_NO_FILE = "rows"  # instead of a name for the file that was there


class NpyWriter:
    """Write a ``.npy`` file batch by batch, without knowing the number of rows.

    The rows are written to a hidden file in the same folder. When the writer is
    closed, that file replaces the one at `path` in a single step. Until then, and if
    anything fails, the file at `path` stays as it is. An exception inside ``with``
    discards the rows, unless ``resume=True``, and so does a writer that is never
    closed.

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

    append : bool, default=False
        Whether to write after the rows of the file at `path`, if there is one. Its data
        type and the shape of its rows stay. At the first batch the file is copied, so
        that a crash leaves it as it was: that takes the time to read and write it, and
        disk space for both files until the writer is closed.

    resume : bool, default=False
        Whether to go on after the rows of a writer with ``resume=True`` that was killed
        or has failed, and otherwise after those of the file at `path`, as with
        `append`. `n_rows` says how many rows there are: begin with the next one. Rows
        are counted once they have reached the disk, every second. Rows of a killed
        writer are deleted if the file at `path` was written to after that writer began.

    Attributes
    ----------
    path : pathlib.Path
        The absolute path of the file.

    n_rows : int
        Number of rows so far, those that were there before included.

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
    Reads: nothing; with ``append=True`` or ``resume=True`` the file at `path`, once.
    Allocates: nothing for a batch in C order that needs no cast; otherwise 4 MiB, or
    two rows if they are larger.
    Equals: ``np.save(path, np.concatenate(batches))``, byte for byte, in C order.

    When `close` returns, the rows are on the disk and not only in a cache. The file
    has the permissions of the one that it replaces, or those of a file that ``open``
    creates. Memory maps of a replaced file keep showing the old rows.

    A process that is killed leaves a hidden file ``.skmmap_*``, which the next writer
    to `path` overwrites, and one with ``resume=True`` continues or deletes. Of two
    writers to one path, the one that is closed last wins; a second one with
    ``resume=True`` is refused.

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
    >>> with NpyWriter(path, append=True) as rows:
    ...     rows.append(np.zeros((1, 4), dtype=np.float32))
    ...     rows.shape
    (6, 4)

    A loop that is killed begins at the row where it was; once the file is complete,
    nothing is left to do.

    >>> with NpyWriter(path, resume=True) as rows:
    ...     for start in range(rows.n_rows, 8, 2):
    ...         rows.append(np.ones((2, 4), dtype=np.float32))
    >>> np.load(path, mmap_mode="r").shape
    (8, 4)
    >>> NpyWriter("X.dat")
    Traceback (most recent call last):
        ...
    ValueError: path must end in '.npy'; got 'X.dat'. Write 'X.dat.npy'.
    >>> folder.cleanup()
    """

    def __init__(
        self,
        path: StrPath,
        *,
        dtype: DTypeLike | None = None,
        append: bool = False,
        resume: bool = False,
    ) -> None:
        if append and resume:
            raise ValueError(
                "append=True and resume=True were given. resume=True writes after the "
                "rows of the file, too; leave append out."
            )
        self._set(path, dtype)
        option = "append" if append else "resume"
        if (append or resume) and self._path.exists():
            self._old = OldRows(self._path, self._dtype, option)
        key = _NO_FILE if self._old is None else self._old.find_key()
        self._open_hidden(key if resume else "")

    def _set(self, path, dtype) -> None:
        self._path, self._casts = check_path(path), dtype is not None
        self._dtype = None if dtype is None else check_given_dtype(dtype)
        self._row_shape, self._n_rows = None, 0
        self._n_header, self._open = 0, True
        self._out = self._cleanup = self._old = self._kept = None

    def _open_hidden(self, key: str) -> None:
        """Make the hidden file; with a key, take what was left under it."""
        with self._writing():
            self._out = Unfinished(self._path, key=key, resume=bool(key))
            self._kept = KeptRows(self._out) if key else None
            self._cleanup = weakref.finalize(
                self, _abandon, self._out, self._path, keeps=bool(key)
            )
            if not (self._kept and self._take_kept()) and self._old is not None:
                self._dtype, self._row_shape = self._old.dtype, self._old.shape[1:]
                self._n_rows = self._old.shape[0]

    def _take_kept(self) -> bool:
        """Take the rows of a killed writer; return whether there are any."""
        found = self._kept.find()
        if found is None:
            self._out.truncate()
            self._out.go_to(0)
            return False
        dtype, shape, self._n_header = found
        what = f"An unfinished {self._path} of {shape[0]:,} rows"
        instead = f"delete {self._out.hidden} to begin anew"
        check_dtype(dtype, self._dtype, what, instead)
        self._dtype, self._row_shape, self._n_rows = dtype, shape[1:], shape[0]
        self._close_old()  # whose rows are the first of these
        return True

    @property
    def path(self) -> Path:
        """The absolute path of the file."""
        return self._path

    @property
    def n_rows(self) -> int:
        """Number of rows so far, those that were there before included."""
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
        rows are discarded; with ``resume=True`` those that have reached it are kept.

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
            elif self._old is not None and len(rows):
                self._copy_old()
            for piece in iter_pieces(rows, self._dtype):
                # Not all item types, datetime64 for one, have a buffer; bytes have.
                self._out.write(piece.reshape(-1).view(np.uint8).data)
            self._n_rows += len(rows)
            self._note(now=False)

    def close(self) -> None:
        """Put the complete file in its place.

        A second call, or one after a failure, does nothing.

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
        if self._open and self._old is not None:  # it is complete as it is
            self._discard()
        elif self._open:
            self._finish()
            self._put()

    def _finish(self) -> None:
        """Write everything to the disk, under the hidden name."""
        with self._writing():
            if self._row_shape is None:
                self._begin(self._check_known_dtype(), ())
            self._note(now=True)
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
            self._give_up()

    def _check_open(self) -> None:
        if not self._open:
            raise ValueError(
                f"The writer of {self._path} is closed. Open another, with "
                "append=True to write after the rows of the file."
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

    def _copy_old(self) -> None:
        """Begin with the rows of the file that is there."""
        self._begin(self._dtype, self._row_shape)
        self._old.copy(self._out.write)
        self._close_old()
        self._note(now=True)

    def _close_old(self) -> None:
        old, self._old = self._old, None
        if old is not None:
            old.close()

    def _find_end(self) -> int:
        """Return where the next row is to be written."""
        return self._n_header + self._n_rows * row_nbytes(self.shape, self._dtype)

    def _note(self, *, now: bool) -> None:
        """Count the rows that have reached the disk, if they are kept."""
        if self._kept is not None and self._old is None:
            self._kept.note(self._dtype, self.shape, self._find_end(), now=now)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Give up if something fails halfway; explain errors of the disk."""
        try:
            yield
        except OSError as error:
            # After an error the system may say that all is on the disk which is not.
            self._give_up(notes=False)
            if error.errno is None and isinstance(error, _SAID):
                raise
            raise self._explain(error) from error
        except BaseException:
            self._give_up()
            raise

    def _explain(self, error: OSError) -> OSError:
        left = "No file was left there."
        if os.path.lexists(self._path):
            left = "The file that was there before is unchanged, and no other was left."
        todo = "Check that files can be made there and that no program holds this one"
        if error.errno in _FULL:
            todo = "Make room, or choose a path on another disk"
        then = "write all rows again"
        if self._kept is not None and self._kept.n_rows:
            left = f"{self._kept.n_rows:,} rows are kept."
            then = "go on after them with resume=True"
        text = (
            f"Writing to {self._path} failed after {self._n_rows:,} rows "
            f"({self._find_end():,} bytes): {error.strerror or error}. {left} {todo}; "
            f"then {then}."
        )
        return OSError(text) if error.errno is None else OSError(error.errno, text)

    def _give_up(self, *, notes: bool = True) -> None:
        """Discard the rows, or leave those that are on the disk to be resumed."""
        if not self._open or self._kept is None:
            self._discard()
            return
        if notes and self._row_shape is not None and not self._out.is_put:
            with suppress(OSError):  # such as a full disk
                self._note(now=True)
        if not self._kept.n_rows:
            self._discard()
            return
        self._out.close()
        self._release()

    def _discard(self) -> None:
        if self._open and self._out is not None:
            self._out.discard()
        self._release()

    def _release(self) -> None:
        self._open = False
        self._close_old()
        if self._cleanup is not None:
            self._cleanup.detach()


class KeyedWriter(NpyWriter):
    """Goes on after the rows of a killed writer with the same key, and of no other."""

    def __init__(self, path: Path, *, dtype: DTypeLike | None, key: str) -> None:
        self._set(path, dtype)
        self._open_hidden(key)


def close_all(writers: list[NpyWriter]) -> None:
    """Let the files of several writers take their places: all of them, or none."""
    for writer in writers:
        writer._finish()
    with all_or_none([writer._out for writer in writers]):
        for writer in writers:
            writer._put()


def _abandon(out: Unfinished, path: Path, *, keeps: bool) -> None:
    out.close() if keeps else out.discard()
    fate = "rows on the disk are kept" if keeps else "its rows are discarded"
    warnings.warn(
        f"The writer of {path} was never closed, and {fate}. Call "
        "close, or use it in a with statement.",
        ResourceWarning,
        stacklevel=2,
    )
