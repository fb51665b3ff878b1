"""Which questions about an estimator are answered, and how."""

import inspect

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skmmap import ChunkedFit
from skmmap._delegate import (
    find_tags,
    find_target_passing,
    requires_target,
    takes,
    takes_labels,
)


class Takes:
    def keyword(self, X, y=None, *, a=1):
        pass

    def anything(self, X, **params):
        pass


def test_signatures():
    assert takes(Takes().keyword, "a")
    assert not takes(Takes().keyword, "b")
    assert not takes(Takes().anything, "a")


@pytest.mark.parametrize(
    ("partial_fit", "passed", "requires_y"),
    [
        (lambda self, X: None, ((), {}), False),
        (lambda self, X, y: None, (("y",), {}), True),
        (lambda self, X, Y=None: None, (("y",), {}), False),
        (lambda self, X, target: None, (("y",), {}), False),
        (lambda self, X, n_iter=5: None, ((), {}), False),
        (lambda self, *args: None, (("y",), {}), False),
        (lambda self, X, *, weight=None: None, ((), {}), False),
        (lambda self, X, *, y: None, ((), {"y": "y"}), True),
        (lambda self, X, **params: None, ((), {}), False),
    ],
)
def test_targets_of_third_parties(partial_fit, passed, requires_y):
    estimator = type("Third", (), {"partial_fit": partial_fit})()
    assert find_target_passing(estimator)("y") == passed
    assert requires_target(estimator) == requires_y


def test_no_target_is_no_further_argument():
    estimator = type("Third", (), {"partial_fit": lambda self, *args: None})()
    assert find_target_passing(estimator)(None) == ((), {})


def test_compiled_methods_need_not_tell_their_signature():
    estimator = type("Compiled", (), {})()
    estimator.partial_fit = {}.pop
    with pytest.raises(ValueError, match="signature"):
        inspect.signature(estimator.partial_fit)
    assert find_target_passing(estimator)("y") == (("y",), {})
    assert not takes(estimator.partial_fit, "classes")


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (SGDClassifier(), True),
        (SGDRegressor(), False),
        (ChunkedFit(SGDClassifier()), True),
        (ChunkedFit(SGDRegressor()), False),
        (ChunkedFit(StandardScaler()), False),
    ],
)
def test_who_has_to_be_told_the_classes(estimator, expected):
    assert takes_labels(estimator) == expected


def test_tags():
    assert find_tags(object()) is None
    assert find_tags(SGDClassifier) is None
    tags = find_tags(MinMaxScaler())
    tags.input_tags.sparse = "changed"
    assert find_tags(MinMaxScaler()).input_tags.sparse != "changed"


def test_the_tags_of_the_wrapper():
    wrapper, bare = ChunkedFit(StandardScaler()), StandardScaler()
    expected = find_tags(bare)
    assert expected.array_api_support
    expected.array_api_support = False  # chunks are NumPy's
    assert find_tags(wrapper) == expected
    assert find_tags(ChunkedFit(object())).estimator_type is None


def test_the_signature_of_fit():
    def names(wrapper):
        return list(inspect.signature(wrapper.fit).parameters)

    assert names(ChunkedFit(StandardScaler()))[:3] == ["X", "y", "sample_weight"]
    assert "sample_weight" not in names(ChunkedFit(MinMaxScaler()))
    assert list(inspect.signature(ChunkedFit.fit).parameters)[:3] == ["self", "X", "y"]
    assert ChunkedFit(MinMaxScaler()).fit.__name__ == "fit"


class Picky(BaseEstimator):
    """Has a learned attribute that it cannot always give."""

    def partial_fit(self, X, y=None):
        self.seen_ = len(X)
        return self

    @property
    def broken_(self):
        raise AttributeError("only after more rows")


def test_a_learned_property_says_itself_why_it_is_missing():
    wrapper = ChunkedFit(Picky()).fit(np.zeros((3, 1)))
    assert wrapper.seen_ == 3
    assert not hasattr(wrapper, "broken_")
    with pytest.raises(AttributeError, match="only after more rows"):
        wrapper.broken_  # noqa: B018
