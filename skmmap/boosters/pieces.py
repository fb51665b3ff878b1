"""Rows in pieces, which a library reads several times, from the first to the last."""

import os
import time
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from scipy import sparse

from skmmap.order import find_chunk_rows

_LIMIT = "512MB"  # of which a piece by "auto" takes a sixteenth, as in ChunkedFit
_NUMBERS = "biuf"
_LISTED = 10  # columns in a message


class Pieces:
    """The rows of a source in pieces of ``chunk_rows``, each row of one dimension.

    ``passes`` has what each pass over them took. It is no sequence: a library that
    does not know what it is given cannot load all of it by accident.
    """

    def __init__(self, source, chunk_rows: int):
        self.source, self.chunk_rows = source, chunk_rows
        self.shape = source.n_rows, prod(source.shape[1:])
        self.passes: list[Pass] = []

    @property
    def names(self) -> list[str] | None:
        """The names of columns, None where there are none."""
        names = self.source.store.names
        return None if names is None else list(map(str, names))

    @property
    def nbytes(self) -> int:
        """Bytes that a pass reads."""
        return self.source.n_rows * self.source.row_nbytes

    @property
    def is_sparse(self) -> bool:
        return self.source.store.is_sparse

    def iter_pieces(self) -> Iterator[Any]:
        """Yield all rows in pieces, and count the pass."""
        made = self.begin_pass()
        pieces = self._iter_all()
        try:
            while True:
                began = time.perf_counter()
                piece = next(pieces, None)
                made.waited += time.perf_counter() - began
                if piece is None:
                    return
                made.n_rows += piece.shape[0]
                yield piece
                del piece
        finally:
            pieces.close()

    def begin_pass(self) -> "Pass":
        """Count a pass that begins now; the one before is over."""
        self.end_pass()
        self.passes.append(Pass())
        return self.passes[-1]

    def end_pass(self) -> None:
        """Note that the last pass, and what was computed after it, is over."""
        if self.passes:
            self.passes[-1].end()

    def read(self, start: int, stop: int) -> Any:
        """Return some neighbouring rows."""
        return as_matrix(self.source.read(start, stop))

    def _iter_all(self):
        source = self.source.for_run("map")
        for start in range(0, source.n_rows, self.chunk_rows):
            stop = min(start + self.chunk_rows, source.n_rows)
            yield as_matrix(source.read(start, stop))
            source.store.verify()
        source.store.finish()


def make_pieces(source, chunk_size: int | str, *, dense: bool = False) -> Pieces:
    """Return the rows of a source in pieces of so many rows, or of such a size.

    With ``dense`` each piece of sparse rows becomes an array.
    """
    if not source.n_rows:
        raise ValueError("X has 0 rows; at least 1 is needed.")
    values, nbytes = source.row_values, source.row_nbytes
    if dense and source.store.is_sparse:
        values, nbytes = source.shape[1], 8 * source.shape[1]
    sizes = {"row_values": values, "row_nbytes": nbytes}
    sizes |= {"memory_limit": _LIMIT, "n_rows": source.n_rows}
    return Pieces(source, max(1, find_chunk_rows(chunk_size, **sizes)))


class Pass:
    """The rows of a pass, its seconds, and those that it waited for rows."""

    def __init__(self) -> None:
        self.n_rows, self.waited, self.seconds = 0, 0.0, 0.0
        self._began, self._is_over = time.perf_counter(), False

    def end(self) -> None:
        if not self._is_over:
            self.seconds, self._is_over = time.perf_counter() - self._began, True


def as_matrix(rows):
    """Return rows as a matrix of real numbers: an array, or a CSR matrix as it is."""
    if sparse.issparse(rows):
        return rows
    if hasattr(rows, "dtypes"):
        rows = _from_frame(rows)
    rows = np.asarray(rows)
    if rows.dtype.kind == "c":
        raise ValueError("Complex data not supported: X must be real numbers.")
    if rows.dtype.kind not in _NUMBERS and rows.dtype.kind != "O":
        raise TypeError(f"X must be real numbers; it is of the type {rows.dtype}.")
    rows = rows.astype(np.float64) if rows.dtype.kind == "O" else rows
    return rows.reshape(len(rows), prod(rows.shape[1:])) if rows.ndim > 2 else rows


def _from_frame(frame) -> np.ndarray:
    """Return the columns of a frame as numbers; raise if there are others.

    The categories of a column may differ from piece to piece.
    """
    if hasattr(frame, "iloc"):
        others = [
            name
            for name, dtype in frame.dtypes.items()
            if dtype.kind not in _NUMBERS or str(dtype) == "category"
        ]
        if not others:
            return frame.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        array = frame.to_numpy()
        if array.dtype.kind in _NUMBERS:
            return array
        others = list(frame.columns)
    listed = ", ".join(map(repr, others[:_LISTED]))
    raise TypeError(
        "Boosters get the columns of a table as numbers from skmmap, since categories "
        f"may differ from piece to piece. Not all are numbers: {listed}. Make numbers "
        "of them before, by an OrdinalEncoder or OneHotEncoder in a pipeline."
    )


_FIELDS = {"y": "label", "sample_weight": "weight"}


def make_fields(n_rows: int, **given) -> dict:
    """Return what has a value for each row as arrays, by the names of the libraries."""
    return {
        _FIELDS.get(name, name): _make_field(value, n_rows, name)
        for name, value in given.items()
    }


def _make_field(value, n_rows: int, name: str):
    """Return what has a value for each row as an array; None stays None."""
    if value is None:
        return None
    if isinstance(value, str | bytes | os.PathLike):
        raise TypeError(
            f"{name} must be an array or Rows; got the path {os.fsdecode(value)!r}. "
            "Open it: open_rows(path)."
        )
    array = np.asarray(value)
    if array.ndim == 0 or len(array) != n_rows:
        number = "a single value" if array.ndim == 0 else f"{len(array):,}"
        raise ValueError(
            f"The rows are {n_rows:,} and {name} has {number}; they must have the same "
            "number."
        )
    return array
