"""How `TruncatedSVD` learns from chunks."""

from math import prod

import numpy as np

from skmmap.rows import Source
from skmmap.transformers.floats import check_floats
from skmmap.transformers.moments import Products
from skmmap.transformers.pca import check_width, turn
from skmmap.transformers.witnesses import FirstRows


class SingularVectors:
    """The products of columns, whose eigenvectors are the singular vectors."""

    def __init__(self, svd):
        self.svd, self._first, self._products = svd, FirstRows(svd), Products()

    def partial_fit(self, X) -> None:
        self._first.partial_fit(X)
        values = check_floats(
            X,
            self.svd,
            dtype=(np.float64, np.float32),
            ensure_all_finite=True,
            ensure_min_features=2,
        )
        if not self._products.n:
            self._check_number(values.shape[1])
        self._dtype = values.dtype
        self._products.add(values)

    def find_part_nbytes(self, source: Source) -> int:
        return Products.find_nbytes(prod(source.shape[1:]))

    def merge(self, other: "SingularVectors") -> None:
        self._products.merge(other._products)

    def _check_number(self, n_columns: int) -> None:
        check_width(self.svd, n_columns)
        number, is_arpack = self.svd.n_components, self.svd.algorithm == "arpack"
        if number > n_columns - is_arpack:
            raise ValueError(
                f"n_components({number}) must be {'<' if is_arpack else '<='} "
                f"n_features({n_columns})."
            )

    def finish(self):
        svd, products = self._first.set_names(), self._products
        squares, vectors = np.linalg.eigh(products.compute_uncentred())
        number = min(svd.n_components, products.n)
        vectors = turn(vectors[:, ::-1].T[:number])
        squares = np.maximum(squares[::-1][:number], 0)
        covariance = products.compute_centred() / products.n
        variances = np.sum(vectors @ covariance * vectors, axis=1)
        learned = {
            "components_": vectors,
            "explained_variance_": variances,
            "explained_variance_ratio_": variances / np.trace(covariance),
            "singular_values_": np.sqrt(squares),
        }
        for name, value in learned.items():
            setattr(svd, name, value.astype(self._dtype))
        return svd


def learn_truncated_svd(svd) -> SingularVectors:
    """Return what learns for `TruncatedSVD`."""
    svd._validate_params()
    return SingularVectors(svd)
