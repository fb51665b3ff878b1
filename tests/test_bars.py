"""A bar on a terminal and in a notebook, lines elsewhere; none of them ends a run."""

import io
import multiprocessing
import os
import re
import sys
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import IPython.display
import numpy as np
import pytest
import rich
from helpers import in_file_order
from rich.console import Console
from sklearn.base import BaseEstimator
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB

from skmmap import ChunkedFit, convert
from skmmap.run import bars

X = np.random.default_rng(0).normal(size=(90, 4))
y = (X[:, 0] > 0).astype(int)
END = r"fit: 1 epoch, 90 rows in [\d.e-]+ s, [\d,]+ rows/s, \d+ % waiting for data .*"
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"  # the cursor


def make(**params):
    params = {"chunk_size": 10, "verbose": 1, **params}
    return in_file_order(GaussianNB(), **params)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(rich, "_console", None)
    # However slow the machine is, ten seconds are not over.
    monkeypatch.setattr(bars, "_LINE_SECONDS", np.inf)


class Terminal(io.TextIOWrapper):
    """Standard output on a pseudo-terminal, whose other end is read all the time."""

    def __init__(self):
        pty = pytest.importorskip("pty", reason="no pseudo-terminals on Windows")
        self.other_end, end = pty.openpty()
        super().__init__(os.fdopen(end, "wb", 0), encoding="utf-8", write_through=True)
        self.bytes = b""
        self.reader = threading.Thread(target=self.collect)
        self.reader.start()

    def collect(self):
        try:
            while data := os.read(self.other_end, 4096):
                self.bytes += data
        except OSError:  # the end of it on Linux
            pass

    def read_all(self):
        """Return all that was written."""
        self.close()
        self.reader.join()
        os.close(self.other_end)
        return self.bytes.decode()


@contextmanager
def on_terminal(monkeypatch):
    """Give a list that holds, afterwards, what a terminal was sent."""
    said = []
    with monkeypatch.context() as patch:
        terminal = Terminal()
        patch.setattr(sys, "stdout", terminal)
        try:
            yield said
        finally:
            assert sys.stdout is terminal, "rich has put back what it found"
            said.append(terminal.read_all())


def read_lines(text):
    """Return the lines that are left on a terminal in the end."""
    return [re.sub(r"\x1b\[[\d;?]*\w", "", s).split("\r")[-1] for s in split(text)]


def split(text):
    return text.replace("\r\n", "\n").splitlines()


def test_a_terminal_gets_a_bar_and_one_last_line(monkeypatch):
    monkeypatch.setattr(bars, "_BAR_SECONDS", 0.0)
    with on_terminal(monkeypatch) as said:
        make().fit(X, y)
    (text,) = said
    assert text.count(HIDE) == 1
    assert text.count(SHOW) == 1
    assert "epoch 1 of 1" in text
    assert "━" in text
    assert text.index(SHOW) < text.index("[ChunkedFit] fit: ")
    assert "\x1b[2K" in text[text.index(SHOW) :]  # the line of the bar is erased
    assert re.fullmatch(rf"\[ChunkedFit\] {END}", read_lines(text)[-1])


def test_the_terminal_is_as_it_was_after_ctrl_c(monkeypatch):
    class Interrupted(BaseEstimator):
        def partial_fit(self, X, y=None):
            raise KeyboardInterrupt

    with on_terminal(monkeypatch) as said, pytest.raises(KeyboardInterrupt):
        in_file_order(Interrupted(), verbose=1).fit(X)
    (text,) = said
    assert text.count(HIDE) == text.count(SHOW) == 1
    assert text.rindex(SHOW) > text.rindex("━")
    assert "rows in" not in text


def test_ctrl_c_while_the_bar_opens(monkeypatch):
    def interrupt(self, shown):
        raise KeyboardInterrupt

    monkeypatch.setattr(bars.TerminalBar, "show", interrupt)
    with on_terminal(monkeypatch) as said, pytest.raises(KeyboardInterrupt):
        make().fit(X, y)
    assert said[0].count(HIDE) == said[0].count(SHOW) == 1


def lines_of(text):
    return [line for line in split(text) if line.startswith("[")]


@pytest.mark.parametrize("why", ["dumb", "no rich", "verbose", "worker", "thread"])
def test_lines_on_a_terminal_without_a_bar(why, monkeypatch):
    if why == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    if why == "no rich":
        monkeypatch.setitem(sys.modules, "rich", None)
    if why == "worker":
        monkeypatch.setattr(multiprocessing, "parent_process", lambda: "a process")
    fit = make(verbose=2 if why == "verbose" else 1).fit
    with on_terminal(monkeypatch) as said:
        thread = threading.Thread(target=fit, args=(X, y))
        if why == "thread":
            thread.start()
            thread.join()
        else:
            fit(X, y)
    assert "\x1b" not in said[0]
    lines = lines_of(said[0])
    assert len(lines) == (11 if why == "verbose" else 1)
    assert re.fullmatch(rf"\[ChunkedFit\] {END}", lines[-1])


def test_a_file_gets_lines_although_colours_are_forced(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    make().fit(X, y)
    assert re.fullmatch(rf"\[ChunkedFit\] {END}\n", capsys.readouterr().out)


def test_lines_come_every_ten_seconds(monkeypatch, capsys):
    monkeypatch.setattr(bars, "_LINE_SECONDS", 10.0)
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr(bars.time, "monotonic", lambda: next(clock))
    make(chunk_size=5).fit(X, y)
    *lines, last = capsys.readouterr().out.splitlines()
    # 18 chunks of three seconds, and three more for each line.
    assert len(lines) == 4
    pattern = (
        r"\[ChunkedFit\] epoch 1 of 1: 20 of 90 rows \(22 %\), [\d,]+ rows/s, "
        r"[\d,.]+ MB/s, 0 s left"
    )
    assert re.fullmatch(pattern, lines[0])
    assert re.fullmatch(rf"\[ChunkedFit\] {END}", last)


def test_two_hundred_epochs_are_one_line(capsys):
    model = SGDClassifier(max_iter=200, tol=None, random_state=0)
    ChunkedFit(model, verbose=1).fit(X, y)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("[ChunkedFit] fit: 200 epochs, 18,000 rows in ")


def test_no_bar_if_nobody_asks(capsys, monkeypatch):
    monkeypatch.setattr(bars, "_choose", None)
    np.save("X.npy", X)
    model = make(verbose=0).fit(X, y)
    model.predict(X, out="y.npy")
    model.score(X, y)
    convert("X.npy", "copy.npy")
    assert capsys.readouterr().out == ""


class Handle:
    """Remembers what a cell shows, one after the other."""

    def __init__(self):
        self.shown = []

    def display(self, data, *, raw, display_id):
        assert raw
        assert display_id is True
        return self

    def update(self, data, raw=False):
        self.shown.append(data if raw else data._repr_mimebundle_((), ()))


@pytest.fixture
def notebook(monkeypatch):
    handle = Handle()
    console = Console(force_jupyter=True, width=100)
    monkeypatch.setattr(rich, "_console", console)
    monkeypatch.setattr(IPython.display, "display", handle.display)
    return handle


def test_a_notebook_gets_a_bar_in_one_output(notebook, capsys):
    make(chunk_size=45).fit(X, y)
    first, *_, last = notebook.shown
    assert re.match(r"epoch 1 of 1 \S*━", first["text/plain"])
    assert "<pre" in first["text/html"]
    assert list(last) == ["text/plain"]
    assert re.fullmatch(rf"\[ChunkedFit\] {END}", last["text/plain"])
    assert capsys.readouterr().out == ""


def test_a_notebook_keeps_the_bar_of_a_run_that_failed(notebook):
    with pytest.raises(ValueError, match="NaN"):
        make().fit(np.full((90, 4), np.nan), y)
    assert "text/html" in notebook.shown[-1]


def test_a_notebook_that_is_gone_ends_no_run(notebook, capsys, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("Socket closed")

    monkeypatch.setattr(IPython.display, "display", fail)
    assert make().fit(X, y).n_epochs_ == 1
    assert re.fullmatch(rf"\[ChunkedFit\] {END}\n", capsys.readouterr().out)


class Closes(io.StringIO):
    """Takes a few writes before it is closed; says that it is a terminal."""

    def __init__(self, n_writes):
        super().__init__()
        self.n_left = n_writes

    def isatty(self):
        return True

    def write(self, text):
        self.n_left -= 1
        if self.n_left < 0:
            raise BrokenPipeError
        return super().write(text)


@pytest.mark.parametrize("n_writes", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("verbose", [1, 2])
def test_a_closed_output_ends_no_run(n_writes, verbose, monkeypatch):
    monkeypatch.setattr(bars, "_BAR_SECONDS", 0.0)
    closes = Closes(n_writes)
    monkeypatch.setattr(sys, "stdout", closes)
    assert make(verbose=verbose).fit(X, y).n_epochs_ == 1
    assert sys.stdout is closes
    assert not rich.get_console()._live_stack if verbose == 1 else True


@pytest.mark.parametrize("output", [None, "closed"])
def test_no_output_at_all_ends_no_run(output, monkeypatch):
    if output == "closed":
        output = io.StringIO()
        output.close()
    monkeypatch.setattr(sys, "stdout", output)
    assert make().fit(X, y).n_epochs_ == 1


def test_characters_that_an_output_lacks_end_no_run(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", narrow)
    convert(iter(X), "ä.npy", progress=True)
    assert np.load("ä.npy").shape == X.shape


def test_what_a_run_prints_stands_above_the_bar(monkeypatch):
    class Talks(BaseEstimator):
        def partial_fit(self, X, y=None):
            print("heard")
            return self

    with on_terminal(monkeypatch) as said:
        in_file_order(Talks(), chunk_size=30, verbose=1).fit(X)
    assert sum("heard" in line for line in read_lines(said[0])) == 3


def test_a_bar_inside_of_a_bar(monkeypatch):
    with on_terminal(monkeypatch) as said:
        from rich.progress import Progress

        with Progress(auto_refresh=False):
            assert make().fit(X, y).n_epochs_ == 1
    assert "fit: 1 epoch" in said[0]


def test_a_line_is_written_in_one_piece(monkeypatch):
    """Or those of two threads would be mixed up."""
    pieces = []
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(write=pieces.append, flush=list))
    make().fit(X, y)
    assert re.fullmatch(rf"\[ChunkedFit\] {END}\n", pieces[0])
