"""Rows of given numbers, which are kept in one pass."""

import numpy as np
from sklearn.utils import check_random_state

from skmmap.transformers.witnesses import count_rows, join, take


class DrawnRows:
    """Keeps the rows of these numbers; a number may be there more than once.

    ``order`` are the numbers of the rows as they come, None if they ascend.
    """

    def __init__(self, numbers: np.ndarray, order: np.ndarray | None = None):
        if order is not None:
            numbers = put_back(np.arange(len(order)), order)[numbers]
        self._order = np.argsort(numbers, kind="stable")
        self._sorted, self._start = numbers[self._order], 0
        self._parts: list = []

    def add(self, X) -> None:
        """Keep the drawn rows of the next chunk."""
        end = self._start + count_rows(X)
        first, last = np.searchsorted(self._sorted, [self._start, end])
        if first < last:
            self._parts.append(take(X, self._sorted[first:last] - self._start))
        self._start = end

    @property
    def rows(self):
        """The rows, in the order of their numbers as given."""
        return take(join(self._parts), np.argsort(self._order))


def draw_rows(random_state, n_rows: int, n_drawn: int) -> np.ndarray:
    """Return what ``random_state.permutation(n_rows)[:n_drawn]`` does.

    The generator shuffles all numbers, of 4 bytes each, whatever their type.
    """
    numbers = np.arange(n_rows, dtype=np.uint32 if n_rows < 2**32 else np.int64)
    check_random_state(random_state).shuffle(numbers)
    return numbers[:n_drawn].astype(np.int64)


def put_back(values: np.ndarray, order: np.ndarray | None) -> np.ndarray:
    """Return values that came in this order by the numbers of their rows.

    >>> put_back(np.array([10, 20, 30]), np.array([2, 0, 1])).tolist()
    [20, 30, 10]
    """
    if order is None:
        return values
    found = np.empty_like(values)
    found[order] = values
    return found
