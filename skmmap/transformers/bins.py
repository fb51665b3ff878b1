"""How `KBinsDiscretizer` learns from chunks: from extremes, quantiles, or rows."""

import inspect

import numpy as np
from sklearn.utils import check_array, resample
from sklearn.utils.validation import validate_data

from skmmap.rows import Source
from skmmap.transformers.drawn_rows import DrawnRows, put_back
from skmmap.transformers.floats import check_floats
from skmmap.transformers.quantiles import compute_quantiles, find_around
from skmmap.transformers.ranks import Ranks
from skmmap.transformers.witnesses import take_first

_MANY = 100
# From scikit-learn 1.7 on with replacement, and by weights.
_DRAWS_BY_WEIGHT = "sample_weight" in inspect.signature(resample).parameters


class _All:
    """Keeps all rows, which ``subsample`` limits."""

    def __init__(self, discretizer, n_rows: int, order=None):
        self.discretizer, self.n_rows, self.order = discretizer, n_rows, order
        self.kept: list = []
        self.weights: list = []

    def add(self, values: np.ndarray, weights) -> None:
        self.kept.append(values.copy())
        if weights is not None:
            self.weights.append(np.array(weights, dtype=np.float64))

    def merge(self, other: "_All") -> None:
        self.kept += other.kept
        self.weights += other.weights

    def end_pass(self) -> bool:
        return False

    def fit(self):
        rows, weights = put_back(np.concatenate(self.kept), self.order), None
        if self.weights:
            weights = put_back(np.concatenate(self.weights), self.order)
        return self.discretizer.fit(rows, sample_weight=weights)


class _Extremes(_All):
    """Keeps the least and the largest value of each column, for bins of equal width."""

    def add(self, values, weights):
        if weights is not None:
            values = values[np.asarray(weights) != 0]
            self.weights = [1.0]
        if len(values):
            self.kept.append(_find_ends(values))
        if len(self.kept) > _MANY:
            self.kept = [_find_ends(np.concatenate(self.kept))]

    def fit(self):
        rows = _find_ends(np.concatenate(self.kept))
        weights = np.ones(len(rows)) if self.weights else None
        return self.discretizer.fit(rows, sample_weight=weights)


def _find_ends(values: np.ndarray) -> np.ndarray:
    return np.array([values.min(axis=0), values.max(axis=0)])


class _Drawn(_All):
    """Keeps the rows that fit would draw, each as often as it would."""

    drawn: DrawnRows | None = None

    def add(self, values, weights):
        waits = weights is not None and _DRAWS_BY_WEIGHT
        if self.drawn is None and waits:
            # As of fit, which casts them to the type of the rows.
            kind = values.dtype if values.dtype.kind == "f" else np.float64
            self.weights.append(np.array(weights, dtype=kind))
            return
        if self.drawn is None:
            self._draw({})
        if weights is not None and not waits:
            self.weights.append(np.array(weights, dtype=np.float64))
        self.drawn.add(values)

    def _draw(self, weights: dict) -> None:
        discretizer = self.discretizer
        numbers = resample(
            range(self.n_rows),
            replace=_DRAWS_BY_WEIGHT,
            n_samples=discretizer.subsample,
            random_state=discretizer.random_state,
            **weights,
        )
        self.drawn = DrawnRows(np.array(numbers), self.order)

    def end_pass(self):
        """Draw where that took all weights, and ask for another pass then."""
        if self.drawn is not None:
            return False
        weights = put_back(np.concatenate(self.weights), self.order)
        self._draw({"sample_weight": weights})
        self.weights = []
        return True

    def fit(self):
        discretizer, subsample = self.discretizer, self.discretizer.subsample
        weights = np.concatenate(self.weights) if self.weights else None
        discretizer.subsample = None
        try:
            return discretizer.fit(self.drawn.rows, sample_weight=weights)
        finally:
            discretizer.subsample = subsample


class _Quantiles(_All):
    """The values around the quantiles of each column."""

    def __init__(self, discretizer, n_rows: int, order=None):
        super().__init__(discretizer, n_rows)
        self.method = _find_method(discretizer)
        n_bins = np.unique(discretizer.n_bins)
        self.q = np.concatenate([_find_levels(n) for n in n_bins.tolist()])
        self.starts = dict(zip(n_bins.tolist(), np.cumsum(n_bins + 1), strict=True))
        self.ranks = Ranks(find_around(self.q, self.method))
        self.ranks.begin(n_rows)
        self.find_part_nbytes = self.ranks.find_part_nbytes

    def add(self, values, weights):
        if weights is not None:
            raise ValueError(
                "KBinsDiscretizer with strategy='quantile' and subsample=None is "
                "computed by chunks without sample_weight. Set subsample to a number "
                "of rows (200_000 by default)."
            )
        self.dtype = values.dtype
        self.ranks.add(check_floats(values, self.discretizer))

    def merge(self, other):
        self.ranks.merge(other.ranks)

    def end_pass(self) -> bool:
        return self.ranks.end_pass()

    def fit(self):
        """Fit to rows that have these quantiles, each of them often in a row."""
        discretizer = self.discretizer
        edges = compute_quantiles(self.ranks, self.q, self.method)
        n_bins = np.broadcast_to(discretizer.n_bins, edges.shape[1]).tolist()
        n_rows = 3 * max(n_bins) * (max(n_bins) + 1)  # so that no edge is between two
        rows = np.empty((n_rows, len(n_bins)))
        for j, n in enumerate(n_bins):
            end = self.starts[n]
            rows[:, j] = edges[end - n - 1 : end, j][
                np.arange(n_rows) * (n + 1) // n_rows
            ]
        discretizer.fit(rows)
        if discretizer.dtype is None and hasattr(discretizer, "_encoder"):
            discretizer._encoder.set_params(dtype=self.dtype)
        return discretizer


def _find_levels(n_bins: int) -> np.ndarray:
    return np.linspace(0, 100, n_bins + 1) / 100


def _find_method(discretizer) -> str:
    """Return how quantiles are computed: linearly before scikit-learn 1.9."""
    method = getattr(discretizer, "quantile_method", "linear")
    return "linear" if method == "warn" else method


class Bins:
    """Keeps rows of which the discretizer's own fit makes the bins."""

    def __init__(self, discretizer):
        self.discretizer, self._first = discretizer, None

    def begin(self, n_rows: int, order=None) -> None:
        self._rows = self._find_kind(n_rows)(self.discretizer, n_rows, order)

    def _find_kind(self, n_rows: int) -> type[_All]:
        subsample = self.discretizer.subsample
        if subsample is not None and n_rows > subsample:
            return _Drawn
        if self.discretizer.strategy == "uniform":
            return _Extremes
        return _Quantiles if subsample is None else _All

    def merges(self, n_rows: int) -> bool:
        return self._find_kind(n_rows) is not _Drawn  # which counts the rows before

    def find_part_nbytes(self, source: Source) -> int:
        kind = self._find_kind(source.n_rows)
        fresh = kind(self.discretizer, source.n_rows, None)
        find = getattr(getattr(self, "_rows", fresh), "find_part_nbytes", None)
        return find(source) if find else 0

    def merge(self, other: "Bins") -> None:
        self._rows.merge(other._rows)

    def partial_fit(self, X, sample_weight=None) -> None:
        values = check_array(X, input_name="X", estimator=self.discretizer)
        if self._first is None:
            self._first = take_first(X)
        self._rows.add(values, sample_weight)

    def end_pass(self) -> bool:
        return self._rows.end_pass()

    def finish(self):
        fitted = self._rows.fit()
        validate_data(fitted, self._first, skip_check_array=True)  # names of columns
        return fitted


def learn_bins(discretizer) -> Bins:
    """Return what learns for `KBinsDiscretizer`."""
    discretizer._validate_params()
    strategy, method = discretizer.strategy, _find_method(discretizer)
    if discretizer.subsample is None and strategy != "uniform":
        is_quantile = strategy == "quantile"
        if not is_quantile or method not in ("linear", "averaged_inverted_cdf"):
            asked = f"quantile_method={method!r}" if is_quantile else f"{strategy=}"
            raise ValueError(
                f"KBinsDiscretizer with {asked} and subsample=None needs all values of "
                "a column at once. Set subsample to a number of rows (200_000 by "
                "default), or use strategy='uniform'."
            )
    return Bins(discretizer)
