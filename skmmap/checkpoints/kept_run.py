"""A run that is written to a file: when that is done, and what is said if it fails."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import Any

from skmmap._messages import warn
from skmmap.checkpoints.checkpoint import Checkpoint
from skmmap.checkpoints.generators import put_generators, take_generators
from skmmap.checkpoints.stops import Stops
from skmmap.disk import Generations, Version
from skmmap.run import dump_state, find_thread_counts, load_state

FORMAT = 2
_SHARE = 0.009  # of the time; with the writes at both ends it stays below 0.01


class KeptRun:
    """A run whose state is written to a file, in sections that ``_list_sections`` has.

    Each is pickled. ``own`` is the generator of the user's that the run draws from.
    """

    def __init__(
        self, file: Generations, checkpoint: Checkpoint, key: dict, own, stops: Stops
    ):
        self._file, self._checkpoint, self._key = file, checkpoint, key
        self._own, self._stops = own, stops
        self._start = {"generators": self.take_generators(), "threads": {}}
        self._due = self._failed = None
        self._is_off = False
        self.said = ""  # where the run was when it was written
        self.has_learned = False  # in what was written

    def _list_sections(self, take: Callable[[], Any] | None) -> dict[str, Any]:
        """Return what is written of a run that is not over.

        ``take`` returns the state of the fit that is being made.
        """
        raise NotImplementedError

    def _count_over(self) -> int:
        """Return how many parts of the run are over."""
        raise NotImplementedError

    @property
    def thread_counts(self) -> dict[str, int]:
        """Threads of BLAS and OpenMP with which the run began."""
        return self._start["threads"]

    @property
    def is_time(self) -> bool:
        """Whether the last write is long enough ago."""
        return time.monotonic() >= self._due

    @property
    def is_due(self) -> bool:
        """Whether the state is to be written: it is time, or a signal has come."""
        return self._stops.number is not None or self.is_time

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
        self._load_sections(version)
        self._postpone(0)
        self.said = version.about["said"]
        self.has_learned = version.about["has_learned"]

    def _load_sections(self, version: Version) -> None:
        raise NotImplementedError

    def look(self, said: str) -> None:
        """Stop if that was asked for, where rows are read and nothing is learned."""
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
        sections = more or self._list_sections(take)
        n_over = 0 if more else self._count_over()
        about = {
            "format": FORMAT,
            "key": self._key,
            "said": said,
            "is_over": bool(more),
            "has_learned": bool(more) or n_over > 0 or _has_state(sections),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "n_over": n_over,
        }
        sections = {"start": self._start} | sections
        writers = {name: partial(dump_state, each) for name, each in sections.items()}
        self._file.write(about, writers)
        self.said, self.has_learned = said, about["has_learned"]
        self._postpone(time.monotonic() - began)

    def _postpone(self, took: float) -> None:
        seconds = self._checkpoint.seconds
        wait = max(seconds, took / _SHARE) if seconds else 0
        self._due = time.monotonic() + wait


def _has_state(sections: dict) -> bool:
    return any(name.startswith("state") for name in sections)
