"""What a run has done so far: the units that are over, and the state of the next one.

A unit is the training of an estimator, or a pass in which several steps learn. A run
that is continued goes the same way again: units that are over give what they have
learned without reading a row, the one that was running continues, and all of it finds
the random generators as they were.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from skmmap.checkpoints.kept_run import KeptRun
from skmmap.disk import Version
from skmmap.run import dump_state, find_sharing, load_state


class Unit:
    """A unit of a run without a checkpoint: nothing of it is kept."""

    is_kept = False
    may_go_on = False  # to more epochs than those of this run
    seed: int | None = None  # with which it began
    result: Any = None  # of one that is over

    def take_state(self, run) -> Any:
        """Return the state in which such a run was left, None if it begins."""

    def after_chunk(self, run) -> None:
        """Keep the state of a run, if it is time; stop if that was asked for.

        The run has ``take_state()``, and ``say_place()`` for messages.
        """

    def after_epochs(self, run, *, is_over: bool) -> None:
        """Keep the state of a run after its last epoch, for one with more of them.

        One that ``is_over`` has stopped by itself, and makes no more.
        """

    def end(self, result) -> None:
        """Keep the result."""


class Journal:
    """The journal of a run without a checkpoint."""

    is_kept = False

    def open_fit(self, wrapper) -> "Journal":
        """Return the journal of a fit inside, such as in a callback of this one."""
        return Journal()

    def open_unit(self, max_epochs: int | str) -> Unit:
        """Return the next unit, which has at most so many epochs."""
        return Unit()

    def look(self, said: str) -> None:
        """Stop if that was asked for, where rows are read and nothing is learned."""


class Outside(Journal):
    """Where no run is made."""

    def open_fit(self, wrapper):
        return open_in_memory(wrapper)


def open_in_memory(wrapper) -> Journal:
    """Return what a later round of a search needs of a fit."""
    fits = find_sharing().fits
    return Journal() if fits is None else fits.open_journal(wrapper)


_OUTSIDE = Outside()
_journal: ContextVar[Journal] = ContextVar("journal", default=_OUTSIDE)


def find_journal() -> Journal:
    """Return the journal of the run that is being made."""
    return _journal.get()


@contextmanager
def using_journal(journal: Journal) -> Iterator[None]:
    """Keep what is trained inside in a journal."""
    token = _journal.set(journal)
    try:
        yield
    finally:
        _journal.reset(token)


@contextmanager
def without_journal() -> Iterator[None]:
    """Keep nothing of what is trained inside, such as in a callback of another run."""
    with using_journal(_OUTSIDE):
        yield


class KeptUnit(Unit):
    """A unit of a run with a checkpoint."""

    is_kept = True

    def __init__(self, journal: "KeptJournal", result=None, state=None):
        self._journal, self.result, self._state = journal, result, state

    def take_state(self, run) -> Any:
        if self._state is None:
            return None
        state, generators = self._state
        self._journal.put_generators(generators)
        return state

    def after_chunk(self, run) -> None:
        self._journal.after_chunk(run)

    def end(self, result) -> None:
        self._journal.end_unit(result)


class KeptJournal(KeptRun, Journal):
    """The journal of a run that is written to a file."""

    is_kept = True

    def __init__(self, *given):
        super().__init__(*given)
        self._over: list[bytes] = []  # results of units, pickled
        self._number, self._state = 0, None  # of the next unit, until that goes on

    def _list_sections(self, take):
        sections = {f"unit {i}": each for i, each in enumerate(self._over)}
        if take is not None:
            sections["state"] = take(), self.take_generators()
        elif self._state is not None:
            sections["state"] = self._state
        return sections

    def _count_over(self):
        return len(self._over)

    def _load_sections(self, version: Version) -> None:
        numbers = range(version.about["n_over"])
        self._over = [version.read(f"unit {i}", load_state) for i in numbers]
        if "state" in version.sections:
            self._state = version.read("state", load_state)

    def _write(self, said, take, **more):
        super()._write(said, take, **more)
        if take is not None:
            self._state = None

    def open_unit(self, max_epochs: int | str) -> Unit:
        number, self._number = self._number, self._number + 1
        if number < len(self._over):
            result, generators = load_state(io.BytesIO(self._over[number]))
            self.put_generators(generators)
            return KeptUnit(self, result=result)
        return KeptUnit(self, state=self._state)

    def end_unit(self, result) -> None:
        file, self._state = io.BytesIO(), None
        try:
            dump_state((result, self.take_generators()), file)
        except Exception as error:  # any, from pickling code of a third party
            self._is_off = True  # later ones need this one
            self._tell_failure(error, "It will not be tried again.")
            return
        self._over.append(file.getvalue())
        # A signal waits for the next chunk, or for the end: this unit is over.
        if self.is_time:
            self._try_to_write(f"after pass {len(self._over)}", None)

    def after_chunk(self, run) -> None:
        if not self.is_due:
            return
        self._try_to_write(run.say_place(), run.take_state)
        self._stop()
