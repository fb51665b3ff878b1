"""Trees that grow on shuffled buffers of the rows, where that is asked for.

With ``warm_start=True`` forests and boosters of scikit-learn add trees to those that
are there, from whatever rows ``fit`` is given. So some of the trees grow on each
buffer. It is not what ``fit`` does: a tree sees the rows of one buffer, not all.
Histogram-based boosting is not among them: it finds new bins in each call, and its
documentation asks for the same rows.
"""

from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier

from skmmap.estimators.whole import WholeRun, find_held


def is_asked_for(trees) -> bool:
    """Whether trees are to be added to others."""
    return trees.warm_start is True


def check_growing(trees) -> None:
    """Raise for parameters that need all rows at once."""
    if not is_asked_for(trees):
        return  # it says what there is
    name = type(trees).__name__
    for parameter, off in _NEED_ALL_ROWS.items():
        value = getattr(trees, parameter, off)
        if value != off:
            raise ValueError(
                f"{parameter}={value!r} of {name} needs all rows at once, and with "
                "warm_start=True its trees grow on shuffled buffers of the rows. Set "
                f"{parameter}={off}."
            )
    if isinstance(getattr(trees, "class_weight", None), str):
        raise ValueError(
            f"class_weight={trees.class_weight!r} of {name} would be that of each "
            "buffer of rows. Give it to fit: ChunkedFit(...).fit(X, y, "
            "class_weight='balanced')."
        )


_NEED_ALL_ROWS = {"oob_score": False, "n_iter_no_change": None}


def grow(trees, run: WholeRun) -> None:
    """Let some of the trees grow on each buffer of shuffled rows."""
    n_trees, n_buffers = _check(trees, run), run.X.n_buffers
    examples = _find_examples(trees, run)
    try:
        for number, (X, rows) in enumerate(run.X.iter_shuffled(), 1):
            grown = n_trees * number // n_buffers
            if grown > n_trees * (number - 1) // n_buffers:
                trees.set_params(n_estimators=grown)
                _fit(trees, X, rows, run, examples)
    finally:
        trees.set_params(n_estimators=n_trees)


def _check(trees, run: WholeRun) -> int:
    """Return the number of trees; raise for what would have no effect."""
    name, n_trees = type(trees).__name__, trees.n_estimators
    if run.X_val is not None:
        raise TypeError(
            f"{name} grows its trees on buffers of rows, and scores none between them: "
            "score X_val after fit."
        )
    if not isinstance(n_trees, Integral) or n_trees < 1:
        trees.fit(run.X.read(0, 1), run.y[:1])  # says what is wrong
    return int(n_trees)


def _fit(trees, X, rows, run: WholeRun, examples: dict[Any, int]) -> None:
    """Fit to some rows, and to one of weight 0 of each class that they lack."""
    y = run.y[rows]
    weights = None if run.sample_weight is None else run.sample_weight[rows]
    there = set(np.unique(y).tolist()) if examples else set()
    lacking = [row for label, row in examples.items() if label not in there]
    if lacking:
        weights = np.ones(len(y)) if weights is None else weights
        weights = np.concatenate([weights, np.zeros(len(lacking))])
        parts = [X, *(run.X.read(row, row + 1) for row in lacking)]
        join = sparse.vstack if sparse.issparse(X) else np.concatenate
        X = join(parts)
        y = np.concatenate([y, run.y[lacking]])
    given = {} if weights is None else {"sample_weight": weights}
    trees.fit(X, y, **given, **run.params)


def _find_examples(trees, run: WholeRun) -> dict[Any, int]:
    """Return a row of each class: trees that are added must know the same classes."""
    if not is_classifier(trees):
        return {}
    if run.y.ndim > 1:
        raise ValueError(
            f"{type(trees).__name__} with warm_start=True grows its trees on buffers "
            f"of rows for labels in one column; y has the shape {run.y.shape}."
        )
    labels, rows = np.unique(run.y, return_index=True)
    return dict(zip(labels.tolist(), rows.tolist(), strict=True))


def find_memory(trees, run: WholeRun) -> dict[str, int]:
    """Return the bytes that training takes but for the trees, by what they are for."""
    chunk = min(run.X.chunk_rows, run.X.shape[0]) * run.X.shape[1]
    return find_held(run) | {"a copy of a buffer": 8 * chunk}


def say_growing(trees, run: WholeRun) -> dict[str, str]:
    """Return what ``explain`` says of it."""
    said = f"some of the trees on each of {run.X.n_buffers:,} shuffled buffers"
    if run.X.n_buffers == 1:
        said = "all trees on all rows, shuffled in a buffer"
    return {
        "trains": f"{said} (warm_start=True)",
        "reads": "all rows once",
    }


_ENTRY = {
    "check": check_growing,
    "train": grow,
    "train_if": is_asked_for,
    "train_by_buffers": True,
    "train_memory": find_memory,
    "train_explain": say_growing,
}
GROWING = {
    f"sklearn.ensemble.{name}": _ENTRY
    for name in (
        "RandomForestClassifier",
        "RandomForestRegressor",
        "ExtraTreesClassifier",
        "ExtraTreesRegressor",
        "GradientBoostingClassifier",
        "GradientBoostingRegressor",
    )
}
