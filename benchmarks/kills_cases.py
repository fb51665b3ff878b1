"""What is killed in kills.py: small rows, estimators, orders, and where rows lie."""

from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.cluster import Birch, MiniBatchKMeans
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import (
    PCA,
    IncrementalPCA,
    LatentDirichletAllocation,
    MiniBatchDictionaryLearning,
    MiniBatchNMF,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import BernoulliRBM, MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
    TargetEncoder,
)

N_ROWS, CHUNK = 120, 20
_SHARD = 50
_SEEDED = {"random_state": 0}
_SGD = {"max_iter": 3, "random_state": 0}
_STOPS = {"early_stopping": True, "n_iter_no_change": 2}


class Case(NamedTuple):
    """An estimator; ``labels`` is the file with what it learns beside ``rows``."""

    kind: str
    estimator: Any
    labels: str | None = "y"
    rows: str = "X"
    params: dict = {}  # noqa: RUF012
    backend: str | None = None  # of joblib
    orders: tuple = (False, "blocks", "chunks")
    memory: str = "12kB"  # little makes several buffers in an epoch


class Run(NamedTuple):
    """How a case is run: the order, where its rows lie, and how often it is written."""

    case: Case
    shuffle: bool | str
    source: str
    memory_limit: str
    seconds: float


# Chunks and little memory would make most of the time that of small transforms.
_FEW = {"orders": (False, "blocks"), "memory": "512MB"}
_NB, _SCALER = GaussianNB(), StandardScaler()
_PARTS = {"n_jobs": 2, "chunk_size": 5}
CASES = [
    Case("SGD", SGDClassifier(**_SGD)),
    Case("SGD", SGDRegressor(**_SGD), "target"),
    Case("SGD", SGDClassifier(max_iter=3), params={"random_state": None}),
    Case("averaged SGD", SGDClassifier(average=True, **_SGD)),
    Case("averaged SGD", SGDClassifier(average=30, class_weight="balanced", **_SGD)),
    Case("SGD, early stopping", SGDClassifier(max_iter=9, **_STOPS)),
    Case("SGD, early stopping", SGDClassifier(tol=0.1, n_iter_no_change=1)),
    Case(
        "SGD, adaptive rate",
        SGDClassifier(learning_rate="adaptive", eta0=0.1, tol=0.1, max_iter=20),
    ),
    Case("MLP", MLPClassifier(5, max_iter=3, **_SEEDED)),
    Case(
        "MLP",
        MLPRegressor("squared_error", 5, max_iter=3, solver="sgd", **_SEEDED),
        "target",
    ),
    Case("MLP, early stopping", MLPClassifier(5, max_iter=6, **_STOPS)),
    Case("MiniBatchKMeans", MiniBatchKMeans(3, n_init=2, max_iter=3, **_SEEDED), None),
    Case("IncrementalPCA", IncrementalPCA(3), None),
    Case("GaussianNB", _NB),
    Case("Birch", Birch(threshold=0.2, n_clusters=None, branching_factor=5), None),
    Case("MiniBatchNMF", MiniBatchNMF(3, max_iter=3, **_SEEDED), None),
    Case("LDA", LatentDirichletAllocation(3, max_iter=3, **_SEEDED), None),
    Case(
        "dictionary learning",
        MiniBatchDictionaryLearning(3, max_iter=2, **_SEEDED),
        None,
    ),
    Case("BernoulliRBM", BernoulliRBM(4, n_iter=3, **_SEEDED), None),
    Case("scalers", _SCALER, None),
    Case("scalers", MinMaxScaler(), None),
    Case("scalers", MaxAbsScaler(), None),
    Case("OneVsRest", OneVsRestClassifier(SGDClassifier(**_SGD))),
    Case(
        "imputer, scaler, one-hot, SGD",
        make_pipeline(
            make_column_transformer(
                (make_pipeline(SimpleImputer(), StandardScaler()), [0, 1, 2]),
                (OneHotEncoder(handle_unknown="ignore"), [3, 4, 5]),
            ),
            SGDClassifier(**_SGD),
        ),
        rows="table",
        **_FEW,
    ),
    Case(
        "union with PCA, SGD",
        make_pipeline(
            StandardScaler(),
            make_union(PCA(2), KBinsDiscretizer(3, strategy="quantile")),
            SGDClassifier(**_SGD),
        ),
        **_FEW,
    ),
    Case(
        "TargetEncoder, SGD",
        make_pipeline(TargetEncoder(), SGDClassifier(**_SGD)),
        **_FEW,
    ),
    Case(
        "transformed target",
        TransformedTargetRegressor(
            make_pipeline(StandardScaler(), SGDRegressor(**_SGD)),
            transformer=StandardScaler(),
        ),
        "target",
        **_FEW,
    ),
    Case("merged, 2 threads", _NB, params=_PARTS, backend="threading"),
    Case("merged, 2 threads", _SCALER, None, params=_PARTS, backend="threading"),
    Case("merged, 2 processes", _NB, params=_PARTS, backend="loky"),
    Case("merged, 2 forks", _NB, params=_PARTS, backend="multiprocessing"),
]

CADENCES = 0.0, 0.004


def list_runs(case: Case) -> list[Run]:
    """Return the ways in which a case is run."""
    little, much = case.memory, "512MB"
    orders = case.orders
    places = [("path", little), ("map", much), ("shards", little), ("memory", much)]
    if case.backend is not None:  # parts of one pass over files
        orders, places = ("auto",), [("path", much), ("map", much)]
    given = product(orders, places, CADENCES)
    return [Run(case, order, *place, seconds) for order, place, seconds in given]


def write_inputs(folder: Path) -> None:
    """Write the rows of all cases, as files and as shards."""
    rng = np.random.default_rng(0)
    X = rng.random((N_ROWS, 6))
    X[:, 3:] = np.floor(4 * X[:, 3:]) / 4
    y, target = rng.integers(0, 3, N_ROWS), X @ np.arange(1.0, 7)
    table = X.copy()
    table[:, :3][rng.random((N_ROWS, 3)) < 0.1] = np.nan
    for name, rows in {"X": X, "table": table, "y": y, "target": target}.items():
        np.save(folder / f"{name}.npy", rows)
        (folder / name).mkdir()
        for number, start in enumerate(range(0, N_ROWS, _SHARD)):
            np.save(folder / name / f"{number}.npy", rows[start : start + _SHARD])


def open_rows(folder: Path, name: str | None, source: str):
    """Return rows as a user gives them to ``fit``."""
    if name is None:
        return None
    path = folder / f"{name}.npy"
    if source == "path":
        return path
    if source == "shards":
        return sorted((folder / name).glob("*.npy"))
    return np.load(path, mmap_mode="r" if source == "map" else None)
