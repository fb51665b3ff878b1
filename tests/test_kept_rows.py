"""Rows that are kept for all epochs are those that would be read again."""

import threading

import numpy as np
import pandas as pd
import pytest
from helpers import Recorder, combine, raises
from scipy import sparse
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier
from sources import N_ROWS, WRITTEN, make_rows, open_kind, write

from skmmap import ChunkedFit, open_rows
from skmmap.formats.shared import MapStore
from skmmap.learn import plan as _plan
from skmmap.read import NO_CACHE
from skmmap.read import table as _table

Y = np.arange(N_ROWS) % 3 % 2
# Three buffers of 21 rows of 28 bytes, and room for all rows.
LIMITS = {"one buffer": "64MB", "three buffers": "4704B"}
IN_MEMORY = {
    "array": lambda: make_rows(1),
    "Fortran array": lambda: np.asfortranarray(make_rows(1)),
    "columns of an array": lambda: np.repeat(make_rows(1), 2, axis=1)[:, ::2],
    "other byte order": lambda: make_rows(1).astype(">f8"),
    "matrix": lambda: sparse.csr_array(make_rows(1)),
    "frame": lambda: pd.DataFrame(make_rows(1), columns=["a", "b"]),
    "list": lambda: make_rows(1).tolist(),
    "rows of an array": lambda: open_rows(np.repeat(make_rows(1), 2, axis=0))[1::2],
}


@pytest.fixture
def forget(monkeypatch):
    """Return a function after which nothing is kept, and no row is gathered."""

    def stop():
        monkeypatch.setattr(_plan, "keeps_rows", lambda *args: False)
        monkeypatch.setattr(_plan, "keeps_held_out", lambda *args: False)
        monkeypatch.setattr(_plan, "find_row_cache", lambda *args: NO_CACHE)
        monkeypatch.setattr(_plan, "find_held_out_cache", lambda *args: NO_CACHE)
        monkeypatch.setattr(_table.Table, "is_held", False)

    return stop


def learn(X, limit="64MB", **params):
    params = {"max_epochs": 3, "chunk_size": 7, "random_state": 0} | params
    model = ChunkedFit(Recorder(), memory_limit=limit, **params)
    weights = np.arange(N_ROWS, dtype=np.float32) + 1
    return model.fit(X, Y, sample_weight=weights)


def same_calls(one, other):
    assert len(one.calls_) == len(other.calls_)
    for mine, its in zip(one.calls_, other.calls_, strict=True):
        assert mine["type"] is its["type"]
        assert mine["writable"] == its["writable"]
        for name in ("X", "y", "sample_weight"):
            got, expected = (to_dense(call[name]) for call in (mine, its))
            np.testing.assert_array_equal(got, expected, strict=True)


def to_dense(rows):
    is_sparse = rows is not None and rows.dtype == object
    return rows.item().toarray() if is_sparse else np.asarray(rows)


def open_rows_of(kind, folder):
    if kind in IN_MEMORY:
        return IN_MEMORY[kind]()
    return open_kind(kind, write(kind, folder, 1))


SHUFFLES = ["blocks", "chunks", False]


@pytest.mark.filterwarnings("ignore:X is stored column by column")
@pytest.mark.parametrize(
    ("kind", "limit", "shuffle"),
    combine([*WRITTEN, *IN_MEMORY], LIMITS, SHUFFLES, together=1),
)
def test_an_estimator_gets_the_same_rows(kind, limit, shuffle, tmp_path, forget):
    X = open_rows_of(kind, tmp_path)
    kept = learn(X, LIMITS[limit], shuffle=shuffle)
    forget()
    same_calls(kept, learn(X, LIMITS[limit], shuffle=shuffle))


@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_rows_are_read_once(limit, shuffle, tmp_path, monkeypatch, forget):
    path, read = write("npy", tmp_path, 1) / "X.npy", []
    read_into = MapStore.read_into

    def count(self, start, stop, out):
        read.append((stop - start) * (self.path == path))
        return read_into(self, start, stop, out)

    def find_read():
        read.clear()
        learn(path, limit, shuffle=shuffle, read="buffer")
        return sum(read)

    monkeypatch.setattr(MapStore, "read_into", count)
    assert find_read() == N_ROWS
    forget()
    assert find_read() == 3 * N_ROWS


@pytest.mark.parametrize("kind", ["npy", "npy selection", "hdf alone", "CSR"])
def test_scores_of_held_out_rows_are_the_same(kind, tmp_path, forget):
    X = open_kind(kind, write(kind, tmp_path, 1))
    model = ChunkedFit(SGDClassifier(early_stopping=True, random_state=0))
    kept = model.fit(X, Y).history_["score"]
    forget()
    assert kept == model.fit(X, Y).history_["score"]
    assert len(kept) > 1


@pytest.mark.parametrize("n_columns", [3, 30_000])
def test_a_thread_gathers_the_next_chunk(n_columns, forget):
    """Small rows are gathered without one, and no thread outlives a fit."""
    X, before = np.random.default_rng(0).normal(size=(60, n_columns)), []

    class Watcher(Recorder):
        def partial_fit(self, X, y=None, sample_weight=None):
            before.append(threading.active_count())
            return super().partial_fit(X, y, sample_weight)

    n_threads = threading.active_count()
    model = ChunkedFit(Watcher(), chunk_size=7, max_epochs=3, random_state=0)
    kept = model.fit(X, Y)
    assert set(before) == {n_threads + (n_columns > 3)}
    assert threading.active_count() == n_threads
    forget()
    same_calls(kept, model.fit(X, Y))


def test_a_new_start_learns_what_was_learned_before(forget):
    """An estimator that refuses a chunk of the second epoch starts over."""
    X = np.random.default_rng(0).normal(size=(60, 30_000))

    class Late(Recorder):
        def partial_fit(self, X, y=None, sample_weight=None):
            is_late = len(getattr(self, "calls_", ())) >= 12
            if is_late and not X.flags.writeable:
                raise ValueError("buffer source array is read-only")
            return super().partial_fit(X, y, sample_weight)

    model = ChunkedFit(Late(), chunk_size=7, max_epochs=3, random_state=0)
    kept = model.fit(X, Y)
    assert len(kept.calls_) == 27
    forget()
    same_calls(kept, model.fit(X, Y))


def test_a_file_that_changes_is_noticed(tmp_path):
    path = write("npy", tmp_path, 1) / "X.npy"

    class Writer(Recorder):
        def partial_fit(self, X, y=None, sample_weight=None):
            super().partial_fit(X)
            if len(self.calls_) == 10:  # in the second epoch
                np.save(path, make_rows(2))

    said = f"{str(path)!r} was written again since it was opened. Open it again."
    with raises(ValueError, said):
        ChunkedFit(Writer(), chunk_size=7, max_epochs=9, random_state=0).fit(path, Y)


def test_errors_name_the_rows_of_the_file(tmp_path, forget):
    rows = open_kind("npy selection", write("npy selection", tmp_path, 1))

    def find_notes():
        with pytest.raises(RuntimeError, match="told to fail") as caught:
            ChunkedFit(
                Recorder(fails_at=10), chunk_size=7, max_epochs=3, random_state=0
            ).fit(rows, Y)
        return caught.value.__notes__

    kept = find_notes()
    assert "epoch 2" in kept[0]
    forget()
    assert kept == find_notes()


class Augmented:
    """Rows that differ each time they are read, as those of augmented images do."""

    shape, dtype = (60, 2), np.dtype(float)

    def __init__(self):
        self.n_reads = 0

    def __getitem__(self, key):
        self.n_reads += 1
        return make_rows(self.n_reads)[key]


@pytest.mark.parametrize("shuffle", ["blocks", False])
def test_objects_of_other_classes_are_read_each_time(shuffle):
    calls = learn(Augmented(), shuffle=shuffle).calls_
    epochs = np.split(np.concatenate([call["X"][:, 0] for call in calls]), 3)
    assert not set(epochs[0]) & set(epochs[2])


def test_no_view_of_kept_rows_outlives_the_fit(tmp_path):
    path = write("npy", tmp_path, 1) / "X.npy"

    class Holder(Recorder):
        def partial_fit(self, X, y=None, sample_weight=None):
            self.rows_ = X[:1]
            return self

    model = ChunkedFit(Holder(), chunk_size=7, max_epochs=3, random_state=0)
    rows = model.fit(path, Y).estimator_.rows_
    assert rows.base is None


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", [SGDClassifier, MLPClassifier])
def test_rows_sorted_by_label_are_learned(estimator, tmp_path):
    """The order of kept rows is as random as that of rows that are read."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 1_000)
    X = (rng.normal(size=(3_000, 5)) + 3 * np.eye(5)[y]).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    model = ChunkedFit(estimator(random_state=0), max_epochs=20)
    assert model.fit(tmp_path / "X.npy", y).score(X, y) > 0.9


def test_explain_says_what_is_kept(tmp_path):
    path = write("npy", tmp_path, 1) / "X.npy"
    said = ChunkedFit(SGDClassifier(), random_state=0).explain(path, Y).sections
    assert said["reads"] == (
        "1.4 kB in the first epoch, after which rows are kept in memory (100 %)"
    )
    assert said["memory"].startswith("1.4 kB for rows that are kept, ")
