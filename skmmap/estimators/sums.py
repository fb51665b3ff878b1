"""Adds up what scikit-learn's estimators have learned from different rows.

That are sums over rows, or what follows from them. Means and variances are added by the
pairwise update of Chan, Golub and LeVeque [1]_, which loses no digits where a
difference of sums of squares would.

References
----------
.. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample
   variance: analysis and recommendations", The American Statistician 37 (3), 1983.
"""

import numpy as np


def merge_moments(n_1, mean_1, var_1, n_2, mean_2, var_2) -> tuple:
    """Return mean and variance of both groups of rows; ``var_1`` may be None.

    Numbers of rows are for each mean. What has no rows keeps what the first group has.
    """
    total = n_1 + n_2
    share = np.divide(n_2, total, out=np.zeros(total.shape), where=total > 0)
    is_one = [share == 0, share == 1]  # whose group without rows may have any mean
    step = mean_2 - mean_1
    mean = np.select(is_one, [mean_1, mean_2], mean_1 + share * step)
    if var_1 is None:
        return mean, None
    spread = var_1 + share * (var_2 - var_1) + share * (1 - share) * step**2
    return mean, np.select(is_one, [var_1, var_2], spread)


def merge_gaussian(estimator, other):
    """Add up ``GaussianNB``, with the smoothing as ``partial_fit`` does it."""
    # As partial_fit does it: the smoothing of the rows before comes off by that of
    # these rows.
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
    """Add up naive Bayes classifiers that count features."""
    estimator.class_count_ += other.class_count_
    estimator.feature_count_ += other.feature_count_
    if hasattr(estimator, "feature_all_"):
        estimator.feature_all_ = estimator.feature_count_.sum(axis=0)
    return _update_probabilities(estimator)


def merge_categories(estimator, other):
    """Add up ``CategoricalNB``, which may have seen different categories."""
    estimator.class_count_ += other.class_count_
    estimator.category_count_ = [
        _add_padded(*pair)
        for pair in zip(estimator.category_count_, other.category_count_, strict=True)
    ]
    # Of the rows that came last, as partial_fit leaves it.
    estimator.n_categories_ = other.n_categories_
    return _update_probabilities(estimator)


def _add_padded(counts, more):
    """Add counts of categories, of which either may have seen more."""
    n_categories = max(counts.shape[1], more.shape[1])
    total = np.zeros((counts.shape[0], n_categories))
    total[:, : counts.shape[1]] += counts
    total[:, : more.shape[1]] += more
    return total


def _update_probabilities(estimator):
    estimator._update_feature_log_prob(estimator._check_alpha())
    estimator._update_class_log_prior(class_prior=estimator.class_prior)
    return estimator


def merge_standard(estimator, other):
    """Add up ``StandardScaler``."""
    n_1, n_2 = (np.asarray(part.n_samples_seen_) for part in (estimator, other))
    if estimator.mean_ is not None:
        counts = (np.full(estimator.mean_.shape, n, np.float64) for n in (n_1, n_2))
        first = next(counts), estimator.mean_, estimator.var_
        second = next(counts), other.mean_, other.var_
        estimator.mean_, estimator.var_ = merge_moments(*first, *second)
    total = n_1 + n_2
    # One number for all columns, unless some of their values are missing.
    is_alike = total.ndim and total.max() == total.min()
    estimator.n_samples_seen_ = total[0] if is_alike else total[()]
    if estimator.with_std:
        estimator.scale_ = _find_scale(estimator)
    return estimator


def _find_scale(scaler) -> np.ndarray:
    """Return standard deviations, 1 for columns that vary by rounding alone."""
    n_rows, mean, var = scaler.n_samples_seen_, scaler.mean_, scaler.var_
    eps = np.finfo(np.float64).eps
    # The bound of scikit-learn's _is_constant_feature, from the same paper.
    bound = n_rows * eps * var + (n_rows * mean * eps) ** 2
    return np.where(var <= bound, 1.0, np.sqrt(var))


def merge_min_max(estimator, other):
    """Add up ``MinMaxScaler``."""
    low, high = estimator.feature_range
    data_min = np.fmin(estimator.data_min_, other.data_min_)
    data_max = np.fmax(estimator.data_max_, other.data_max_)
    dtype = data_min.dtype.type
    estimator.data_min_, estimator.data_max_ = data_min, data_max
    estimator.data_range_ = data_max - data_min
    divisor = _without_zeros(estimator.data_range_)
    estimator.scale_ = (dtype(high) - dtype(low)) / divisor
    estimator.min_ = dtype(low) - data_min * estimator.scale_
    estimator.n_samples_seen_ += other.n_samples_seen_
    return estimator


def merge_max_abs(estimator, other):
    """Add up ``MaxAbsScaler``."""
    estimator.max_abs_ = np.fmax(estimator.max_abs_, other.max_abs_)
    estimator.scale_ = _without_zeros(estimator.max_abs_)
    estimator.n_samples_seen_ += other.n_samples_seen_
    return estimator


def _without_zeros(scale: np.ndarray) -> np.ndarray:
    """Return a scale to divide by, where constant columns are left as they are."""
    one = scale.dtype.type(1)
    return np.where(scale < 10 * np.finfo(scale.dtype).eps, one, scale)
