"""What a key of NumPy's indexing selects, as a selection of rows."""

import operator

import numpy as np

from skmmap.order.selection import compact, iter_pieces, rows_at


def resolve_key(key, n_rows: int):
    """Return what ``key`` selects of so many rows, as NumPy would.

    An int stays an int; every other key becomes a selection.

    >>> resolve_key(-1, 5), resolve_key(slice(None, None, 2), 5), resolve_key([3, 4], 5)
    (4, range(0, 5, 2), range(3, 5))
    """
    key = _first_axis(key)
    if isinstance(key, slice):
        return range(n_rows)[key]
    if isinstance(key, range):
        return _resolve_range(key, n_rows)
    if isinstance(key, bool | np.bool_) or key is None:
        raise IndexError(_NOT_A_KEY.format(repr(key)))
    try:
        return _wrap(operator.index(key), n_rows)
    except TypeError:
        return _resolve_array(key, n_rows)


def _first_axis(key):
    """Return the key for the rows of one such as ``(key, ...)``."""
    if key is Ellipsis:
        return slice(None)
    if not isinstance(key, tuple):
        return key
    if len(key) == 1 or (len(key) == 2 and key[1] is Ellipsis):
        return _first_axis(key[0])
    raise IndexError(
        "Rows take one key for rows, or a slice or an int for rows and one key for "
        "columns. For others, load the rows first: np.asarray(rows[key])[:, columns]."
    )


_NOT_A_KEY = (
    "Rows are selected by an int, a slice, or a one-dimensional array of ints or "
    "booleans; got {}."
)


def _wrap(row: int, n_rows: int) -> int:
    if not -n_rows <= row < n_rows:
        raise IndexError(f"index {row} is out of bounds for axis 0 with size {n_rows}")
    return row + n_rows if row < 0 else row


def _resolve_range(key: range, n_rows: int):
    if not key:
        return range(0)
    first, last = _wrap(key[0], n_rows), _wrap(key[-1], n_rows)
    if (key[0] < 0) != (key[-1] < 0):
        return compact(
            _wrap_array(rows_at(key, piece), n_rows) for piece in iter_pieces(key)
        )
    return range(first, last + (1 if key.step > 0 else -1), key.step)


def _resolve_array(key, n_rows: int):
    index = np.asarray(key)
    if index.ndim == 1 and index.size == 0 and isinstance(key, list):
        return range(0)
    if index.dtype.kind not in "biu":
        raise IndexError(
            "arrays used as indices must be of integer (or boolean) type; got "
            f"{index.dtype}."
        )
    if index.ndim != 1:
        raise IndexError(_NOT_A_KEY.format(f"an array of {index.ndim} dimensions"))
    if index.dtype.kind == "b":
        return _resolve_mask(index, n_rows)
    pieces = (index[piece.start : piece.stop] for piece in iter_pieces(index))
    return compact(_wrap_array(piece.astype(np.int64), n_rows) for piece in pieces)


def _resolve_mask(mask: np.ndarray, n_rows: int):
    if len(mask) != n_rows:
        raise IndexError(
            "boolean index did not match indexed array along axis 0; size of axis is "
            f"{n_rows} but size of corresponding boolean axis is {len(mask)}"
        )
    return compact(
        piece.start + np.flatnonzero(mask[piece.start : piece.stop])
        for piece in iter_pieces(mask)
    )


def _wrap_array(rows: np.ndarray, n_rows: int) -> np.ndarray:
    for row in (rows.min(), rows.max()):
        _wrap(int(row), n_rows)
    return np.where(rows < 0, rows + n_rows, rows)
