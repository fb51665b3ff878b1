"""The ways of search.py, run in a child: searches over one file, and a single fit.

Each way but the fit leaves its scores in a file, for they have to be the same.
"""

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from workers import serve

from skmmap import ChunkedFit, ChunkedSearchCV, open_rows

FILES = "X.npy", "two.npy", "ten.npy"
N_CANDIDATES = 8
_FEW_ROWS = 1_500


@dataclass(frozen=True)
class Case:
    """A search.

    ``share`` is the part of the rows that it has, ``chunked`` the parameters of
    ChunkedFit, whose ``memory_limit`` has a part of the rows only if it ``is_limited``;
    ``goals`` are the largest ratios of time and of bytes read, and the most MB.
    """

    name: str
    make: Callable
    values: dict
    n_splits: int = 3
    share: float = 1
    target: str = "two"
    chunked: dict = field(default_factory=dict)
    goals: dict = field(default_factory=dict)
    is_limited: bool = False
    has_memory: bool = False  # whether it is compared with the same in memory

    @property
    def ways(self) -> tuple[str, ...]:
        """Return the ways; the others are compared with the first one."""
        return "grid", "ours", "fit", *(("memory",) if self.has_memory else ())


def _make_sgd(epochs: int) -> Callable:
    return lambda: SGDClassifier(max_iter=epochs, tol=None, random_state=0)


_ALPHAS = {"alpha": np.logspace(-6, -2, N_CANDIDATES)}
_SHARED = {"shuffle": "shared"}
# The memory_limit is a fifth of the rows: 32 MB for 400,000 of them.
_LIMIT_PER_ROW, _LEAST_LIMIT = 80, 10**6

CASES = {
    "sgd": Case(
        "SGD, 5 epochs",
        _make_sgd(5),
        _ALPHAS,
        goals={"wall": 0.5},
        has_memory=True,
    ),
    "limit": Case(
        'SGD, 5 epochs, `shuffle="shared"`, rows that do not fit',
        _make_sgd(5),
        _ALPHAS,
        chunked=_SHARED,
        is_limited=True,
        goals={"wall": 0.5, "MB": 130},
    ),
    "uncached": Case(
        'the same, `read="uncached"`',
        _make_sgd(5),
        _ALPHAS,
        chunked=_SHARED | {"read": "uncached"},
        is_limited=True,
        goals={"wall": 0.3, "MB": 130, "bytes": 1.1},
    ),
    "bayes": Case(
        "GaussianNB",
        GaussianNB,
        {"var_smoothing": np.logspace(-4, 1, N_CANDIDATES)},
        n_splits=5,
        goals={"wall": 0.2},
        has_memory=True,
    ),
    "classes": Case(
        "SGD with 10 classes, 2 epochs",
        _make_sgd(2),
        _ALPHAS,
        share=1 / 4,
        target="ten",
        goals={"wall": 1},
    ),
    "network": Case(
        "MLPClassifier, 2 epochs",
        lambda: MLPClassifier((32,), max_iter=2, tol=0, random_state=0),
        _ALPHAS,
        share=1 / 10,
        goals={"wall": 1},
    ),
}


def prepare(case: str, folder: str, n_jobs: int, n_candidates: int) -> dict:
    """Return the ways, and those on a few rows, which load what is loaded only once."""
    searched = _Searched(CASES[case], Path(folder), n_jobs, n_candidates)
    ways = {way: getattr(searched, way) for way in CASES[case].ways}
    return ways | {f"few {way}": lambda f=f: f(_FEW_ROWS) for way, f in ways.items()}


@dataclass
class _Searched:
    """The rows of a case, and what is done with them."""

    case: Case
    folder: Path
    n_jobs: int
    n_candidates: int

    def ours(self, n_rows=None) -> None:
        """One reading for all models."""
        self._search(ChunkedSearchCV, n_rows)

    def grid(self, n_rows=None) -> None:
        """Each model by itself, on rows that stay in the file."""
        self._search(GridSearchCV, n_rows)

    def memory(self, n_rows=None) -> None:
        """The estimator's own fit, on arrays that are loaded first."""
        X, y = (np.load(path)[: self._count(n_rows)] for path in self._paths)
        search = GridSearchCV(self.case.make(), self._values, **self._given)
        search.fit(X, y)

    def fit(self, n_rows=None) -> None:
        """One model on all rows."""
        model = self._make_chunked(n_rows).fit(*self._open(n_rows))
        n_models = self.n_candidates * self.case.n_splits
        self._write("fit", n_models * len(pickle.dumps(model.estimator_)))

    def _search(self, kind, n_rows) -> None:
        values = {f"estimator__{k}": v for k, v in self._values.items()}
        search = kind(self._make_chunked(n_rows), values, **self._given)
        search.fit(*self._open(n_rows))
        scores = search.cv_results_["mean_test_score"]
        self._write("ours" if kind is ChunkedSearchCV else "grid", scores.tolist())

    @property
    def _given(self) -> dict:
        # A refit reads all rows once more, alone, and is the same for all ways.
        folds = KFold(self.case.n_splits)
        return {"cv": folds, "refit": False, "n_jobs": self.n_jobs}

    @property
    def _values(self) -> dict:
        return {k: v[: self.n_candidates] for k, v in self.case.values.items()}

    @property
    def _paths(self) -> list[Path]:
        return [self.folder / f"{name}.npy" for name in ("X", self.case.target)]

    def _make_chunked(self, n_rows) -> ChunkedFit:
        model = ChunkedFit(self.case.make(), random_state=0, **self.case.chunked)
        limit = max(_LEAST_LIMIT, _LIMIT_PER_ROW * self._count(n_rows))
        return model.set_params(memory_limit=limit) if self.case.is_limited else model

    def _open(self, n_rows) -> list:
        return [open_rows(path)[: self._count(n_rows)] for path in self._paths]

    def _count(self, n_rows) -> int:
        n_all = len(np.load(self._paths[1], mmap_mode="r"))
        return min(n_rows or n_all, round(n_all * self.case.share))

    def _write(self, way: str, found) -> None:
        (self.folder / f"{way}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    serve(prepare)
