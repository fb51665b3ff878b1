"""Checks that the result for a chunk has a row for each row, and can be stored."""

from collections.abc import Iterator
from numbers import Number
from pathlib import Path

import numpy as np
from scipy import sparse

from skmmap._messages import describe_rows, say_count
from skmmap.rows import is_frame


def is_list_of_rows(result, n_rows: int) -> bool:
    """Whether a result is a list with an array or a list for each row.

    A list of arrays as long as the chunk has an array for each output instead.
    """
    if type(result) is not list or len(result) != n_rows:
        return False
    if is_several(result):
        return any(part.shape[:1] != (n_rows,) for part in result)
    try:
        np.shape(result)
    except ValueError:  # of rows of several lengths
        return True
    return False


def is_several(result) -> bool:
    """Whether a result is a list or tuple of outputs, each with a row for each row."""
    is_list = type(result) in (list, tuple) and len(result) > 0
    return is_list and all(
        isinstance(part, np.ndarray) or sparse.issparse(part) for part in result
    )


_INSTEAD = "Call the method of model.estimator_ on rows that fit in memory."


def check_rows(result, start: int, stop: int, what: str = "The estimator") -> None:
    """Raise unless the result, or ``what`` of it, has a row for each row."""
    rows = describe_rows(start, stop)
    if isinstance(result, Iterator):
        raise TypeError(
            f"{what} returned a {type(result).__name__} for {rows}, whose items cannot "
            f"be joined. {_INSTEAD}"
        )
    n_rows = _count_rows(result)
    if n_rows is None:
        raise ValueError(
            f"{what} returned {_describe(result)} for {rows}, which are "
            f"{stop - start:,}. Only results by row can be joined. {_INSTEAD}"
        )
    if n_rows != stop - start:
        raise ValueError(
            f"{what} returned {say_count(n_rows, 'row')} for {rows}, which are "
            f"{stop - start:,}. Only results by row can be joined. {_INSTEAD}"
        )


def _count_rows(result) -> int | None:
    """Return how many rows a result has, None if it has none."""
    if isinstance(result, list | tuple):
        return len(result)
    shape = np.shape(result) if not hasattr(result, "shape") else result.shape
    return shape[0] if shape else None


def _describe(result) -> str:
    if result is None:
        return "None"
    is_number = isinstance(result, Number) or hasattr(result, "shape")
    return "a single number" if is_number else f"one {type(result).__name__}"


def to_array(result, start: int, stop: int, path: Path | None = None) -> np.ndarray:
    """Return the result for some rows as an array; raise if it is of another type.

    ``path`` is that of ``out``, None where that is an array.
    """
    if is_list_of_rows(result, stop - start):
        raise TypeError(
            "The result is a list with an item of its own length for each row, and "
            "out takes arrays. Leave out=None."
        )
    if sparse.issparse(result):
        said, folder = "out", "Z"
        if path is not None:
            said, folder = f"out={str(path)!r}", str(path.with_suffix(""))
        raise TypeError(
            f"The result is a sparse matrix, and {said} takes arrays. Give a folder: "
            f"out={folder!r}."
        )
    if is_several(result) or is_frame(result):
        kind, todo = f"{type(result).__name__} of several outputs", "Leave out=None"
        if is_frame(result):
            kind, todo = "data frame", "Call set_output(transform='default')"
        raise TypeError(f"The result is a {kind}, and out takes arrays. {todo}.")
    check_rows(result, start, stop)
    return np.asarray(result)


def check_fits(result: np.ndarray, shape, dtype, start: int, stop: int) -> None:
    """Raise unless rows have the shape and data type of ``out``."""
    rows = f"{describe_rows(start, stop)} of the result"
    if result.shape[1:] != tuple(shape):
        raise ValueError(
            f"out has rows of the shape {tuple(shape)}, and {rows} have "
            f"{result.shape[1:]}."
        )
    both_real = result.dtype.kind == dtype.kind == "f"
    if not both_real and not np.can_cast(result.dtype, dtype, "safe"):
        raise TypeError(
            f"out is of {dtype}, which cannot keep {result.dtype}, of which {rows} are."
        )
