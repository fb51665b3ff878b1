"""Carries out a schedule over the sources: X, y and all that goes row by row."""

from dataclasses import dataclass, field, replace
from numbers import Number
from typing import Any

import numpy as np
from scipy import sparse

from skmmap._open import open_source
from skmmap._source import Source
from skmmap._targets import check_finite, check_has_weight, open_array


@dataclass(frozen=True)
class Chunk:
    """The rows of one call to the estimator."""

    start: int
    stop: int
    X: Any
    y: Any
    params: dict

    def with_params(self, more: dict) -> "Chunk":
        """Return the chunk with further parameters."""
        return replace(self, params=self.params | more)


@dataclass(frozen=True)
class Table:
    """X with what goes along with its rows, and the parameters that do not."""

    X: Source
    y: Source | None = None
    by_row: dict = field(default_factory=dict)
    whole: dict = field(default_factory=dict)

    @property
    def row_nbytes(self) -> int:
        """Bytes of a row as it is stored, in all sources together."""
        return sum(source.row_nbytes for source in self._sources)

    def holds(self, array: np.ndarray) -> bool:
        """Whether ``array`` is a view of X, y or anything else by row."""
        return any(source.store.holds(array) for source in self._sources)

    def in_file_order(self) -> "Table":
        """Return the table with its rows in the order in which those of X lie."""
        order = self.X.find_file_order()
        if order is None:
            return self
        y = None if self.y is None else self.y.reorder(order)
        by_row = {name: rows.reorder(order) for name, rows in self.by_row.items()}
        return Table(self.X.reorder(order), y, by_row, self.whole)

    @property
    def _sources(self) -> list:
        sources = [self.X, self.y, *self.by_row.values()]
        return [source for source in sources if source is not None]

    def iter_chunks(self, schedule):
        """Yield the chunks of ``schedule``, in its order."""
        for start, stop in schedule:
            yield Chunk(
                start,
                stop,
                self.X.read(start, stop),
                None if self.y is None else self.y.read(start, stop),
                self.whole
                | {key: rows.read(start, stop) for key, rows in self.by_row.items()},
            )


def open_table(X, y=None, params=None) -> Table:
    """Return a table; whatever of ``params`` has a value for each row is sliced."""
    by_row, whole = {}, {}
    for name, value in (params or {}).items():
        if name == "sample_weight" and not isinstance(value, Number):
            by_row[name] = _open_weights(value, X.n_rows)
        elif _is_npy_path(value) or _has_rows(value, X.n_rows):
            by_row[name] = open_source(value, name)
        else:
            whole[name] = value
    for name, source in {"y": y, **by_row}.items():
        _check_same_length(X, source, name)
    table = Table(X, y, by_row, whole).in_file_order()
    if "sample_weight" in by_row:
        check_finite(table.by_row["sample_weight"], "sample_weight")
        check_has_weight(table.by_row["sample_weight"])
    return table


def _open_weights(weights, n_rows: int):
    """Return the weights as a source of one number for each row."""
    source = open_array(weights, "sample_weight")
    if source.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {source.ndim}D array: "
            f"sample_weight has the shape {source.shape}; expected ({n_rows},)."
        )
    return source


def _is_npy_path(value) -> bool:
    return hasattr(value, "__fspath__") or (
        isinstance(value, str) and value.endswith(".npy")
    )


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
