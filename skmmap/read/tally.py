"""Counts labels, and measures how sorted they are.

The measure is the share of the labels' variance that lies between hundredths of the
file, adjusted as R2 is: 0 on average for random order, 1 for one label in each.
"""

from functools import cached_property
from itertools import pairwise

import numpy as np

# The number of segments between which it is measured, and the rows of one at least.
_SEGMENTS = 100
_LEAST_SEGMENT = 10
# Up to so many rows are counted in one table: of more, each segment takes longer than
# what a call of NumPy costs.
_FEW_ROWS = 5_000
# Up to so many bytes of labels are kept until it is asked how sorted they are, which
# takes longer than to count them; shuffled fits never ask.
_KEPT_NBYTES = 2**20


class Tally:
    """Counts labels, in all and in each of up to a hundred segments of the file."""

    def __init__(self, n_rows: int):
        self._n_rows = n_rows
        self._segment, self._squares = None, 0.0
        self.values = self.counts = None
        self._n_used = 0  # segments in which there is a label
        self._whole = None  # all rows, if they are not counted by segment yet

    def add(self, start: int, column: np.ndarray, missing=None) -> None:
        is_whole = start == 0 and len(column) == self._n_rows
        is_kept = is_whole and missing is None and column.nbytes <= _KEPT_NBYTES
        if is_kept and len(column):
            self.values, self.counts = _count_labels(column)
            self._whole = column.copy()
        else:
            self._add_by_segment(start, column, missing)

    def _add_by_segment(self, start: int, column: np.ndarray, missing=None) -> None:
        inside = self._edges[
            (self._edges > start) & (self._edges < start + len(column))
        ]
        cuts = [0, *(inside - start).tolist(), len(column)]
        for a, b in pairwise(cuts):
            labels = column[a:b]
            found = _count_labels(labels if missing is None else labels[~missing[a:b]])
            self._segment = _add_counts(self._segment, found)
            if start + b in self._edges:
                self._end_segment()

    @cached_property
    def _edges(self) -> np.ndarray:
        n_segments = min(_SEGMENTS, max(1, self._n_rows // _LEAST_SEGMENT))
        return np.arange(n_segments + 1) * self._n_rows // n_segments

    def _count_segments(self) -> None:
        """Count the rows that were kept, segment by segment."""
        column, self._whole = self._whole, None
        if len(column) <= _FEW_ROWS:
            self._fill_table(column)
        else:
            self.values = self.counts = None
            self._add_by_segment(0, column)

    def _fill_table(self, column: np.ndarray) -> None:
        """Count rows at once, with a row of a table for each segment."""
        _, codes = _find_unique(column, return_inverse=True)
        n_segments, n_values = len(self._edges) - 1, len(self.values)
        segments = np.repeat(np.arange(n_segments), np.diff(self._edges))
        table = np.bincount(
            segments * n_values + codes, minlength=n_segments * n_values
        )
        table = table.reshape(n_segments, n_values).astype(np.float64)
        self._squares = sum(((table**2).sum(axis=1) / table.sum(axis=1)).tolist())
        self._n_used = n_segments

    def _end_segment(self) -> None:
        _, counts = self._segment
        if len(counts):
            squares = (counts.astype(np.float64) ** 2).sum()
            self._squares += float(squares / counts.sum())
            self._n_used += 1
        total = None if self.values is None else (self.values, self.counts)
        self.values, self.counts = _add_counts(total, self._segment)
        self._segment = None

    @property
    def sortedness(self) -> float:
        """Share of the labels' variance that lies between segments.

        0 is what random order gives on average (the share is adjusted as R2 is), and 1
        is one label in each segment.
        """
        if self._whole is not None:
            self._count_segments()
        n_rows, segments = int(self.counts.sum()), self._n_used
        if segments < 2 or n_rows <= segments:
            return 0.0
        shares = self.counts / n_rows
        total = n_rows * (1 - (shares**2).sum())
        if total <= 0:
            return 0.0
        within = n_rows - self._squares
        share = 1 - (within / (n_rows - segments)) / (total / (n_rows - 1))
        return float(np.clip(share, 0, 1))


def _count_labels(column):
    """Return the sorted labels and how often each occurs."""
    if len(column) and np.can_cast(column.dtype, np.int64):
        # Small numbers are counted several times as fast as they are sorted.
        low, high = int(column.min()), int(column.max())
        if high - low < len(column):
            counts = np.bincount(column.astype(np.int64) - low)
            labels = np.flatnonzero(counts)
            return (labels + low).astype(column.dtype), counts[labels]
    return _find_unique(column, return_counts=True)


def _find_unique(labels, **options):
    try:
        return np.unique(labels, **options)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in labels})
        raise TypeError(
            f"y mixes labels of the types {', '.join(kinds)}, which have no order. "
            "Use one type, for example y.astype(str)."
        ) from error


def _add_counts(total, found):
    """Return labels and their counts of both."""
    if total is None:
        return found
    if np.array_equal(total[0], found[0]):
        return total[0], total[1] + found[1]
    labels = np.concatenate([total[0], found[0]])
    values, places = _find_unique(labels, return_inverse=True)
    counts = np.bincount(places, np.concatenate([total[1], found[1]]))
    return values, counts.astype(np.int64)
