"""How encoders of categories learn from chunks."""

from copy import deepcopy

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_array

from skmmap.transformers.columns import (
    add_counts,
    find_key,
    iter_values,
    merge_counts,
)
from skmmap.transformers.witnesses import Witnesses, count_rows


class CategoryRows(Witnesses):
    """A row for each category of each column, and in how many rows each is."""

    takes_codes = counts_values = True

    def __init__(self, encoder):
        super().__init__(encoder)
        self._counts: list[dict] = []
        self._n_rows = 0

    def find(self, X) -> np.ndarray:
        if isinstance(X, np.ndarray):
            check_array(X[:1], dtype=None, ensure_all_finite=False)  # its dimensions
        self._n_rows += count_rows(X)
        try:
            new = add_counts(self._counts, iter_values(X))
        except TypeError:  # values that cannot be hashed
            clone(self.transformer).fit(X)  # which says what encoders need
            raise
        return np.array(new, dtype=np.intp)

    def merge(self, other: "CategoryRows") -> None:
        counts, n_rows = deepcopy(self._counts), self._n_rows + other._n_rows
        merge_counts(counts, other._counts)
        super().merge(other)  # which counts the rows that it looks at
        self._counts, self._n_rows = counts, n_rows

    def finish(self):
        """Let fit find the categories in few rows, and the rare ones by counts."""
        encoder = self.transformer
        identify = encoder._identify_infrequent

        def identify_by_counts(counts, n_rows: int, j: int):
            ours = _arrange(self._counts[j], encoder.categories_[j])
            # OrdinalEncoder leaves out the last one, if that is NaN.
            return identify(ours[: len(counts)], self._n_rows, j)

        encoder._identify_infrequent = identify_by_counts
        try:
            return super().finish()
        finally:
            del encoder._identify_infrequent


def _arrange(known: dict, categories: np.ndarray) -> np.ndarray:
    """Return the counts in the order of categories, which have the type of all rows.

    >>> _arrange({2: 5, 1.0: 3, find_key(np.nan): 1}, np.array([1, 2, 3, np.nan]))
    array([3, 5, 0, 1])
    """
    keys = list(known)
    if categories.dtype.kind in "biufmM":
        nothing = "NaT" if categories.dtype.kind in "mM" else np.nan
        values = [nothing if _is_missing(key) else key for key in keys]
        values = np.array(values, dtype=categories.dtype)
        keys = [find_key(value) for value in values.tolist()]
    places = {find_key(value): i for i, value in enumerate(categories.tolist())}
    counts = np.zeros(len(categories), dtype=np.int64)
    for key, count in zip(keys, known.values(), strict=True):
        if key in places:  # others are not among the categories that were given
            counts[places[key]] += count
    return counts


def _is_missing(key) -> bool:
    return key is None or isinstance(key, str)


def learn_encoder(encoder) -> CategoryRows:
    """Return what learns for `OneHotEncoder` and `OrdinalEncoder`."""
    return CategoryRows(encoder)
