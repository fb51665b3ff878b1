"""How `SplineTransformer` learns from chunks."""

import numpy as np
from sklearn.base import clone

from skmmap.transformers.floats import check_floats
from skmmap.transformers.quantiles import compute_quantiles, find_around
from skmmap.transformers.ranks import Ranks
from skmmap.transformers.witnesses import FirstRows, Witnesses, count_rows, take


class ExtremeRows(Witnesses):
    """The rows with the least and the largest value of each column."""

    def __init__(self, transformer):
        super().__init__(transformer)
        self._least, self._largest, self._has_nan = np.inf, -np.inf, False

    def find(self, X) -> np.ndarray:
        values = check_floats(
            X,
            self.transformer,
            accept_sparse=False,
            dtype=np.float64,
            ensure_all_finite=False,  # what is not is kept, for fit to judge
        )
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


class QuantileKnots:
    """The values around the quantiles of each column."""

    def __init__(self, splines):
        self.splines, self._first = splines, FirstRows(splines)
        self._q = 100 * np.linspace(0, 1, splines.n_knots) / 100  # rounded as by fit
        self._ranks = Ranks(find_around(self._q))
        self.begin = self._ranks.begin
        self.find_part_nbytes = self._ranks.find_part_nbytes

    def partial_fit(self, X) -> None:
        self._first.partial_fit(X)
        values = check_floats(
            X, self.splines, accept_sparse=False, ensure_all_finite=False
        )
        is_wrong = ~np.isfinite(values).all(axis=1)
        if is_wrong.any():  # which fit refuses, unless it is NaN and set to be allowed
            some = np.flatnonzero(is_wrong)[[0, -1]]
            clone(self.splines).set_params(knots="uniform").fit(take(X, some))
        self._ranks.add(values)

    def merge(self, other: "QuantileKnots") -> None:
        self._ranks.merge(other._ranks)

    def end_pass(self) -> bool:
        return self._ranks.end_pass()

    def finish(self):
        if count_rows(rows := self._first.rows) < 2:
            self.splines.fit(rows)  # which is refused
        knots = compute_quantiles(self._ranks, self._q)
        # The quantile of a rank that is rounded lies between equal values.
        self.splines.fit(np.repeat(knots, 3, axis=0))
        return self._first.set_names()


def learn_splines(splines):
    """Return what learns for `SplineTransformer`."""
    if isinstance(splines.knots, str) and splines.knots == "quantile":
        clone(splines).fit([[0.0], [1.0]])  # raises for wrong parameters
        return QuantileKnots(splines)
    return ExtremeRows(splines)
