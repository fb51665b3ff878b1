"""Corrections of statistics that ``fit`` computes from all rows or at its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from types import MappingProxyType as Frozen

import numpy as np
from scipy import sparse
from sklearn.base import ClusterMixin, clone

from skmmap.estimators.sums import merge_moments


class Correction:
    """Corrects one learner. The base class does nothing, as most learners need none.

    Between `begin` and `finish` the learner may have parameters and attributes that
    only training needs; `before` and `after` are called around each chunk.
    """

    divides_by_zero = False  # if a chunk has no value in a column

    @staticmethod
    def is_needed(learner) -> bool:
        """Whether the learner needs a correction with its parameters."""
        return True

    @staticmethod
    def find_overrides(learner) -> dict:
        """Return the parameters that are overridden during training."""
        return {}

    def begin(self, learner) -> None:
        """Undo `finish` before a learner is trained further."""

    def before(self, learner, X, weights) -> None:
        """Prepare a learner, which may be untrained, for a chunk."""

    def after(self, learner, X, weights) -> None:
        """Correct what the learner has learned from a chunk."""

    def end_epoch(self, learner) -> None:
        """Do what ``fit`` does at the end of an epoch, and ``partial_fit`` in each."""

    def skip(self, X) -> None:
        """Count rows with a weight of zero, which the learner does not get."""

    def finish(self, learner) -> None:
        """Do what ``fit`` does at its end; overridden parameters are already reset."""

    def add(self, other: "Correction") -> None:
        """Add the state of the correction of a learner that is merged into this one."""


class _KeepColumns(Correction):
    """Keeps the statistics of a column that has no value in a chunk.

    ``partial_fit`` would set them to NaN, from where they never recover: the mean of no
    values is 0/0, and NaN propagates through ``np.minimum``. Before a column has its
    first value its statistics are NaN; ``neutral`` replaces these during the call.
    """

    neutral: Mapping[str, float]
    names: tuple[str, ...]  # all attributes with a value for each column

    def before(self, learner, X, weights) -> None:
        # For sparse rows partial_fit updates the arrays in place.
        keep = _copy if sparse.issparse(X) else _get
        self._kept = {name: keep(learner, name) for name in self.names}
        for name, value in self.neutral.items():
            column = self._kept[name]
            if isinstance(column, np.ndarray) and np.isnan(column).any():
                setattr(learner, name, np.where(np.isnan(column), value, column))

    def after(self, learner, X, weights) -> None:
        kept, self._kept = self._kept, {}
        lost = self.find_lost(learner, kept, X, weights)
        if lost is None or not lost.any():
            return
        for name in self.names:
            if kept[name] is not None:
                setattr(learner, name, np.where(lost, kept[name], vars(learner)[name]))

    def find_lost(self, learner, kept: dict, X, weights) -> np.ndarray | None:
        """Return which columns had no value in the chunk."""
        return np.isnan(vars(learner)[self.names[0]])


def _get(learner, name: str) -> np.ndarray | None:
    value = vars(learner).get(name)
    return value if isinstance(value, np.ndarray) else None


def _copy(learner, name: str) -> np.ndarray | None:
    value = _get(learner, name)
    return None if value is None else value.copy()


class MinMaxColumns(_KeepColumns):
    names = "data_min_", "data_max_", "data_range_", "scale_", "min_"
    neutral = Frozen({"data_min_": np.inf, "data_max_": -np.inf})


class MaxAbsColumns(_KeepColumns):
    names = "max_abs_", "scale_"
    neutral = Frozen({"max_abs_": 0.0})


class StandardColumns(_KeepColumns):
    divides_by_zero = True
    names = "mean_", "var_", "scale_"
    neutral = Frozen({"mean_": 0.0, "var_": 0.0})

    def before(self, learner, X, weights) -> None:
        super().before(learner, X, weights)
        self._seen = vars(learner).get("n_samples_seen_")

    def find_lost(self, learner, kept: dict, X, weights) -> np.ndarray | None:
        # Not by NaN: a variance that overflows is NaN as well, and has to stay NaN.
        if self._seen is None or kept["mean_"] is None:
            return None
        now, shape = learner.n_samples_seen_, kept["mean_"].shape
        # Ints as long as no value was missing, and where as many are in all columns.
        if np.ndim(now) == np.ndim(self._seen) == 0 and now != self._seen:
            return None
        if weights is None:
            seen = np.equal(now, self._seen)
            return np.broadcast_to(seen, shape)
        # partial_fit subtracts the weights of missing values from the sum of all
        # weights, so that rounding leaves a small remainder.
        added = np.subtract(now, self._seen)
        little = np.broadcast_to(added <= 1e-4 * np.sum(weights), shape)
        return _find_empty(X, weights, little) if little.any() else little

    def after(self, learner, X, weights) -> None:
        super().after(learner, X, weights)
        if self._seen is None or learner.var_ is None or not sparse.issparse(X):
            return
        # If a sparse column has its first values in a later chunk, scikit-learn 1.9
        # divides 0 by 0 (_incr_mean_variance_axis0).
        is_first = np.equal(self._seen, 0) & np.greater(learner.n_samples_seen_, 0)
        if is_first.any():
            chunk = clone(learner).partial_fit(X, sample_weight=weights)
            for name in self.names:
                column = np.where(is_first, vars(chunk)[name], vars(learner)[name])
                setattr(learner, name, column)


def _find_empty(X, weights, among: np.ndarray) -> np.ndarray:
    """Return which columns ``among`` these have no value in rows with a weight."""
    columns, weigh = np.flatnonzero(among), np.flatnonzero(weights)
    rows = X.tocsr() if sparse.issparse(X) else np.asarray(X)
    values = rows[weigh][:, columns]
    values = values.toarray() if sparse.issparse(values) else values.astype(float)
    empty = np.zeros_like(among)
    empty[columns] = np.isnan(values).all(axis=0)
    return empty


@dataclass(eq=False, repr=False)
class Smoothing(Correction):
    """Takes ``epsilon_`` of GaussianNB from the variance of all rows, not of a chunk.

    The variance follows from counts, means and variances of the classes. With sample
    weights these are weighted, but ``fit`` uses the unweighted variance of X
    (``_partial_fit`` in ``naive_bayes.py``), which is then computed apart.
    """

    moments: tuple | None = None  # rows, mean, variance of each column

    @staticmethod
    def find_overrides(learner) -> dict:
        value = learner.var_smoothing
        # The estimator itself refuses invalid values.
        is_share = isinstance(value, Real) and value > 0
        return {"var_smoothing": 0.0} if is_share else {}

    def begin(self, learner) -> None:
        learner.var_ = learner.var_ - learner.epsilon_
        learner.epsilon_ = 0.0

    def before(self, learner, X, weights) -> None:
        if weights is not None and self.moments is None and hasattr(learner, "var_"):
            self.moments = _add_classes(learner)

    def after(self, learner, X, weights) -> None:
        if weights is not None or self.moments is not None:
            self.skip(X)

    def skip(self, X) -> None:
        rows = np.asarray(X, dtype=np.float64).reshape(len(X), -1)
        self._add_moments((len(rows), rows.mean(axis=0), rows.var(axis=0)))

    def _add_moments(self, more: tuple) -> None:
        self.moments = more if self.moments is None else _merge(self.moments, more)

    def finish(self, learner) -> None:
        moments = _add_classes(learner) if self.moments is None else self.moments
        epsilon = learner.var_smoothing * moments[2].max()
        learner.epsilon_ = learner.var_.dtype.type(epsilon)
        learner.var_ = learner.var_ + learner.epsilon_

    def add(self, other: "Smoothing") -> None:
        if other.moments is not None:
            self._add_moments(other.moments)


def _add_classes(learner) -> tuple:
    """Return the number of rows, means and variances from those of the classes."""
    count, theta, var = (
        np.asarray(value, dtype=np.float64)
        for value in (learner.class_count_, learner.theta_, learner.var_)
    )
    share = count / count.sum()
    mean = share @ theta
    return count.sum(), mean, share @ (var + (theta - mean) ** 2)


def _merge(one: tuple, other: tuple) -> tuple:
    n_1, n_2 = (np.asarray(part[0], dtype=np.float64) for part in (one, other))
    return n_1 + n_2, *merge_moments(n_1, *one[1:], n_2, *other[1:])


class Categories(Correction):
    """Sets ``n_categories_`` from all rows; predictions do not use it."""

    def finish(self, learner) -> None:
        sizes = [counts.shape[1] for counts in learner.category_count_]
        learner.n_categories_ = np.asarray(sizes, dtype=learner.n_categories_.dtype)


class Clusters(Correction):
    """Clusters the subclusters of Birch once, when all rows are in the tree.

    ``labels_`` are not computed, since they would be those of the last chunk.
    """

    @staticmethod
    def find_overrides(learner) -> dict:
        value, labels = learner.n_clusters, learner.compute_labels
        # The estimator itself refuses invalid values.
        is_number = isinstance(value, Integral) and value >= 1
        is_usable = is_number or isinstance(value, ClusterMixin)
        overrides = {"n_clusters": None} if is_usable else {}
        return overrides | ({"compute_labels": False} if labels is True else {})

    def finish(self, learner) -> None:
        if learner.n_clusters is not None:
            learner.partial_fit()


class Samples(Correction):
    """Gives ``h_samples_`` of BernoulliRBM as many rows as each chunk has.

    ``_fit`` subtracts the sum over the sampled rows from the sum over the rows of the
    chunk, and divides by the number of the latter. Sums over different numbers of rows
    would not cancel.
    """

    def before(self, learner, X, weights) -> None:
        drawn = vars(learner).get("h_samples_")
        n_rows = np.shape(X)[0]
        if drawn is not None and len(drawn) != n_rows:
            learner.h_samples_ = np.resize(drawn, (n_rows, drawn.shape[1]))
