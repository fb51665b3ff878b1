"""What ``fit`` takes from all rows, or does once, is the same in chunks of any size.

The oracle is the estimator's own ``fit`` on the whole.
"""

import inspect
import pickle
import re
import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from helpers import (
    EXHAUSTIVE,
    combine,
    find_classes,
    hand_loop,
    in_file_order,
    name_of,
    needs_sklearn_1_9,
    partial_fit_estimators,
    state_of,
)
from helpers import make_rows as make_few_rows
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import AgglomerativeClustering, Birch
from sklearn.naive_bayes import CategoricalNB, GaussianNB
from sklearn.neural_network import BernoulliRBM
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler
from sklearn.utils import get_tags

from skmmap import ChunkedFit
from skmmap.wrap.meta_estimators import iter_fitted

N_ROWS = 150
RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], N_ROWS // 3)  # sorted
WEIGHTS = np.r_[RNG.random(N_ROWS - 30), np.zeros(30)]

# Estimators that learn by steps, so that other batches or another order of the same
# rows lead elsewhere; `tests/test_epochs.py` and `docs/measured/parity.md` compare
# their scores.
BY_STEPS = {
    *("BernoulliRBM", "LatentDirichletAllocation", "MLPClassifier", "MLPRegressor"),
    *("MiniBatchDictionaryLearning", "MiniBatchKMeans", "MiniBatchNMF"),
    *("PassiveAggressiveClassifier", "PassiveAggressiveRegressor", "Perceptron"),
    *("SGDClassifier", "SGDOneClassSVM", "SGDRegressor", "SelectFromModel"),
    *("MultiOutputRegressor", "IncrementalPCA"),
}
INNER = {"MultiOutputClassifier", "OneVsOneClassifier", "OneVsRestClassifier"}


def find_exact() -> list:
    """Return what learns from sums, minima, maxima, or row by row in file order."""
    found = [
        estimator.set_params(estimator=GaussianNB(var_smoothing=0.1))
        if name_of(estimator) in INNER
        else estimator
        for estimator in partial_fit_estimators()
        if name_of(estimator) not in BY_STEPS
    ]
    more = [
        GaussianNB(var_smoothing=0.1),
        GaussianNB(var_smoothing=0),
        CategoricalNB(min_categories=5),
        Birch(threshold=0.3, n_clusters=3),
        Birch(threshold=0.3, n_clusters=AgglomerativeClustering(2)),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        StandardScaler(with_mean=False, with_std=False),
        MinMaxScaler(feature_range=(-2, 5), clip=True),
    ]
    return found + more


def make_rows(estimator, *, missing: bool = False):
    """Return rows that lie sorted by label, and whose columns drift along the file."""
    if name_of(estimator) == "HashingVectorizer":
        return make_few_rows(estimator)
    y = LABELS
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, 5)) * [1, 0.01, 3, 1, 2] + y[:, None] * [5, 0, 1, 0, 9]
    if not isinstance(estimator, Birch | GaussianNB):
        X = X - X.min(axis=0)
    if isinstance(estimator, CategoricalNB):
        X = np.floor(X / 3)
    X[:, 3] = 2.0
    if missing:
        X[:30, 0] = X[60:95, 1] = X[-33:, 2] = np.nan
        X[:, 4] = np.nan
    if name_of(estimator) == "MultiOutputClassifier":
        y = np.column_stack([y, y[::-1]])
    has_target = hasattr(estimator, "predict") and not isinstance(estimator, Birch)
    return X, y if has_target else None


def assert_same_learned(model, expected, rtol=1e-9):
    """Compare all learned attributes, of the learners inside as well."""
    hidden = {"labels_"}  # of one chunk, which the wrapper does not show
    for found, other in zip(iter_fitted(model), iter_fitted(expected), strict=True):
        learned = {name for name in vars(other) if name.endswith("_")} - hidden
        assert learned <= vars(found).keys()
        for name in learned - {"estimators_", "root_", "dummy_leaf_"}:
            assert_close(vars(found)[name], vars(other)[name], rtol, name)
        assert str(found.get_params()) == str(other.get_params())


def assert_close(found, expected, rtol, name):
    if isinstance(expected, list):
        for pair in zip(found, expected, strict=True):
            assert_close(*pair, rtol, name)
    elif isinstance(expected, np.ndarray | np.generic | float | int):
        assert np.asarray(found).dtype == np.asarray(expected).dtype, name
        largest = np.max(np.abs(expected), initial=0, where=np.isfinite(expected))
        np.testing.assert_allclose(found, expected, rtol, rtol * largest, err_msg=name)


def fit_whole(estimator, X, y, params):
    given = () if y is None else (y,)
    with np.errstate(invalid="ignore"):  # columns without any value
        return clone(estimator).fit(X, *given, **params)


def takes_weights(estimator) -> bool:
    return "sample_weight" in inspect.signature(estimator.fit).parameters


def test_every_estimator_is_here():
    names = {name_of(estimator) for estimator in partial_fit_estimators()}
    assert names == BY_STEPS & names | {
        name_of(estimator) for estimator in find_exact()
    }


def find_cases() -> list:
    """Return each estimator with each kind of rows that it takes.

    By default with one of them each, and all of them only by all of its class.
    """
    cases, n_before = [], Counter()
    for estimator in find_exact():
        weighs = takes_weights(estimator)
        missing = get_tags(estimator).input_tags.allow_nan
        kinds = [""] + ["weighted"] * weighs + ["missing"] * missing
        kinds += ["missing, weighted"] * (weighs and missing)
        if not EXHAUSTIVE:
            n_before[name_of(estimator)] += 1
            kinds = [kinds[-n_before[name_of(estimator)] % len(kinds)]]
        cases += [(estimator, kind) for kind in kinds]
    return cases


of_each_kind = pytest.mark.parametrize(("estimator", "kind"), find_cases(), ids=str)


# NumPy says so of the extremes of a chunk.
in_spite_of_nan = pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning")


@in_spite_of_nan
@of_each_kind
def test_all_that_is_learned_is_as_by_fit(estimator, kind):
    X, y = make_rows(estimator, missing="missing" in kind)
    params = {"sample_weight": WEIGHTS} if "weighted" in kind else {}
    expected = fit_whole(estimator, X, y, params)
    for chunk_size, n_jobs in ("auto", None), (23, None), (23, 2), (75, 2):
        model = ChunkedFit(estimator, chunk_size=chunk_size, n_jobs=n_jobs)
        assert_same_learned(model.fit(X, y, **params).estimator_, expected)


@in_spite_of_nan
@of_each_kind
def test_chunks_of_one_row(estimator, kind):
    X, y = make_rows(estimator, missing="missing" in kind)
    some = slice(None, None, 1 if EXHAUSTIVE else 5)
    X, y = X[some], None if y is None else y[some]
    params = {"sample_weight": WEIGHTS[some]} if "weighted" in kind else {}
    model = ChunkedFit(estimator, chunk_size=1).fit(X, y, **params)
    assert_same_learned(model.estimator_, fit_whole(estimator, X, y, params))


@in_spite_of_nan
@of_each_kind
def test_several_calls_of_partial_fit_are_one_fit(estimator, kind):
    X, y = make_rows(estimator, missing="missing" in kind)
    params = {"sample_weight": WEIGHTS} if "weighted" in kind else {}
    expected = fit_whole(estimator, X, y, params)
    model = ChunkedFit(estimator, chunk_size=23)
    classes = find_classes(estimator, y)
    first = {} if classes is None else {"classes": classes}
    for rows in slice(70), slice(70, 80), slice(80, None):
        given = {} if y is None else {"y": y[rows]}
        given |= {name: values[rows] for name, values in params.items()}
        if not isinstance(estimator, Birch):  # whose pickles cannot be trained further
            model = pickle.loads(pickle.dumps(model))
        model.partial_fit(X[rows], **given, **first)
        first = {}
    assert_same_learned(model.estimator_, expected)


@in_spite_of_nan
@pytest.mark.parametrize(
    ("case", "n_jobs"), combine(find_cases(), [None, 2], together=1)
)
def test_the_loop_that_is_written_out_is_left_as_it_is(case, n_jobs):
    estimator, kind = case
    X, y = make_rows(estimator, missing="missing" in kind)
    params = {"sample_weight": 0.5 + WEIGHTS} if "weighted" in kind else {}
    with np.errstate(invalid="ignore"):
        model = in_file_order(estimator, chunk_size=23, n_jobs=n_jobs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            model.fit(X, y, **params)
        expected = hand_loop(estimator, X, y, 23, **params)
    if n_jobs is None:
        assert state_of(model.estimator_) == state_of(expected)
    else:
        assert_same_learned(model.estimator_, expected)


def test_sparse_rows_without_a_value():
    X = sparse.random_array(
        (300, 4), density=0.4, random_state=np.random.default_rng(0), format="lil"
    )
    X[100:160, 2] = X[:50, 1] = np.nan
    X = X.tocsr()
    for scaler in StandardScaler(with_mean=False), MaxAbsScaler():
        expected = clone(scaler).fit(X)
        for n_jobs in None, 2:
            model = ChunkedFit(scaler, chunk_size=23, n_jobs=n_jobs).fit(X)
            assert_same_learned(model.estimator_, expected)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, pd.DataFrame])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_weights_that_do_not_add_up_to_nothing(dtype, form):
    """Those of rows without a value are added and taken away, in the type of X."""
    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(300, 3)).astype(dtype), rng.random(300)
    X[100:150, 1] = X[200:249, 2] = np.nan
    w[249], w[40:60] = 1e-3, 0  # the only value of a chunk weighs little
    scaler, X = StandardScaler(with_mean=form is not sparse.csr_array), form(X)
    expected = clone(scaler).fit(X, sample_weight=w)
    found = ChunkedFit(scaler, chunk_size=50).fit(X, sample_weight=w)
    for name in "mean_", "var_", "scale_", "n_samples_seen_":
        one, other = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(one, other, rtol=1e-4 if dtype == "f4" else 1e-9)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("weighted", [False, True])
def test_columns_that_lack_as_many_values_again(form, weighted):
    """Their number is one for all columns, then one for each, then one again."""
    X = np.random.default_rng(0).normal(size=(12, 3))
    X[1, 0] = X[3, 1] = X[4, 2] = X[8, 0] = X[9, 1] = X[10, 2] = np.nan
    weights = {"sample_weight": np.ones(12)} if weighted else {}
    scaler, X = StandardScaler(with_mean=form is np.asarray), form(X)
    expected = clone(scaler).fit(X, **weights)
    for chunk_size in (1, 2, 3):
        found = ChunkedFit(scaler, chunk_size=chunk_size).fit(X, **weights)
        np.testing.assert_allclose(found.n_samples_seen_, expected.n_samples_seen_)
        np.testing.assert_allclose(found.var_, expected.var_, rtol=1e-9)


def test_near_constant_features_and_sorted_labels():
    """The last chunk varies a thousandth of what all rows do."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3)) * 1e-6
    y = np.repeat([0, 1, 2], 200)
    X[:, 0] += y * 1e-5
    X[:400, 1] += rng.normal(size=400)
    expected = GaussianNB().fit(X, y)
    model = ChunkedFit(GaussianNB(), chunk_size=50).fit(X, y)
    np.testing.assert_allclose(model.epsilon_, expected.epsilon_, 1e-9)
    assert model.score(X, y) == expected.score(X, y)


def test_clusters_are_found_once():
    calls = []

    class Counts(AgglomerativeClustering):
        def fit_predict(self, X, y=None):
            calls.append(len(X))
            return super().fit_predict(X)

    given = Counts(2)
    X, _ = make_rows(Birch())
    model = ChunkedFit(Birch(n_clusters=given, threshold=0.3), chunk_size=23).fit(X)
    assert calls == [len(model.subcluster_centers_)]
    assert not hasattr(given, "labels_")  # it is the user's
    assert hasattr(model.estimator_.n_clusters, "labels_")


class Keeps:
    """Keeps the models that a callback is shown."""

    def __init__(self):
        self.models = []

    def setup(self, estimator, context):
        """Nothing to do."""

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.models.append(fitted_estimator)


@needs_sklearn_1_9
def test_a_callback_is_shown_what_fit_would_make_of_the_rows_so_far():
    X, y = make_rows(GaussianNB())
    keeps, model = Keeps(), GaussianNB(var_smoothing=0.1)
    ChunkedFit(model, chunk_size=75).set_callbacks(keeps).fit(X, y)
    chunk, _, epoch, fit = keeps.models
    first = clone(model).partial_fit(X[:75], y[:75], np.unique(y))
    assert_same_learned(chunk.estimator_, first)
    for whole in epoch, fit:
        assert_same_learned(whole.estimator_, clone(model).fit(X, y))


def test_held_out_rows_are_scored_by_the_finished_model():
    X, y = make_rows(GaussianNB())
    model = ChunkedFit(GaussianNB(var_smoothing=0.5), chunk_size=23)
    model.fit(X, y, X_val=X, y_val=y)
    assert model.history_["score"] == [model.score(X, y)]
    least = ChunkedFit(GaussianNB(var_smoothing=1e-9), chunk_size=23).fit(X, y)
    assert least.score(X, y) > model.score(X, y)


def test_a_failed_partial_fit_leaves_a_finished_model():
    X, y = make_rows(GaussianNB())
    bad = X.copy()
    bad[100] = np.nan
    model = ChunkedFit(GaussianNB(var_smoothing=0.1), chunk_size=50).fit(X, y)
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(bad, y)
    twice = np.r_[X, X[:100]], np.r_[y, y[:100]]
    assert_same_learned(model.estimator_, clone(model.estimator).fit(*twice))


@pytest.mark.parametrize(
    "estimator",
    [GaussianNB(var_smoothing=-1), Birch(n_clusters="few"), Birch(compute_labels=3)],
)
def test_what_fit_refuses_is_refused(estimator):
    X, y = make_rows(estimator)
    with pytest.raises(ValueError, match="must be") as expected:
        clone(estimator).fit(X, y)
    with pytest.raises(ValueError, match=re.escape(str(expected.value))):
        ChunkedFit(estimator, chunk_size=23).fit(X, y)


def test_one_row_too_many_does_not_ruin_a_boltzmann_machine():
    rng = np.random.default_rng(0)
    kinds = rng.random((4, 16)) < 0.5

    def draw(n_rows):
        rows = kinds[rng.integers(0, 4, n_rows)]
        return np.where(rng.random(rows.shape) < 0.05, ~rows, rows).astype(float)

    X, held_out = draw(1001), draw(1000)
    rbm = BernoulliRBM(4, learning_rate=0.05, n_iter=10, random_state=0)
    for chunk_size in (10, 500) + EXHAUSTIVE * (100,):
        scores = [
            ChunkedFit(rbm, chunk_size=chunk_size)
            .fit(X[:n_rows])
            .score_samples(held_out)
            .mean()
            for n_rows in (1000, 1001)
        ]
        assert scores[1] > 1.2 * scores[0]  # both are negative
