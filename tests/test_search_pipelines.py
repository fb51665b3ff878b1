"""Pipelines in a search: exact, and what candidates share is learned once a fold."""

import os

import numpy as np
import pytest
from helpers import assert_same_search
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)

from skmmap import ChunkedFit, ChunkedSearchCV, open_rows
from skmmap.pipelines import spill

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N_ROWS = 240
ALPHA = {"estimator__model__alpha": [1e-4, 1e-1]}
SGD = SGDClassifier(max_iter=3, tol=None)


def make_numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, 5))
    y = (X[:, 0] + rng.normal(size=N_ROWS) > 0).astype(int)
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, y


def make_frame():
    pd = pytest.importorskip("pandas")
    X, y = make_numbers()
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    frame["kind"] = np.array(["x", "y", "z"])[np.arange(N_ROWS) % 3]
    return frame, y


def make_texts():
    rng = np.random.default_rng(0)
    words = np.array(["red", "green", "blue", "cat", "dog"])
    X = [" ".join(rng.choice(words, 4)) for _ in range(N_ROWS)]
    return np.array(X), np.array([x.count("red") > 0 for x in X]).astype(int)


def pipe(*steps, model=SGD):
    named = [(f"s{i}", step) for i, step in enumerate(steps)]
    return Pipeline([*named, ("model", model)])


def columns(numbers=None):
    numbers = numbers or pipe(SimpleImputer(), model=StandardScaler())
    members = [("num", numbers, ["a", "b", "c"]), ("kind", OneHotEncoder(), ["kind"])]
    return ColumnTransformer(members)


def search(pipeline, grid, X, y, *, n_jobs=2, **given):
    own = {"chunk_size": 50, "random_state": 0} | given.pop("own", {})
    model = ChunkedFit(pipeline, **own) if "model" in pipeline.named_steps else pipeline
    given = {"cv": KFold(2), "error_score": "raise"} | given
    X, y = open_rows(X), open_rows(y)
    one = ChunkedSearchCV(model, grid, n_jobs=n_jobs, **given).fit(X, y)
    other = GridSearchCV(model, grid, **given).fit(X, y)
    assert_same_search(one, other)
    return one


FILL = SimpleImputer()
COMPOSITIONS = {
    "imputer and scaler": (make_numbers, pipe(FILL, StandardScaler()), ALPHA),
    "candidates differ early": (
        make_numbers,
        pipe(FILL, StandardScaler()),
        ALPHA | {"estimator__s1": [StandardScaler(), "passthrough", MinMaxScaler()]},
    ),
    "PCA": (make_numbers, pipe(FILL, PCA(2)), ALPHA),
    "PCA of several sizes": (
        make_numbers,
        pipe(FILL, StandardScaler(), IncrementalPCA(2)),
        ALPHA | {"estimator__s2__n_components": [2, 3]},
    ),
    "quantiles": (
        make_numbers,
        pipe(FILL, QuantileTransformer(n_quantiles=20, subsample=100)),
        ALPHA,
    ),
    "selection": (make_numbers, pipe(FILL, SelectKBest(k=3)), ALPHA),
    "function": (make_numbers, pipe(FunctionTransformer(np.nan_to_num)), ALPHA),
    "union": (
        make_numbers,
        pipe(FILL, FeatureUnion([("pca", PCA(2)), ("scale", StandardScaler())])),
        ALPHA | {"estimator__s1__pca__n_components": [1, 2]},
    ),
    "columns": (make_frame, pipe(columns()), ALPHA),
    "columns that differ": (
        make_frame,
        pipe(columns()),
        ALPHA | {"estimator__s0__num__s0__strategy": ["mean", "median"]},
    ),
    "target encoder": (
        make_frame,
        pipe(
            ColumnTransformer(
                [("num", FILL, ["a", "b"]), ("kind", TargetEncoder(), ["kind"])]
            )
        ),
        ALPHA,
    ),
    "texts": (
        make_texts,
        pipe(CountVectorizer(), model=MultinomialNB()),
        ALPHA | {"estimator__s0__binary": [False, True]},
    ),
}


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_compositions(name):
    make, pipeline, grid = COMPOSITIONS[name]
    search(pipeline, grid, *make())


def test_transformed_target():
    X, y = make_numbers()
    regressor = pipe(FILL, StandardScaler(), model=SGDRegressor(max_iter=3, tol=None))
    target = TransformedTargetRegressor(regressor, transformer=StandardScaler())
    model = ChunkedFit(target, chunk_size=50, random_state=0)
    grid = {
        "estimator__regressor__model__alpha": [1e-4, 1e-1],
        "estimator__transformer": [StandardScaler(), MinMaxScaler()],
    }
    X, y = open_rows(X), open_rows(y + np.arange(N_ROWS) % 7.0)
    given = {"cv": KFold(2), "error_score": "raise"}
    one = ChunkedSearchCV(model, grid, n_jobs=2, **given).fit(X, y)
    assert_same_search(one, GridSearchCV(model, grid, **given).fit(X, y))


def test_chunked_fit_as_the_last_step():
    X, y = make_numbers()
    last = ChunkedFit(SGD, chunk_size=50, random_state=0)
    pipeline = Pipeline([("fill", SimpleImputer()), ("last", last)])
    search(pipeline, {"last__estimator__alpha": [1e-4, 1e-1]}, X, y)


def test_weights_and_validation_rows():
    X, y = make_numbers()
    weights = np.arange(N_ROWS) % 3 + 1.0
    model = ChunkedFit(pipe(FILL, StandardScaler()), chunk_size=50, random_state=0)
    given = {"cv": KFold(2), "error_score": "raise", "return_train_score": True}
    data = open_rows(X), open_rows(y)
    params = {"s1__sample_weight": weights, "model__sample_weight": weights}
    one = ChunkedSearchCV(model, ALPHA, n_jobs=2, **given).fit(*data, **params)
    assert_same_search(one, GridSearchCV(model, ALPHA, **given).fit(*data, **params))


SEEN = []  # rows of each call


def watch(X):
    SEEN.append(len(X))
    return X


class Recording(TransformerMixin, BaseEstimator):
    """Learns nothing from chunks, and remembers how many rows it got."""

    def __init__(self, kind=0):
        self.kind = kind

    def partial_fit(self, X, y=None):
        SEEN.append(len(X))
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X


def count_rows(pipeline, grid, **given):
    """Return how many rows were seen while candidates were trained."""
    SEEN.clear()
    X, y = make_numbers()
    model = ChunkedFit(pipeline, **{"chunk_size": 50, "random_state": 0} | given)
    given = {"cv": KFold(2), "refit": False, "scoring": lambda model, X, y: 0.0}
    ChunkedSearchCV(model, grid, n_jobs=2, **given).fit(open_rows(X), open_rows(y))
    return sum(SEEN)


WATCHED = FILL, FunctionTransformer(watch)
NESTED = pipe(*WATCHED, model=StandardScaler())


@pytest.mark.parametrize(
    "pipeline", [pipe(*WATCHED, StandardScaler()), pipe(NESTED, PCA(2))]
)
def test_rows_are_transformed_once_for_all_candidates(pipeline):
    alphas = {"estimator__model__alpha": [1e-4, 1e-3, 1e-2, 1e-1]}
    one = count_rows(pipeline, {"estimator__model__alpha": [1e-4]})
    # A chunk that is read ahead may be one that no fit asks for any more.
    assert N_ROWS < count_rows(pipeline, alphas) < 1.2 * one


def test_steps_are_learned_once_for_all_candidates():
    grid = {"estimator__model__alpha": [1e-4, 1e-3, 1e-2, 1e-1]}
    members = FeatureUnion([("one", Recording()), ("other", Recording())])
    for pipeline in (pipe(FILL, Recording()), pipe(FILL, members)):
        one = count_rows(pipeline, {"estimator__model__alpha": [1e-4]})
        assert count_rows(pipeline, grid) == one >= N_ROWS


def test_transformed_rows_are_written_once_for_all_candidates(monkeypatch):
    if not spill.has_room(1):
        pytest.skip("temporary files have no path here, or lie in memory")
    monkeypatch.setattr(spill, "_LEAST_NBYTES", 0)
    monkeypatch.setattr(spill, "_DISK_SPEED", 1e15)
    written, n_open, write = [], [], spill.write

    def watch_write(rows, files):
        written.append(len(rows))
        n_open.append(len(os.listdir("/proc/self/fd")))
        return write(rows, files)

    monkeypatch.setattr(spill, "write", watch_write)
    X = np.random.default_rng(0).normal(size=(8_000, 8))
    y = (X[:, 0] > 0).astype(int)
    pipeline = pipe(FunctionTransformer(watch))
    grid = {"estimator__model__alpha": [1e-4, 1.0]}
    search(pipeline, grid, X, y, own={"memory_limit": "400kB", "chunk_size": 300})
    n_alone = 2 * 2  # of GridSearchCV, which also trains the best one
    assert written == [4_000] * 2 + [8_000] + [4_000] * n_alone + [8_000]
    # The best model is trained when the files of the folds are closed.
    assert n_open[2] == n_open[0]
