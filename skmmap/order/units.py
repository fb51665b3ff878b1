"""Which rows are kept where a part of them fits: units that are decoded as a whole.

Units are given by the rows, or positions, at which they end.
"""

from collections.abc import Iterable

import numpy as np

from skmmap.order.selection import count_before


def make_units(n_rows: int, unit_rows: int) -> np.ndarray:
    """Return the ends of units of so many rows.

    >>> make_units(7, 3).tolist(), make_units(0, 3).tolist()
    ([3, 6, 7], [])
    """
    ends = np.arange(unit_rows, n_rows + unit_rows, unit_rows)
    return np.minimum(ends, n_rows) if n_rows else ends[:0]


def join_units(ends: Iterable[int], least_rows: int) -> np.ndarray:
    """Return the ends of neighbouring units that are joined to so many rows at least.

    >>> join_units([2, 4, 9, 11], 3).tolist()
    [4, 9, 11]
    """
    joined, start, last = [], 0, 0
    for last in map(int, ends):
        if last - start >= least_rows:
            joined.append(last)
            start = last
    return np.array(joined if start == last else [*joined, last], dtype=np.int64)


def select_units(selection, ends: np.ndarray) -> np.ndarray:
    """Return the ends of units in a selection of ascending rows.

    >>> select_units(range(1, 9, 2), np.array([3, 6, 9])).tolist()
    [1, 3, 4]
    >>> select_units(np.array([3, 4, 8]), np.array([3, 6, 9])).tolist()
    [2, 3]
    """
    found = np.unique(count_before(selection, ends))
    return found[found > 0]


def choose_units(ends: np.ndarray, most_rows: int) -> list[tuple[int, int]]:
    """Return start and stop of the units that are kept: ``most_rows`` in all.

    They are spread evenly over all rows, so that each buffer, and each time of an
    epoch, has its share of them.

    >>> choose_units([10, 20, 30, 40, 50], 20)
    [(20, 30), (40, 50)]
    >>> choose_units([10, 20], 9), choose_units([10, 20], 99)
    ([], [(0, 10), (10, 20)])
    """
    chosen, start, saved = [], 0, 0
    n_rows = int(ends[-1]) if len(ends) else 0
    for stop in map(int, ends):
        # What is saved is never more than ``most_rows``, so that a unit with more rows
        # is not kept.
        saved += (stop - start) * min(most_rows, n_rows)
        if saved >= (stop - start) * n_rows:
            saved -= (stop - start) * n_rows
            chosen.append((start, stop))
        start = stop
    return chosen
