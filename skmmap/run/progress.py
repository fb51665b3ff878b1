"""Progress of a run: a fit of several epochs, or a single pass over rows."""

import time

from skmmap._messages import say_count
from skmmap.run.bars import Display, Shown, join


class Report:
    """The progress of a pass over rows, and a summary at its end.

    ``owner`` and ``title`` name what runs. ``n_rows`` is None if it is unknown.
    """

    def __init__(self, verbose=0, owner="", title="", n_rows: int | None = None):
        self._title, self._n_rows = title, n_rows
        self._done = self._skipped = 0
        self._display = Display(owner, int(verbose))
        self._began = time.perf_counter()

    def __enter__(self):
        self._began = time.perf_counter()
        self._display.open(self._make_shown)
        return self

    def __exit__(self, kind, error, traceback) -> None:
        self._display.close(self._say_end if kind is None else None)

    def tell(self, done: int) -> None:
        """Report the number of rows done, if an update is due."""
        self._done = done
        self._display.show(self._make_shown)

    def add(self, n_rows: int) -> None:
        """Report that ``n_rows`` more rows are done, if an update is due."""
        self.tell(self._done + n_rows)

    def skip(self, n_rows: int) -> None:
        """Count rows that an earlier run has already done."""
        self._skipped += n_rows

    def _make_shown(self) -> Shown:
        done, total = self._done + self._skipped, self._n_rows
        if total is not None and done > total:
            total = None  # a score of the estimator's own may predict several times
        if not self._done:
            return Shown(self._title, done, total)
        rate = self._done / self._find_seconds()
        left = "" if total is None else f"{_say_time((total - done) / rate)} left"
        return Shown(self._title, done, total, f"{rate:,.0f} rows/s", left)

    def _say_end(self) -> str:
        seconds = self._find_seconds()
        rate = f"{self._done / seconds:,.0f} rows/s"
        return (
            f"{self._title}: {say_count(self._done, 'row')} in {seconds:,.3g} s, {rate}"
        )

    def _find_seconds(self) -> float:
        return max(time.perf_counter() - self._began, 1e-9)


class FitReport(Report):
    """The progress of a fit, which goes through the rows once in each epoch.

    ``may_stop`` says that the fit may stop before the end of ``n_epochs``.
    """

    def __init__(self, verbose, title, n_rows, n_epochs, row_nbytes, *, may_stop=False):
        super().__init__(verbose, "ChunkedFit", title, n_rows)
        self._n_epochs, self._row_nbytes = n_epochs, row_nbytes
        self._may_stop, self._epoch, self._results = may_stop, 0, {}
        self._n_ended, self._seconds, self._waited = 0, 0.0, 0.0

    def tell(self, done: int, epoch: int = 0) -> None:
        """Report the rows of ``epoch`` (from 0) that are done, if an update is due."""
        self._epoch = epoch
        super().tell(done)

    def tell_epoch(self, seconds: float, waited: float, **results) -> None:
        """Report the loss, score and time of an epoch that has ended."""
        self._results = results
        self._n_ended += 1
        self._seconds += seconds
        self._waited += waited

        def say() -> str:
            waiting = _say_waiting(seconds, waited)
            said = join(f"{seconds:.3g} s", waiting, self._say_results())
            return f"epoch {self._epoch + 1}: {said}"

        self._display.print(say)

    def _say_results(self) -> str:
        """Say the loss and the score of the last epoch, as far as they are known."""
        known = [f"{name} {value:.4g}" for name, value in self._results.items()]
        return join(*(text for text in known if not text.endswith("nan")))

    def _make_shown(self) -> Shown:
        done, total = self._find_done(), self._n_rows * self._n_epochs
        rate = done / self._find_seconds()
        at_most = in_it = ""
        if self._may_stop:  # the total number of epochs is unknown
            done, total = self._done, self._n_rows
            at_most, in_it = "at most ", " in this epoch"
        title = f"epoch {self._epoch + 1} of {at_most}{self._n_epochs:,}"
        if not rate:
            return Shown(title, done, total)
        speed = f"{rate:,.0f} rows/s, {rate * self._row_nbytes / 1e6:,.1f} MB/s"
        left = f"{_say_time((total - done) / rate)} left{in_it}"
        return Shown(title, done, total, speed, left, self._say_results())

    def _say_end(self) -> str:
        n_epochs, n_rows = self._n_ended, self._find_done()
        seconds = self._find_seconds()
        epochs = "1 epoch" if n_epochs == 1 else f"{n_epochs:,} epochs"
        waiting = _say_waiting(self._seconds, self._waited)
        rows = f"{n_rows:,} rows in {seconds:,.3g} s"
        rate = f"{n_rows / seconds:,.0f} rows/s"
        return (
            f"{self._title}: {join(epochs, rows, rate, self._say_results(), waiting)}"
        )

    def _find_done(self) -> int:
        return self._epoch * self._n_rows + self._done


def _say_waiting(seconds: float, waited: float) -> str:
    share = 100 * waited / max(seconds, 1e-9)
    limit = "reading" if waited > seconds / 2 else "the estimator"
    return f"{share:.0f} % waiting for data (limited by {limit})"


def _say_time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
