"""Wording of messages: numbers, sizes, row ranges; warnings at the caller's line."""

import contextlib
import functools
import sys
import warnings
from pathlib import Path

import numpy as np
import sklearn

# functools and contextlib too: properties are computed, and contexts are entered and
# left, inside one of their frames.
_INSIDE = (
    str(Path(__file__).parent),
    str(Path(sklearn.__file__).parent),
    functools.__file__,
    contextlib.__file__,
)
_LISTED = 10  # columns
# NumPy says so of texts, and of lists.
_NO_NUMBERS = "convert", "setting an array element with a sequence"


def warn(message: str, category: type[Warning]) -> None:
    """Warn with the location of the caller outside skmmap and scikit-learn."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and _is_inside(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_inside(filename: str) -> bool:
    return filename.startswith(_INSIDE)


def describe_rows(start: int, stop: int) -> str:
    """Return a half-open range of rows in words.

    >>> describe_rows(3000, 4000), describe_rows(0, 1)
    ('rows 3,000 to 3,999', 'row 0')
    """
    if stop - start == 1:
        return f"row {start:,}"
    return f"rows {start:,} to {stop - 1:,}"


def say_count(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> say_count(1_000, "row"), say_count(1, "row")
    ('1,000 rows', '1 row')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def say_size(n_bytes: float) -> str:
    """Return a number of bytes with a suitable unit.

    >>> say_size(1_234_567), say_size(999)
    ('1.2 MB', '999 bytes')
    """
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= size:
            return f"{n_bytes / size:,.1f} {unit}"
    return f"{n_bytes:.0f} bytes"


def find_bad_rows(rows, error: Exception) -> tuple[np.ndarray, str]:
    """Return the rows with the values that ``error`` is about, and their kind.

    If the error names infinity only, the estimator may accept NaN.
    """
    is_infinity = "infinity" in str(error) and "NaN" not in str(error)
    kind = "infinity" if is_infinity else "NaN or infinity"
    is_array = isinstance(rows, np.ndarray) and rows.dtype.kind == "f"
    if not (is_array and isinstance(error, ValueError)):
        return np.zeros(0, dtype=int), kind
    flat = rows.reshape(len(rows), -1)
    bad = np.isinf(flat) if is_infinity else ~np.isfinite(flat)
    return np.flatnonzero(bad.any(axis=1)), kind


def add_rows_note(
    error: Exception, doing: str, source, chunk, where: str, *, is_in_order: bool = True
) -> None:
    """Add a note to ``error`` with the rows of X for which the estimator raised it.

    ``is_in_order`` says whether chunks come in file order. Only then, and if rows are
    not shuffled, the row that is named is the first bad one.
    """
    if chunk.start == chunk.stop or "Expected 2D array, got 1D" in str(error):
        return  # a single row was passed as a one-dimensional array
    bad, kind = find_bad_rows(chunk.X, error)
    which = "the first row" if is_in_order and source.order is None else "a row"
    if chunk.find_rows is None:
        rows = source.describe(chunk.start, chunk.stop)
        bad = chunk.start + bad
    else:
        lie, which = chunk.find_rows(), "a row"
        among = source.describe(int(lie.min()), int(lie.max()) + 1)
        count = f"{len(lie):,} row{'s' * (len(lie) > 1)}"
        rows = f"{count} of a shuffled buffer, from {among}"
        bad = lie[bad]
    note = f"while {doing} {rows} {where}"
    if len(bad):
        first = int(bad.min())
        note += f"; {which} with {kind} is {source.describe(first, first + 1)}"
    error.add_note(note)
    if "Buffer dtype mismatch" in str(error):  # of KMeans, which was fitted on others
        error.add_note(
            f"These rows are {source.dtype}, and the estimator was trained on another "
            "type. Set dtype of ChunkedFit to that one: rows are cast as they are read."
        )
    others = _list_others(chunk.X) if source.store.on_disk else []
    if others and any(said in str(error) for said in _NO_NUMBERS):
        more = f" and {len(others) - _LISTED:,} more" if others[_LISTED:] else ""
        error.add_note(
            f"Columns that are not numbers: {', '.join(map(repr, others[:_LISTED]))}"
            f"{more}. Leave them out, open_rows(path, columns=[...]), or encode them "
            "in a pipeline: make_column_transformer((OneHotEncoder(), [...]))."
        )


def _list_others(rows) -> list:
    """Return the columns of a frame that are not numbers."""
    if not (hasattr(rows, "columns") and hasattr(rows, "dtypes")):
        return []
    pairs = zip(rows.columns, rows.dtypes, strict=True)
    return [name for name, dtype in pairs if not _is_number(dtype)]


def _is_number(dtype) -> bool:
    """Whether a type of pandas or polars is of numbers."""
    if hasattr(dtype, "is_numeric") and callable(dtype.is_numeric):
        return dtype.is_numeric() or str(dtype) == "Boolean"
    return dtype.kind in "biuf"
