"""What a task keeps of its fits, so that a later one makes more epochs of the same.

A search by halving trains its candidates in rounds. A candidate that is left goes on
from the state in which it was: on the same rows, in the same order, as one longer fit.
"""

import io
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

from skmmap.checkpoints.journal import Journal, Unit
from skmmap.run import dump_state, load_state


@dataclass(repr=False)
class FitUnit:
    """A unit after its last epoch: the ``state`` to go on from, or the ``result``.

    Both are pickled, since the end of a fit changes the estimator. More epochs would
    not change the result of one that ``is_over``. ``likeness`` is what a run must have
    in common with it to go on from there.
    """

    max_epochs: int | str
    is_over: bool = False
    likeness: tuple = ()
    seed: int | None = None
    state: bytes | None = None
    result: bytes | None = None

    def can_repeat(self, max_epochs: int | str) -> bool:
        """Whether the result of so many epochs is known."""
        is_same = self.is_over or self.max_epochs == max_epochs
        return is_same and self.result is not None

    def repeat(self) -> Unit:
        """Return a unit with the same result."""
        unit = Unit()
        unit.result = _load(self.result)
        return unit


class GoingUnit(Unit):
    """A unit that goes on from the same one of an earlier round."""

    def __init__(self, kept: FitUnit, before: FitUnit | None, rounds: tuple):
        self.kept, self.before = kept, before
        self._n_epochs, self._next_epochs = rounds
        self.may_go_on = self.is_kept = self._next_epochs is not None
        self.seed = None if before is None else before.seed

    @property
    def _keeps_result(self) -> bool:
        """Whether the next round has the same result, since it makes no more epochs."""
        is_resource = self.kept.max_epochs == self._n_epochs
        repeats = self._next_epochs == self._n_epochs
        return self.kept.is_over or not is_resource or repeats

    def take_state(self, run) -> Any:
        before, self.before = self.before, None  # it is not needed any more
        if before is None or before.state is None:
            return None
        if before.likeness != _find_likeness(run):
            return None
        state = _load(before.state)
        return state if state["epoch"] < run.n_epochs else None

    def after_epochs(self, run, *, is_over: bool) -> None:
        if not self.may_go_on:
            return
        kept = self.kept
        kept.seed, kept.is_over = run.known["random_state_"], is_over
        kept.likeness = _find_likeness(run)
        if not is_over:
            state = run.take_state()
            kept.state = _dump(state | {"epoch": state["epoch"] + 1})

    def end(self, result) -> None:
        if self.is_kept and self._keeps_result:
            self.kept.result = _dump(result)


class GoingJournal(Journal):
    """The journal of a fit that goes on from the same one of an earlier round.

    ``known`` are units of this round, of a run that was killed in it.
    """

    def __init__(
        self,
        units: list[FitUnit],
        before: list[FitUnit | None],
        rounds: tuple,
        known: list[FitUnit],
    ):
        self._units, self._before, self._rounds = units, before, rounds
        self._known, self._last = known, None

    def open_unit(self, max_epochs: int | str) -> Unit:
        before = self._before.pop(0) if self._before else None
        known = self._known.pop(0) if self._known else FitUnit(max_epochs)
        if before is not None and before.can_repeat(max_epochs):
            self._units.append(before)
            self._last = None
            return before.repeat()
        self._units.append(known)
        self._last = GoingUnit(known, before, self._rounds)
        return self._last

    def list_before(self) -> list[FitUnit | None]:
        """Return the units of the round before, of which those are None that went on.

        All are known by then that have been opened.
        """
        opened: list[FitUnit | None] = [None] * len(self._units)
        if self._last is not None:
            opened[-1] = self._last.before
        return opened + self._before


@dataclass(eq=False, repr=False)
class KeptFits:
    """The fits of a task, in the order in which it makes them.

    This round makes ``n_epochs`` in all, and the next one ``next_epochs``, None if
    there is no next one. ``before`` has those of the round before.
    """

    n_epochs: int
    next_epochs: int | None = None
    before: "KeptFits | None" = None
    _fits: list[list[FitUnit]] = field(default_factory=list, init=False)
    _last: GoingJournal | None = field(default=None, init=False)
    _known: dict = field(default_factory=lambda: {"fits": []}, init=False)

    def __post_init__(self):
        if self.before is not None:
            self.before.before = None

    def open_journal(self, wrapper) -> Journal:
        """Return the journal of the next fit of the task."""
        number, known = len(self._fits), self._known["fits"]
        before = self.before._take(number) if self.before else []
        if known and number == len(known) - 1:
            before = self._known["before"]
        self._fits.append([])
        if not isinstance(wrapper.random_state, Integral | None):
            # Each of its units would draw a seed from it, also one that is over.
            self._last = None
            return Journal()
        units = known[number] if number < len(known) else []
        rounds = self.n_epochs, self.next_epochs
        self._last = GoingJournal(self._fits[-1], list(before), rounds, list(units))
        return self._last

    def take_state(self) -> dict:
        """Return all that a later run needs of these fits."""
        before = [] if self._last is None else self._last.list_before()
        return {"fits": self._fits, "before": before}

    def put_state(self, state: dict, *, is_over: bool) -> None:
        """Go on from there; the task makes no more fits if it ``is_over``."""
        if is_over:
            self._fits = state["fits"]
        else:
            self._known = state

    def _take(self, number: int) -> list[FitUnit]:
        """Return the units of a fit, which are kept here no longer."""
        if number >= len(self._fits):
            return []
        units, self._fits[number] = self._fits[number], []
        return units


def _find_likeness(run) -> tuple:
    rows = run.table.X.n_rows, len(run.schedule)
    kinds = type(run.learner.estimator), type(run.schedule), type(run.rule)
    return *rows, *kinds, run.score is None


def _dump(state) -> bytes | None:
    """Return an object pickled; None if that fails, and the next round starts over."""
    file = io.BytesIO()
    try:
        dump_state(state, file)
    except Exception:  # any, from pickling code of a third party
        return None
    return file.getvalue()


def _load(state: bytes) -> Any:
    return load_state(io.BytesIO(state))
