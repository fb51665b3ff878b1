"""How encoders of labels learn from chunks, which are of y."""

import numpy as np
from scipy import sparse

from skmmap.transformers.columns import add_counts, iter_values
from skmmap.transformers.witnesses import Witnesses

# The classes are the columns; a third value tells that these are no indicators.
_MOST_OF_COLUMNS = 3


class LabelRows(Witnesses):
    """A row for each label, or for each of the first values of several columns."""

    def __init__(self, encoder):
        super().__init__(encoder)
        self._counts: list[dict] = []

    def find(self, X) -> np.ndarray:
        if not sparse.issparse(X):
            X = np.asarray(X, object) if isinstance(X, list) else np.asarray(X)
            if X.ndim == 1:
                return self._find_new(X)
        n_columns = X.shape[1]
        if (
            n_columns == 1
            or not self._counts
            or len(self._counts[0]) < _MOST_OF_COLUMNS
        ):
            values = X.data if sparse.issparse(X) else X.ravel()
            places = self._find_new(values)
            if not sparse.issparse(X):
                return places // n_columns
            return np.searchsorted(X.indptr, places, side="right") - 1
        return np.arange(0)

    def _find_new(self, values: np.ndarray) -> np.ndarray:
        columns = iter_values(values.reshape(-1, 1))
        return np.array(add_counts(self._counts, columns), dtype=np.intp)


class LabelSets(Witnesses):
    """A row for each label, of rows that have several."""

    def __init__(self, encoder):
        super().__init__(encoder)
        self._known: set = set()

    def find(self, X) -> np.ndarray:
        new = []
        for number, row in enumerate(X):
            labels = set(row)
            if not labels <= self._known:
                self._known |= labels
                new.append(number)
        return np.array(new, dtype=np.intp)


def learn_labels(encoder) -> LabelRows:
    """Return what learns for `LabelBinarizer` and `LabelEncoder`."""
    return LabelRows(encoder)


def learn_label_sets(encoder) -> LabelSets:
    """Return what learns for `MultiLabelBinarizer`."""
    return LabelSets(encoder)
