"""Weights of labels, for estimators whose ``partial_fit`` takes weights of rows."""

import numpy as np

from skmmap.read.values import is_missing

_LISTED = 20  # labels in a message


class ClassWeight:
    """The weight of each label; 1 for labels that are not in ``weights``.

    If rows ``may_miss`` their label, or have one that is not in ``classes``, their
    weight is 1 too.
    """

    def __init__(self, classes, weights: dict, *, may_miss: bool = False):
        known = np.unique(np.asarray(classes))
        strange = [label for label in weights if label not in known.tolist()]
        if strange:
            raise ValueError(
                f"class_weight has a weight for {strange[0]!r}, which is not among the "
                f"labels of y; they are {_list(known)}."
            )
        self._labels, self._may_miss = known, may_miss
        self._weights = np.array([weights.get(label, 1.0) for label in known.tolist()])

    @property
    def key(self) -> tuple:
        """What equal weights have in common."""
        labels, weights = self._labels.tolist(), self._weights.tolist()
        return tuple(labels), tuple(weights), self._may_miss

    def weigh(self, y: np.ndarray) -> np.ndarray:
        """Return the weight of each row of y."""
        y = np.asarray(y)  # third parties may get a series
        if not self._may_miss:
            return self._weights[np.searchsorted(self._labels, y)]
        labels, weights = y.reshape(len(y)), np.ones(len(y))
        rows = np.flatnonzero(~is_missing(labels))
        rows = rows[np.isin(labels[rows], self._labels)]
        weights[rows] = self._weights[np.searchsorted(self._labels, labels[rows])]
        return weights

    def multiply(self, given, y: np.ndarray) -> np.ndarray:
        """Return the weight of each row of y, multiplied by those that are given."""
        weights = self.weigh(y)
        if np.ndim(given) > 1:  # a column, which third-party estimators may take
            weights = weights.reshape(-1, *(1,) * (np.ndim(given) - 1))
        return weights * given


def _list(labels: np.ndarray) -> str:
    shown = ", ".join(map(repr, labels[:_LISTED].tolist()))
    return shown if len(labels) <= _LISTED else f"{shown}, ... ({len(labels):,})"
