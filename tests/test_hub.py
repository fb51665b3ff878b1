"""The hub: every program ends as it does alone, and leaves nothing behind."""

import faulthandler
import os
import random
import subprocess
import sys
import threading
import time
import weakref
from contextlib import closing

import numpy as np
import pytest
from helpers import assert_same_search
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV, KFold

from skmmap import ChunkedFit, ChunkedSearchCV, open_rows
from skmmap.run import find_sharing, together

pytestmark = pytest.mark.usefixtures("nothing_left_open", "ends")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
y = (X[:, 0] > 0).astype(int)


@pytest.fixture
def ends():
    """Show all threads, and end the process, if the test waits forever."""
    faulthandler.dump_traceback_later(240, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


def run_together(function, given, *, n_jobs=2, room=100, models=100):
    with together(n_jobs, room, models):
        return Parallel()(delayed(function)(each) for each in given)


class Program:
    """Asks for feeds, results and room for models, in an order that is drawn."""

    def __init__(self, seed: int):
        self.random, self.log = random.Random(seed), []

    def run(self, depth: int = 0) -> list:
        asks = self.iterate, self.iterate, self.remember, self.hold, self.compute
        for _ in range(self.random.randint(1, 4)):
            self.random.choice(asks)(depth)
        if self.random.random() < 0.05:
            raise ArithmeticError(self.log)
        return self.log

    def iterate(self, depth):
        """Go through a feed, or leave it early, with more of it in between."""
        draw, number = self.random, self.random.randint(0, 5)
        fails, n_items = number == 5, 3 + number
        given = ("items", number), lambda: iter_items(n_items, fails=fails)
        feed = find_sharing().iter_items(*given, draw.choice([1, 30, 80]))
        most = draw.choice([n_items, n_items, draw.randint(1, n_items)])
        try:
            with closing(feed):
                for taken, item in enumerate(feed, start=1):
                    self.log.append(item)
                    if draw.random() < 0.1:
                        time.sleep(0.001)
                    if depth < 2 and draw.random() < 0.1:
                        self.run(depth + 1)
                    if taken == most:
                        break
        except OSError as error:
            self.log.append(str(error))

    def remember(self, depth):
        number, sharing = self.random.randint(0, 5), find_sharing()

        def make():
            if number == 4:
                raise KeyError(number)
            if number % 2:
                key = "to make", number
                return sum(sharing.iter_items(key, lambda: iter_items(4), 40))
            return number

        try:
            self.log.append(sharing.remember(("made", number), make))
        except KeyError:
            self.log.append("not made")

    def hold(self, depth):
        nbytes = self.random.choice([20, 100, 400])
        find_sharing().hold_model(lambda: nbytes)

    def compute(self, depth):
        self.log.append(find_sharing().compute(pow, 2, self.random.randint(0, 9)))


def iter_items(number: int, *, fails: bool = False):
    for item in range(number):
        if fails and item == 2:
            raise OSError("a disk that fails")
        yield item


def end_of(seed: int):
    try:
        return Program(seed).run()
    except ArithmeticError as error:
        return error.args[0]


@pytest.mark.parametrize("n_jobs", [1, 2, 8])
@pytest.mark.parametrize("room", [1, 100])
def test_programs_end_as_they_do_alone(n_jobs, room):
    for count in (3, 15, 60):
        seeds = [1_000 * room + 100 * n_jobs + i for i in range(count)]
        found = run_together(end_of, seeds, n_jobs=n_jobs, room=room, models=2 * room)
        assert found == [end_of(seed) for seed in seeds]


class Slow(ClassifierMixin, BaseEstimator):
    """Takes some time for each chunk, and stops when it likes to."""

    def __init__(self, seed=0, n_chunks=9):
        self.seed, self.n_chunks = seed, n_chunks

    def partial_fit(self, X, y, classes=None):
        if classes is not None:
            self.classes_, self.n_, self.sum_ = classes, 0, 0.0
        draw = random.Random(f"{self.seed} {self.n_}")
        time.sleep(draw.choice([0, 0, 0, 0.003]))
        self.n_, self.sum_ = self.n_ + 1, self.sum_ + X.sum() * draw.random()
        if self.n_ > self.n_chunks:
            raise ArithmeticError("has enough")
        return self

    def predict(self, X):
        return (X[:, 0] * self.sum_ > 0).astype(int)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("n_jobs", "n_candidates"), [(1, 20), (2, 200), (8, 40)])
def test_many_candidates_of_different_durations(n_jobs, n_candidates):
    grid = [
        {"estimator__seed": range(n_candidates // 2), "max_epochs": [1]},
        {
            "estimator__seed": range(n_candidates // 4),
            "estimator__n_chunks": [2, 9],
            "max_epochs": [3],
        },
    ]
    model = ChunkedFit(Slow(), chunk_size=50, random_state=0)
    given = {"cv": [(np.arange(150), np.arange(150, 200))], "refit": False}
    one = ChunkedSearchCV(model, grid, n_jobs=n_jobs, **given).fit(X, y)
    assert np.isnan(one.cv_results_["mean_test_score"]).sum() == n_candidates // 4
    if n_candidates < 200:
        other = GridSearchCV(model, grid, **given).fit(open_rows(X), open_rows(y))
        assert_same_search(one, other)


def test_one_that_leaves_early_lets_the_others_go_on():
    def go_through(most):
        with closing(find_sharing().iter_items("rows", lambda: iter_items(9), 1)) as it:
            return [item for item, _ in zip(it, range(most), strict=False)]

    assert [*map(len, run_together(go_through, [9, 1, 4, 0, 9]))] == [9, 1, 4, 0, 9]


def test_the_error_of_the_first_task_is_raised():
    def fail(number):
        for item in find_sharing().iter_items("rows", lambda: iter_items(9), 1):
            if item == 8 - number:  # the last one fails first
                raise ValueError(f"task {number}")

    with pytest.raises(ValueError, match="task 0"):
        run_together(fail, range(8), n_jobs=4)


def test_an_error_of_the_feed_is_one_of_each_member():
    def go_through(number):
        feed = find_sharing().iter_items("rows", lambda: iter_items(9, fails=True), 1)
        try:
            return list(feed)
        except OSError as error:
            error.add_note(f"task {number}")
            return error.__notes__

    assert run_together(go_through, range(3)) == [[f"task {i}"] for i in range(3)]


def test_a_task_is_let_go_when_it_is_over():
    held, n_held = [], []

    class Given:
        def __call__(self, number):
            held.append(weakref.ref(self))
            list(find_sharing().iter_items(number, lambda: iter_items(2), 1))
            return number

    def count(number):
        list(find_sharing().iter_items("end", lambda: iter_items(1 + 5 * number), 1))
        n_held.append(sum(ref() is not None for ref in held))

    with together(1, 100, 1):
        # The first one ends last, and only then joblib asks for other results.
        tasks = [delayed(count)(1), *(delayed(Given())(i) for i in range(3))]
        Parallel()(tasks.pop(0) for _ in range(4))
    assert n_held == [0]


def test_a_thread_that_does_not_begin(monkeypatch):
    start, n_started = threading.Thread.start, []

    def fail(thread):
        n_started.append(thread.name == "skmmap-fit")
        if sum(n_started) > 3:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        run_together(end_of, range(8))


class Cuts(Slow):
    """Truncates the file at the tenth chunk."""

    path, n_left = None, 10

    def partial_fit(self, X, y, classes=None):
        Cuts.n_left -= 1
        if Cuts.n_left == 0:
            os.truncate(Cuts.path, 1_000)
        return super().partial_fit(X, y, classes)


@pytest.mark.parametrize("read", ["buffer", "map"])
def test_a_file_that_is_truncated_meanwhile(tmp_path, monkeypatch, read):
    path = tmp_path / "X.npy"
    monkeypatch.setattr(Cuts, "path", path)
    monkeypatch.setattr(Cuts, "n_left", 10)
    np.save(path, np.zeros((5_000, 10)))
    model = ChunkedFit(
        Cuts(n_chunks=99), chunk_size=200, memory_limit="90kB", read=read
    )
    grid = {"estimator__seed": range(3)}
    made = ChunkedSearchCV(model, grid, cv=KFold(3), error_score="raise", n_jobs=2)
    with pytest.raises((OSError, ValueError), match="is truncated"):
        made.fit(path, np.arange(5_000) % 2)
    assert Cuts.n_left > -2 * 9  # they stop at once


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import KFold
from skmmap import ChunkedFit, ChunkedSearchCV

signal.signal(signal.SIGINT, signal.default_int_handler)
pressed = []

class Slow(BaseEstimator):
    n_calls = 0
    def __init__(self, seed=0):
        self.seed = seed
    def partial_fit(self, X, y=None):
        Slow.n_calls += 1
        if Slow.n_calls == 7:
            os.kill(os.getpid(), signal.SIGINT)
            pressed.append(Slow.n_calls)
        time.sleep(0.02)
        self.fitted_ = True
        return self
    def score(self, X, y=None):
        return 0.0

model = ChunkedFit(Slow(), chunk_size=10, max_epochs=50)
search = ChunkedSearchCV(model, {"estimator__seed": range(9)}, cv=KFold(2), n_jobs=2)
try:
    search.fit(np.zeros((1000, 2)))
except KeyboardInterrupt:
    more = Slow.n_calls - pressed[0]
    print(more <= 4, [t.name for t in threading.enumerate()], vars(search).keys())
"""


def test_an_interrupt_ends_all_within_a_chunk():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=200
    )
    assert "True ['MainThread']" in done.stdout, done.stderr
    assert "cv_results_" not in done.stdout
