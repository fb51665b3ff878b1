"""Rows as a sequence that LightGBM reads by slices.

LightGBM bins the rows as it reads them, and keeps the bins in memory: a byte for each
value. Sparse rows are made dense as they are read.
https://lightgbm.readthedocs.io/en/stable/Python-Intro.html#data-interface
"""

import time
from functools import lru_cache
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse

from skmmap.boosters.libraries import import_booster
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
    return _define_sequence(lightgbm)(pieces)


@lru_cache
def _define_sequence(lightgbm: Any) -> type:
    """Return the class, whose base is only known once LightGBM is imported."""

    class RowSequence(sparse.coo_array, lightgbm.Sequence):
        """Rows that are read by slices, or one by one in ascending order.

        It says to be a sparse array, which has a shape and nothing else: the ``fit`` of
        LightGBM's estimators hands sparse rows on as they are, where it would make an
        array of any other sequence.
        """

        def __init__(self, pieces: Pieces):
            super().__init__(pieces.shape)
            self.batch_size = pieces.chunk_rows
            self._pieces, self._iterator, self._next = pieces, None, 0
            self._block, self._start = np.empty((0, pieces.shape[1])), 0

        def __len__(self) -> int:
            return self._pieces.shape[0]

        def __getitem__(self, key):
            if isinstance(key, slice):
                start, stop, _ = key.indices(len(self))
                return self._read(start, stop)
            if not isinstance(key, Integral):
                return np.stack([self[row] for row in key])
            if not 0 <= key < len(self):
                raise IndexError(f"row {key:,} of {len(self):,}")
            return self._read_row(int(key))

        def _read(self, start: int, stop: int) -> np.ndarray:
            """Return a slice: the next one of a pass, or any other."""
            size = self.batch_size
            if start == 0 and stop == min(size, len(self)):
                self._block = self._block[:0]
                self._iterator, self._next = self._pieces.iter_pieces(), 0
            if self._iterator is None or (start, stop) != self._find_next():
                return _to_double(self._pieces.read(start, stop))
            piece, self._next = _to_double(next(self._iterator)), stop
            if stop == len(self):  # what a whole pass checks at its end
                next(self._iterator, None)
                self._iterator = None
            return piece

        def _find_next(self) -> tuple[int, int]:
            return self._next, min(self._next + self.batch_size, len(self))

        def _read_row(self, row: int) -> np.ndarray:
            """Return a row of the sample for the bins, whose rows ascend.

            Rows of a block are read together: one by one, each is a read of its own.
            """
            if not self._start <= row < self._start + len(self._block):
                self._read_block(row)
            return self._block[row - self._start]

        def _read_block(self, row: int) -> None:
            is_first = not len(self._block) or row < self._start
            made = self._pieces.begin_pass() if is_first else self._pieces.passes[-1]
            self._start = row // self.batch_size * self.batch_size
            stop = min(self._start + self.batch_size, len(self))
            self._block = self._block[:0]
            began = time.perf_counter()
            self._block = _to_double(self._pieces.read(self._start, stop))
            made.waited += time.perf_counter() - began
            made.n_rows += len(self._block)

    return RowSequence


def _to_double(rows) -> np.ndarray:
    """Return rows in the only type that LightGBM takes from a sequence."""
    rows = rows.toarray() if sparse.issparse(rows) else rows
    return np.ascontiguousarray(rows, dtype=np.float64)
