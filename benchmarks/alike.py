"""An estimator that takes as long as it is told to: for disks of any speed."""

import numpy as np
from sklearn.base import BaseEstimator

_BLOCK_ROWS = 1_000


class Busy(BaseEstimator):
    """Computes ``passes`` times over each chunk, in NumPy and without its lock.

    It does a fixed work, and not for a fixed time: whoever takes the processor from
    it makes it take longer.
    """

    def __init__(self, passes=1.0):
        self.passes = passes

    def partial_fit(self, X, y=None):
        room = np.empty((_BLOCK_ROWS, X.shape[1]), X.dtype)
        total = getattr(self, "total_", 0.0)
        for number in range(max(1, round(self.passes * len(X) / _BLOCK_ROWS))):
            start = number * _BLOCK_ROWS % len(X)
            rows = X[start : start + _BLOCK_ROWS]
            total += float(np.tanh(rows, out=room[: len(rows)])[0, 0])
        self.total_ = total
        return self
