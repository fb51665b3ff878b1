"""What learns in place of a transformer without ``partial_fit``, as an estimator."""

from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator

from skmmap.wrap import takes


class ChunkLearner(BaseEstimator):
    """Learns for a transformer with what ``make`` returns for it.

    That has ``partial_fit``, of X or of X and y, and ``finish()``, which returns the
    fitted transformer. It may have ``begin(n_rows)``, which is called before the first
    pass, and ``end_pass()``, which is called after each one and returns whether it
    needs another.
    """

    def __init__(self, transformer: Any, make: Callable[[Any], Any], n_rows: int):
        self.transformer, self.make, self.n_rows = transformer, make, n_rows

    @property
    def takes_target(self) -> bool:
        return self.takes("y")

    def takes(self, name: str) -> bool:
        """Whether chunks are learned with that parameter."""
        return takes(self.make(self.transformer).partial_fit, name)

    @property
    def may_repeat(self) -> bool:
        """Whether the number of passes depends on the values."""
        return hasattr(self.make(self.transformer), "end_pass")

    def partial_fit(self, X, y=None, sample_weight=None):
        if not hasattr(self, "learner_"):
            self.learner_ = self.make(self.transformer)
            if hasattr(self.learner_, "begin"):
                self.learner_.begin(self.n_rows)
        given = {"y": y} if takes(self.learner_.partial_fit, "y") else {}
        if sample_weight is not None:
            given["sample_weight"] = sample_weight
        self.learner_.partial_fit(X, **given)
        return self

    def end_pass(self) -> bool:
        """Return whether the learner needs another pass."""
        return hasattr(self.learner_, "end_pass") and bool(self.learner_.end_pass())

    def finish(self):
        return self.learner_.finish()
