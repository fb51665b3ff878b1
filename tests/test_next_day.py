"""Further rows: ``partial_fit`` of several epochs goes on where training ended."""

import pickle
import warnings
from copy import deepcopy

import numpy as np
import pytest
from helpers import (
    hand_loop,
    in_file_order,
    make_rows,
    name_of,
    one_of_each_kind,
    partial_fit_estimators,
    state_of,
)
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from skmmap import ChunkedFit

CHUNK_ROWS = 25
DAYS = slice(0, 50), slice(50, 90)
X, Y = make_rows(SGDClassifier())


class Spy(SGDClassifier):
    """Keeps the first feature of the rows that it has learned, call by call."""

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        self.seen_ = [*getattr(self, "seen_", []), *X[:, 0]]
        return super().partial_fit(X, y, classes, sample_weight)


def orders_of(model) -> list:
    """Return the order of all rows in each epoch."""
    return list(map(tuple, np.reshape(model.seen_, (-1, len(X)))))


ESTIMATORS = one_of_each_kind(partial_fit_estimators(max_iter=3))
ESTIMATORS += [
    SGDClassifier(average=30, random_state=0),
    SGDClassifier(penalty="l1", alpha=0.01, random_state=0),
    SGDClassifier(learning_rate="adaptive", eta0=0.1, random_state=0),
    MLPClassifier((4,), solver="sgd", momentum=0.5, random_state=0),
    MLPClassifier((4,), solver="sgd", learning_rate="invscaling", random_state=0),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=name_of)
def test_days_of_epochs_are_the_loop_over_their_rows(estimator):
    """By hand: two epochs of the first day, one of it again, and three of both."""
    rows, y = make_rows(estimator)
    model = in_file_order(estimator, chunk_size=CHUNK_ROWS)
    expected, given = None, [(2, "fit", DAYS[0]), (1, "partial_fit", DAYS[0])]
    with np.errstate(all="ignore"):
        for n_epochs, method, day in [*given, (3, "partial_fit", slice(None))]:
            part = rows[day], None if y is None else y[day]
            getattr(model.set_params(max_epochs=n_epochs), method)(*part)
            by_hand = hand_loop if expected is None else go_on
            expected = by_hand(
                estimator if expected is None else expected,
                *part,
                CHUNK_ROWS,
                max_epochs=n_epochs,
            )
    assert state_of(model.estimator_) == state_of(expected)
    assert model.n_epochs_ == 6
    assert model.history_["rows"] == [50, 50, 50, 90, 90, 90]
    assert {len(column) for column in model.history_.values()} == {6}


def go_on(estimator, X, y, chunk_size, *, max_epochs):
    """The hand-written loop, without a clone and without classes."""
    n_rows = len(X) if isinstance(X, list) else X.shape[0]
    for _ in range(max_epochs):
        for start in range(0, n_rows, chunk_size):
            part = slice(start, start + chunk_size)
            estimator.partial_fit(X[part], *(() if y is None else (y[part],)))
    return estimator


def test_a_first_partial_fit_is_a_fit_of_as_many_epochs():
    model = in_file_order(SGDClassifier(random_state=0), chunk_size=25, max_epochs=3)
    further = deepcopy(model).partial_fit(X, Y)
    assert state_of(further.estimator_) == state_of(model.fit(X, Y).estimator_)
    assert (further.n_epochs_, further.history_["rows"]) == (3, [90, 90, 90])


def spy(n_epochs, **params):
    given = {"chunk_size": 10, "max_epochs": n_epochs} | params
    return ChunkedFit(Spy(random_state=0, tol=None), **given)


@pytest.mark.parametrize("shuffle", ["blocks", "chunks"])
@pytest.mark.parametrize("seed", [None, 7])
def test_all_epochs_have_orders_of_their_own(shuffle, seed):
    """Fits and calls of so many epochs are one fit of them all."""
    whole = spy(6, shuffle=shuffle, random_state=seed).fit(X, Y)
    model = spy(2, shuffle=shuffle, random_state=seed).fit(X, Y)
    for n_epochs in (1, 3):
        model.set_params(max_epochs=n_epochs).partial_fit(X, Y)
    assert len(set(orders_of(model))) == 6
    assert {tuple(sorted(order)) for order in orders_of(model)} == {
        tuple(sorted(X[:, 0]))
    }
    assert model.estimator_.n_iter_ == 3  # of the last call, as by hand
    model.estimator_.n_iter_ = whole.n_iter_
    assert state_of(model.estimator_) == state_of(whole.estimator_)
    fresh = spy(3, shuffle=shuffle, random_state=seed).partial_fit(X, Y)
    fresh.partial_fit(X, Y)
    assert orders_of(fresh) == orders_of(whole)


NEVER = {"tol": 0.0, "max_no_improvement": None, "n_iter_no_change": 10**9}


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=name_of)
def test_epochs_of_fit_and_partial_fit_are_those_of_one_fit(estimator):
    """Also where rows are shuffled and what chunks need is corrected."""
    rows, y = make_rows(estimator)
    never = {
        name: NEVER[name.split("__")[-1]]
        for name in estimator.get_params()
        if name.split("__")[-1] in NEVER
    }
    whole = ChunkedFit(clone(estimator).set_params(**never), chunk_size=CHUNK_ROWS)
    model = clone(whole).set_params(max_epochs=1)
    whole.set_params(max_epochs=3)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        whole.fit(rows, y)
        model.fit(rows, y).set_params(max_epochs=2).partial_fit(rows, y)
    assert drop_n_iter(state_of(model.estimator_)) == drop_n_iter(
        state_of(whole.estimator_)
    )
    assert model.n_epochs_ == whole.n_epochs_ == 3


def drop_n_iter(state):
    """Return a state without the epochs of the last call, as by hand."""
    if not isinstance(state, tuple):
        return state
    return tuple(
        drop_n_iter(each)
        for each in state
        if not (isinstance(each, tuple) and each[:1] == ("n_iter_",))
    )


def test_a_seed_that_was_drawn_is_kept():
    estimator = Spy(tol=None)
    model = ChunkedFit(estimator, chunk_size=10, max_epochs=2).fit(X, Y)
    loaded, seed = pickle.loads(pickle.dumps(model)), model.random_state_
    before = np.random.get_state()[1].copy()
    model.partial_fit(X, Y), loaded.partial_fit(X, Y)
    assert (np.random.get_state()[1] == before).all()
    assert model.random_state_ == loaded.random_state_ == seed
    assert orders_of(model) == orders_of(loaded)
    assert len(set(orders_of(model))) == 4


@pytest.mark.parametrize("stops", [False, True])
def test_partial_fit_never_stops_and_holds_nothing_out(stops):
    """Where fit would, by its loss or by a score."""
    estimator = Spy(early_stopping=stops, n_iter_no_change=1, tol=1e9, random_state=0)
    model = ChunkedFit(estimator, chunk_size=10, max_epochs=9)
    assert clone(model).fit(X, Y).n_epochs_ < 9
    model.partial_fit(X, Y)
    assert model.history_["rows"] == 9 * [90]
    assert model.set_params(max_epochs=3).partial_fit(X, Y).n_epochs_ == 12
    assert model.estimator_.early_stopping is stops


def test_fit_starts_the_history_anew():
    model = spy(2).fit(X, Y).partial_fit(X, Y)
    history = model.history_
    assert model.n_epochs_ == 4
    model.fit(X, Y)
    assert model.n_epochs_ == 2
    assert model.history_["rows"] == [90, 90]
    assert len(history["rows"]) == 4  # which the user may have kept


def test_an_estimator_that_was_given_trained_has_no_history():
    trained = SGDClassifier(random_state=0).fit(X, Y)
    by_hand = go_on(deepcopy(trained), X, Y, CHUNK_ROWS, max_epochs=2)
    model = in_file_order(trained, chunk_size=CHUNK_ROWS, max_epochs=2)
    model.partial_fit(X, Y)
    assert (model.n_epochs_, model.history_["rows"]) == (2, [90, 90])
    assert state_of(model.estimator_) == state_of(by_hand)
    assert model.partial_fit(X, Y).n_epochs_ == 4


def test_the_last_step_of_a_pipeline_goes_on():
    pipeline = make_pipeline(StandardScaler(), SGDClassifier(random_state=0))
    model = in_file_order(pipeline, chunk_size=CHUNK_ROWS, max_epochs=2)
    model.fit(X[DAYS[0]], Y[DAYS[0]]).set_params(max_epochs=3)
    model.partial_fit(X[DAYS[1]], Y[DAYS[1]])
    scaler = hand_loop(StandardScaler(), X[DAYS[0]], None, CHUNK_ROWS)
    first, second = (scaler.transform(X[day]) for day in DAYS)
    last = hand_loop(pipeline[-1], first, Y[DAYS[0]], CHUNK_ROWS, max_epochs=2)
    go_on(last, second, Y[DAYS[1]], CHUNK_ROWS, max_epochs=3)
    np.testing.assert_allclose(model.estimator_[-1].coef_, last.coef_, rtol=1e-12)
    assert (model.n_epochs_, model.history_["rows"]) == (5, [50, 50, 40, 40, 40])
    loaded = pickle.loads(pickle.dumps(model))
    assert loaded.partial_fit(X, Y).n_epochs_ == 8


# --- class_weight ---------------------------------------------------------------------

RARE = (7 * np.arange(90) % 10 < np.where(np.arange(90) < 50, 2, 4)).astype(int)
LINEAR = SGDClassifier(class_weight="balanced", random_state=0)


def weigh(y) -> dict:
    """scikit-learn's own weights of all rows so far, by label."""
    labels = np.unique(y)
    weights = compute_class_weight("balanced", classes=labels, y=y)
    return dict(zip(labels.tolist(), weights.tolist(), strict=True))


class ByHand:
    """The loop with the weights of all rows so far, in the estimator or beside y."""

    def __init__(self, estimator, classes=(0, 1)):
        self.model, self.y, self.classes = clone(estimator), [], classes

    def learn(self, X, y, n_epochs):
        self.y = [*self.y, *y]
        weights, has_own = weigh(self.y), hasattr(self.model, "class_weight")
        if has_own:
            self.model.class_weight = weights
        for _ in range(n_epochs):
            for start in range(0, len(X), CHUNK_ROWS):
                part = slice(start, start + CHUNK_ROWS)
                given = [] if has_own else [[weights[label] for label in y[part]]]
                self.model.partial_fit(X[part], y[part], self.classes, *given)
        if has_own:
            self.model.class_weight = "balanced"


@pytest.mark.parametrize("first", ["fit", "partial_fit"])
def test_balanced_weights_of_the_estimator_are_those_of_all_rows_so_far(first):
    model = in_file_order(LINEAR, chunk_size=CHUNK_ROWS, max_epochs=2)
    by_hand = ByHand(LINEAR)
    days = (first, DAYS[0]), ("partial_fit", DAYS[1]), ("partial_fit", DAYS[0])
    for method, day in days:
        getattr(model, method)(X[day], RARE[day])
        by_hand.learn(X[day], RARE[day], 2)
        model = pickle.loads(pickle.dumps(model))
        # scikit-learn keeps the weights of the last call, and the user's parameter.
        assert state_of(model.estimator_) == state_of(by_hand.model)
        assert model.estimator_.class_weight == "balanced"
        # What is set later is for the next fit.
        model.set_params(estimator__class_weight=None)


def test_weights_that_were_given_to_fit_hold_for_further_rows():
    balanced = in_file_order(GaussianNB(), chunk_size=CHUNK_ROWS)
    by_hand = ByHand(GaussianNB())
    balanced.fit(X[DAYS[0]], RARE[DAYS[0]], class_weight="balanced")
    by_hand.learn(X[DAYS[0]], RARE[DAYS[0]], 1)
    balanced = pickle.loads(pickle.dumps(balanced))
    balanced.partial_fit(X[DAYS[1]], RARE[DAYS[1]])
    by_hand.learn(X[DAYS[1]], RARE[DAYS[1]], 1)
    assert state_of(balanced.estimator_) == state_of(by_hand.model)
    # A dict too, where the further rows have one of the labels only.
    fixed = in_file_order(GaussianNB(), chunk_size=CHUNK_ROWS)
    fixed.fit(X, RARE, class_weight={0: 1, 1: 5}).partial_fit(X[:20], np.ones(20, int))
    n_rows = np.bincount(RARE)
    np.testing.assert_allclose(fixed.class_count_, n_rows * [1, 5] + [0, 100])
    # A fit without weights has none, and neither has what comes after it.
    fixed.fit(X, RARE).partial_fit(X, RARE)
    np.testing.assert_allclose(fixed.class_count_, 2 * n_rows)


def test_labels_that_come_on_a_later_day_are_balanced_from_then_on():
    labels = np.where(np.arange(90) < 50, RARE, 2 * RARE)
    model = in_file_order(LINEAR, chunk_size=CHUNK_ROWS)
    by_hand = ByHand(LINEAR, classes=[0, 1, 2])
    model.fit(X[DAYS[0]], labels[DAYS[0]], classes=[0, 1, 2])
    model.partial_fit(X[DAYS[1]], labels[DAYS[1]])
    for day in DAYS:
        by_hand.learn(X[day], labels[day], 1)
    assert state_of(model.estimator_) == state_of(by_hand.model)


def test_rows_are_counted_once_in_a_call_and_not_where_it_fails():
    weights = []

    class Told(SGDClassifier):
        def partial_fit(self, X, y, classes=None, sample_weight=None):
            weights.append(self.class_weight)
            return super().partial_fit(X, y, classes, sample_weight)

    told = Told(**LINEAR.get_params())
    model = in_file_order(told, chunk_size=CHUNK_ROWS, max_epochs=5).fit(X, RARE)
    bad = X.copy()
    bad[-1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(bad, np.ones(90, int))
    model.partial_fit(X[:9], np.ones(9, int))
    assert weights[-1] == weigh([*RARE, *np.ones(9, int)])
    model.fit(X, 1 - RARE)
    assert weights[-1] == weigh(1 - RARE)


def test_balanced_weights_of_the_last_step_of_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), LINEAR)
    model = in_file_order(pipeline, chunk_size=CHUNK_ROWS)
    model.fit(X[DAYS[0]], RARE[DAYS[0]])
    scaler, by_hand = model.estimator_[0], ByHand(LINEAR)
    pickle.loads(pickle.dumps(model)).partial_fit(X[DAYS[1]], RARE[DAYS[1]])
    model = pickle.loads(pickle.dumps(model)).partial_fit(X[DAYS[1]], RARE[DAYS[1]])
    for day in DAYS:
        by_hand.learn(scaler.transform(X[day]), RARE[day], 1)
    np.testing.assert_array_equal(model.estimator_[-1].coef_, by_hand.model.coef_)


def test_an_estimator_that_was_given_trained_has_counted_no_rows():
    trained = (
        SGDClassifier(random_state=0).fit(X, Y).set_params(class_weight="balanced")
    )
    model = in_file_order(trained, chunk_size=90)
    model.partial_fit(X, np.where(RARE, 2, 0))
    expected = deepcopy(trained)
    expected.set_params(class_weight=weigh(np.where(RARE, 2, 0)))
    expected.partial_fit(X, np.where(RARE, 2, 0))
    np.testing.assert_array_equal(model.coef_, expected.coef_)


class Weighed(BaseEstimator):
    """A third-party classifier without ``classes_``, which keeps its weights."""

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        self.weights_ = [*getattr(self, "weights_", []), *sample_weight]
        return self


def test_third_parties_get_weights_of_all_rows_so_far():
    model = in_file_order(Weighed(), chunk_size=CHUNK_ROWS)
    model.fit(X, RARE, class_weight="balanced").partial_fit(X[:9], np.ones(9, int))
    first, both = weigh(RARE), weigh([*RARE, *np.ones(9, int)])
    expected = [first[label] for label in RARE.tolist()] + 9 * [both[1]]
    np.testing.assert_array_equal(model.weights_, expected)


@pytest.mark.parametrize(
    "make", [lambda model: model, lambda model: make_pipeline(StandardScaler(), model)]
)
def test_a_label_that_was_never_seen_says_where_to_name_it(make):
    model = in_file_order(make(SGDClassifier(random_state=0))).fit(X, RARE)
    before = state_of(model.estimator_)
    text = r"the label 2 \(first in row 3\), which is not in classes=\[0, 1\]\."
    with pytest.raises(ValueError, match=text) as caught:
        model.partial_fit(X, np.where(np.arange(90) == 3, 2, RARE))
    assert caught.value.__notes__[0] == (
        "The first fit or partial_fit says which labels there are: give it all that "
        "will occur, classes=[...]."
    )
    assert state_of(model.estimator_) == before
    assert model.n_epochs_ == 1
    model.fit(X, RARE, classes=[0, 1, 2])
    model.partial_fit(X, np.where(np.arange(90) == 3, 2, RARE))
    assert model.n_epochs_ == 2
