"""In a run, rows of HDF5 and zarr are read ahead: each chunk is decoded once."""

import os
import pickle

import h5py
import numpy as np
import pytest
import zarr
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, open_rows
from skmmap.formats.files import hdf5
from skmmap.formats.groups import ahead_store
from skmmap.learn.plan import Planner
from skmmap.read import NO_CACHE
from skmmap.rows.rows import find_source

N = 50
X = np.random.default_rng(0).integers(0, 99, (N, 2)).astype(float)


def write(kind, folder):
    if kind == "zarr":
        stored = zarr.create_array(
            folder / "X.zarr", shape=X.shape, dtype="f8", chunks=(7, 2), overwrite=True
        )
        stored[:] = X
        return folder / "X.zarr"
    options = {"chunks": (7, 1), "compression": "gzip"} if kind == "gzip" else {}
    with h5py.File(folder / "X.h5", "w") as file:
        file.create_dataset("X", data=X, **options)
    return folder / "X.h5"


def begin(path):
    return find_source(open_rows(path)).store.for_run("map")


def count_rows(store):
    """Count the rows that the library reads."""
    asked, read = [], store._read

    def counted(start, stop):
        asked.append((start, stop))
        return read(start, stop)

    store._read = counted
    return asked


@pytest.fixture(params=["contiguous", "gzip", "zarr"])
def path(request, tmp_path):
    return write(request.param, tmp_path)


@pytest.mark.parametrize(("ahead", "kept"), [(1, 1), (48, 400), (400, 48), (99, 2**20)])
def test_slices_in_any_order(ahead, kept, path, monkeypatch):
    monkeypatch.setattr(ahead_store, "_AHEAD_NBYTES", ahead)
    monkeypatch.setattr(ahead_store, "_KEPT_NBYTES", kept)
    rng = np.random.default_rng(0)
    for step in 1, 3, 7, 20:
        store = begin(path)
        starts = [*range(0, N, step), *rng.integers(0, N, 6).tolist()]
        for start in starts:
            stop = min(N, start + step)
            assert np.array_equal(store.read(start, stop), X[start:stop])
            held = store._kept[1].nbytes if store._kept else 0
            assert held <= max(kept, 0)
    store.read_runs([(3, 5), (20, 20), (40, 50)])
    assert np.array_equal(store.read(0, N), X)


@pytest.mark.parametrize("step", [1, 3, 10])
def test_a_pass_reads_each_row_once(step, path):
    store = begin(path)
    asked = count_rows(store)
    for start in range(0, N, step):
        store.read(start, min(N, start + step))
    assert sum(stop - start for start, stop in asked) == N
    assert len(asked) <= 2 + np.log2(N)


def test_rows_here_and_there_are_read_alone(tmp_path):
    """And of a chunk that is decoded for them, the rest."""
    asked = {}
    for kind in "contiguous", "gzip":
        store = begin(write(kind, tmp_path))
        asked[kind] = count_rows(store)
        for start in 30, 32, 10, 45:
            store.read(start, start + 1)
    assert asked["contiguous"] == [(30, 31), (32, 33), (10, 11), (45, 46)]
    assert asked["gzip"] == [(30, 35), (10, 14), (45, 49)]


def test_nothing_is_kept_where_values_may_change(tmp_path):
    path = write("contiguous", tmp_path)
    rows = open_rows(path)
    with h5py.File(path, "r+") as file:
        given = open_rows(file["X"])
        run = find_source(given).store.for_run("map")
        assert given.read(0, 1)[0, 0] == run.read(0, 1)[0, 0] == X[0, 0]
        file["X"][1] = -1.0
        assert given.read(1, 2)[0, 0] == run.read(1, 2)[0, 0] == -1
    assert rows.read(1, 2)[0, 0] == -1


def test_a_piece_of_a_file_that_changed_is_an_error(path):
    store = begin(path)
    assert np.array_equal(store.read(0, 3), X[:3])
    assert np.array_equal(store.read(3, 6), X[3:6])
    if path.suffix == ".h5":
        with open(path, "r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\xff")
        with pytest.raises(ValueError, match="written again"):
            store.read(6, 9)
        return
    zarr.open_array(path, mode="r+")[8] = -1.0
    with pytest.raises(ValueError, match="written again"):
        store.finish()


def test_a_piece_is_not_pickled(path):
    store = begin(path)
    before = pickle.dumps(store)
    store.read(0, 3)
    store.read(3, 6)
    assert store._kept
    assert pickle.dumps(store) == before
    store.close()
    assert not store._kept


def test_pieces_are_read_only(path):
    store = begin(path)
    store.read(0, 1)
    rows = store.read(1, 2)
    with pytest.raises(ValueError, match="read-only"):
        rows[:] = 0


def test_runs_of_one_buffer_open_the_file_once(tmp_path, monkeypatch):
    path = write("contiguous", tmp_path)
    opened, store = [], begin(path)

    def count(path):
        opened.append(path)
        return open_file(path)

    open_file = hdf5._open_file
    monkeypatch.setattr(hdf5, "_open_file", count)
    parts = store.read_runs([(0, 5), (20, 25), (40, 45)])
    assert np.array_equal(np.concatenate(parts), np.r_[X[:5], X[20:25], X[40:45]])
    assert len(opened) == 1
    write("gzip", tmp_path)
    with pytest.raises(ValueError, match="written again"):
        store.read_runs([(0, 5), (20, 25)])
    path.unlink()
    with pytest.raises(FileNotFoundError):
        store.read_runs([(0, 5), (20, 25)])


def test_a_file_is_opened_once_for_the_blocks_of_a_buffer(tmp_path, monkeypatch):
    monkeypatch.setattr("skmmap.order.schedule._LEAST_READ_NBYTES", 60)
    monkeypatch.setattr("skmmap.learn.plan.find_row_cache", lambda *args: NO_CACHE)
    monkeypatch.setattr("skmmap.learn.plan.keeps_rows", lambda *args: False)
    rows = open_rows(write("contiguous", tmp_path))
    opened, open_file = [], hdf5._open_file

    def note(path):
        opened.append(path)
        return open_file(path)

    monkeypatch.setattr(hdf5, "_open_file", note)
    model = ChunkedFit(
        SGDClassifier(), chunk_size=7, memory_limit="3200B", max_epochs=1
    )
    plan = Planner(model, rows, np.arange(N) % 2, {}).make()
    assert (plan.schedule.n_buffers, plan.schedule.n_slices) == (4, 5)
    opened.clear()
    model.fit(rows, np.arange(N) % 2)
    assert len(opened) == 4
