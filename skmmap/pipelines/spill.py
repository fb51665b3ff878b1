"""Transformed rows in a temporary file, where computing them again takes longer.

The files have no names: whatever ends the process, the system frees them.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np
from scipy import sparse

from skmmap.checkpoints import find_journal
from skmmap.disk import Identity, ScratchFile, has_unnamed_files, is_in_memory
from skmmap.formats.shared import CsrStore, MapStore
from skmmap.learn import make_fit_plan
from skmmap.order import rows_at
from skmmap.rows import MappedStore, PartStore, Rows, Source, Store, find_source
from skmmap.run import find_sharing

# What fits in so little is not worth a file.
_LEAST_NBYTES = 2**26
# A slow disk, and epochs of fits that stop early: what a file costs is not underrated.
_DISK_SPEED, _EPOCHS = 2e8, 10
_SAMPLE_ROWS = 2_000
_FREE_SHARE = 0.8  # of what is free on the disk
_DOING = "while transformed rows were written to a temporary file"


class UnnamedFile(MapStore):
    """Rows in an open file without a name."""

    where = "transformed rows in a temporary file"


class UnnamedCsr(CsrStore):
    """Rows of a CSR matrix in such files."""

    def __init__(self, data, indices, indptr, n_columns: int):
        super().__init__(data, indices, indptr, n_columns)
        self.where = data.where

    @property
    def identity(self) -> Identity:
        return sum((part.identity for part in self._parts), Identity())


class Spilled(PartStore):
    """Rows of a mapped store, some of which are read from a file.

    In all else it is the mapped store: which rows make a chunk or a block follows from
    that alone, and so does what is learned, whether there is a file or not.
    ``numbers`` are those of the rows in the file, ascending.
    """

    can_reopen = False

    def __init__(self, mapped: MappedStore, file: Store, numbers: np.ndarray):
        super().__init__(mapped, mapped.shape)
        self._file, self._numbers = file, numbers
        self.can_reopen = False  # by other processes

    @property
    def row_extent(self) -> int:
        return self._store.row_extent

    def for_run(self, read_mode: str) -> "Spilled":
        part = super().for_run(read_mode)
        part._file = self._file.for_run(read_mode)
        return part

    def read(self, start: int, stop: int):
        first = int(np.searchsorted(self._numbers, start))
        return self._file.read(first, first + stop - start)

    def read_into(self, start: int, stop: int, out: np.ndarray) -> None:
        first = int(np.searchsorted(self._numbers, start))
        self._file.read_into(first, first + stop - start, out)

    def is_viewed_by(self, array: np.ndarray) -> bool:
        return self._file.is_viewed_by(array)

    def take(self, rows: np.ndarray):
        return self._file.take(np.searchsorted(self._numbers, rows))


@contextmanager
def kept_on_disk(wrapper, rows: Rows, y, params: dict, given: dict) -> Iterator[Rows]:
    """Return rows to train on: in a temporary file, if that is cheaper in all."""
    sharing, key = find_sharing(), find_source(rows).shared_key
    decide = partial(_is_worth_it, wrapper, rows, y, params, given)
    if not sharing.remember(("worth a file", key), decide):
        yield rows
        return
    file = sharing.remember(("file", key), _SharedFile)
    with file.use(rows) as kept:
        yield kept


class _SharedFile:
    """Rows in files that several fits read, which are closed after the last of them."""

    def __init__(self):
        self._lock, self._n_users, self._files = Lock(), 0, ExitStack()
        self._rows: Rows | None = None

    @contextmanager
    def use(self, rows: Rows) -> Iterator[Rows]:
        """Yield the rows, from files if there is room for them."""
        with self._lock:
            if not self._n_users:
                self._rows = self._write(rows)
            self._n_users += 1
            kept = self._rows
        try:
            yield kept
        finally:
            with self._lock:
                self._n_users -= 1
                if not self._n_users:
                    self._rows = None
                    self._files.close()

    def _write(self, rows: Rows) -> Rows:
        try:
            return spill(rows, self._files)
        except BaseException as error:
            self._files.close()
            if not isinstance(error, OSError):
                raise
            return rows  # no room on the disk: they are transformed again


def spill(rows: Rows, files: ExitStack) -> Rows:
    """Return the rows, read from files that are closed at the end."""
    source = find_source(rows)
    store = Spilled(source.store, write(rows, files), _find_numbers(rows))
    return Rows(Source(store, source.selection, source.order, source.cast))


def _find_numbers(rows: Rows) -> np.ndarray:
    """Return the numbers of the rows in their store."""
    return np.asarray(rows_at(find_source(rows).selection, range(len(rows))))


def _is_worth_it(wrapper, rows: Rows, y, params: dict, given: dict) -> bool:
    """Whether transforming the rows in each epoch takes longer than a file."""
    store, n_rows = find_source(rows).store, len(rows)
    nbytes = n_rows * store.row_nbytes
    can_write = store.is_sparse or (store.is_array and store.dtype.kind in "biuf")
    if not (isinstance(store, MappedStore) and can_write and nbytes >= _LEAST_NBYTES):
        return False
    # Rows out of file order would be read here and there to be written.
    if np.any(np.diff(_find_numbers(rows)) <= 0) or not has_room(nbytes):
        return False
    plan = make_fit_plan(wrapper, rows, y, params, is_run=False, **given)
    n_again = min(plan.n_epochs, _EPOCHS) - 1
    if n_again < 1 or plan.keeps_rows:
        return False
    began = time.perf_counter()
    n_sample = min(n_rows, _SAMPLE_ROWS)
    rows[:n_sample].read()
    again = (time.perf_counter() - began) / n_sample * n_rows * n_again
    return again > nbytes / _DISK_SPEED * (1 + n_again)


def has_room(nbytes: int) -> bool:
    """Whether so many bytes have room in temporary files, which are on a disk."""
    if not has_unnamed_files():  # as on macOS, where an open file has no path
        return False
    try:
        folder = Path(tempfile.gettempdir())
        free = shutil.disk_usage(folder).free
    except OSError:
        return False
    return nbytes <= _FREE_SHARE * free and is_in_memory(folder) is False


def write(rows: Rows, files: ExitStack):
    """Return the store of the rows, written to files that are closed at the end."""
    store = find_source(rows).store
    if not store.is_sparse:
        file = _Growing(files)
        for part in _iter_parts(rows):
            file.add(np.asarray(part, store.dtype))
        return file.open(store.dtype, rows.shape)
    data, indices, indptr = _Growing(files), _Growing(files), _Growing(files)
    end = 0
    indptr.add(np.zeros(1, np.int64))
    for part in _iter_parts(rows):
        part = sparse.csr_array(part)
        data.add(np.asarray(part.data, store.dtype))
        indices.add(part.indices.astype(np.int64))
        indptr.add(part.indptr[1:].astype(np.int64) + end)
        end += part.nnz
    values = data.open(store.dtype, (end,)), indices.open(np.int64, (end,))
    ends = indptr.open(np.int64, (len(rows) + 1,))
    return UnnamedCsr(*values, ends, rows.shape[1])


def _iter_parts(rows: Rows) -> Iterator:
    step = find_source(rows).store.block_rows
    for start in range(0, len(rows), step):
        yield rows.read(start, min(start + step, len(rows)))
        find_journal().look(_DOING)


class _Growing:
    """A file without a name, to which arrays are added."""

    def __init__(self, files: ExitStack):
        self._scratch = ScratchFile()
        files.callback(self._scratch.close)

    def add(self, array: np.ndarray) -> None:
        self._scratch.file.write(memoryview(np.ascontiguousarray(array)).cast("B"))

    def open(self, dtype, shape: tuple) -> UnnamedFile:
        self._scratch.file.flush()
        return UnnamedFile(self._scratch.path, dtype, shape)
