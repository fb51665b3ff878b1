"""The first centers of k-means, as the ``fit`` of MiniBatchKMeans finds them.

Its ``partial_fit`` takes them from the first chunk alone, once.
"""

from numbers import Integral

import numpy as np
from sklearn.cluster import MiniBatchKMeans, kmeans_plusplus
from sklearn.metrics import pairwise_distances_argmin_min

_DRAWN = "k-means++", "random"
_RANDOM_TRIES = 3  # of n_init="auto" with init="random"


def draws_centers(estimator) -> bool:
    """Whether ``fit`` would draw the first centers from some rows."""
    if not isinstance(estimator, MiniBatchKMeans):
        return False
    # What is no number is refused by the estimator itself.
    sizes = estimator.n_clusters, estimator.batch_size, estimator.init_size or 1
    if not all(isinstance(size, Integral) and size > 0 for size in sizes):
        return False
    return isinstance(estimator.init, str) and estimator.init in _DRAWN


def draw_centers(estimator: MiniBatchKMeans, X, seed: int) -> np.ndarray | None:
    """Return the best of some first centers for rows ``X`` from all over the file.

    None if these are too few; the estimator says then what it thinks of that.
    """
    n_rows, n_clusters = X.shape[0], estimator.n_clusters
    if n_rows < n_clusters:
        return None
    random_state = np.random.RandomState(seed)
    size = estimator.init_size or 3 * estimator.batch_size
    size = min(n_rows, max(size, n_clusters))
    tries = [
        _draw(estimator, X[random_state.permutation(n_rows)[:size]], random_state)
        for _ in range(_count_tries(estimator))
    ]
    return min(tries, key=lambda centers: _compute_inertia(X, centers))


def _count_tries(estimator) -> int:
    if isinstance(estimator.n_init, Integral):
        return estimator.n_init
    return _RANDOM_TRIES if estimator.init == "random" else 1


def _draw(estimator, X, random_state) -> np.ndarray:
    if estimator.init == "random":
        rows = random_state.permutation(X.shape[0])[: estimator.n_clusters]
        return X[rows].toarray() if hasattr(X, "toarray") else X[rows]
    return kmeans_plusplus(X, estimator.n_clusters, random_state=random_state)[0]


def _compute_inertia(X, centers) -> float:
    return float((pairwise_distances_argmin_min(X, centers)[1] ** 2).sum())
