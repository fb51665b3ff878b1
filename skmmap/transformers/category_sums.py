"""Counts, sums and squares of targets by fold and category of a column.

Squares are about the mean of each fold and category. They add up by the formula of
https://doi.org/10.1080/00031305.1983.10483115 (Chan, Golub, LeVeque).
"""

from typing import NamedTuple

import numpy as np


class Sums(NamedTuple):
    """Counts of rows, and sums of a target and of its squares about the mean."""

    counts: np.ndarray
    sums: np.ndarray
    squares: np.ndarray

    def pool(self) -> "Sums":
        """Return those of all groups along the first axis together."""
        counts, sums = self.counts.sum(axis=0), self.sums.sum(axis=0)
        away = _divide(self.sums, self.counts) - _divide(sums, counts)
        squares = (self.squares + self.counts * away**2).sum(axis=0)
        return Sums(counts, sums, squares)

    def encode(self, smooth, mean: float, variance: float) -> np.ndarray:
        """Return what `TargetEncoder` makes of them.

        ``mean`` and ``variance`` are those of the target of the same rows.
        """
        counts, sums = self.counts, self.sums
        if not isinstance(smooth, str):
            weight = counts + smooth
            shrunk = _divide(smooth * mean + sums, weight)
            return np.where(weight == 0, mean, shrunk)
        with np.errstate(invalid="ignore"):  # of categories without a row
            share = variance * counts
            share = share / (share + self.squares / counts)
            shrunk = share * (sums / counts) + (1 - share) * mean
        return np.where(np.isnan(share), mean, shrunk)


def _divide(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)


class CategorySums:
    """Those of a column, for some targets, by fold and category."""

    def __init__(self, n_targets: int, n_folds: int, n_categories: int):
        self._n_categories = n_categories
        self._counts = np.zeros(n_folds * n_categories)
        self._sums = np.zeros((n_targets, n_folds * n_categories))
        self._squares = np.zeros_like(self._sums)

    def add(self, folds: np.ndarray, codes: np.ndarray, targets) -> None:
        """Add rows; ``targets`` has the values of each target."""
        cells, place = np.unique(
            folds * self._n_categories + codes, return_inverse=True
        )
        counts = np.bincount(place).astype(np.float64)
        for t, values in enumerate(targets):
            sums = np.bincount(place, weights=values)
            away = values - (sums / counts)[place]
            new = counts, sums, np.bincount(place, weights=away**2)
            old = self._counts[cells], self._sums[t, cells], self._squares[t, cells]
            both = Sums(*map(np.stack, zip(old, new, strict=True))).pool()
            self._sums[t, cells], self._squares[t, cells] = both.sums, both.squares
        self._counts[cells] += counts

    def get_target(self, number: int) -> Sums:
        """Return the sums of a target, of shape (folds, categories)."""
        every = self._counts, self._sums[number], self._squares[number]
        return Sums(*(each.reshape(-1, self._n_categories) for each in every))
