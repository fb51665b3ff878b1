"""What scikit-learn's callbacks are told: fit, its epochs, their chunks."""

import warnings

import numpy as np
import pytest
from helpers import Listener, in_file_order, state_of
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit

callback = pytest.importorskip("sklearn.callback", reason="needs scikit-learn 1.9")

X = np.random.default_rng(0).normal(size=(90, 4))
y = (X[:, 0] > 0).astype(int)
CHUNKS = [(0, 40), (40, 80), (80, 90)]


class FollowsInside(Listener):
    """Goes into the wrapped estimator as well, as progress bars do."""

    max_propagation_depth = None


def wrapper(**params):
    return in_file_order(SGDClassifier(random_state=0), chunk_size=40, **params)


def test_the_tree_of_tasks():
    listener = Listener()
    wrapper(max_epochs=2).set_callbacks(listener).fit(X, y)
    chunks = [
        (event, "chunk", i, stop - start)
        for i, (start, stop) in enumerate(CHUNKS)
        for event in ("begin", "end")
    ]
    expected = ["setup", ("begin", "fit", 0, 90)]
    for epoch in range(2):
        expected += [
            ("begin", "epoch", epoch, 90),
            *chunks,
            ("end", "epoch", epoch, 90),
        ]
    assert listener.events == [*expected, ("end", "fit", 0, 90), "teardown"]


@pytest.mark.parametrize("fitted", [False, True])
def test_partial_fit_is_a_task_of_its_own_with_all_its_epochs(fitted):
    """Numbered from 0 in each call, as the tree of another fit."""
    model, expected = wrapper(max_epochs=2), Listener()
    clone(model).set_callbacks(expected).fit(X, y)
    listener, counted = Listener(), []

    class Counts(Listener):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            counted.append((context.task_name, fitted_estimator.n_epochs_))

    model = model.fit(X, y) if fitted else model
    model.set_callbacks(listener, Counts()).partial_fit(X, y)
    assert listener.events == expected.events
    assert [task for task in counted if task[0] != "chunk"] == [
        ("epoch", 1 + 2 * fitted),
        ("epoch", 2 + 2 * fitted),
        ("fit", 2 + 2 * fitted),
    ]
    assert model.n_epochs_ == 2 + 2 * fitted


def test_models_that_a_listener_keeps_go_on_as_the_model_does():
    listener, rare = Listener(), (np.arange(90) % 5 == 0).astype(int)
    sgd = SGDClassifier(class_weight="balanced")
    model = ChunkedFit(sgd, chunk_size=40, max_epochs=2)
    model.set_callbacks(listener).fit(X, y)
    kept = listener.fitted
    assert kept.random_state_ == model.random_state_
    kept.partial_fit(X, rare), model.partial_fit(X, rare)
    assert state_of(kept.estimator_) == state_of(model.estimator_)
    assert kept.n_epochs_ == 4


def test_a_callback_can_stop_partial_fit():
    model = wrapper(max_epochs=3).fit(X, y).set_callbacks(Listener("epoch"))
    assert model.partial_fit(X, y).n_epochs_ == 4
    assert model.t_ == 1 + 4 * 90


def test_a_listener_changes_nothing_but_hears_of_a_working_model():
    listener = Listener()
    heard = wrapper().set_callbacks(listener).fit(X, y, sample_weight=np.ones(90))
    unheard = wrapper().fit(X, y, sample_weight=np.ones(90))
    assert state_of(heard.estimator_) == state_of(unheard.estimator_)
    assert len(listener.metadata["sample_weight"]) == 90
    assert listener.fitted is not heard
    np.testing.assert_array_equal(listener.fitted.predict(X), heard.predict(X))


def test_models_that_a_listener_keeps_are_not_trained_further():
    kept = []

    class Keeps(Listener):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            kept.append(fitted_estimator)

    wrapper().set_callbacks(Keeps()).fit(X, y)
    assert [model.t_ - 1 for model in kept] == [40, 80, 90, 90, 90]


def test_a_chunk_that_is_offered_twice_begins_once():
    listener = Listener()
    wrapper().set_callbacks(listener).fit(X.reshape(90, 2, 2), y)
    begun = [e for e in listener.events if e[0] == "begin" and e[1] == "chunk"]
    assert begun == [("begin", "chunk", i, b - a) for i, (a, b) in enumerate(CHUNKS)]


@pytest.mark.parametrize(("stop_at", "rows"), [("chunk", 40), ("epoch", 90)])
def test_a_callback_can_stop(stop_at, rows):
    stopped = wrapper(max_epochs=1).set_callbacks(Listener(stop_at)).fit(X, y)
    assert stopped.t_ == 1 + rows
    stopped = wrapper(max_epochs=3).set_callbacks(Listener("epoch")).fit(X, y)
    assert stopped.n_epochs_ == 1
    assert stopped.t_ == 91


def test_teardown_also_after_a_failure():
    listener = Listener()
    with pytest.raises(ValueError, match="NaN"):
        wrapper().set_callbacks(listener).fit(np.where(X > 2, np.nan, X), y)
    assert listener.events[-1] == "teardown"


def test_callbacks_reach_an_estimator_that_supports_them():
    listener = FollowsInside()
    scaler = ChunkedFit(StandardScaler(), chunk_size=40).set_callbacks(listener).fit(X)
    assert ("begin", "partial_fit", 0, 90) not in listener.events
    inside = [e for e in listener.events if e[0] == "begin" and e[1] == "fit"]
    assert len(inside) == 4  # the wrapper's own, and the scaler's for each chunk
    assert not hasattr(scaler.estimator_, "_skl_callbacks")
    assert not hasattr(scaler.estimator_, "_parent_callback_ctx")
    expected = ChunkedFit(StandardScaler(), chunk_size=40).fit(X)
    assert state_of(scaler.estimator_) == state_of(expected.estimator_)


def test_scoring_monitor():
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = wrapper(max_epochs=2).set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs().data
    by_task = {row["task_id_path"]: row["accuracy"] for row in log}
    assert set(by_task) == {
        (0,),
        *((0, epoch) for epoch in range(2)),
        *((0, epoch, chunk) for epoch in range(2) for chunk in range(3)),
    }
    assert by_task[(0,)] == model.score(X, y)
    first = wrapper().partial_fit(X[:40], y[:40])
    assert by_task[(0, 0, 0)] == first.score(X[:40], y[:40])


def test_progress_bar(capsys):
    wrapper(max_epochs=2).set_callbacks(callback.ProgressBar()).fit(X, y)
    assert "ChunkedFit - epoch #1" in capsys.readouterr().out


def test_callbacks_live_through_clone_search_and_partial_fit():
    listener = Listener()
    model = wrapper().set_callbacks(listener)
    clone(model).partial_fit(X, y)
    assert listener.events[-1] == "teardown"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GridSearchCV(model, {"max_epochs": [1, 2]}, cv=2).fit(X, y)


class Hooks:
    """Counts what it is told, in turn."""

    def __init__(self):
        self.calls = []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append("begin")

    def on_fit_task_end(self, estimator, context):
        self.calls.append("end")

    def teardown(self, estimator, context):
        self.calls.append("teardown")


@pytest.mark.parametrize("params", [{}, {"shuffle": False, "max_epochs": 2}])
@pytest.mark.parametrize("chunk_size", [10, 1000])
def test_callbacks_of_the_estimator_are_told_of_one_fit(chunk_size, params):
    hooks, expected = Hooks(), Hooks()
    X = np.random.default_rng(0).normal(size=(50, 3))
    StandardScaler().set_callbacks(expected).fit(X)
    scaler = StandardScaler().set_callbacks(hooks)
    model = ChunkedFit(scaler, chunk_size=chunk_size, **params).fit(X)
    assert hooks.calls == expected.calls == ["setup", "begin", "end", "teardown"]
    assert model.estimator_._skl_callbacks == [hooks]
    model.partial_fit(X)
    assert hooks.calls == 2 * expected.calls


def test_callbacks_of_the_estimator_are_torn_down_after_an_error():
    hooks = Hooks()
    X = np.random.default_rng(0).normal(size=(50, 3))
    X[30] = np.inf
    model = ChunkedFit(StandardScaler().set_callbacks(hooks), chunk_size=10)
    with pytest.raises(ValueError, match="infinity"):
        model.fit(X)
    assert hooks.calls == ["setup", "begin", "teardown"]
