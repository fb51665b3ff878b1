"""What a run does without where less memory is free, and when it is refused."""

import threading

import numpy as np
import pytest
from helpers import raises
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB

from skmmap import ChunkedFit
from skmmap.learn.memory import find_fit_parts, fit_plan
from skmmap.learn.plan import Planner
from skmmap.order import ChunkNeed, fit_jobs
from skmmap.read import choose_way

N_ROWS, N_COLUMNS = 4_000, 10
X = np.random.default_rng(0).random((N_ROWS, N_COLUMNS), np.float32)
Y = (X[:, 0] > 0.5).astype(np.int64)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, X)
    return path


@pytest.fixture
def set_free(monkeypatch):
    """Return a function that says how many bytes are free."""
    for name in ("_LITTLE", "_RESERVED"):
        monkeypatch.setattr(f"skmmap.read.free_memory.{name}", 0)
    monkeypatch.setattr("sys.platform", "linux")

    def set_free(free):
        module = "skmmap.read.free_memory"
        monkeypatch.setattr(f"{module}.find_free_memory", lambda: free)

    return set_free


class Threads(ClassifierMixin, BaseEstimator):
    """Counts the threads that there are in each call."""

    def partial_fit(self, X, y=None, classes=None):
        seen = vars(self).setdefault("threads_", set())
        names = {thread.name for thread in threading.enumerate()}
        seen.update(name for name in names if name.startswith("skmmap-reader"))
        self.classes_ = classes
        return self

    def predict(self, X):
        return np.full(len(X), threading.get_ident())


def make_plan(path, n_epochs=3, **params):
    params = {"memory_limit": "400kB", "max_epochs": n_epochs} | params
    wrapper = ChunkedFit(SGDClassifier(random_state=0), **params)
    return Planner(wrapper, path, Y, {}).make()


def find_nbytes(plan, **how):
    return sum(find_fit_parts(plan, **how).values())


def test_a_fit_gives_up_kept_rows_and_then_reading_ahead(path, set_free):
    plan = make_plan(path, memory_limit="600kB", chunk_size=100)
    assert plan.keeps_rows
    ways = [(True, True), (True, False), (False, True), (False, False)]
    for keeps, ahead in ways:
        set_free(find_nbytes(plan, keeps_rows=keeps, reads_ahead=ahead))
        fitted = fit_plan(plan)
        assert (fitted.keeps_rows, fitted.table.reading.reads_ahead) == (keeps, ahead)


def test_results_do_not_depend_on_free_memory(path, set_free):
    for params in ({}, {"shuffle": False}, {"shuffle": "chunks"}):
        params |= {"memory_limit": "600kB", "chunk_size": 100}
        plan, results = make_plan(path, **params), []
        smallest = find_nbytes(plan, keeps_rows=False, reads_ahead=False)
        for free in (None, 10**9, smallest):
            set_free(free)
            sgd = SGDClassifier(random_state=0)
            model = ChunkedFit(sgd, max_epochs=3, n_jobs=2, **params).fit(path, Y)
            results.append((model.coef_.tobytes(), model.predict(path).tobytes()))
        assert results[0] == results[1] == results[2]


def test_without_room_no_thread_reads_ahead(path, set_free):
    params = {"memory_limit": "600kB", "chunk_size": 100, "max_epochs": 1}
    for shuffle in (False, "blocks"):
        wrapper = ChunkedFit(Threads(), shuffle=shuffle, random_state=0, **params)
        plan = Planner(wrapper, path, Y, {}).make()
        set_free(find_nbytes(plan, keeps_rows=False, reads_ahead=True))
        assert wrapper.fit(path, Y).threads_
        set_free(find_nbytes(plan, keeps_rows=False, reads_ahead=False))
        assert not wrapper.fit(path, Y).threads_


def test_fewer_jobs_predict_where_less_is_free(path, set_free):
    model = ChunkedFit(GaussianNB(), chunk_size=100).fit(path, Y)
    model.set_params(n_jobs=2)
    model.estimator_.predict = lambda X: np.full(len(X), threading.get_ident())
    one = 2 * 100 * 40 + 2 * 100 * 80
    for free, number in ((10**9, 3), (2 * one, 3), (2 * one - 16_000, 1)):
        set_free(free)
        assert (len(np.unique(model.predict(path))) > 1) == (number > 1)


def test_a_fit_that_does_not_fit_is_refused(path, set_free):
    set_free(50_000)
    model = ChunkedFit(
        SGDClassifier(), memory_limit="400kB", chunk_size=500, max_epochs=1
    )
    said = (
        "fit needs 144.0 kB of memory, and 50.0 kB are free: 64.0 kB for a shuffled "
        "buffer, 80.0 kB for two copies of a chunk as float64. Set a smaller "
        "chunk_size."
    )
    with raises(MemoryError, said):
        model.fit(path, Y)


def test_a_prediction_that_does_not_fit_is_refused(path, set_free):
    model = ChunkedFit(GaussianNB(), chunk_size=1_000).fit(path, Y)
    set_free(150_000)
    model.set_params(memory_limit="150kB")
    said = (
        "predict needs 200.0 kB of memory, and 150.0 kB are free: 40.0 kB for a chunk, "
        "160.0 kB for two copies of a chunk as float64. Set a smaller chunk_size."
    )
    with raises(MemoryError, said):
        model.predict(path)
    set_free(200_000)
    model.predict(path)


def test_the_message_names_a_limit_that_serves(set_free):
    set_free(80_500_000)
    said = (
        "predict needs 90.0 MB of memory, and 80.5 MB are free: 90.0 MB for a chunk. "
        "Set memory_limit='80MB' (it is 512.0 MB), and a smaller chunk_size if it is "
        "not 'auto'."
    )
    with raises(MemoryError, said):
        choose_way([(0, {"a chunk": 90_000_000})], "predict", 512_000_000)


def test_jobs_stay_within_the_limit_and_what_is_free():
    """Exhaustively: never more than fit, and one more would not."""
    for limit in range(1, 400, 7):
        for free in (None, *range(0, 400, 13)):
            number, ahead = fit_jobs(9, ChunkNeed(4, 8), limit, free)
            nbytes = ChunkNeed(4, 8).find_nbytes(reads_ahead=ahead)
            room = min(limit * 7 // 8, limit if free is None else free)
            assert number == max(1, min(9, room // nbytes))
            assert number >= min(9, room // ChunkNeed(4, 8).find_nbytes())
    assert fit_jobs(2, ChunkNeed(4, 8), 10**9, 10**8, has_memory=False) == (1, True)
    assert fit_jobs(2, ChunkNeed(4, 8), 10**9, 2 * 10**8, has_memory=False)[0] == 2


def test_explain_says_the_arithmetic(path):
    model = ChunkedFit(SGDClassifier(), memory_limit="400kB", chunk_size=500)
    said = model.set_params(max_epochs=1).explain(path, Y).sections["memory"]
    assert said == (
        "128.0 kB for a shuffled buffer and the next one, 80.0 kB for two copies of a "
        "chunk as float64: 208.0 kB of 400.0 kB"
    )
