"""How `SimpleImputer` learns the most frequent values from chunks."""

from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import check_array

from skmmap.transformers.columns import (
    add_counts,
    find_missing_keys,
    is_nan,
    iter_stored,
    iter_values,
    merge_counts,
)


def check_values(X, transformer):
    """Return rows of numbers or texts; raise for values that fit would refuse."""
    is_text = isinstance(X, list) and any(isinstance(v, str) for r in X for v in r)
    return check_array(
        X,
        accept_sparse="csc",
        input_name="X",
        estimator=transformer,
        dtype=object if is_text else None,
        ensure_all_finite=allow_missing(transformer),
    )


def allow_missing(transformer) -> str | bool:
    """Return which values that are not finite fit accepts."""
    missing = transformer.missing_values
    # The indicator refuses NaN, and with it pandas.NA, where pandas.NA is missing.
    is_allowed = hasattr(transformer, "strategy") or isinstance(missing, Real)
    return "allow-nan" if is_allowed and is_nan(missing) else True


class MostFrequent:
    """Counts of the values of each column; ``rows`` keeps types and what is missing."""

    counts_values = True

    def __init__(self, imputer, rows):
        self.imputer, self._rows, self._n = imputer, rows, 0
        self._counts: list[dict] = []

    def partial_fit(self, X) -> None:
        values = check_values(X, self.imputer)
        self._rows.partial_fit(X)
        self._n += values.shape[0]
        find = iter_stored if sparse.issparse(values) else iter_values
        self._is_sparse = sparse.issparse(values)
        add_counts(self._counts, find(values))

    def merge(self, other: "MostFrequent") -> None:
        self._rows.merge(other._rows)
        self._n += other._n
        merge_counts(self._counts, other._counts)

    def finish(self):
        imputer = self._rows.finish()
        statistics = imputer.statistics_
        find = _find_object if statistics.dtype == object else _find_number
        for j, counts in enumerate(self._counts):
            missing = find_missing_keys(counts, imputer.missing_values)
            n_missing = sum(map(counts.pop, missing))
            if self._is_sparse:  # what is not stored is 0
                n_stored = n_missing + sum(counts.values())
                counts[0.0] = counts.get(0.0, 0) + self._n - n_stored
            if any(counts.values()):
                statistics[j] = find(counts, imputer)
        return imputer


def _find_number(counts: dict, imputer) -> float:
    """Return the least of the most frequent values, in the type of all rows."""
    values = np.array(list(counts), dtype=imputer._fit_dtype)
    values, places = np.unique(values, return_inverse=True)
    return values[np.argmax(np.bincount(places, list(counts.values())))]


def _find_object(counts: dict, imputer):
    """Return the most frequent value, and of several the one that fit chooses."""
    most = max(counts.values())
    values = np.array(
        [[value] for value, n in counts.items() if n == most], dtype=object
    )
    return clone(imputer).fit(values).statistics_[0]
