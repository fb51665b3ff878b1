"""What is measured: the estimators, and the ways to run each of them."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import joblib
import numpy as np
from data import N_FEATURES, SMALL_SHARE, read_few
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from skmmap import ChunkedFit

# chunk_size="auto" for rows of 100 float32. The in-memory fits that work in batches
# get the same, so that they take the same steps.
AUTO_ROWS = 40_000


@dataclass(frozen=True)
class Case:
    """One estimator and one of its methods.

    ``target`` names the file of y, ``whole`` holds the parameters with which the
    estimator's own ``fit`` makes a single pass.
    """

    make: Callable
    method: str = "fit"
    target: str | None = None
    share: int = 1
    whole: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{type(self.make()).__name__}.{self.method}"


_CLUSTERS = {"batch_size": AUTO_ROWS, "init_size": 3_072, "max_no_improvement": None}

CASES = [
    Case(
        lambda: SGDClassifier(random_state=0),
        target="labels",
        whole={"max_iter": 1, "tol": None},
    ),
    Case(
        lambda: SGDRegressor(random_state=0),
        target="values",
        whole={"max_iter": 1, "tol": None},
    ),
    Case(GaussianNB, target="labels"),
    Case(StandardScaler),
    Case(
        lambda: MiniBatchKMeans(random_state=0),
        whole={"max_iter": 1, **_CLUSTERS},
    ),
    Case(
        lambda: IncrementalPCA(n_components=10),
        share=SMALL_SHARE,
        whole={"batch_size": AUTO_ROWS},
    ),
    Case(
        lambda: MLPClassifier((32,), random_state=0),
        target="labels",
        share=SMALL_SHARE,
        whole={"max_iter": 1},
    ),
    Case(lambda: SGDClassifier(random_state=0), method="predict", target="labels"),
    Case(GaussianNB, method="predict", target="labels"),
    Case(lambda: MiniBatchKMeans(random_state=0), method="predict"),
    Case(StandardScaler, method="transform"),
]


def make_idle(case: Case) -> Case:
    """Return the case with an estimator that does nothing, to see the rest alone."""
    kind, params = type(case.make()), case.make().get_params()
    if case.method == "fit":
        does = {"partial_fit": _IDLE[case.target]}
    else:
        rows = np.random.default_rng(0).random((AUTO_ROWS, N_FEATURES), np.float32)
        model = case.make().fit(rows, np.arange(AUTO_ROWS) % 2)
        result = getattr(model, case.method)(rows)
        does = {case.method: lambda self, X: result[: len(X)]}
    idle = type(kind.__name__, (kind,), does)
    return replace(case, make=lambda: idle(**params))


# What ChunkedFit does beforehand depends on what partial_fit takes.
_IDLE = {
    "labels": lambda self, X, y, classes=None: self,
    "values": lambda self, X, y: self,
    None: lambda self, X, y=None: self,
}


def fit_chunked(case: Case, X, y, chunk_size: int):
    return ChunkedFit(case.make(), max_epochs=1, shuffle=False).fit(X, y).estimator_


def fit_by_hand(case: Case, X, y, chunk_size: int):
    """Train as a careful user would: the same slices, the classes known at once."""
    model = case.make()
    first = {"classes": np.unique(y)} if case.target == "labels" else {}
    for rows in gen_batches(len(X), chunk_size, min_batch_size=10):
        model.partial_fit(X[rows], *([] if y is None else [y[rows]]), **first)
        first = {}
    return model


def fit_whole(case: Case, X, y, chunk_size: int):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # one pass was asked for
        return case.make().set_params(**case.whole).fit(X, y)


def apply_chunked(case: Case, model, X, chunk_size: int):
    return getattr(model, case.method)(X)


def apply_by_hand(case: Case, model, X, chunk_size: int):
    """Join a list of results, as the usual loop does."""
    method = getattr(model.estimator_, case.method)
    return np.concatenate([method(X[rows]) for rows in gen_batches(len(X), chunk_size)])


def apply_whole(case: Case, model, X, chunk_size: int):
    return getattr(model.estimator_, case.method)(X)


WAYS = ("chunked", "loop", "whole")
_FIT = {"chunked": fit_chunked, "loop": fit_by_hand, "whole": fit_whole}
_APPLY = {"chunked": apply_chunked, "loop": apply_by_hand, "whole": apply_whole}


def make_ways(case: Case, folder) -> tuple[dict, int]:
    """Return the case's ways, each a function of X and y, and its ``chunk_size_``."""
    model = ChunkedFit(case.make(), max_epochs=1, shuffle=False).fit(
        *read_few(case, folder)
    )
    size = model.chunk_size_
    if case.method == "fit":
        ways = {way: lambda X, y, f=f: f(case, X, y, size) for way, f in _FIT.items()}
    else:
        ways = {
            way: lambda X, y, f=f: f(case, model, X, size) for way, f in _APPLY.items()
        }
    return ways, size


def digest(result) -> dict:
    """Return hashes of what was learned or computed, exact to the last bit."""
    if isinstance(result, np.ndarray):
        return {"result": joblib.hash(result)}
    learned = vars(result).items()
    return {name: joblib.hash(value) for name, value in learned if name.endswith("_")}
