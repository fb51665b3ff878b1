"""How `PCA` learns from chunks."""

from math import lgamma, prod

import numpy as np
from scipy import sparse
from sklearn.base import clone

from skmmap._messages import say_size
from skmmap.rows import Source
from skmmap.transformers.floats import check_floats
from skmmap.transformers.moments import Factor, Products
from skmmap.transformers.witnesses import FirstRows

_MOST_COLUMNS = 4096  # whose products are 134 MB, and take a minute to decompose
_EXACT = "auto", "full", "covariance_eigh"


class PrincipalComponents:
    """The covariance of columns, or a factor of it where digits would be lost."""

    def __init__(self, pca):
        self.pca, self._first, self._moments = pca, FirstRows(pca), None

    def begin(self, n_rows: int) -> None:
        self._n_rows = n_rows

    def partial_fit(self, X) -> None:
        self._first.partial_fit(X)
        values = check_floats(
            X, self.pca, dtype=(np.float64, np.float32), ensure_all_finite=True
        )
        if self._moments is None:
            self._dtype = values.dtype
            self._moments = self._choose(values)
        self._moments.add(values)

    def find_part_nbytes(self, source: Source) -> int:
        n_columns = prod(source.shape[1:])
        self.begin(source.n_rows)
        kind = self._find_kind(n_columns, is_sparse=source.store.is_sparse)
        return kind.find_nbytes(n_columns)

    def merge(self, other: "PrincipalComponents") -> None:
        self._moments.merge(other._moments)

    def _choose(self, X) -> Products | Factor:
        """Return what is summed, by the rule by which fit chooses a solver."""
        check_width(self.pca, X.shape[1])
        solver, is_sparse = self.pca.svd_solver, sparse.issparse(X)
        if is_sparse and solver == "full":
            self.pca.fit(X)  # which is refused
        self._rank = self._most = min(self._n_rows, X.shape[1])
        if is_sparse and solver == "auto":  # for which fit takes ARPACK
            self._most -= 1
            self._refuse_number_of_arpack(X.shape[1])
        self._check_number(X.shape[1])
        return self._find_kind(X.shape[1], is_sparse=is_sparse)()

    def _find_kind(self, n_columns: int, *, is_sparse: bool):
        solver, is_few = self.pca.svd_solver, n_columns <= 1000
        is_tall = is_few and self._n_rows >= 10 * n_columns
        is_summed = solver == "covariance_eigh" or (solver == "auto" and is_tall)
        return Products if is_sparse or is_summed else Factor

    def _refuse_number_of_arpack(self, n_columns: int) -> None:
        """Let fit refuse a number of components, of rows that have no values."""
        number = self.pca.n_components
        is_number = number is not None and not isinstance(number, str)
        if number is not None and not (is_number and 1 <= number <= self._most):
            clone(self.pca).fit(sparse.csr_array((self._rank, n_columns)))

    def _check_number(self, n_columns: int) -> None:
        number = self.pca.n_components
        if isinstance(number, str):  # "mle"
            if self._rank < n_columns:
                raise ValueError(
                    "n_components='mle' is only supported if n_samples >= n_features"
                )
        elif number is not None and not 0 <= number <= self._most:
            raise ValueError(
                f"n_components={number} must be between 0 and {self._most:,}, which "
                f"{self._n_rows:,} rows allow."
            )

    def finish(self):
        pca, n_rows = self._first.set_names(), self._n_rows
        variances, values, vectors = self._decompose()
        ratios = variances / variances.sum()
        number = self._find_number(variances, ratios)
        noise = variances[number:].mean() if number < self._rank else 0.0
        learned = {
            "components_": turn(vectors[:number]),
            "explained_variance_": variances[:number],
            "explained_variance_ratio_": ratios[:number],
            "singular_values_": values[:number],
            "mean_": self._moments.mean,
        }
        for name, value in learned.items():
            setattr(pca, name, value.astype(self._dtype))
        pca.noise_variance_ = self._dtype.type(noise) if noise else 0.0
        pca.n_components_, pca.n_samples_ = number, n_rows
        is_factor = isinstance(self._moments, Factor)
        pca._fit_svd_solver = "full" if is_factor else "covariance_eigh"  # for its tags
        return pca

    def _decompose(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return variances, singular values and components, the largest first."""
        n_free = self._n_rows - 1
        if isinstance(self._moments, Products):
            products = self._moments.compute_centred()
            variances, vectors = np.linalg.eigh(products / n_free)
            variances = np.maximum(variances[::-1], 0)
            return variances, np.sqrt(variances * n_free), vectors[:, ::-1].T
        _, values, vectors = np.linalg.svd(self._moments.compute(), full_matrices=False)
        values, vectors = values[: self._rank], vectors[: self._rank]
        return values**2 / n_free, values, vectors

    def _find_number(self, variances: np.ndarray, ratios: np.ndarray):
        number = self.pca.n_components
        if number is None:
            return self._most
        if isinstance(number, str):
            return find_dimension(variances, self._n_rows)
        if 0 < number < 1:
            return np.searchsorted(np.cumsum(ratios), number, side="right") + 1
        return number


def check_width(transformer, n_columns: int) -> None:
    """Raise for more columns than those whose products can be in memory."""
    if n_columns > _MOST_COLUMNS:
        name = type(transformer).__name__
        raise ValueError(
            f"{name} by chunks keeps the products of all pairs of columns, which are "
            f"{say_size(8 * n_columns**2)} for {n_columns:,} columns; it is computed "
            f"for {_MOST_COLUMNS:,} at most. Use IncrementalPCA(n_components=...), or "
            f"SparseRandomProjection(n_components=...) before {name}."
        )


def turn(vectors: np.ndarray) -> np.ndarray:
    """Return vectors with the signs by which the largest number of each is positive."""
    largest = np.abs(vectors).argmax(axis=1)
    signs = np.sign(vectors[np.arange(len(vectors)), largest])
    return vectors * signs[:, np.newaxis]


def find_dimension(variances: np.ndarray, n_rows: int) -> np.intp:
    """Return the most likely number of components.

    References
    ----------
    Thomas P. Minka: Automatic Choice of Dimensionality for PCA. NIPS 2000: 598-604.
    """
    ranks = range(1, len(variances))
    likely = [-np.inf, *(_find_likelihood(variances, r, n_rows) for r in ranks)]
    return np.argmax(likely)


def _find_likelihood(variances: np.ndarray, rank: int, n_rows: int) -> float:
    """Return equation (77) of Minka's paper, by the terms of scikit-learn."""
    least, p = 1e-15, len(variances)
    if variances[rank - 1] < least:
        return -np.inf
    half = (p - np.arange(rank)) / 2
    angles = sum(map(lgamma, half)) - np.log(np.pi) * half.sum() - rank * np.log(2)
    noise = max(least, variances[rank:].sum() / (p - rank))
    fit = np.log(variances[:rank]).sum() + np.log(noise) * (p - rank)
    n_angles = p * rank - rank * (rank + 1) / 2
    inverse = 1 / np.r_[variances[:rank], np.full(p - rank, noise)]
    pairs = np.arange(rank)[:, np.newaxis] < np.arange(p)
    curvature = np.subtract.outer(variances[:rank], variances)
    curvature *= inverse - inverse[:rank, np.newaxis]
    return (
        angles
        - fit * n_rows / 2
        + np.log(2 * np.pi) * (n_angles + rank) / 2
        - (np.log(curvature[pairs]).sum() + np.log(n_rows) * pairs.sum()) / 2
        - rank * np.log(n_rows) / 2
    )


def learn_pca(pca) -> PrincipalComponents:
    """Return what learns for `PCA`."""
    pca._validate_params()
    if pca.svd_solver not in _EXACT:
        raise ValueError(
            f"PCA with svd_solver={pca.svd_solver!r} is not computed by chunks. Use "
            "svd_solver='auto' or 'full', which give exact components, or "
            "IncrementalPCA."
        )
    return PrincipalComponents(pca)
