"""What ``fit`` computes over all rows, or once at its end, put right around each chunk.

``partial_fit`` of some estimators takes a statistic from one chunk that ``fit`` takes
from all rows, or does in each call what ``fit`` does once. A `Correction` holds what
such an estimator needs while it is trained by chunks; `find_correction` is the table.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.cluster import Birch
from sklearn.naive_bayes import CategoricalNB, GaussianNB
from sklearn.neural_network import BernoulliRBM
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

from skmmap.learn.sgd_state import (
    LearningRate,
    SgdState,
)
from skmmap.learn.statistics import (
    Categories,
    Clusters,
    Correction,
    MaxAbsColumns,
    MinMaxColumns,
    Samples,
    Smoothing,
    StandardColumns,
)
from skmmap.wrap import (
    MLP,
    SGD,
    find_learner,
    iter_fitted,
    replace_parameters,
)

_TABLE = (
    (StandardScaler, StandardColumns),
    (MinMaxScaler, MinMaxColumns),
    (MaxAbsScaler, MaxAbsColumns),
    (GaussianNB, Smoothing),
    (CategoricalNB, Categories),
    (Birch, Clusters),
    (SGD, SgdState),
    (MLP, LearningRate),
    (BernoulliRBM, Samples),
)


def find_correction(learner) -> type[Correction]:
    """Return what corrects a learner, by the table and the bases of its class."""
    for kind, correction in _TABLE:
        if isinstance(learner, kind) and correction.is_needed(learner):
            return correction
    return Correction


_AS_IT_IS = nullcontext()


@dataclass
class Corrections:
    """The corrections of each trained learner in an estimator, one after the other.

    ``make`` is None where the loop was written out, which is left as it is.
    """

    make: Callable[[], Correction] | None = None
    members: list[Correction] = field(default_factory=list)

    @classmethod
    def of(cls, estimator) -> "Corrections":
        """Return those of an untrained estimator."""
        return cls(find_correction(find_learner(estimator)[1]))

    def find_changes(self, estimator) -> dict:
        """Return parameters that the estimator has otherwise while it is trained."""
        if self.is_empty:
            return {}
        prefix, learner = find_learner(estimator)
        changed = self.make.find_changes(learner)
        return {prefix + name: value for name, value in changed.items()}

    @property
    def is_off(self) -> bool:
        """Whether the loop was written out."""
        return self.make is None

    @property
    def is_empty(self) -> bool:
        return self.make in (None, Correction)

    def fresh(self) -> "Corrections":
        """Return the same for an estimator that starts over."""
        return Corrections(self.make)

    def chunk(self, estimator, X, weights) -> AbstractContextManager:
        """Correct what the estimator learns inside of this context."""
        return _AS_IT_IS if self.is_empty else self._around(estimator, X, weights)

    @contextmanager
    def _around(self, estimator, X, weights) -> Iterator[None]:
        for member, learner in self._iter_members(estimator):
            member.before(learner, X, weights)
        with np.errstate(invalid="ignore") if self.make.divides_by_zero else _AS_IT_IS:
            yield
        for member, learner in self._iter_trained(estimator):
            member.after(learner, X, weights)

    def _iter_members(self, estimator) -> Iterator[tuple[Correction, Any]]:
        for number, learner in enumerate(iter_fitted(estimator)):
            if number == len(self.members):
                self.members.append(self.make())
            yield self.members[number], learner

    def _iter_trained(self, estimator) -> Iterator[tuple[Correction, Any]]:
        """Yield those that had rows; a pair of classes may have had none so far."""
        for member, learner in self._iter_members(estimator):
            if any(name[-1] == "_" and name[0] != "_" for name in vars(learner)):
                yield member, learner

    def is_like(self, other) -> bool:
        """Whether the members of the other ones can be used further."""
        return other is not None and other.make is self.make

    def end_epoch(self, estimator) -> None:
        """Do what ``fit`` does at the end of each epoch."""
        if not self.is_empty:
            for member, learner in self._iter_trained(estimator):
                member.end_epoch(learner)

    def begin(self, estimator) -> None:
        """Prepare a trained estimator to be trained further."""
        if not self.is_empty:
            for member, learner in self._iter_trained(estimator):
                member.begin(learner)

    def skip(self, estimator, X) -> None:
        """Note rows without weight."""
        if not self.is_empty:
            for member, _ in self._iter_members(estimator):
                member.skip(X)

    def finish(self, estimator, own: dict):
        """Give the estimator its own parameters, and leave it as ``fit`` would."""
        replace_parameters(estimator, own)
        if not self.is_empty:
            for member, learner in self._iter_trained(estimator):
                member.finish(learner)
        return estimator

    def finish_copy(self, estimator, own: dict):
        """Return a finished copy, of what is still in training."""
        return deepcopy(self).finish(deepcopy(estimator), own)

    def add(self, other: "Corrections") -> None:
        """Add those of an estimator that is merged into this one."""
        for number, more in enumerate(other.members):
            if number == len(self.members):
                self.members.append(more)
            else:
                self.members[number].add(more)
