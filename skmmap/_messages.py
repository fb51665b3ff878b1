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


def say_size(n_bytes: float) -> str:
    """Say a number of bytes as a person would.

    >>> say_size(1_234_567), say_size(999)
    ('1.2 MB', '999 bytes')
    """
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= size:
            return f"{n_bytes / size:,.1f} {unit}"
    return f"{n_bytes:.0f} bytes"


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
    bad = find_bad_row(chunk.X) if isinstance(error, ValueError) else None
    if chunk.find_rows is None:
        rows = source.describe(chunk.start, chunk.stop)
        bad = bad if bad is None else chunk.start + bad
    else:
        lie = chunk.find_rows()
        among = source.describe(int(lie.min()), int(lie.max()) + 1)
        rows = f"{len(lie):,} rows mixed from among {among}"
        bad = bad if bad is None else int(lie[bad])
    note = f"while {doing} {rows} {where}"
    if bad is not None:
        row = source.describe(bad, bad + 1)
        note += f"; the first row with NaN or infinity is {row}"
    error.add_note(note)
