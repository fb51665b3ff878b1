"""Parts of the rows of each fold, each a part of the next larger one."""

from collections.abc import Iterator
from typing import Any

import numpy as np

_PLACES = 1_000
_GOLDEN = (np.sqrt(5) - 1) / 2


def spread(n_rows: int, n_kept: int) -> np.ndarray:
    """Return so many positions of rows, in ascending order.

    They are runs from 1,000 places in equal distances: a file that is sorted is
    represented as one that is not, and little is read between the runs. More positions
    are longer runs from the same places, so that the smaller part is in the larger one.
    """
    places = max(1, min(_PLACES, n_rows))
    starts = np.arange(places + 1) * n_rows // places
    # Where runs cannot all have the same length, the longer ones are spread as well.
    longer_first = np.argsort(np.arange(places) * _GOLDEN % 1)
    least, n_longer = divmod(n_kept, places)
    has_more = np.diff(starts)[longer_first] > least
    lengths = np.full(places, least)
    lengths[longer_first[has_more][:n_longer]] += 1
    run_starts = np.repeat(starts[:-1] - (np.cumsum(lengths) - lengths), lengths)
    return run_starts + np.arange(n_kept)


class SameSplits:
    """The folds of a splitter, the same each time it is asked.

    Otherwise a model that goes on could have learned rows that it is scored on.
    """

    def __init__(self, cv):
        self._cv, self._splits = cv, None

    def split(self, X, y=None, **params: Any) -> list[tuple]:
        """Return the rows of each fold to train and to test on."""
        if self._splits is None:
            self._splits = list(self._cv.split(X, y, **params))
        return self._splits


class Subsets:
    """A share of the rows of each fold: ``n_kept`` of ``n_rows``, the tests' as well.

    If all test rows were scored in each round, all rows would be read in each.
    """

    def __init__(self, cv: SameSplits, n_kept: int, n_rows: int):
        self._cv, self._share = cv, (n_kept, n_rows)

    def split(self, X, y=None, **params: Any) -> Iterator[tuple]:
        """Yield the rows of each fold to train and to test on."""
        for train, test in self._cv.split(X, y, **params):
            yield self._take(train), self._take(test)

    def _take(self, rows) -> np.ndarray:
        n_kept, n_rows = self._share
        rows = np.asarray(rows)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        return rows[spread(len(rows), n_kept * len(rows) // n_rows)]
