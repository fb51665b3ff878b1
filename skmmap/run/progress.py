"""Tells the terminal how far a run is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


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
