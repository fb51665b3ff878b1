"""Hands a chunk to an estimator's method in the form that the method takes.

Chunks are read-only views of the user's data, in the shape they have on disk. A
few estimators refuse that: most take two dimensions and no images, some write into
their input, one has sparse support in ``fit`` alone. Each is asked, and its refusal
of the first chunk says what it needs.
"""

from math import prod
from types import FunctionType, ModuleType
from typing import NamedTuple

import numpy as np
from scipy import sparse


class Form(NamedTuple):
    """What is done to a chunk before the estimator gets it."""

    flat: bool = False
    writable: bool = False
    dense: bool = False

    def apply(self, rows):
        """Return one chunk of X in this form."""
        if self.dense and sparse.issparse(rows):
            rows = rows.toarray()
        if self.flat and np.ndim(rows) > 2:
            rows = np.asarray(rows)
            rows = rows.reshape(len(rows), prod(rows.shape[1:]))
        return self.unlock(rows)

    def unlock(self, array):
        """Return a private copy where the estimator writes into its input."""
        if self.writable and isinstance(array, np.ndarray):
            return array.copy()
        return array

    def after(self, error: Exception, rows, *, takes_sparse: bool = False):
        """Return the form to try after ``error`` on ``rows``, None if none is left."""
        if isinstance(error, ValueError) and "read-only" in str(error):
            return None if self.writable else self._replace(writable=True)
        if isinstance(error, ValueError) and not self.flat and np.ndim(rows) > 2:
            return self._replace(flat=True)
        if isinstance(error, TypeError) and takes_sparse and not self.dense:
            return self._replace(dense=True) if sparse.issparse(rows) else None
        return None


def own_arrays(root, source) -> None:
    """Replace every view of the data that ``root`` keeps with a copy.

    Birch keeps single rows as views of its input; one of them is enough to keep a
    whole file mapped, and in every pickle.
    """
    seen, todo = set(), [root]
    while todo:
        holder = todo.pop()
        if id(holder) in seen:
            continue
        seen.add(id(holder))
        for items, key, value in _iter_members(holder):
            if isinstance(value, np.ndarray):
                if source.shares_memory(value):
                    items[key] = value.copy()
            elif isinstance(value, dict | list) or _is_instance(value):
                todo.append(value)


def _iter_members(holder):
    """Yield what a dict, list or object holds, with where to put it back."""
    items = holder if isinstance(holder, dict | list) else vars(holder)
    pairs = items.items() if isinstance(items, dict) else enumerate(items)
    for key, value in list(pairs):
        yield items, key, value


def _is_instance(value) -> bool:
    return hasattr(value, "__dict__") and not isinstance(
        value, type | ModuleType | FunctionType
    )
