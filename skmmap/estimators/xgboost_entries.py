"""The entry of XGBoost's estimators, which train from files of binned rows.

https://xgboost.readthedocs.io/en/stable/tutorials/external_memory.html
"""

from numbers import Integral

from skmmap._messages import say_size
from skmmap.boosters import find_cache_nbytes, make_matrix
from skmmap.estimators.whole import (
    OF_EVALUATION,
    WholeRun,
    count_outputs,
    find_held,
    list_evaluations,
    refuse_others,
    refuse_parameters,
)

_EVALUATIONS = "eval_set", "sample_weight_eval_set", "base_margin_eval_set"
_REFUSED = dict.fromkeys(_EVALUATIONS, OF_EVALUATION)
# What XGBoost's own estimators call to make a matrix of the rows that they were given.
_MAKES_MATRIX = "_create_dmatrix"

# Measured with XGBoost 3.2 (docs/measured/guests.md): a sketch of the quantiles of a
# column takes up to 3 MB with 256 bins, and 40 bytes for each row while they are few.
_SKETCH_NBYTES, _ROW_OF_SKETCH = 3 * 10**6, 40
_PAGES_NBYTES = 10  # for each value of a chunk: pages that are read ahead of the tree
_ROW_NBYTES, _CLASS_NBYTES = 24, 32  # of a row: its node, and its gradients of a class
_BIN_NBYTES, _MOST_NODES = 16, 2**16


def check_xgboost(estimator) -> None:
    """Raise for what cannot be trained from binned rows on disk."""
    kind = type(estimator).__name__
    make = "rows.to_xgboost(y, qid=...) makes the matrix for xgboost.train"
    refuse_others(estimator, "XGBoost", make)
    if not hasattr(estimator, _MAKES_MATRIX):
        raise TypeError(
            f"ChunkedFit hands {kind} a matrix on disk by its {_MAKES_MATRIX}, which "
            "this version of XGBoost lacks. Use rows.to_xgboost(y) and xgboost.train."
        )
    _check_value(estimator, "tree_method", (None, "auto", "hist"))
    _check_value(estimator, "booster", (None, "gbtree", "dart"))
    device = getattr(estimator, "device", None)
    if device is not None and not str(device).startswith("cpu"):
        raise ValueError(
            f"ChunkedFit trains {kind} on the CPU, and device={device!r}. Set "
            "device='cpu', or use XGBoost's own external memory for GPUs."
        )


def _check_value(estimator, name: str, known: tuple) -> None:
    value = getattr(estimator, name, None)
    if value not in known:
        raise ValueError(
            f"XGBoost trains from rows on disk with {name}={known[-1]!r}, and "
            f"{type(estimator).__name__} has {name}={value!r}."
        )


def train_xgboost(estimator, run: WholeRun) -> None:
    """Let an estimator fit itself, from matrices that lie on disk."""
    refuse_parameters(estimator, run, _REFUSED)

    def make(ref, data, *, label, weight, base_margin, **given):
        fields = {"label": label, "weight": weight, "base_margin": base_margin}
        also = "feature_weights", "feature_types"
        fields |= {name: given.get(name) for name in also}
        how = {"nthread": estimator.n_jobs, "max_bin": estimator.max_bin}
        how |= {name: given[name] for name in ("missing", "enable_categorical")}
        return make_matrix(data, fields, ref=ref, **how)

    params = {"verbose": run.verbose > 0} | run.params
    params |= list_evaluations(run, "sample_weight_eval_set")
    # All else that its fit does is its own: labels, objectives, stopping, callbacks.
    setattr(estimator, _MAKES_MATRIX, make)
    try:
        estimator.fit(run.X, run.y, sample_weight=run.sample_weight, **params)
    finally:
        delattr(estimator, _MAKES_MATRIX)


def find_xgboost_memory(estimator, run: WholeRun) -> dict[str, int]:
    """Return the bytes that training takes at most, by what they are for."""
    n_rows, n_columns = run.X.shape
    bins = _find_number(estimator, "max_bin", 256)
    sketch = min(_ROW_OF_SKETCH * n_rows, _SKETCH_NBYTES * bins // 256)
    chunk = min(run.X.chunk_rows, n_rows) * n_columns
    nodes = min(_count_nodes(estimator), n_rows)
    n_classes = count_outputs(estimator, run.y)
    return find_held(run) | {
        f"sketches of {n_columns:,} columns (max_bin={bins:,})": sketch * n_columns,
        "pages": _PAGES_NBYTES * chunk,
        "gradients": n_rows * (_ROW_NBYTES + _CLASS_NBYTES * n_classes),
        "histograms": min(bins, n_rows) * n_columns * nodes * _BIN_NBYTES,
    }


def say_xgboost(estimator, run: WholeRun) -> dict[str, str]:
    """Return what ``explain`` says of it."""
    cache = say_size(find_cache_nbytes(run.X))
    return {
        "trains": "XGBoost's own external memory (ExtMemQuantileDMatrix)",
        "reads": f"{say_size(run.X.nbytes)} in each of 3 passes that find the bins",
        "on disk": f"up to {cache} of bins in temporary files, read for each tree",
    }


def _count_nodes(estimator) -> int:
    """Return how many nodes of a tree have histograms at a time, at most."""
    depth = getattr(estimator, "max_depth", None)
    depth = 6 if depth is None else depth
    leaves = getattr(estimator, "max_leaves", None) or 0
    nodes = 2 ** min(depth, 16) if depth else _MOST_NODES
    return min(nodes, 2 * leaves) if leaves else nodes


def _find_number(estimator, name: str, default: int) -> int:
    value = getattr(estimator, name, None)
    return int(value) if isinstance(value, Integral) and value > 0 else default


XGBOOST = {
    "xgboost.sklearn.XGBModel": {
        "check": check_xgboost,
        "train": train_xgboost,
        "train_memory": find_xgboost_memory,
        "train_explain": say_xgboost,
    },
}
