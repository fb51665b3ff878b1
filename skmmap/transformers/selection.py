"""How selectors of columns learn from chunks."""

import numpy as np
from scipy import sparse
from sklearn.utils import assert_all_finite, check_array, column_or_1d
from sklearn.utils.validation import validate_data

from skmmap.transformers.column_moments import Moments, find_moments, find_shift
from skmmap.transformers.scores import SCORES, CountScores, IndicatorScores
from skmmap.transformers.witnesses import take_first


def _check(X, selector, **params):
    """Return rows as float64; raise what fit does."""
    names = {"input_name": "X", "estimator": selector}
    return check_array(X, accept_sparse="csr", dtype=np.float64, **names, **params)


class ScoreSelector:
    """Sums from which the scores of columns follow; the rest is the selector's own."""

    def __init__(self, selector):
        self.selector = selector
        self._scores = SCORES[selector.score_func.__name__]()
        self._first = None

    def partial_fit(self, X, y) -> None:
        if y is None:
            raise ValueError(
                f"{type(self.selector).__name__} scores columns by y, and fit got none."
            )
        values = _check(X, self.selector)
        has_columns = np.ndim(y) == 2 and y.shape[1] > 1
        if has_columns and isinstance(self._scores, CountScores):
            self._scores = IndicatorScores()
        is_indicator = isinstance(self._scores, IndicatorScores)
        labels = np.asarray(y) if is_indicator else column_or_1d(y, warn=True)
        assert_all_finite(labels, input_name="y")
        if self._first is None:
            self._first = take_first(X), labels[:2].copy()
        self._scores.add(values, labels)

    def merge(self, other: "ScoreSelector") -> None:
        self._scores.merge(other._scores)

    def finish(self):
        selector, result = self.selector, self._scores.compute()
        score_func, selector.score_func = selector.score_func, lambda X, y: result
        try:
            return selector.fit(*self._first)
        finally:
            selector.score_func = score_func


class Variances:
    """The variances of `VarianceThreshold`, and the extremes of columns."""

    def __init__(self, selector):
        self.selector, self._moments, self._n_rows = selector, Moments(), 0
        self._first, self._least, self._largest = None, np.inf, -np.inf

    def partial_fit(self, X) -> None:
        values = _check(X, self.selector, ensure_all_finite="allow-nan")
        is_sparse, self._n_rows = (
            sparse.issparse(values),
            self._n_rows + values.shape[0],
        )
        if self._first is None:
            self._first, self._shift = take_first(X), find_shift(values)
        ends = values.min(axis=0), values.max(axis=0)
        if is_sparse:
            ends = [end.toarray().ravel() for end in ends]
        self._least = np.minimum(self._least, ends[0])  # NaN if there is one, as in fit
        self._largest = np.maximum(self._largest, ends[1])
        self._moments.add(*find_moments(values, self._shift))

    def merge(self, other: "Variances") -> None:
        self._n_rows += other._n_rows
        self._least = np.minimum(self._least, other._least)
        self._largest = np.maximum(self._largest, other._largest)
        self._moments.merge(other._moments, other._shift - self._shift)

    def finish(self):
        selector, moments = self.selector, self._moments
        with np.errstate(invalid="ignore"):
            variances = np.where(moments.n > 0, moments.squares / moments.n, np.nan)
        if selector.threshold == 0:  # as in fit, which a constant does not pass
            variances = np.nanmin([variances, self._largest - self._least], axis=0)
        is_kept = variances > selector.threshold
        # Two values whose variance is above the threshold where that of all rows is.
        high = np.where(is_kept, 2 * np.sqrt(max(selector.threshold, 0)) + 1, 0)
        rows = np.array([high, 0 * high])
        selector.fit(rows[: self._n_rows])
        validate_data(selector, self._first, skip_check_array=True)
        selector.variances_ = variances
        return selector


def learn_selection(selector) -> ScoreSelector:
    """Return what learns for `SelectKBest` and the others that score each column."""
    function = selector.score_func
    name = getattr(function, "__name__", repr(function))
    is_known = getattr(function, "__module__", "").startswith("sklearn.")
    if name not in SCORES or not is_known:
        kind = type(selector).__name__
        raise ValueError(
            f"{kind} with score_func={name} is not computed by chunks; "
            f"{', '.join(SCORES)} are. Use one of these, or fit the selector on a "
            "sample and put FrozenEstimator(selector) into the pipeline."
        )
    return ScoreSelector(selector)


def learn_variances(selector) -> Variances:
    """Return what learns for `VarianceThreshold`."""
    return Variances(selector)
