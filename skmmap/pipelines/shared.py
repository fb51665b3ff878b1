"""What learns for several steps at once, and is added up from parts of the rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from skmmap.estimators import add_built_in, add_up
from skmmap.learn import Learner
from skmmap.order import rows_at
from skmmap.read import Chunk, slice_rows
from skmmap.rows import CodedFrame, MappedStore, share_out
from skmmap.transformers import ChunkLearner

POSITIONS = "positions"


@dataclass(eq=False, repr=False)
class Member:
    """What learns for a step, and the steps before it that the others do not have.

    It has no rows, so that it can be sent to other processes. ``notes`` say which steps
    errors are about.
    """

    learner: Learner
    chain: list[MappedStore]
    takes_positions: bool  # of rows among all of them
    takes_codes: bool
    notes: list[str]
    context: Callable  # of the estimator, around each call
    part_nbytes: int = 0  # that each part of the rows keeps, if parts are added up

    def __deepcopy__(self, memo: dict) -> "Member":
        return replace(self, learner=self.learner.copy())

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Add the notes to an error."""
        try:
            yield
        except Exception as error:
            for note in self.notes:
                error.add_note(note)
            raise

    @property
    def transformer(self):
        estimator = self.learner.estimator
        is_made = isinstance(estimator, ChunkLearner)
        return estimator.transformer if is_made else estimator

    @property
    def merges(self) -> bool:
        """Whether parts of the rows can be learned side by side, and added up."""
        # Others share a pass because they have a merge.
        return getattr(self.learner.estimator, "merges", True)

    def add_up(self, other: "Member"):
        """Return the estimator with what another has learned, if it has no learner."""
        estimator = self.learner.estimator
        if isinstance(estimator, ChunkLearner):
            return estimator
        return add_up(deepcopy(estimator), other.learner.estimator)

    def add(self, other: "Member", estimator) -> None:
        """Take what another has learned; ``estimator`` is what `add_up` returned."""
        if isinstance(estimator, ChunkLearner):
            estimator.merge(other.learner.estimator)
        self.learner.estimator = estimator
        self.learner.corrections.add(other.learner.corrections)
        self.learner.input_layout = other.learner.input_layout


class Shared(BaseEstimator):
    """Learns for several steps at once, as an estimator that is trained alone.

    ``selection`` has the numbers of all rows in their store.
    """

    def __init__(self, members: list[Member], selection):
        self.members, self.selection = members, selection

    def __sklearn_clone__(self):
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True  # each learner has a layout of its own
        return tags

    def __deepcopy__(self, memo: dict) -> "Shared":
        copied = copy(self)
        copied.members = deepcopy(self.members, memo)
        return copied

    @property
    def takes_positions(self) -> bool:
        """Whether a member needs the positions of rows among all of them."""
        return any(
            member.takes_positions or any(store.takes_numbers for store in member.chain)
            for member in self.members
        )

    @property
    def computing(self) -> list[Any]:
        """What computes in a pass, which decides what kind of workers there are."""
        return [member.transformer for member in self.members]

    def skmmap_state(self) -> list[dict]:
        """Return what the learners have learned, to be kept in a checkpoint."""
        return [member.learner.take_state() for member in self.members]

    def skmmap_continue(self, states: list[dict]) -> None:
        """Let the learners go on from there."""
        for member, state in zip(self.members, states, strict=True):
            member.learner.put_state(state)

    def partial_fit(self, X, y=None, **weights):
        n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
        chains = [member.chain for member in self.members]
        calls = [store.call_rows for chain in chains for store in chain]
        pieces = share_out(0, n_rows, min(calls, default=max(1, n_rows)))
        for start, stop in pieces:
            rows = X if len(pieces) == 1 else slice_rows(X, start, stop)
            self._learn(rows, y, weights, start, stop)
        return self

    def _learn(self, X, y, weights: dict, start: int, stop: int) -> None:
        known: dict[Any, Any] = {}
        positions = weights.get(POSITIONS)
        positions = None if positions is None else positions[start:stop].astype(int)
        numbers = None if positions is None else rows_at(self.selection, positions)
        for number, member in enumerate(self.members):
            with member.noting():
                rows = X
                for store in member.chain:
                    if id(store) not in known:
                        known[id(store)] = store.compute(rows, numbers)
                    rows = known[id(store)]
                if isinstance(rows, CodedFrame) and not member.takes_codes:
                    rows = self._find_frame(rows, known)
                target = None if y is None else y[start:stop]
                params = {POSITIONS: positions} if member.takes_positions else {}
                if (weight := weights.get(name_weight(number))) is not None:
                    is_whole = np.ndim(weight) == 0
                    weight = weight if is_whole else weight[start:stop]
                    params["sample_weight"] = weight
                chunk = Chunk(start, stop, rows, target, params)
                member.learner.learn(chunk, member.context, tuple)

    @staticmethod
    def _find_frame(rows: CodedFrame, known: dict):
        """Return the frame of rows, which is made once."""
        if ("frame", id(rows)) not in known:
            known["frame", id(rows)] = rows.to_frame()
        return known["frame", id(rows)]


class AddedUp(Shared):
    """The same, where all members can be added up."""

    @property
    def part_nbytes(self) -> int:
        """Bytes that each part of the rows keeps of all its chunks."""
        return sum(member.part_nbytes for member in self.members)


def name_weight(number: int) -> str:
    """Return the parameter of `Shared` with the weights for a member."""
    return f"weight_{number}"


def merge_shared(shared: AddedUp, other: AddedUp):
    """Add up all members, or none if one of them cannot be added up exactly."""
    pairs = list(zip(shared.members, other.members, strict=True))
    tried = [member.add_up(more) for member, more in pairs]
    if any(each is NotImplemented for each in tried):
        return NotImplemented
    for (member, more), estimator in zip(pairs, tried, strict=True):
        with member.noting():
            member.add(more, estimator)
    return shared


add_built_in({f"{__name__}.AddedUp": {"merge": merge_shared}})
