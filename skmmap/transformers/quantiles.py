"""Quantiles of columns as NumPy computes them, from values at ranks."""

from collections.abc import Callable

import numpy as np

from skmmap.transformers.ranks import Ranks


def find_middle(n: int) -> tuple[int, int]:
    """Return the ranks of the two middle ones of n values, which may be the same."""
    return (n - 1) // 2, n // 2


def get_middle(ranks: Ranks) -> np.ndarray:
    """Return the two middle values of each column."""
    return ranks.get(np.stack(find_middle(ranks.counts)))


def compute_median(ranks: Ranks) -> np.ndarray:
    """Return what `numpy.nanmedian` does."""
    middle = get_middle(ranks)
    with np.errstate(over="ignore"):  # also of the same two, which is none of theirs
        means = np.mean(middle, axis=0)
    return np.where(ranks.counts % 2, middle[0], means)


def find_around(q: np.ndarray, method: str = "linear") -> Callable[[int], np.ndarray]:
    """Return the function that finds the ranks around quantiles q of n values."""
    return lambda n: np.concatenate(_PLACES[method](np.array([n]), q)[:2]).ravel()


def compute_quantiles(
    ranks: Ranks, q: np.ndarray, method: str = "linear"
) -> np.ndarray:
    """Return what `numpy.nanquantile` does for each column, by NumPy's formula."""
    low, high, weight = _PLACES[method](ranks.counts, q)
    below, above = ranks.get(low), ranks.get(high)
    with np.errstate(over="ignore", invalid="ignore"):
        difference = above - below
        return np.where(
            weight >= 0.5,
            above - difference * (1 - weight),
            below + difference * weight,
        )


def _place_linearly(n: np.ndarray, q: np.ndarray) -> tuple:
    """Return the ranks below and above quantiles, and the weights of those above."""
    place = (n - 1) * q[:, np.newaxis]
    low = np.floor(place).astype(np.int64)
    return low, np.minimum(low + 1, n - 1), place - low


def _place_in_steps(n: np.ndarray, q: np.ndarray) -> tuple:
    """Return the same for the method that takes values, or the mean of two."""
    place = n * q[:, np.newaxis] - 1
    low = np.floor(place).astype(np.int64)
    ranks = (np.clip(each, 0, n - 1) for each in (low, low + 1))
    return *ranks, np.where(place == low, 0.5, 1.0)


_PLACES = {"linear": _place_linearly, "averaged_inverted_cdf": _place_in_steps}
