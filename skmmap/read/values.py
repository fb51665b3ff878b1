"""Values of y and weights, looked through in pieces of bounded size."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from sklearn.utils import assert_all_finite

from skmmap.rows import MISSING, Source

_PIECE_NBYTES = 2**23  # of y that are in memory at a time


def iter_values(source: Source) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the number of the first row of each piece, and the piece."""
    step = max(1, _PIECE_NBYTES // max(1, source.row_nbytes))
    for start in range(0, source.n_rows, step):
        yield start, source.read(start, min(start + step, source.n_rows))


def name_first(source, start: int, bad) -> int:
    """Return the number of the first bad row, as the user counts rows."""
    return int(source.name_rows(start + np.flatnonzero(bad)).min())


def check_finite(source, name: str) -> None:
    """Raise for the first row of y or of the weights with NaN or infinity."""
    if may_be_missing(source.dtype):
        for _ in iter_finite(source, name):
            pass


def may_be_missing(dtype: np.dtype) -> bool:
    """Whether values of this type can be NaN, infinite or None."""
    return dtype.kind in "fcO"


def iter_finite(source: Source, name: str = "y") -> Iterator:
    """Yield the pieces; raise for one with NaN or infinity."""
    for start, piece in iter_values(source):
        if not may_be_missing(piece.dtype):
            yield start, piece
            continue
        numbers = piece
        try:
            if piece.dtype == object:
                numbers = np.where(is_missing(piece), np.nan, 0.0)
            assert_all_finite(numbers, input_name=name)
        except ValueError as error:
            bad = ~np.isfinite(numbers.reshape(len(numbers), -1)).all(axis=1)
            row = name_first(source, start, bad)
            error.add_note(f"The first is in row {row:,} of {name}.")
            raise
        yield start, piece


def is_missing(labels: np.ndarray) -> np.ndarray:
    """Return which of the labels are NaN, None or a pandas NA."""
    if labels.dtype == object:
        return _is_missing_object(labels)
    return (
        np.isnan(labels) if labels.dtype.kind in "fc" else np.zeros(labels.shape, bool)
    )


@partial(np.vectorize, otypes=[bool])
def _is_missing_object(value) -> bool:
    try:
        return value is None or bool(value != value)
    except TypeError:
        return True


def check_has_weight(weights) -> None:
    """Raise if all weights are zero."""
    if not any(np.any(piece) for _, piece in iter_values(weights)):
        raise ValueError("Sample weights must contain at least one non-zero number.")


def check_filled(source, name: str) -> None:
    """Raise for the first missing label, which would become an empty string."""
    for start, piece in iter_values(source):
        if (bad := piece == MISSING).any():
            raise ValueError(
                f"{name} has no value in row {name_first(source, start, bad):,}, and "
                "a missing string would be the label ''. Fill such values, or leave "
                "their rows out."
            )
