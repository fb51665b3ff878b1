"""What is known of each estimator's own ``fit``, and what is assumed of others."""

import inspect

import numpy as np
import pytest
from helpers import Duck, Recorder, name_of, partial_fit_estimators
from sklearn.base import BaseEstimator
from sklearn.cluster import Birch, MiniBatchKMeans
from sklearn.decomposition import (
    IncrementalPCA,
    LatentDirichletAllocation,
    MiniBatchDictionaryLearning,
    MiniBatchNMF,
)
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import BernoulliRBM, MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit
from skmmap.wrap.own_fit import (
    META,
    OwnFit,
    find_batch_rows,
    find_epochs,
    find_learner,
    find_limits,
    find_own_fit,
    find_replacements,
    is_shuffled,
    iter_fitted,
    replace_parameters,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
LABELS = np.arange(60) % 3
BINARY = LABELS % 2
OUTPUTS = np.column_stack([BINARY, LABELS])


def facts_of(estimator, *, is_told=True) -> OwnFit:
    return find_own_fit(estimator, is_told=is_told)


# --- The table -----------------------------------------------------------------------

# Those whose ``fit`` goes over the rows several times, and by what parameter.
EPOCHS = {
    "BernoulliRBM": "n_iter",
    "LatentDirichletAllocation": "max_iter",
    "MLPClassifier": "max_iter",
    "MLPRegressor": "max_iter",
    "MiniBatchDictionaryLearning": "max_iter",
    "MiniBatchKMeans": "max_iter",
    "MiniBatchNMF": "max_iter",
    "PassiveAggressiveClassifier": "max_iter",
    "PassiveAggressiveRegressor": "max_iter",
    "Perceptron": "max_iter",
    "SGDClassifier": "max_iter",
    "SGDOneClassSVM": "max_iter",
    "SGDRegressor": "max_iter",
}
STOPS = {
    "BernoulliRBM": None,
    "LatentDirichletAllocation": "perplexity",
    "MiniBatchDictionaryLearning": "steps",
    "MiniBatchKMeans": "steps",
    "MiniBatchNMF": "steps",
}


@pytest.mark.parametrize("estimator", partial_fit_estimators(small=False), ids=name_of)
def test_epochs_are_known_of_all_of_scikit_learn(estimator):
    """A new class with such a parameter fails here until somebody looks at it."""
    prefix, learner = find_learner(estimator)
    parameters = set(learner.get_params())
    facts = facts_of(estimator)
    asked = parameters & {"max_iter", "n_iter", "n_epochs", "epochs"}
    assert asked == ({facts.epochs} if facts.epochs else set())
    assert EPOCHS.get(name_of(learner)) == facts.epochs
    default = getattr(learner, facts.epochs) if facts.epochs else 1
    assert find_epochs(estimator, facts) == default
    changed = replace_parameters(estimator, {f"{prefix}{name}": 7 for name in asked})
    assert find_epochs(estimator, facts) == (7 if asked else 1)
    replace_parameters(estimator, changed)
    expected = STOPS.get(name_of(learner), "loss" if asked else None)
    assert facts.stops == expected


@pytest.mark.parametrize("estimator", partial_fit_estimators(small=False), ids=name_of)
def test_order_and_batches_are_known_of_all_of_scikit_learn(estimator):
    _, learner = find_learner(estimator)
    parameters = set(learner.get_params())
    facts = facts_of(estimator)
    if "shuffle" in parameters:
        assert facts.shuffle == "shuffle"
    else:
        assert facts.shuffle == (facts.epochs is not None)
    is_network = isinstance(learner, MLPClassifier | MLPRegressor)  # cuts its batches
    assert facts.batch == (
        "batch_size" if "batch_size" in parameters and not is_network else None
    )
    assert facts.cuts == isinstance(learner, LatentDirichletAllocation)
    for name in (facts.epochs, facts.batch):
        assert name is None or name in inspect.signature(type(learner)).parameters


def test_every_meta_estimator_with_partial_fit_is_known():
    wrapping = {
        type(estimator)
        for estimator in partial_fit_estimators()
        if "estimator" in estimator.get_params()
    }
    assert wrapping == set(META)


def test_subclasses_are_what_they_descend_from():
    class Mine(SGDClassifier):
        pass

    assert facts_of(Mine()) == facts_of(SGDClassifier())
    assert find_epochs(Mine(max_iter=8), facts_of(Mine())) == 8
    assert facts_of(OneVsRestClassifier(Mine())) == facts_of(SGDClassifier())


# --- Others --------------------------------------------------------------------------


class Shuffles(BaseEstimator):
    def __init__(self, shuffle=True, max_iter=30):
        self.shuffle = shuffle
        self.max_iter = max_iter

    def partial_fit(self, X, y):
        return self


@pytest.mark.parametrize("is_told", [False, True])
def test_others_see_rows_once_in_an_order_that_matters_to_labels(is_told):
    for estimator in (Duck(), Recorder()):
        facts = facts_of(estimator, is_told=is_told)
        assert facts == OwnFit(shuffle=is_told)
        assert is_shuffled(estimator, facts) is is_told
        assert find_epochs(estimator, facts) == 1
        assert find_batch_rows(estimator, facts, (60, 4)) is None


@pytest.mark.parametrize("is_told", [False, True])
@pytest.mark.parametrize("shuffle", [True, False, np.True_, np.False_])
def test_others_say_by_shuffle_whether_order_matters(shuffle, is_told):
    """And what else they have is not known to mean epochs."""
    estimator = Shuffles(shuffle)
    facts = facts_of(estimator, is_told=is_told)
    assert facts == OwnFit(shuffle="shuffle")
    assert is_shuffled(estimator, facts) == bool(shuffle)
    assert find_epochs(estimator, facts) == 1
    nested = MultiOutputClassifier(estimator)
    assert facts_of(nested) == facts
    assert is_shuffled(nested, facts) == bool(shuffle)


def test_a_shuffle_that_is_no_switch_says_nothing():
    for value in ("blocks", None, 1, np.random.permutation):
        for is_told in (False, True):
            facts = facts_of(Shuffles(value), is_told=is_told)
            assert facts == OwnFit(shuffle=is_told)


def test_counting_estimators_are_not_shuffled_though_told_y():
    for estimator in (GaussianNB(), StandardScaler(), Birch(), IncrementalPCA()):
        assert not is_shuffled(estimator, facts_of(estimator))


# --- Numbers -------------------------------------------------------------------------


def test_shuffle_is_that_of_the_learner():
    for shuffle in (True, False):
        for model in (
            SGDClassifier(shuffle=shuffle),
            MLPRegressor(shuffle=shuffle),
            OneVsRestClassifier(Perceptron(shuffle=shuffle)),
            MultiOutputRegressor(SGDRegressor(shuffle=shuffle)),
            MiniBatchDictionaryLearning(shuffle=shuffle),
        ):
            assert is_shuffled(model, facts_of(model)) is shuffle
    for model in (MiniBatchKMeans(), MiniBatchNMF(), BernoulliRBM()):
        assert is_shuffled(model, facts_of(model)) is True


def test_epochs_that_are_no_number_are_left_to_the_estimator():
    for value in ("a", 0, -3, 2.5, None):
        model = SGDClassifier(max_iter=value)
        assert find_epochs(model, facts_of(model)) == 1
    for value in (np.int64(4), 4, True):
        model = SGDClassifier(max_iter=value)
        assert find_epochs(model, facts_of(model)) == int(value)
        assert type(find_epochs(model, facts_of(model))) is int


def test_batches_are_those_of_fit():
    for model, rows in (
        (MiniBatchKMeans(batch_size=7), 7),
        (MiniBatchKMeans(), 1_024),
        (MiniBatchNMF(batch_size=np.int32(9)), 9),
        (MiniBatchDictionaryLearning(), 256),
        (BernoulliRBM(), 10),
        (LatentDirichletAllocation(), 128),
        (IncrementalPCA(), 20),
        (IncrementalPCA(batch_size=6), 6),
        (IncrementalPCA(batch_size="a"), None),
        (MiniBatchNMF(batch_size=0), None),
        (SGDClassifier(), None),
        (MLPClassifier(batch_size=5), None),
        (Birch(), None),
    ):
        assert find_batch_rows(model, facts_of(model), (60, 4)) == rows
    model = IncrementalPCA().fit(X)
    assert find_batch_rows(model, facts_of(model), X.shape) == model.batch_size_
    assert find_batch_rows(model, facts_of(model), (60, 2, 3)) == 5 * 6


# --- Inside of meta-estimators -------------------------------------------------------


def test_the_learner_is_found_through_all_that_wraps_it():
    sgd = SGDClassifier()
    assert find_learner(sgd) == ("", sgd)
    for wrap in META:
        assert find_learner(wrap(sgd)) == ("estimator__", sgd)
        outer = MultiOutputClassifier(wrap(sgd))
        assert find_learner(outer) == ("estimator__estimator__", sgd)
        assert outer.get_params()["estimator__estimator__alpha"] == sgd.alpha


def test_fitted_learners_are_found_through_all_that_wraps_them():
    sgd = SGDClassifier(random_state=0)
    assert list(iter_fitted(sgd)) == [sgd]
    duck = Duck()
    assert list(iter_fitted(duck)) == [duck]
    for wrap, n_members in (
        (OneVsRestClassifier, 3),
        (OneVsOneClassifier, 3),
        (SelectFromModel, 1),
    ):
        model = wrap(sgd)
        assert list(iter_fitted(model)) == []
        model.partial_fit(X, LABELS, classes=np.arange(3))
        assert len(list(iter_fitted(model))) == n_members
        for member in iter_fitted(model):
            assert type(member) is SGDClassifier
            assert member is not sgd
            assert member.t_ > 1
    nested = MultiOutputClassifier(OneVsRestClassifier(sgd))
    nested.partial_fit(X, OUTPUTS, classes=[np.arange(2), np.arange(3)])
    binary, several = nested.estimators_
    expected = [*binary.estimators_, *several.estimators_]
    found = list(iter_fitted(nested))
    assert len(found) == len(expected) == 4
    assert all(a is b for a, b in zip(found, expected, strict=True))


# --- Replacements --------------------------------------------------------------------


def replacements(model, *, is_mixed=False) -> dict:
    changed = find_replacements(model, n_rows=60, chunk_rows=20, is_mixed=is_mixed)
    return find_limits(model) | changed


def test_what_partial_fit_needs_otherwise():
    assert replacements(SGDClassifier()) == {}
    assert replacements(SGDClassifier(), is_mixed=True) == {"shuffle": False}
    assert replacements(SGDClassifier(shuffle=False), is_mixed=True) == {}
    assert replacements(Perceptron(early_stopping=True)) == {"early_stopping": False}
    adaptive = SGDRegressor(learning_rate="adaptive", eta0=0.3)
    assert replacements(adaptive) == {"eta0": 0.3}
    network = MLPClassifier(early_stopping=True)
    assert replacements(network, is_mixed=True) == {
        "early_stopping": False,
        "shuffle": False,
        "n_iter_no_change": np.inf,
    }
    assert replacements(MLPRegressor()) == {"n_iter_no_change": np.inf}
    online = {"total_samples": 60, "learning_method": "online"}
    assert replacements(LatentDirichletAllocation()) == online
    assert find_limits(LatentDirichletAllocation()) == {"learning_method": "online"}
    forgets = MiniBatchNMF(forget_factor=0.5)  # as much in three chunks as in all rows
    assert replacements(forgets) == {"forget_factor": 0.5 ** (1 / 3)}
    # partial_fit would forget a share of it, of 5 in 20 rows.
    few = replacements(forgets.set_params(batch_size=5))
    assert few == {"forget_factor": 0.5 ** (1 / 3), "batch_size": 20}
    assert replacements(BernoulliRBM()) == {}
    assert replacements(BernoulliRBM(), is_mixed=True) == {"batch_size": 20}
    nested = MultiOutputClassifier(OneVsRestClassifier(SGDClassifier()))
    assert replacements(nested, is_mixed=True) == {
        "estimator__estimator__shuffle": False
    }
    for other in (GaussianNB(), MiniBatchKMeans(), Shuffles(), Duck(), Recorder()):
        assert replacements(other, is_mixed=True) == {}


@pytest.mark.parametrize("is_mixed", [False, True])
@pytest.mark.parametrize("estimator", partial_fit_estimators(small=False), ids=name_of)
def test_replacements_are_parameters_that_are_there(estimator, is_mixed):
    changed = replacements(estimator, is_mixed=is_mixed)
    given = estimator.get_params()
    before = replace_parameters(estimator, changed)
    assert before == {name: given[name] for name in changed}
    assert changed.items() <= estimator.get_params().items()
    assert replace_parameters(estimator, before) == changed
    assert repr(estimator.get_params()) == repr(given)


def test_parameters_of_trained_members_are_replaced_and_restored():
    sgd = SGDClassifier(random_state=0)
    for model, target, classes, prefix in (
        (OneVsRestClassifier(sgd), LABELS, np.arange(3), "estimator__"),
        (SelectFromModel(sgd), LABELS, np.arange(3), "estimator__"),
        (
            MultiOutputClassifier(OneVsRestClassifier(sgd)),
            OUTPUTS,
            [np.arange(2), np.arange(3)],
            "estimator__estimator__",
        ),
    ):
        model.partial_fit(X, target, classes=classes)
        before = replace_parameters(model, {f"{prefix}eta0": 0.5})
        assert before == {f"{prefix}eta0": sgd.eta0}
        assert {member.eta0 for member in iter_fitted(model)} == {0.5}
        assert find_learner(model)[1].eta0 == 0.5
        replace_parameters(model, before)
        assert {member.eta0 for member in iter_fitted(model)} == {
            before[f"{prefix}eta0"]
        }
        assert find_learner(model)[1].eta0 == sgd.eta0


def test_nothing_to_replace_asks_nothing_of_the_estimator():
    """Which need not have get_params then."""
    assert replace_parameters(object(), {}) == {}
    model = SGDClassifier()
    assert replace_parameters(model, {"alpha": 2.0}) == {"alpha": 0.0001}
    assert model.alpha == 2.0


def test_further_training_restores_what_it_replaces():
    """Also when it fails on the way."""
    targets = OUTPUTS
    inner = SGDClassifier(random_state=0, shuffle=True)
    wrapper = ChunkedFit(MultiOutputClassifier(inner), chunk_size=20, max_epochs=2)
    wrapper.fit(X, targets)
    bad = np.where(np.arange(60)[:, None] == 45, np.nan, X)
    wrapper.partial_fit(X, targets)
    with pytest.raises(ValueError, match="contains NaN"):
        wrapper.partial_fit(bad, targets)
    assert {member.shuffle for member in wrapper.estimator_.estimators_} == {True}
    assert wrapper.estimator_.get_params()["estimator__shuffle"] is True
