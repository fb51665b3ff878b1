"""Where training starts: ``warm_start``, ``coef_init``, estimators already trained.

The oracle is the bare estimator's own ``fit``, one epoch of it, on the same rows.
"""

import pickle
import warnings
from copy import deepcopy
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import Duck, name_of, partial_fit_estimators, raises, state_of
from scipy import sparse
from sklearn import linear_model
from sklearn.base import BaseEstimator, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import SGDClassifier, SGDOneClassSVM, SGDRegressor
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, merge

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

MLP = MLPClassifier, MLPRegressor
SGD = tuple(
    getattr(linear_model, name)
    for name in (
        "SGDClassifier",
        "SGDRegressor",
        "SGDOneClassSVM",
        "Perceptron",
        "PassiveAggressiveClassifier",
        "PassiveAggressiveRegressor",
    )
    if hasattr(linear_model, name)  # some leave scikit-learn with version 1.10
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5))
BINARY = (X[:, 0] > 0).astype(int)
LABELS = RNG.integers(0, 3, 120)
NUMBERS = X @ np.arange(5.0) + RNG.normal(size=120)

WARM = [
    estimator
    for estimator in partial_fit_estimators()
    if "warm_start" in estimator.get_params(deep=False)
]


def targets(estimator) -> list:
    """Return the kinds of y that the estimator takes."""
    if isinstance(estimator, SGDOneClassSVM):
        return [None]
    if "Regressor" in name_of(estimator):
        several = np.column_stack([NUMBERS, NUMBERS[::-1]])
        return [NUMBERS, *([several] if isinstance(estimator, MLP) else [])]
    several = np.column_stack([BINARY, BINARY[::-1]])
    texts = np.array(["a", "b", "c"])[LABELS]
    return [BINARY, LABELS, texts, *([several] if isinstance(estimator, MLP) else [])]


def one_epoch(estimator, **params):
    """Return the estimator set to one epoch in file order."""
    given = {"max_iter": 1, "shuffle": False, "random_state": 0} | params
    return deepcopy(estimator).set_params(**given)


def averages(estimator) -> list:
    """Return the ways in which the estimator can keep its coefficients."""
    can = "average" in estimator.get_params()
    return [{"average": value} for value in (False, True, 9)] if can else [{}]


CASES = [
    pytest.param(estimator, average, y, id=f"{name_of(estimator)}-{average}-{number}")
    for estimator in WARM
    for average in averages(estimator)
    for number, y in enumerate(targets(estimator))
]


def fit(estimator, rows, y, **given):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one epoch does not converge
        return estimator.fit(rows, *(() if y is None else (y,)), **given)


def learned(estimator) -> dict:
    names = "coef_", "intercept_", "offset_", "coefs_", "intercepts_", "t_"
    found = vars(estimator)
    return {name: state_of(found[name]) for name in names if name in found}


def test_these_are_all_that_can_start_where_they_were():
    assert {name_of(estimator) for estimator in WARM} == {
        kind.__name__ for kind in SGD + MLP
    }


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("estimator", "average", "y"), CASES)
def test_warm_start_goes_on_as_the_own_fit_does(estimator, average, y, dtype):
    rows, estimator = X.astype(dtype), one_epoch(estimator, **average)
    bare = fit(one_epoch(estimator, max_iter=3, tol=0.0), rows, y)
    bare.set_params(max_iter=1, warm_start=True)
    before = state_of(bare)
    # One that is given trained, and one that the wrapper has trained.
    given = ChunkedFit(bare, chunk_size=200)
    own = fit(ChunkedFit(one_epoch(estimator, max_iter=3, tol=0.0)), rows, y)
    own.set_params(estimator__max_iter=1, estimator__warm_start=True)
    fit(given, rows, y), fit(own, rows, y)
    assert state_of(bare) == before
    expected = learned(fit(deepcopy(bare), rows, y))
    assert learned(given.estimator_) == expected
    assert given.estimator_.get_params() == bare.get_params()
    cold = fit(one_epoch(estimator), rows, y)
    assert learned(cold) != expected
    assert learned(own.estimator_) != learned(cold)


@pytest.mark.parametrize("kind", MLP)
def test_a_warm_network_goes_on_with_its_curve_and_a_new_optimizer(kind):
    network = kind(
        hidden_layer_sizes=(4,),
        max_iter=3,
        random_state=0,
        shuffle=False,
        warm_start=True,
    )
    bare = fit(network, X, BINARY)
    model = ChunkedFit(deepcopy(bare), max_epochs=2, chunk_size=200)
    fit(model, X, BINARY)
    fit(bare.set_params(max_iter=2), X, BINARY)
    assert model.estimator_.loss_curve_ == bare.loss_curve_
    assert learned(model.estimator_) == learned(bare)


def test_a_warm_network_takes_chunks_without_some_class():
    """Its ``partial_fit`` refuses them with ``warm_start=True``."""
    y = np.sort(LABELS)
    network = MLPClassifier((4,), warm_start=True, max_iter=2, random_state=0)
    model = ChunkedFit(network, chunk_size=10, shuffle=False)
    fit(fit(model, X, y), X, y)
    assert model.estimator_.warm_start is True


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("estimator", "average", "y"),
    [case for case in CASES if isinstance(case.values[0], SGD)],
)
def test_coefficients_that_are_given_are_where_training_starts(
    estimator, average, y, dtype
):
    rows, estimator = X.astype(dtype), one_epoch(estimator, **average)
    shape = (3, 5) if y is not None and len(np.unique(y)) == 3 else (1, 5)
    coef, intercept = RNG.normal(size=shape).astype(dtype), RNG.normal(size=shape[0])
    if name_of(estimator) != "SGDClassifier":
        coef = coef.squeeze()
    is_one_class = isinstance(estimator, SGDOneClassSVM)
    second = "offset_init" if is_one_class else "intercept_init"
    make = partial(dict, [("coef_init", coef.copy()), (second, intercept.copy())])
    expected = fit(deepcopy(estimator), rows, y, **make())
    given = {"coef_init": coef, second: intercept}
    copies = deepcopy(given)
    model = fit(ChunkedFit(estimator, chunk_size=200), rows, y, **given)
    assert learned(model.estimator_) == learned(expected)
    assert learned(expected) != learned(fit(deepcopy(estimator), rows, y))
    # scikit-learn itself trains in the array of the caller.
    assert state_of(list(given.values())) == state_of(list(copies.values()))


ROWS = [
    pd.DataFrame(X, columns=list("abcde")),
    pl.DataFrame(X, schema=list("abcde")),
    sparse.csr_array(X),
    X.tolist(),
    X.reshape(120, 5, 1),
    (X * 9).astype(np.int8),
]


@pytest.mark.parametrize("rows", ROWS, ids=lambda rows: type(rows).__name__)
@pytest.mark.parametrize(
    ("estimator", "y"),
    [(SGDClassifier(), LABELS), (SGDRegressor(), NUMBERS), (MLPRegressor(), NUMBERS)],
    ids=["SGDClassifier", "SGDRegressor", "MLPRegressor"],
)
def test_rows_of_every_kind_are_where_a_start_can_be(rows, estimator, y):
    """Names of features are kept, and asked for, as without a start."""
    given = {}
    if not isinstance(estimator, MLP):
        given = {"coef_init": np.ones((3, 5) if y is LABELS else 5)}
    estimator = one_epoch(estimator, warm_start=True, max_iter=2)
    model = ChunkedFit(estimator, chunk_size=50)
    fit(fit(model, rows, y, **given), rows, y)
    names = getattr(model.estimator_, "feature_names_in_", None)
    assert (names is None) == (not hasattr(rows, "columns"))
    assert model.predict(rows).shape == (120,)


@pytest.mark.parametrize(
    ("estimator", "y", "given"),
    [
        (SGDClassifier(), BINARY, {"coef_init": np.ones(4)}),
        (SGDClassifier(), LABELS, {"coef_init": np.ones(5)}),
        (SGDClassifier(), LABELS, {"intercept_init": np.ones(2)}),
        (SGDRegressor(), NUMBERS, {"intercept_init": np.ones(2)}),
        (SGDOneClassSVM(), None, {"offset_init": np.ones(2)}),
    ],
)
def test_wrong_shapes_are_refused_as_by_the_own_fit(estimator, y, given):
    with pytest.raises(ValueError, match="does not match dataset") as expected:
        fit(deepcopy(estimator), X, y, **given)
    model = ChunkedFit(estimator)
    with raises(ValueError, str(expected.value)):
        model.fit(X, y, **given)
    assert not hasattr(model, "estimator_")


def test_classes_that_a_warm_start_does_not_know_are_refused_as_by_the_own_fit():
    network = fit(MLPClassifier((3,), warm_start=True, max_iter=1), X, BINARY)
    with pytest.raises(ValueError, match="warm_start can only") as expected:
        deepcopy(network).fit(X, LABELS)
    with raises(ValueError, str(expected.value)):
        ChunkedFit(network).fit(X, LABELS)


def test_coefficients_do_not_reach_into_meta_estimators():
    model = ChunkedFit(MultiOutputRegressor(SGDRegressor()))
    text = (
        "coef_init was given, and MultiOutputRegressor trains SGDRegressor by "
        "partial_fit, which cannot start there. Wrap SGDRegressor itself to start it "
        "from coefficients."
    )
    with raises(TypeError, text):
        model.fit(X, np.column_stack([NUMBERS, NUMBERS]), coef_init=np.ones(5))


def test_partial_fit_has_no_start():
    text = "partial_fit got coef_init, and SGDRegressor.partial_fit has no such "
    with raises(TypeError, text + "parameter."):
        ChunkedFit(SGDRegressor()).partial_fit(X, NUMBERS, coef_init=np.ones(5))
    text = "fit got coef_init, and GaussianNB.partial_fit has no such parameter."
    with raises(TypeError, text):
        ChunkedFit(GaussianNB()).fit(X, LABELS, coef_init=np.ones(5))


def test_a_start_is_explained():
    model = ChunkedFit(SGDClassifier(warm_start=True, max_iter=2, tol=None))
    assert "starts from" not in model.explain(X, LABELS).sections
    explained = model.fit(X, LABELS).explain(X, LABELS, intercept_init=np.ones(3))
    said = "the previous fit (warm_start=True), intercept_init"
    assert explained.sections["starts from"] == said


class Warm(BaseEstimator):
    """A third party's learner that goes on if it is told to."""

    def __init__(self, warm_start=True, n=0):
        self.warm_start = warm_start
        self.n = n

    def partial_fit(self, X, y=None):
        self.total_ = getattr(self, "total_", 0.0) + len(X)
        return self


def test_third_parties_with_warm_start_go_on_where_they_were():
    model = ChunkedFit(Warm()).fit(X)
    first = model.estimator_
    assert model.set_params(estimator__n=1).fit(X).total_ == 240
    assert (first.total_, model.estimator_.n) == (120, 1)
    assert model.set_params(estimator__warm_start=False).fit(X).total_ == 120


def test_what_goes_on_is_not_merged():
    class Mine(Warm):
        pass

    @merge.register
    def _(one: Mine, other: Mine):
        one.total_ += other.total_
        return one

    model = ChunkedFit(Mine(), chunk_size=10, n_jobs=2).fit(X)
    assert model.fit(X).total_ == 240


def test_ducks_have_no_start():
    assert ChunkedFit(Duck()).fit(X).fit(X).total_ == X.sum()


SGD_WARM = SGDClassifier(max_iter=2, tol=None, warm_start=True, random_state=0)
METAS = [
    (MultiOutputClassifier(SGD_WARM), np.column_stack([BINARY, BINARY[::-1]])),
    (OneVsRestClassifier(SGD_WARM), LABELS),
    (OneVsOneClassifier(SGD_WARM), LABELS),
    (SelectFromModel(SGD_WARM), LABELS),
]


def coefficients(model) -> list:
    members = getattr(model, "estimators_", None) or [model.estimator_]
    return [member.coef_.tobytes() for member in members]


@pytest.mark.parametrize(("meta", "y"), METAS, ids=lambda each: name_of(each))
def test_members_of_meta_estimators_start_anew_as_in_their_own_fit(meta, y):
    """Which clones them."""
    own = fit(clone(meta), X, y)
    once = coefficients(own)
    assert coefficients(fit(own, X, y)) == once
    model = fit(ChunkedFit(meta, chunk_size=30), X, y)
    once = coefficients(model.estimator_)
    assert coefficients(fit(model, X, y).estimator_) == once
    assert model.n_epochs_ == 2
    # While partial_fit goes on with them.
    assert coefficients(model.partial_fit(X, y).estimator_) != once
    assert model.n_epochs_ == 3


def test_a_regressor_of_a_transformed_target_starts_anew_as_in_its_own_fit():
    regressor = SGDRegressor(max_iter=2, tol=None, warm_start=True, random_state=0)
    meta = TransformedTargetRegressor(regressor, transformer=StandardScaler())
    own = fit(clone(meta), X, NUMBERS)
    once = own.regressor_.coef_.copy()
    np.testing.assert_array_equal(fit(own, X, NUMBERS).regressor_.coef_, once)
    for estimator in meta, make_pipeline(StandardScaler(), meta):
        model = fit(ChunkedFit(estimator, chunk_size=30), X, NUMBERS)
        once = model.predict(X)
        np.testing.assert_array_equal(fit(model, X, NUMBERS).predict(X), once)


@pytest.mark.parametrize("is_given", [False, True])
def test_the_last_step_of_nested_pipelines_goes_on(is_given):
    """Of one that the wrapper has trained, and of one that is given trained."""
    inner = make_pipeline(StandardScaler(), one_epoch(SGD_WARM, max_iter=3, tol=None))
    pipeline = make_pipeline(StandardScaler(), inner)
    own = fit(clone(pipeline), X, LABELS)
    model = ChunkedFit(deepcopy(own) if is_given else pipeline, chunk_size=200)
    if not is_given:
        model = pickle.loads(pickle.dumps(fit(model, X, LABELS)))
    fit(own, X, LABELS), fit(model, X, LABELS)
    ours, theirs = model.estimator_[-1][-1], own[-1][-1]
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9)
    assert ours.t_ == theirs.t_
    assert model.n_epochs_ == 3
    cold = fit(clone(own), X, LABELS)[-1][-1]
    assert not np.allclose(cold.coef_, theirs.coef_)


def test_a_warm_start_counts_epochs_and_labels_anew():
    balanced = one_epoch(SGD_WARM, class_weight="balanced")
    own, model = fit(clone(balanced), X, BINARY), ChunkedFit(balanced, chunk_size=200)
    fit(own, X, LABELS % 2), fit(fit(model, X, BINARY), X, LABELS % 2)
    assert learned(model.estimator_) == learned(own)
    assert (model.n_epochs_, model.history_["rows"]) == (1, [120])
