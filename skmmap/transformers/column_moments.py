"""Means and sums of squares about them, of rows and of parts of them.

In float64, and shifted by a row: a column far from zero loses no digits, and a constant
one has a sum of squares of exactly 0. Parts are joined as by Chan, Golub and LeVeque
(1983), Algorithms for computing the sample variance, The American Statistician 37.
"""

import numpy as np
from scipy import sparse


class Moments:
    """Counts, means and sums of squares about the mean, of columns or of classes."""

    def __init__(self):
        self.n, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, n, mean, squares) -> None:
        """Add another part.

        >>> both = Moments()
        >>> both.add(2, 1.0, 2.0)  # 0 and 2
        >>> both.add(1, 4.0, 0.0)
        >>> float(both.mean), float(both.squares)
        (2.0, 8.0)
        """
        apart = mean - self.mean
        share = n / np.maximum(self.n + n, 1)
        self.mean = self.mean + apart * share
        self.squares = self.squares + squares + apart**2 * self.n * share
        self.n = self.n + n

    def merge(self, other: "Moments", apart=0.0) -> None:
        """Add those of other rows, of which so much less was subtracted."""
        self.add(other.n, other.mean + apart, other.squares)


def find_shift(X) -> np.ndarray | float:
    """Return values of the columns, one each, to subtract from all rows.

    >>> find_shift(np.array([[5.0, np.nan], [6.0, 7.0], [4.0, 8.0]])).tolist()
    [5.0, 8.0]
    """
    if sparse.issparse(X):
        return 0.0  # which keeps them sparse
    some = np.where(np.isnan(X[0]), np.fmax.reduce(X, axis=0), X[0])
    return np.nan_to_num(some)


def find_moments(X, shift=0.0) -> tuple:
    """Return counts, means less ``shift``, and sums of squares, NaN left out.

    >>> n, mean, squares = find_moments(np.array([[1, 0], [3, np.nan]]))
    >>> n.tolist(), mean.tolist(), squares.tolist()
    ([2, 1], [2.0, 0.0], [2.0, 0.0])
    """
    if sparse.issparse(X):
        return _find_sparse_moments(X.tocoo())
    shifted = X - shift
    is_there = ~np.isnan(shifted)
    n = is_there.sum(axis=0)
    mean = shifted.sum(axis=0, where=is_there) / np.maximum(n, 1)
    shifted -= mean
    shifted *= shifted
    return n, mean, shifted.sum(axis=0, where=is_there)


def _find_sparse_moments(X) -> tuple:
    n_rows, n_columns = X.shape
    is_there = ~np.isnan(X.data)
    values, columns = X.data[is_there], X.col[is_there]

    def add(weights=None):
        return np.bincount(columns, weights, minlength=n_columns)

    n = n_rows - np.bincount(X.col[~is_there], minlength=n_columns)
    mean = add(values) / np.maximum(n, 1)
    return n, mean, add((values - mean[columns]) ** 2) + (n - add()) * mean**2


def find_class_moments(X, y, shift=0.0) -> tuple:
    """Return the classes in y, and the same of the rows of each.

    >>> found = find_class_moments(np.array([[1.0], [2.0], [3.0]]), [0, 1, 0])
    >>> [each.tolist() for each in found]
    [[0, 1], [2, 1], [[2.0], [2.0]], [[2.0], [0.0]]]
    """
    classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    n = len(codes)
    add = sparse.csr_array((np.ones(n), (codes, np.arange(n))), shape=(len(classes), n))
    if sparse.issparse(X):
        X = sparse.csr_array(X)
        means = (add @ X).toarray() / counts[:, np.newaxis]
        rows, columns = X.tocoo().coords
        apart, stored = X.copy(), X.copy()
        apart.data = (X.data - means[codes[rows], columns]) ** 2
        stored.data = np.ones(X.nnz)
        zeros = counts[:, np.newaxis] - (add @ stored).toarray()
        return classes, counts, means, (add @ apart).toarray() + zeros * means**2
    shifted = X - shift
    means = (add @ shifted) / counts[:, np.newaxis]
    shifted -= means[codes]
    shifted *= shifted
    return classes, counts, means, add @ shifted
