"""Which rows are held out to score each epoch, in files of any size."""

import numpy as np

from skmmap.order.indexing import resolve_key
from skmmap.order.selection import Runs

# Of more rows than this, runs of neighbours are held out: shares of labels stay exact,
# and the selection takes a few megabytes at most.
_MAX_UNITS = 2**20


def split_rows(n_rows: int, fraction: float, seed: int, y=None):
    """Return the rows to train on, and those that are held out.

    Both are selections. The share of each label of ``y``, a source, is the same in
    both, as far as there are rows of it; what is held out is spread over the file.
    """
    size = -(-n_rows // _MAX_UNITS)
    starts = np.arange(0, n_rows, size)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_KEY,)))
    strata = np.zeros(len(starts), dtype=np.int64)
    if y is not None:
        _, strata = np.unique(_read_some(y, starts), return_inverse=True)
    held_out = np.zeros(len(starts), dtype=bool)
    shares = _share_out(np.bincount(strata), fraction)
    for stratum, n_drawn in enumerate(shares.tolist()):
        members = np.flatnonzero(strata == stratum)
        held_out[members[_draw(len(members), n_drawn, rng)]] = True
    if held_out.all() or not held_out.any():
        raise ValueError(
            f"validation_fraction={fraction} of {n_rows:,} rows leaves "
            f"{int(n_rows * held_out.mean()):,} rows to score and the others to train "
            "on; each needs at least one row. Change validation_fraction, or give "
            "X_val and y_val."
        )
    return _join(starts, size, n_rows, ~held_out), _join(starts, size, n_rows, held_out)


_KEY = 2**32 - 1  # no epoch has this number


def _read_some(y, rows: np.ndarray) -> np.ndarray:
    """Return the labels of some rows, without loading the others."""
    return np.asarray(y.select(resolve_key(rows, y.n_rows)).load())


def _share_out(sizes: np.ndarray, fraction: float) -> np.ndarray:
    """Return how many of each stratum are held out: one of them at least is not.

    They are rounded so that they add up to the fraction of all, if that can be.
    """
    exact = np.minimum(sizes * fraction, sizes - 1)
    shares = exact.astype(np.int64)
    n_missing = round(sizes.sum() * fraction) - shares.sum()
    # Those that rounding down took most from, if there is one left to give.
    lost = np.where(shares < sizes - 1, exact - shares, -1.0)
    order = np.argsort(-lost, kind="stable")
    order = order[lost[order] > 0]
    shares[order[: max(0, n_missing)]] += 1
    return shares


def _draw(n: int, n_drawn: int, rng) -> np.ndarray:
    """Return one position of each of so many equal stretches of ``n``."""
    edges = np.arange(n_drawn + 1) * n // max(1, n_drawn)
    return rng.integers(edges[:-1], edges[1:])


def _join(starts: np.ndarray, size: int, n_rows: int, chosen: np.ndarray):
    """Return the rows of the chosen units as a selection."""
    starts = starts[chosen]
    lengths = np.minimum(size, n_rows - starts)
    if size == 1:
        return resolve_key(starts, n_rows)
    return Runs(starts, lengths)
