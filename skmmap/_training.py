"""The loop: a schedule's chunks into ``partial_fit``, epoch after epoch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from skmmap._handover import Form, describe_error, note_refusal
from skmmap._messages import add_rows_note
from skmmap._progress import Report, Tasks
from skmmap._reader import Chunk, Table
from skmmap._schedule import FileOrder
from skmmap._views import own_arrays


@dataclass
class Learner:
    """An estimator that is fed chunks in the form it takes.

    ``make`` returns it untrained, and is None if ``estimator`` is trained already.
    When it refuses a chunk, a new one starts over in the next form, so that a refused
    try leaves no trace.
    """

    estimator: Any
    make: Callable[[], Any] | None
    form: Form
    pass_target: Callable[[Any], dict]
    refusal: str | None = None

    def learn(self, chunk: Chunk, learning, learned: Callable) -> None:
        """Hand one chunk to ``partial_fit``, inside the context ``learning``.

        ``learned`` returns what was learned before, for a new start.
        """
        while True:
            try:
                with learning(self.estimator):
                    self._partial_fit(chunk)
                break
            except Exception as error:
                self._adapt(error, chunk)
            for before in learned():
                self._partial_fit(before)
        self.form = self.form.settled(chunk.X)

    def _adapt(self, error: Exception, chunk: Chunk) -> None:
        """Start over in the next form; raise ``error`` again if there is none."""
        form = self.form.after(error, chunk.X)
        if form is None or self.make is None:
            note_refusal(error, self.refusal)
            raise error
        if form.flat and not self.form.flat:
            self.refusal = describe_error(error)
        self.form, self.estimator = form, self.make()

    def _partial_fit(self, chunk: Chunk) -> None:
        X, y = self.form.apply(chunk.X), self.form.unlock(chunk.y)
        params = {key: self.form.unlock(value) for key, value in chunk.params.items()}
        args, kwargs = self.pass_target(y)
        self.estimator.partial_fit(X, *args, **kwargs, **params)


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
            own_arrays(self.learner.estimator, self.table.holds)
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
        for number, chunk in enumerate(self._iter_chunks(self.epoch)):
            with self.tasks.chunk(chunk, self.learned_attributes) as learning:
                if not _is_weightless(chunk):
                    self._learn(number, chunk, learning)
            self.report.tell(self.epoch, chunk.stop)
            if self.tasks.stopped:
                break

    def _learn(self, number: int, chunk: Chunk, learning) -> None:
        try:
            self.learner.learn(chunk, learning, lambda: self._iter_learned(number))
        except Exception as error:
            total, epoch = len(self.schedule), self.epoch + 1
            where = f"(chunk {number + 1} of {total}, epoch {epoch})"
            add_rows_note(error, "fitting", self.table.X, chunk, where)
            raise

    def _iter_chunks(self, epoch: int) -> Iterator[Chunk]:
        """Yield the chunks of an epoch, with the parameters of the first in its own."""
        first = self.first if epoch == 0 else {}
        for chunk in self.table.iter_chunks(self.schedule):
            if first and not _is_weightless(chunk):
                chunk, first = chunk.with_params(first), {}
            yield chunk

    def _iter_learned(self, number: int) -> Iterator[Chunk]:
        """Yield again what was learned before chunk ``number`` of this epoch."""
        for epoch in range(self.epoch + 1):
            stop = number if epoch == self.epoch else None
            for chunk in islice(self._iter_chunks(epoch), stop):
                if not _is_weightless(chunk):
                    yield chunk


def _is_weightless(chunk: Chunk) -> bool:
    """Whether no row counts: ``partial_fit`` refuses that, ``fit`` would not see it."""
    weights = chunk.params.get("sample_weight")
    return isinstance(weights, np.ndarray) and not weights.any()
