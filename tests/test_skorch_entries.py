"""Nets of skorch: epochs as their own fit makes them. A small fake has their names."""

import warnings

import numpy as np
import pytest
from helpers import in_file_order
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import EfficiencyWarning
from sklearn.multioutput import MultiOutputRegressor

from skmmap import ChunkedFit
from skmmap.estimators.entry import LearningEntry
from skmmap.estimators.registry import find_entry

X = np.random.default_rng(0).normal(size=(70, 1, 3, 3)).astype(np.float32)
y = np.arange(70) % 3


class ValidSplit:
    """What skorch holds out a fifth with, of which ``clone`` makes a copy."""

    def __eq__(self, other):
        return type(other) is ValidSplit

    __hash__ = None

    def __call__(self, n_rows):
        return n_rows - n_rows // 5


class NeuralNet(BaseEstimator):
    """Learns like skorch's: max_epochs times, from what train_split leaves."""

    def __init__(
        self,
        max_epochs=10,
        batch_size=8,
        train_split=None,
        callbacks=None,
        iterator_train__shuffle=None,
    ):
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.train_split = train_split
        self.callbacks = callbacks
        self.iterator_train__shuffle = iterator_train__shuffle

    def partial_fit(self, X, y=None, classes=None):
        self.calls_ = getattr(self, "calls_", [])
        n_rows = len(X) if self.train_split is None else self.train_split(len(X))
        for _ in range(self.max_epochs):
            self.calls_.append((X[:n_rows].copy(), None if y is None else y[:n_rows]))
        return self

    def fit(self, X, y=None):
        vars(self).pop("calls_", None)
        return self.partial_fit(X, y)


NeuralNet.__module__ = "skorch.net"


class Net(ClassifierMixin, NeuralNet):
    """A class of the user's."""


def rows_of(model) -> np.ndarray:
    """Return the first values of all rows, in the order in which they were learned."""
    return np.concatenate([rows[:, 0, 0, 0] for rows, _ in model.calls_])


def sorted_rows(model) -> list:
    return sorted(rows_of(model).tolist())


def test_what_is_a_net():
    for net in Net, NeuralNet:
        assert find_entry(net).entry.epochs == "max_epochs"
    for other in type("NeuralNet", (BaseEstimator,), {}), object:
        assert find_entry(other).entry == LearningEntry()


@pytest.mark.parametrize("max_epochs", ["auto", 4])
@pytest.mark.parametrize("split", [None, ValidSplit()])
def test_each_row_is_learned_once_in_each_of_the_epochs_of_fit(max_epochs, split):
    net = Net(max_epochs=4, train_split=split)
    wrapper = ChunkedFit(net, chunk_size=16, max_epochs=max_epochs, random_state=0)
    wrapper.fit(X, y)
    assert wrapper.n_epochs_ == 4
    whole = Net(max_epochs=4).fit(X, y)
    assert sorted_rows(wrapper) == sorted_rows(whole)
    n_rows = [len(rows) for rows, _ in wrapper.calls_]
    assert n_rows == 4 * [16, 16, 16, 16, 6]
    assert {rows.shape[1:] for rows, _ in wrapper.calls_} == {(1, 3, 3)}
    assert not np.array_equal(rows_of(wrapper), rows_of(whole))
    trained = wrapper.estimator_
    assert (trained.max_epochs, trained.train_split) == (4, split)
    assert (net.max_epochs, net.train_split) == (4, split)


def test_further_training_is_one_pass_and_restores_what_it_changes():
    split = ValidSplit()
    wrapper = ChunkedFit(Net(max_epochs=3, train_split=split), chunk_size=40)
    wrapper.partial_fit(X, y).partial_fit(X, y)
    assert len(rows_of(wrapper)) == 140
    trained = wrapper.estimator_
    assert (trained.max_epochs, trained.train_split) == (3, split)
    trained.calls_ = None  # which fails
    with pytest.raises(AttributeError):
        wrapper.partial_fit(X, y)
    assert (trained.max_epochs, trained.train_split) == (3, split)


@pytest.mark.parametrize("max_epochs", [1, 2])
def test_the_loop_written_out_is_the_loop(max_epochs):
    """With all epochs on each chunk, and a fifth of it held out."""
    net = Net(max_epochs=3, train_split=ValidSplit())
    wrapper = in_file_order(net, chunk_size=20, max_epochs=max_epochs).fit(X, y)
    by_hand = Net(max_epochs=3, train_split=ValidSplit())
    for _ in range(max_epochs):
        for start in range(0, 70, 20):
            by_hand.partial_fit(X[start : start + 20], y[start : start + 20])
    np.testing.assert_array_equal(rows_of(wrapper), rows_of(by_hand))


def test_a_split_of_the_users_own_is_left_alone():
    def half(n_rows):
        return n_rows // 2

    wrapper = ChunkedFit(Net(max_epochs=2, train_split=half), chunk_size=20).fit(X, y)
    assert [len(rows) for rows, _ in wrapper.calls_] == 2 * [10, 10, 10, 5]


@pytest.mark.parametrize(
    ("shuffles", "target", "is_mixed"),
    [
        (None, None, False),
        (None, y, True),
        (False, y, False),
        (True, y, True),
        (True, None, True),
    ],
)
def test_rows_are_shuffled_if_the_net_shuffles_them(shuffles, target, is_mixed):
    net = NeuralNet(max_epochs=1, iterator_train__shuffle=shuffles)
    wrapper = ChunkedFit(net, chunk_size=20, random_state=0).fit(X, target)
    assert np.array_equal(rows_of(wrapper), X[:, 0, 0, 0]) != is_mixed


def test_chunks_have_whole_batches():
    wrapper = ChunkedFit(Net(batch_size=6, max_epochs=1), memory_limit="20736B")
    with pytest.warns(EfficiencyWarning, match="memory_limit='20736B'"):
        wrapper.fit(X, y)
    assert wrapper.chunk_size_ % 6 == 0
    assert wrapper.chunk_size_ < 70
    all_at_once = ChunkedFit(Net(batch_size=-1, max_epochs=1)).fit(X, y)
    assert all_at_once.chunk_size_ >= 70


def test_a_net_inside_of_a_meta_estimator():
    rows, targets = X.reshape(70, -1), np.column_stack([y, y]) / 2
    split = ValidSplit()
    model = MultiOutputRegressor(FlatNet(max_epochs=2, train_split=split))
    wrapper = ChunkedFit(model, chunk_size=30).fit(rows, targets)
    for net in wrapper.estimators_:
        assert [len(rows) for rows, _ in net.calls_] == 2 * [30, 30, 10]
        assert (net.max_epochs, net.train_split) == (2, split)


class FlatNet(NeuralNet):
    def predict(self, X):
        return X[:, 0]


CALLBACKS = (
    "The callbacks of Net see a fit of one epoch for each of 4 chunks: a "
    "schedule of the learning rate advances with each of them, and early stopping "
    "begins again. Leave them out, and change the learning rate by hand: fit with "
    "max_epochs=1, then call model.estimator_.set_params(lr=...) and "
    "model.partial_fit(X, y) for each further epoch."
)


def test_callbacks_are_warned_of():
    net = Net(callbacks=["a schedule"])
    with pytest.warns(UserWarning, match="callbacks") as caught:
        ChunkedFit(net, chunk_size=20).fit(X, y)
    assert [str(warning.message) for warning in caught] == [CALLBACKS]
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ChunkedFit(net, chunk_size=70).fit(X, y)
        in_file_order(net, chunk_size=20).fit(X, y)
        for none in None, [], "disable":
            ChunkedFit(Net(callbacks=none), chunk_size=20).fit(X, y)


def test_explain_says_what_is_followed():
    net = Net(max_epochs=7, train_split=ValidSplit())
    said = str(ChunkedFit(net).explain(X, y))
    assert "epochs                  7 (max_epochs of the estimator)\n" in said
    assert "(a multiple of batch_size of the estimator)" in said
    assert "max_epochs=1 (was 7), train_split=None (was " in said
