"""Corrections around each chunk, for estimators that need statistics of all rows.

``partial_fit`` of some estimators computes from one chunk a statistic that ``fit``
computes from all rows, or does in each call what ``fit`` does once at its end. The
entry of such a class names a `Correction`, which holds the state that is missing while
the estimator is trained by chunks. No second pass over X is made. Callbacks and the
score on held-out rows get a finished copy. The state is kept with the fitted object, so
that several calls of ``partial_fit`` continue one fit.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skmmap.estimators.registry import find_entry
from skmmap.estimators.sgd_state import LearningRate, SgdState
from skmmap.estimators.statistics import (
    Categories,
    Clusters,
    Correction,
    MaxAbsColumns,
    MinMaxColumns,
    Samples,
    Smoothing,
    StandardColumns,
)
from skmmap.run import pack_with_code
from skmmap.wrap import find_learner, iter_fitted, replace_parameters


def find_correction(learner) -> type[Correction]:
    """Return the class that corrects a learner, from the entry of its own class."""
    correction = find_entry(type(learner)).entry.correction
    is_needed = correction is not None and correction.is_needed(learner)
    return correction if is_needed else Correction


def _find_own_finish(learner) -> Callable[[Any], None] | None:
    return find_entry(type(learner)).entry.finish


_AS_IT_IS = nullcontext()
# By the names that saved models have of them, which must not change.
_KINDS = {
    "Categories": Categories,
    "Clusters": Clusters,
    "Correction": Correction,
    "LearningRate": LearningRate,
    "MaxAbsColumns": MaxAbsColumns,
    "MinMaxColumns": MinMaxColumns,
    "Samples": Samples,
    "SgdState": SgdState,
    "Smoothing": Smoothing,
    "StandardColumns": StandardColumns,
}


@dataclass(eq=False, repr=False)
class Corrections:
    """The corrections of all trained learners in an estimator, in their order.

    ``make`` is None if the result is to be that of the loop over ``partial_fit``.
    ``own_finish`` is the function ``finish`` of `register`.
    """

    make: Callable[[], Correction] | None = None
    members: list[Correction] = field(default_factory=list)
    own_finish: Callable[[Any], None] | None = None

    def __getstate__(self) -> dict:
        # Pickle stores functions by name, which fails for a lambda.
        finish = self.own_finish and pack_with_code(self.own_finish)
        return vars(self) | {"own_finish": finish}

    def __deepcopy__(self, memo: dict) -> "Corrections":
        # The function itself: a pickled one has copies of what it refers to.
        return Corrections(self.make, deepcopy(self.members, memo), self.own_finish)

    @classmethod
    def of(cls, estimator) -> "Corrections":
        """Return the corrections of an untrained estimator."""
        _, learner = find_learner(estimator)
        return cls(find_correction(learner), own_finish=_find_own_finish(learner))

    @classmethod
    def from_state(cls, state: dict, estimator) -> "Corrections":
        """Return the corrections of a trained estimator from what `get_state` gave."""
        make = None if state["kind"] is None else _KINDS[state["kind"]]
        members = []
        for values in state["members"]:
            members.append(make())
            vars(members[-1]).update(values)
        _, learner = find_learner(estimator)
        return cls(make, members, make and _find_own_finish(learner))

    def get_state(self) -> dict:
        """Return them as built-in types and arrays, without the function ``finish``.

        That one belongs to the class, which has it where the state is used.
        """
        kind = next((name for name, kind in _KINDS.items() if kind is self.make), None)
        return {"kind": kind, "members": [dict(vars(each)) for each in self.members]}

    def find_overrides(self, estimator) -> dict:
        """Return the parameters that are overridden during training."""
        if not self.corrects:
            return {}
        prefix, learner = find_learner(estimator)
        overrides = self.make.find_overrides(learner)
        return {prefix + name: value for name, value in overrides.items()}

    @property
    def is_off(self) -> bool:
        """Whether the result is to be that of the loop over ``partial_fit``."""
        return self.make is None

    @property
    def corrects(self) -> bool:
        """Whether anything is corrected during training."""
        return self.make not in (None, Correction)

    @property
    def is_empty(self) -> bool:
        """Whether `finish` changes nothing."""
        return not self.corrects and self.own_finish is None

    def fresh(self) -> "Corrections":
        """Return the same corrections without state, for a new start of training."""
        return Corrections(self.make, own_finish=self.own_finish)

    def chunk(self, estimator, X, weights) -> AbstractContextManager:
        """Return a context that corrects what the estimator learns inside it."""
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
        """Yield the fitted ones; in one-vs-one a pair may have had no rows so far."""
        for member, learner in self._iter_members(estimator):
            if any(name[-1] == "_" and name[0] != "_" for name in vars(learner)):
                yield member, learner

    def is_like(self, other) -> bool:
        """Whether the members of ``other`` can be used by these corrections."""
        return other is not None and other.make is self.make

    def end_epoch(self, estimator) -> None:
        """Do what ``fit`` does at the end of each epoch."""
        if self.corrects:
            for member, learner in self._iter_trained(estimator):
                member.end_epoch(learner)

    def begin(self, estimator) -> None:
        """Prepare a trained estimator for further training."""
        if self.corrects:
            for member, learner in self._iter_trained(estimator):
                member.begin(learner)

    def skip(self, estimator, X) -> None:
        """Count rows without weight, which the estimator does not get."""
        if self.corrects:
            for member, _ in self._iter_members(estimator):
                member.skip(X)

    def finish(self, estimator, own: dict):
        """Reset the overridden parameters, and do what ``fit`` does at its end."""
        replace_parameters(estimator, own)
        if self.corrects:
            for member, learner in self._iter_trained(estimator):
                member.finish(learner)
        if self.own_finish is not None:
            for _, learner in self._iter_trained(estimator):
                self.own_finish(learner)
        return estimator

    def finish_copy(self, estimator, own: dict):
        """Return a finished copy of an estimator that is being trained."""
        return deepcopy(self).finish(deepcopy(estimator), own)

    def add(self, other: "Corrections") -> None:
        """Add the corrections of an estimator that is merged into this one."""
        for number, more in enumerate(other.members):
            if number == len(self.members):
                self.members.append(more)
            else:
                self.members[number].add(more)
