"""What a search has done so far: results of its tasks, and what others have learned.

A task is one call of what joblib is given: a candidate that is trained on a fold, and
scored. Tasks are numbered in the order in which they are given, over all rounds. A
search that is continued goes the same way again: tasks that are over return their
results, the others begin again, and their fits go on from where they were.
"""

import io
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from weakref import ref

from skmmap._messages import say_count
from skmmap.checkpoints.generators import put_generators, take_generators
from skmmap.checkpoints.journal import Journal, using_journal
from skmmap.checkpoints.kept_run import KeptRun
from skmmap.checkpoints.task_journal import TaskJournal
from skmmap.disk import Version
from skmmap.run import Keeper, dump_state, find_sharing, load_state

_LAST = "last"  # in the names of sections


class End(NamedTuple):
    """The end of a task: what came of it, pickled, and the generators at that time."""

    number: int
    result: bytes
    generators: bytes


class SearchTask(TaskJournal):
    """The journal of a task, the generators when it began, and fits in memory."""

    generators: bytes | None = None
    fits: Callable[[], Any] = staticmethod(lambda: None)
    kept_fits: dict | None = None  # until it begins

    def begin(self, fits, *, is_over: bool) -> None:
        """Let fits go on for which a later round has more epochs."""
        if fits is None:
            return
        if self.kept_fits is not None:
            fits.put_state(self.kept_fits, is_over=is_over)
        # Those of candidates that are not left are not kept alive.
        self.kept_fits, self.fits = None, ref(fits)

    def keep_fits(self) -> dict | None:
        """Return what is written of fits in memory."""
        fits = self.fits()
        return self.kept_fits if fits is None else fits.take_state()


class LastFit(TaskJournal):
    """The journal of the fit to all rows, which is made when all tasks are over."""

    put_generators = staticmethod(put_generators)
    take_generators = staticmethod(take_generators)

    def __init__(self, search: "SearchJournal"):
        super().__init__(search.fail)
        self._search = search

    def after_chunk(self, run) -> None:
        self._search.after_chunk(run)

    def end_unit(self, own, result):
        super().end_unit(own, result)
        self._search.after_unit()

    def look(self, said):
        self._search.look(said)


class SearchJournal(KeptRun, Keeper, Journal):
    """The journal of a search that is written to a file."""

    def __init__(self, *given):
        super().__init__(*given)
        self._tasks: list[SearchTask] = []
        self._last = LastFit(self)
        self._ends: list[End] = []  # in the order of time
        self._n_repeated = 0  # of these, at the most
        self._noted = b""
        # From the file, until they are needed.
        self._known_tasks: dict[int, SearchTask] = {}
        self._known_ends: dict[int, int] = {}
        self._known_generators: bytes | None = None

    # What the tasks are

    def wrap(self, function):
        number = len(self._tasks)
        task = self._known_tasks.pop(number, None) or SearchTask(self.fail)
        self._tasks.append(task)
        return partial(self._run, number, task, function)

    def _run(self, number: int, task: SearchTask, function: Callable) -> Any:
        fits, end = find_sharing().fits, self._known_ends.get(number)
        task.begin(fits, is_over=end is not None)
        if end is not None:
            return self._repeat(end)
        if task.generators is None:
            task.generators = self._note()
        else:
            self._put(task.generators)
        with using_journal(task):
            result = function()
        self._end(number, task, result)
        return result

    def _repeat(self, place: int) -> Any:
        """Return the result of a task that was over."""
        end = self._ends[place]
        if place >= self._n_repeated:  # what it left was that of the last one
            self._n_repeated = place + 1
            self._put(end.generators)
        result, history = load_state(io.BytesIO(end.result))
        find_sharing().record(history)
        return result

    def _end(self, number: int, task: SearchTask, result) -> None:
        file = io.BytesIO()
        try:
            dump_state((result, find_sharing().history), file)
        except Exception as error:  # any, from pickling code of a third party
            self.fail(error)
            return
        self._ends.append(End(number, file.getvalue(), self._note()))
        task.end()

    def _note(self) -> bytes:
        """Return the state of the generators; the same object if it is the same."""
        noted = pickle.dumps(self.take_generators())
        if noted != self._noted:
            self._noted = noted
        return self._noted

    def _put(self, generators: bytes) -> None:
        self.put_generators(pickle.loads(generators))

    def _put_known(self) -> None:
        """Let the generators go on from where they were, now that all tasks go on."""
        known, self._known_generators = self._known_generators, None
        if known is not None:
            self._put(known)

    def fail(self, error: Exception) -> None:
        """Write nothing from now on: what comes later needs what cannot be pickled."""
        self._is_off = True
        self._tell_failure(error, "It will not be tried again.")

    # When it is written

    def asks_for_rest(self):
        self._put_known()
        return self.is_due

    def keep(self):
        if not all(task.is_still for task in self._tasks):
            return  # such as one that starts over in another layout: soon
        self._try_to_write(self._say_place(), None)
        self._stop()

    def open_fit(self, wrapper):
        self._known_generators = None  # they are where the last task left them
        return self._last.open_fit(wrapper)

    def after_chunk(self, run) -> None:
        """Keep the state of the fit to all rows, if it is time."""
        if self.is_due:
            self._try_to_write(f"in the last fit, {run.say_place()}", None)
            self._stop()

    def after_unit(self) -> None:
        """Keep the result of a part of the fit to all rows, if it is time."""
        if self.is_time:
            self._try_to_write("in the last fit", None)

    def settle_threads(self, *, is_free):
        return self._start.setdefault("is_free", is_free)

    def _say_place(self) -> str:
        return f"after {len(self._ends):,} of {say_count(len(self._tasks), 'fit')}"

    # What is written

    def _list_sections(self, take):
        every = dict(enumerate(self._tasks)) | self._known_tasks
        about = {
            "ends": [tuple(end) for end in self._ends],
            "generators": self._known_generators or self._note(),
            "began": {n: t.generators for n, t in every.items() if t.generators},
            "fits": {n: t.keep_fits() for n, t in every.items()},
        }
        sections: dict[str, Any] = {"tasks": about}
        for name, task in (every | {_LAST: self._last}).items():
            for number, unit in enumerate(task.over):
                sections[f"unit {name} {number}"] = unit
            state = task.keep()
            if state is not None:
                sections[f"state {name}"] = state
        return sections

    def _count_over(self):
        return len(self._ends)

    def _load_sections(self, version: Version) -> None:
        about = version.read("tasks", load_state)
        self._ends = [End(*end) for end in about["ends"]]
        self._known_ends = {end.number: i for i, end in enumerate(self._ends)}
        self._known_generators = about["generators"]
        for number in about["fits"]:
            task = self._known_tasks[number] = SearchTask(self.fail)
            task.generators = about["began"].get(number)
            task.kept_fits = about["fits"][number]
        for name, task in (self._known_tasks | {_LAST: self._last}).items():
            while (unit := f"unit {name} {len(task.over)}") in version.sections:
                task.over.append(version.read(unit, load_state))
            if f"state {name}" in version.sections:
                task.state = version.read(f"state {name}", load_state)
