"""Transformers that learn from products of columns, against scikit-learn's own fit."""

import numpy as np
import pandas as pd
import pytest
from helpers import assert_alike, learn_by_chunks, raises
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA, TruncatedSVD

from skmmap.transformers import learn_pca, learn_truncated_svd
from skmmap.transformers.pca import find_dimension

rng = np.random.default_rng(0)
N = 300
X = rng.normal(size=(N, 7)) @ rng.normal(size=(7, 7)) + 5
NOISY = rng.normal(size=(N, 3)) @ rng.normal(size=(3, 7)) + 0.1 * rng.normal(
    size=(N, 7)
)
FAR = X + 1e6
WIDE = rng.normal(size=(20, 30)) * np.geomspace(1, 9, 30)
SMALL = X * np.geomspace(1, 1e-6, 7)  # variances of 1 and 1e-12
SPARSE = sparse.csr_array(np.where(rng.random((N, 7)) < 0.3, rng.random((N, 7)), 0))
COMPONENTS = {
    "auto": (PCA(), X),
    "three": (PCA(3), X),
    "none": (PCA(0), X),
    "a fraction": (PCA(0.9), X),
    "all but little": (PCA(0.999999), X),
    "maximum likelihood": (PCA("mle"), NOISY),
    "whiten": (PCA(4, whiten=True), X),
    "covariance_eigh": (PCA(4, svd_solver="covariance_eigh"), X),
    "full": (PCA(svd_solver="full"), X),
    "full, far from zero": (PCA(4, svd_solver="full"), FAR),
    "auto, far from zero": (PCA(4), FAR),
    "small variances": (PCA(svd_solver="full"), SMALL),
    "few rows": (PCA(4), X[:50]),
    "fewer rows than columns": (PCA(5), WIDE),
    "a frame": (PCA(2), pd.DataFrame(X, columns=list("abcdefg"))),
    "integers": (PCA(2), X.round().astype(int)),
    "sparse": (PCA(3), SPARSE),
    "sparse, covariance_eigh": (PCA(svd_solver="covariance_eigh"), SPARSE),
}


def fit_exactly(pca, rows):
    """Fit as scikit-learn does where that is exact: not far from zero, and dense."""
    is_frame = hasattr(rows, "iloc")
    rows = rows.toarray() if sparse.issparse(rows) else rows
    exact = clone(pca).set_params(svd_solver="full")
    # Of fewer components it gives some that are not those of the first ones.
    return exact.fit(rows if is_frame else np.asarray(rows))


@pytest.mark.parametrize("size", [1, 7, 50, N])
@pytest.mark.parametrize(("pca", "rows"), COMPONENTS.values(), ids=COMPONENTS)
def test_components_are_those_of_the_full_solver(pca, rows, size):
    found = learn_by_chunks(learn_pca(clone(pca)), rows, size)
    expected = fit_exactly(pca, rows).set_params(svd_solver=pca.svd_solver)
    assert_alike(found, expected, rtol=1e-10, free=["_fit_svd_solver"])
    np.testing.assert_allclose(
        found.transform(rows), expected.transform(rows), rtol=1e-8, atol=1e-8
    )


@pytest.mark.parametrize("rows", [X, X[:50], SPARSE])
def test_types_are_those_of_fit(rows):
    """Also of float32, where fit itself is exact to six digits."""
    for n_components in (None, 3, 0.9):
        if sparse.issparse(rows) and n_components == 0.9:
            continue  # which ARPACK refuses
        pca, small = PCA(n_components), rows[:, :5].astype(np.float32)
        expected = clone(pca).fit(small)
        found = learn_by_chunks(learn_pca(pca), small, 50)
        assert_alike(found, expected, rtol=1e-3, free=["_fit_svd_solver"])


def test_float32_far_from_zero():
    rows = (X + 1e4).astype(np.float32)
    found = learn_by_chunks(learn_pca(PCA(3)), rows, 50)
    expected = PCA(3, svd_solver="full").fit(rows.astype(float))
    for name in ("components_", "explained_variance_", "noise_variance_"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-5
        )
    assert found.components_.dtype == np.float32


def test_rows_farther_from_zero_than_digits():
    """Where their deviations from the first row are still exact."""
    near = rng.integers(-99, 99, (N, 3)) / 64.0
    for svd_solver in ("full", "covariance_eigh"):
        pca = PCA(2, svd_solver=svd_solver)
        found = learn_by_chunks(learn_pca(pca), near + 2.0**36, 7)
        expected = PCA(2, svd_solver="full").fit(near)
        for name in ("components_", "explained_variance_"):
            np.testing.assert_allclose(
                getattr(found, name), getattr(expected, name), rtol=1e-12
            )


def test_few_rows_are_kept():
    learner = learn_pca(PCA(svd_solver="full"))
    learner.begin(10_000)
    for _ in range(100):
        learner.partial_fit(X[:20])
        assert sum(map(len, learner._moments._rows)) <= 2 * 7 + 20


def test_a_fraction_that_is_that_of_the_first_components():
    cross = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]] * 5)
    expected = PCA(0.5).fit(cross)
    assert learn_by_chunks(learn_pca(PCA(0.5)), cross, 20).n_components_ == 2
    assert expected.n_components_ == 2


def test_the_number_of_components_is_that_of_maximum_likelihood():
    for n_signals in (1, 4, 7):
        signals = rng.normal(size=(N, n_signals)) @ rng.normal(size=(n_signals, 9))
        rows = signals + 0.3 * rng.normal(size=(N, 9))
        variances = PCA().fit(rows).explained_variance_
        expected = PCA("mle").fit(rows).n_components_
        assert find_dimension(variances, N) == expected


VECTORS = {
    "two": (TruncatedSVD(algorithm="arpack"), X),
    "five, sparse": (TruncatedSVD(5, algorithm="arpack"), SPARSE),
    "integers": (TruncatedSVD(3, algorithm="arpack"), X.round().astype(int)),
    "a frame": (
        TruncatedSVD(3, algorithm="arpack"),
        pd.DataFrame(X, columns=list("abcdefg")),
    ),
    "randomized, which is exact for few columns": (TruncatedSVD(3), X),
    "all": (TruncatedSVD(7), SPARSE),
}


@pytest.mark.parametrize("size", [1, 7, 50, N])
@pytest.mark.parametrize(("svd", "rows"), VECTORS.values(), ids=VECTORS)
def test_singular_vectors_are_those_of_fit(svd, rows, size):
    found = learn_by_chunks(learn_truncated_svd(clone(svd)), rows, size)
    # ARPACK wants floats.
    expected = clone(svd).fit(rows * 1.0)
    assert_alike(found, expected, rtol=1e-10)


def test_singular_vectors_of_float32():
    rows = SPARSE.astype(np.float32)
    found = learn_by_chunks(learn_truncated_svd(TruncatedSVD(3)), rows, 50)
    expected = TruncatedSVD(3, random_state=0).fit(rows)
    assert_alike(found, expected.set_params(random_state=None), rtol=1e-4)


@pytest.mark.parametrize(
    ("learn", "rows", "text"),
    [
        (
            lambda: learn_pca(PCA(svd_solver="arpack")),
            X,
            "PCA with svd_solver='arpack' is not computed by chunks. Use "
            "svd_solver='auto' or 'full', which give exact components, or "
            "IncrementalPCA.",
        ),
        (
            lambda: learn_pca(PCA()),
            np.zeros((2, 5000)),
            "PCA by chunks keeps the products of all pairs of columns, which are 200.0 "
            "MB for 5,000 columns; it is computed for 4,096 at most. Use "
            "IncrementalPCA(n_components=...), or "
            "SparseRandomProjection(n_components=...) before PCA.",
        ),
        (
            lambda: learn_pca(PCA(8)),
            X,
            "n_components=8 must be between 0 and 7, which 300 rows allow.",
        ),
        (
            lambda: learn_pca(PCA("mle")),
            WIDE,
            "n_components='mle' is only supported if n_samples >= n_features",
        ),
        (
            lambda: learn_truncated_svd(TruncatedSVD(8)),
            X,
            "n_components(8) must be <= n_features(7).",
        ),
        (
            lambda: learn_truncated_svd(TruncatedSVD(7, algorithm="arpack")),
            X,
            "n_components(7) must be < n_features(7).",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused(learn, rows, text):
    with raises(ValueError, text):
        learn_by_chunks(learn(), rows, 50)


@pytest.mark.parametrize(
    ("pca", "rows"),
    [
        (PCA(svd_solver="full"), SPARSE),
        (PCA(0.9), SPARSE),
        (PCA("mle"), SPARSE),
        (PCA(0), SPARSE),
        (PCA(SPARSE.shape[1]), SPARSE),
        (PCA(), np.where(X > 9, np.nan, X)),
        (TruncatedSVD(1), X[:50, :1]),
        (PCA(n_components="most"), X),
        (TruncatedSVD(0), X),
    ],
)
def test_what_fit_refuses_is_refused_as_by_fit(pca, rows):
    with pytest.raises((ValueError, TypeError)) as caught:
        clone(pca).fit(rows)
    learn = learn_pca if isinstance(pca, PCA) else learn_truncated_svd
    with raises(type(caught.value), str(caught.value)):
        learn_by_chunks(learn(clone(pca)), rows, 50)
