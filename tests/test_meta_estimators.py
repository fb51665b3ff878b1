"""Meta-estimators: what learns inside them, and its parameters."""

import numpy as np
from helpers import Duck
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import SGDClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

from skmmap.wrap.meta_estimators import (
    META,
    find_learner,
    find_parameters,
    iter_fitted,
    replace_parameters,
)

X = np.random.default_rng(0).normal(size=(60, 4))
LABELS = np.arange(60) % 3
OUTPUTS = np.column_stack([LABELS % 2, LABELS])


def test_the_learner_is_found_through_all_that_wraps_it():
    sgd = SGDClassifier()
    assert find_learner(sgd) == ("", sgd)
    for wrap in map(dict(all_estimators()).get, META):
        assert find_learner(wrap(sgd)) == ("estimator__", sgd)
        outer = MultiOutputClassifier(wrap(sgd))
        assert find_learner(outer) == ("estimator__estimator__", sgd)
        assert outer.get_params()["estimator__estimator__alpha"] == sgd.alpha


def test_parameters_are_those_of_get_params():
    class Fewer(SGDClassifier):
        def get_params(self, deep=True):
            return {"alpha": self.alpha}

    sgd = SGDClassifier(alpha=0.5)
    for estimator in (
        sgd,
        Fewer(),
        OneVsRestClassifier(sgd),
        MultiOutputClassifier(OneVsRestClassifier(Fewer())),
        SelectFromModel(Pipeline([("scale", StandardScaler()), ("sgd", sgd)])),
    ):
        assert find_parameters(estimator) == estimator.get_params()
        assert find_parameters(estimator) == estimator.get_params()  # names are known


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


def test_parameters_of_trained_members_are_replaced_and_restored():
    sgd = SGDClassifier(random_state=0, eta0=0.01)
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
        assert before == {f"{prefix}eta0": 0.01}
        assert {member.eta0 for member in iter_fitted(model)} == {0.5}
        assert find_learner(model)[1].eta0 == 0.5
        replace_parameters(model, before)
        assert {member.eta0 for member in iter_fitted(model)} == {
            before[f"{prefix}eta0"]
        }
        assert find_learner(model)[1].eta0 == 0.01


def test_nothing_to_replace_asks_nothing_of_the_estimator():
    """Which need not have get_params then."""
    assert replace_parameters(object(), {}) == {}
    model = SGDClassifier()
    assert replace_parameters(model, {"alpha": 2.0}) == {"alpha": 0.0001}
    assert model.alpha == 2.0
