"""What learns in place of a transformer without ``partial_fit``, as an estimator."""

from collections.abc import Callable
from copy import copy, deepcopy
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from skmmap.rows import Source
from skmmap.wrap import takes


class ChunkLearner(BaseEstimator):
    """Learns for a transformer with what ``make`` returns for it.

    That has ``partial_fit``, of X or of X and y, and ``finish()``, which returns the
    fitted transformer. It may have ``begin(n_rows)``, which is called before the first
    pass, and ``end_pass()``, which is called after each one and returns whether it
    needs another.

    If ``begin`` takes ``random_state``, it is passed a seed, and ``partial_fit`` that
    takes ``positions`` those of the chunk's rows among all rows. If ``begin`` takes
    ``order``, it is passed the positions of all rows as they will come, or None if they
    ascend. If there is
    ``training_transform()``, it is called at the end: see `pipelines.training_rows`.

    If it has ``merge(other)``, parts of the rows of a pass may be learned side by side,
    each by a copy made before the pass. They are merged in the order of rows:
    ``merge`` adds what the other one has learned in this pass, from rows behind its
    own. Where it depends on parameters, ``merges(n_rows)`` says whether it can.
    """

    def __init__(
        self,
        transformer: Any,
        make: Callable[[Any], Any],
        n_rows: int,
        random_state: int | None = None,
        order: np.ndarray | None = None,
    ):
        self.transformer, self.make, self.n_rows = transformer, make, n_rows
        self.random_state, self.order = random_state, order

    @property
    def takes_target(self) -> bool:
        return self.takes("y")

    def takes(self, name: str) -> bool:
        """Whether chunks are learned with that parameter."""
        return takes(self.make(self.transformer).partial_fit, name)

    @property
    def takes_codes(self) -> bool:
        """Whether chunks are learned as `CodedFrame` as well."""
        return getattr(self.make(self.transformer), "takes_codes", False)

    @property
    def does(self) -> str:
        """What it does in the next pass, if there is more to say."""
        has_begun = hasattr(self, "learner_")
        learner = self.learner_ if has_begun else self.make(self.transformer)
        default = "(in several, if its values need more memory)"
        return getattr(learner, "does", default * hasattr(learner, "end_pass"))

    @property
    def takes_seed(self) -> bool:
        return self._begins_with("random_state")

    @property
    def takes_order(self) -> bool:
        return self._begins_with("order")

    def _begins_with(self, name: str) -> bool:
        begin = getattr(self.make(self.transformer), "begin", None)
        return begin is not None and takes(begin, name)

    @property
    def encodes_folds(self) -> bool:
        """Whether the rows of fit are transformed in another way than others."""
        return hasattr(self.make(self.transformer), "training_transform")

    @property
    def merges(self) -> bool:
        """Whether parts of the rows can be learned side by side, and added up."""
        learner = self.make(self.transformer)
        is_able = getattr(learner, "merges", lambda n_rows: hasattr(learner, "merge"))
        return bool(is_able(self.n_rows))

    @property
    def counts_values(self) -> bool:
        """Whether it counts values of any kind, and holds the GIL unless of numbers."""
        return getattr(self.make(self.transformer), "counts_values", False)

    def find_part_nbytes(self, source: Source) -> int:
        """Return the bytes that each part of the rows keeps in the next pass.

        What follows from the values, as the number of texts, is not known before.
        """
        if not self.merges:
            return 0
        has_begun = hasattr(self, "learner_")
        learner = self.learner_ if has_begun else self.make(self.transformer)
        find = getattr(learner, "find_part_nbytes", lambda source: 0)
        return find(source)

    def merge(self, other: "ChunkLearner") -> None:
        """Add what a copy has learned in this pass from the rows behind these."""
        self.learner_.merge(other.learner_)

    def __deepcopy__(self, memo: dict) -> "ChunkLearner":
        # For another part of the rows. The transformer is changed by `finish` alone.
        copied = copy(self)
        if hasattr(self, "learner_"):
            memo[id(self.transformer)] = self.transformer
            copied.learner_ = deepcopy(self.learner_, memo)
        return copied

    def partial_fit(self, X, y=None, sample_weight=None, positions=None):
        if not hasattr(self, "learner_"):
            self._begin()
        given = {"y": y} if takes(self.learner_.partial_fit, "y") else {}
        if sample_weight is not None:
            given["sample_weight"] = sample_weight
        if positions is not None:
            given["positions"] = positions
        self.learner_.partial_fit(X, **given)
        return self

    def _begin(self) -> None:
        self.learner_ = self.make(self.transformer)
        given = {"random_state": self.random_state} if self.takes_seed else {}
        given |= {"order": self.order} if self.takes_order else {}
        if hasattr(self.learner_, "begin"):
            self.learner_.begin(self.n_rows, **given)

    def end_pass(self) -> bool:
        """Return whether the learner needs another pass."""
        return hasattr(self.learner_, "end_pass") and bool(self.learner_.end_pass())

    def finish(self):
        return self.learner_.finish()
