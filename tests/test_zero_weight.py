"""Rows that weigh nothing are learned from as ``fit`` learns from them, in any chunk.

The oracle is the estimator's own ``fit`` on the whole.
"""

import numpy as np
import pytest
from helpers import name_of, state_of
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import Perceptron, SGDClassifier, SGDOneClassSVM, SGDRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import CategoricalNB
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit
from skmmap.wrap.meta_estimators import iter_fitted

# Whole numbers, so that a perceptron often is at 0 exactly.
X = np.random.default_rng(0).integers(-2, 3, (90, 4)).astype(float)
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
# The first chunks, one between, and the last one weigh nothing.
WEIGHTS = np.repeat([0.0, 0.0, 1.0, 0.0, 2.0, 0.0], 15)
STEPS = {"shuffle": False, "max_iter": 2, "tol": None, "random_state": 0}
ESTIMATORS = [
    SGDClassifier(**STEPS),
    SGDClassifier(average=True, learning_rate="invscaling", eta0=0.1, **STEPS),
    SGDClassifier(average=40, class_weight={0: 2}, **STEPS),
    Perceptron(**STEPS),
    Perceptron(penalty="l2", **STEPS),
    SGDRegressor(**STEPS),
    SGDRegressor(average=True, **STEPS),
    SGDOneClassSVM(**STEPS),
    StandardScaler(with_mean=False, with_std=False),
    StandardScaler(),
    CategoricalNB(),
]
NAMES = "coef_", "intercept_", "offset_", "t_", "n_samples_seen_", "mean_", "var_"


def make_rows(estimator):
    if not isinstance(estimator, CategoricalNB):
        return X
    rows = X + 2
    rows[0, 0] = 7  # which only this row has
    return rows


def find_learned(estimator) -> dict:
    found = {name: vars(estimator).get(name) for name in NAMES}
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=name_of)
def test_all_rows_count_as_in_fit(estimator, dtype):
    rows = make_rows(estimator).astype(dtype)
    model = ChunkedFit(estimator, chunk_size=15).fit(rows, Y, sample_weight=WEIGHTS)
    found, estimator = model.estimator_, clone(estimator)
    estimator.fit(rows, Y, sample_weight=WEIGHTS)
    for name, value in find_learned(estimator).items():
        rtol = 1e-9 if dtype == np.float64 else 1e-3
        np.testing.assert_allclose(getattr(found, name), value, rtol, err_msg=name)
    if hasattr(estimator, "predict_proba"):
        np.testing.assert_allclose(
            model.predict_proba(rows), estimator.predict_proba(rows), rtol=1e-5
        )


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (OneVsRestClassifier(SGDClassifier(**STEPS)), X[:, 0].astype(int)),
        (MultiOutputRegressor(SGDRegressor(**STEPS)), X[:, :2]),
    ],
    ids=["rest", "outputs"],
)
def test_members_count_all_rows(estimator, y):
    with config_context(enable_metadata_routing=True):
        estimator.estimator.set_partial_fit_request(sample_weight=True)
        model = ChunkedFit(estimator, chunk_size=15).fit(X, y, sample_weight=WEIGHTS)
    assert {member.t_ for member in iter_fitted(model.estimator_)} == {181.0}


def test_a_perceptron_learns_from_the_first_row_that_weighs():
    """It is at 0 then, and learns whichever side the row is on."""
    weights = np.r_[np.zeros(30), 1.0]
    model = ChunkedFit(Perceptron(**STEPS), chunk_size=15, max_epochs=1)
    model.fit(X[:31], Y[:31], sample_weight=weights)
    assert np.abs(model.coef_[0]).tolist() == np.abs(X[30]).tolist()


@pytest.mark.parametrize("estimator", ESTIMATORS[:8], ids=name_of)
def test_the_loop_that_is_written_out_leaves_them_out(estimator):
    how = {"chunk_size": 15, "shuffle": False, "max_epochs": 1}
    model = ChunkedFit(estimator, **how).fit(X, Y, sample_weight=WEIGHTS)
    kept = WEIGHTS > 0
    other = ChunkedFit(estimator, **how)
    other.fit(X[kept], Y[kept], sample_weight=WEIGHTS[kept])
    assert state_of(model.estimator_) == state_of(other.estimator_)


def test_parts_of_a_file_count_their_rows():
    scaler = StandardScaler(with_mean=False, with_std=False)
    model = ChunkedFit(scaler, chunk_size=15, n_jobs=2).fit(X, sample_weight=WEIGHTS)
    assert model.n_samples_seen_ == 90
