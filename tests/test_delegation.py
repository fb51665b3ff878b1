"""Which questions about an estimator are answered, and how."""

import inspect
from functools import wraps

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skmmap import ChunkedFit
from skmmap.wrap.delegation import (
    find_tags,
    find_target_passing,
    guesses_labels,
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


def _plain(method):
    """A decorator that does not say what it wraps."""

    def wrapper(*args, **kwargs):
        return method(*args, **kwargs)

    return wrapper


def _wrapped(method):
    @wraps(method)
    def wrapper(self, *args, **kwargs):
        return method(self, *args, **kwargs)

    return wrapper


class Inner(BaseEstimator):
    """Counts labels, of which it has to be told all at first, or must not be told."""

    def learn(self, y, classes=None):
        if classes is not None:
            self.classes_ = np.asarray(classes)
        self.learned_ = getattr(self, "learned_", 0) + len(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


class Keywords(ClassifierMixin, Inner):
    def partial_fit(self, X, y, **kwargs):
        return self.learn(y, **kwargs)


class Anything(ClassifierMixin, Inner):
    def partial_fit(self, *args, **kwargs):
        return self.learn(args[1], **kwargs)


class Decorated(ClassifierMixin, Inner):
    @_plain
    def partial_fit(self, X, y, classes=None):
        return self.learn(y, classes)


class Wrapped(ClassifierMixin, Inner):
    @_wrapped
    def partial_fit(self, X, y, classes=None):
        return self.learn(y, classes)


class KeywordOnly(ClassifierMixin, Inner):
    def partial_fit(self, X, y, *, classes=None):
        return self.learn(y, classes)


class Inherited(SGDClassifier):
    pass


class Forwarding(SGDClassifier):
    def partial_fit(self, X, y, **kwargs):
        return super().partial_fit(X, y, **kwargs)


class ForwardingTwice(Forwarding):
    @_plain
    def partial_fit(self, X, y, *args, **kwargs):
        return super().partial_fit(X, y, *args, **kwargs)


class Weighing(SGDClassifier):
    def partial_fit(self, X, y, sample_weight=None, **kwargs):
        return super().partial_fit(X, y, sample_weight=sample_weight, **kwargs)


class ForwardingWrapped(SGDClassifier):
    @_wrapped
    def partial_fit(self, X, y, **kwargs):
        return super().partial_fit(X, y, **kwargs)


class Knowing(SGDClassifier):
    """Has to be told no classes: it knows them."""

    def partial_fit(self, X, y):
        return super().partial_fit(X, y, classes=[0, 1, 2])


class KnowingForwarded(Knowing):
    def partial_fit(self, X, y, **kwargs):
        return super().partial_fit(X, y, **kwargs)


class Refusing(ClassifierMixin, Inner):
    """Takes any keyword and hands it to what does not know it."""

    def partial_fit(self, X, y, **kwargs):
        self.learned_ = getattr(self, "learned_", 0)
        return self._step(X, y, **kwargs)

    def _step(self, X, y, rate=1):
        self.learned_ += len(y) * rate
        return self


class Regressing(RegressorMixin, Inner):
    def partial_fit(self, X, y, **kwargs):
        assert "classes" not in kwargs
        return self


@pytest.mark.parametrize(
    ("kind", "told", "guessed"),
    [
        (Keywords, True, True),
        (Anything, True, True),
        (Decorated, True, True),
        (Refusing, True, True),
        (Wrapped, True, False),
        (KeywordOnly, True, False),
        (Inherited, True, False),
        (Forwarding, True, False),
        (ForwardingTwice, True, False),
        (ForwardingWrapped, True, False),
        (Weighing, True, False),
        (Knowing, False, False),
        (KnowingForwarded, False, False),
        (Regressing, False, False),
    ],
)
def test_classes_in_every_spelling(kind, told, guessed):
    assert takes_labels(kind()) == told
    assert guesses_labels(kind()) == guessed
    selecting = SelectFromModel(kind())
    assert (takes_labels(selecting), guesses_labels(selecting)) == (told, guessed)
    X, y = np.random.default_rng(0).random((30, 2)), np.arange(30) % 3
    y[:10] = np.arange(10) % 2  # the first chunk has not all of them
    model = ChunkedFit(kind(), chunk_size=10, shuffle=False, max_epochs=1).fit(X, y)
    if told and kind is not Refusing:
        assert model.classes_.tolist() == [0, 1, 2]
    if issubclass(kind, Inner) and kind is not Regressing:
        assert model.learned_ == 30


def test_classes_that_were_given_are_not_left_out():
    X, y = np.zeros((30, 2)), np.arange(30) % 3
    with pytest.raises(TypeError, match="unexpected keyword argument 'classes'"):
        ChunkedFit(Refusing()).fit(X, y, classes=[0, 1, 2])


class Failing(ClassifierMixin, Inner):
    def partial_fit(self, X, y, **kwargs):
        raise TypeError("something else, with or without 'classes'")


def test_an_error_for_another_reason_is_raised():
    with pytest.raises(TypeError, match="something else"):
        ChunkedFit(Failing()).fit(np.zeros((4, 2)), [0, 1, 0, 1])


def test_tags():
    assert find_tags(object()) is None
    assert find_tags(SGDClassifier) is None
    tags = find_tags(MinMaxScaler())
    tags.input_tags.sparse = "changed"
    assert find_tags(MinMaxScaler()).input_tags.sparse != "changed"


def test_the_tags_of_the_wrapper():
    wrapper, bare = ChunkedFit(MinMaxScaler()), MinMaxScaler()
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
