"""Labels that several ``GaussianNB`` predict which differ only in their smoothing.

They have the same means, so that the squared distances of rows to the mean of a class
are computed once. Their sums, weighted by the variances of each estimator, are one
product of matrices. Those differ in the last digits from the sums that an estimator
computes, by no more than a bound [1]_. Where two classes are closer than that, the
estimator itself predicts the row: the labels are its own, all of them.

References
----------
.. [1] N. J. Higham, "Accuracy and Stability of Numerical Algorithms", SIAM, 2nd ed.
   2002, chapter 3: a dot product of n terms, in any order, is off by at most
   n u / (1 - n u) times the sum of their magnitudes.
"""

from typing import NamedTuple

import numpy as np

_BLOCK_NBYTES = 2**18
# Where more rows are in doubt, or fewer are given, nothing is gained.
_MOST_IN_DOUBT = 1 / 8
_LEAST_ROWS = 64
_RANGE = 1e-30, 1e30  # of variances, whose reciprocals float32 holds in full precision


def predict_gaussian(estimators: list, method: str, X) -> list | None:
    """Return what each estimator predicts for some rows, or None."""
    if method != "predict" or not _is_plain(estimators, X):
        return None
    terms = [_Terms.of(estimators, number) for number in range(len(estimators[0].var_))]
    best = np.empty((len(estimators), len(X)), np.intp)
    is_certain = np.empty(best.shape, bool)
    size = max(_LEAST_ROWS, _BLOCK_NBYTES // X[:1].nbytes)
    with np.errstate(all="ignore"):  # what overflows is in doubt
        for start in range(0, len(X), size):
            rows = slice(start, start + size)
            best[:, rows], is_certain[:, rows] = _compare(terms, X[rows])
    each = zip(estimators, best, is_certain, strict=True)
    return [_predict(estimator, X, *own) for estimator, *own in each]


def _is_plain(estimators: list, X) -> bool:
    """Whether the bound holds, and no step of the estimators warns or raises."""
    first = estimators[0]
    # With columns one after the other, a row by itself is summed in another order.
    is_dense = isinstance(X, np.ndarray) and X.ndim == 2 and X.flags.c_contiguous
    if not is_dense or len(X) < _LEAST_ROWS:
        return False
    if len(estimators) == 1 or X.shape[1] != first.n_features_in_:
        return False
    if X.dtype != first.theta_.dtype or X.dtype not in (np.float32, np.float64):
        return False
    same = [np.array_equal(each.theta_, first.theta_) for each in estimators]
    return all(same) and all(map(_is_in_range, estimators))


def _is_in_range(estimator) -> bool:
    low, high = _RANGE
    var, prior = estimator.var_, estimator.class_prior_
    return low < var.min() and var.max() < high and prior.min() > 0


class _Terms(NamedTuple):
    """Of the likelihoods of a class: what all rows have in common."""

    mean: np.ndarray
    weights: np.ndarray  # one row for each estimator
    constants: np.ndarray  # one for each estimator, as a column
    sizes: np.ndarray  # the magnitudes of what these are the sums of

    @classmethod
    def of(cls, estimators: list, number: int) -> "_Terms":
        """Return those of the class with this number."""
        var = np.stack([each.var_[number] for each in estimators])
        # As GaussianNB computes them, one estimator after the other.
        priors = [np.log(each.class_prior_[number]) for each in estimators]
        constants = [-0.5 * np.sum(np.log(2.0 * np.pi * each)) for each in var]
        both = np.array([priors, constants], np.float64)[..., None]
        mean = estimators[0].theta_[number]
        return cls(mean, 1 / var, both.sum(axis=0), np.abs(both).sum(axis=0))


def _compare(terms: list[_Terms], X: np.ndarray) -> tuple:
    """Return the most likely classes by estimator and row, and which are certain."""
    eps, n_features = float(np.finfo(X.dtype).eps), X.shape[1]
    shape = len(terms[0].weights), len(X)
    best, bound = np.zeros(shape, np.intp), np.zeros(shape)
    first, second = np.full(shape, -np.inf), np.full(shape, -np.inf)
    for number, term in enumerate(terms):
        distances = X - term.mean
        np.square(distances, out=distances)
        half = 0.5 * (term.weights @ distances.T).astype(np.float64)
        likelihood = term.constants - half
        # n_features / 2 eps of either sum, some eps for quotients and reciprocals, and
        # one for the two steps after the sum; with room for errors of second order.
        error = (n_features + 16) * half + 4 * term.sizes
        np.maximum(bound, error, out=bound)
        np.copyto(best, number, where=likelihood > first)
        np.maximum(second, np.minimum(first, likelihood), out=second)
        np.maximum(first, likelihood, out=first)
    return best, first - second > 2 * eps * bound


def _predict(estimator, X: np.ndarray, best: np.ndarray, is_certain: np.ndarray):
    """Return the labels of rows; the estimator predicts those that are in doubt."""
    doubtful = np.flatnonzero(~is_certain)
    if len(doubtful) > _MOST_IN_DOUBT * len(X):
        return estimator.predict(X)
    labels = estimator.classes_[best]
    if len(doubtful):
        labels[doubtful] = estimator.predict(X[doubtful])
    return labels
