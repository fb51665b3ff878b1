"""Estimators that tests send to worker processes, which import them from here.

A test module would bring all that it tests with: seconds for each process.
"""

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from threadpoolctl import threadpool_info

ROWS = np.random.default_rng(0).standard_normal((1_000, 5)).astype(np.float32)


def read_and_list(rows, folder):
    """Return the rows as an array, and joblib's files while they are here."""
    return np.array(rows), [path.name for path in Path(folder).rglob("*.pkl")]


class Tells(TransformerMixin, BaseEstimator):
    """Tells who transforms its rows, and may be slow, fail, or die once."""

    def __init__(self, weights=None, fails_at=None, dies_at=None, marker=None):
        self.weights = weights
        self.fails_at = fails_at
        self.dies_at = dies_at
        self.marker = marker

    def partial_fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        """Return the process, the thread, and how many threads BLAS may use."""
        time.sleep(0.002)
        self._fail(X)
        blas = [lib["num_threads"] for lib in threadpool_info()]
        return np.tile([os.getpid(), threading.get_ident(), max(blas)], (len(X), 1))

    def predict(self, X):
        self._fail(X)
        return 2 * X[:, 0]

    def _fail(self, X):
        if self.fails_at is not None and (X[:, 0] == self.fails_at).any():
            raise RuntimeError("told to fail")
        if self.dies_at is not None and (X[:, 0] == self.dies_at).any():
            if self.marker is None:
                os.kill(os.getpid(), signal.SIGKILL)
            if not os.path.exists(self.marker):
                Path(self.marker).touch()
                os.kill(os.getpid(), signal.SIGKILL)


class Meets(Tells):
    """Waits, but for the first chunk, until so many others are at work as well."""

    def __init__(self, n_met=None, folder=None):
        self.n_met = n_met
        self.folder = folder

    def _fail(self, X):
        Path(self.folder, f"{os.getpid()} {threading.get_ident()}").touch()
        began, is_first = time.monotonic(), np.array_equal(X[0], ROWS[0])
        while not is_first and len(os.listdir(self.folder)) < self.n_met:
            assert time.monotonic() - began < 60, "nobody else comes"
            time.sleep(0.001)


class Where(BaseEstimator):
    """Tells in which processes it was trained and asked, and can die once."""

    def __init__(self, dies_at=None, marker=None):
        self.dies_at = dies_at
        self.marker = marker

    def partial_fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        self.processes_ = getattr(self, "processes_", Counter())
        self.processes_[os.getpid()] += len(X)
        return self

    def predict(self, X):
        return np.full(len(X), os.getpid())

    def transform(self, X):
        dies = self.dies_at is not None and (X[:, 0] == self.dies_at).any()
        if dies and not os.path.exists(self.marker):
            Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * X


class Strided(Tells):
    """Has learned an array that lies in memory in no usual way."""

    def partial_fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        self.weights_ = np.arange(400.0).reshape(20, 20)[::2, 3:9:2]
        return self

    def transform(self, X):
        return np.tile(self.weights_.strides, (len(X), 1))


class Reuses(Tells):
    """Writes every result into the same memory."""

    def transform(self, X):
        if getattr(self, "memory", None) is None:
            self.memory = np.empty(X.shape)
        return np.multiply(X, 2, out=self.memory)


class Fails(Tells):
    """Fails at all rows after some, at the last ones first."""

    def predict(self, X):
        row = np.flatnonzero((X[0] == ROWS).all(axis=1)).item()
        if row >= 200:
            time.sleep(0.0001 * (1_000 - row))
            raise self.weights(f"at {row}")
        return X[:, 0]


class Dies(BaseEstimator):
    """Counts rows; the process that learns a certain row is killed once."""

    def __init__(self, row=0.0, marker="", parent=0):
        self.row, self.marker, self.parent = row, marker, parent

    def partial_fit(self, X, y=None):
        if self.row in X[:, 0] and not os.path.exists(self.marker):
            Path(self.marker).touch()
            if os.getpid() != self.parent:
                os.kill(os.getpid(), signal.SIGKILL)
        self.sum_ = getattr(self, "sum_", 0.0) + X.sum(axis=0)
        self.n_ = getattr(self, "n_", 0) + len(X)
        return self

    def transform(self, X):
        return X - self.sum_ / self.n_


def add_counts(one, other):
    one.sum_, one.n_ = one.sum_ + other.sum_, one.n_ + other.n_
    return one


class OfTwo(RuntimeError):
    """Cannot be pickled, as most errors that take several arguments."""

    def __init__(self, said, more="else"):
        super().__init__(said)
        self.more = lambda: more
