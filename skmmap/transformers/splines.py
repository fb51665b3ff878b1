"""How `SplineTransformer` learns from chunks."""

import numpy as np
from scipy import sparse

from skmmap.transformers.witnesses import Witnesses


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


def learn_splines(splines) -> ExtremeRows:
    """Return what learns for `SplineTransformer`, unless its knots are quantiles."""
    if isinstance(splines.knots, str) and splines.knots == "quantile":
        raise ValueError(
            "SplineTransformer with knots='quantile' needs all values of a column at "
            "once. Use knots='uniform', or give the knots as an array."
        )
    return ExtremeRows(splines)
