"""Merge functions of scikit-learn's estimators that learn sums, means or extremes.

Means and variances are merged by the pairwise update of Chan, Golub and LeVeque [1]_,
which avoids the cancellation of a difference of sums of squares.

References
----------
.. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample
   variance: analysis and recommendations", The American Statistician 37 (3), 1983.
"""

import numpy as np
from scipy import sparse


def merge_moments(n_1, mean_1, var_1, n_2, mean_2, var_2) -> tuple:
    """Return mean and variance of two groups of rows together; ``var_1`` may be None.

    ``n_1`` and ``n_2`` have a number for each mean. If both are 0, the result is that
    of the first group.
    """
    total = n_1 + n_2
    share = np.divide(n_2, total, out=np.zeros(total.shape), where=total > 0)
    is_one = [share == 0, share == 1]  # a group without rows may have a mean of NaN
    step = mean_2 - mean_1
    mean = np.select(is_one, [mean_1, mean_2], mean_1 + share * step)
    if var_1 is None:
        return mean, None
    spread = var_1 + share * (var_2 - var_1) + share * (1 - share) * step**2
    return mean, np.select(is_one, [var_1, var_2], spread)


def merge_gaussian(estimator, other):
    """Merge ``GaussianNB``, with the smoothing of ``partial_fit``."""
    # _partial_fit computes epsilon_ from its own rows, and then subtracts it from the
    # variances of the rows before, to which an earlier epsilon_ was added.
    smoothing = other.epsilon_
    n_1, n_2 = (
        part.class_count_[:, None].astype(np.float64) for part in (estimator, other)
    )
    theta, var = merge_moments(
        n_1,
        estimator.theta_,
        estimator.var_ - smoothing,
        n_2,
        other.theta_,
        other.var_ - smoothing,
    )
    estimator.theta_ = theta.astype(estimator.theta_.dtype, copy=False)
    estimator.var_ = (var + smoothing).astype(estimator.var_.dtype, copy=False)
    estimator.class_count_ = estimator.class_count_ + other.class_count_
    estimator.epsilon_ = smoothing
    if estimator.priors is None:
        count = estimator.class_count_
        estimator.class_prior_ = count / count.sum()
    return estimator


def merge_counts(estimator, other):
    """Merge naive Bayes classifiers that count features."""
    # Not in place: a loaded model may be mapped, and its file must not change.
    estimator.class_count_ = estimator.class_count_ + other.class_count_
    estimator.feature_count_ = estimator.feature_count_ + other.feature_count_
    if hasattr(estimator, "feature_all_"):
        estimator.feature_all_ = estimator.feature_count_.sum(axis=0)
    return derive_probabilities(estimator)


def merge_categories(estimator, other):
    """Merge ``CategoricalNB``, which may have seen different categories."""
    estimator.class_count_ = estimator.class_count_ + other.class_count_
    estimator.category_count_ = [
        _add_padded(*pair)
        for pair in zip(estimator.category_count_, other.category_count_, strict=True)
    ]
    # partial_fit sets it from its own rows alone.
    estimator.n_categories_ = other.n_categories_
    return derive_probabilities(estimator)


def _add_padded(counts, more):
    """Add counts of categories; either may have more categories."""
    n_categories = max(counts.shape[1], more.shape[1])
    total = np.zeros((counts.shape[0], n_categories))
    total[:, : counts.shape[1]] += counts
    total[:, : more.shape[1]] += more
    return total


def derive_probabilities(estimator):
    """Derive the probabilities of naive Bayes classifiers from their counts."""
    estimator._update_feature_log_prob(estimator._check_alpha())
    estimator._update_class_log_prior(class_prior=estimator.class_prior)
    return estimator


def merge_standard(estimator, other):
    """Merge ``StandardScaler``."""
    n_1, n_2 = (np.asarray(part.n_samples_seen_) for part in (estimator, other))
    if estimator.mean_ is not None:
        counts = (np.full(estimator.mean_.shape, n, np.float64) for n in (n_1, n_2))
        first = next(counts), estimator.mean_, estimator.var_
        second = next(counts), other.mean_, other.var_
        estimator.mean_, estimator.var_ = merge_moments(*first, *second)
    total = n_1 + n_2
    # As in partial_fit, an int unless columns have different numbers of values.
    is_alike = total.ndim and total.max() == total.min()
    estimator.n_samples_seen_ = total[0] if is_alike else total[()]
    if estimator.with_std:
        estimator.scale_ = _find_scale(estimator)
    return estimator


def _find_scale(scaler) -> np.ndarray:
    """Return standard deviations, 1 for columns that are constant up to rounding."""
    n_rows, mean, var = scaler.n_samples_seen_, scaler.mean_, scaler.var_
    eps = np.finfo(np.float64).eps
    # The bound of scikit-learn's _is_constant_feature, from the same paper.
    bound = n_rows * eps * var + (n_rows * mean * eps) ** 2
    return np.where(var <= bound, 1.0, np.sqrt(var))


def merge_min_max(estimator, other):
    """Merge ``MinMaxScaler``."""
    estimator.data_min_ = np.fmin(estimator.data_min_, other.data_min_)
    estimator.data_max_ = np.fmax(estimator.data_max_, other.data_max_)
    estimator.data_range_ = estimator.data_max_ - estimator.data_min_
    estimator.n_samples_seen_ += other.n_samples_seen_
    return derive_min_max(estimator)


def derive_min_max(scaler):
    """Derive from minima and maxima what ``MinMaxScaler`` transforms by."""
    low, high = scaler.feature_range
    if low >= high:
        raise ValueError(f"feature_range must ascend; got {scaler.feature_range}.")
    dtype = scaler.data_min_.dtype.type
    divisor = _without_zeros(scaler.data_range_)
    scaler.scale_ = (dtype(high) - dtype(low)) / divisor
    scaler.min_ = dtype(low) - scaler.data_min_ * scaler.scale_
    return scaler


def merge_max_abs(estimator, other):
    """Merge ``MaxAbsScaler``."""
    estimator.max_abs_ = np.fmax(estimator.max_abs_, other.max_abs_)
    estimator.scale_ = _without_zeros(estimator.max_abs_)
    estimator.n_samples_seen_ += other.n_samples_seen_
    return estimator


def _without_zeros(scale: np.ndarray) -> np.ndarray:
    """Return a scale to divide by, 1 for constant columns."""
    one = scale.dtype.type(1)
    return np.where(scale < 10 * np.finfo(scale.dtype).eps, one, scale)


def always(estimator, X) -> bool:
    """Say that minima and maxima are the same in any order."""
    return True


def counts_exactly(estimator, X) -> bool:
    """Whether naive Bayes classifiers add up integers, of rows without weights."""
    if getattr(estimator, "binarize", None) is not None:
        return True
    values = X.data if sparse.issparse(X) else np.asarray(X)
    if values.dtype.kind in "biu":
        return True
    return values.dtype.kind == "f" and np.array_equal(values, np.trunc(values))
