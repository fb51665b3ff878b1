"""Predictions of all models of a search, which are scored at about the same time."""

import tempfile
import tracemalloc
import weakref

import numpy as np
import pytest
from helpers import assert_same_search
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV, KFold

import skmmap.apply.output
import skmmap.disk.scratch
from skmmap import ChunkedFit, ChunkedSearchCV, cross_val_predict, open_rows
from skmmap.disk import is_in_memory, map_scratch
from skmmap.run.rooms import Results

needs_disk = pytest.mark.skipif(
    is_in_memory(skmmap.disk.scratch.Path(tempfile.gettempdir())) is not False,
    reason="temporary files are not on a disk here",
)
RNG = np.random.default_rng(0)


@pytest.fixture
def mapped(monkeypatch):
    """Return the sizes of all arrays that are asked for in a file."""
    sizes = []

    def count(shape, dtype):
        made = map_scratch(shape, dtype)
        sizes.append(made.nbytes)
        return made

    monkeypatch.setattr(skmmap.apply.output, "map_scratch", count)
    return sizes


class Constant(ClassifierMixin, BaseEstimator):
    """Predicts one label."""

    def __init__(self, label=0):
        self.label = label

    def partial_fit(self, X, y, classes=None):
        self.classes_ = classes
        return self

    def predict(self, X):
        return np.full(len(X), self.label)


@needs_disk
def test_predictions_of_many_models_do_not_add_up_in_memory(mapped):
    n_rows, n_models = 100_000, 20
    X, y = np.zeros((n_rows, 1), dtype=np.float32), np.arange(n_rows) % 2
    model = ChunkedFit(Constant(), chunk_size=10_000, max_epochs=1, memory_limit="4MB")
    search = ChunkedSearchCV(
        model,
        {"estimator__label": np.arange(n_models) % 2},
        cv=[(np.arange(1_000), np.arange(n_rows))],
        scoring="accuracy",
        refit=False,
    )
    search.fit(X, y)  # which imports
    mapped.clear()
    tracemalloc.start()
    try:
        search.fit(X, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (search.cv_results_["mean_test_score"] == 0.5).all()
    # In the room of one megabyte is one of them. Some end before others begin.
    assert len(mapped) > n_models // 2
    assert peak < n_models * n_rows * 8 / 2


SCORERS = {
    "classes": (
        SGDClassifier("log_loss", random_state=0),
        ["accuracy", "neg_log_loss", "balanced_accuracy", "f1", "roc_auc"],
    ),
    "texts": (SGDClassifier(random_state=0), ["accuracy", "f1_macro"]),
    "numbers": (
        SGDRegressor(random_state=0),
        ["r2", "neg_mean_squared_error", "neg_max_error"],
    ),
}


@needs_disk
@pytest.mark.parametrize("kind", SCORERS)
def test_scores_are_those_of_scikit_learn(kind, mapped):
    X = RNG.normal(size=(300, 4))
    y = X[:, 0] + RNG.normal(size=300)
    y = {"classes": y > 0, "texts": np.where(y > 0, "yes", "no")}.get(kind, y)
    estimator, scoring = SCORERS[kind]
    model = ChunkedFit(estimator, chunk_size=50, max_epochs=1, memory_limit="8kB")
    given = {"scoring": scoring, "refit": scoring[0], "cv": KFold(3)}
    grid = {"estimator__alpha": [1e-4, 1e-2, 1.0]}
    one = ChunkedSearchCV(model, grid, return_train_score=True, **given).fit(X, y)
    n_mapped = len(mapped)
    rows = open_rows(X), open_rows(y)
    other = GridSearchCV(model, grid, return_train_score=True, **given).fit(*rows)
    assert_same_search(one, other)
    assert n_mapped > 0
    assert len(mapped) == n_mapped  # of fits that run by themselves none is in a file


@needs_disk
def test_predictions_that_widen_and_are_returned(mapped):
    class Widens(Constant):
        def predict(self, X):
            return super().predict(X).astype("i8" if X[0, 0] > 20 else "i4")

    X, y = np.arange(120.0)[:, None], np.arange(120) % 2
    model = ChunkedFit(Widens(1), chunk_size=10, max_epochs=1, memory_limit="2kB")
    found = cross_val_predict(model, X, y, cv=KFold(3))
    np.testing.assert_array_equal(found, np.ones(120))
    assert found.dtype == np.int64
    assert mapped


@pytest.mark.parametrize(
    ("name", "value"),
    [("is_in_memory", True), ("is_in_memory", None), ("posix_fallocate", OSError)],
)
def test_without_a_disk_they_are_in_memory(name, value, monkeypatch):
    def answer(*given):
        if value is OSError:
            raise OSError("the disk is full")
        return value

    where = skmmap.disk.scratch if name == "is_in_memory" else skmmap.disk.scratch.os
    monkeypatch.setattr(where, name, answer, raising=False)
    assert map_scratch((3,), float) is None


@needs_disk
def test_an_array_in_a_file():
    made = map_scratch((3, 2), "<U3")
    assert made.shape == (3, 2)
    made[...] = "abc"
    assert (made == "abc").all()
    assert map_scratch((3,), object) is None
    assert map_scratch((0,), float) is None


def test_the_room_of_results():
    room = Results(100)
    first, second = np.empty(200, np.uint8), np.empty(90, np.uint8)
    assert room.take(first)  # the only one
    assert not room.take(second)
    gone = weakref.ref(first)
    del first
    assert gone() is None
    assert room.take(second)
    assert room.take(np.empty(5, np.uint8))  # which is let go at once
    third = np.empty(10, np.uint8)
    assert room.take(third)
    assert not room.take(np.empty(1, np.uint8))
