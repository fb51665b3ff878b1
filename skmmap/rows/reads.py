"""Some columns of rows, and their extremes, read piece by piece."""

from collections.abc import Iterator
from operator import index

import numpy as np
from scipy import sparse

from skmmap.order import rows_at
from skmmap.rows.source import Source

_PIECE_NBYTES = 2**24  # that are read at a time


def read_columns(source: Source, key: tuple):
    """Return ``rows[:, *key]`` in memory, without the rest of the rows.

    A column of a sparse matrix is one of one column; those of frames and lists are
    arrays, as scikit-learn makes them.
    """
    if not (source.store.is_array or source.store.is_sparse):
        return _read_others(source, key)
    if source.store.is_sparse:
        (column,) = key
        column = [index(column)] if _is_integer(column) else column
        if not source.n_rows:
            return source.load()[:, column]
        pieces = [rows[:, column] for _, rows in _iter_pieces(source)]
        return sparse.vstack(pieces, format="csr")
    kept = np.empty((0, *source.shape[1:]), source.dtype)[(slice(None), *key)]
    out = np.empty((source.n_rows, *kept.shape[1:]), kept.dtype)
    for positions, rows in _iter_pieces(source):
        out[positions] = rows[(slice(None), *key)]
    return out


def _read_others(source: Source, key: tuple) -> np.ndarray:
    """Return columns of frames, of the type that these have, or of lists."""
    pieces = [rows for _, rows in _iter_pieces(source)] or [source.load()]
    if isinstance(pieces[0], list):
        rows = np.asarray(source.store.join(pieces)).reshape(source.shape)
        return rows[(slice(None), *key)]
    numbers = np.arange(source.shape[1])[key].tolist()
    if numbers == []:  # polars has no frames of rows without a column
        return np.empty((source.n_rows, 0))
    return source.store.join([_pick(frame, numbers) for frame in pieces]).to_numpy()


def _pick(frame, numbers):
    """Return columns of a frame of pandas or polars by their numbers."""
    return frame.iloc[:, numbers] if hasattr(frame, "iloc") else frame[:, numbers]


def find_extreme(source: Source, find) -> np.generic:
    """Return the extreme of all values; ``find`` returns that of some, as np.max."""
    found = [find(rows) for _, rows in _iter_pieces(source)]
    return find(found if found else source.load())


def _iter_pieces(source: Source) -> Iterator[tuple]:
    """Yield rows with their positions, in file order."""
    order = source.find_file_order() if source.store.is_array else None
    rows = source if order is None else source.reorder(order)
    step = max(1, _PIECE_NBYTES // max(1, source.row_nbytes))
    for start in range(0, source.n_rows, step):
        stop = min(start + step, source.n_rows)
        place = slice(start, stop)
        if order is not None:
            place = rows_at(order, range(start, stop))
        yield place, rows.read(start, stop)


def can_read(source: Source, first, key: tuple) -> bool:
    """Whether ``rows[first, *key]`` is what NumPy would return, row by row.

    Arrays in several places of a key are paired, and may move the rows to the end.
    """
    if len(key) >= source.ndim or any(part is None or part is ... for part in key):
        return False
    if all(map(_is_basic, key)):
        return True
    return _is_basic(first) and len(key) == 1


def _is_basic(part) -> bool:
    """Whether a part of a key is a slice or an integer, and no array."""
    return isinstance(part, slice) or _is_integer(part)


def _is_integer(part) -> bool:
    try:
        index(part)
    except TypeError:
        return False
    return not isinstance(part, bool | np.bool_)
