"""``ChunkedSearchCV`` gives what ``GridSearchCV`` gives, bit for bit."""

import numpy as np
import pytest
from helpers import (
    assert_same_search,
    make_rows,
    name_of,
    one_of_each_kind,
    partial_fit_estimators,
)
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neural_network import MLPClassifier

from skmmap import ChunkedFit, ChunkedSearchCV, open_rows
from skmmap.formats.shared import MapStore
from skmmap.rows import find_source
from skmmap.run.rooms import Room

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Class PassiveAggressive:FutureWarning"),
]


@pytest.fixture
def rows(on_disk):
    def make(X, y):
        return open_rows(on_disk(X)), None if y is None else open_rows(on_disk(y))

    return make


@pytest.mark.parametrize("shuffle", ["auto", "shared", "chunks", False])
@pytest.mark.parametrize("limit", ["512MB", "20kB"])
def test_shuffled_rows_in_memory_and_on_disk(rows, shuffle, limit):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(450, 5)).astype(np.float32)
    X, y = rows(X, (X[:, 0] + rng.normal(size=450) > 0).astype(int))
    model = ChunkedFit(
        SGDClassifier(random_state=3, max_iter=4, n_iter_no_change=2),
        shuffle=shuffle,
        chunk_size=70,
        memory_limit=limit,
    )
    grid = {
        "estimator__alpha": [1e-5, 1e-2],
        "estimator__early_stopping": [False, True],
    }
    given = {"cv": KFold(3, shuffle=True, random_state=0), "return_train_score": True}
    one = ChunkedSearchCV(model, grid, n_jobs=2, **given).fit(X, y)
    other = GridSearchCV(model, grid, **given).fit(X, y)
    assert_same_search(one, other)


READ_ONCE = {
    "shared": {"shuffle": "shared"},
    "in file order": {"shuffle": False},
}


@pytest.mark.parametrize("params", READ_ONCE.values(), ids=READ_ONCE)
@pytest.mark.parametrize("cv", [KFold(3), KFold(4, shuffle=True, random_state=0)])
def test_folds_that_do_not_fit_are_read_once(on_disk, monkeypatch, params, cv):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1200, 8)), rng.integers(2, size=1200)
    X, y = open_rows(on_disk(X)), open_rows(on_disk(y))
    sgd = SGDClassifier(random_state=0, max_iter=3, tol=None)
    model = ChunkedFit(sgd, chunk_size=40, memory_limit="100kB", read="buffer")
    model.set_params(**params)
    given = {"param_grid": {"estimator__alpha": [1e-3, 1.0]}, "cv": cv}
    given["refit"] = False
    other = GridSearchCV(model, **given).fit(X, y)
    read, n_read = MapStore.read_into, []

    def count(self, start, stop, out):
        n_read.append(stop - start if self.where == find_source(X).store.where else 0)
        read(self, start, stop, out)

    monkeypatch.setattr(MapStore, "read_into", count)
    one = ChunkedSearchCV(model, **given, n_jobs=2).fit(X, y)
    assert_same_search(one, other)
    # Epochs, test rows, and the first rows of a fold, which tell the size of a model.
    assert 0 <= sum(n_read) - len(X) * (3 + 1) <= 150 * cv.n_splits


def test_models_that_do_not_fit_are_trained_in_groups(rows, monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rows(rng.normal(size=(600, 5)), rng.integers(3, size=600))
    mlp = MLPClassifier((200,), max_iter=2, random_state=0)
    model = ChunkedFit(mlp, chunk_size=200, memory_limit="300kB")
    given = {"param_grid": {"estimator__alpha": [1e-4, 1e-2, 1.0]}, "cv": 3}
    take, most = Room.take, []

    def look(room, task, nbytes, **kwargs):
        took = take(room, task, nbytes, **kwargs)
        most.append((len(room.taken), sum(room.taken.values())))
        return took

    monkeypatch.setattr(Room, "take", look)
    one = ChunkedSearchCV(model, **given, n_jobs=2).fit(X, y)
    assert_same_search(one, GridSearchCV(model, **given).fit(X, y))
    # Weights, and two arrays of as many numbers of the optimizer.
    nbytes = 8 * (5 * 200 + 200 + 200 * 3 + 3)
    n_models, together = max(most)
    assert n_models == 2
    assert 2 * 3 * nbytes < together <= 150_000


@pytest.mark.parametrize("limit", ["512MB", "70kB"])
def test_rows_in_another_order_than_in_the_file(rows, limit):
    rng = np.random.default_rng(1)
    X, y = rows(rng.normal(size=(800, 3)), rng.integers(2, size=800))
    picked = rng.permutation(800)[:700]
    sgd = SGDClassifier(random_state=0, max_iter=4)
    model = ChunkedFit(sgd, chunk_size=50, memory_limit=limit)
    given = {"param_grid": {"estimator__alpha": [1e-3, 1.0]}, "cv": 3}
    one = ChunkedSearchCV(model, **given).fit(X[picked], y[picked])
    other = GridSearchCV(model, **given).fit(X[picked], y[picked])
    assert_same_search(one, other)


@pytest.mark.parametrize(
    "estimator", one_of_each_kind(partial_fit_estimators()), ids=name_of
)
def test_every_estimator(estimator):
    X, y = make_rows(estimator)
    model = ChunkedFit(estimator, chunk_size=45, random_state=0, max_epochs=2)
    grid = {"shuffle": [False, "blocks"]}
    given = {"cv": KFold(2), "error_score": "raise"}
    if not hasattr(estimator, "score"):
        given["scoring"] = lambda model, X, y=None: float(len(X))
    one = ChunkedSearchCV(model, grid, **given).fit(X, y)
    other = GridSearchCV(model, grid, **given).fit(X, y)
    assert_same_search(one, other)


def test_only_fits_print(rows, capsys):
    X, y = rows(np.arange(40.0).reshape(20, 2), np.arange(20) % 2)
    sgd = SGDClassifier(random_state=0, max_iter=1, tol=None, verbose=1)
    model, said = ChunkedFit(sgd, random_state=0), []
    for search in GridSearchCV, ChunkedSearchCV:
        search(model, {"estimator__alpha": [1e-3, 1.0]}, cv=2).fit(X, y)
        said.append(capsys.readouterr().out.count("Epoch"))
    assert said[0] == said[1] > 0
