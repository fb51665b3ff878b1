"""The loop: a schedule's chunks into ``partial_fit``, epoch after epoch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skmmap._handover import Form, own_arrays
from skmmap._messages import add_rows_note
from skmmap._progress import Report, Tasks
from skmmap._reader import Chunk, Table
from skmmap._schedule import FileOrder


@dataclass
class Learner:
    """An estimator that is fed chunks in the form it takes.

    ``make`` returns it untrained; ``estimator`` is given if it is to be trained
    further. What it refuses in its first chunk decides the form, and a new one starts
    over, so that a refused try leaves no trace.
    """

    make: Callable[[], Any]
    form: Form
    takes_y: bool
    takes_sparse: bool
    estimator: Any = None
    learned: bool = False

    def __post_init__(self):
        if self.estimator is None:
            self.estimator = self.make()
        else:
            self.learned = True

    def learn(self, chunk: Chunk, params: dict, learning) -> None:
        """Hand one chunk to ``partial_fit``, inside the context ``learning``."""
        while True:
            try:
                with learning(self.estimator):
                    self._partial_fit(chunk, params)
            except Exception as error:
                self._adapt(error, chunk)
            else:
                self.learned = True
                return

    def _adapt(self, error: Exception, chunk: Chunk) -> None:
        """Choose the next form to try; raise ``error`` again if there is none."""
        form = self.form.after(error, chunk.X, takes_sparse=self.takes_sparse)
        only_writable = form == self.form._replace(writable=True)
        if form is None or (self.learned and not only_writable):
            raise error
        self.form = form
        if not self.learned:
            self.estimator = self.make()

    def _partial_fit(self, chunk: Chunk, params: dict) -> None:
        X = self.form.apply(chunk.X)
        y = (self.form.unlock(chunk.y),) if self.takes_y else ()
        params = {key: self.form.unlock(value) for key, value in params.items()}
        self.estimator.partial_fit(X, *y, **params)


@dataclass
class Training:
    """One run over the data: what learns, from which rows, and who is told.

    ``first`` holds the parameters that only the first ``partial_fit`` gets.
    """

    learner: Learner
    table: Table
    schedule: FileOrder
    n_epochs: int
    first: dict
    tasks: Tasks
    report: Report
    epoch: int = field(default=0, init=False)

    def run(self) -> dict:
        """Train, and return the learned attributes."""
        try:
            with self.tasks.fit(self.learned_attributes):
                self._run_epochs()
        finally:
            own_arrays(self.learner.estimator, self.table.X)
        return self.learned_attributes()

    def learned_attributes(self) -> dict:
        """Return what makes the wrapper fitted, as of now."""
        return {
            "estimator_": self.learner.estimator,
            "n_epochs_": self.epoch + 1,
            "chunk_size_": self.schedule.chunk_size,
            "_form": self.learner.form,
        }

    def _run_epochs(self) -> None:
        for self.epoch in range(self.n_epochs):  # noqa: B020
            with self.tasks.epoch(self.learned_attributes):
                self._run_epoch()
            if self.tasks.stopped:
                break

    def _run_epoch(self) -> None:
        for number, chunk in enumerate(self.table.iter_chunks(self.schedule), start=1):
            with self.tasks.chunk(chunk, self.learned_attributes) as learning:
                if not _is_weightless(chunk):
                    self._learn(number, chunk, learning)
            self.report.tell(self.epoch, chunk.stop)
            if self.tasks.stopped:
                break

    def _learn(self, number: int, chunk: Chunk, learning) -> None:
        try:
            self.learner.learn(chunk, chunk.params | self.first, learning)
        except Exception as error:
            where = f"(chunk {number} of {len(self.schedule)}, epoch {self.epoch + 1})"
            add_rows_note(error, "fitting", chunk.start, chunk.X, where)
            raise
        self.first = {}


def _is_weightless(chunk: Chunk) -> bool:
    """Whether no row counts: ``partial_fit`` refuses that, ``fit`` would not see it."""
    weights = chunk.params.get("sample_weight")
    return isinstance(weights, np.ndarray) and not weights.any()
