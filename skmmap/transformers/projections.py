"""How random projections and kernel approximations learn from chunks."""

import numpy as np
from scipy import sparse
from sklearn.utils import check_array

from skmmap.transformers.column_moments import Moments
from skmmap.transformers.witnesses import count_rows, take_first

_FLOATS = np.float64, np.float32


def _check(X, transformer, dtype):
    """Return rows of this type; raise what fit does."""
    names = {"input_name": "X", "estimator": transformer}
    return check_array(X, accept_sparse="csr", dtype=dtype, **names)


class RowCount:
    """The number of rows, from which a projection's number of components follows."""

    def __init__(self, projection):
        self.projection, self._first, self._n = projection, None, 0

    def partial_fit(self, X) -> None:
        if self._first is None:
            self._first = take_first(X)
        self._n += count_rows(_check(X, self.projection, _FLOATS))

    def merge(self, other: "RowCount") -> None:
        self._n += other._n

    def finish(self):
        from sklearn.random_projection import johnson_lindenstrauss_min_dim

        projection, eps = self.projection, self.projection.eps
        n_features = check_array(self._first, accept_sparse="csr").shape[1]
        n_components = johnson_lindenstrauss_min_dim(n_samples=self._n, eps=eps)
        if n_components > n_features:
            raise ValueError(
                f"eps={eps:f} and n_samples={self._n} lead to a target dimension of "
                f"{n_components} which is larger than the original space with "
                f"n_features={n_features}"
            )
        projection.n_components = n_components
        try:
            return projection.fit(self._first)
        finally:
            projection.n_components = "auto"


class VarianceOfAll:
    """The variance of all values, from which RBFSampler's gamma="scale" follows."""

    def __init__(self, sampler):
        self.sampler, self._first, self._moments = sampler, None, Moments()

    def partial_fit(self, X) -> None:
        values = _check(X, self.sampler, np.float64)
        if self._first is None:
            self._first = take_first(X)
            self._is_sparse = sparse.issparse(values)
            self._shift = values[0, 0]
        size = np.prod(values.shape)
        if self._is_sparse:
            stored = values.data
            mean = stored.sum() / size
            squares = ((stored - mean) ** 2).sum() + (size - stored.size) * mean**2
        else:
            shifted = values - self._shift
            mean = shifted.mean()
            squares = ((shifted - mean) ** 2).sum()
        self._moments.add(size, mean, squares)

    def merge(self, other: "VarianceOfAll") -> None:
        shifts = 0.0 if self._is_sparse else other._shift - self._shift
        self._moments.merge(other._moments, shifts)

    def finish(self):
        sampler, moments = self.sampler, self._moments
        n_features = check_array(self._first, accept_sparse="csr").shape[1]
        variance = moments.squares / moments.n
        gamma, scale = (
            (1.0 / (n_features * variance) if variance else 1.0),
            sampler.gamma,
        )
        sampler.gamma = gamma
        try:
            return sampler.fit(self._first)
        finally:
            sampler.gamma = scale


def learn_projection(projection) -> RowCount:
    """Return what learns for projections with ``n_components="auto"``."""
    return RowCount(projection)


def learn_sampler(sampler) -> VarianceOfAll:
    """Return what learns for RBFSampler with ``gamma="scale"``."""
    return VarianceOfAll(sampler)
