"""scikit-learn's scorers on held-out rows: exact, and no pass more than is needed."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
from helpers import in_file_order
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import get_scorer, make_scorer, top_k_accuracy_score
from sklearn.model_selection import cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier

from skmmap import open_rows
from skmmap.apply import inference as _inference

RNG = np.random.default_rng(0)
X = RNG.standard_normal((1_200, 5))
TWO = (X[:, 0] + 0.5 * RNG.standard_normal(1_200) > 0).astype(int)
THREE = np.digitize(X[:, 0] + 0.5 * RNG.standard_normal(1_200), [-0.5, 0.5])
REAL = X @ np.arange(5.0) + RNG.standard_normal(1_200)

OF_TWO = [
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "f1",
    "f1_macro",
    "matthews_corrcoef",
    "neg_brier_score",
    "neg_log_loss",
    "roc_auc",
]
OF_THREE = ["f1_macro", "neg_log_loss", "roc_auc_ovr", "roc_auc_ovo_weighted"]
OF_REAL = ["neg_mean_absolute_error", "neg_median_absolute_error", "r2"]
WITHOUT_WEIGHTS = "neg_median_absolute_error", "roc_auc_ovo_weighted"
LOGISTIC = SGDClassifier(loss="log_loss", random_state=0)
CASES = (
    [(LOGISTIC, TWO, name) for name in OF_TWO]
    + [(GaussianNB(), TWO, name) for name in OF_TWO]
    + [(MLPClassifier((5,), random_state=0), THREE, name) for name in OF_THREE]
    + [(SGDRegressor(random_state=0), REAL, name) for name in OF_REAL]
)


@pytest.fixture(autouse=True)
def _nothing_left(nothing_left_open):
    """Every test ends with the files and threads that it began with."""


@pytest.fixture
def open_saved(tmp_path):
    """Return a function that saves an array and opens it as Rows."""

    def open_saved(name, array):
        np.save(tmp_path / f"{name}.npy", array)
        return open_rows(tmp_path / f"{name}.npy")

    return open_saved


@cache
def learn(name, n_jobs):
    """Return what a model has learned; once for all metrics."""
    model, y = next(case[:2] for case in CASES if repr(case[0]) == name)
    return in_file_order(model, chunk_size=70, n_jobs=n_jobs).fit(X, y)


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize(("model", "y", "scoring"), CASES)
def test_a_score_of_rows_is_that_of_arrays(model, y, scoring, n_jobs, open_saved):
    rows, targets = open_saved("X", X), open_saved("y", y)
    wrapper = learn(repr(model), n_jobs)
    scorer = get_scorer(scoring)
    held_out = np.sort(np.random.default_rng(1).permutation(1_200)[:700])
    expected = scorer(wrapper.estimator_, X[held_out], y[held_out])
    assert scorer(wrapper, rows[held_out], targets[held_out]) == expected
    weights = np.random.default_rng(2).random(700)
    if scoring not in WITHOUT_WEIGHTS:
        assert scorer(
            wrapper, rows[held_out], targets[held_out], sample_weight=weights
        ) == scorer(wrapper.estimator_, X[held_out], y[held_out], sample_weight=weights)


def test_a_scorer_of_ones_own(open_saved):
    rows, targets = open_saved("X", X), open_saved("y", THREE)
    wrapper = in_file_order(GaussianNB(), chunk_size=70).fit(rows, targets)
    scorer = make_scorer(top_k_accuracy_score, response_method="predict_proba", k=2)
    assert scorer(wrapper, rows, targets) == scorer(wrapper.estimator_, X, THREE)


def test_metrics_share_their_passes(open_saved, monkeypatch):
    """Nine metrics ask for three methods, each of which goes over the rows once."""
    rows, targets = open_saved("X", X), open_saved("y", TWO)
    passes, taken = Counter(), _inference.Work.iter_taken

    def count(work, *args):
        for start, stop, result in taken(work, *args):
            passes[work.method] += stop - start
            yield start, stop, result

    monkeypatch.setattr(_inference.Work, "iter_taken", count)
    wrapper = in_file_order(LOGISTIC, chunk_size=70)
    scores = cross_validate(wrapper, rows, targets, cv=3, scoring=OF_TWO)
    assert passes == {
        "predict": 1_200,
        "predict_proba": 1_200,
        "decision_function": 1_200,
    }
    bare = cross_validate(wrapper, X, TWO, cv=3, scoring=OF_TWO)
    for name in OF_TWO:
        assert scores[f"test_{name}"].tolist() == bare[f"test_{name}"].tolist()
