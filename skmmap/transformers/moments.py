"""Means and products of columns, in float64 and in one pass.

Chunks are merged by the formula of Chan, Golub and LeVeque, Updating formulae and a
pairwise algorithm for computing sample variances (1979): rows may be far from zero.
"""

import numpy as np
from scipy import sparse


class Deviations:
    """The mean of all rows, and the rows of chunks as deviations from it."""

    def __init__(self):
        self.n = 0

    def find(self, X: np.ndarray) -> np.ndarray:
        """Return rows whose products add those of the chunk's deviations.

        They are its rows as deviations from its own mean, and one for how far this mean
        is from that of the rows before.
        """
        if not self.n:
            self._shift = np.array(X[0], np.float64)  # so that small numbers are added
            self._mean = np.zeros(X.shape[1])
        rows = np.empty((len(X) + 1, X.shape[1]))
        np.subtract(X, self._shift, out=rows[:-1])
        mean = rows[:-1].mean(axis=0)
        rows[:-1] -= mean
        rows[-1] = self._add(len(X), mean)
        return rows

    def merge(self, other: "Deviations") -> np.ndarray:
        """Return the row for how far the mean of later rows is from that of these."""
        return self._add(other.n, other._mean + (other._shift - self._shift))

    def _add(self, n: int, mean: np.ndarray) -> np.ndarray:
        apart = mean - self._mean
        n_before, self.n = self.n, self.n + n
        self._mean += apart * (n / self.n)
        return apart * np.sqrt(n_before * n / self.n)

    @property
    def mean(self) -> np.ndarray:
        return self._shift + self._mean


class Products:
    """The products of all pairs of columns, of dense rows or CSR."""

    def __init__(self):
        self._deviations, self._sums, self._products = Deviations(), 0, 0.0
        self.is_sparse, self.n = False, 0

    @staticmethod
    def find_nbytes(n_columns: int) -> int:
        """Return the bytes that are needed: those of the sum and of a chunk."""
        return 2 * 8 * n_columns**2

    def add(self, X) -> None:
        self.is_sparse = sparse.issparse(X)
        if self.is_sparse:
            self._add_sparse(X.astype(np.float64))
        else:
            rows = self._deviations.find(X)
            self._products += rows.T @ rows
        self.n += X.shape[0]

    def merge(self, other: "Products") -> None:
        """Add those of later rows."""
        self._products += other._products
        self.n += other.n
        if self.is_sparse:
            self._sums = self._sums + other._sums
        else:
            row = self._deviations.merge(other._deviations)
            self._products += np.outer(row, row)

    def _add_sparse(self, X) -> None:
        """Add the products of what is stored: deviations would be dense."""
        if not self.n:
            self._products = np.zeros((X.shape[1], X.shape[1]))
        products = (X.T @ X).tocoo()
        self._products[products.row, products.col] += products.data
        self._sums = self._sums + np.asarray(X.sum(axis=0)).ravel()

    @property
    def mean(self) -> np.ndarray:
        return self._sums / self.n if self.is_sparse else self._deviations.mean

    def compute_centred(self) -> np.ndarray:
        """Return the products of deviations from the mean."""
        return self._products - self.is_sparse * self._compute_square()

    def compute_uncentred(self) -> np.ndarray:
        """Return the products of the values themselves."""
        return self._products + (not self.is_sparse) * self._compute_square()

    def _compute_square(self) -> np.ndarray:
        return self.n * np.outer(self.mean, self.mean)


class Factor:
    """The triangular factor of all rows' deviations from their mean.

    It loses none of the digits that products lose: those of columns whose variance is
    small beside that of others.
    """

    def __init__(self):
        self._deviations, self._rows = Deviations(), []

    @staticmethod
    def find_nbytes(n_columns: int) -> int:
        """Return the bytes that are needed: three copies of the rows, and factors."""
        return 8 * 8 * n_columns**2

    def add(self, X: np.ndarray) -> None:
        self._keep([self._deviations.find(X)])

    def merge(self, other: "Factor") -> None:
        """Add that of later rows."""
        row = self._deviations.merge(other._deviations)
        self._keep([*other._rows, row[np.newaxis]])

    def _keep(self, rows: list[np.ndarray]) -> None:
        self._rows += rows
        # A factorization of few rows takes as long as one of as many as columns.
        if sum(map(len, self._rows)) >= 2 * rows[0].shape[1]:
            self._rows = [self.compute()]

    def compute(self) -> np.ndarray:
        return np.linalg.qr(np.concatenate(self._rows), mode="r")

    @property
    def n(self) -> int:
        return self._deviations.n

    @property
    def mean(self) -> np.ndarray:
        return self._deviations.mean
