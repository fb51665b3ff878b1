"""Inspection and the displays of scikit-learn, on Rows as on arrays."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.calibration import CalibrationDisplay
from sklearn.inspection import (
    DecisionBoundaryDisplay,
    PartialDependenceDisplay,
    partial_dependence,
    permutation_importance,
)
from sklearn.linear_model import SGDRegressor
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    DetCurveDisplay,
    PrecisionRecallDisplay,
    PredictionErrorDisplay,
    RocCurveDisplay,
)
from sklearn.model_selection import LearningCurveDisplay, ValidationCurveDisplay
from sklearn.naive_bayes import GaussianNB

from skmmap import ChunkedFit, open_rows

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 2))
LABELS = (X[:, 0] + RNG.normal(size=300) > 0).astype(int)
REAL = X @ [1.0, 2.0] + RNG.normal(size=300)
WEIGHTS = {"sample_weight": RNG.random(300)}
RANGE = {"param_name": "estimator__var_smoothing", "param_range": [1e-9, 1e-1]}


@pytest.fixture(autouse=True)
def figures():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def classifier():
    return ChunkedFit(GaussianNB(), chunk_size=50).fit(X, LABELS)


@pytest.fixture(scope="module")
def regressor():
    return ChunkedFit(SGDRegressor(random_state=0), chunk_size=50).fit(X, REAL)


@pytest.fixture(params=["all rows", "a shuffled selection"])
def on_disk(request, tmp_path):
    """Return a function that saves some arrays, and their rows as an array and Rows."""
    picked = slice(None)
    if request.param != "all rows":
        picked = np.random.default_rng(1).permutation(300)[:200]

    def make(*arrays):
        made = []
        for number, array in enumerate(arrays):
            np.save(tmp_path / f"{number}.npy", array)
            rows = open_rows(tmp_path / f"{number}.npy")[picked]
            made.append((array[picked], rows))
        return zip(*made, strict=True)

    return make


def _depend(model, X, y, **options):
    found = partial_dependence(model, X, [1, 0], grid_resolution=5, **options)
    return [*found["grid_values"], found["average"]]


OF_CLASSES = {
    "partial_dependence": _depend,
    "partial_dependence of method": lambda m, X, y: _depend(
        m, X, y, response_method="predict_proba", percentiles=(0.1, 0.8)
    ),
    "PartialDependenceDisplay": lambda m, X, y: [
        PartialDependenceDisplay.from_estimator(
            m, X, [0, (0, 1)], grid_resolution=5
        ).pd_results[1]["average"]
    ],
    "DecisionBoundaryDisplay": lambda m, X, y: [
        DecisionBoundaryDisplay.from_estimator(m, X, grid_resolution=10).response
    ],
    "ConfusionMatrixDisplay": lambda m, X, y: [
        ConfusionMatrixDisplay.from_estimator(m, X, y).confusion_matrix
    ],
    "RocCurveDisplay": lambda m, X, y: [RocCurveDisplay.from_estimator(m, X, y).tpr],
    "PrecisionRecallDisplay": lambda m, X, y: [
        PrecisionRecallDisplay.from_estimator(m, X, y).precision
    ],
    "DetCurveDisplay": lambda m, X, y: [DetCurveDisplay.from_estimator(m, X, y).fpr],
    "CalibrationDisplay": lambda m, X, y: [
        CalibrationDisplay.from_estimator(m, X, y).prob_true
    ],
    "LearningCurveDisplay": lambda m, X, y: [
        LearningCurveDisplay.from_estimator(m, X, y, cv=3).test_scores
    ],
    "ValidationCurveDisplay": lambda m, X, y: [
        ValidationCurveDisplay.from_estimator(m, X, y, cv=3, **RANGE).test_scores
    ],
    "permutation_importance": lambda m, X, y: [
        permutation_importance(m, X, y, random_state=0).importances
    ],
}
OF_NUMBERS = {
    "partial_dependence": _depend,
    "PartialDependenceDisplay": lambda m, X, y: [
        PartialDependenceDisplay.from_estimator(
            m, X, [0], kind="both", subsample=20, random_state=0, grid_resolution=5
        ).pd_results[0]["individual"]
    ],
    "PredictionErrorDisplay": lambda m, X, y: [
        PredictionErrorDisplay.from_estimator(m, X, y)
        .scatter_.get_offsets()
        .filled(np.nan)
    ],
    "PredictionErrorDisplay of values": lambda m, X, y: [
        PredictionErrorDisplay.from_estimator(m, X, y, kind="actual_vs_predicted")
        .scatter_.get_offsets()
        .filled(np.nan)
    ],
}


def assert_same(show, model, arrays, rows):
    expected, got = show(model, *arrays), show(model, *rows)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_of_classes(name, classifier, on_disk):
    assert_same(OF_CLASSES[name], classifier, *on_disk(X, LABELS))


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_of_numbers(name, regressor, on_disk):
    assert_same(OF_NUMBERS[name], regressor, *on_disk(X, REAL))


def test_with_weights(classifier, on_disk):
    (array, weights), (rows, lazy) = on_disk(X, WEIGHTS["sample_weight"])
    expected = _depend(classifier, array, None, sample_weight=weights)
    got = _depend(classifier, rows, None, sample_weight=lazy)
    np.testing.assert_allclose(got[-1], expected[-1], rtol=1e-12)


FRAMES = {
    "pandas": lambda: pd.DataFrame(X, columns=["a", "b"]),
    "polars": lambda: pl.DataFrame(X, schema=["a", "b"]),
    "list": X.tolist,
    "parquet": lambda: pd.DataFrame(X, columns=["a", "b"]).to_parquet("X.parquet"),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.parametrize("kind", FRAMES)
def test_frames_and_lists(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = FRAMES[kind]()
    rows = open_rows("X.parquet" if made is None else made)
    model, few = ChunkedFit(GaussianNB()).fit(rows, LABELS), slice(0, 300, 10)
    assert_same(_depend, model, (X[few], None), (rows[few], None))
    if kind == "list":
        return
    display = PartialDependenceDisplay.from_estimator(
        model, rows[few], ["b"], grid_resolution=3
    )
    assert display.axes_[0, 0].get_xlabel() == "b"
    display = DecisionBoundaryDisplay.from_estimator(
        model, rows[few], grid_resolution=3
    )
    assert display.ax_.get_xlabel() == "a"
