"""What a run has done so far: the units that are over, and the state of the next one.

A unit is the training of an estimator, or a pass in which several steps learn. A run
that is continued goes the same way again: units that are over give what they have
learned without reading a row, the one that was running continues, and all of it finds
the random generators as they were.
"""

import io
import time
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import Any

from skmmap._messages import warn
from skmmap.checkpoints.checkpoint import Checkpoint
from skmmap.checkpoints.generators import put_generators, take_generators
from skmmap.disk import Generations, Version
from skmmap.run import dump_state, find_thread_counts, load_state

FORMAT = 1
_SHARE = 0.009  # of the time; with the writes at both ends it stays below 0.01


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

    def open_unit(self, max_epochs: int | str) -> Unit:
        """Return the next unit, which has at most so many epochs."""
        return Unit()

    def look(self, said: str) -> None:
        """Stop if that was asked for, where rows are read and nothing is learned."""


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


class KeptJournal(Journal):
    """The journal of a run that is written to a file."""

    is_kept = True

    def __init__(
        self, file: Generations, checkpoint: Checkpoint, key: dict, own, stops
    ):
        self._file, self._checkpoint, self._key = file, checkpoint, key
        self._own, self._stops = own, stops
        self._over: list[bytes] = []  # results of units, pickled
        self._number, self._state = 0, None  # of the next unit, until that goes on
        self._start = {"generators": self.take_generators(), "threads": {}}
        self._due = self._failed = None
        self._is_off = False
        self.said = ""  # where the run was when it was written
        self.has_learned = False  # in what was written

    @property
    def thread_counts(self) -> dict[str, int]:
        """Threads of BLAS and OpenMP with which the run began."""
        return self._start["threads"]

    def take_generators(self) -> dict:
        return take_generators(self._own)

    def put_generators(self, states: dict) -> None:
        put_generators(self._own, states)

    def begin(self) -> None:
        """Write the file for the first time: what is wrong with it is known at once."""
        self._start["threads"] = find_thread_counts()
        try:
            self._write("before the first chunk", None)
        except OSError as error:
            raise OSError(
                error.errno,
                f"The checkpoint {self._file.path} cannot be written: "
                f"{error.strerror or error}; no file was left there. Make room, or "
                "give a path on another disk.",
            ) from error

    def load(self, version: Version) -> None:
        """Take the state from the file."""
        self._start = version.read("start", load_state)
        self.put_generators(self._start["generators"])
        numbers = range(version.about["n_over"])
        self._over = [version.read(f"unit {i}", load_state) for i in numbers]
        if "state" in version.sections:
            self._state = version.read("state", load_state)
        self._postpone(0)
        self.said = version.about["said"]
        self.has_learned = self._state is not None or bool(self._over)

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
        if time.monotonic() >= self._due:
            self._try_to_write(f"after pass {len(self._over)}", None)

    def after_chunk(self, run) -> None:
        if self._stops.number is None and time.monotonic() < self._due:
            return
        self._try_to_write(run.say_place(), run.take_state)
        self._stop()

    def look(self, said: str) -> None:
        if self._stops.number is not None:
            self._try_to_write(said, None)
            self._stop()

    def finish(self, result) -> None:
        """Write the result, which is all that is asked for from now on."""
        self._try_to_write("at its end", None, result=result)
        self._stop()

    def _stop(self) -> None:
        """Let a signal that has come do what it does."""
        if self._stops.number is not None:
            self._stops.act(self._stops.number)

    def say_how(self) -> str:
        """Say how to continue."""
        return (
            f"Its state {self.said} is in {self._file.path}: to continue, call fit "
            "again with the same parameters and rows."
        )

    def _try_to_write(self, said: str, take, **more) -> None:
        """Write the state; the run goes on if that fails, with what is there."""
        if self._is_off:
            return
        try:
            self._write(said, take, **more)
        except (OSError, MemoryError) as error:
            self._postpone(0)
            self._tell_failure(error, "It will be tried again.")
        except Exception as error:  # any, from pickling code of a third party
            self._due = inf
            self._tell_failure(error, "It will not be tried again.")
        else:
            self._failed = None

    def _tell_failure(self, error: Exception, then: str) -> None:
        said = f"{type(error).__name__}: {error}"
        then = f" Training goes on. {then}" if self._stops.number is None else ""
        if said != self._failed:
            warn(
                f"The state of fit could not be written to {self._file.path} ({said}); "
                f"what was there before is unchanged.{then}",
                UserWarning,
            )
        self._failed = said

    def _write(self, said: str, take, **more) -> None:
        began = time.monotonic()
        about = {
            "format": FORMAT,
            "key": self._key,
            "said": said,
            "is_over": bool(more),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "n_over": 0 if more else len(self._over),
        }
        sections = {"start": self._start}
        if not more:
            sections |= {f"unit {i}": each for i, each in enumerate(self._over)}
        if take is not None:
            sections["state"] = take(), self.take_generators()
        elif self._state is not None and not more:
            sections["state"] = self._state
        sections |= more
        writers = {name: partial(dump_state, each) for name, each in sections.items()}
        self._file.write(about, writers)
        self.said = said
        self.has_learned = "state" in sections or bool(self._over)
        if take is not None:
            self._state = None
        self._postpone(time.monotonic() - began)

    def _postpone(self, took: float) -> None:
        seconds = self._checkpoint.seconds
        wait = max(seconds, took / _SHARE) if seconds else 0
        self._due = time.monotonic() + wait
