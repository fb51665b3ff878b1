"""Estimators that are not scikit-learn's: what their own loop does, and as good as fit.

They are small ones of the shapes that packages have, which docs/third_party.md lists.
"""

import numpy as np
import pytest
from helpers import in_file_order, name_of, partial_fit_estimators
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClusterMixin,
    OutlierMixin,
    RegressorMixin,
    TransformerMixin,
    clone,
)
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline

from skmmap import ChunkedFit
from skmmap._delegate import is_told
from skmmap._origin import is_sklearns
from skmmap._own_fit import takes_target_as_it_is

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
y = np.arange(60) % 3


class Log(BaseEstimator):
    """Remembers the chunks that it was given, as they are."""

    def partial_fit(self, X, y=None, sample_weight=None):
        self.calls_ = [*getattr(self, "calls_", []), (X, y, sample_weight)]
        return self


def rows_in_order(model) -> np.ndarray:
    """Return all rows that a fitted log was given, one after the other."""
    return np.concatenate([rows for rows, *_ in model.calls_])


def is_in_order(model) -> bool:
    return np.array_equal(rows_in_order(model), X)


# --- Whose code it is ----------------------------------------------------------------


@pytest.mark.parametrize("estimator", partial_fit_estimators(), ids=name_of)
def test_all_of_scikit_learn_is_its_own_and_so_are_subclasses(estimator):
    class_of = type(estimator)
    inherits = type("Mine", (class_of,), {"__module__": __name__})
    overrides = type("Mine", (class_of,), {"partial_fit": Log.partial_fit})
    assert is_sklearns(estimator)
    assert is_sklearns(object.__new__(inherits))
    assert not is_sklearns(object.__new__(overrides))


def test_a_base_class_or_a_mixin_makes_nobody_scikit_learns():
    class Online(ClassifierMixin, Pipeline):
        partial_fit = Log.partial_fit

    class Delegates(BaseEstimator):
        def __getattr__(self, name):
            return getattr(SGDClassifier(), name)

    assert not is_sklearns(Log())
    assert not is_sklearns(Online([]))
    assert not is_sklearns(Delegates())
    assert not is_sklearns(object())
    assert is_sklearns(MultiOutputClassifier(Log()))


def test_who_judges_y_is_who_gets_it():
    assert takes_target_as_it_is(Log())
    assert takes_target_as_it_is(SelectFromModel(SelectFromModel(Log())))
    assert not takes_target_as_it_is(SelectFromModel(SGDRegressor()))
    for wrap in MultiOutputClassifier, OneVsRestClassifier, OneVsOneClassifier:
        assert not takes_target_as_it_is(wrap(Log()))
        assert not takes_target_as_it_is(SelectFromModel(wrap(Log())))


# --- In which order ------------------------------------------------------------------


class LogNeeding(Log):
    def partial_fit(self, X, y, sample_weight=None):
        return super().partial_fit(X, y, sample_weight)


class LogTarget(Log):
    """Calls y something else."""

    def partial_fit(self, X, target):
        return super().partial_fit(X, target)


class LogAlone(Log):
    def partial_fit(self, X):
        return super().partial_fit(X)


class LogShuffle(Log):
    def __init__(self, shuffle=True):
        self.shuffle = shuffle


def make(base, *mixins, first=True):
    """Return an estimator with mixins on the side where they count, or on the other."""
    bases = (*mixins, base) if first else (base, *mixins)
    return type("Third", bases, {})()


class Duck:
    """No tags at all."""

    partial_fit = Log.partial_fit

    def get_params(self, deep=True):
        return {}


SHUFFLED = {
    "default": make(Log),
    "y needed": make(LogNeeding),
    "target": make(LogTarget),
    "no tags": Duck(),
    "classifier": make(Log, ClassifierMixin),
    "classifier, mixin behind": make(Log, ClassifierMixin, first=False),
    "regressor": make(Log, RegressorMixin),
    "regressor, mixin behind": make(LogNeeding, RegressorMixin, first=False),
    "transformer that needs y": make(LogNeeding, TransformerMixin),
    "classifier that transforms": make(Log, ClassifierMixin, TransformerMixin),
    "shuffle=True": LogShuffle(True),
}
IN_ORDER = {
    "takes no y": make(LogAlone, ClassifierMixin),
    "clusterer": make(Log, ClusterMixin),
    "outlier detector": make(Log, OutlierMixin),
    "transformer": make(Log, TransformerMixin),
    "shuffle=False": LogShuffle(False),
    "a classifier with shuffle=False": make(LogShuffle, ClassifierMixin).set_params(
        shuffle=False
    ),
}


@pytest.mark.parametrize("kind", SHUFFLED)
def test_what_learns_from_y_is_shuffled_whatever_its_tags_say(kind):
    estimator = SHUFFLED[kind]
    wrapper = ChunkedFit(estimator, chunk_size=20, random_state=0).fit(X, y)
    assert not is_in_order(wrapper)
    again = ChunkedFit(estimator, chunk_size=20, random_state=0).partial_fit(X, y)
    assert not is_in_order(again)
    assert is_in_order(in_file_order(estimator, chunk_size=20).fit(X, y))
    assert ChunkedFit(estimator, chunk_size=20).fit(X, y).n_epochs_ == 1


@pytest.mark.parametrize("kind", IN_ORDER)
def test_what_learns_from_x_alone_stays_in_file_order(kind):
    estimator = IN_ORDER[kind]
    assert is_in_order(ChunkedFit(estimator, chunk_size=20).fit(X, y))
    mixed = ChunkedFit(estimator, chunk_size=20, shuffle=True, random_state=0)
    assert not is_in_order(mixed.fit(X, y))


@pytest.mark.parametrize("kind", ["default", "y needed", "transformer that needs y"])
def test_without_y_there_is_nothing_to_shuffle_for(kind):
    estimator = SHUFFLED[kind]
    assert not is_told(estimator, None)
    assert is_told(estimator, y)


def test_inside_of_meta_estimators_it_is_what_learns_that_counts():
    """These have a table for their own, and hand y on."""
    for wrap in MultiOutputRegressor, SelectFromModel, OneVsRestClassifier:
        assert is_told(wrap(Log()), y)
        assert is_told(wrap(make(LogNeeding)), y)
        assert not is_told(wrap(LogAlone()), y)
        wrapper = ChunkedFit(wrap(Log()), chunk_size=20, random_state=0)
        plan = wrapper._make_plan("fit", X, np.column_stack([y, y]), {})
        assert plan.is_mixed


class OnlineLabels(BaseEstimator, ClassifierMixin):
    """A classifier whose mixin is in the wrong place, as many have it."""

    def partial_fit(self, X, y):
        if not hasattr(self, "model_"):
            self.model_ = SGDClassifier(
                random_state=0, learning_rate="constant", eta0=0.5
            )
        self.model_.partial_fit(X, y, classes=np.arange(3))
        return self


def test_sorted_labels_are_learned_as_well_as_shuffled_ones():
    labels = np.repeat(np.arange(3), 500)
    rows = RNG.normal(size=(3, 5))[labels] * 2 + RNG.normal(size=(1500, 5))

    def score(shuffle):
        model = ChunkedFit(
            OnlineLabels(), chunk_size=50, shuffle=shuffle, random_state=0
        )
        return model.fit(rows, labels).model_.score(rows, labels)

    assert score("auto") == score(True)
    assert score("auto") > score(False) + 0.1


# --- Seeds ---------------------------------------------------------------------------


class Seeded(BaseEstimator):
    """Draws in each call, as its parameters say: random_state, else random_seed."""

    def __init__(self, random_state=None, random_seed=1):
        self.random_state = random_state
        self.random_seed = random_seed

    def partial_fit(self, X, y=None):
        seed = self.random_seed if self.random_state is None else self.random_state
        rng = np.random.default_rng(seed)
        self.draws_ = [*getattr(self, "draws_", []), rng.integers(10**6)]
        return self


class Draws(BaseEstimator):
    """Draws from NumPy's generator unless it has a seed, as scikit-learn does."""

    def __init__(self, random_state=None, inner=None):
        self.random_state = random_state
        self.inner = inner

    def partial_fit(self, X, y=None):
        source = (
            np.random
            if self.random_state is None
            else np.random.RandomState(self.random_state)
        )
        self.draws_ = [*getattr(self, "draws_", []), source.randint(10**6)]
        return self


def global_state() -> tuple:
    kind, keys, *rest = np.random.get_state()
    return kind, keys.tobytes(), *rest


def loop(estimator, *args, step=20):
    estimator = clone(estimator)
    for start in range(0, 60, step):
        estimator.partial_fit(*(rows[start : start + step] for rows in args))
    return estimator


UNSEEDED = {
    "third party": Draws(),
    "seeded third party": Draws(3),
    "other name": Seeded(random_seed=7),
    "part of one": Draws(0, inner=Draws()),
    "no seed": Log(),
    "scikit-learn's": SGDClassifier(alpha=0.1),
    "scikit-learn's seeded": SGDClassifier(random_state=2),
    "in a meta-estimator": SelectFromModel(SGDRegressor()),
}


@pytest.mark.parametrize("kind", UNSEEDED)
def test_the_loop_written_out_seeds_nothing_and_draws_nothing(kind):
    """Parameters are as they were, NumPy's generator is where the loop leaves it."""
    estimator = UNSEEDED[kind]
    wrapper = in_file_order(estimator, chunk_size=20)
    np.random.seed(0)
    wrapper.fit(X, y)
    ours = global_state()
    np.random.seed(0)
    by_hand = clone(estimator)
    for start in range(0, 60, 20):
        takes = {"classes": np.arange(3)} if isinstance(by_hand, SGDClassifier) else {}
        by_hand.partial_fit(X[start : start + 20], y[start : start + 20], **takes)
    assert ours == global_state()
    given = estimator.get_params()
    assert repr(wrapper.estimator_.get_params()) == repr(given)
    for name in "draws_", "coef_":
        if hasattr(by_hand, name):
            np.testing.assert_array_equal(
                getattr(wrapper, name), getattr(by_hand, name)
            )
    own = {"seeded third party": 3, "other name": 7, "part of one": 0}
    own["scikit-learn's seeded"] = 2
    assert wrapper.random_state_ == own.get(kind)


@pytest.mark.parametrize(
    "estimator",
    [Log(), Draws(3), Seeded(), GaussianNB(), SGDClassifier(random_state=0)],
    ids=name_of,
)
def test_no_seed_is_drawn_that_nothing_uses(estimator):
    np.random.seed(0)
    before = global_state()
    target = y if isinstance(estimator, GaussianNB | SGDClassifier) else None
    wrapper = ChunkedFit(estimator, chunk_size=20, max_epochs=1).fit(X, target)
    wrapper.explain(X, target)
    assert global_state() == before
    expected = {"Draws": 3, "Seeded": 1, "SGDClassifier": 0}
    assert wrapper.random_state_ == expected.get(name_of(estimator))


@pytest.mark.parametrize(
    ("wrapper", "seeds_estimator"),
    [
        (ChunkedFit(Draws()), True),
        (ChunkedFit(Log(), shuffle=True), False),
        (ChunkedFit(Log(), shuffle="chunks"), False),
        (ChunkedFit(SelectFromModel(SGDRegressor()), max_epochs=1), True),
        (
            ChunkedFit(SGDClassifier(early_stopping=True), shuffle=False, max_epochs=2),
            False,
        ),
    ],
    ids=["unseeded", "blocks", "chunks", "inside", "held out"],
)
def test_a_seed_that_is_used_is_drawn_and_recorded(wrapper, seeds_estimator):
    np.random.seed(0)
    expected = np.random.RandomState(0).randint(2**31 - 1)
    wrapper.fit(X, y)
    assert wrapper.random_state_ == expected
    params = wrapper.estimator_.get_params()
    seeds = [v for k, v in params.items() if k.endswith("random_state")]
    assert (expected in seeds) == seeds_estimator


@pytest.mark.parametrize("params", [{}, {"shuffle": True}, {"random_state": 5}])
def test_another_seed_is_never_overruled(params):
    """isotree has random_seed=1 and random_state=None, which is used if it is set."""
    for estimator in Seeded(), Seeded(random_seed=4):
        wrapper = ChunkedFit(estimator, chunk_size=20, **params).fit(X)
        assert wrapper.estimator_.random_state is None
        assert wrapper.draws_ == loop(estimator, X).draws_
        assert wrapper.random_state_ == params.get(
            "random_state", estimator.random_seed
        )
        nested = ChunkedFit(Draws(0, inner=estimator), **params).fit(X)
        assert nested.estimator_.inner.random_state is None
    unset = ChunkedFit(Seeded(random_seed=None), **{"random_state": 5} | params).fit(X)
    assert unset.estimator_.random_state == 5


def test_a_seed_of_the_wrapper_is_what_the_loop_would_have_set():
    wrapper = in_file_order(Draws(), chunk_size=20, random_state=5).fit(X)
    assert wrapper.draws_ == loop(Draws(5), X).draws_
    assert wrapper.random_state_ == 5


def test_further_training_keeps_the_seed_that_was_recorded():
    wrapper = ChunkedFit(Draws(), chunk_size=20).fit(X)
    seed = wrapper.random_state_
    np.random.seed(0)
    before = global_state()
    assert wrapper.partial_fit(X).random_state_ == seed
    assert global_state() == before


def test_explain_names_the_seed(capsys):
    for estimator, text in (
        (Seeded(), "1 (random_seed of the estimator)"),
        (Draws(3), "3 (random_state of the estimator)"),
        (Log(), "none, since nothing is drawn"),
        (Draws(), "drawn by fit, and recorded in random_state_"),
    ):
        ChunkedFit(estimator).explain(X)
        (line,) = [s for s in capsys.readouterr().out.splitlines() if "  seed" in s]
        assert line.split(maxsplit=1)[1] == text
