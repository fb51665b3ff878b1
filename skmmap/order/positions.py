"""At which positions of a selection the rows of a store are."""

import numpy as np

from skmmap.order.selection import Runs


class Positions:
    """Finds positions in a selection by the numbers of rows: -1 if they are not there.

    >>> Positions(np.array([7, 0, 3])).find(np.array([0, 3, 5, 7])).tolist()
    [1, 2, -1, 0]
    """

    def __init__(self, selection):
        self._range = selection if isinstance(selection, range) else None
        if self._range is not None:
            return
        is_runs = isinstance(selection, Runs)
        starts = selection.starts if is_runs else selection
        # A row number is a run of one row.
        self._lengths = selection.lengths if is_runs else None
        self._before = selection.stops - selection.lengths if is_runs else None
        self._order = None
        if not np.all(starts[1:] > starts[:-1]):
            self._order = np.argsort(starts)
            starts = starts[self._order]
        self._starts = starts

    def find_repeated(self) -> int | None:
        """Return the number of a row that is selected twice, None if there is none."""
        if self._range is not None:
            return None
        every = np.arange(len(self._starts)) if self._order is None else self._order
        lengths = 1 if self._lengths is None else self._lengths[every][:-1]
        again = np.flatnonzero(self._starts[1:] < self._starts[:-1] + lengths)
        return int(self._starts[again[0] + 1]) if len(again) else None

    def find(self, rows: np.ndarray) -> np.ndarray:
        """Return the positions of rows."""
        if self._range is not None:
            found, rest = np.divmod(rows - self._range.start, self._range.step)
            is_there = (rest == 0) & (found >= 0) & (found < len(self._range))
            return np.where(is_there, found, -1)
        run = np.searchsorted(self._starts, rows, side="right") - 1
        beyond = rows - self._starts[run].astype(np.int64)
        is_there = (run >= 0) & (beyond >= 0)
        run = run if self._order is None else self._order[run]
        if self._lengths is None:
            return np.where(is_there & (beyond == 0), run, -1)
        is_there &= beyond < self._lengths[run]
        return np.where(is_there, self._before[run] + beyond, -1)
