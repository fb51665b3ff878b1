"""How scalers by quantiles learn from chunks."""

import numpy as np
from scipy import sparse, stats
from sklearn.base import clone

from skmmap.transformers.floats import check_floats
from skmmap.transformers.quantiles import (
    compute_median,
    compute_quantiles,
    find_around,
    find_middle,
)
from skmmap.transformers.ranks import Ranks
from skmmap.transformers.witnesses import FirstRows


class RobustColumns:
    """The values around the median and the quantiles of each column."""

    def __init__(self, scaler):
        self.scaler, self._first = scaler, FirstRows(scaler)
        self._q = np.asarray(scaler.quantile_range) / 100
        self._ranks = Ranks(self._find_ranks)
        self.begin = self._ranks.begin
        self.find_part_nbytes = self._ranks.find_part_nbytes

    def _find_ranks(self, n: int) -> list[int]:
        ranks = [*find_middle(n)] if self.scaler.with_centering else []
        return ranks + [*find_around(self._q)(n)] * self.scaler.with_scaling

    def partial_fit(self, X) -> None:
        self._first.partial_fit(X)
        if sparse.issparse(X) and self.scaler.with_centering:
            self.scaler.fit(X)  # which is refused
        self._ranks.add(check_floats(X, self.scaler))

    def merge(self, other: "RobustColumns") -> None:
        self._ranks.merge(other._ranks)

    def end_pass(self) -> bool:
        return self._ranks.end_pass()

    def finish(self):
        scaler = self._first.set_names()
        scaler.center_ = compute_median(self._ranks) if scaler.with_centering else None
        scaler.scale_ = self._compute_scale() if scaler.with_scaling else None
        return scaler

    def _compute_scale(self) -> np.ndarray:
        ends = clone(self.scaler).set_params(
            with_centering=False, quantile_range=(0.0, 100.0), unit_variance=False
        )
        scale = ends.fit(compute_quantiles(self._ranks, self._q)).scale_
        if self.scaler.unit_variance:
            low, high = self.scaler.quantile_range
            scale = scale / (stats.norm.ppf(high / 100.0) - stats.norm.ppf(low / 100.0))
        return scale


def learn_robust_scaler(scaler) -> RobustColumns:
    """Return what learns for `RobustScaler`."""
    clone(scaler).fit([[0.0], [1.0]])  # raises for wrong parameters
    return RobustColumns(scaler)
