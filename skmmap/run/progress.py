"""Tells the terminal, and scikit-learn's callbacks, how far a run is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import copy

from sklearn.callback import with_callbacks

from skmmap.rows import show_rows

_CALLBACKS = "_skl_callbacks"  # where set_callbacks puts them


class Report:
    """Prints a line for each tenth of an epoch, or for every chunk if verbose > 1.

    ``may_stop`` says that the run may end before ``n_epochs`` are over.
    """

    def __init__(self, verbose, n_rows, n_epochs, row_nbytes, *, may_stop=False):
        self._verbose, self._may_stop = int(verbose), may_stop
        self._n_rows, self._n_epochs, self._row_nbytes = n_rows, n_epochs, row_nbytes
        self._began, self._told = time.perf_counter(), 0

    def tell(self, epoch: int, rows_done: int) -> None:
        """Say how many rows of ``epoch`` (from 0) are done, if it is time to."""
        if not self._verbose:
            return
        total = epoch * self._n_rows + rows_done
        tenth = total * 10 // self._n_rows > self._told * 10 // self._n_rows
        if tenth or self._verbose > 1:
            self._told = total
            print(self._line(epoch, rows_done), flush=True)

    def tell_result(self, epoch: int, **results) -> None:
        """Say what is known at the end of an epoch: its loss, its score."""
        known = {name: value for name, value in results.items() if value == value}
        if self._verbose and known:
            said = ", ".join(f"{name} {value:.6g}" for name, value in known.items())
            print(f"[ChunkedFit] epoch {epoch + 1}: {said}", flush=True)

    def tell_time(self, epoch: int, seconds, waited, bound_by: str) -> None:
        """Say how much of an epoch was spent on waiting for rows."""
        if self._verbose:
            share = 100 * waited / max(seconds, 1e-9)
            print(
                f"[ChunkedFit] epoch {epoch + 1}: {seconds:.3g} s, {share:.0f} % of "
                f"them waiting for rows; bound by the {bound_by}",
                flush=True,
            )

    def _line(self, epoch: int, rows_done: int) -> str:
        seconds = max(time.perf_counter() - self._began, 1e-9)
        total = epoch * self._n_rows + rows_done
        rate = total / seconds
        last = epoch + 1 if self._may_stop else self._n_epochs
        left = (last * self._n_rows - total) / rate
        return (
            f"[ChunkedFit] epoch {epoch + 1} of "
            f"{'at most ' * self._may_stop}{self._n_epochs:,}: "
            f"{rows_done:,} of {self._n_rows:,} rows "
            f"({100 * rows_done // self._n_rows} %), {rate:,.0f} rows/s, "
            f"{rate * self._row_nbytes / 1e6:,.1f} MB/s, {_say_time(left)} left"
            f"{' in it' * self._may_stop}"
        )


def _say_time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


class Tasks:
    """The tasks of a fit, for callbacks; here nobody listens to them.

    ``stopped`` says whether the task that ended last was asked to stop its loop.
    """

    stopped = False

    def train(self, run: Callable, find_estimator: Callable) -> None:
        """Run a training, which the estimator's own callbacks hear of as one fit."""
        run()

    def fit(self, snapshot):
        return nullcontext()

    epoch = fit

    @contextmanager
    def chunk(self, chunk, snapshot):
        yield nullcontext


class CallbackTasks(Tasks):
    """The tree of a fit in scikit-learn's terms: fit, its epochs, their chunks.

    ``snapshot`` is a function that returns copies of the learned attributes at that
    moment, so that what a callback keeps is not trained further.
    """

    def __init__(self, wrapper, table, n_epochs: int, n_chunks: int):
        self._wrapper, self._n_chunks = wrapper, n_chunks
        y = None if table.y is None else show_rows(table.y)
        weights = table.by_row.get("sample_weight")
        self._data = _describe(show_rows(table.X), y, weights and show_rows(weights))
        self._root = wrapper._init_callback_context(max_subtasks=n_epochs)

    def train(self, run: Callable, find_estimator: Callable) -> None:
        # What its partial_fit would set up and tear down for each chunk: `silenced`.
        @with_callbacks
        def tell(stand_in):
            context = stand_in._init_callback_context()
            estimator = find_estimator()
            context.call_on_fit_task_begin(estimator=estimator, **self._data)
            run()
            estimator, own = find_estimator(), {"reconstruction_attributes": {}}
            context.call_on_fit_task_end(estimator=estimator, **self._data, **own)

        has_callbacks = hasattr(find_estimator(), _CALLBACKS)
        # A copy, since each chunk's own context would replace that of the estimator.
        tell(copy(find_estimator())) if has_callbacks else run()

    @contextmanager
    def fit(self, snapshot):
        self._root.call_on_fit_task_begin(estimator=self._wrapper, **self._data)
        yield
        self._end(self._root, self._data, snapshot)

    @contextmanager
    def epoch(self, snapshot):
        self._epoch = self._root.subcontext("epoch", max_subtasks=self._n_chunks)
        self._epoch.call_on_fit_task_begin(estimator=self._wrapper, **self._data)
        yield
        self._end(self._epoch, self._data, snapshot)

    @contextmanager
    def chunk(self, chunk, snapshot):
        """Yield the context manager in which the estimator learns the chunk."""
        leaf = self._epoch.subcontext("chunk")
        data = _describe(chunk.X, chunk.y, chunk.params.get("sample_weight"))
        begun = []

        @contextmanager
        def learning(estimator):
            # Leaf hooks run after propagation has begun, which decides who calls
            # them, and only once, however often the chunk has to be offered.
            with _propagate(leaf, estimator):
                if not begun:
                    leaf.call_on_fit_task_begin(estimator=self._wrapper, **data)
                    begun.append(True)
                yield

        yield learning
        self._end(leaf, data, snapshot)

    def _end(self, context, data, snapshot) -> None:
        self.stopped = context.call_on_fit_task_end(
            estimator=self._wrapper,
            **data,
            reconstruction_attributes=snapshot,
        )


def open_tasks(wrapper, estimator, table, n_epochs: int, n_chunks: int) -> Tasks:
    """Return the tasks of this fit: quiet ones where no callback would hear them."""
    listens = [wrapper, estimator]
    names = (_CALLBACKS, "_parent_callback_ctx")
    if any(hasattr(obj, name) for obj in listens for name in names):
        return CallbackTasks(wrapper, table, n_epochs, n_chunks)
    return Tasks()


@contextmanager
def silenced(estimator) -> Iterator[None]:
    """Hide the estimator's own callbacks, which are told of one fit, from a chunk."""
    own = vars(estimator).pop(_CALLBACKS, None) if hasattr(estimator, _CALLBACKS) else 0
    try:
        yield
    finally:
        if own:
            setattr(estimator, _CALLBACKS, own)


def _propagate(leaf, estimator):
    """Let callbacks into estimators that know them; the others are just chunks."""
    if hasattr(estimator, "set_callbacks"):
        return leaf.propagate_callback_context(estimator)
    return nullcontext()


def _describe(X, y, sample_weight) -> dict:
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"X": X, "y": y, "metadata": metadata}


@contextmanager
def open_bar(name: str, n_rows: int | None) -> Iterator[Callable]:
    """Show a progress bar, and yield what tells it the number of rows written."""
    with _make_bar() as bar:
        task = bar.add_task(name, total=n_rows, rows="0 rows")
        began = time.perf_counter()
        total = "" if n_rows is None else f" of {n_rows:,}"

        def tell(done: int) -> None:
            rate = done / max(time.perf_counter() - began, 1e-9)
            rows = f"{done:,}{total} rows, {rate:,.0f} rows/s"
            bar.update(task, completed=done, rows=rows)

        yield tell


def _make_bar():
    try:
        from rich import progress
    except ImportError as error:
        raise ImportError(
            "progress=True needs rich, which is not installed. Run pip install "
            "'skmmap[progress]', or leave progress out."
        ) from error
    # No markup: the name of a file may have brackets.
    name = progress.TextColumn("{task.description}", markup=False)
    rows = progress.TextColumn("{task.fields[rows]}", markup=False)
    times = progress.TimeElapsedColumn(), progress.TimeRemainingColumn()
    return progress.Progress(name, progress.BarColumn(), rows, *times)
