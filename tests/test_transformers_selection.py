"""Transformers that learn from sums over chunks, against scikit-learn's own fit."""

import numpy as np
import pandas as pd
import pytest
from helpers import assert_alike, learn_by_chunks, raises
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.feature_selection import (
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    VarianceThreshold,
    chi2,
    f_classif,
    f_regression,
    mutual_info_classif,
    r_regression,
)
from sklearn.kernel_approximation import RBFSampler
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

from skmmap import ChunkedFit
from skmmap.transformers import (
    learn_bins,
    learn_projection,
    learn_sampler,
    learn_selection,
    learn_variances,
)

rng = np.random.default_rng(0)
N = 201
SIZES = [7, 50]
y = rng.integers(0, 3, N)
NUMBERS = rng.normal(3, 1, (N, 5)) + y[:, np.newaxis] * [0, 0.3, 0, 1, 0]
NUMBERS[:, 4] = NUMBERS[:, 0]  # a tie
NAMES = np.array(["elm", "oak", "ash"], dtype=object)[y]
COUNTS = rng.poisson(2, (N, 4)) + y[:, np.newaxis] * [0, 1, 0, 0]
FRAME = pd.DataFrame(NUMBERS[:, :3], columns=["a", "b", "c"]).assign(d=COUNTS[:, 0])
SPARSE = sparse.csr_array(np.where(NUMBERS < 3, 0, NUMBERS))
target = NUMBERS @ [1, 0, -1, 0.1, 0] + rng.normal(0, 1, N)

INDICATORS = np.column_stack([y > 0, y == 1]).astype(int)

SELECTORS = {
    "best": (SelectKBest(k=2), NUMBERS, y),
    "best of a tie": (SelectKBest(k=3), NUMBERS[:, [0, 4, 3, 0]], y),
    "texts as classes": (SelectPercentile(percentile=40), NUMBERS, NAMES),
    "frame": (SelectFpr(alpha=0.2), FRAME, y),
    "sparse": (SelectFdr(), SPARSE, y),
    "integers": (SelectFwe(f_classif), COUNTS, y),
    "two classes": (GenericUnivariateSelect(mode="fpr", param=0.1), NUMBERS, y > 0),
    "counts": (SelectKBest(chi2, k=2), COUNTS, y),
    "counts of two classes": (SelectKBest(chi2, k=2), COUNTS, NAMES == "oak"),
    "counts of one class": (SelectKBest(chi2, k=2), COUNTS, np.ones(N)),
    "sparse counts": (SelectPercentile(chi2), sparse.csr_array(COUNTS), NAMES),
    "counts of several classes": (SelectKBest(chi2, k=2), COUNTS, INDICATORS),
    "sparse counts of these": (
        SelectKBest(chi2, k=2),
        sparse.csr_array(COUNTS),
        INDICATORS,
    ),
    "regression": (SelectKBest(f_regression, k=2), NUMBERS, target),
    "regression on integers": (SelectFwe(f_regression), FRAME, y),
    "regression, sparse": (SelectKBest(f_regression, k=2), SPARSE, target),
    "regression, constant": (
        SelectKBest(f_regression, k=2),
        np.c_[NUMBERS[:, :2], np.full(N, 2.0)],
        target,
    ),
    "regression on a constant": (SelectKBest(f_regression), FRAME, np.ones(N)),
    "r": (SelectKBest(r_regression, k=2), NUMBERS, target),
    "r, sparse": (SelectKBest(r_regression, k=2), SPARSE, target),
}


@pytest.mark.filterwarnings("ignore:k=10 is greater than n_features")
@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")
@pytest.mark.parametrize(("selector", "X", "y"), SELECTORS.values(), ids=SELECTORS)
def test_scores_are_those_of_fit(selector, X, y):
    expected = clone(selector).fit(X, y)
    for size in SIZES:
        found = learn_by_chunks(learn_selection(clone(selector)), X, size, y)
        assert_alike(found, expected, 1e-10, where=f"{size}")
        assert found.get_support().tolist() == expected.get_support().tolist()


def test_constant_columns_are_named():
    """By fit only where the sums of their squares are exact."""
    X = np.c_[NUMBERS[:, :2], np.full(N, 0.1), np.full(N, 3)]
    selector = SelectKBest(k=2)
    with pytest.warns(UserWarning, match=r"Features \[2 3\] are constant\."):
        found = learn_by_chunks(learn_selection(selector), X, 7, y)
    assert found.get_support().tolist() == [True, True, False, False]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_far_from_zero_scores_are_those_of_exact_sums(dtype):
    """Where fit, which subtracts squares of sums, loses its digits."""
    X = (NUMBERS + 1e6).astype(dtype)
    exact = X.astype(np.float64) - 1e6
    found = learn_by_chunks(learn_selection(SelectKBest(k=2)), X, 1, y)
    expected = stats.f_oneway(*(exact[y == k] for k in range(3)))
    np.testing.assert_allclose(found.scores_, expected.statistic, rtol=1e-7)
    selector = SelectKBest(r_regression, k=2)
    found = learn_by_chunks(learn_selection(selector), X, 1, target)
    expected = [np.corrcoef(column, target)[0, 1] for column in exact.T]
    np.testing.assert_allclose(found.scores_, expected, rtol=1e-9)


def test_a_column_that_is_the_target_has_the_largest_score():
    X = np.array([[-1.0], [1.0]] * 98)
    selector = SelectKBest(f_regression, k=1)
    found = learn_by_chunks(learn_selection(clone(selector)), X, 14, X[:, 0])
    assert_alike(found, selector.fit(X, X[:, 0]))
    assert found.scores_ == np.finfo(float).max
    X = np.array([[0.0], [7.0]])  # r is exactly 1, and nothing is left to estimate
    found = learn_by_chunks(learn_selection(clone(selector)), X, 1, X[:, 0])
    assert_alike(found, selector.fit(X, X[:, 0]))
    assert (found.scores_, found.pvalues_) == (0, 1)


def test_what_cannot_be_scored_is_refused():
    text = (
        "SelectKBest with score_func=mutual_info_classif is not computed by chunks; "
        "f_classif, f_regression, r_regression, chi2 are. Use one of these, or fit the "
        "selector on a sample and put FrozenEstimator(selector) into the pipeline."
    )
    pipeline = make_pipeline(SelectKBest(mutual_info_classif), GaussianNB())
    with raises(ValueError, text) as caught:
        ChunkedFit(pipeline).fit("nowhere.npy", y)
    assert caught.value.__notes__ == [
        "This is about the step 'selectkbest' of the Pipeline."
    ]
    with raises(ValueError, "SelectKBest scores columns by y, and fit got none."):
        learn_by_chunks(learn_selection(SelectKBest()), NUMBERS, 7)
    with raises(ValueError, "Input X must be non-negative."):
        learn_by_chunks(learn_selection(SelectKBest(chi2)), -COUNTS, 7, y)
    for X, labels in (SOME, y), (NUMBERS, np.where(np.arange(N) == 9, np.nan, y)):
        with pytest.raises(ValueError, match="contains NaN") as expected:
            SelectKBest().fit(X, labels)
        with raises(ValueError, str(expected.value)):
            learn_by_chunks(learn_selection(SelectKBest()), X, 7, labels)
    text = (
        "chi2 needs classes in y, which has values such as 0.5. Use "
        "score_func=f_regression for numbers."
    )
    with raises(ValueError, text):
        learn_by_chunks(learn_selection(SelectKBest(chi2)), COUNTS, 7, y / 2)
    with pytest.raises(ValueError, match="The 'k' parameter of SelectKBest"):
        learn_by_chunks(learn_selection(SelectKBest(k=-1)), NUMBERS, 7, y)
    assert learn_selection(SelectKBest(k=1)).selector.score_func is f_classif


SOME = np.where(rng.random((N, 5)) < 0.1, np.nan, NUMBERS)
SOME[:60, 1] = np.nan
VARIANCES = {
    "all": (VarianceThreshold(), NUMBERS),
    "threshold": (VarianceThreshold(1.05), NUMBERS),
    "constant": (VarianceThreshold(), np.c_[NUMBERS, np.full((N, 2), [0.1, 7])]),
    "NaN": (VarianceThreshold(0.9), np.c_[SOME, np.full(N, np.nan)]),
    "NaN, no threshold": (VarianceThreshold(), SOME),
    "sparse": (VarianceThreshold(), SPARSE),
    "sparse, NaN": (
        VarianceThreshold(2.0),
        sparse.csr_array(np.where(SOME < 3, 0, SOME)),
    ),
    "frame": (VarianceThreshold(), FRAME),
    "integers": (VarianceThreshold(2), COUNTS),
    "bool": (VarianceThreshold(), COUNTS > 2),
}


@pytest.mark.filterwarnings("ignore:Degrees of freedom")
@pytest.mark.parametrize(("selector", "X"), VARIANCES.values(), ids=VARIANCES)
def test_variances_are_those_of_fit(selector, X):
    expected = clone(selector).fit(X)
    for size in SIZES:
        found = learn_by_chunks(learn_variances(clone(selector)), X, size)
        assert_alike(found, expected, 1e-12, where=f"{size}")


def test_variances_far_from_zero():
    X = NUMBERS + 1e8
    found = learn_by_chunks(learn_variances(VarianceThreshold()), X, 1)
    np.testing.assert_allclose(found.variances_, X.var(axis=0), rtol=1e-12)


@pytest.mark.parametrize("X", [np.ones((N, 2)), NUMBERS[:1]])
def test_no_column_above_the_threshold_is_refused_as_by_fit(X):
    with pytest.raises(ValueError, match="No feature in X meets") as expected:
        VarianceThreshold().fit(X)
    with raises(ValueError, str(expected.value)):
        learn_by_chunks(learn_variances(VarianceThreshold()), X, 7)
    with pytest.raises(ValueError, match="The 'threshold' parameter"):
        learn_by_chunks(learn_variances(VarianceThreshold(-1)), X, 7)


WIDE = rng.normal(2, 3, (60, 400))
PROJECTIONS = {
    "gaussian": (GaussianRandomProjection(eps=0.5, random_state=0), WIDE),
    "sparse": (
        SparseRandomProjection(eps=0.6, random_state=0),
        WIDE.astype(np.float32),
    ),
    "sparse rows": (
        SparseRandomProjection(
            eps=0.5, random_state=0, compute_inverse_components=True
        ),
        sparse.csr_array(WIDE),
    ),
}


@pytest.mark.parametrize(("projection", "X"), PROJECTIONS.values(), ids=PROJECTIONS)
def test_components_of_projections_are_those_of_fit(projection, X):
    expected = clone(projection).fit(X)
    for size in (7, 60):
        found = learn_by_chunks(learn_projection(clone(projection)), X, size)
        # scikit-learn's own is the text "auto", which names no columns.
        assert_alike(found, expected, free=["_n_features_out"])
        assert len(found.get_feature_names_out()) == expected.n_components_


def test_too_many_components_are_refused_as_by_fit():
    with pytest.raises(ValueError, match="target dimension") as expected:
        GaussianRandomProjection().fit(WIDE)
    with raises(ValueError, str(expected.value)):
        learn_by_chunks(learn_projection(GaussianRandomProjection()), WIDE, 7)


@pytest.mark.parametrize(
    "X",
    [NUMBERS + 1e4, COUNTS, FRAME, SPARSE, np.ones((N, 2)), sparse.csr_array(COUNTS)],
)
def test_scales_of_kernels_are_those_of_fit(X):
    sampler = RBFSampler(gamma="scale", random_state=0, n_components=5)
    expected = clone(sampler).fit(X)
    for size in SIZES:
        found = learn_by_chunks(learn_sampler(clone(sampler)), X, size)
        assert_alike(found, expected, 1e-11, where=f"{size}", free=["_gamma"])
        np.testing.assert_allclose(found._gamma, expected._gamma, rtol=1e-11)


LARGE = rng.normal(0, 5, (N, 3)).round(1)
WEIGHTS = rng.integers(0, 3, N).astype(float)
BINS = {
    "uniform": KBinsDiscretizer(strategy="uniform"),
    "uniform, drawn": KBinsDiscretizer(strategy="uniform", subsample=50),
    "quantiles": KBinsDiscretizer(4, strategy="quantile", encode="ordinal"),
    "quantiles, drawn": KBinsDiscretizer(4, strategy="quantile", subsample=100),
    "k-means": KBinsDiscretizer([3, 4, 5], strategy="kmeans", subsample=150),
    "uniform, all": KBinsDiscretizer(strategy="uniform", subsample=None),
}


@pytest.mark.filterwarnings("ignore:The current default behavior, quantile_method")
@pytest.mark.filterwarnings("ignore:Bins whose width are too small")
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("bins", BINS.values(), ids=BINS)
def test_bins_are_those_of_fit(bins, is_weighted):
    bins, weights = clone(bins).set_params(random_state=3), WEIGHTS * is_weighted
    params = {"sample_weight": weights} if is_weighted else {}
    for X, size in (LARGE, 20), (LARGE.astype(np.float32), 7), (COUNTS[:, :3], 50):
        try:
            expected = clone(bins).fit(X, **params)
        except ValueError as error:  # scikit-learn 1.6 with weights
            with raises(ValueError, str(error)):
                learn_by_chunks(learn_bins(clone(bins)), X, size, **params)
            continue
        found = learn_by_chunks(learn_bins(clone(bins)), X, size, **params)
        assert_alike(found, expected)


def test_bins_of_frames_have_their_names():
    bins = KBinsDiscretizer(strategy="uniform", subsample=None)
    X = FRAME.assign(e=1)
    with pytest.warns(UserWarning, match="Feature 4 is constant"):
        found = learn_by_chunks(learn_bins(clone(bins)), X, 7)
    with pytest.warns(UserWarning, match="Feature 4 is constant"):
        assert_alike(found, bins.fit(X))


def test_bins_that_need_all_values_are_refused():
    text = (
        "KBinsDiscretizer with strategy='kmeans' and subsample=None needs all "
        "values of a column at once. Set subsample to a number of rows (200_000 by "
        "default), or use strategy='uniform'."
    )
    with raises(ValueError, text):
        learn_bins(KBinsDiscretizer(strategy="kmeans", subsample=None))


STEPS = {
    "scores": (SelectKBest(k=2), NUMBERS),
    "variances": (VarianceThreshold(1.0), FRAME),
    "bins": (KBinsDiscretizer(3, subsample=70, random_state=0), NUMBERS),
    "projection": (PROJECTIONS["gaussian"][0], WIDE),
    "kernel": (RBFSampler(gamma="scale", random_state=0), NUMBERS),
}


@pytest.mark.filterwarnings("ignore:The current default behavior, quantile_method")
@pytest.mark.parametrize(("transformer", "X"), STEPS.values(), ids=STEPS)
def test_steps_of_pipelines(transformer, X):
    labels = y[: len(X)]
    pipeline = make_pipeline(transformer)
    model = ChunkedFit(pipeline, chunk_size=50).fit(X, labels)
    free = ["_n_features_out"]
    expected = clone(transformer).fit(X, labels)
    assert_alike(model.estimator_[0], expected, 1e-10, free=free)
    if not isinstance(transformer, SelectKBest):
        model = ChunkedFit(pipeline, chunk_size=50).fit(X)
        assert_alike(model.estimator_[0], expected, 1e-10, free=free)


@pytest.mark.parametrize("y", [INDICATORS * [2, 1], INDICATORS / 3])
def test_columns_that_say_no_classes_are_refused_as_by_fit(y):
    with pytest.raises(ValueError, match="Multioutput") as expected:
        SelectKBest(chi2, k=2).fit(COUNTS, y)
    with raises(ValueError, str(expected.value)):
        learn_by_chunks(learn_selection(SelectKBest(chi2, k=2)), COUNTS, 1, y)
