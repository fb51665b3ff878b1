"""Estimators whose state refers to itself, or to what they share with other code."""

import random

import numpy as np
import pytest
from killed import run_in_pieces
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from skmmap import Checkpoint, ChunkedFit

X = np.random.default_rng(0).random((60, 4))


class Learner(BaseEstimator):
    """Keeps a list of what it has learned from each chunk."""

    def partial_fit(self, X, y=None):
        if not hasattr(self, "learned_"):
            self.learned_ = []
            self.begin()
        self.learned_.append(self.learn(X))
        return self


class UsesItself(Learner):
    def begin(self):
        self.sum_ = 1.0
        self.scale = lambda X: X.sum() * self.sum_

    def learn(self, X):
        self.sum_ = self.scale(X) % 7
        return self.sum_


class SharesAVariable(Learner):
    def begin(self):
        count = 0

        def add(number=2, *, times=1):
            nonlocal count
            count += number * times

        add.calls = 0
        self.add, self.read = add, lambda: count

    def learn(self, X):
        self.add(times=3)
        self.add.calls += 1
        return self.read(), self.add.calls


class CallsItself(Learner):
    def begin(self):
        def halve(number):
            halve.calls += 1
            return 0 if number < 1 else 1 + halve(number / 2)

        def later():
            return unset

        halve.calls = 0
        self.halve, self.later = halve, later
        if not hasattr(self, "sum_"):
            return
        unset = 1

    def learn(self, X):
        with pytest.raises(NameError):
            self.later()
        return self.halve(len(X)), self.halve.calls


class SharesAnArray(Learner):
    def begin(self):
        weights = self.weights_ = np.zeros(4)
        self.add = lambda row: np.add(weights, row, out=weights)

    def learn(self, X):
        self.add(X[0])
        return self.weights_.tolist()


class HoldsAModule(Learner):
    def begin(self):
        import math as module

        self.root, self.module = lambda X: module.sqrt(X.sum()), module

    def learn(self, X):
        return self.root(X) + self.module.pi


class DrawsFromNumPy(Learner):
    def begin(self):
        self.rng_ = check_random_state(None)

    def learn(self, X):
        return self.rng_.rand(), np.random.rand()


class DrawsFromPython(Learner):
    def begin(self):
        self.draw = random.random

    def learn(self, X):
        return self.draw(), random.random()


class DrawsFromItsOwn(Learner):
    def begin(self):
        self.old_, self.new_ = np.random.RandomState(3), np.random.default_rng(3)
        self.python_ = random.Random(3)

    def learn(self, X):
        return self.old_.rand(), self.new_.random(), self.python_.random()


@pytest.mark.parametrize("kind", Learner.__subclasses__())
def test_state_goes_on_as_it_was(kind, tmp_path):
    def run(**params):
        random.seed(0)
        np.random.seed(0)
        return ChunkedFit(kind(), chunk_size=6, max_epochs=2, **params).fit(X)

    def continue_run():
        return run(checkpoint=Checkpoint(tmp_path / "run.ckpt", seconds=0))

    resumed = run_in_pieces(continue_run, [3, 0, 5, 2])
    assert resumed.learned_ == run().learned_
