"""Scores of columns for a target, from sums over chunks, in float64."""

import warnings

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import type_of_target

from skmmap.transformers.column_moments import (
    Moments,
    find_class_moments,
    find_moments,
    find_shift,
)


class ClassifScores:
    """F of `f_classif`: variance between classes by variance within them."""

    def __init__(self):
        self._classes: dict = {}
        self._shift = None

    def add(self, X, y) -> None:
        if self._shift is None:
            self._shift = find_shift(X)
        classes, *moments = find_class_moments(X, y, self._shift)
        for label, n, mean, squares in zip(classes.tolist(), *moments, strict=True):
            self._classes.setdefault(label, Moments()).add(n, mean, squares)

    def merge(self, other: "ClassifScores") -> None:
        apart = other._shift - self._shift
        for label, moments in other._classes.items():
            self._classes.setdefault(label, Moments()).merge(moments, apart)

    def compute(self) -> tuple:
        from scipy import special

        parts = list(self._classes.values())
        n = np.array([[part.n] for part in parts])
        apart = np.array([part.mean - parts[0].mean for part in parts])
        apart -= (n * apart).sum(axis=0) / n.sum()
        between, within = len(parts) - 1, n.sum() - len(parts)
        with np.errstate(divide="ignore", invalid="ignore"):
            msb = (n * apart**2).sum(axis=0) / float(between)
            msw = sum(part.squares for part in parts) / float(within)
            scores = msb / msw
        is_constant = msw == 0
        if np.any(is_constant & (msb == 0)):
            text = f"Features {np.flatnonzero(is_constant)} are constant."
            warnings.warn(text, UserWarning, stacklevel=2)
        return scores, special.fdtrc(between, within, scores)


class RegressionScores:
    """Pearson's r, of `r_regression`."""

    def __init__(self):
        self._x, self._y, self._products = Moments(), Moments(), 0.0
        self._shifts = None

    def add(self, X, y) -> None:
        y = np.asarray(y, dtype=np.float64)
        if self._shifts is None:
            self._shifts = find_shift(X), y[0]
        shift, shift_y = self._shifts
        n, mean_y, squares_y = find_moments(y, shift_y)
        of_x = find_moments(X, shift)
        apart = y - shift_y - mean_y
        products = X.T @ apart if sparse.issparse(X) else apart @ (X - shift)
        self._add(of_x, (n, mean_y, squares_y), products)

    def merge(self, other: "RegressionScores") -> None:
        apart, apart_y = (
            a - b for a, b in zip(other._shifts, self._shifts, strict=True)
        )
        x, y = other._x, other._y
        of_y = y.n, y.mean + apart_y, y.squares
        self._add((x.n, x.mean + apart, x.squares), of_y, other._products)

    def _add(self, of_x: tuple, of_y: tuple, products: np.ndarray) -> None:
        n, mean_y, _ = of_y
        between = (of_x[1] - self._x.mean) * (mean_y - self._y.mean)
        share = self._y.n * n / (self._y.n + n)
        self._products = self._products + products + between * share
        self._x.add(*of_x)
        self._y.add(*of_y)

    def compute(self) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            r = self._products / np.sqrt(self._x.squares) / np.sqrt(self._y.squares)
        return np.nan_to_num(r, nan=0.0)


class LinearScores(RegressionScores):
    """F of `f_regression`, from Pearson's r."""

    def compute(self) -> tuple:
        from scipy import stats

        squared, free = super().compute() ** 2, self._y.n - 2
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = squared / (1 - squared) * free
            p_values = stats.f.sf(scores, 1, free)
        is_nan = np.isnan(scores)  # of two rows
        scores[np.isinf(scores)] = np.finfo(np.float64).max
        scores[is_nan], p_values[is_nan] = 0.0, 1.0
        return scores, p_values


class CountScores:
    """Chi-squared of `chi2`: sums of classes against those of all rows."""

    def __init__(self):
        self._sums: dict = {}
        self._n: dict = {}

    def add(self, X, y) -> None:
        _check_counts(X)
        if type_of_target(y) == "continuous":
            raise ValueError(
                "chi2 needs classes in y, which has values such as "
                f"{y[y != np.floor(y)][0]}. Use score_func=f_regression for numbers."
            )
        classes, counts, means, _ = find_class_moments(X, y)
        for label, n, mean in zip(classes.tolist(), counts, means, strict=True):
            self._add(label, n, n * mean)

    def merge(self, other: "CountScores") -> None:
        for label, sums in other._sums.items():
            self._add(label, other._n[label], sums)

    def _add(self, label, n: int, sums: np.ndarray) -> None:
        self._sums[label] = self._sums.get(label, 0.0) + sums
        self._n[label] = self._n.get(label, 0) + n

    def compute(self) -> tuple:
        observed = np.array(list(self._sums.values()))
        shares = np.array(list(self._n.values())) / sum(self._n.values())
        if len(shares) == 1:  # chi2 has a second one then, of no rows
            observed = np.vstack([observed, np.zeros_like(observed)])
            shares = np.array([1.0, 0.0])
        return _compare(observed, np.outer(shares, observed.sum(axis=0)))


class IndicatorScores:
    """Chi-squared of `chi2` where each class has a column that says which rows it has.

    A row may be in several classes or in none.
    """

    def __init__(self):
        self._n, self._sum, self._rows, self._sums = 0, 0.0, 0.0, 0.0
        self._labels: set = set()

    def add(self, X, y) -> None:
        _check_counts(X)
        y = np.asarray(y)
        is_indicator = type_of_target(y) == "multilabel-indicator"
        self._check_labels(np.unique(y).tolist(), is_indicator=is_indicator)
        indicators = y.astype(np.float64)
        self._n += len(y)
        self._rows = self._rows + indicators.sum(axis=0)
        self._sum = self._sum + np.asarray(X.sum(axis=0)).ravel()
        self._sums = self._sums + (X.T @ indicators).T

    def merge(self, other: "IndicatorScores") -> None:
        self._check_labels(other._labels)
        self._n, self._rows = self._n + other._n, self._rows + other._rows
        self._sum, self._sums = self._sum + other._sum, self._sums + other._sums

    def _check_labels(self, labels, *, is_indicator: bool = True) -> None:
        self._labels.update(labels)
        if not is_indicator or len(self._labels) > 2:
            raise ValueError(
                "Multioutput target data is not supported with label binarization"
            )

    def compute(self) -> tuple:
        return _compare(self._sums, np.outer(self._rows / self._n, self._sum))


def _check_counts(X) -> None:
    if np.any((X.data if sparse.issparse(X) else X) < 0):
        raise ValueError("Input X must be non-negative.")


def _compare(observed: np.ndarray, expected: np.ndarray) -> tuple:
    """Return chi-squared and p-values of sums, with a row for each class."""
    from scipy import special

    with np.errstate(divide="ignore", invalid="ignore"):
        scores = ((observed - expected) ** 2 / expected).sum(axis=0)
    return scores, special.chdtrc(len(observed) - 1, scores)


SCORES = {
    "f_classif": ClassifScores,
    "f_regression": LinearScores,
    "r_regression": RegressionScores,
    "chi2": CountScores,
}
