"""Opens the arguments of a method as a table: X, y, and what has a value by row."""

import os
from numbers import Number

from scipy import sparse

from skmmap.disk import NPY, find_suffix, is_path
from skmmap.formats import is_shards, open_source
from skmmap.read.table import AS_GIVEN, Table
from skmmap.read.targets import open_array
from skmmap.read.values import check_finite, check_has_weight


def open_table(
    X, y=None, params=None, reading=AS_GIVEN, *, is_checked: bool = True
) -> Table:
    """Return a table, in which all ``params`` with a value for each row are sources.

    Weights must be numbers, one for each row, unless ``is_checked`` is False.
    """
    by_row, whole = {}, {}
    for name, value in (params or {}).items():
        if name == "sample_weight" and not isinstance(value, Number):
            weights = open_array(value, name)
            by_row[name] = _check_weights(weights, X.n_rows) if is_checked else weights
        elif _is_source(value) or _has_rows(value, X.n_rows):
            by_row[name] = open_source(value, name)
        else:
            whole[name] = value
    for name, source in {"y": y, **by_row}.items():
        _check_same_length(X, source, name)
    X, y, *others = reading.bring([reading.cast(X), y, *by_row.values()])
    by_row = dict(zip(by_row, others, strict=True))
    table = Table(X, y, by_row, whole, reading=reading).in_file_order()
    if "sample_weight" in by_row and is_checked:
        check_finite(table.by_row["sample_weight"], "sample_weight")
        check_has_weight(table.by_row["sample_weight"])
    return table


# Parameters of `fit` that have rows of their own, unless they are a number or None.
_OWN_ROWS = "y", "sample_weight", "X_val", "y_val", "sample_weight_val"
_LABELS = "classes", "class_weight"


def open_given(X, y, params: dict) -> Table:
    """Return a table of everything that `fit` is given, to ask where it is stored.

    Nothing else is checked or read: X_val has other rows than X.
    """
    X, by_row, whole = open_source(X, "X"), {}, {}
    for name, value in {"y": y, **params}.items():
        is_rows = name in _OWN_ROWS and not isinstance(value, Number | None)
        is_other = name not in (*_OWN_ROWS, *_LABELS)
        if is_rows or (is_other and (_is_source(value) or _has_rows(value, X.n_rows))):
            by_row[name] = open_source(value, name)
        else:
            whole[name] = value
    return Table(X, by_row.pop("y", None), by_row, whole)


def _check_weights(source, n_rows: int):
    """Return the weights if there is one number for each row."""
    if source.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {source.ndim}D array: "
            f"sample_weight has the shape {source.shape}; expected ({n_rows},)."
        )
    return source


def _is_source(value) -> bool:
    """Whether ``value`` is a path or a list of shards, rather than a parameter."""
    if isinstance(value, str | bytes):  # which may be a text for the estimator
        return find_suffix(os.fsdecode(value)) in NPY
    return is_path(value) or is_shards(value, is_text=True)


def _has_rows(value, n_rows: int) -> bool:
    """Whether ``value`` is an array-like with one entry for each row of X."""
    if isinstance(value, str | bytes | dict | set):
        return False
    if sparse.issparse(value) or hasattr(value, "shape"):
        return len(value.shape) > 0 and value.shape[0] == n_rows
    return hasattr(value, "__len__") and len(value) == n_rows


def _check_same_length(X, source, name: str) -> None:
    if source is not None and source.n_rows != X.n_rows:
        raise ValueError(
            f"X has {X.n_rows:,} rows and {name} has {source.n_rows:,}; they must have "
            "the same number."
        )
