"""Transformers that learn from parts of the rows side by side, against ``fit``."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import assert_alike
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import (
    CountVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.feature_selection import (
    SelectKBest,
    VarianceThreshold,
    chi2,
    f_regression,
    r_regression,
)
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.random_projection import SparseRandomProjection

from skmmap import ChunkedFit, open_rows, register
from skmmap.pipelines import shared

N = 640
rng = np.random.default_rng(0)
CODES = rng.geometric(0.3, (N, 3)).astype(float)
CODES[-1] = 40  # which only the last part has
REAL = rng.normal(size=(N, 4)) * [1, 0.1, 50, 1] + [0, 1, 100, -2]
MISSING = np.where(rng.random(REAL.shape) < 0.1, np.nan, REAL)
MISSING[:50, 1] = np.nan  # all of the first part
MISSING[:50, 3] = REAL[:50, 3]  # none of it
CONSTANT = np.column_stack([REAL, np.full(N, 0.1)])
Y = np.sort(rng.integers(0, 3, N))  # each part has other classes
NUMBERS = REAL @ [1, 2, 3, 4] + rng.normal(size=N)
LABELS = rng.integers(0, 2, (N, 3))
TREES = "oak", "ash", "elm", "yew"
TEXTS = [f"tree {TREES[i % 4]} number {i // 90}" for i in range(N)]
BINS = {"encode": "ordinal", "subsample": None}
FEW = {"n_quantiles": 9, "subsample": None}
SPARSE = sparse.csr_array(np.where(CODES > 2, CODES, 0))
WIDE = rng.normal(size=(N, 30))
MEDIAN = SimpleImputer(strategy="median", add_indicator=True)
FREQUENT = SimpleImputer(strategy="most_frequent", add_indicator=True)

# The transformer, rows, targets, and the tolerance: 0 where only counts are added.
CASES = {
    "one-hot": (OneHotEncoder(), CODES, None, 0),
    "rare": (OneHotEncoder(min_frequency=20), CODES, None, 0),
    "ordinal": (OrdinalEncoder(), MISSING.round(), None, 0),
    "mean": (SimpleImputer(add_indicator=True), MISSING, None, 1e-10),
    "mean, sparse": (SimpleImputer(missing_values=4), SPARSE, None, 1e-10),
    "median": (MEDIAN, MISSING, None, 0),
    "frequent": (FREQUENT, MISSING.round(1), None, 0),
    "frequent, sparse": (clone(FREQUENT).set_params(missing_values=4), SPARSE, None, 0),
    "constant": (SimpleImputer(strategy="constant"), MISSING, None, 0),
    "indicator": (MissingIndicator(), MISSING, None, 0),
    "robust": (RobustScaler(), MISSING, None, 0),
    "splines": (SplineTransformer(), REAL, None, 0),
    "knots": (SplineTransformer(knots="quantile"), REAL, None, 0),
    "widths": (KBinsDiscretizer(strategy="uniform", **BINS), REAL, None, 0),
    "all rows": (KBinsDiscretizer(3, encode="ordinal"), REAL, None, 0),
    "classes": (SelectKBest(k=2), REAL, Y, 1e-10),
    "constants": (VarianceThreshold(), CONSTANT, None, 1e-10),
    "linear": (SelectKBest(f_regression, k=2), REAL, NUMBERS, 1e-9),
    "r": (SelectKBest(r_regression, k=2), REAL, NUMBERS, 1e-9),
    "chi2": (SelectKBest(chi2, k=2), CODES, Y, 1e-10),
    "chi2 of labels": (SelectKBest(chi2, k=2), CODES, LABELS, 1e-10),
    "documents": (TfidfTransformer(), SPARSE, None, 0),
    "pca": (PCA(2, svd_solver="covariance_eigh"), WIDE, None, 1e-10),
    "factor": (PCA(2, svd_solver="full"), WIDE, None, 1e-10),
    "pca, sparse": (PCA(2, svd_solver="covariance_eigh"), SPARSE, None, 1e-10),
    "svd": (TruncatedSVD(2, algorithm="arpack"), WIDE, None, 1e-9),
    "projection": (
        SparseRandomProjection(eps=0.99, random_state=0),
        np.tile(WIDE, 6),
        None,
        0,
    ),
    "kernel": (RBFSampler(gamma="scale", random_state=0), REAL, None, 1e-10),
}


@pytest.fixture
def merged(monkeypatch):
    """Return the list of what was merged, each as the names of what learned."""
    found = []

    def spy(one, other):
        found.append([type(each).__name__ for each in one.computing])
        return merge(one, other)

    merge = shared.merge_shared
    entry = {f"{shared.__name__}.AddedUp": {"merge": spy}}
    shared.add_built_in(entry)
    yield found
    shared.add_built_in({name: {"merge": merge} for name in entry})


def fit(transformer, X, y=None, n_jobs=2, **params):
    """Return what is fitted in 20 chunks, of which parts have one or two."""
    given = {"chunk_size": N // 20, "n_jobs": n_jobs, "random_state": 0} | params
    return ChunkedFit(transformer, **given).fit(X, y).estimator_


def public(estimator) -> dict:
    found = {
        k: v
        for k, v in vars(estimator).items()
        if (k[-1] == "_" and k[0] != "_") or k == "_infrequent_indices"
    }
    if "bsplines_" in found:
        found["bsplines_"] = [(each.t, each.c) for each in found["bsplines_"]]
    return found


@pytest.mark.parametrize("name", CASES)
def test_what_parts_have_learned_is_added_up(name, merged):
    transformer, X, y, rtol = CASES[name]
    two, expected = fit(transformer, X, y), clone(transformer).fit(X, y)
    assert len(merged) >= 15  # in each pass
    assert_alike(public(two), public(expected), rtol, name)
    assert_alike(public(two), public(fit(transformer, X, y, 3)), 0, name)


@pytest.mark.parametrize("strategy", ["uniform", "kmeans"])
def test_weights_are_those_of_the_rows_of_parts(strategy, merged):
    transformer = KBinsDiscretizer(3, encode="ordinal", strategy=strategy)
    weights = np.where(REAL[:, 0] > 0, 3.0, 0.0)
    given = {"chunk_size": 32, "n_jobs": 2}
    two = ChunkedFit(transformer, **given).fit(REAL, sample_weight=weights).estimator_
    expected = clone(transformer).fit(REAL, sample_weight=weights)
    assert_alike(public(two), public(expected), 0)
    assert merged


@pytest.mark.parametrize("nbytes", [2**26, 2**12])  # which are gathered, or counted
@pytest.mark.parametrize("kind", [QuantileTransformer, KBinsDiscretizer])
def test_quantiles_are_those_of_all_rows(kind, nbytes, merged, monkeypatch):
    monkeypatch.setattr("skmmap.transformers.ranks._BYTES", nbytes)
    params = {"n_bins": 4, **BINS} if kind is KBinsDiscretizer else FEW
    transformer = kind(**params)
    X = rng.normal(size=(12_000, 2))
    two = ChunkedFit(transformer, chunk_size=500, n_jobs=2).fit(X).estimator_
    assert len(merged) >= 15
    assert_alike(public(two), public(clone(transformer).fit(X)), 1e-12)
    one = ChunkedFit(transformer, chunk_size=500).fit(X).estimator_
    assert_alike(public(two), public(one), 0)


@pytest.mark.parametrize(
    ("transformer", "y"),
    [
        (KBinsDiscretizer(2, encode="ordinal", subsample=50, random_state=0), None),
        (Nystroem(n_components=5, random_state=0), None),
        (QuantileTransformer(n_quantiles=20, subsample=100, random_state=0), None),
        (TargetEncoder(random_state=0), Y),
    ],
    ids=lambda each: type(each).__name__,
)
def test_rows_that_are_drawn_or_numbered_are_learned_by_one(transformer, y, merged):
    assert_alike(
        public(fit(transformer, CODES, y)), public(fit(transformer, CODES, y, 1)), 0
    )
    assert not merged


@pytest.fixture
def texts(tmp_path):
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "t.parquet")
    return open_rows(tmp_path / "t.parquet", columns="text")


@pytest.mark.parametrize(
    "transformer",
    [
        CountVectorizer(max_features=9),
        TfidfVectorizer(min_df=0.01, tokenizer=str.split, token_pattern=None),
    ],
)
def test_vocabularies_of_processes(transformer, texts, merged, workers_started):
    two, expected = fit(transformer, texts), clone(transformer).fit(TEXTS)
    assert len(merged) >= 15
    assert two.vocabulary_ == expected.vocabulary_
    np.testing.assert_array_equal(getattr(two, "idf_", 0), getattr(expected, "idf_", 0))


def test_texts_in_memory_hold_the_gil_of_one(merged):
    two = fit(CountVectorizer(), TEXTS)
    assert two.vocabulary_ == CountVectorizer().fit(TEXTS).vocabulary_
    assert not merged


def test_names_keep_the_order_of_rows(tmp_path, merged, workers_started):
    np.save(tmp_path / "X.npy", np.arange(N)[::-1] // 100)
    rows = open_rows(tmp_path / "X.npy").map(_name)
    vectorizer = DictVectorizer(sort=False)
    two = fit(vectorizer, rows)
    assert two.feature_names_ == [f"n{i}" for i in range(6, -1, -1)]
    assert merged


def _name(numbers):
    found = np.empty(len(numbers), object)
    found[:] = [{f"n{number}": 1} for number in numbers]
    return found


def test_steps_of_a_pass_are_added_up_together(tmp_path, merged):
    np.save(tmp_path / "X.npy", np.column_stack([MISSING, CODES]))
    numbers = make_pipeline(SimpleImputer(), StandardScaler(), MinMaxScaler())
    prepare = make_column_transformer(
        (numbers, [0, 1, 2, 3]), (OneHotEncoder(), [4, 5]), (MaxAbsScaler(), [6])
    )
    two = fit(prepare, tmp_path / "X.npy").transformers_
    together = ["SimpleImputer", "StandardScaler", "OneHotEncoder", "MaxAbsScaler"]
    assert merged[0] == together
    expected = clone(prepare).fit(np.load(tmp_path / "X.npy")).transformers_
    for (_, one, _), (_, other, _) in zip(two, expected, strict=True):
        pairs = zip(
            getattr(one, "steps", [(0, one)]),
            getattr(other, "steps", [(0, other)]),
            strict=True,
        )
        for (_, step), (_, right) in pairs:
            assert_alike(public(step), public(right), 1e-10)


class Largest(TransformerMixin, BaseEstimator):
    """A transformer of a third party."""

    def fit(self, X, y=None):
        self.largest_ = X.max(axis=0)
        return self

    def transform(self, X):
        return np.minimum(X, self.largest_)


class LargestOfChunks:
    def __init__(self, transformer):
        self.transformer, self.rows = transformer, []

    def partial_fit(self, X):
        self.rows.append(X.max(axis=0))

    def finish(self):
        return self.transformer.fit(np.array(self.rows))


class LargestOfParts(LargestOfChunks):
    def merge(self, other):
        self.rows += other.rows


@pytest.mark.parametrize("learner", [LargestOfChunks, LargestOfParts])
def test_learners_of_third_parties_merge_if_they_say_how(
    learner, tmp_path, merged, own_entries, workers_started
):
    register(Largest, chunk_learner=learner)
    np.save(tmp_path / "X.npy", REAL)
    two = fit(Largest(), tmp_path / "X.npy")
    np.testing.assert_array_equal(two.largest_, REAL.max(axis=0))
    assert bool(merged) == (learner is LargestOfParts)


class Refuses(MaxAbsScaler):
    """Scales by what it cannot always add up."""


def test_a_member_that_refuses_lets_all_learn_in_turn(own_entries, merged):
    register(Refuses, merge=lambda estimator, other: NotImplemented)
    union = make_column_transformer((Refuses(), [0, 1]), (SimpleImputer(), [2, 3]))
    (_, one, _), (_, other, _) = fit(union, REAL).transformers_
    assert merged
    assert one.n_samples_seen_ == N
    np.testing.assert_array_equal(one.max_abs_, np.abs(REAL[:, :2]).max(axis=0))
    np.testing.assert_allclose(other.statistics_, REAL[:, 2:].mean(axis=0), rtol=1e-10)


def test_errors_name_the_first_row_and_the_step(tmp_path):
    rows = REAL.copy()
    rows[[300, 600], 1] = np.inf
    np.save(tmp_path / "X.npy", rows)
    wrapper = ChunkedFit(make_pipeline(SimpleImputer(), PCA(2)), chunk_size=32)
    with pytest.raises(ValueError, match="infinity") as caught:
        wrapper.set_params(n_jobs=2).fit(tmp_path / "X.npy")
    notes = " ".join(caught.value.__notes__)
    assert "rows 288 to 319" in notes
    assert "step 'simpleimputer'" in notes


def test_explain_says_on_how_many_workers(tmp_path):
    np.save(tmp_path / "X.npy", CODES)
    prepare = make_pipeline(SimpleImputer(), OneHotEncoder())
    said = ChunkedFit(prepare, n_jobs=2).explain(tmp_path / "X.npy").sections
    assert said["passes"] == (
        "1. SimpleImputer on 2 workers; 2. OneHotEncoder on 2 workers; then those of "
        "the last step"
    )
    one = ChunkedFit(TargetEncoder(), n_jobs=2).explain(tmp_path / "X.npy", Y)
    assert "workers" not in one.sections["passes"]
    scaler = make_pipeline(StandardScaler(), Nystroem(n_components=9))
    said = ChunkedFit(scaler, n_jobs=2).explain(tmp_path / "X.npy").sections
    assert said["passes"].startswith("1. StandardScaler on 2 workers; 2. Nystroem;")


def test_labels_of_all_parts_are_two():
    labels = np.where(np.arange(N)[:, None] < N // 2, LABELS, 2 * LABELS)
    with pytest.raises(ValueError, match="Multioutput target data is not supported"):
        fit(SelectKBest(chi2, k=2), CODES, labels)


@pytest.mark.parametrize(
    "encoder", [OneHotEncoder(), SimpleImputer(strategy="most_frequent")]
)
def test_texts_are_counted_by_one(encoder, merged):
    texts = pd.DataFrame({"a": TEXTS, "b": TEXTS[::-1]})
    assert_alike(public(fit(encoder, texts)), public(clone(encoder).fit(texts)), 0)
    assert not merged


@pytest.mark.parametrize("knots", ["uniform", "quantile"])
def test_one_row_is_too_few_for_splines(knots):
    with pytest.raises(ValueError, match="minimum of 2 is required by SplineTr"):
        fit(SplineTransformer(knots=knots), REAL[:1])
