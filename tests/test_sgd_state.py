"""Gradient descent goes on from one chunk to the next as it does within ``fit``.

The oracle is the estimator's own ``fit`` on the whole, over the same rows in the same
order: neither of them shuffles.
"""

import pickle
import warnings
from itertools import product

import numpy as np
import pytest
from helpers import EXHAUSTIVE, combine, hand_loop, in_file_order, state_of
from scipy import sparse
from sklearn import linear_model
from sklearn.base import clone
from sklearn.decomposition import MiniBatchDictionaryLearning
from sklearn.linear_model import SGDClassifier, SGDOneClassSVM, SGDRegressor
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.neural_network import MLPClassifier

from skmmap import ChunkedFit
from skmmap.wrap.meta_estimators import iter_fitted

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 8)) + 1
BINARY = (X[:, 0] - X[:, 1] + 0.3 * RNG.normal(size=400) > 0).astype(int)
THREE = np.digitize(X[:, 0] - X[:, 1], [-0.7, 0.7])
FLOATS = X[:, 0] - X[:, 1] + 3
PARAMS = {"shuffle": False, "tol": None, "max_iter": 3, "random_state": 0}
SMALL = {"learning_rate": "constant", "eta0": 0.01}

AVERAGED = [
    (SGDClassifier(**PARAMS), BINARY),
    (SGDClassifier(loss="log_loss", **SMALL, **PARAMS), BINARY),
    (SGDClassifier(loss="log_loss", **SMALL, **PARAMS), THREE),
    (SGDClassifier(class_weight={0: 3, 1: 1}, **SMALL, **PARAMS), BINARY),
    (SGDRegressor(**PARAMS), FLOATS),
    (SGDOneClassSVM(**PARAMS), None),
    (MultiOutputClassifier(SGDClassifier(**SMALL, **PARAMS)), np.c_[BINARY, THREE]),
    (MultiOutputRegressor(SGDRegressor(**PARAMS)), np.c_[FLOATS, X[:, 2]]),
    (OneVsRestClassifier(SGDClassifier(**SMALL, **PARAMS)), THREE),
]


def average(estimator, since):
    prefix = "estimator__" if hasattr(estimator, "estimator") else ""
    return clone(estimator).set_params(**{f"{prefix}average": since})


def fit_whole(estimator, rows, y):
    return clone(estimator).fit(rows, *(() if y is None else (y,)))


def assert_close(model, expected, rtol=1e-9):
    for found, other in zip(iter_fitted(model), iter_fitted(expected), strict=True):
        for name in ("coef_", "offset_" if hasattr(other, "offset_") else "intercept_"):
            found_value, value = getattr(found, name), getattr(other, name)
            assert found_value.shape == value.shape
            np.testing.assert_allclose(found_value, value, rtol, rtol, err_msg=name)
        assert found.t_ == other.t_


@pytest.mark.parametrize(
    ("case", "begin"),
    combine(
        range(len(AVERAGED)),
        product([True, 7, 300, 10_000], [30, 130, 400]),
        together=1,
    ),
)
def test_averages_are_those_of_fit(case, begin):
    (estimator, y), (since, chunk_size) = AVERAGED[case], begin
    estimator = average(estimator, since)
    expected = fit_whole(estimator, X, y)
    model = ChunkedFit(estimator, chunk_size=chunk_size, shuffle=False).fit(X, y)
    assert_close(model.estimator_, expected)
    assert str(model.estimator_.get_params()) == str(estimator.get_params())


@pytest.mark.parametrize(("estimator", "y"), AVERAGED)
def test_averages_go_on_in_later_calls(estimator, y):
    estimator = average(estimator, True)
    expected = fit_whole(clone(estimator).set_params(**_one_epoch(estimator)), X, y)
    model = ChunkedFit(estimator, chunk_size=30, shuffle=False)
    for rows in slice(170), slice(170, None):
        given = () if y is None else (y[rows],)
        model = pickle.loads(pickle.dumps(model)).partial_fit(X[rows], *given)
    assert_close(model.estimator_, expected)


def _one_epoch(estimator) -> dict:
    return {name: 1 for name in estimator.get_params() if name.endswith("max_iter")}


def test_sparse_rows_are_averaged():
    rows = sparse.csr_array(np.where(RNG.random(X.shape) < 0.5, X, 0))
    for y in BINARY, THREE:
        estimator = SGDClassifier(average=True, **SMALL, **PARAMS)
        expected = clone(estimator).fit(rows, y)
        model = ChunkedFit(estimator, chunk_size=30, shuffle=False).fit(rows, y)
        assert_close(model.estimator_, expected)


@pytest.mark.parametrize("y", [BINARY, THREE])
def test_a_passive_aggressive_classifier_is_averaged(y):
    if not hasattr(linear_model, "PassiveAggressiveClassifier"):
        return  # it leaves scikit-learn with version 1.10
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        estimator = linear_model.PassiveAggressiveClassifier(average=True, **PARAMS)
        expected = clone(estimator).fit(X, y)
        model = ChunkedFit(estimator, chunk_size=30, shuffle=False).fit(X, y)
    assert_close(model.estimator_, expected)


WIDE = RNG.normal(size=(3_000, 40))
TRUE = WIDE[:, :4] @ [1, -1, 1, 0.5]
CLASSES = {
    2: (TRUE + 0.5 * RNG.normal(size=3_000) > 0).astype(int),
    3: np.digitize(TRUE + 0.5 * RNG.normal(size=3_000), [-0.7, 0.7]),
}
L1 = {"penalty": "l1", "alpha": 0.01} | PARAMS
PENALIZED = [
    (SGDClassifier(loss="log_loss", **L1), CLASSES[2]),
    (SGDClassifier(**L1), CLASSES[3]),
    (SGDClassifier(**L1 | SMALL), CLASSES[2]),
    (SGDClassifier(**L1 | {"learning_rate": "invscaling", "eta0": 0.1}), CLASSES[2]),
    (SGDClassifier(**L1 | {"penalty": "elasticnet", "l1_ratio": 0.7}), CLASSES[2]),
    (SGDClassifier(loss="log_loss", average=100, **L1), CLASSES[2]),
    (linear_model.Perceptron(**L1), CLASSES[2]),
    (SGDRegressor(**L1 | {"alpha": 0.1}), TRUE),
    (OneVsOneClassifier(SGDClassifier(**L1)), CLASSES[3]),
    (OneVsRestClassifier(SGDClassifier(**L1)), CLASSES[3]),
]


N_PENALIZED = len(WIDE) if EXHAUSTIVE else 1_200


def count_kept(estimator) -> int:
    return sum(np.count_nonzero(learner.coef_) for learner in iter_fitted(estimator))


@pytest.mark.parametrize(
    ("case", "is_sparse", "chunk_size"),
    combine(range(len(PENALIZED)), [False, True], [50, 300], together=1),
)
def test_as_many_coefficients_are_0_as_by_fit(case, is_sparse, chunk_size):
    estimator, y = PENALIZED[case]
    rows, y = WIDE[:N_PENALIZED], y[:N_PENALIZED]
    if is_sparse:
        dense = np.where(np.random.default_rng(1).random(rows.shape) < 0.3, rows, 0)
        rows = sparse.csr_array(dense)
    whole = clone(estimator).fit(rows, y)
    expected = count_kept(whole)
    model = ChunkedFit(estimator, chunk_size=chunk_size, shuffle=False).fit(rows, y)
    assert count_kept(model.estimator_) <= 1.3 * expected + 4
    assert count_kept(model.estimator_) >= 0.6 * expected - 4
    assert model.score(rows, y) > whole.score(rows, y) - 0.03


def test_chunks_of_a_row_are_fit():
    """What the penalty takes of each row is known then, but for weights at 0."""
    estimator = SGDClassifier(**L1 | {"penalty": "elasticnet", "l1_ratio": 0.5})
    estimator.set_params(max_iter=1)
    rows, y = WIDE[:300], CLASSES[2][:300]
    model = ChunkedFit(estimator, chunk_size=1, shuffle=False).fit(rows, y)
    expected = clone(estimator).fit(rows, y).coef_
    assert np.array_equal(model.coef_ == 0, expected == 0)
    np.testing.assert_allclose(model.coef_, expected, 0.01, 0.001)


@pytest.mark.parametrize(
    "params", [{"average": True}, {"penalty": "l1", "alpha": 0.01}, {"average": 100}]
)
@pytest.mark.parametrize("y", [BINARY, THREE])
def test_the_loop_that_is_written_out_is_left_as_it_is(params, y):
    estimator = SGDClassifier(random_state=0, **params)
    model = in_file_order(estimator, chunk_size=30).fit(X, y)
    by_hand = hand_loop(estimator, X, y, 30)
    assert state_of(model.estimator_) == state_of(by_hand)


NETWORK = MLPClassifier((10,), solver="sgd", tol=0, max_iter=8, random_state=0)
NETWORK.set_params(learning_rate_init=0.1)


unconverged = pytest.mark.filterwarnings("ignore:.*converged:UserWarning")


@unconverged
def test_a_rate_shrinks_after_each_epoch():
    network = clone(NETWORK).set_params(learning_rate="invscaling", shuffle=False)
    rows, two, three = WIDE[:1_200], CLASSES[2][:1_200], CLASSES[3][:1_200]
    whole = clone(network).fit(rows, two)
    for make in (lambda: network, lambda: MultiOutputClassifier(network)):
        for chunk_size in 400, 600:
            y = two if make() is network else np.c_[two, three]
            model = ChunkedFit(make(), chunk_size=chunk_size, shuffle=False)
            first = next(iter_fitted(model.fit(rows, y).estimator_))
            assert first._optimizer.learning_rate == whole._optimizer.learning_rate
            for coefs, expected in zip(first.coefs_, whole.coefs_, strict=True):
                np.testing.assert_allclose(coefs, expected, 1e-9, 1e-9)


@unconverged
@pytest.mark.parametrize(
    ("batch_size", "extra"), combine(["auto", 200, 50], [1, 7], together=1)
)
def test_a_short_tail_of_a_chunk_ruins_no_network(batch_size, extra):
    network = clone(NETWORK).set_params(batch_size=batch_size)
    expected = clone(network).fit(WIDE, CLASSES[2]).score(WIDE, CLASSES[2])
    model = ChunkedFit(network, chunk_size=200 + extra).fit(WIDE, CLASSES[2])
    assert model.score(WIDE, CLASSES[2]) > expected - 0.03
    assert model.estimator_.batch_size == batch_size


def test_the_tails_of_the_loop_that_is_written_out_are_left_as_they_are():
    network, rows = clone(NETWORK).set_params(batch_size=100), slice(402)
    model = in_file_order(network, chunk_size=201).fit(WIDE[rows], CLASSES[2][rows])
    by_hand = hand_loop(network, WIDE[rows], CLASSES[2][rows], 201)
    assert state_of(model.coefs_) == state_of(by_hand.coefs_)


@pytest.mark.parametrize(
    ("n_rows", "expected"), [(999, 500), (1_000, 500), (1_001, 334), (1_300, 500)]
)
def test_a_short_tail_of_the_file_makes_all_chunks_shorter(n_rows, expected):
    words = MiniBatchDictionaryLearning(3, max_iter=1, batch_size=25, random_state=0)
    # Dictionaries are slow: of a tenth of the rows, with a tenth of their batch.
    for model, share in (NETWORK, 1), (words, 10):
        rows = WIDE[: -(-n_rows // share), :4]
        y = CLASSES[2][: len(rows)] if model is NETWORK else None
        wrapper = ChunkedFit(model, chunk_size=500 // share, max_epochs=1)
        assert wrapper.fit(rows, y).chunk_size_ == -(-expected // share)
        in_turn = in_file_order(model, chunk_size=500 // share).fit(rows, y)
        assert in_turn.chunk_size_ == 500 // share


@pytest.mark.parametrize("params", [{"average": -1}, {"penalty": "l3"}, {"alpha": "x"}])
def test_what_fit_refuses_is_refused(params):
    with pytest.raises(ValueError, match=f"The '{next(iter(params))}' parameter"):
        ChunkedFit(SGDClassifier(**params)).fit(X, BINARY)
