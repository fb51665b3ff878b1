"""What learns in place of a transformer without ``partial_fit``, as an estimator."""

from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator


class ChunkLearner(BaseEstimator):
    """Learns for a transformer with what ``make`` returns for it.

    That has ``partial_fit(X)``, and ``finish()``, which returns the fitted transformer.
    """

    def __init__(self, transformer: Any, make: Callable[[Any], Any]):
        self.transformer, self.make = transformer, make

    def partial_fit(self, X):
        if not hasattr(self, "learner_"):
            self.learner_ = self.make(self.transformer)
        self.learner_.partial_fit(X)
        return self

    def finish(self):
        return self.learner_.finish()
