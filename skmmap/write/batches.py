"""Checks that a ``.npy`` file can store a batch of rows, and casts it in pieces."""

import reprlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import NoReturn

import numpy as np
from scipy import sparse

from skmmap._messages import describe_rows
from skmmap.order import FileOrder

# Bytes that are cast or copied at a time: a batch may be a map larger than memory.
PIECE = 2**21


def check_given_dtype(dtype) -> np.dtype:
    checked = np.dtype(dtype)
    if checked.itemsize == 0:
        raise ValueError(
            f"dtype={str(checked)!r} has no length. Give one, such as dtype='<U12'."
        )
    return check_storable(checked, f"dtype={str(checked)!r} was given")


def check_storable(dtype: np.dtype, said: str) -> np.dtype:
    """Return ``dtype`` if a file can store it without pickling."""
    if dtype.hasobject:
        raise TypeError(
            f"{said}, which would be pickled Python objects; nothing is ever pickled. "
            "Convert to numbers or strings, for example np.asarray(batch, dtype=str)."
        )
    fmt = np.lib.format
    try:
        kept = fmt.descr_to_dtype(fmt.dtype_to_descr(dtype)) == dtype
    except ValueError:
        kept = False
    if not kept or not dtype.itemsize:
        raise TypeError(
            f"{said}, which .npy files cannot keep. Convert to a type of NumPy's own, "
            "for example np.asarray(batch, dtype='float32')."
        )
    return dtype


def check_rows(batch, n_before: int, path: Path) -> np.ndarray:
    """Return ``batch`` as an array of one dimension or more."""
    for refused, (kind, todo) in _LOSING.items():
        if isinstance(batch, refused):
            raise TypeError(f"batch is a {kind}. Append {todo}.")
    try:
        rows = np.asarray(batch)
    except ValueError as error:
        error.add_note(f"while appending a batch at row {n_before:,} of {path}")
        raise
    if not rows.ndim:
        raise TypeError(
            f"batch must be rows, of shape (k, ...); got {type(batch).__name__}. "
            "Append a single row as [row]."
        )
    return rows


_LOSING = {
    (sparse.spmatrix, sparse.sparray): (
        "sparse matrix, and a .npy file holds all values",
        "batch.toarray(), or keep it sparse: data, indices and indptr of the CSR "
        "matrix, each saved by np.save in one folder, which open_rows opens",
    ),
    np.ma.MaskedArray: (
        "masked array, and a .npy file holds no mask",
        "batch.filled(value)",
    ),
}


def check_row_shape(shape: tuple, wanted: tuple, where: str) -> None:
    if shape != wanted:
        batches = f"(k, {', '.join(map(str, wanted))})" if wanted else "(k,)"
        raise ValueError(
            f"batch {where} has rows of shape {shape}, and those of the file have "
            f"{wanted}. Append arrays of shape {batches}."
        )


def refuse_dtype(dtype: np.dtype, wanted: np.dtype, where: str) -> NoReturn:
    has = f"batch {where} has the dtype {dtype}, and the file has {wanted}."
    if dtype.kind == wanted.kind and dtype.kind in "US":
        longer = max(dtype, wanted, key=lambda of: of.itemsize)
        raise TypeError(
            f"{has} Give dtype={longer.str!r} to NpyWriter from the first batch on."
        )
    raise TypeError(
        f"{has} Append np.asarray(batch, dtype={str(wanted)!r}), or give "
        f"dtype={str(wanted)!r} to NpyWriter."
    )


def check_castable(dtype: np.dtype, wanted: np.dtype, where: str) -> None:
    kinds = {dtype.kind, wanted.kind}
    # NumPy casts anything to strings or raw bytes, and fields by their position.
    other = "V" in kinds or (kinds & set("US") and len(kinds) > 1)
    if other or not np.can_cast(dtype, wanted, "same_kind"):
        raise TypeError(
            f"batch {where} has the dtype {dtype}, which is of another kind than "
            f"dtype={str(wanted)!r}. Append np.asarray(batch, dtype={str(wanted)!r}) "
            "if that is intended, or give another dtype to NpyWriter."
        )


def check_kept(rows: np.ndarray, dtype: np.dtype, n_before: int, where: str) -> None:
    """Raise if the cast would change an integer or truncate a string."""
    exact = rows.dtype.kind in "iuUS" and dtype.kind in "iuUS"
    if not exact or np.can_cast(rows.dtype, dtype, "safe"):
        return
    for start, stop in _iter_ranges(rows, dtype):
        piece = rows[start:stop]
        changed = piece.astype(dtype) != piece
        if changed.any():
            first = np.unravel_index(changed.argmax(), changed.shape)
            raise ValueError(
                f"batch {where} has the value {reprlib.repr(piece[first].item())} in "
                f"row {n_before + start + int(first[0]):,}, which "
                f"dtype={str(dtype)!r} cannot keep. Give dtype={str(rows.dtype)!r} to "
                "NpyWriter."
            )


def iter_pieces(rows: np.ndarray, dtype: np.dtype) -> Iterator[np.ndarray]:
    """Yield ``rows`` piece by piece, as they are stored; copies only if needed."""
    for start, stop in _iter_ranges(rows, dtype):
        yield np.ascontiguousarray(rows[start:stop], dtype)


def _iter_ranges(rows: np.ndarray, dtype: np.dtype) -> Iterator[tuple[int, int]]:
    n_bytes = max(row_nbytes(rows.shape, dtype), row_nbytes(rows.shape, rows.dtype))
    yield from FileOrder(len(rows), max(1, PIECE // max(1, n_bytes)))


def row_nbytes(shape: tuple, dtype: np.dtype | None) -> int:
    return prod(shape[1:]) * (0 if dtype is None else dtype.itemsize)


def say_rows(start: int, n_rows: int, path: Path) -> str:
    rows = describe_rows(start, start + n_rows) if n_rows else f"none at row {start:,}"
    return f"({rows} of {path})"


def cast_integers(batch, dtype, before: int):
    """Cast integers without a change of value; the writer casts other batches."""
    is_array = isinstance(batch, np.ndarray) and dtype is not None
    if not is_array or batch.dtype.kind not in "iu" or dtype.kind not in "iu":
        return batch
    cast = batch.astype(dtype)
    changed = cast != batch
    if changed.any():
        first = np.unravel_index(changed.argmax(), changed.shape)
        raise ValueError(
            f"src has the value {batch[first]:,} in row {before + int(first[0]):,}, "
            f"which dtype={str(dtype)!r} cannot keep. Give dtype={str(batch.dtype)!r}."
        )
    return cast


def check_kind(dtype: np.dtype, wanted: np.dtype, what: str) -> None:
    """Raise if a cast would lose more than digits, or turn numbers into text."""
    kinds = {dtype.kind, wanted.kind}
    if kinds <= {"i", "u"}:  # compared value by value later
        return
    is_other = len(kinds) > 1 and kinds & set("USV")
    if is_other or not np.can_cast(dtype, wanted, "same_kind"):
        raise TypeError(
            f"{what} has the dtype {dtype}, which is of another kind than "
            f"dtype={str(wanted)!r}. Leave dtype out, or give one of the same kind."
        )
