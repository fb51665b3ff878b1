"""What ``fit`` computes over all rows, or once at its end, put right around each chunk.

``partial_fit`` of some estimators takes a statistic from one chunk that ``fit`` takes
from all rows, or does in each call what ``fit`` does once. A `Correction` holds what
such an estimator needs while it is trained by chunks; the entry of its class names it.
No second pass over X is made. A finished copy is what callbacks and held-out rows see.
What was noted of earlier rows is kept with the fitted object, so that several calls of
``partial_fit`` are one fit.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skmmap.estimators.registry import find_entry
from skmmap.estimators.statistics import Correction
from skmmap.run import pack_with_code
from skmmap.wrap import find_learner, iter_fitted, replace_parameters


def find_correction(learner) -> type[Correction]:
    """Return what corrects a learner, by the entry of its class."""
    correction = find_entry(type(learner)).entry.correction
    is_needed = correction is not None and correction.is_needed(learner)
    return correction if is_needed else Correction


_AS_IT_IS = nullcontext()


@dataclass
class Corrections:
    """The corrections of each trained learner in an estimator, one after the other.

    ``make`` is None where the result is the loop over ``partial_fit``. ``own_finish``
    is what a user has registered for the end of training.
    """

    make: Callable[[], Correction] | None = None
    members: list[Correction] = field(default_factory=list)
    own_finish: Callable[[Any], None] | None = None

    def __getstate__(self) -> dict:
        # A fitted object is pickled with it, also where the function is a lambda.
        finish = self.own_finish and pack_with_code(self.own_finish)
        return vars(self) | {"own_finish": finish}

    def __deepcopy__(self, memo: dict) -> "Corrections":
        # The function itself: a pickled one has copies of what it refers to.
        return Corrections(self.make, deepcopy(self.members, memo), self.own_finish)

    @classmethod
    def of(cls, estimator) -> "Corrections":
        """Return those of an untrained estimator."""
        _, learner = find_learner(estimator)
        own_finish = find_entry(type(learner)).entry.finish
        return cls(find_correction(learner), own_finish=own_finish)

    def find_overrides(self, estimator) -> dict:
        """Return parameters that the estimator has otherwise while it is trained."""
        if not self.corrects:
            return {}
        prefix, learner = find_learner(estimator)
        overrides = self.make.find_overrides(learner)
        return {prefix + name: value for name, value in overrides.items()}

    @property
    def is_off(self) -> bool:
        """Whether the loop was written out."""
        return self.make is None

    @property
    def corrects(self) -> bool:
        """Whether anything is corrected while the estimator is trained."""
        return self.make not in (None, Correction)

    @property
    def is_empty(self) -> bool:
        """Whether a trained estimator is what it was before it was finished."""
        return not self.corrects and self.own_finish is None

    def fresh(self) -> "Corrections":
        """Return the same for an estimator that starts over."""
        return Corrections(self.make, own_finish=self.own_finish)

    def chunk(self, estimator, X, weights) -> AbstractContextManager:
        """Correct what the estimator learns inside of this context."""
        return self._around(estimator, X, weights) if self.corrects else _AS_IT_IS

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
        if self.corrects:
            for member, learner in self._iter_trained(estimator):
                member.end_epoch(learner)

    def begin(self, estimator) -> None:
        """Prepare a trained estimator to be trained further."""
        if self.corrects:
            for member, learner in self._iter_trained(estimator):
                member.begin(learner)

    def skip(self, estimator, X) -> None:
        """Note rows without weight."""
        if self.corrects:
            for member, _ in self._iter_members(estimator):
                member.skip(X)

    def finish(self, estimator, own: dict):
        """Give the estimator its own parameters, and leave it as ``fit`` would."""
        replace_parameters(estimator, own)
        if self.corrects:
            for member, learner in self._iter_trained(estimator):
                member.finish(learner)
        if self.own_finish is not None:
            for _, learner in self._iter_trained(estimator):
                self.own_finish(learner)
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
