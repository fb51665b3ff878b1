"""Oracles: the loop that a careful user would write. Probes: estimators that record."""

import inspect
import os
import re
import warnings
from collections import Counter
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import combinations, product

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.utils import all_estimators, gen_batches

from skmmap import ChunkedFit

needs_sklearn_1_9 = pytest.mark.skipif(
    find_spec("sklearn.callback") is None, reason="needs scikit-learn 1.9"
)

# With SKMMAP_TESTS=full, loops and sizes are larger than is needed to find a mistake.
EXHAUSTIVE = os.environ.get("SKMMAP_TESTS") == "full"
N_ROWS, N_FEATURES = 90, 6


def combine(*values, together: int = 2) -> list:
    """Return few combinations, with each pair of values (or as many as ``together``).

    With SKMMAP_TESTS=full return all.
    """
    values = [list(given) for given in values]
    every = list(product(*(range(len(given)) for given in values)))
    return [
        tuple(given[i] for given, i in zip(values, one, strict=True))
        for one in (every if EXHAUSTIVE else _cover(every, together))
    ]


def _cover(every: list, together: int) -> list:
    """Choose one by one what adds most; of several, whose values are rare so far."""
    bits, used, chosen = {}, Counter(), []
    masks = {
        one: sum(
            1 << bits.setdefault(group, len(bits))
            for group in combinations(enumerate(one), together)
        )
        for one in every
    }
    missing = (1 << len(bits)) - 1
    while missing:
        gains = {one: (mask & missing).bit_count() for one, mask in masks.items()}
        most = max(gains.values())
        best = min(
            (one for one in every if gains[one] == most),
            key=lambda one: sum(used[value] for value in enumerate(one)),
        )
        chosen.append(best)
        missing &= ~masks[best]
        used.update(enumerate(best))
    return sorted(chosen)


_WRAPPING = {
    "MultiOutputClassifier": SGDClassifier,
    "MultiOutputRegressor": SGDRegressor,
    "OneVsOneClassifier": SGDClassifier,
    "OneVsRestClassifier": SGDClassifier,
    "SelectFromModel": SGDRegressor,
}
_SMALL = {
    "BernoulliRBM": {"n_components": 4},
    "Birch": {"threshold": 0.3, "n_clusters": None},
    "IncrementalPCA": {"n_components": 3},
    "LatentDirichletAllocation": {"n_components": 3},
    "MiniBatchDictionaryLearning": {"n_components": 3},
    "MiniBatchKMeans": {"n_clusters": 3, "n_init": 1},
    "MiniBatchNMF": {"n_components": 3},
    "MLPClassifier": {"hidden_layer_sizes": (5,)},
    "MLPRegressor": {"hidden_layer_sizes": (5,)},
}


def partial_fit_estimators(*, small: bool = True, max_iter: int | None = None) -> list:
    """Return an instance of everything in scikit-learn that can have partial_fit.

    ``max_iter`` is for tests in which it does not matter how well they learn.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        made = [
            cls(_WRAPPING[name](random_state=0)) if name in _WRAPPING else cls()
            for name, cls in _find_partial_fit_classes()
        ]
    for estimator in made:
        estimator.set_params(**_SMALL.get(name_of(estimator), {}) if small else {})
        if "random_state" in estimator.get_params():
            estimator.set_params(random_state=0)
        if max_iter is not None:
            names = {"max_iter", "estimator__max_iter"} & set(estimator.get_params())
            estimator.set_params(**dict.fromkeys(names, max_iter))
    return made


@cache
def _find_partial_fit_classes() -> list:
    """Return their names and classes; scikit-learn looks through all its modules."""
    return [
        (name, cls)
        for name, cls in all_estimators()
        if name in _WRAPPING or hasattr(cls, "partial_fit")
    ]


def name_of(estimator) -> str:
    return type(estimator).__name__


# They inherit nearly all from the base class of another one.
ALIKE = {
    "BernoulliNB": "MultinomialNB",
    "ComplementNB": "MultinomialNB",
    "PassiveAggressiveClassifier": "SGDClassifier",
    "PassiveAggressiveRegressor": "SGDRegressor",
    "Perceptron": "SGDClassifier",
}


def one_of_each_kind(estimators) -> list:
    """Return the estimators without those that are like another one of them.

    With SKMMAP_TESTS=full return all.
    """
    return [e for e in estimators if EXHAUSTIVE or name_of(e) not in ALIKE]


def make_rows(estimator, seed: int = 0):
    """Return X and y that the estimator can learn from."""
    rng = np.random.default_rng(seed)
    X = rng.random((N_ROWS, N_FEATURES))
    y = rng.integers(0, 3, N_ROWS)
    name = name_of(estimator)
    if name == "HashingVectorizer":
        return [f"word{i} word{i % 7}" for i in range(N_ROWS)], None
    if name == "CategoricalNB":
        return np.floor(3 * X), y
    if "Regressor" in name or name == "SelectFromModel":
        y = X @ np.arange(1.0, 1 + N_FEATURES)
    if name.startswith("MultiOutput"):
        y = np.column_stack([y, y[::-1]])
    return X, y


def find_classes(estimator, y):
    """Return what the careful loop passes as ``classes``, None if nothing."""
    if (
        y is None
        or "classes" not in inspect.signature(estimator.partial_fit).parameters
    ):
        return None
    if name_of(estimator) == "MultiOutputClassifier":
        return [np.unique(column) for column in y.T]
    return np.unique(y) if y.ndim == 1 else np.arange(y.shape[1])


def in_file_order(estimator, **params):
    """The wrapper that does what the hand-written loop does."""
    return ChunkedFit(estimator, **({"max_epochs": 1, "shuffle": False} | params))


def hand_loop(estimator, X, y, chunk_size, *, max_epochs=1, **by_row):
    """Train a clone on consecutive slices, as a careful user would by hand."""
    estimator = clone(estimator)
    classes = find_classes(estimator, y)
    first = {} if classes is None else {"classes": classes}
    n_rows = len(X) if isinstance(X, list) else X.shape[0]
    for _ in range(max_epochs):
        for rows in gen_batches(n_rows, chunk_size):
            sliced = {name: values[rows] for name, values in by_row.items()}
            target = () if y is None else (y[rows],)
            estimator.partial_fit(X[rows], *target, **sliced, **first)
            first = {}
    return estimator


def state_of(obj, seen=()):
    """Return what was learned as nested tuples of bytes and plain values."""
    if id(obj) in seen:
        return "cycle"
    seen = (*seen, id(obj))
    if isinstance(obj, np.ndarray) and obj.dtype == object:
        return tuple(state_of(item, seen) for item in obj.ravel())
    if isinstance(obj, np.ndarray | np.generic):
        return (str(obj.dtype), obj.shape, obj.tobytes())
    if sparse.issparse(obj):
        return tuple(state_of(part, seen) for part in (obj.data, obj.tocsr().indices))
    if isinstance(obj, list | tuple):
        return tuple(state_of(item, seen) for item in obj)
    if isinstance(obj, np.random.RandomState):
        return state_of(obj.get_state(), seen)
    if hasattr(obj, "get_params"):
        return tuple(
            (name, state_of(value, seen))
            for name, value in sorted(vars(obj).items())
            if not name.startswith("_")
        )
    return (
        repr(obj)
        if isinstance(obj, str | int | float | bool | None)
        else str(type(obj))
    )


METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
    "score_samples",
)

# Results that depend on all rows given in one call, in scikit-learn itself.
NOT_BY_ROW = {
    ("MiniBatchNMF", "transform"): "one stopping rule for all rows of a call",
    ("BernoulliRBM", "score_samples"): "corrupts a random feature of each row",
}


class Duck:
    """A third-party learner: ``partial_fit`` and what ``clone`` needs, no more."""

    def __init__(self, log=None):
        self.log = log

    def get_params(self, deep=True):
        return {"log": self.log}

    def partial_fit(self, X, y=None):
        self.total_ = getattr(self, "total_", 0) + X.sum()
        return self

    def predict(self, X):
        return X.sum(axis=tuple(range(1, X.ndim)))


def assert_same_search(one, other):
    """Check that two searches have the same results, but for times, and best model."""
    results = one.cv_results_, other.cv_results_
    assert results[0].keys() == results[1].keys()
    for name in results[0]:
        if "_time" not in name:
            np.testing.assert_array_equal(results[0][name], results[1][name], name)
    assert one.best_index_ == other.best_index_
    for part in ("best_estimator_", "best_params_"):
        if one.refit or part == "best_params_":
            assert state_of(getattr(one, part)) == state_of(getattr(other, part))


class Listener:
    """Remembers every task, and asks to stop where it is told to."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.events = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.events.append(("begin", context.task_name, context.task_id, len(X)))

    def on_fit_task_end(
        self,
        estimator,
        context,
        *,
        X=None,
        y=None,
        metadata=None,
        fitted_estimator=None,
    ):
        self.events.append(("end", context.task_name, context.task_id, len(X)))
        self.metadata = metadata
        self.fitted = fitted_estimator
        return context.task_name == self.stop_at


class Recorder(BaseEstimator):
    """Remembers what each call was given, and can be told what to refuse."""

    def __init__(self, ndim=None, writes=False, fails_at=None, random_state=None):
        self.ndim = ndim
        self.writes = writes
        self.fails_at = fails_at
        self.random_state = random_state

    def partial_fit(self, X, y=None, sample_weight=None, group=None, tag=None):
        if self.ndim is not None and X.ndim != self.ndim:
            raise ValueError(f"expected {self.ndim} dimensions, got {X.ndim}")
        self.calls_ = getattr(self, "calls_", [])
        if len(self.calls_) == self.fails_at:
            raise RuntimeError("told to fail")
        self.calls_.append(
            {
                "X": np.array(X),
                "type": type(X),
                "writable": getattr(getattr(X, "flags", None), "writeable", None),
                "y": None if y is None else np.array(y),
                "sample_weight": None
                if sample_weight is None
                else np.array(sample_weight),
                "group": group,
                "tag": tag,
            }
        )
        if self.writes:
            X *= 0
        return self

    def predict(self, X, scale=1):
        return X.reshape(len(X), -1)[:, 0] * scale


@contextmanager
def raises(error, text):
    """Expect an error of this very type with this very text, notes apart."""
    with pytest.raises(error, match=re.escape(text)) as caught:
        yield caught
    assert str(caught.value) == text
    assert caught.type is error


def learn_by_chunks(learner, X, chunk_size, y=None, sample_weight=None):
    """Return what a chunk learner of transformers makes of consecutive rows."""
    n = len(X) if isinstance(X, list) else X.shape[0]
    names = inspect.signature(learner.partial_fit).parameters
    given = {"y": y, "sample_weight": sample_weight}
    given = {name: value for name, value in given.items() if name in names}
    getattr(learner, "begin", lambda n: None)(n)
    again = True
    while again:
        for start in range(0, n, chunk_size):
            rows = slice(start, start + chunk_size)
            learner.partial_fit(
                X.iloc[rows] if hasattr(X, "iloc") else X[rows],
                **{k: None if v is None else v[rows] for k, v in given.items()},
            )
        again = getattr(learner, "end_pass", bool)()
    return learner.finish()


def assert_alike(one, other, rtol=0.0, where="", free=()):
    """Compare all that two estimators hold, private attributes and parameters too."""
    assert type(one) is type(other), where
    if hasattr(one, "get_params"):
        assert vars(one).keys() == vars(other).keys(), where
        one, other = vars(one), vars(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one.keys() - set(free):
            assert_alike(one[key], other[key], rtol, f"{where}.{key}", free)
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for i, parts in enumerate(zip(one, other, strict=True)):
            assert_alike(*parts, rtol, f"{where}[{i}]", free)
    elif isinstance(one, np.ndarray) and one.dtype.kind == "f":
        assert one.dtype == other.dtype, where
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol, err_msg=where)
    elif isinstance(one, np.ndarray) and one.dtype.kind in "biu":  # of generators, too
        assert (one.dtype, one.shape) == (other.dtype, other.shape), where
        assert np.array_equal(one, other), where
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype, where
        assert_alike(one.tolist(), other.tolist(), rtol, where, free)
    elif sparse.issparse(one):
        assert_alike(one.toarray(), other.toarray(), rtol, where, free)
    elif isinstance(one, float | np.floating):
        np.testing.assert_allclose(one, other, rtol=rtol, err_msg=where)
    elif isinstance(one, np.random.RandomState):
        assert_alike(one.get_state(), other.get_state(), rtol, where)
    elif callable(one) or type(one).__name__ == "NAType":
        assert one is other, where
    elif type(one).__eq__ is object.__eq__ and one is not other:
        own = vars(one) if hasattr(one, "__dict__") else one.__reduce__()[1:]
        others = vars(other) if hasattr(other, "__dict__") else other.__reduce__()[1:]
        assert_alike(own, others, rtol, where, free)
    else:
        assert one == other or (one != one and other != other), where
