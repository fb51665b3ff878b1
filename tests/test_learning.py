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
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import BernoulliRBM, MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit
from skmmap.estimators.entry import LearningEntry
from skmmap.estimators.learning import Learning, RunShape, find_learning
from skmmap.estimators.stopping_rules import (
    DictionaryRule,
    KMeansRule,
    NmfRule,
    PerplexityRule,
)
from skmmap.wrap.meta_estimators import META, find_learner, replace_parameters

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
LABELS = np.arange(60) % 3
BINARY = LABELS % 2
OUTPUTS = np.column_stack([BINARY, LABELS])


def learning_of(estimator, *, uses_target=True) -> Learning:
    return find_learning(estimator, uses_target=uses_target)


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
    "LatentDirichletAllocation": PerplexityRule,
    "MiniBatchDictionaryLearning": DictionaryRule,
    "MiniBatchKMeans": KMeansRule,
    "MiniBatchNMF": NmfRule,
}


@pytest.mark.parametrize("estimator", partial_fit_estimators(small=False), ids=name_of)
def test_epochs_are_known_of_all_of_scikit_learn(estimator):
    """A new class with such a parameter fails here until somebody looks at it."""
    prefix, learner = find_learner(estimator)
    parameters = set(learner.get_params())
    learning = learning_of(estimator)
    epochs = learning.entry.epochs
    asked = parameters & {"max_iter", "n_iter", "n_epochs", "epochs"}
    assert asked == ({epochs} if epochs else set())
    assert EPOCHS.get(name_of(learner)) == epochs
    default = getattr(learner, epochs) if epochs else 1
    assert learning.n_epochs == default
    changed = replace_parameters(estimator, {f"{prefix}{name}": 7 for name in asked})
    assert learning.n_epochs == (7 if asked else 1)
    replace_parameters(estimator, changed)
    expected = STOPS.get(name_of(learner), "loss" if asked else None)
    assert learning.entry.stopping == expected


@pytest.mark.parametrize("estimator", partial_fit_estimators(small=False), ids=name_of)
def test_order_and_batches_are_known_of_all_of_scikit_learn(estimator):
    _, learner = find_learner(estimator)
    parameters = set(learner.get_params())
    learning = learning_of(estimator)
    entry = learning.entry
    if "shuffle" in parameters:
        assert learning.shuffle == "shuffle"
    else:
        assert learning.shuffle == (entry.epochs is not None)
    is_network = isinstance(learner, MLPClassifier | MLPRegressor)  # cuts its batches
    assert entry.batch_size == (
        "batch_size" if "batch_size" in parameters and not is_network else None
    )
    assert entry.splits_chunks == isinstance(learner, LatentDirichletAllocation)
    for name in (entry.epochs, entry.batch_size):
        assert name is None or name in inspect.signature(type(learner)).parameters


def test_every_meta_estimator_with_partial_fit_is_known():
    wrapping = {
        name_of(estimator)
        for estimator in partial_fit_estimators()
        if "estimator" in estimator.get_params()
    }
    assert wrapping == set(META)


def test_subclasses_are_what_they_descend_from():
    class Mine(SGDClassifier):
        pass

    entry = learning_of(SGDClassifier()).entry
    assert learning_of(Mine()).entry == entry
    assert learning_of(Mine(max_iter=8)).n_epochs == 8
    assert learning_of(OneVsRestClassifier(Mine())).entry == entry


# --- Others --------------------------------------------------------------------------


class Shuffles(BaseEstimator):
    def __init__(self, shuffle=True, max_iter=30):
        self.shuffle = shuffle
        self.max_iter = max_iter

    def partial_fit(self, X, y):
        return self


@pytest.mark.parametrize("uses_target", [False, True])
def test_others_see_rows_once_in_an_order_that_matters_to_labels(uses_target):
    for estimator in (Duck(), Recorder()):
        learning = learning_of(estimator, uses_target=uses_target)
        assert learning.entry == LearningEntry()
        assert learning.is_shuffled is uses_target
        assert learning.n_epochs == 1
        assert learning.find_batch_rows((60, 4)) is None


@pytest.mark.parametrize("uses_target", [False, True])
@pytest.mark.parametrize("shuffle", [True, False, np.True_, np.False_])
def test_others_say_by_shuffle_whether_order_matters(shuffle, uses_target):
    """And what else they have is not known to mean epochs."""
    estimator = Shuffles(shuffle)
    for model in (estimator, MultiOutputClassifier(estimator)):
        learning = learning_of(model, uses_target=uses_target)
        assert learning.shuffle == "shuffle"
        assert learning.is_shuffled == bool(shuffle)
        assert learning.n_epochs == 1


def test_a_shuffle_that_is_no_switch_says_nothing():
    for value in ("blocks", None, 1, np.random.permutation):
        for uses_target in (False, True):
            assert (
                learning_of(Shuffles(value), uses_target=uses_target).shuffle
                is uses_target
            )


def test_counting_estimators_are_not_shuffled_though_told_y():
    for estimator in (GaussianNB(), StandardScaler(), Birch(), IncrementalPCA()):
        assert not learning_of(estimator).is_shuffled


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
            assert learning_of(model).is_shuffled is shuffle
    for model in (MiniBatchKMeans(), MiniBatchNMF(), BernoulliRBM()):
        assert learning_of(model).is_shuffled is True


def test_epochs_that_are_no_number_are_left_to_the_estimator():
    for value in ("a", 0, -3, 2.5, None):
        model = SGDClassifier(max_iter=value)
        assert learning_of(model).n_epochs == 1
    for value in (np.int64(4), 4, True):
        model = SGDClassifier(max_iter=value)
        assert learning_of(model).n_epochs == int(value)
        assert type(learning_of(model).n_epochs) is int


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
        assert learning_of(model).find_batch_rows((60, 4)) == rows
    model = IncrementalPCA().fit(X)
    assert learning_of(model).find_batch_rows(X.shape) == model.batch_size_
    assert learning_of(model).find_batch_rows((60, 2, 3)) == 5 * 6


# --- Overrides --------------------------------------------------------------------


def overrides(model, *, is_shuffled=False, is_loop=False) -> dict:
    run = RunShape(60, 20, 3, is_shuffled=is_shuffled, is_loop=is_loop)
    return learning_of(model).find_overrides(run)


def test_what_partial_fit_needs_otherwise():
    assert overrides(SGDClassifier()) == {}
    assert overrides(SGDClassifier(), is_shuffled=True) == {"shuffle": False}
    assert overrides(SGDClassifier(shuffle=False), is_shuffled=True) == {}
    assert overrides(Perceptron(early_stopping=True)) == {"early_stopping": False}
    adaptive = SGDRegressor(learning_rate="adaptive", eta0=0.3)
    assert overrides(adaptive) == {"eta0": 0.3}
    network = MLPClassifier(early_stopping=True)
    assert overrides(network, is_shuffled=True) == {
        "early_stopping": False,
        "shuffle": False,
        "n_iter_no_change": np.inf,
    }
    assert overrides(MLPRegressor()) == {"n_iter_no_change": np.inf}
    online = {"total_samples": 60, "learning_method": "online"}
    assert overrides(LatentDirichletAllocation()) == online
    loop = overrides(LatentDirichletAllocation(), is_loop=True)
    assert loop == {"learning_method": "online"}
    forgets = MiniBatchNMF(forget_factor=0.5)  # as much in three chunks as in all rows
    assert overrides(forgets) == {"forget_factor": 0.5 ** (1 / 3)}
    # partial_fit would forget a share of it, of 5 in 20 rows.
    few = overrides(forgets.set_params(batch_size=5))
    assert few == {"forget_factor": 0.5 ** (1 / 3), "batch_size": 20}
    assert overrides(BernoulliRBM()) == {}
    assert overrides(BernoulliRBM(), is_shuffled=True) == {"batch_size": 20}
    nested = MultiOutputClassifier(OneVsRestClassifier(SGDClassifier()))
    assert overrides(nested, is_shuffled=True) == {
        "estimator__estimator__shuffle": False
    }
    for other in (GaussianNB(), MiniBatchKMeans(), Shuffles(), Duck(), Recorder()):
        assert overrides(other, is_shuffled=True) == {}


@pytest.mark.parametrize("is_shuffled", [False, True])
@pytest.mark.parametrize("estimator", partial_fit_estimators(small=False), ids=name_of)
def test_replacements_are_parameters_that_are_there(estimator, is_shuffled):
    changed = overrides(estimator, is_shuffled=is_shuffled)
    given = estimator.get_params()
    before = replace_parameters(estimator, changed)
    assert before == {name: given[name] for name in changed}
    assert changed.items() <= estimator.get_params().items()
    assert replace_parameters(estimator, before) == changed
    assert repr(estimator.get_params()) == repr(given)


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
