"""How imputers learn from chunks."""

import numpy as np
from scipy import sparse
from sklearn.base import clone

from skmmap.transformers.columns import is_nan
from skmmap.transformers.floats import check_floats
from skmmap.transformers.most_frequent import (
    MostFrequent,
    allow_missing,
    check_values,
)
from skmmap.transformers.quantiles import find_middle, get_middle
from skmmap.transformers.ranks import Ranks
from skmmap.transformers.witnesses import Witnesses


class MissingRows(Witnesses):
    """Of each column a row with a missing value and one without."""

    def __init__(self, transformer):
        super().__init__(transformer)
        self._seen: tuple = False, False

    def find(self, X) -> np.ndarray:
        if np.all(self._seen):
            return np.arange(0)
        if _makes_floats(self.transformer) and _has_objects(X):
            X = _check_floats(X, self.transformer)  # None becomes NaN
        is_missing = _find_missing(X, self.transformer.missing_values)
        is_there = ~is_missing
        if sparse.issparse(X):  # only what is stored tells that a column has values
            stored = X.tocoo()
            is_there = np.zeros(X.shape, bool)
            is_there[stored.row, stored.col] = True
            is_there &= ~is_missing
        numbers, seen = [], []
        for mask, before in zip((is_missing, is_there), self._seen, strict=True):
            here = mask.any(axis=0)
            numbers.append(mask.argmax(axis=0)[here & ~np.asarray(before)])
            seen.append(here | before)
        self._seen = tuple(seen)
        return np.concatenate(numbers)


class CheckedRows(MissingRows):
    """The same of transformers that learn no more than these, all values checked."""

    def partial_fit(self, X) -> None:
        check_values(X, self.transformer)
        super().partial_fit(X)


class MeanImputer:
    """Sums of each column, in float64: `SimpleImputer` adds float32 in float32."""

    def __init__(self, imputer):
        self.imputer, self._witnesses = imputer, MissingRows(imputer)
        self._n, self._sum = 0, 0.0

    def partial_fit(self, X) -> None:
        values = _check_floats(X, self.imputer)
        self._witnesses.partial_fit(X)
        is_missing = _find_missing(values, self.imputer.missing_values)
        if sparse.issparse(values):
            values = values.toarray()
        self._n = self._n + np.sum(~is_missing, axis=0)
        self._sum = self._sum + np.sum(
            values, axis=0, dtype=np.float64, where=~is_missing
        )

    def merge(self, other: "MeanImputer") -> None:
        self._witnesses.merge(other._witnesses)
        self._n, self._sum = self._n + other._n, self._sum + other._sum

    def finish(self):
        imputer = self._witnesses.finish()
        has_values = self._n > 0
        imputer.statistics_ = np.asarray(imputer.statistics_, dtype=np.float64)
        imputer.statistics_[has_values] = self._sum[has_values] / self._n[has_values]
        return imputer


class MedianImputer:
    """The two middle values of each column, of which fit computes the median."""

    def __init__(self, imputer):
        self.imputer, self._witnesses = imputer, MissingRows(imputer)
        self._ranks, self._is_first = Ranks(find_middle), True
        self.begin, self._is_sparse = self._ranks.begin, False
        self.find_part_nbytes = self._ranks.find_part_nbytes

    def partial_fit(self, X) -> None:
        values, missing = _check_floats(X, self.imputer), self.imputer.missing_values
        if self._is_first:
            self._witnesses.partial_fit(X)
        self._is_sparse = sparse.issparse(values)
        if not is_nan(missing):  # NaN is left out
            values = values.copy()
            numbers = values.data if self._is_sparse else values
            numbers[numbers == missing] = np.nan
        self._ranks.add(values)

    def merge(self, other: "MedianImputer") -> None:
        self._witnesses.merge(other._witnesses)
        self._ranks.merge(other._ranks)

    def end_pass(self) -> bool:
        self._is_first = False
        return self._ranks.end_pass()

    def finish(self):
        middle = get_middle(self._ranks)
        rows = sparse.csr_array(middle) if self._is_sparse else middle
        imputer = self._witnesses.finish()
        fitted = clone(imputer).set_params(missing_values=np.nan)
        imputer.statistics_ = fitted.fit(rows).statistics_
        return imputer


def learn_imputer(imputer):
    """Return what learns for `SimpleImputer`."""
    if imputer.strategy == "mean":
        return MeanImputer(imputer)
    if imputer.strategy == "median":
        return MedianImputer(imputer)
    if imputer.strategy == "constant":
        return CheckedRows(imputer)
    if imputer.strategy == "most_frequent":
        return MostFrequent(imputer, MissingRows(imputer))
    raise ValueError(
        f"SimpleImputer with strategy={imputer.strategy!r} is not computed by chunks. "
        "Use strategy='mean', 'median', 'most_frequent' or 'constant', or fit it on a "
        "sample."
    )


def learn_indicator(indicator) -> CheckedRows:
    """Return what learns for `MissingIndicator`."""
    return CheckedRows(indicator)


def _check_floats(X, imputer):
    """Return rows as floats; raise for values that fit would refuse."""
    return check_floats(X, imputer, ensure_all_finite=allow_missing(imputer))


def _has_objects(X) -> bool:
    return not sparse.issparse(X) and np.asarray(X).dtype == object


def _makes_floats(transformer) -> bool:
    return getattr(transformer, "strategy", "") in ("mean", "median")


def _find_missing(X, missing) -> np.ndarray:
    """Return where a value is missing, as a dense mask."""
    if sparse.issparse(X):
        X = X.toarray()  # of one chunk
    values = np.asarray(X)
    if not is_nan(missing):
        return values == missing
    if values.dtype.kind == "O":
        # None is missing where pandas.NA is, as in scikit-learn.
        of_pandas = not isinstance(missing, float | np.floating)
        is_none = np.equal(values, None) if of_pandas else False
        return np.frompyfunc(is_nan, 1, 1)(values).astype(bool) | is_none
    return (
        np.isnan(values) if values.dtype.kind in "fc" else np.zeros(values.shape, bool)
    )
