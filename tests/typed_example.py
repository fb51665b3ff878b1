"""A user's program, which type checkers read: `test_types` runs mypy on it.

Each ``assert_type`` says what a checker knows of a result; nothing here is executed.
"""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA
from sklearn.linear_model import SGDClassifier

from skmmap import (
    ChunkedFit,
    LearningHistoryDisplay,
    NpyWriter,
    Rows,
    convert,
    merge,
    open_rows,
    register,
    save_rows,
)


def read_rows(path: Path) -> Rows:
    X = open_rows(path)
    assert_type(X, Rows)
    assert_type(X[10:20], Rows)
    assert_type(X[np.array([3, 1, 2])], Rows)
    assert_type(X[np.ones(len(X), dtype=bool)], Rows)
    assert_type(X[[0, 5]], Rows)
    assert_type(X.shape, tuple[int, ...])
    assert_type(X.dtype, np.dtype[Any])
    assert_type(X.ndim, int)
    assert_type(X.nbytes, int)
    assert_type(len(X), int)
    assert_type(np.asarray(X[:3]), NDArray[Any])
    first = X[0]
    column = X[:, 2]
    print(first, column.mean(), X.read(0, 100), X.copy(), X.min(), X.max())
    with open_rows("X.bin", dtype="float32", shape=(-1, 4), mode="r+") as raw:
        raw[0] = 1.0
        assert_type(raw, Rows)
    return open_rows(["X_0.npy", "X_1.npy"], mode="r")


def write_rows(path: Path, batches: list[NDArray[np.float64]]) -> None:
    with NpyWriter(path, dtype=np.float32, resume=True) as writer:
        assert_type(writer, NpyWriter)
        for batch in batches:
            writer.append(batch)
        assert_type(writer.shape, tuple[int, ...])
        assert_type(writer.n_rows, int)
        assert_type(writer.path, Path)
        assert_type(writer.dtype, np.dtype[Any] | None)
    assert_type(save_rows(path, batches, n_rows=100, append=True), Rows)
    assert_type(save_rows(path, np.ones((3, 4))), Rows)
    assert_type(convert("X.csv", path, columns=["a", "b"], dtype="f4"), Rows)
    samples = (([1.0, 2.0], number % 2) for number in range(10))
    assert_type(convert(samples, ("X.npy", "y.npy")), tuple[Rows, ...])


def train(X: Rows, y: NDArray[np.int64]) -> ChunkedFit:
    model = ChunkedFit(SGDClassifier(), chunk_size="64MB", max_epochs=5, shuffle=True)
    print(model.explain(X, y))
    assert_type(str(model.explain(X, y)), str)
    assert_type(model.explain(X, y).sections, dict[str, str])
    fitted = model.fit(X, y, sample_weight=None, class_weight="balanced", X_val=X[:5])
    assert_type(fitted, ChunkedFit)
    assert_type(model.partial_fit(X[:10], y[:10], classes=[0, 1]), ChunkedFit)
    assert_type(model.history_, dict[str, list[Any]])
    assert_type(model.n_epochs_, int)
    assert_type(model.chunk_size_, int)
    assert_type(model.random_state_, int | None)
    assert_type(model.score(X, y), float)
    coefficients: NDArray[np.float64] = model.coef_
    print(coefficients, model.estimator_.intercept_, model.history_["loss"][-1])
    return model


def predict(model: ChunkedFit, X: Rows) -> NDArray[Any]:
    y_pred = model.predict(X)
    assert_type(y_pred, NDArray[Any])
    assert_type(model.predict(X, out=np.empty(len(X))), NDArray[Any])
    assert_type(model.predict(X, out="y.npy"), np.memmap[Any, Any])
    assert_type(model.predict_proba("X.npy"), NDArray[Any])
    in_file = model.predict_proba(X, out=Path("p.npy"), resume=True)
    assert_type(in_file, np.memmap[Any, Any])
    assert_type(model.predict_log_proba(X), NDArray[Any])
    assert_type(model.decision_function(X), NDArray[Any])
    assert_type(ChunkedFit(MiniBatchKMeans()).fit_predict(X), NDArray[Any])
    return y_pred


def transform(X: Rows) -> None:
    pca = ChunkedFit(IncrementalPCA(2), memory_limit=2**28, dtype=np.float32, n_jobs=-1)
    assert_type(pca.set_output(transform="pandas"), ChunkedFit)
    assert_type(pca.fit(X).transform(X, out="T.npy"), np.memmap[Any, Any] | Rows)
    assert_type(pca.fit_transform(X, out="T"), np.memmap[Any, Any] | Rows)
    frame = pca.transform(X)  # in memory it is what the estimator returns: Any
    print(frame.columns, pca.get_feature_names_out().tolist())
    by_name = pca.apply_method("transform", X, out="T.npy", copy=True)
    assert_type(by_name, np.memmap[Any, Any] | Rows)
    assert_type(pca.apply_method("transform", X, out=np.ones((9, 2))), NDArray[Any])
    print(pca.get_params()["chunk_size"])


class Total:
    """An estimator of the user's own."""

    total_: float = 0.0

    def partial_fit(self, X: NDArray[Any], y: None = None) -> "Total":
        self.total_ += float(X.sum())
        return self


@merge.register
def merge_totals(estimator: Total, other: Total) -> Total:
    estimator.total_ += other.total_
    return estimator


def register_own(model: ChunkedFit) -> None:
    assert_type(merge(Total(), Total()), Total)
    assert_type(merge_totals(Total(), Total()), Total)
    register(Total, merge=merge_totals)
    display = LearningHistoryDisplay.from_estimator(model)
    assert_type(display, LearningHistoryDisplay)
