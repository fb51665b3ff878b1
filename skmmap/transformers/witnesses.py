"""Rows on which ``fit`` learns the same as on all rows.

So what is fitted is fitted by scikit-learn itself, with its types, names and errors.
"""

import numpy as np
from scipy import sparse
from sklearn.utils.validation import validate_data

from skmmap.rows import CodedFrame, concat_frames

_FEW_ROWS = 100


class Witnesses:
    """Keeps rows on which ``fit`` learns the same as on all rows.

    A subclass has ``find(X)``, which returns the numbers of the rows of a chunk that
    tell something new.
    """

    def __init__(self, transformer):
        self.transformer, self._most = transformer, _FEW_ROWS
        self._parts: list = []  # joined when there are too many rows, and at the end
        self._n = 0

    def find(self, X) -> np.ndarray:
        raise NotImplementedError

    def partial_fit(self, X) -> None:
        # Two at least are kept, for names, types and checks.
        first = np.arange(min(max(2 - self._n, 0), count_rows(X)))
        numbers = np.union1d(self.find(X), first)
        if len(numbers):
            self._keep(take(X, numbers.astype(np.intp)))
        if self._n > self._most:
            rows, again = self.rows, type(self)(self.transformer)
            few = np.union1d(again.find(rows), np.arange(2)).astype(np.intp)
            self._parts, self._n = [], 0
            self._keep(take(rows, few))
            self._most = 2 * len(few) + _FEW_ROWS

    def merge(self, other: "Witnesses") -> None:
        """Keep those that another one has kept of rows after these."""
        Witnesses.partial_fit(self, other.rows)

    def _keep(self, rows) -> None:
        self._parts.append(rows)
        self._n += count_rows(rows)

    @property
    def rows(self):
        return join(self._parts)

    def finish(self):
        return self.transformer.fit(self.rows)

    def set_names(self):
        """Return the transformer with the names and number of columns, not fitted."""
        validate_data(self.transformer, self.rows, skip_check_array=True)
        return self.transformer


class FirstRows(Witnesses):
    """Two rows, where these tell only names and types."""

    def find(self, X) -> np.ndarray:
        return np.arange(0)


def take(X, numbers: np.ndarray):
    if isinstance(X, list):
        return [X[i] for i in numbers]
    if isinstance(X, CodedFrame):
        return X[numbers].to_frame()
    return X.iloc[numbers] if hasattr(X, "iloc") else X[numbers]


def take_first(X):
    """Return two rows at most, which tell fit the columns, their names and types."""
    return take(X, np.arange(min(2, count_rows(X))))


def join(parts: list):
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, list):
        return [row for part in parts for row in part]
    if sparse.issparse(first):
        return sparse.vstack(parts, format="csr")
    if hasattr(first, "iloc") or hasattr(first, "iter_columns"):
        return concat_frames(parts, keep_index=False)
    return np.concatenate(parts)


def count_rows(rows) -> int:
    return len(rows) if isinstance(rows, list) else rows.shape[0]
