"""How encoders of labels learn from chunks, which are of y."""

import numpy as np
from scipy import sparse

from skmmap.transformers.columns import find_key
from skmmap.transformers.witnesses import Witnesses


class LabelRows(Witnesses):
    """A row for each label."""

    def __init__(self, encoder):
        super().__init__(encoder)
        self._known: set = set()

    def find(self, X) -> np.ndarray:
        if sparse.issparse(X) or (X.ndim == 2 and X.shape[1] > 1):
            return np.arange(0)  # the classes are the columns
        values, firsts = np.unique(np.ravel(X), return_index=True)
        keys = map(find_key, values.tolist())
        new = [
            first
            for key, first in zip(keys, firsts, strict=True)
            if key not in self._known
        ]
        self._known.update(map(find_key, values.tolist()))
        return np.array(new, dtype=np.intp)


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
