"""Adds up estimators that were trained on different rows, where that is exact.

What such an estimator learns are sums over rows, or what follows from them. Means and
variances are added by the pairwise update of Chan, Golub and LeVeque [1]_, which loses
no digits where a difference of sums of squares would.

References
----------
.. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample
   variance: analysis and recommendations", The American Statistician 37 (3), 1983.
"""

from functools import singledispatch

import numpy as np
from sklearn.naive_bayes import (
    BernoulliNB,
    CategoricalNB,
    ComplementNB,
    GaussianNB,
    MultinomialNB,
)
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted


def merge(estimator, other):
    """Add to an estimator what another one has learned from other rows.

    It holds what can be added up: the naive Bayes classifiers, ``StandardScaler``,
    ``MinMaxScaler`` and ``MaxAbsScaler`` of scikit-learn, and whatever else is
    registered. ``ChunkedFit(estimator, n_jobs=2).fit`` trains these on several cores.

    Register a class of your own as with every `functools.singledispatch`: by
    ``merge.register``, on a function of two fitted estimators that changes the first
    one, and returns it. It has to be exact: the first one is then as if it had been
    given the rows of the second one after its own. Where it cannot be, it is to leave
    both as they are and return NotImplemented; ``fit`` then trains on these rows in
    turn. A registration is for that class alone, since a subclass may learn something
    else.

    Parameters
    ----------
    estimator : estimator instance
        A fitted estimator, which is changed.

    other : estimator instance
        One of the same class and parameters, fitted to other rows.

    Returns
    -------
    estimator : estimator instance
        The first one.

    Raises
    ------
    TypeError
        If they are of two classes, or of one that nobody has registered.

    ValueError
        If they have seen different features or classes, or if the function that is
        registered says that adding them up would not be exact.

    sklearn.exceptions.NotFittedError
        If one of them is not fitted.

    Notes
    -----
    Reads: nothing.
    Allocates: a few arrays of the size of the learned attributes.
    Equals: ``estimator.partial_fit`` on the rows of `other`: exactly for counts,
    minima and maxima, to rounding (1e-12 for float64, unless a mean is a million times
    the standard deviation) for means and variances. A column of which all values were
    missing in one of them takes nothing from it, where ``partial_fit`` makes it NaN.

    References
    ----------
    Chan, Golub, LeVeque, "Algorithms for computing the sample variance: analysis and
    recommendations", The American Statistician 37 (3), 1983.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import MinMaxScaler
    >>> from skmmap import merge
    >>> low, high = np.array([[1.0], [2.0]]), np.array([[5.0]])
    >>> merge(MinMaxScaler().fit(low), MinMaxScaler().fit(high)).data_max_
    array([5.])
    >>> from sklearn.linear_model import SGDRegressor
    >>> merge(SGDRegressor(), SGDRegressor())
    Traceback (most recent call last):
        ...
    TypeError: SGDRegressor is in no merge registry. If what it learns can be added up \
exactly, register how: @merge.register.
    """
    if type(estimator) is not type(other):
        raise TypeError(
            "merge takes two estimators of one class; got "
            f"{type(estimator).__name__} and {type(other).__name__}."
        )
    if not can_merge(estimator):
        raise TypeError(
            f"{type(estimator).__name__} is in no merge registry. If what it learns "
            "can be added up exactly, register how: @merge.register."
        )
    for part in (estimator, other):
        if hasattr(part, "fit"):  # or scikit-learn takes it for no estimator
            check_is_fitted(part)
    for name in ("n_features_in_", "classes_"):
        one, another = getattr(estimator, name, None), getattr(other, name, None)
        if not np.array_equal(one, another):
            raise ValueError(
                f"Both estimators need the same {name}; got {one} and {another}. "
                "Train both on the same columns, and classifiers with classes=."
            )
    merged = add_up(estimator, other)
    if merged is NotImplemented:
        raise ValueError(
            f"What these two {type(estimator).__name__} have learned does not add up "
            "exactly. Give the rows of the second one to partial_fit of the first one."
        )
    return merged


@singledispatch
def _add_up(estimator, other):
    """Add ``other`` to ``estimator``, as is registered for their class."""
    return NotImplemented


merge.register, merge.registry = _add_up.register, _add_up.registry
merge.dispatch = _add_up.dispatch


def add_up(estimator, other):
    """Merge without a check; return NotImplemented where that is not exact."""
    merged = _add_up(estimator, other)
    if merged is None:
        raise TypeError(
            "The function that is registered to merge two "
            f"{type(estimator).__name__} returned None. Let it return the first one."
        )
    return merged


def can_merge(estimator) -> bool:
    """Whether this very class, and not one above it, says how it is added up."""
    return type(estimator) in _add_up.registry


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


@_add_up.register
def _(estimator: GaussianNB, other: GaussianNB):
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


@_add_up.register(MultinomialNB)
@_add_up.register(ComplementNB)
@_add_up.register(BernoulliNB)
def _(estimator, other):
    estimator.class_count_ += other.class_count_
    estimator.feature_count_ += other.feature_count_
    if hasattr(estimator, "feature_all_"):
        estimator.feature_all_ = estimator.feature_count_.sum(axis=0)
    return _update_probabilities(estimator)


@_add_up.register
def _(estimator: CategoricalNB, other: CategoricalNB):
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


@_add_up.register
def _(estimator: StandardScaler, other: StandardScaler):
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


def _find_scale(scaler: StandardScaler) -> np.ndarray:
    """Return standard deviations, 1 for columns that vary by rounding alone."""
    n_rows, mean, var = scaler.n_samples_seen_, scaler.mean_, scaler.var_
    eps = np.finfo(np.float64).eps
    # The bound of scikit-learn's _is_constant_feature, from the same paper.
    bound = n_rows * eps * var + (n_rows * mean * eps) ** 2
    return np.where(var <= bound, 1.0, np.sqrt(var))


@_add_up.register
def _(estimator: MinMaxScaler, other: MinMaxScaler):
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


@_add_up.register
def _(estimator: MaxAbsScaler, other: MaxAbsScaler):
    estimator.max_abs_ = np.fmax(estimator.max_abs_, other.max_abs_)
    estimator.scale_ = _without_zeros(estimator.max_abs_)
    estimator.n_samples_seen_ += other.n_samples_seen_
    return estimator


def _without_zeros(scale: np.ndarray) -> np.ndarray:
    """Return a scale to divide by, where constant columns are left as they are."""
    one = scale.dtype.type(1)
    return np.where(scale < 10 * np.finfo(scale.dtype).eps, one, scale)
