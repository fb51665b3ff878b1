"""Initial centers of k-means and initial dictionaries, as ``fit`` computes them.

``partial_fit`` would compute them from the first chunk alone.
"""

from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

_DRAWN = "k-means++", "random"
_RANDOM_TRIES = 3  # of n_init="auto" with init="random"


def initialize_kmeans(estimator, sample) -> dict:
    """Return the parameters with which ``partial_fit`` starts from these centers."""
    if not draws_centers(estimator):
        return {}
    weights = sample.sample_weight
    centers = draw_centers(estimator, sample.X, sample.seed, weights)
    return {} if centers is None else {"init": centers, "n_init": 1}


def initialize_dictionary(estimator, sample) -> dict:
    """Return the parameters with which ``partial_fit`` starts from a dictionary."""
    if not draws_dictionary(estimator) or sparse.issparse(sample.X):
        return {}  # sparse rows are refused by the estimator itself
    dictionary = draw_dictionary(estimator, sample.X, sample.seed, sample.n_rows)
    return {"dict_init": dictionary}


def draws_centers(estimator) -> bool:
    """Whether ``fit`` would choose the initial centers from a sample of the rows."""
    # The estimator itself rejects invalid values.
    sizes = [estimator.n_clusters, estimator.batch_size, estimator.init_size or 1]
    sizes += [] if estimator.n_init == "auto" else [estimator.n_init]
    if not all(isinstance(size, Integral) and size > 0 for size in sizes):
        return False
    return isinstance(estimator.init, str) and estimator.init in _DRAWN


def draw_centers(estimator, X, seed: int, weights=None) -> np.ndarray | None:
    """Return the initial centers with the lowest inertia on a sample ``X`` of the rows.

    None if the sample is too small, for which the estimator itself raises.
    """
    n_rows, n_clusters = X.shape[0], estimator.n_clusters
    weights = np.ones(n_rows) if weights is None else weights
    if np.count_nonzero(weights) < n_clusters:
        return None
    random_state = np.random.RandomState(seed)
    size = estimator.init_size or 3 * estimator.batch_size
    size = min(n_rows, size if size >= n_clusters else 3 * n_clusters)
    tries = []
    for _ in range(_count_tries(estimator)):
        rows = random_state.permutation(n_rows)[:size]
        tries.append(_draw(estimator, X[rows], random_state, weights[rows]))
    return min(tries, key=lambda centers: _compute_inertia(X, centers, weights))


def _count_tries(estimator) -> int:
    if isinstance(estimator.n_init, Integral):
        return estimator.n_init
    return _RANDOM_TRIES if estimator.init == "random" else 1


def _draw(estimator, X, random_state, weights) -> np.ndarray:
    n_clusters = estimator.n_clusters
    if np.count_nonzero(weights) < n_clusters:
        weights = np.ones(len(weights))  # all weights of this sample are zero
    if estimator.init == "random":
        chances = weights / weights.sum()
        rows = random_state.choice(X.shape[0], n_clusters, replace=False, p=chances)
        return X[rows].toarray() if hasattr(X, "toarray") else X[rows]
    from sklearn.cluster import kmeans_plusplus

    centers, _ = kmeans_plusplus(
        X, n_clusters, sample_weight=weights, random_state=random_state
    )
    return centers


def _compute_inertia(X, centers, weights) -> float:
    from sklearn.metrics import pairwise_distances_argmin_min

    _, distances = pairwise_distances_argmin_min(X, centers)
    return float((weights * distances**2).sum())


def draws_dictionary(estimator) -> bool:
    """Whether ``fit`` would compute the initial dictionary from the rows."""
    size = 1 if estimator.n_components is None else estimator.n_components
    is_size = isinstance(size, Integral) and size > 0
    return is_size and estimator.dict_init is None


def draw_dictionary(estimator, X: np.ndarray, seed: int, n_rows: int) -> np.ndarray:
    """Return the initial dictionary for ``n_rows`` rows, of which ``X`` is a sample."""
    n_components = estimator.n_components or X.shape[1]
    _, sizes, directions = randomized_svd(X, n_components, random_state=seed)
    # fit scales the components by the singular values of all rows, which grow with the
    # square root of their number.
    return np.sqrt(n_rows / len(X)) * sizes[:, None] * directions
