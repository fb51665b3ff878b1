"""Transformers that learn order statistics, against scikit-learn's own fit."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import assert_alike, learn_by_chunks, raises
from scipy import sparse
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
)

from skmmap import ChunkedFit
from skmmap.estimators import find_entry
from skmmap.transformers import learn_bins, samples
from skmmap.transformers import ranks as ranks_module
from skmmap.transformers.drawn_rows import DrawnRows, draw_rows
from skmmap.transformers.quantiles import (
    compute_median,
    compute_quantiles,
    find_around,
    find_middle,
)
from skmmap.transformers.ranks import Ranks, to_keys, to_values

rng = np.random.default_rng(0)
N = 701
NUMBERS = np.column_stack(
    [
        rng.normal(5, 3, N),
        rng.standard_cauchy(N) * 1e5,
        rng.integers(-3, 3, N),
        np.where(rng.random(N) < 0.7, 0.0, rng.normal(size=N)),
        1e9 + rng.random(N),
        np.where(rng.random(N) < 0.5, -0.0, 0.0),
        rng.normal(size=N) * 1e-310,
    ]
)
WITH_NAN = np.where(rng.random(NUMBERS.shape) < 0.1, np.nan, NUMBERS)
WITH_NAN[:60, 1] = np.nan  # whole chunks
CODES = rng.integers(-5, 9, (N, 3))
READ_ONLY = CODES.astype(float)
READ_ONLY.setflags(write=False)
ONE_INFINITE = np.where(np.arange(N)[:, np.newaxis] == 5, np.inf, CODES)
ONE_NAN = np.where(np.arange(N)[:, np.newaxis] == 5, np.nan, CODES)
SPARSE = sparse.csr_array(np.where(np.abs(WITH_NAN) < 4, 0, WITH_NAN))
Q = np.array([0, 0.1, 0.25, 0.5, 0.75, 0.999, 1])


def learn(transformer, X, size=50, n_bytes=None):
    """Return what is learned by chunks, in as much memory."""
    learner = find_entry(type(transformer)).entry.chunk_learner(clone(transformer))
    if n_bytes:
        learner._ranks._n_bytes = n_bytes
    return learn_by_chunks(learner, X, size)


def find(ranks, X, size):
    """Let the ranks be found by chunks, and return the number of passes."""
    n_passes, again = 0, True
    ranks.begin(len(X))
    while again:
        for start in range(0, len(X), size):
            ranks.add(X[start : start + size])
        again = ranks.end_pass()
        n_passes += 1
    return n_passes


def assert_same(found, expected):
    assert_alike(found, expected, free=["bsplines_"])


def dense(result):
    return result.toarray() if sparse.issparse(result) else np.asarray(result)


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2"])
@pytest.mark.parametrize("n_bytes", [2**26, 2**13, 100])
def test_quantiles_are_those_of_numpy(dtype, n_bytes):
    all_rows = WITH_NAN[:, [0, 2, 3, 5] if dtype == "f2" else slice(None)]
    all_rows = all_rows.astype(dtype)
    for X in (all_rows, all_rows[1:]):  # odd and even numbers of rows
        ranks = Ranks(lambda n: [*find_middle(n), *find_around(Q)(n)], n_bytes)
        n_passes = find(ranks, X, 100)
        median, expected = compute_median(ranks), np.nanmedian(X, axis=0)
        assert median.dtype == expected.dtype
        np.testing.assert_array_equal(median, expected)
        found, expected = compute_quantiles(ranks, Q), np.nanquantile(X, Q, axis=0)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        assert n_passes == 1 if n_bytes == 2**26 else n_passes > 1
        np.testing.assert_array_equal(ranks.counts, np.sum(~np.isnan(X), axis=0))


@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_keys_sort_as_values_do(dtype):
    numbers = np.array([0, 2e-45, 1e-40, 1, 1.5, 3e38, np.inf], dtype)
    numbers = np.r_[-numbers[::-1], numbers[1:]].astype(dtype)
    keys = to_keys(np.r_[numbers, -np.nan, np.nan].astype(dtype))
    assert np.all(np.diff(keys[:-2].astype(object)) > 0)
    assert keys[-3] < keys[-2] == keys[-1] == keys.max()
    np.testing.assert_array_equal(to_values(keys, np.dtype(dtype))[:-2], numbers)
    assert to_keys(np.array([-0.0], dtype)) == to_keys(np.array([0.0], dtype))


@pytest.mark.parametrize(
    ("column", "n_passes"),
    [
        (np.full(5000, 3.7), 1),
        (np.arange(5000) % 7, 2),
        (1e9 + rng.random(5000), 3),
        (rng.normal(size=5000), 2),
    ],
)
def test_few_passes_are_made(column, n_passes):
    ranks = Ranks(find_middle, 2**15)  # 4,096 keys or counts
    assert find(ranks, column[:, np.newaxis].astype(float), 1000) == n_passes
    assert compute_median(ranks) == np.median(column)


def test_a_median_does_not_overflow():
    column = np.array([1.7e308, 1.7e308, 1.0])
    found = Ranks(find_middle)
    find(found, column[:, np.newaxis], 2)
    assert compute_median(found) == np.nanmedian(column) == 1.7e308


def test_memory_is_bounded():
    """Each interval of a pass takes its share, and no value is kept twice."""
    X = rng.normal(size=(20_000, 5))
    ranks = Ranks(find_around(np.linspace(0, 1, 30)), 2**15)
    ranks.begin(len(X))
    again = True
    while again:
        ranks.add(X)
        parts = [part for column in ranks._columns for part in column._parts]
        held = [vars(part).get("_keys") or [part._counts] for part in parts]
        assert 0 < sum(array.nbytes for arrays in held for array in arrays) <= 2 * 2**15
        again = ranks.end_pass()


EXACT = {
    "median": (SimpleImputer(strategy="median"), WITH_NAN),
    "median of float32": (
        SimpleImputer(strategy="median"),
        WITH_NAN[:, :4].astype(np.float32),
    ),
    "median of an even number": (SimpleImputer(strategy="median"), NUMBERS[1:]),
    "median of integers": (SimpleImputer(strategy="median"), CODES),
    "median but for a number": (
        SimpleImputer(strategy="median", missing_values=3, add_indicator=True),
        CODES,
    ),
    "median but for a number of read-only floats": (
        SimpleImputer(strategy="median", missing_values=3),
        READ_ONLY,
    ),
    "median of sparse rows": (SimpleImputer(strategy="median"), SPARSE),
    "median of sparse float32": (
        SimpleImputer(strategy="median"),
        SPARSE[1:, :4].astype(np.float32),
    ),
    "median of sparse rows but for a number": (
        SimpleImputer(strategy="median", missing_values=7),
        sparse.csr_array(np.where(CODES < 2, 0, CODES).astype(float)),
    ),
    "median of a frame": (
        SimpleImputer(strategy="median", add_indicator=True),
        pd.DataFrame({"a": WITH_NAN[:, 0], "b": CODES[:, 0], "c": CODES[:, 1] * 0.1}),
    ),
    "median of pandas.NA": (
        SimpleImputer(strategy="median"),
        pd.DataFrame({"a": pd.array(np.where(CODES[:, 0] == 3, None, CODES[:, 0]))}),
    ),
    "median, all missing": (
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        np.c_[WITH_NAN, np.full(N, np.nan)],
    ),
    "median, all missing, left out": (
        SimpleImputer(strategy="median"),
        np.c_[WITH_NAN, np.full(N, np.nan)],
    ),
    "robust": (RobustScaler(), WITH_NAN),
    "robust, unit variance": (
        RobustScaler(unit_variance=True, quantile_range=(5, 80)),
        NUMBERS[1:],
    ),
    "robust of float32": (RobustScaler(), WITH_NAN[:, :4].astype(np.float32)),
    "robust of float16": (
        RobustScaler(),
        rng.normal(size=(N, 2)).astype(np.float16),
    ),
    "robust, not centred": (RobustScaler(with_centering=False), CODES),
    "robust, not scaled": (RobustScaler(with_scaling=False), CODES),
    "robust of sparse rows": (RobustScaler(with_centering=False), SPARSE),
    "robust of polars": (
        RobustScaler(),
        pl.DataFrame({"a": CODES[:, 0], "b": WITH_NAN[:, 0]}),
    ),
    "quantile splines": (SplineTransformer(knots="quantile", n_knots=7), NUMBERS),
    "quantile splines of float32": (
        SplineTransformer(knots="quantile", degree=2, extrapolation="periodic"),
        NUMBERS[1:, :4].astype(np.float32),
    ),
    "quantile splines of ties": (SplineTransformer(knots="quantile"), CODES),
    "quantile splines of a frame": (
        SplineTransformer(knots="quantile"),
        pd.DataFrame(NUMBERS[:, :3], columns=["a", "b", "c"]),
    ),
}
if "handle_missing" in SplineTransformer().get_params():  # scikit-learn 1.9
    splines = SplineTransformer(knots="quantile", handle_missing="zeros")
    EXACT["quantile splines with NaN"] = splines, WITH_NAN


@pytest.mark.filterwarnings("ignore:Skipping features without")
@pytest.mark.parametrize(("transformer", "X"), EXACT.values(), ids=EXACT)
def test_what_is_learned_is_that_of_fit(transformer, X):
    expected = clone(transformer).fit(X)
    result = expected.transform(X)
    for size, n_bytes in ((7, None), (150, 2**11), (N, None)):
        found = learn(transformer, X, size, n_bytes)
        assert_same(found, expected)
        np.testing.assert_array_equal(dense(found.transform(X)), dense(result))


@pytest.mark.skipif(
    "handle_missing" not in SplineTransformer().get_params(),
    reason="of scikit-learn 1.9",
)
def test_splines_of_what_is_missing_for_pandas():
    X = pd.DataFrame({"a": [2, 3, 4, 1] * 5, "b": [1.5, None, 2, 5] * 5})
    X, splines = X.convert_dtypes(), SplineTransformer(handle_missing="zeros")
    expected = clone(splines).fit(X)
    found = learn(splines, X, 7)
    np.testing.assert_array_equal(found.transform(X), expected.transform(X))
    assert found.get_feature_names_out().tolist()[0] == "a_sp_0"


DRAWN = {
    "quantiles of a sample": (
        QuantileTransformer(n_quantiles=30, subsample=200, random_state=3),
        WITH_NAN,
    ),
    "quantiles of a sample of float32": (
        QuantileTransformer(n_quantiles=200, subsample=200, random_state=3),
        NUMBERS[:, :4].astype(np.float32),
    ),
    "quantiles of a sample of a frame": (
        QuantileTransformer(
            n_quantiles=9, subsample=99, random_state=np.random.RandomState(1)
        ),
        pd.DataFrame(NUMBERS[:, :2], columns=["a", "b"]),
    ),
    "quantiles of all": (
        QuantileTransformer(n_quantiles=100, output_distribution="normal"),
        WITH_NAN,
    ),
    "quantiles of fewer rows": (
        QuantileTransformer(n_quantiles=5000, subsample=None),
        CODES,
    ),
    "kernel": (Nystroem(n_components=20, random_state=5), NUMBERS),
    "kernel of float32": (
        Nystroem("poly", degree=2, coef0=1, n_components=20, random_state=5),
        NUMBERS[:, :4].astype(np.float32) / 9,
    ),
    "kernel of a function": (
        Nystroem(
            lambda x, y, scale: scale * x @ y,
            kernel_params={"scale": 2},
            n_components=5,
            random_state=5,
        ),
        CODES,
    ),
    "kernel of integers": (
        Nystroem("laplacian", gamma=0.1, n_components=7, random_state=5),
        CODES,
    ),
    "kernel of sparse rows": (
        Nystroem(n_components=9, random_state=0),
        sparse.csr_array(CODES * 1.0),
    ),
    "kernel of fewer rows": (Nystroem(random_state=5), NUMBERS[:30]),
    "kernel of a frame": (
        Nystroem(n_components=9, random_state=0),
        pd.DataFrame(CODES, columns=["a", "b", "c"]),
    ),
}


@pytest.mark.filterwarnings("ignore:invalid value")  # of transform
@pytest.mark.filterwarnings("ignore:n_quantiles")
@pytest.mark.filterwarnings("ignore:n_components > n_samples")
@pytest.mark.parametrize("few_rows", [10_000, 100])
@pytest.mark.parametrize(("transformer", "X"), DRAWN.values(), ids=DRAWN)
def test_drawn_rows_are_those_of_fit(transformer, X, few_rows, monkeypatch):
    monkeypatch.setattr(samples, "_FEW_ROWS", few_rows)
    expected = clone(transformer).fit(X)
    result = dense(expected.transform(X))
    for size in (7, 150, N):
        found = learn(transformer, X, size)
        assert_same(found, expected)
        np.testing.assert_array_equal(dense(found.transform(X)), result)


def test_chunks_of_one_row():
    for transformer, X in (
        (SplineTransformer(), np.ones((30, 2))),
        (SplineTransformer(knots="quantile"), NUMBERS[:30]),
        (SimpleImputer(strategy="median"), WITH_NAN[60:90]),
        (RobustScaler(), WITH_NAN[60:90]),
    ):
        assert_same(learn(transformer, X, 1), clone(transformer).fit(X))


BINS = {
    "one hot": (KBinsDiscretizer(4, subsample=None), NUMBERS[:, :4]),
    "one hot of float32": (
        KBinsDiscretizer(4, subsample=None),
        NUMBERS[1:, :3].astype(np.float32),
    ),
    "numbers of integers": (
        KBinsDiscretizer([2, 9, 5], encode="ordinal", subsample=None),
        CODES,
    ),
    "one hot of a frame, linear": (
        KBinsDiscretizer(subsample=None),
        pd.DataFrame(NUMBERS[:, [0, 4]], columns=["a", "b"]),
    ),
    "constant": (KBinsDiscretizer(3, subsample=None), np.c_[CODES, np.ones(N)]),
}
HAS_METHODS = "quantile_method" in KBinsDiscretizer().get_params()  # scikit-learn 1.7
if HAS_METHODS:
    BINS["one hot of a frame, linear"][0].quantile_method = "linear"


@pytest.mark.filterwarnings("ignore:Bins whose width are too small")
@pytest.mark.filterwarnings("ignore:Feature 3 is constant")
@pytest.mark.filterwarnings("ignore:The current default behavior, quantile_method")
@pytest.mark.parametrize(("discretizer", "X"), BINS.values(), ids=BINS)
def test_bins_are_those_of_fit(discretizer, X, monkeypatch):
    expected = clone(discretizer).fit(X)
    for size, n_bytes in ((7, 2**26), (N, 2**11)):
        monkeypatch.setattr(ranks_module, "_BYTES", n_bytes)
        found = learn(discretizer, X, size)
        assert_same(found, expected)
        assert found.transform(X).dtype == expected.transform(X).dtype


def test_bins_that_need_more_are_refused():
    todo = "Set subsample to a number of rows (200_000 by default)"
    weights = (
        "KBinsDiscretizer with strategy='quantile' and subsample=None is computed by "
        f"chunks without sample_weight. {todo}."
    )
    with raises(ValueError, weights):
        learn_by_chunks(
            learn_bins(KBinsDiscretizer(subsample=None)), CODES, 50, None, np.ones(N)
        )
    if HAS_METHODS:
        text = (
            "KBinsDiscretizer with quantile_method='hazen' and subsample=None needs "
            f"all values of a column at once. {todo}, or use strategy='uniform'."
        )
        with raises(ValueError, text):
            learn_bins(KBinsDiscretizer(subsample=None, quantile_method="hazen"))


def test_draws_are_those_of_a_permutation():
    for seed in range(3):
        one, other = np.random.RandomState(seed), np.random.RandomState(seed)
        expected = one.permutation(999)[:50]
        np.testing.assert_array_equal(draw_rows(other, 999, 50), expected)
        assert one.randint(1 << 30) == other.randint(1 << 30)


def test_rows_may_be_drawn_twice():
    numbers = np.array([9, 0, 9, 3, 0])
    drawn = DrawnRows(numbers)
    for start in range(0, 10, 4):
        drawn.add(NUMBERS[start : min(start + 4, 10)])
    np.testing.assert_array_equal(drawn.rows, NUMBERS[numbers])


def test_sparse_rows_for_quantiles_are_refused():
    text = (
        "QuantileTransformer draws other rows for each column of sparse rows, which is "
        "not computed by chunks. Use MaxAbsScaler() or "
        "RobustScaler(with_centering=False), or make the rows dense: "
        "X.map(lambda rows: rows.toarray())."
    )
    with raises(ValueError, text):
        learn(QuantileTransformer(), SPARSE)


@pytest.mark.parametrize(
    ("transformer", "X"),
    [
        (RobustScaler(), SPARSE),
        (RobustScaler(), ONE_INFINITE),
        (SimpleImputer(strategy="median", missing_values=3), WITH_NAN),
        (SplineTransformer(knots="quantile"), WITH_NAN),
        (SplineTransformer(knots="quantile"), SPARSE),
        (RobustScaler(quantile_range=(90, 10)), CODES),
        (SplineTransformer(knots="quantile", n_knots=1), CODES),
        (QuantileTransformer(subsample=10), CODES),
        (QuantileTransformer(n_quantiles=0), CODES),
        (Nystroem(n_components=0), CODES),
        (Nystroem(gamma=2, kernel=lambda x, y: x @ y), CODES),
        (Nystroem(n_components=1, random_state=0), ONE_NAN),
        (QuantileTransformer(subsample=9, n_quantiles=9, random_state=0), ONE_INFINITE),
    ],
)
def test_what_fit_refuses_is_refused_as_by_fit(transformer, X):
    with pytest.raises((ValueError, TypeError)) as caught:
        clone(transformer).fit(X)
    with raises(type(caught.value), str(caught.value)):
        learn(transformer, X)


STEPS = {
    "median": (SimpleImputer(strategy="median", add_indicator=True), WITH_NAN),
    "median of a frame": EXACT["median of a frame"],
    "robust": (RobustScaler(), WITH_NAN),
    "robust of sparse rows": (RobustScaler(with_centering=False), SPARSE),
    "quantile splines": (SplineTransformer(knots="quantile"), NUMBERS),
    "quantiles of a sample": DRAWN["quantiles of a sample"],
    "kernel": DRAWN["kernel"],
}


@pytest.mark.filterwarnings("ignore:invalid value")  # of transform
@pytest.mark.parametrize(("transformer", "X"), STEPS.values(), ids=STEPS)
def test_steps_of_a_pipeline_learn_what_fit_does(transformer, X):
    model = ChunkedFit(make_pipeline(transformer), chunk_size=50).fit(X)
    expected = clone(transformer).fit(X)
    assert_same(model.estimator_[0], expected)


def test_a_pipeline_on_a_file_makes_several_passes(tmp_path, monkeypatch):
    monkeypatch.setattr(ranks_module, "_BYTES", 2**11)
    np.save(tmp_path / "X.npy", WITH_NAN[:, :4])
    y = (CODES[:, 0] > 0).astype(int)
    steps = [SimpleImputer(strategy="median"), RobustScaler(), GaussianNB()]
    model = ChunkedFit(make_pipeline(*steps), chunk_size=50)
    model.fit(tmp_path / "X.npy", y)
    expected = make_pipeline(*map(clone, steps)).fit(WITH_NAN[:, :4], y)
    for one, other in zip(model.estimator_[:2], expected[:2], strict=True):
        assert_same(one, other)
    np.testing.assert_array_equal(
        model.predict(tmp_path / "X.npy"), expected.predict(WITH_NAN[:, :4])
    )
