"""scikit-learn's model selection on Rows: the same results as on arrays."""

import gc
import pickle
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
from helpers import combine, hand_loop, in_file_order, state_of
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import Birch
from sklearn.exceptions import DataConversionWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import f1_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, Rows, open_rows
from skmmap.rows import rows as _rows

N = 600
rng = np.random.default_rng(0)
X = rng.standard_normal((N, 4)).astype(np.float32)
y = (X[:, 0] + 0.3 * X[:, 1] > 0).astype(int) + (X[:, 2] > 1)
groups = np.arange(N) % 7
weights = rng.random(N)


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """X, y, groups and weights as Rows; X cannot be loaded."""
    for name, array in {"X": X, "y": y, "groups": groups, "w": weights}.items():
        np.save(tmp_path / f"{name}.npy", array)
    load = Rows.__array__

    def refuse(self, *args, **kwargs):
        assert self.ndim == 1, "X was loaded"
        return load(self, *args, **kwargs)

    monkeypatch.setattr(_rows.Rows, "__array__", refuse)
    names = "X", "y", "groups", "w"
    return [open_rows(tmp_path / f"{name}.npy") for name in names]


def model():
    return in_file_order(SGDClassifier(random_state=0), chunk_size=50)


@pytest.mark.parametrize("options", [{}, {"shuffle": False}, {"stratify": True}])
def test_train_test_split(rows, options):
    X_rows, y_rows, _, _ = rows
    stratify = options.get("stratify")
    lazy = train_test_split(
        X_rows, y_rows, random_state=0, **options | {"stratify": stratify and y_rows}
    )
    loaded = train_test_split(
        X, y, random_state=0, **options | {"stratify": y if stratify else None}
    )
    for part, expected in zip(lazy, loaded, strict=True):
        assert type(part) is Rows
        np.testing.assert_array_equal(part.read(), expected)


def test_a_shuffled_selection_is_learned_in_file_order(rows):
    """The weights and the labels follow, whether they are selected or loaded."""
    X_rows, y_rows, _, w_rows = rows
    picked = rng.permutation(N)[:400]
    by_hand = hand_loop(
        SGDClassifier(random_state=0),
        X[np.sort(picked)],
        y[np.sort(picked)],
        50,
        sample_weight=weights[np.sort(picked)],
    )
    for labels, w in [
        (y_rows[picked], w_rows[picked]),
        (y[picked], weights[picked]),
        (y[picked].tolist(), weights[picked].tolist()),
    ]:
        fitted = model().fit(X_rows[picked], labels, sample_weight=w)
        assert state_of(fitted.estimator_) == state_of(by_hand)


def test_predictions_come_in_the_order_of_the_selection(rows):
    X_rows, y_rows, _, w_rows = rows
    fitted = model().fit(X, y)
    for key in (rng.permutation(N)[:321], slice(None, None, -1), np.r_[300:600, :100]):
        bare = fitted.estimator_
        np.testing.assert_array_equal(fitted.predict(X_rows[key]), bare.predict(X[key]))
        np.testing.assert_allclose(
            fitted.decision_function(X_rows[key]),
            bare.decision_function(X[key]),
            rtol=1e-4,
            atol=1e-4,
        )
        assert fitted.score(X_rows[key], y_rows[key], w_rows[key]) == pytest.approx(
            bare.score(X[key], y[key], weights[key])
        )
        assert fitted.score(X_rows[key], y[key]) == bare.score(X[key], y[key])


def test_r2_of_a_shuffled_selection(rows):
    X_rows = rows[0]
    target = X @ [1, 2, 3, 4] + weights
    fitted = ChunkedFit(SGDRegressor(random_state=0), chunk_size=50).fit(X, target)
    picked = rng.permutation(N)[:321]
    score = fitted.score(X_rows[picked], target[picked])
    assert score == pytest.approx(fitted.estimator_.score(X[picked], target[picked]))


SPLITTERS = {
    "KFold": KFold(3),
    "shuffled": KFold(3, shuffle=True, random_state=0),
    "StratifiedKFold": StratifiedKFold(3),
    "GroupKFold": GroupKFold(3),
    "TimeSeriesSplit": TimeSeriesSplit(3),
}


@pytest.mark.parametrize(
    ("splitter", "scoring"),
    combine(SPLITTERS, [None, "accuracy", ["f1_macro", "accuracy"]], together=1),
)
def test_cross_validate(splitter, scoring, rows):
    cv = SPLITTERS[splitter]
    X_rows, y_rows, groups_rows, _ = rows
    is_grouped = isinstance(cv, GroupKFold)
    lazy_groups, loaded_groups = (groups_rows, groups) if is_grouped else (None, None)
    lazy = cross_validate(
        model(), X_rows, y_rows, groups=lazy_groups, cv=cv, scoring=scoring
    )
    loaded = cross_validate(model(), X, y, groups=loaded_groups, cv=cv, scoring=scoring)
    for name in lazy:
        if name.startswith("test_"):
            np.testing.assert_array_equal(lazy[name], loaded[name])


def test_cross_val_score_with_two_jobs(rows):
    X_rows, y_rows, _, _ = rows
    lazy = cross_val_score(model(), X_rows, y_rows, cv=3, n_jobs=2)
    np.testing.assert_array_equal(lazy, cross_val_score(model(), X, y, cv=3))


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_cross_val_predict(method, rows):
    X_rows, y_rows, _, _ = rows
    wrapper = ChunkedFit(GaussianNB(), chunk_size=50)
    lazy = cross_val_predict(wrapper, X_rows, y_rows, cv=3, method=method)
    loaded = cross_val_predict(wrapper, X, y, cv=3, method=method)
    np.testing.assert_array_equal(lazy, loaded)


GRID = {"estimator__alpha": [1e-4, 1e-2]}
SEARCHES = {
    "grid": lambda n_jobs: GridSearchCV(model(), GRID, cv=3, n_jobs=n_jobs),
    "random": lambda n_jobs: RandomizedSearchCV(
        model(), GRID, n_iter=2, cv=3, random_state=0, n_jobs=n_jobs
    ),
    # Its subsamples are shuffled, which does not matter to naive Bayes.
    "halving": lambda n_jobs: HalvingGridSearchCV(
        ChunkedFit(GaussianNB(), chunk_size=50),
        {"estimator__var_smoothing": [1e-9, 1.0, 10.0]},
        cv=3,
        random_state=0,
        n_jobs=n_jobs,
    ),
}


@pytest.mark.parametrize(("kind", "n_jobs"), combine(SEARCHES, [None, 2], together=1))
def test_searches(kind, n_jobs, rows):
    X_rows, y_rows, _, _ = rows
    make = SEARCHES[kind]
    lazy = make(n_jobs).fit(X_rows, y_rows)
    loaded = make(None).fit(X, y)
    assert lazy.best_params_ == loaded.best_params_
    name = "mean_test_score"
    np.testing.assert_array_equal(lazy.cv_results_[name], loaded.cv_results_[name])
    assert lazy.best_estimator_.n_features_in_ == 4


def test_a_search_with_weights(rows):
    X_rows, y_rows, _, w_rows = rows
    lazy = GridSearchCV(model(), GRID, cv=3).fit(X_rows, y_rows, sample_weight=w_rows)
    loaded = GridSearchCV(model(), GRID, cv=3).fit(X, y, sample_weight=weights)
    for name in ("mean_test_score", "split0_test_score"):
        np.testing.assert_array_equal(lazy.cv_results_[name], loaded.cv_results_[name])


def test_learning_curve(rows):
    X_rows, y_rows, _, _ = rows
    lazy = learning_curve(model(), X_rows, y_rows, cv=3, train_sizes=[0.2, 1.0])
    loaded = learning_curve(model(), X, y, cv=3, train_sizes=[0.2, 1.0])
    for part, expected in zip(lazy, loaded, strict=True):
        np.testing.assert_array_equal(part, expected)


def test_permutation_importance_loads_what_it_is_given(tmp_path):
    """It permutes columns of X, so it needs X in memory: a selection of it."""
    np.save(tmp_path / "X.npy", X)
    X_rows = open_rows(tmp_path / "X.npy")
    fitted = model().fit(X_rows, y)
    lazy = permutation_importance(fitted, X_rows[:99], y[:99], random_state=0)
    loaded = permutation_importance(fitted, X[:99], y[:99], random_state=0)
    np.testing.assert_array_equal(lazy.importances, loaded.importances)


def test_a_transformer(rows):
    X_rows = rows[0]
    picked = rng.permutation(N)[:321]
    scaler = ChunkedFit(StandardScaler(), chunk_size=50).fit(X_rows[picked])
    np.testing.assert_allclose(
        scaler.mean_, StandardScaler().fit(X[picked]).mean_, rtol=1e-5
    )
    np.testing.assert_array_equal(
        scaler.transform(X_rows[picked]).copy(), scaler.estimator_.transform(X[picked])
    )


ORDERS = {
    "shuffled": rng.permutation(N)[:321],
    "with repeats": rng.integers(0, N, 321),
    "backwards": np.arange(N)[::-1],
    "runs": np.r_[300:600, :100],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("format", ["csr", "csc", "pandas", "polars", "default"])
def test_what_transform_returns_comes_in_the_order_of_the_selection(format, order):
    wrapper = ChunkedFit(Sparsifier(format), chunk_size=50).fit(X)
    if format in ("pandas", "polars"):
        wrapper = ChunkedFit(StandardScaler(), chunk_size=50)
        wrapper.set_output(transform=format).fit(X)
    lazy = wrapper.transform(open_rows(X)[order])
    loaded = wrapper.estimator_.transform(X[order])
    if isinstance(lazy, Rows):
        lazy = lazy.copy()
    assert type(lazy) is (sparse.csr_array if format == "csc" else type(loaded))
    if sparse.issparse(lazy):
        lazy, loaded = lazy.toarray(), loaded.toarray()
    if format == "pandas":
        assert lazy.index.equals(loaded.index)
    np.testing.assert_array_equal(lazy, loaded)


class Sparsifier(TransformerMixin, BaseEstimator):
    """Returns positive values in a sparse format."""

    def __init__(self, format):
        self.format = format

    def partial_fit(self, X, y=None):
        self.fitted_ = True
        return self

    fit = partial_fit

    def transform(self, X):
        if self.format not in ("csr", "csc"):
            return X
        return sparse.csr_array(np.maximum(X, 0)).asformat(self.format)


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_frames_keep_their_index_in_the_order_of_the_selection(order):
    frame = pd.DataFrame(X, index=np.arange(N) * 10)
    frame.columns = list("abcd")
    wrapper = ChunkedFit(StandardScaler(), chunk_size=50)
    wrapper.set_output(transform="pandas").fit(frame)
    lazy = wrapper.transform(open_rows(frame)[order])
    assert lazy.index.tolist() == (order * 10).tolist()
    shards = open_rows([open_rows(frame)[:77], open_rows(frame)[77:]])
    assert wrapper.transform(shards).index.tolist() == frame.index.tolist()


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_probabilities_of_several_outputs(order):
    targets = np.column_stack([y, y > 0])
    wrapper = ChunkedFit(MultiOutputClassifier(GaussianNB()), chunk_size=50)
    wrapper.fit(open_rows(X)[order], open_rows(targets)[order])
    lazy = wrapper.predict_proba(open_rows(X)[order])
    loaded = wrapper.estimator_.predict_proba(X[order])
    for part, expected in zip(lazy, loaded, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-6)


class WithF1(SGDClassifier):
    def score(self, X, y, sample_weight=None):
        return f1_score(
            y, self.predict(X), average="macro", sample_weight=sample_weight
        )


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_score_of_its_own(order, rows):
    X_rows, y_rows, _, _ = rows
    fitted = in_file_order(WithF1(random_state=0), chunk_size=50).fit(X, y)
    bare = fitted.estimator_
    assert fitted.score(X_rows[order], y_rows[order]) == bare.score(X[order], y[order])
    weighted = fitted.score(open_rows(X)[order], y[order], weights[order])
    assert weighted == pytest.approx(bare.score(X[order], y[order], weights[order]))


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_callbacks_that_predict(order):
    callback = pytest.importorskip("sklearn.callback", reason="needs scikit-learn 1.9")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    wrapper = model().set_callbacks(monitor).fit(open_rows(X)[order], y[order])
    logs = str(monitor.get_logs().data)
    assert str(float(wrapper.score(X[order], y[order]))) in logs


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_column_of_labels_is_selected_as_well(order):
    with pytest.warns(DataConversionWarning):
        lazy = model().fit(open_rows(X)[order], open_rows(y[:, None])[order])
    loaded = model().fit(X[np.sort(order)], y[np.sort(order)])
    np.testing.assert_array_equal(lazy.coef_, loaded.coef_)


def test_a_model_keeps_no_rows_of_the_file(tmp_path, mapped_files):
    np.save(tmp_path / "X.npy", X)
    for mode in ("r", "r+"):
        rows = open_rows(tmp_path / "X.npy", mode=mode)
        birch = ChunkedFit(Birch(n_clusters=None), chunk_size=50).fit(rows)
        gc.collect()
        assert not mapped_files(tmp_path / "X.npy")
        assert len(pickle.dumps(birch)) > 1000


def test_a_file_open_for_writing_is_not_written_to(tmp_path):
    np.save(tmp_path / "X.npy", X)
    before = (tmp_path / "X.npy").read_bytes()
    rows = open_rows(tmp_path / "X.npy", mode="r+")
    scaler = ChunkedFit(StandardScaler(copy=False), chunk_size=50).fit(rows)
    scaler.transform(rows)
    chunk = rows.read(0, 5)
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        chunk.flags.writeable = True
    assert (tmp_path / "X.npy").read_bytes() == before


@pytest.mark.slow
@pytest.mark.usefixtures("workers_started")
def test_two_jobs_write_nothing(tmp_path, monkeypatch):
    """The rows of a search pass through no file, where joblib would write an array."""
    n_rows = 6_000
    shape = n_rows, 100  # parts are more than the megabyte from which joblib writes
    big = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, shape)
    big[:, 0] = np.arange(n_rows) % 2
    del big
    np.save(tmp_path / "y.npy", np.arange(n_rows) % 2)
    X_rows, y_rows = (open_rows(tmp_path / f"{name}.npy") for name in "Xy")
    X_rows, _, y_rows, _ = train_test_split(X_rows, y_rows, random_state=0)
    temporary, made = tmp_path / "joblib", []
    temporary.mkdir()
    # By temp_folder= it would start other workers.
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(temporary))

    def watch(event, args):  # since joblib removes its files at the end
        if event == "open" and str(args[0]).startswith(str(temporary)):
            made.append(args[0])

    WATCHERS.append(watch)
    try:
        search = GridSearchCV(model().set_params(chunk_size=1_000), GRID, cv=2)
        search.set_params(n_jobs=2, refit=False).fit(X_rows, y_rows)
        assert made == []
        joblib.Parallel(n_jobs=2)([joblib.delayed(len)(np.array(X_rows))])
        assert made  # so it would have been seen
    finally:
        WATCHERS.clear()
    assert search.cv_results_["mean_test_score"].min() > 0.9


# A hook cannot be taken out again; it asks these.
WATCHERS = []
sys.addaudithook(lambda *event: [watch(*event) for watch in WATCHERS])
