"""Ctrl-C during ``fit``: the epochs that are complete are kept, and nothing else."""

import os
import pickle
import re
import signal
import subprocess
import sys
import threading
from copy import deepcopy
from math import inf

import numpy as np
import pytest
from helpers import Listener, Recorder, needs_sklearn_1_9, state_of
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import MiniBatchDictionaryLearning
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

import skmmap.learn.interrupt
from skmmap import ChunkedFit
from skmmap.learn.interrupt import Kept, hearing_interrupts, may_catch_interrupts

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 5))
Y = (X[:, 0] + RNG.normal(size=100) > 0).astype(int)

TOLD = (
    "{method} was interrupted in epoch {next} of {most}. The model is fitted; "
    "complete epochs: {n} (n_epochs_, history_){part}. {how}; fit starts anew."
)
PART = ", and a part of the next one, before which no copy was kept"
ONE = "partial_fit(X, y) continues, one epoch per call"
REST = "set_params(max_epochs={}).partial_fit(X, y) continues with the rest"


def told(n, most, part="", *, method="fit", how=ONE) -> str:
    limit = f"at most {most}" if method == "fit" else most
    text = TOLD.format(method=method, next=n + 1, n=n, most=limit, part=part, how=how)
    return re.escape(text) + "$"


pytestmark = pytest.mark.usefixtures("as_in_a_terminal")


@pytest.fixture(autouse=True)
def copies_are_cheap(monkeypatch):
    """On a machine that is busy one may take longer than is allowed."""
    monkeypatch.setattr(skmmap.learn.interrupt, "_LEAST_SECONDS", 10.0)


class Interrupts:
    """Presses Ctrl-C before or after some call has learned."""

    at, calls, before = inf, 0, True

    def partial_fit(self, X, y=None, **params):
        kind = type(self)
        kind.calls += 1
        if kind.before and kind.calls > kind.at:
            signal.raise_signal(signal.SIGINT)
        super().partial_fit(X, y, **params)
        if not kind.before and kind.calls > kind.at:
            signal.raise_signal(signal.SIGINT)
        return self


class Linear(Interrupts, SGDClassifier):
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        return super().partial_fit(X, y, classes=classes)


class Scaler(Interrupts, StandardScaler):
    def partial_fit(self, X, y=None):
        return super().partial_fit(X)


@pytest.fixture
def after(monkeypatch):
    """Return what sets after how many calls Ctrl-C is pressed."""

    def set_it(kind, calls, *, before=True):
        monkeypatch.setattr(kind, "at", calls)
        monkeypatch.setattr(kind, "calls", 0)
        monkeypatch.setattr(kind, "before", before)

    return set_it


SGD = {"max_iter": 6, "tol": None, "random_state": 0}


def interrupt(model, n_epochs, most=6, part="", *, how=ONE, method="fit", **given):
    text = told(n_epochs, most, part, how=how, method=method)
    with pytest.warns(UserWarning, match=text), pytest.raises(KeyboardInterrupt):
        getattr(model, method)(X, Y, **given)
    return model


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("shuffle", [False, "blocks", "chunks"])
@pytest.mark.parametrize(("n_epochs", "n_chunks"), [(1, 0), (3, 0), (3, 2), (5, 3)])
def test_complete_epochs_are_kept(after, n_epochs, n_chunks, shuffle, before):
    """Of four chunks each; whatever was learned of the next one is not in the model."""
    model = ChunkedFit(Linear(**SGD), chunk_size=25, shuffle=shuffle)
    expected = clone(model).set_params(max_epochs=n_epochs).fit(X, Y)
    after(Linear, 4 * n_epochs + n_chunks, before=before)
    interrupt(model, n_epochs)
    after(Linear, inf)
    assert model.n_epochs_ == n_epochs
    assert all(len(column) == n_epochs for column in model.history_.values())
    assert model.history_["rows"] == [100] * n_epochs
    assert model.random_state_ == 0
    if not shuffle:
        # With a number of epochs it is the loop, which is left as it is.
        expected.estimator_.n_iter_ = n_epochs
    # The parameters are the user's again.
    assert state_of(model.estimator_) == state_of(expected.estimator_)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))
    # And it goes on as one that was trained so long.
    model.partial_fit(X, Y)
    expected.set_params(max_epochs="auto").partial_fit(X, Y)
    assert state_of(model.estimator_) == state_of(expected.estimator_)


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize(
    ("make", "calls"),
    [
        (lambda: ChunkedFit(Linear(**SGD), chunk_size=25), 3),
        (lambda: ChunkedFit(Scaler(), chunk_size=25), 3),
        (lambda: ChunkedFit(Scaler(), chunk_size=25, n_jobs=2), 0),
    ],
)
def test_without_a_complete_epoch_nothing_changes(after, make, calls, fitted):
    model = make()
    if fitted:
        model.fit(X, Y)
    before = pickle.dumps(vars(model))
    after(type(model.estimator), calls)
    with pytest.raises(KeyboardInterrupt):  # and no warning, which is an error here
        model.fit(X, Y)
    after(type(model.estimator), inf)
    assert pickle.dumps(vars(model)) == before
    if not fitted:
        with pytest.raises(NotFittedError):
            check_is_fitted(model)


def test_an_earlier_fit_is_replaced_by_complete_epochs_only(after):
    model = ChunkedFit(Linear(**SGD), chunk_size=25).fit(X, 1 - Y)
    after(Linear, 9)
    interrupt(model, 2)
    assert model.score(X, Y) > 0.5
    assert model.n_epochs_ == 2


def test_partial_fit_keeps_the_chunks_that_it_has_learned(after):
    model = ChunkedFit(Linear(**SGD), chunk_size=25, shuffle=False).fit(X, Y)
    before = model.t_
    after(Linear, 2)
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(X, Y)
    assert model.t_ == before + 50


@pytest.mark.parametrize("shuffle", [False, "blocks"])
@pytest.mark.parametrize("fitted", [False, True])
def test_partial_fit_keeps_complete_epochs_and_the_rest_is_told(after, fitted, shuffle):
    linear = Linear(class_weight="balanced", **SGD)
    model = ChunkedFit(linear, chunk_size=25, shuffle=shuffle, max_epochs=5)
    if fitted:
        model.fit(X, Y * (np.arange(100) % 2))  # of which fewer are 1
    expected = deepcopy(model).partial_fit(X, Y)
    after(Linear, 4 * 2 + 3)
    interrupt(model, 2, 5, method="partial_fit", how=REST.format(3))
    after(Linear, inf)
    n_before = 5 * fitted
    assert model.n_epochs_ == n_before + 2
    assert model.history_["rows"] == [100] * (n_before + 2)
    # What the warning says ends as if it had not been interrupted.
    model.set_params(max_epochs=3).partial_fit(X, Y)
    expected.estimator_.n_iter_ = model.n_iter_
    assert state_of(model.estimator_) == state_of(expected.estimator_)
    assert model.n_epochs_ == expected.n_epochs_


@pytest.mark.parametrize(
    ("params", "n_chunks"),
    # The penalty that is owed is no attribute of the estimator, but a correction.
    [(SGD, 4 * 4 + 1), (SGD | {"penalty": "l1", "alpha": 0.01}, 4 * 4 + 2)],
)
def test_what_is_told_of_a_number_of_epochs_ends_the_fit(params, n_chunks, after):
    model = ChunkedFit(Linear(**params), chunk_size=25, max_epochs=6)
    expected = clone(model).fit(X, Y)
    after(Linear, n_chunks)
    interrupt(model, 4, how=REST.format(2))
    after(Linear, inf)
    model.set_params(max_epochs=2).partial_fit(X, Y)
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    assert model.history_["rows"] == expected.history_["rows"]


class Regressor(Interrupts, SGDRegressor):
    def partial_fit(self, X, y, sample_weight=None):
        return super().partial_fit(X, y)


@pytest.mark.parametrize("is_last", [False, True])
def test_a_transformed_target_keeps_complete_epochs(after, is_last):
    """It has no partial_fit, which could continue."""
    meta = TransformedTargetRegressor(Regressor(**SGD), transformer=StandardScaler())
    estimator = make_pipeline(StandardScaler(), meta) if is_last else meta
    model = ChunkedFit(estimator, chunk_size=25)
    expected = clone(model).fit(X, X[:, 0] - X[:, 1])
    after(Regressor, 4 * 2 + 2)
    text = re.escape(
        TOLD.format(
            method="fit", next=3, most="at most 6", n=2, part="", how=""
        ).replace(". ; fit", ". fit")
    )
    with pytest.warns(UserWarning, match=text), pytest.raises(KeyboardInterrupt):
        model.fit(X, X[:, 0] - X[:, 1])
    after(Regressor, inf)
    assert (model.n_epochs_, model.history_["rows"]) == (2, [100, 100])
    assert model.predict(X).shape == (100,)
    assert not np.array_equal(model.predict(X), expected.predict(X))


class Dictionary(Interrupts, MiniBatchDictionaryLearning):
    def partial_fit(self, X, y=None):
        return super().partial_fit(X)


def test_of_a_step_before_the_last_nothing_is_kept_or_told(after):
    step = Dictionary(3, max_iter=6, batch_size=25, tol=0, max_no_improvement=None)
    model = ChunkedFit(make_pipeline(step, SGDClassifier()), random_state=0)
    after(Dictionary, 4 * 2 + 2)
    with pytest.raises(KeyboardInterrupt):  # and no warning, which is an error here
        model.fit(X, Y)
    assert Dictionary.calls == 11
    assert not hasattr(model, "estimator_")


@needs_sklearn_1_9
def test_after_the_last_epoch_nothing_is_left():
    class Late(Listener):
        def on_fit_task_end(self, estimator, context, **data):
            if context.task_name == "fit":
                signal.raise_signal(signal.SIGINT)

    model = ChunkedFit(Linear(**SGD), chunk_size=25, max_epochs=2)
    expected = clone(model).fit(X, Y)
    text = (
        "fit was interrupted after its last epoch. The model is fitted; complete "
        "epochs: 2 (n_epochs_, history_). fit starts anew."
    )
    with (
        pytest.warns(UserWarning, match=re.escape(text) + "$"),
        pytest.raises(KeyboardInterrupt),
    ):
        model.set_callbacks(Late()).fit(X, Y)
    assert state_of(model.estimator_) == state_of(expected.estimator_)


@pytest.mark.parametrize("limit", ["512MB", "4096B"])
def test_pipelines_keep_complete_epochs_of_partial_fit(after, limit):
    """With a copy, and without one, where the estimator stays the same object."""
    step = Linear(**SGD)
    params = {"chunk_size": 25, "shuffle": False, "memory_limit": limit}
    model = ChunkedFit(make_pipeline(StandardScaler(), step), max_epochs=3, **params)
    expected = deepcopy(model.fit(X, Y)).set_params(max_epochs=1)
    after(Linear, 4 * 1 + 2)
    part = {"part": PART} if limit == "4096B" else {}
    interrupt(model, 1, 3, method="partial_fit", how=REST.format(2), **part)
    after(Linear, inf)
    assert (model.n_epochs_, len(model.history_["rows"])) == (4, 4)
    if not part:
        expected.partial_fit(X, Y)
        np.testing.assert_array_equal(
            model.estimator_[-1].coef_, expected.estimator_[-1].coef_
        )


def test_names_of_columns_are_kept_with_complete_epochs(after):
    """They are hidden from the estimator while it is trained, and its copy made."""
    pd, names = pytest.importorskip("pandas"), ["a", "b", "c", "d", "e"]
    model = ChunkedFit(Linear(**SGD), chunk_size=25, max_epochs=3)
    model.fit(pd.DataFrame(X, columns=names), Y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        expected = deepcopy(model).set_params(max_epochs=1).partial_fit(X, Y)
    after(Linear, 4 * 1 + 2)
    with (
        pytest.warns(UserWarning, match="does not have valid feature names"),
        pytest.warns(UserWarning, match="interrupted in epoch 2 of 3"),
        pytest.raises(KeyboardInterrupt),
    ):
        model.partial_fit(X, Y)
    assert list(model.feature_names_in_) == names
    assert state_of(model.estimator_) == state_of(expected.estimator_)


def test_the_best_epoch_on_held_out_rows_is_kept(after):
    model = ChunkedFit(Linear(**SGD), chunk_size=25, shuffle=False)
    given = {"X_val": X[:30], "y_val": Y[:30]}
    expected = clone(model).set_params(max_epochs=3).fit(X, Y, **given)
    assert np.argmax(expected.history_["score"]) < 2  # or the last one would do
    after(Linear, 14)
    interrupt(model, 3, **given)
    # With a number of epochs it is the loop, which is left as it is.
    expected.estimator_.n_iter_, expected.estimator_.t_ = 3, 301.0
    assert state_of(model.estimator_) == state_of(expected.estimator_)
    assert model.history_["score"] == expected.history_["score"]


def test_a_model_too_large_to_be_copied_has_a_part_of_the_next_epoch(after):
    # A copy takes a sixteenth of the limit at most, as a chunk does.
    model = ChunkedFit(Linear(**SGD), chunk_size=25, memory_limit="4096B")
    after(Linear, 10)
    interrupt(model, 2, part=PART)
    assert model.n_epochs_ == 2
    assert model.t_ == 251


def test_between_two_epochs_no_copy_is_needed():
    kept, model = Kept(most=10), SGDClassifier()
    kept.end_epoch(model, 1.0, is_last=False)
    assert kept.restore(model) == (model, False)
    kept.is_at_end = False
    assert kept.restore(model) == (model, True)


class Odd(Interrupts, Recorder):
    """Has learned what cannot be pickled."""

    def partial_fit(self, X, y=None):
        self.lock_ = threading.Lock()
        return super().partial_fit(X, y)


def test_what_cannot_be_pickled_has_a_part_of_the_next_epoch(after):
    model = ChunkedFit(Odd(), chunk_size=25, max_epochs=3)
    after(Odd, 6)
    interrupt(model, 1, most=3, part=PART, how=REST.format(2))
    assert len(model.calls_) == 6


class Slow:
    """Takes a second to be pickled."""

    def __init__(self, clock):
        self.clock = clock

    def __reduce__(self):
        self.clock.append(self.clock[-1] + 1.0)
        return Slow, ([0.0],)


def test_copies_take_a_small_part_of_the_time(monkeypatch):
    monkeypatch.setattr(skmmap.learn.interrupt, "_LEAST_SECONDS", 0.0)
    clock = [0.0]
    monkeypatch.setattr(skmmap.learn.interrupt.time, "perf_counter", lambda: clock[-1])
    kept, slow, copied = Kept(), Slow(clock), []
    for _ in range(500):
        kept.end_epoch(slow, 0.79, is_last=False)
        kept.is_at_end = False
        if not kept.restore(slow)[1]:
            copied.append(kept.n_epochs)
    assert copied == [1, 127, 254, 380]
    kept.end_epoch(slow, 1e9, is_last=True)
    assert len(clock) == 5


class Swallows(SGDRegressor):
    """Ends by itself when Ctrl-C is pressed, as some estimators do."""

    calls = 0

    def partial_fit(self, X, y, sample_weight=None):
        Swallows.calls += 1
        try:
            if Swallows.calls == 6:
                signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            return self
        return super().partial_fit(X, y)


def test_an_interrupt_that_the_estimator_keeps_to_itself_ends_the_fit():
    before = signal.getsignal(signal.SIGINT)
    model = interrupt(ChunkedFit(Swallows(**SGD), chunk_size=25), 1)
    assert Swallows.calls == 6
    assert model.t_ == 101
    assert signal.getsignal(signal.SIGINT) is before


class Loud(int):
    """Presses Ctrl-C where a network asks whether to print something."""

    def __bool__(self):
        signal.raise_signal(signal.SIGINT)
        return False


def test_networks_keep_it_to_themselves():
    """So does their fit; what it warns of is scikit-learn's."""
    network = MLPClassifier((3,), max_iter=4, verbose=Loud(1))
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        clone(network).partial_fit(X, Y, classes=[0, 1])
    model = ChunkedFit(network)
    with (
        pytest.warns(UserWarning, match="Training interrupted by user"),
        pytest.raises(KeyboardInterrupt),
    ):
        model.fit(X, Y)
    assert "estimator_" not in vars(model)


def test_handlers_are_set_for_what_may_catch_it():
    class Mine(SGDClassifier):
        pass

    for estimator in (SGDClassifier(), OneVsRestClassifier(SGDClassifier())):
        assert not may_catch_interrupts(estimator)
    network = MLPClassifier()
    for estimator in (network, OneVsRestClassifier(network), Mine(), Recorder()):
        assert may_catch_interrupts(estimator)


def test_handlers_of_others_are_asked_and_left(monkeypatch):
    asked = []
    own = signal.signal(signal.SIGINT, lambda *_: asked.append(1))
    try:
        mine = signal.getsignal(signal.SIGINT)
        with hearing_interrupts() as heard:
            os.kill(os.getpid(), signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        assert (len(asked), heard) == (2, [])
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, own)


def test_threads_have_no_handlers():
    seen = []

    def run():
        with hearing_interrupts() as heard:
            seen.append(heard)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [[]]


SCRIPT = """
import signal
import numpy as np
from sklearn.linear_model import SGDClassifier
from skmmap import ChunkedFit

X = np.random.default_rng(0).normal(size=(20_000, 20))
y = (X[:, 0] > 0).astype(int)
model = ChunkedFit(SGDClassifier(max_iter=10**6, tol=None), verbose=2)
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal
try:
    model.fit(X, y)
finally:
    print("kept", model.n_epochs_, len(model.history_["loss"]), model.score(X, y) > 0.9)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another process")
def test_a_script_that_is_interrupted_ends():
    command = [sys.executable, "-u", "-W", "always", "-c", SCRIPT]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        for line in process.stdout:
            if "epoch 3 " in line:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert process.returncode not in (0, None)
    kept = next(line for line in out.splitlines() if line.startswith("kept"))
    _, n_epochs, length, is_good = kept.split()
    assert n_epochs == length
    assert is_good == "True"
    assert f"complete epochs: {int(n_epochs):,} (n_epochs_" in err
    assert "KeyboardInterrupt" in err
