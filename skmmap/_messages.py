"""How skmmap speaks: row ranges in notes, warnings at the caller's line."""

import sys
import warnings
from pathlib import Path

import numpy as np
import sklearn

_INSIDE = str(Path(__file__).parent), str(Path(sklearn.__file__).parent)


def warn(message: str, category: type[Warning]) -> None:
    """Warn, pointing at the line outside skmmap and scikit-learn that called."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and _is_inside(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_inside(filename: str) -> bool:
    return filename.startswith(_INSIDE)


def describe_rows(start: int, stop: int) -> str:
    """Say the rows of a half-open range as a person would.

    >>> describe_rows(3000, 4000), describe_rows(0, 1)
    ('rows 3,000 to 3,999', 'row 0')
    """
    if stop - start == 1:
        return f"row {start:,}"
    return f"rows {start:,} to {stop - 1:,}"


def find_bad_row(rows) -> int | None:
    """Return the first row that holds NaN or infinity, None if none does."""
    if not (isinstance(rows, np.ndarray) and rows.dtype.kind == "f"):
        return None
    bad = ~np.isfinite(rows.reshape(len(rows), -1)).all(axis=1)
    return int(np.argmax(bad)) if bad.any() else None


def add_rows_note(error: Exception, doing: str, source, chunk, where: str) -> None:
    """Note on ``error`` which rows of X the estimator was given when it raised."""
    if chunk.start == chunk.stop:
        return
    note = f"while {doing} {source.describe(chunk.start, chunk.stop)} {where}"
    bad = find_bad_row(chunk.X) if isinstance(error, ValueError) else None
    if bad is not None:
        row = source.describe(chunk.start + bad, chunk.start + bad + 1)
        note += f"; the first row with NaN or infinity is {row}"
    error.add_note(note)
