"""What learns in place of transformers without ``partial_fit``, one chunk at a time.

Most keep a few rows on which ``fit`` learns the same as on all: a row for each
category, or those with the extremes of each column. So what is fitted is fitted by
scikit-learn itself, with its types, names and errors.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array

from skmmap.rows import concat_frames

_FLOATS = np.float64, np.float32, np.float16
_FEW_ROWS = 100


class ChunkLearner(BaseEstimator):
    """Learns for a transformer with what ``make`` returns for it.

    That has ``partial_fit(X)``, and ``finish()``, which returns the fitted transformer.
    """

    def __init__(self, transformer: Any, make: Callable[[Any], Any]):
        self.transformer, self.make = transformer, make

    def partial_fit(self, X):
        if not hasattr(self, "learner_"):
            self.learner_ = self.make(self.transformer)
        self.learner_.partial_fit(X)
        return self

    def finish(self):
        return self.learner_.finish()


class Witnesses:
    """Keeps rows on which ``fit`` learns the same as on all rows.

    A subclass has ``find(X)``, which returns the numbers of the rows of a chunk that
    tell something new.
    """

    def __init__(self, transformer):
        self.transformer, self._rows, self._most = transformer, None, _FEW_ROWS

    def find(self, X) -> np.ndarray:
        raise NotImplementedError

    def partial_fit(self, X) -> None:
        numbers = np.unique(self.find(X))
        if self._rows is None:  # two at least, for names, types and checks
            first = np.arange(min(2, _count(X)))
            self._rows = _take(X, np.union1d(numbers, first).astype(np.intp))
        elif len(numbers):
            self._rows = _join([self._rows, _take(X, numbers)])
        if _count(self._rows) > self._most:
            again = type(self)(self.transformer)
            few = np.union1d(again.find(self._rows), np.arange(2)).astype(np.intp)
            self._rows = _take(self._rows, few)
            self._most = 2 * len(few) + _FEW_ROWS

    def finish(self):
        return self.transformer.fit(self._rows)


class CategoryRows(Witnesses):
    """A row for each category of each column."""

    def __init__(self, encoder):
        super().__init__(encoder)
        self._known: list[set] = []

    def find(self, X) -> np.ndarray:
        numbers = []
        for j, values in enumerate(_iter_columns(X)):
            if j == len(self._known):
                self._known.append(set())
            numbers += _find_new(values, self._known[j])
        return np.array(numbers, dtype=np.intp)


def _find_new(values: list, known: set) -> list[int]:
    """Return where values occur first that are not known, and add them."""
    new, numbers = set(values) - known, []
    for value in new:
        # NaN is no other NaN's equal, and pandas.NA nobody's.
        key = f"{_NAN}{type(value).__name__}" if _is_nan(value) else value
        if key not in known:
            known.add(key)
            numbers.append(next(i for i, v in enumerate(values) if _is_same(v, value)))
    return numbers


def _is_nan(value) -> bool:
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA
        return True


def _is_same(one, other) -> bool:
    try:
        return one is other or bool(one == other)
    except TypeError:
        return False


_NAN = "\udfff"  # begins a key, and no text


class ExtremeRows(Witnesses):
    """The rows with the least and the largest value of each column."""

    def __init__(self, transformer):
        super().__init__(transformer)
        self._least, self._largest, self._has_nan = np.inf, -np.inf, False

    def find(self, X) -> np.ndarray:
        if sparse.issparse(X):
            return np.arange(0)  # which its fit refuses
        values = np.asarray(X, dtype=np.float64)
        is_nan = np.isnan(values)
        low, high = np.where(is_nan, np.inf, values), np.where(is_nan, -np.inf, values)
        least, largest = low.min(axis=0), high.max(axis=0)
        is_new = [least < self._least, largest > self._largest]
        self._least = np.minimum(self._least, least)
        self._largest = np.maximum(self._largest, largest)
        ends = low.argmin(axis=0), high.argmax(axis=0)
        found = [end[new] for end, new in zip(ends, is_new, strict=True)]
        some_nan = np.flatnonzero(is_nan.any(axis=1))[: not self._has_nan]
        self._has_nan |= len(some_nan) > 0
        return np.concatenate([*found, some_nan])


class MissingRows(Witnesses):
    """Of each column a row with a missing value and one without."""

    def __init__(self, transformer):
        super().__init__(transformer)
        self._seen: tuple = False, False

    def find(self, X) -> np.ndarray:
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


class MeanImputer:
    """Sums of each column, in float64: `SimpleImputer` adds float32 in float32."""

    def __init__(self, imputer):
        self.imputer, self._witnesses = imputer, MissingRows(imputer)
        self._n, self._sum = 0, 0.0

    def partial_fit(self, X) -> None:
        self._witnesses.partial_fit(X)
        values = check_array(
            X, accept_sparse="csr", dtype=_FLOATS, ensure_all_finite="allow-nan"
        )
        is_missing = _find_missing(values, self.imputer.missing_values)
        if sparse.issparse(values):
            values = values.toarray()
        self._n = self._n + np.sum(~is_missing, axis=0)
        self._sum = self._sum + np.sum(
            values, axis=0, dtype=np.float64, where=~is_missing
        )

    def finish(self):
        imputer = self._witnesses.finish()
        has_values = self._n > 0
        imputer.statistics_ = np.asarray(imputer.statistics_, dtype=np.float64)
        imputer.statistics_[has_values] = self._sum[has_values] / self._n[has_values]
        return imputer


def learn_encoder(encoder) -> CategoryRows:
    """Return what learns for `OneHotEncoder` and `OrdinalEncoder`."""
    for name in ("min_frequency", "max_categories"):
        if getattr(encoder, name) is not None:
            raise ValueError(
                f"{type(encoder).__name__} with {name}={getattr(encoder, name)!r} "
                "needs the counts of all categories, which are not computed by chunks. "
                f"Set {name}=None, or fit it on a sample."
            )
    return CategoryRows(encoder)


def learn_imputer(imputer):
    """Return what learns for `SimpleImputer`."""
    _check_missing(imputer)
    if imputer.strategy == "mean":
        return MeanImputer(imputer)
    if imputer.strategy == "constant":
        return MissingRows(imputer)
    raise ValueError(
        f"SimpleImputer with strategy={imputer.strategy!r} is not computed by chunks. "
        "Use strategy='mean' or 'constant', or fit it on a sample."
    )


def learn_indicator(indicator) -> MissingRows:
    """Return what learns for `MissingIndicator`."""
    _check_missing(indicator)
    return MissingRows(indicator)


def learn_splines(splines) -> ExtremeRows:
    """Return what learns for `SplineTransformer`, unless its knots are quantiles."""
    if isinstance(splines.knots, str) and splines.knots == "quantile":
        raise ValueError(
            "SplineTransformer with knots='quantile' needs all values of a column at "
            "once. Use knots='uniform', or give the knots as an array."
        )
    return ExtremeRows(splines)


def _check_missing(transformer) -> None:
    value = transformer.missing_values
    if not isinstance(value, int | float | np.number):
        raise ValueError(
            f"{type(transformer).__name__} with missing_values={value!r} is not "
            "computed by chunks, which look for NaN or a number."
        )


def _find_missing(X, missing) -> np.ndarray:
    """Return where a value is missing, as a dense mask."""
    if sparse.issparse(X):
        X = X.toarray()  # of one chunk
    values = np.asarray(X)
    if missing == missing:
        return values == missing
    if values.dtype.kind == "O":
        return np.frompyfunc(_is_nan, 1, 1)(values).astype(bool)
    return (
        np.isnan(values) if values.dtype.kind in "fc" else np.zeros(values.shape, bool)
    )


def _iter_columns(X) -> Iterator[list]:
    """Yield the values of each column, as they are in lists."""
    if sparse.issparse(X):
        return  # which its fit refuses
    if isinstance(X, list):
        yield from map(list, zip(*X, strict=True))
    elif hasattr(X, "iloc"):
        yield from (X.iloc[:, j].tolist() for j in range(X.shape[1]))
    elif hasattr(X, "iter_columns"):  # polars
        yield from (column.to_list() for column in X.iter_columns())
    else:
        yield from np.asarray(X).T.tolist()


def _take(X, numbers: np.ndarray):
    if isinstance(X, list):
        return [X[i] for i in numbers]
    return X.iloc[numbers] if hasattr(X, "iloc") else X[numbers]


def _join(parts: list):
    first = parts[0]
    if isinstance(first, list):
        return [row for part in parts for row in part]
    if sparse.issparse(first):
        return sparse.vstack(parts, format="csr")
    if hasattr(first, "iloc") or hasattr(first, "iter_columns"):
        return concat_frames(parts, keep_index=False)
    return np.concatenate(parts)


def _count(rows) -> int:
    return len(rows) if isinstance(rows, list) else rows.shape[0]
