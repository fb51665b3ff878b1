"""The picture of ``history_``: what is drawn, where, and what cannot be."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers import raises
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB

from skmmap import ChunkedFit, LearningHistoryDisplay

X = np.random.default_rng(0).normal(size=(200, 4))
y = (X[:, 0] > 0).astype(int)
show = LearningHistoryDisplay.from_estimator


@pytest.fixture(autouse=True)
def figures():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def model():
    estimator = SGDClassifier(random_state=0, early_stopping=True)
    return ChunkedFit(estimator, chunk_size=50).fit(X, y)


def test_what_is_drawn(model):
    display, history = show(model), model.history_
    epochs = np.arange(1, model.n_epochs_ + 1)
    waiting = 100 * np.divide(history["read_seconds"], history["seconds"])
    drawn = {"loss": history["loss"], "score": history["score"], "waiting": waiting}
    assert list(display.axes_) == list(display.lines_) == list(drawn)
    for name, values in drawn.items():
        x, y = display.lines_[name].get_data()
        np.testing.assert_array_equal(x, epochs)
        np.testing.assert_allclose(y, values)
    labels = [axes.get_ylabel() for axes in display.axes_.values()]
    assert labels == [
        "Training loss",
        "Score on held-out rows",
        "Waiting for data (%)",
    ]
    assert [axes.get_xlabel() for axes in display.axes_.values()] == ["", "", "Epoch"]
    assert display.figure_.axes == [*display.axes_.values()]
    (text,) = display.axes_["loss"].get_legend().get_texts()
    assert text.get_text() == "SGDClassifier"
    assert display.axes_["waiting"].get_ylim() == (0, 100)


def test_what_is_not_known_is_left_out(model):
    without_score = ChunkedFit(SGDClassifier(random_state=0)).fit(X, y)
    assert list(show(without_score).axes_) == ["loss", "waiting"]
    without_loss = ChunkedFit(GaussianNB()).fit(X, y, X_val=X, y_val=y)
    assert list(show(without_loss).axes_) == ["score", "waiting"]


def test_two_models_in_one_picture(model):
    display = show(model, name="a")
    other = show(model, ax=display.axes_, name="b", linestyle="--")
    assert other.axes_ == display.axes_
    assert len(plt.get_fignums()) == 1
    texts = display.axes_["loss"].get_legend().get_texts()
    assert [text.get_text() for text in texts] == ["a", "b"]
    assert other.lines_["score"].get_linestyle() == "--"


def test_axes_that_are_given(model):
    figure, ax = plt.subplots()
    display = show(model, ax=ax)
    assert display.axes_ == {"loss": ax}
    assert display.figure_ is figure
    assert ax.get_xlabel() == "Epoch"
    _, axes = plt.subplots(3)
    assert [*show(model, ax=axes).axes_.values()] == [*axes]


def test_plot_again(model):
    display = show(model)
    first = display.figure_
    assert display.plot(name="again") is display
    assert display.figure_ is not first
    unnamed = LearningHistoryDisplay(history=model.history_).plot()
    assert unnamed.axes_["loss"].get_legend() is None


def test_refusals(model, monkeypatch):
    with raises(
        ValueError, "ax has 4 Axes, and there are 3 plots: loss, score, waiting."
    ):
        show(model, ax=plt.subplots(4)[1])
    for ax, keys in (({"lost": None}, "'lost'"), ({}, "none")):
        with raises(
            ValueError,
            f"ax has no Axes for 'loss', 'score', 'waiting'; its keys are {keys}.",
        ):
            show(model, ax=ax)
    for history, missing in (
        ({}, "'loss', 'score', 'seconds', 'read_seconds'"),
        (model.history_.keys() - {"score"}, "'score'"),
    ):
        with raises(
            ValueError,
            "history must be the history_ of a fitted ChunkedFit; the given one has no "
            f"{missing}.",
        ):
            LearningHistoryDisplay(history={key: [1.0] for key in history}).plot()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        show(ChunkedFit(SGDClassifier()))
    with raises(
        ValueError,
        "LearningHistoryDisplay needs a ChunkedFit with a history_, which fit records; "
        "got GaussianNB().",
    ):
        show(GaussianNB().fit(X, y))
    for estimator in (GaussianNB(), SGDClassifier(max_iter=3, tol=None)):
        with raises(
            ValueError,
            "history_ has neither a loss nor a score to plot. A loss is recorded if "
            "the estimator reports one or stops by one; fit(X, y, X_val=..., "
            "y_val=...) records a score.",
        ):
            show(ChunkedFit(estimator).fit(X, y))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with raises(
        ImportError,
        "LearningHistoryDisplay needs matplotlib, which is not installed. Run pip "
        "install 'skmmap[plot]'.",
    ):
        show(model)
