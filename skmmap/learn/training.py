"""The training loop: passes the chunks of each epoch to ``partial_fit``."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count, islice
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skmmap._messages import add_rows_note, say_count, warn
from skmmap.checkpoints import Unit
from skmmap.estimators import Rule, is_weightless
from skmmap.learn.interrupt import Kept, hearing_interrupts, may_catch_interrupts
from skmmap.learn.learner import Learner
from skmmap.learn.watch import Watch
from skmmap.order import (
    CHUNKS_HELD,
    COPY_SHARE,
    BlockOrder,
    FileOrder,
    GivenOrder,
    SharedOrder,
    skip_chunks,
)
from skmmap.read import (
    NO_CACHE,
    Chunk,
    RowCache,
    Table,
    WindowChunks,
    can_join,
    look_once,
)
from skmmap.run import FitReport, Tasks, find_sharing
from skmmap.wrap import own_arrays


def _make_history() -> dict:
    """Return the empty columns of ``history_``, which get a row for each epoch."""
    names = "rows", "seconds", "read_seconds", "bound_by", "loss", "score"
    return {name: [] for name in names}


@dataclass(repr=False)
class Progress:
    """How far an epoch is; ``is_over`` says that it ends with the last chunk.

    It ``is_ended`` once all that is left is the score on held-out rows.
    """

    n_chunks: int = 0
    n_rows: int = 0
    seconds: float = 0.0
    waited: float = 0.0  # seconds of these
    is_over: bool = False
    is_ended: bool = False


@dataclass(eq=False, repr=False)
class Training:
    """One run over the data: the learner, its rows, stopping rule and progress.

    ``first_call_params`` are those of the first ``partial_fit`` alone, ``score``
    returns the score of an estimator on held-out rows. More epochs than ``warns_after``
    that have not converged are warned about. Chunks in which all weights are zero are
    skipped, unless the estimator ``takes_weightless`` ones or its ``fit`` counts them.
    ``limited_by`` is what messages call the parameter with the number of epochs.
    ``history_before`` is that of the epochs that were made before this run, and
    ``known`` has attributes of the wrapper that do not change during it. With
    ``keeps_rows`` rows are read once and stay in memory; if not all of them do, those
    of ``row_cache``.
    """

    learner: Learner
    table: Table
    schedule: FileOrder
    n_epochs: int
    first_call_params: dict
    tasks: Tasks
    report: FitReport
    rule: Rule = field(default_factory=Rule)
    watch: Watch = field(default_factory=Watch)
    score: Callable[[Any], float] | None = None
    warns_after: int = 0
    takes_weightless: bool = False
    limited_by: str = "max_epochs"
    history_before: dict = field(default_factory=_make_history)
    known: dict = field(default_factory=dict)
    keeps_rows: bool = False
    row_cache: RowCache = NO_CACHE
    unit: Unit = field(default_factory=Unit)
    epoch: int = field(default=0, init=False)
    has_learned: bool = field(default=False, init=False)
    # Whether `take_state` can be called now, from another thread.
    is_still: bool = field(default=False, init=False)
    history: dict = field(default_factory=_make_history, init=False)
    losses: list = field(default_factory=list, init=False)  # of each epoch, if known
    interrupt: KeyboardInterrupt | None = field(default=None, init=False)
    is_partial: bool = field(default=False, init=False)
    _heard: list = field(default_factory=list, init=False)
    # In memory, as far as they are kept.
    _rows: Table | None = field(default=None, init=False)
    _progress: Progress = field(default_factory=Progress, init=False)

    def __post_init__(self):
        # As much as an "auto" chunk may take (memory_limit of ChunkedFit).
        most = self.table.reading.memory_limit / COPY_SHARE
        # Ctrl-C is heard by the main thread, and ends all fits of others.
        self._kept = Kept(0 if find_sharing().is_shared else most)

    def run(self, state: dict | None = None) -> dict:
        """Train, from a state on if there is one, and return the learned attributes.

        Where Ctrl-C has ended it, these are of the epochs that are complete, and
        ``interrupt`` is to be raised; without any, it is raised here.
        """
        if state is not None:
            self.put_state(state)
        try:
            task = self.tasks.fit(self.copy_learned)
            with self._hearing() as self._heard, self.report, task:
                self.tasks.train(self._train, lambda: self.learner.estimator)
        except KeyboardInterrupt as error:
            if not self._kept.n_epochs:
                raise
            self.interrupt = error
            self._go_back()
        finally:
            own_arrays(self.learner.estimator, self._holds)
        return self.learned_attributes()

    def _hearing(self) -> AbstractContextManager[list]:
        catches = may_catch_interrupts(self.learner.estimator)
        return hearing_interrupts() if catches else nullcontext([])

    def _holds(self, array: np.ndarray) -> bool:
        return self.table.holds(array) or bool(self._rows and self._rows.holds(array))

    def _train(self) -> None:
        # Rows of the next epoch are gathered while the last ones of this are learned.
        epochs, skipped = range(self.epoch, self.n_epochs), self._progress.n_chunks
        every = self._iter_epochs(epochs, skipped) if self._runs_on else None
        with closing(every) if every else nullcontext():
            is_over = self._run_epochs(every)
        self.unit.after_epochs(self, is_over=is_over)
        self.learner.estimator = self.rule.choose(self.learner.estimator)

    def _go_back(self) -> None:
        """Return to the end of the last epoch that is complete."""
        n_epochs = self._kept.n_epochs
        self.learner.state, self.is_partial = self._kept.restore(self.learner.state)
        last = self.learner.estimator
        self.learner.estimator = self.rule.choose(last)
        self.is_partial &= self.learner.estimator is last
        self.epoch = n_epochs - 1
        for column in self.history.values():
            del column[n_epochs:]

    @property
    def _n_before(self) -> int:
        """The number of epochs before this run, whose orders are not used again."""
        return len(self.history_before["rows"])

    def learned_attributes(self) -> dict:
        """Return the learned attributes of the wrapper at this moment."""
        return {
            "estimator_": self.learner.estimator,
            "n_epochs_": self._n_before + self.epoch + 1,
            "chunk_size_": self.schedule.chunk_size,
            "history_": {
                k: self.history_before[k] + v for k, v in self.history.items()
            },
            "_input_layout": self.learner.input_layout,
            "_corrections": self.learner.corrections,
            **self.known,
        }

    def copy_learned(self) -> dict:
        """Return copies of these, which are not trained further, of a finished fit."""
        learned = self.learned_attributes() | {"estimator_": None}
        return deepcopy(learned) | {"estimator_": self.learner.copy_finished()}

    def _run_epochs(self, every: Iterator[Chunk] | None) -> bool:
        """Make the epochs; return whether the rule or a callback has ended them."""
        self.tasks.skip_epochs(self.epoch)
        for self.epoch in range(self.epoch, self.n_epochs):  # noqa: B020
            with self.tasks.epoch(self.copy_learned):
                is_over = self._run_epoch(every)
            self._progress = Progress()
            is_last = self.tasks.stopped or is_over or self.epoch + 1 == self.n_epochs
            seconds = self.history["seconds"][-1]
            self._kept.end_epoch(self.learner.state, seconds, is_last=is_last)
            if self.tasks.stopped or is_over:
                return True
        is_late = self.rule.least_epochs and self.n_epochs > self.warns_after
        if is_late and not self.unit.may_go_on:
            name = type(self.learner.estimator).__name__
            warn(
                f"{name} has not converged after {say_count(self.n_epochs, 'epoch')}. "
                f"Raise {self.limited_by} or tol, or scale the data.",
                ConvergenceWarning,
            )
        return False

    def _run_epoch(self, every: Iterator[Chunk] | None) -> bool:
        """Learn all rows once; return whether it was the last epoch."""
        now = self._progress
        began, chunk = time.perf_counter() - now.seconds, None
        if not now.n_chunks:
            self.watch.begin_epoch(self.schedule.n_rows)
        self.is_still = True
        self.tasks.skip_chunks(now.n_chunks)
        with closing(self._iter_chunks(self.epoch, every, now.n_chunks)) as chunks:
            while not (now.is_over or now.is_ended or self.tasks.stopped):
                # The last chunk is let go of first, or its memory could not be used.
                asked, chunk = time.perf_counter(), None
                chunk = next(chunks, None)
                now.waited += time.perf_counter() - asked
                if chunk is None:
                    break
                self.is_still = False
                with self.tasks.chunk(chunk, self.copy_learned) as learning:
                    if not self._counts(chunk):
                        self.learner.skip(chunk)
                    else:
                        self._kept.is_at_end = False
                        self._learn(now.n_chunks, chunk, learning)
                        self.has_learned = True
                        now.is_over = self._look(chunk)
                now.n_chunks += 1
                now.n_rows += chunk.n_rows
                now.seconds = time.perf_counter() - began
                self.report.tell(now.n_rows, self.epoch)
                self.is_still = True
                self.unit.after_chunk(self)
        seconds = time.perf_counter() - began
        return self.end_epoch(now.n_rows, seconds, now.waited) or now.is_over

    @property
    def has_begun(self) -> bool:
        """Whether there is a state to go on from."""
        return bool(self.has_learned or self.epoch or self._progress.n_chunks)

    def take_state(self) -> dict:
        """Return all that a later run needs to go on after the last chunk."""
        is_over = self._progress.is_over or self.tasks.stopped
        return {
            "learner": self.learner.take_state(),
            "rule": self.rule.take_state(),
            "watch": self.watch.take_state(),
            "epoch": self.epoch,
            "progress": vars(self._progress) | {"is_over": is_over},
            "history": self.history,
            "losses": self.losses,
            "has_learned": self.has_learned,
        }

    def put_state(self, state: dict) -> None:
        """Go on from there."""
        self.learner.put_state(state["learner"])
        self.rule.put_state(state["rule"])
        self.watch.put_state(state["watch"])
        self._progress = Progress(**state["progress"])
        names = "epoch", "history", "losses", "has_learned"
        vars(self).update({name: state[name] for name in names})
        self._kept.n_epochs = self.epoch
        self._kept.is_at_end = not self._progress.n_chunks

    def say_place(self) -> str:
        """Say where the run is."""
        done, total = self._progress.n_chunks, len(self.schedule)
        return (
            f"in epoch {self.epoch + 1:,} of at most {self.n_epochs:,}, after {done:,} "
            f"of {say_count(total, 'chunk')}"
        )

    def _look(self, chunk: Chunk) -> bool:
        """Return whether the run is over after this chunk."""
        estimator = self.learner.estimator
        self.watch.after_chunk(estimator, chunk.n_rows)
        return self.rule.after_chunk(estimator, chunk.n_rows)

    def end_epoch(self, n_rows: int, seconds: float, waited: float) -> bool:
        """Record the results of an epoch; return whether it was the last.

        ``waited`` are the seconds of it that were spent waiting for rows.
        """
        self.is_still = False
        (self._rows or self.table).finish()
        if not self._progress.is_ended:
            self.learner.corrections.end_epoch(self.learner.estimator)
        self._progress.is_ended = self.is_still = True
        estimator, loss = self.learner.estimator, self.watch.loss
        score = np.nan if self.score is None else self._score()
        self.is_still = False
        mean_loss = np.nan if loss is None else float(loss.mean())
        bound_by = "reading" if waited > seconds / 2 else "estimator"
        row = (n_rows, seconds, waited, bound_by, mean_loss, score)
        for column, value in zip(self.history.values(), row, strict=True):
            column.append(value)
        if loss is None and self.watch.error and not self.losses:
            warn(
                "The training loss could not be computed, so training does not stop by "
                f"it: {self.watch.error}",
                UserWarning,
            )
        self.losses.append(loss)
        self.report.tell_epoch(seconds, waited, loss=mean_loss, score=score)
        return self.rule.after_epoch(estimator, loss, score)

    def _score(self) -> float:
        learner = self.learner
        is_final = learner.corrections.is_empty
        return self.score(learner.estimator if is_final else learner.copy_finished())

    def _learn(self, number: int, chunk: Chunk, learning) -> None:
        try:
            self.learner.learn(chunk, learning, lambda: self._iter_learned(number))
            if self._heard:
                raise KeyboardInterrupt  # which the estimator has kept to itself
        except Exception as error:
            number, total = self.schedule.numbers[number], self.schedule.n_chunks
            where = f"(chunk {number + 1:,} of {total:,}, epoch {self.epoch + 1:,})"
            add_rows_note(
                error,
                "fitting",
                self.table.X,
                chunk,
                where,
                is_in_order=type(self.schedule) is FileOrder,
            )
            _note_one_class(error, self.first_call_params.get("classes"))
            _note_few_rows(error, self.schedule, chunk)
            raise

    def _iter_chunks(self, epoch: int, every=None, skipped=0) -> Iterator[Chunk]:
        """Yield the chunks of an epoch, with the parameters of the first in its own.

        They are the next ones of ``every`` epoch, if that is given. The first ones are
        ``skipped``.
        """
        is_first = epoch == 0 and not (skipped and self.has_learned)
        params = self.first_call_params if is_first else {}
        own = self._iter_epochs([epoch], skipped) if every is None else None
        with closing(own) if own else nullcontext():
            for chunk in own or islice(every, len(self.schedule) - skipped):
                if params and self._counts(chunk):
                    chunk, params = chunk.with_params(params), {}
                yield chunk
                del chunk

    @property
    def _runs_on(self) -> bool:
        """Whether chunks of the next epoch are gathered before this one is over."""
        return self._gathers and not isinstance(self.schedule, GivenOrder)

    @property
    def _gathers(self) -> bool:
        """Whether shuffled chunks are gathered from rows that are in memory."""
        is_shuffled = isinstance(self.schedule, BlockOrder)
        return is_shuffled and (self.keeps_rows or self.table.is_held)

    def _iter_epochs(self, epochs, skipped: int = 0) -> Iterator[Chunk]:
        """Yield the chunks of some epochs, one after the other, after the first."""
        if self._rows is None:
            keep = Table.load if self.keeps_rows else self.row_cache.use_for
            # One for all that read it, whose memory is used again.
            key = "table", self.table.key
            self._rows = find_sharing().remember(key, partial(keep, self.table))
        table, order, sharing = self._rows, self.schedule, find_sharing()
        numbers = [self._n_before + epoch for epoch in epochs]
        key = "epochs", table.key, order.key, numbers[0], len(numbers) > 1, skipped
        if sharing.is_shared and len(numbers) > 1:
            # Those that make more epochs than others have the first ones with them.
            numbers = count(numbers[0])
        read = table.iter_gathered if self._gathers else table.iter_buffers
        # Windows that are open, which others join that have other rows of the store.
        opened = sharing.remember("windows", dict)
        is_joint = sharing.is_shared and not self._gathers and can_join(table, order)

        def make():
            if is_joint:
                return WindowChunks(table, order, numbers[0], skipped, opened)
            buffers = chain.from_iterable(
                order.iter_buffers(number, table.group_rows) for number in numbers
            )
            chunks = read(skip_chunks(buffers, skipped))
            return _iter_shared(table, chunks) if sharing.is_shared else chunks

        nbytes = find_held_nbytes(table, order, gathers=self._gathers)
        goes_along = is_joint or not nbytes
        items = sharing.iter_items(key, make, nbytes, is_joint=goes_along)
        with closing(items) as chunks:
            yield from chunks

    def _counts(self, chunk: Chunk) -> bool:
        takes_all = self.takes_weightless or self.learner.weighs_least
        return takes_all or not is_weightless(chunk.params)

    def _iter_learned(self, number: int) -> Iterator[Chunk]:
        """Yield again what was learned before chunk ``number`` of this epoch."""
        for epoch in range(self.epoch + 1):
            stop = number if epoch == self.epoch else None
            with closing(self._iter_chunks(epoch)) as chunks:
                for chunk in islice(chunks, stop):
                    if self._counts(chunk):
                        yield chunk


def find_held_nbytes(table: Table, order: FileOrder, *, gathers: bool) -> int:
    """Return the bytes of the rows that fits hold which read an epoch together.

    It ``gathers`` chunks if they are picked from rows in memory.
    """
    if not gathers and can_join(table, order):
        rows = order.chunk_size
    elif isinstance(order, BlockOrder) and not gathers:
        rows = 2 * order.rows_per_buffer
    elif table.is_viewed and not isinstance(order, BlockOrder):
        return 0
    else:
        rows = CHUNKS_HELD * min(order.chunk_size, order.n_rows)
    return rows * table.row_nbytes


def _iter_shared(table: Table, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Yield the chunks of an epoch that several estimators learn."""
    try:
        yield from look_once(chunks)
    finally:
        table.free()


def _note_few_rows(error: Exception, schedule: FileOrder, chunk: Chunk) -> None:
    """Add a note on `SharedOrder` if a chunk has fewer rows than are needed."""
    if isinstance(schedule, SharedOrder) and chunk.n_rows < schedule.min_rows:
        error.add_note(
            f"The chunk has {say_count(chunk.n_rows, 'row')}, as there are few of the "
            "selection in this shuffled buffer, and at least "
            f"{schedule.min_rows:,} are needed. Raise memory_limit, or use "
            "shuffle='blocks'."
        )


def _note_one_class(error: Exception, classes) -> None:
    """Add a note on ``classes`` if the estimator refuses to learn a single one."""
    if "class" in str(error) and np.shape(classes) == (1,):
        error.add_note(
            f"y has the label {classes[0]} only. Give all labels that will occur: "
            "classes=[...]."
        )
