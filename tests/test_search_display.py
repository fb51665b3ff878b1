"""What the models of a search have recorded, and the picture of it."""

import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers import raises
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.naive_bayes import GaussianNB

from skmmap import ChunkedFit, ChunkedSearchCV, SearchHistoryDisplay, open_rows

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 3))
y = (X[:, 0] + rng.normal(size=300) > 0).astype(int)
SGD = SGDClassifier(random_state=0, max_iter=8, early_stopping=True)
MODEL = ChunkedFit(SGD, chunk_size=50)
ALPHA = "estimator__alpha"
ALPHAS = [1e-4, 1e-2, 0.1, 1.0]

show = SearchHistoryDisplay.from_estimator
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def figures():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def search():
    with warnings.catch_warnings(action="ignore"):
        return ChunkedSearchCV(MODEL, {ALPHA: ALPHAS}, cv=3, n_jobs=2).fit(X, y)


@pytest.fixture(scope="module")
def halving():
    model = ChunkedFit(SGDClassifier(random_state=0, tol=None), chunk_size=50)
    given = {"strategy": "halving", "factor": 2, "max_resources": 4, "cv": 2}
    return ChunkedSearchCV(model, {ALPHA: ALPHAS}, **given).fit(X, y)


def get_line(line):
    return [np.asarray(values) for values in line.get_data()]


def test_histories_are_those_of_the_models(search):
    assert np.shape(search.histories_) == (4, 3)
    rows = open_rows(X), open_rows(y)
    for alpha, folds in zip(ALPHAS, search.histories_, strict=True):
        model = ChunkedFit(SGD, chunk_size=50).set_params(**{ALPHA: alpha})
        fitted = cross_validate(model, *rows, cv=3, return_estimator=True)["estimator"]
        for own, expected in zip(folds, fitted, strict=True):
            assert own.keys() == expected.history_.keys()
            for key in ("rows", "loss", "score"):
                np.testing.assert_array_equal(own[key], expected.history_[key])


def test_histories_of_rounds_go_on(halving):
    assert halving.n_candidates_ == [4, 2, 1]
    made = [[len(fold["loss"]) for fold in folds] for folds in halving.histories_]
    assert made == [[1, 1]] * 4 + [[2, 2]] * 2 + [[4, 4]]


def test_a_model_that_cannot_be_fitted_has_none():
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-fin"):
        grid = ChunkedSearchCV(MODEL, {ALPHA: [1e-4, -1.0]}, cv=2).fit(X, y)
    assert [[fold is None for fold in folds] for folds in grid.histories_] == [
        [False, False],
        [True, True],
    ]
    display = show(grid)
    assert [len(get_line(line)[0]) > 0 for line in display.lines_["score"]] == [
        True,
        False,
    ]


def test_what_is_drawn(search):
    display = show(search, n_best=2)
    order = np.argsort(search.cv_results_["rank_test_score"], kind="stable")
    assert order[0] == search.best_index_
    assert list(display.axes_) == list(display.lines_) == ["loss", "score"]
    for key, lines in display.lines_.items():
        for i, line in zip(order, lines, strict=True):
            folds = [fold[key] for fold in search.histories_[i]]
            n_epochs = min(map(len, folds))
            epochs, values = get_line(line)
            np.testing.assert_array_equal(epochs, np.arange(n_epochs) + 1)
            mean = np.mean([fold[:n_epochs] for fold in folds], axis=0)
            np.testing.assert_array_equal(values, mean)
    texts = display.axes_["loss"].get_legend().get_texts()
    names = [f"alpha={ALPHAS[i]:.3g}" for i in order[:2]]
    assert [text.get_text() for text in texts] == [*names, "2 others"]
    colors = [line.get_color() for line in display.lines_["loss"]]
    assert colors == ["C0", "C1", "0.8", "0.8"]
    labels = [axes.get_ylabel() for axes in display.axes_.values()]
    assert labels == ["Training loss", "Score on held-out rows"]
    assert [axes.get_xlabel() for axes in display.axes_.values()] == ["", "Epoch"]
    assert display.figure_.axes == [*display.axes_.values()]


def test_test_scores_of_rounds(halving):
    display = show(halving)
    assert list(display.axes_) == ["test_score"]
    results, lines = halving.cv_results_, display.lines_["test_score"]
    epochs, values = get_line(lines[0])
    np.testing.assert_array_equal(epochs, [1, 2, 4])
    best = halving.best_params_[ALPHA]
    places = [i for i, p in enumerate(results["params"]) if p[ALPHA] == best]
    np.testing.assert_array_equal(values, results["mean_test_score"][places])
    assert [len(get_line(line)[0]) for line in lines] == [3, 2, 1, 1]
    texts = display.axes_["test_score"].get_legend().get_texts()
    assert texts[0].get_text() == f"alpha={best:.3g}"


def test_axes_that_are_given_and_styles(search):
    figure, ax = plt.subplots()
    display = show(search, ax=ax, linestyle="--", marker="x")
    assert display.axes_ == {"loss": ax}
    assert display.figure_ is figure
    assert {line.get_linestyle() for line in display.lines_["loss"]} == {"--"}
    again = show(search, ax=show(search).axes_)
    assert list(again.axes_) == ["loss", "score"]
    _, axes = plt.subplots(3)
    text = "ax has 3 Axes, and there are 2 plots: loss, score."
    with raises(ValueError, text):
        show(search, ax=axes)


@pytest.mark.parametrize(("losses", "scale"), [([1, 30], "log"), ([1, 9], "linear")])
def test_the_scale_of_the_loss(losses, scale):
    made = [[{"loss": [loss, loss], "score": [np.nan] * 2}] for loss in losses]
    display = SearchHistoryDisplay(histories=made, names=["a", "b"]).plot()
    assert display.axes_["loss"].get_yscale() == scale
    assert list(display.axes_) == ["loss"]


def test_the_order_of_several_scores():
    given = {"scoring": ["accuracy", "neg_log_loss"], "refit": False, "cv": 2}
    model = ChunkedFit(GaussianNB(), max_epochs=2, chunk_size=50)
    grid = {"estimator__var_smoothing": [1e-9, 10.0], "max_epochs": [1, 2]}
    search = ChunkedSearchCV(model, grid, **given).fit(X, y)
    for folds in search.histories_:  # as of an estimator that reports a loss
        for fold in folds:
            fold["loss"] = [1.0] * len(fold["loss"])
    for name in (None, "accuracy", "neg_log_loss"):
        ranks = search.cv_results_[f"rank_test_{name or 'accuracy'}"]
        best = search.cv_results_["params"][np.argmin(ranks)]
        texts = show(search, score_name=name).axes_["loss"].get_legend().get_texts()
        assert texts[0].get_text() == (
            f"var_smoothing={best['estimator__var_smoothing']:.3g}, "
            f"max_epochs={best['max_epochs']}"
        )
    text = (
        "score_name='recall' is no score of the search, which has 'accuracy', "
        "'neg_log_loss'."
    )
    with raises(ValueError, text):
        show(search, score_name="recall")


def test_the_one_that_was_chosen_comes_first():
    grid, own = {ALPHA: ALPHAS[::3]}, {"refit": lambda results: 1, "cv": 2}
    search = ChunkedSearchCV(MODEL, grid, **own).fit(X, y)
    assert search.cv_results_["rank_test_score"][1] == 2
    assert show(search).lines_["loss"][0].get_label() == "alpha=1"


def test_what_is_refused():
    search = ChunkedSearchCV(ChunkedFit(GaussianNB()), {"max_epochs": [1, 2]}, cv=2)
    with pytest.raises(NotFittedError, match="ChunkedSearchCV"):
        show(search)
    text = (
        "histories_ have neither a loss nor a score to plot. A loss is recorded if the "
        "estimator reports one or stops by one; early_stopping=True of the estimator "
        "holds out rows, and records a score."
    )
    with raises(ValueError, text):
        show(search.fit(X, y))
    other = GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9]}, cv=2).fit(X, y)
    text = (
        "SearchHistoryDisplay needs a ChunkedSearchCV with histories_, which fit "
        f"records; got {other!r}."
    )
    with raises(ValueError, text):
        show(other)


def test_without_matplotlib(search, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    text = (
        "SearchHistoryDisplay needs matplotlib, which is not installed. Run pip "
        "install 'skmmap[plot]'."
    )
    with raises(ImportError, text):
        show(search)
