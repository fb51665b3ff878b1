"""Rows as a sequence that LightGBM reads by slices.

LightGBM bins the rows as it reads them, and keeps the bins in memory: a byte for each
value. Sparse rows are made dense as they are read.
https://lightgbm.readthedocs.io/en/stable/Python-Intro.html#data-interface
"""

import time
from numbers import Integral

import numpy as np
from scipy import sparse

from skmmap.boosters.libraries import import_booster, join_classes
from skmmap.boosters.pieces import Pieces


def make_dataset(pieces: Pieces, fields: dict, **options):
    """Return a ``lightgbm.Dataset`` of the rows, which reads them once it is used."""
    lightgbm = import_booster("lightgbm", "lightgbm.Dataset")
    if pieces.names is not None:
        options.setdefault("feature_name", pieces.names)
    return lightgbm.Dataset(make_sequence(pieces), **fields, **options)


def make_sequence(pieces: Pieces):
    """Return the rows as a sequence of LightGBM."""
    lightgbm = import_booster("lightgbm", "lightgbm.Sequence")
    return join_classes(RowSequence, lightgbm.Sequence)(pieces)


class RowSequence(sparse.coo_array):
    """Rows that are read by slices, or one by one in ascending order.

    It says to be a sparse array, which has a shape and nothing else: the ``fit`` of
    LightGBM's estimators hands sparse rows on as they are, where it would make an array
    of any other sequence.
    """

    def __init__(self, pieces: Pieces):
        super().__init__(pieces.shape)
        self.batch_size = pieces.chunk_rows
        self._pass, self._blocks = _Pass(pieces), _Blocks(pieces)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key):
        if isinstance(key, slice):
            start, stop, _ = key.indices(len(self))
            if start == 0 and stop == min(self.batch_size, len(self)):
                self._blocks.forget()
                self._pass.begin()
            return self._pass.read(start, stop)
        if not isinstance(key, Integral):
            return np.stack([self[row] for row in key])
        if not 0 <= key < len(self):
            raise IndexError(f"row {key:,} of {len(self):,}")
        return self._blocks.read_row(int(key))


class _Pass:
    """Reads slices: the next one of a pass over all rows, or any other."""

    def __init__(self, pieces: Pieces):
        self._pieces, self._iterator, self._next = pieces, None, 0

    def begin(self) -> None:
        self._iterator, self._next = self._pieces.iter_pieces(), 0

    def read(self, start: int, stop: int) -> np.ndarray:
        n_rows = self._pieces.shape[0]
        following = self._next, min(self._next + self._pieces.chunk_rows, n_rows)
        if self._iterator is None or (start, stop) != following:
            return _to_double(self._pieces.read(start, stop))
        piece, self._next = _to_double(next(self._iterator)), stop
        if stop == n_rows:  # what a whole pass checks at its end
            next(self._iterator, None)
            self._iterator = None
        return piece


class _Blocks:
    """Reads single rows of the sample for the bins, which ascend.

    Rows of a block are read together: one by one, each is a read of its own.
    """

    def __init__(self, pieces: Pieces):
        self._pieces, self._start = pieces, 0
        self.forget()

    def forget(self) -> None:
        """Free the block that was read last."""
        self._block = np.empty((0, self._pieces.shape[1]))

    def read_row(self, row: int) -> np.ndarray:
        if not self._start <= row < self._start + len(self._block):
            self._read_block(row)
        return self._block[row - self._start]

    def _read_block(self, row: int) -> None:
        pieces, size = self._pieces, self._pieces.chunk_rows
        is_first = not len(self._block) or row < self._start
        made = pieces.begin_pass() if is_first else pieces.passes[-1]
        self._start = row // size * size
        self.forget()
        began = time.perf_counter()
        stop = min(self._start + size, pieces.shape[0])
        self._block = _to_double(pieces.read(self._start, stop))
        made.waited += time.perf_counter() - began
        made.n_rows += len(self._block)


def _to_double(rows) -> np.ndarray:
    """Return rows in the only type that LightGBM takes from a sequence."""
    rows = rows.toarray() if sparse.issparse(rows) else rows
    return np.ascontiguousarray(rows, dtype=np.float64)
