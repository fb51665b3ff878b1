"""Passes a chunk to an estimator's method in the layout that the method accepts.

Chunks are read-only views of the user's data, in the shape they have on disk. Some
estimators refuse these: most need two dimensions, a few write into their input. No tag
tells, so that each is tried with the first chunk, and its error says what it needs.
"""

from math import prod
from typing import NamedTuple

import numpy as np
from scipy import sparse


class InputLayout(NamedTuple):
    """The transformation of a chunk before it is passed to the estimator.

    ``flat`` is None until rows of more than one dimension have been tried.
    """

    flat: bool | None = None
    writable: bool = False
    dense: bool = False

    def apply(self, rows):
        """Return one chunk of X in this layout."""
        if self.dense and sparse.issparse(rows):
            rows = rows.toarray()
        if self.flat and _have_axes(rows):
            rows = np.asarray(rows)
            rows = rows.reshape(len(rows), prod(rows.shape[1:]))
        return self.unlock(rows)

    def unlock(self, array):
        """Return a private copy if the estimator writes into its input."""
        if self.writable and isinstance(array, np.ndarray):
            return array.copy()
        return array

    def after(self, error: Exception, rows) -> "InputLayout | None":
        """Return the layout to try after ``error`` on ``rows``, None if none."""
        if not isinstance(error, ValueError):
            return None
        if "read-only" in str(error):
            return None if self.writable else self._replace(writable=True)
        if self.flat is None and _have_axes(rows):
            return self._replace(flat=True)
        return None

    def settled(self, rows) -> "InputLayout":
        """Return the layout, now that the estimator has accepted ``rows`` in it."""
        if self.flat is None and _have_axes(rows):
            return self._replace(flat=False)
        return self


def _have_axes(rows) -> bool:
    """Whether each row is an array of two dimensions or more, such as an image."""
    try:
        return np.ndim(rows) > 2
    except ValueError:  # lists of different lengths
        return False


def describe_error(error: Exception) -> str:
    """Return type and text: a kept error would keep the arrays of its traceback."""
    return f"{type(error).__name__}: {error}"


def note_refusal(error: Exception, refusal: str | None) -> None:
    """Add a note to ``error`` with the earlier refusal of the unchanged rows."""
    if refusal is not None:
        error.add_note(f"Before, the rows as they are were refused: {refusal}")
