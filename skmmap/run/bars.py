"""Shows progress: a bar on a terminal or in a notebook, printed lines elsewhere."""

import multiprocessing
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

_LINE_SECONDS, _BAR_SECONDS = 10.0, 0.1  # between two updates


class Shown(NamedTuple):
    """The state of a run that is shown; ``total`` is None if it is unknown."""

    title: str
    done: int
    total: int | None
    speed: str = ""
    left: str = ""
    results: str = ""


class Lines:
    """Prints a line at most every ten seconds; each update with ``verbose=2``."""

    def __init__(self, owner: str, verbose: int):
        self._owner, self.pause = owner, 0.0 if verbose > 1 else _LINE_SECONDS

    def open(self, shown: Shown) -> None:
        """Print nothing: a short run should print a single line, at its end."""

    def show(self, shown: Shown) -> None:
        rows = f"{shown.done:,} rows"
        if shown.total is not None:
            percent = 100 * shown.done // max(shown.total, 1)
            rows = f"{shown.done:,} of {shown.total:,} rows ({percent} %)"
        said = join(rows, shown.speed, shown.left, shown.results)
        self.print(f"{shown.title}: {said}")

    def print(self, text: str) -> None:
        # In a single call: print writes its end apart, and lines of other threads
        # could come between.
        print(f"[{self._owner}] {text}\n", end="", flush=True)

    def close(self, text: str | None) -> None:
        if text is not None:
            self.print(text)


class TerminalBar(Lines):
    """Draws a bar on the last line of the terminal, and removes it at the end."""

    def __init__(self, owner: str, verbose: int):
        super().__init__(owner, verbose)
        self.pause = _BAR_SECONDS
        self._bar = make_bar()
        self._task = self._bar.add_task("", details="", total=None)

    def open(self, shown: Shown) -> None:
        try:
            self._bar.start()
            self.show(shown)
        except BaseException:  # Ctrl-C as well: stop shows the cursor again
            self._bar.stop()
            raise

    def show(self, shown: Shown) -> None:
        # In this order, since a narrow terminal truncates the end.
        details = join(shown.results, shown.left, shown.speed)
        texts = {"description": shown.title, "details": details}
        self._bar.update(self._task, completed=shown.done, total=shown.total, **texts)
        self.draw()

    def draw(self) -> None:
        self._bar.refresh()

    def close(self, text: str | None) -> None:
        self._bar.stop()
        super().close(text)


class NotebookBar(TerminalBar):
    """Draws the bar in the output of a cell, and replaces it by the last line.

    rich itself uses ipywidgets for this, whose output a stored notebook does not show.
    """

    def open(self, shown: Shown) -> None:
        from IPython.display import display

        self._handle = display({"text/plain": ""}, raw=True, display_id=True)
        self.show(shown)

    def draw(self) -> None:
        self._handle.update(self._bar.make_tasks_table(self._bar.tasks))

    def close(self, text: str | None) -> None:
        if text is not None:
            said = {"text/plain": f"[{self._owner}] {text}"}
            self._handle.update(said, raw=True)


def join(*texts: str) -> str:
    """Join the texts that are not empty by commas."""
    return ", ".join(filter(None, texts))


def make_bar():
    """Return a progress bar of rich that is drawn only by ``refresh``."""
    import rich
    from rich import progress
    from rich.table import Column

    bar_width = min(40, max(10, rich.get_console().width - 110))
    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    # Without markup, since file names may contain brackets. Without auto_refresh, since
    # its thread could draw while a process is forked, and nothing would catch
    # its errors.
    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width),
        progress.TaskProgressColumn(),
        progress.TextColumn("{task.fields[details]}", markup=False, table_column=rest),
        expand=True,
        auto_refresh=False,
        transient=True,
    )


class Display:
    """Shows the progress of ``owner`` if ``verbose``; errors never end the run.

    With ``verbose=2`` each update is a line. Texts come as functions, which are called
    only if they are shown.
    """

    def __init__(self, owner: str, verbose: int):
        self._owner, self._verbose = owner, verbose
        self._view, self._due = None, 0.0

    def open(self, make_shown: Callable[[], Shown]) -> None:
        """Start showing progress."""
        if self._verbose:
            self._view = _choose(self._owner, self._verbose)
            if not self._try(self._view.open, make_shown()):
                self._view = Lines(self._owner, self._verbose)
            self._due = time.monotonic() + self._view.pause

    def show(self, make_shown: Callable[[], Shown]) -> None:
        """Show what ``make_shown`` returns, if an update is due."""
        if self._view is not None and time.monotonic() >= self._due:
            if not self._try(self._view.show, make_shown()):
                self.close(None)
                return
            self._due = time.monotonic() + self._view.pause

    def close(self, say: Callable[[], str] | None) -> None:
        """Stop showing progress, with what ``say`` returns as the last line, if any."""
        view, self._view = self._view, None
        if view is not None:
            self._try(view.close, None if say is None else say())

    def print(self, say: Callable[[], str]) -> None:
        """Print a line if ``verbose`` is 2 or more."""
        if self._view is not None and self._verbose > 1:
            self._try(self._view.print, say())

    def _try(self, draw: Callable, *args) -> bool:
        """Draw, and return whether it succeeded.

        A run of hours must not fail because the standard output was closed or cannot
        encode a character, or because an old version of rich allows one bar only.
        """
        with suppress(Exception):
            draw(*args)
            return True
        return False


def _choose(owner: str, verbose: int) -> Lines:
    """Return the kind of display that the standard output supports."""
    # Bars of several processes or threads would overwrite each other.
    is_main = threading.current_thread() is threading.main_thread()
    if verbose > 1 or not is_main or multiprocessing.parent_process() is not None:
        return Lines(owner, verbose)
    with suppress(Exception):  # no rich; no standard output, or a closed one
        import rich

        console = rich.get_console()
        if console.is_jupyter:
            return NotebookBar(owner, verbose)
        is_terminal = console.is_terminal and not console.is_dumb_terminal
        # rich takes a file for a terminal where FORCE_COLOR is set.
        if is_terminal and sys.stdout.isatty():
            return TerminalBar(owner, verbose)
    return Lines(owner, verbose)
