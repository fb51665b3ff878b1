"""What a task of a search has done so far: the units of its fits, as in ``journal``."""

import io
from collections.abc import Callable
from typing import Any

from skmmap.checkpoints.generators import put_own, take_own
from skmmap.checkpoints.journal import Journal, Unit, open_in_memory
from skmmap.run import dump_state, load_state


class TaskUnit(Unit):
    """A unit of a fit in a search with a checkpoint.

    ``inner`` is what keeps it in memory for the next round of a search by halving.
    """

    is_kept = True

    def __init__(self, task: "TaskJournal", own, inner: Unit, state: dict | None):
        self._task, self._own, self._inner = task, own, inner
        self._state, self._run = state, None
        self.may_go_on = inner.may_go_on
        self.seed = inner.seed if state is None else state["seed"]

    @property
    def is_still(self) -> bool:
        """Whether its state can be taken at this moment."""
        # A run whose parts are merged waits nowhere but inside of a part.
        return self._run is None or getattr(self._run, "is_still", False)

    def take_state(self, run) -> Any:
        self._run, state, self._state = run, self._state, None
        if state is None:
            return self._inner.take_state(run)
        self._task.put_generators(self._own, state["generators"])
        return state["run"]

    def keep(self) -> dict | None:
        """Return what is written of it, None if nothing is learned."""
        run = self._run
        if run is None or not getattr(run, "has_begun", True):
            return self._state
        seed = getattr(run, "known", {}).get("random_state_")
        generators = self._task.take_generators(self._own)
        return {"run": run.take_state(), "seed": seed, "generators": generators}

    def after_chunk(self, run) -> None:
        self._run = run
        self._task.after_chunk(run)

    def after_epochs(self, run, *, is_over):
        self._inner.after_epochs(run, is_over=is_over)

    def end(self, result) -> None:
        self._inner.end(result)
        self._task.end_unit(self._own, result)


class OverUnit(Unit):
    """A unit that is over."""

    is_kept = True

    def __init__(self, result):
        self.result = result


class FitJournal(Journal):
    """The journal of a fit in a task, whose generator is ``own``."""

    is_kept = True

    def __init__(self, task: "TaskJournal", own, inner: Journal):
        self._task, self._own, self._inner = task, own, inner

    def open_unit(self, max_epochs: int | str) -> Unit:
        inner = self._inner.open_unit(max_epochs)
        return self._task.open_unit(self._own, inner)

    def look(self, said: str) -> None:
        self._task.look(said)


class TaskJournal(Journal):
    """The journal of a task: a candidate that is trained on a fold, and scored.

    Its units are numbered, over all of its fits. ``fail`` is called with an error if
    the result of one cannot be pickled.
    """

    put_generators, take_generators = staticmethod(put_own), staticmethod(take_own)

    def __init__(self, fail: Callable[[Exception], None]):
        self._fail = fail
        self.over: list[bytes] = []  # results of units, pickled
        self.state: dict | None = None  # of the next one, until that is opened
        self._unit: TaskUnit | None = None
        self._n_opened = 0

    @property
    def is_still(self) -> bool:
        """Whether its state can be taken at this moment."""
        return self._unit is None or self._unit.is_still

    def keep(self) -> dict | None:
        """Return the state of the unit that is not over."""
        return self.state if self._unit is None else self._unit.keep()

    def open_fit(self, wrapper):
        return FitJournal(self, wrapper.random_state, open_in_memory(wrapper))

    def open_unit(self, own, inner: Unit) -> Unit:
        """Return the next unit."""
        number, self._n_opened = self._n_opened, self._n_opened + 1
        if number < len(self.over):
            result, generators = load_state(io.BytesIO(self.over[number]))
            self.put_generators(own, generators)
            return OverUnit(result)
        if inner.result is not None:
            self.end_unit(own, inner.result)
            return inner
        state, self.state = self.state, None
        self._unit = TaskUnit(self, own, inner, state)
        return self._unit

    def after_chunk(self, run) -> None:
        """Do nothing: the state of all tasks is taken where none of them runs."""

    def end_unit(self, own, result) -> None:
        """Keep the result of a unit."""
        self._unit, file = None, io.BytesIO()
        try:
            dump_state((result, self.take_generators(own)), file)
        except Exception as error:  # any, from pickling code of a third party
            self._fail(error)
        else:
            self.over.append(file.getvalue())

    def end(self) -> None:
        """Forget the units: the result of the task is all that is asked for."""
        self.over, self.state, self._unit = [], None, None
