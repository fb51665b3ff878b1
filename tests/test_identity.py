"""Is this the same data? One answer for every container and every door."""

import os
import pickle
import re
import shutil
from itertools import product

import dask
import dask.array as da
import h5py
import joblib
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from helpers import combine, in_file_order, raises
from numpy.lib.stride_tricks import sliding_window_view
from scipy import sparse
from sklearn.base import BaseEstimator
from sources import (
    N_ROWS,
    WAYS,
    WRITTEN,
    make_rows,
    open_kind,
    write,
    write_links,
    write_parquet,
    write_raw_data,
)

from skmmap import NpyWriter, convert, open_rows
from skmmap.disk.identity import FileState, await_tick
from skmmap.rows.rows import find_source

# Files in Fortran order are slow, which is said.
pytestmark = pytest.mark.filterwarnings("ignore:X is stored column by column")

# An error that names a file, and says what to do.
CHANGED = r"was (written again|replaced) since it was opened.* Open it again\."


class Echo(BaseEstimator):
    """Returns the first number of each row; something happens at the third chunk."""

    def __init__(self, do=None):
        self.do = do

    def partial_fit(self, X, y=None):
        self.seen_ = [*getattr(self, "seen_", ()), *self.predict(X)]
        return self

    def predict(self, X, add=0):  # what goes along is of the same shape
        X = X.toarray() if hasattr(X, "toarray") else X
        result = X[:, 0] if np.ndim(add) == 0 else X[:, :1] + add
        if HAPPENS and (X[:, 1] == 26).any():
            HAPPENS.pop()()
        return result


HAPPENS = []


@pytest.fixture(autouse=True)
def _nothing_happens():
    yield
    HAPPENS.clear()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "X"


def fitted(**params):
    return in_file_order(Echo(), chunk_size=10, **params).fit(np.ones((10, 2)))


def stop():
    raise RuntimeError("stopped here")


@pytest.mark.parametrize(("kind", "how"), combine(WRITTEN, WAYS, together=1))
def test_a_run_is_not_resumed_with_other_rows(kind, how, folder, tmp_path):
    write(kind, folder, 1)
    model, out = fitted(), tmp_path / "y.npy"
    HAPPENS.append(stop)
    with pytest.raises(RuntimeError, match="stopped here"):
        model.predict(open_kind(kind, folder), out=out, resume=True)
    WAYS[how](kind, folder, 2)
    result = model.predict(open_kind(kind, folder), out=out, resume=True)
    np.testing.assert_array_equal(result, np.full(N_ROWS, 2.0))


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_run_is_resumed_with_the_same_rows(kind, folder, tmp_path, monkeypatch):
    write(kind, folder, 1)
    model, out, seen = fitted(), tmp_path / "y.npy", []
    HAPPENS.append(stop)
    with pytest.raises(RuntimeError, match="stopped here"):
        model.predict(open_kind(kind, folder), out=out, resume=True)
    predict = Echo.predict
    monkeypatch.setattr(Echo, "predict", lambda *a: seen.append(a) or predict(*a))
    result = model.predict(open_kind(kind, folder), out=out, resume=True)
    np.testing.assert_array_equal(result, np.full(N_ROWS, 1.0))
    assert len(seen) == 4  # of 6 chunks


@pytest.mark.parametrize("how", WAYS)
def test_nor_with_others_of_what_goes_along(how, folder, tmp_path):
    write("npy", folder, 1)
    model, out, X = fitted(), tmp_path / "y.npy", make_rows(1)
    HAPPENS.append(stop)
    with pytest.raises(RuntimeError, match="stopped here"):
        model.predict(X, add=folder / "X.npy", out=out, resume=True)
    WAYS[how]("npy", folder, 2)
    result = model.predict(X, add=folder / "X.npy", out=out, resume=True)
    np.testing.assert_array_equal(result[:, 0], np.full(N_ROWS, 3.0))


def try_to(do):
    """Return what a function returns, and what it raises."""
    try:
        return do(), None
    except (ValueError, OSError) as error:
        return None, error


def names_in(folder):
    return [folder.name, *(path.name for path in folder.rglob("*"))]


def change(kind, how, folder):
    return lambda: WAYS[how](kind, folder, 2)


CHANGES = ["again", "replaced"]
READS = ["map", "buffer", "uncached"]


@pytest.mark.parametrize(
    ("kind", "how", "read", "method"),
    [
        (kind, how, read, method)
        for kind, (read, method, how) in combine(
            WRITTEN, product(READS, ["fit", "predict"], CHANGES), together=1
        )
    ],
)
def test_old_and_new_rows_are_never_mixed(kind, how, read, method, folder):
    """Whatever is written while a run reads: an error, or all of one file."""
    if (kind, how) == ("ipc", "again"):
        # Arrow shows its batches by a map: to look at it while it is written again can
        # crash the process (README, Limits).
        return
    write(kind, folder, 1)
    # Of which rows are brought by a few.
    model, X = fitted(read=read, memory_limit="10kB"), open_kind(kind, folder)
    HAPPENS.append(change(kind, how, folder))
    result, error = try_to(lambda: getattr(model, method)(X))
    if error is not None:
        assert any(name in str(error) for name in names_in(folder))
        text = str(error).replace("\n", " ")
        assert re.search(CHANGED + r"|is truncated: .* Write it again\.", text)
        return
    result = result.estimator_.seen_ if method == "fit" else result
    np.testing.assert_array_equal(result, np.full(N_ROWS, 1.0))


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("kind", WRITTEN)
def test_rows_that_were_pickled_are_of_what_the_files_were(kind, how, folder):
    write(kind, folder, 1)
    content = pickle.dumps(open_rows_of(kind, folder))
    same = pickle.loads(content)
    np.testing.assert_array_equal(load(same), make_rows(1))
    WAYS[how](kind, folder, 2)
    with pytest.raises(ValueError, match=CHANGED):
        load(pickle.loads(content))


@pytest.mark.parametrize(("kind", "how"), combine(WRITTEN, WAYS, together=1))
def test_what_was_computed_of_other_rows_is_not_remembered(kind, how, folder, tmp_path):
    """joblib.Memory asks for the hash of a pickle."""
    write(kind, folder, 1)
    first = joblib.hash(open_rows_of(kind, folder))
    assert joblib.hash(open_rows_of(kind, folder)) == first
    WAYS[how](kind, folder, 2)
    assert joblib.hash(open_rows_of(kind, folder)) != first


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("how", CHANGES)
def test_rows_that_were_opened_before(kind, how, folder):
    """Are those of one file, and of files of row groups no others."""
    write(kind, folder, 1)
    rows = open_rows_of(kind, folder)
    WAYS[how](kind, folder, 2)
    values, error = try_to(lambda: set(load(rows)[:, 0]))
    if error is not None:
        assert re.search(CHANGED, str(error))
        return
    assert values in ({1.0}, {2.0})
    assert kind not in ("parquet", "ipc", "ipc lz4")


def open_rows_of(kind, folder):
    return open_rows(open_kind(kind, folder))


def load(rows):
    read = rows.read()
    return read.toarray() if hasattr(read, "toarray") else read


@pytest.mark.parametrize("kind", WRITTEN)
def test_out_is_none_of_the_files(kind, folder, tmp_path):
    write(kind, folder, 1)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    places = [path for path in before if path.suffix == ".npy"]
    for i, path in enumerate(before):  # a second name, and a link, that end in .npy
        places += [tmp_path / f"hard_{i}.npy", tmp_path / f"soft_{i}.npy"]
        os.link(path, places[-2])
        places[-1].symlink_to(path)
    if "zarr" in kind and kind != "zarr zip":
        # What is in such a folder belongs to it.
        places = [p for p in places if p.name.startswith("soft")] + [
            folder / "X.zarr" / "y.npy"
        ]
    text = "is the file that X is read from, which is never written to"
    for place in places:
        if "other.h5" in os.path.realpath(place) and kind == "hdf alone":
            continue
        with pytest.raises(ValueError, match=text):
            fitted().predict(open_kind(kind, folder), out=place)
    assert {p: p.read_bytes() for p in before} == before


@pytest.mark.parametrize("kind", WRITTEN)
def test_values_may_be_changed_between_two_runs(kind, folder):
    """By the user, in files of his own; Rows that were opened before see it."""
    write(kind, folder, 1)
    model, X = fitted(), open_kind(kind, folder)
    assert set(model.predict(X)) == {1.0}
    if kind in ("parquet", "ipc", "ipc lz4", "zarr zip"):
        return  # nothing in them can be changed without writing all of it again
    WAYS["again"](kind, folder, 2)
    assert set(model.predict(X)) == {2.0}
    assert set(model.predict(X)) == {2.0}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    "open_to_write",
    [
        lambda path: np.load(path, mmap_mode="r+"),
        lambda path: open_rows(path, mode="r+"),
        lambda path: open_rows(np.load(path, mmap_mode="r+")),
    ],
    ids=["map", "rows", "rows of a map"],
)
def test_who_opens_a_file_to_write_may_do_so_at_any_time(open_to_write, read, folder):
    path = write("npy", folder, 1) / "X.npy"
    X = open_to_write(path)

    def assign():
        open_rows(path, mode="r+")[50:] = make_rows(7)[50:]

    HAPPENS.append(assign)
    result = fitted(read=read, memory_limit="10kB").predict(X)
    assert result.tolist() == [1.0] * 50 + [7.0] * 10
    np.save(folder / "other.npy", make_rows(2))
    HAPPENS.append(lambda: os.replace(folder / "other.npy", path))
    result, error = try_to(lambda: fitted(read=read, memory_limit="10kB").predict(X))
    assert error is None or re.search(CHANGED, str(error))
    assert error is not None or result.tolist() == [1.0] * 50 + [7.0] * 10


@pytest.mark.parametrize(
    "array", [np.asarray, open_rows, lambda X: X[::2], np.transpose]
)
def test_values_that_are_assigned_to_a_map_are_not_resumed_with(array, tmp_path):
    """Whose pages the system has not written yet, so that no time has changed."""
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", float, (N_ROWS, N_ROWS))
    X[:], model, out = 1, fitted(), tmp_path / "y.npy"
    X[:, 1] = X[1] = np.arange(N_ROWS)
    X[:2, :2] = 1
    HAPPENS.append(stop)
    with pytest.raises(RuntimeError, match="stopped here"):
        model.predict(array(X), out=out, resume=True)
    X[:] = 2
    result = model.predict(array(X), out=out, resume=True)
    assert set(result) == {2.0}


def test_a_dataset_that_is_open_for_writing(tmp_path):
    with h5py.File(tmp_path / "X.h5", "w") as file:
        X, out = file.create_dataset("X", data=make_rows(1)), tmp_path / "y.npy"
        model = fitted(memory_limit="10kB")
        HAPPENS.append(lambda: X.write_direct(make_rows(2)))
        assert set(model.predict(X)) == {1.0, 2.0}  # as its owner wants it
        X[...] = make_rows(1)
        HAPPENS.append(stop)
        with pytest.raises(RuntimeError, match="stopped here"):
            model.predict(X, out=out, resume=True)
        X[...] = make_rows(2)
        assert set(model.predict(X, out=out, resume=True)) == {2.0}


LAZY = {
    "a dask array": lambda X: da.from_array(X, chunks=(10, 2)),
    "a Lazy": lambda X: Lazy(X),
}


class Lazy:
    """Anything that has a shape, a dtype and slices."""

    def __init__(self, X):
        self.X, self.shape, self.dtype = X, X.shape, X.dtype

    def __getitem__(self, rows):
        return self.X[rows]


@pytest.mark.parametrize("kind", LAZY)
def test_what_cannot_be_told_from_others_is_not_resumed(kind, tmp_path):
    X, out = LAZY[kind](make_rows(1)), tmp_path / "y.npy"
    text = (
        "resume=True needs rows that can be identified, and what is behind "
        f"{kind} may change unnoticed. Write them to a file with skmmap.convert(X, "
        "'X.npy'), and give that."
    )
    with raises(ValueError, text):
        fitted().predict(X, out=out, resume=True)
    assert set(fitted().predict(X, out=out)) == {1.0}


# What workers get


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_private_values_go_along_to_workers(n_jobs, folder, workers_started):
    """What was written to a map with mode="c" is in no file."""
    write("npy", folder, 1)
    X = open_rows(folder / "X.npy", mode="c")
    X[5:8] = make_rows(7)[5:8]
    X[59] = [9, 59]
    expected = make_rows(1)
    expected[5:8, 0], expected[59, 0] = 7, 9
    given = np.load(folder / "X.npy", mmap_mode="c")
    given[:] = expected
    others = open_rows(given), open_rows([given[:30], given[30:]])
    for rows in (X, X[:], X[::-1][::-1], open_rows([X[:30], X[30:]]), *others):
        jobs = joblib.Parallel(n_jobs)
        (found,) = jobs([joblib.delayed(np.array)(rows)])
        np.testing.assert_array_equal(found, expected)
        model = fitted(n_jobs=n_jobs)
        np.testing.assert_array_equal(model.predict(rows), expected[:, 0])
    np.testing.assert_array_equal(model.predict(given), expected[:, 0])
    np.testing.assert_array_equal(np.load(folder / "X.npy"), make_rows(1))


def test_a_private_map_is_sent_as_what_was_written(tmp_path):
    np.save(tmp_path / "X.npy", np.zeros((100_000, 10)))
    X = open_rows(tmp_path / "X.npy", mode="c")
    assert len(pickle.dumps(X)) < 2_000
    X[70_000] = 1
    assert len(pickle.dumps(X)) < 20_000  # the rows around it, and no more
    again = pickle.loads(pickle.dumps(X))
    again[3] = 2
    assert len(pickle.dumps(again)) < 40_000
    assert np.array(again).sum() == 30


VIEWS = {
    "map": lambda X: X,
    "rows": lambda X: X[100:200],
    "steps": lambda X: X[::3],
    "backwards": lambda X: X[::-1],
    "columns": lambda X: X[:, 2:4],
    "array": np.asarray,
    "other shape": lambda X: X.reshape(-1, 2, 2),
    "transposed": lambda X: X.T,
    "bytes": lambda X: X.view(np.uint8),
    "windows": lambda X: sliding_window_view(X, 3, axis=0),
    "memory": lambda X: np.asarray(memoryview(X)),
}


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("view", VIEWS)
def test_rows_of_a_map_are_sent_as_an_address(view, order, tmp_path):
    values = np.arange(80_000.0).reshape(-1, 4)
    np.save(tmp_path / "X.npy", np.asarray(values, order=order))
    if order == "F" and view in ("other shape", "bytes"):
        return  # which NumPy makes copies for, or refuses
    X = VIEWS[view](np.load(tmp_path / "X.npy", mmap_mode="r"))
    assert "MB on disk" not in repr(open_rows(X))
    for rows in (r := open_rows(X), r[1:], r[::7], open_rows([r, r[1:9]])):
        content = pickle.dumps(rows)
        assert len(content) < 3_000
        np.testing.assert_array_equal(np.array(pickle.loads(content)), np.array(rows))


# What readers hand out


@pytest.mark.parametrize(("kind", "how"), combine(WRITTEN, READS, together=1))
def test_no_memory_is_handed_out_that_was_not_filled(kind, how, folder, monkeypatch):
    write(kind, folder, 1)
    X, empty = make_rows(1), np.empty

    def poison(*args, **kwargs):
        out = empty(*args, **kwargs)
        if out.size and not out.dtype.hasobject:
            out.reshape(-1).view(np.uint8)[:] = 0xAB
        return out

    monkeypatch.setattr(np, "empty", poison)
    store = find_source(open_rows_of(kind, folder)).for_run(how)
    dense = to_dense if store.store.is_sparse else np.asarray
    for start, stop in [(0, N_ROWS), (0, 0), (3, 4), (12, 41), (24, 40), (59, 60)]:
        np.testing.assert_array_equal(dense(store.read(start, stop)), X[start:stop])
        if store.store.is_array:
            out = poison((stop - start, 2))
            store.read_into(start, stop, out)
            np.testing.assert_array_equal(out, X[start:stop])
    for rows in ([0], [3, 3, 59], [1, 20, 21, 22, 40], list(range(0, 60, 7)), []):
        picked = store.select(np.array(rows, dtype=np.int64))
        np.testing.assert_array_equal(dense(picked.load()), X[rows])


def to_dense(rows):
    return rows.toarray()


@pytest.mark.parametrize(("kind", "how"), combine(WRITTEN, READS, together=1))
def test_fewer_rows_than_there_were_are_an_error(kind, how, folder):
    """Of other files under the names, which end earlier."""
    write(kind, folder, 1)
    source = find_source(open_rows_of(kind, folder)).for_run(how)
    short = folder.with_name("short")
    short.mkdir()
    WRITTEN[kind][0](short, make_rows(2, 43))
    for path in short.iterdir():
        if path.is_dir():
            shutil.rmtree(folder / path.name)
            shutil.move(path, folder / path.name)
        else:
            os.replace(path, folder / path.name)
    read, error = try_to(lambda: source.read(0, N_ROWS))
    assert error is not None or kind in SHOWN_AS_IT_WAS
    if error is None:
        np.testing.assert_array_equal(read, make_rows(1))


@pytest.mark.parametrize("kind", ["parquet", "ipc", "ipc lz4"])
def test_row_groups_that_do_not_fill_what_was_asked_for(kind, folder, monkeypatch):
    write(kind, folder, 1)
    rows = open_rows_of(kind, folder)
    store = find_source(rows).store
    read = store._read_group
    monkeypatch.setattr(store, "_read_group", lambda number: read(number).slice(1))
    text = f"{store.where!r} has 55 of rows 0 to 59. Open it again."
    with raises(ValueError, text):
        rows.read()


# Of which this process has a map, or a handle of the library's.
SHOWN_AS_IT_WAS = "private", "zarr zip", "map", "view with steps", "transposed"


# Links of HDF5


def test_links_read_what_they_name(tmp_path):
    X = make_rows(1)
    write_links(tmp_path, X)
    for key in ("away", "group", "group/data", "twice"):
        rows = open_rows(tmp_path / "X.h5", key=key)
        with h5py.File(tmp_path / "X.h5") as file:
            of_open = open_rows(file[key])
            sent = [pickle.loads(pickle.dumps(r)) for r in (rows, of_open)]
            for found in (rows, of_open, *sent):
                np.testing.assert_array_equal(np.array(found), X)
    with rows:
        np.testing.assert_array_equal(rows.read(), X)


def test_a_link_that_leads_elsewhere_by_now(tmp_path):
    write_links(tmp_path, make_rows(1))
    rows = open_rows(tmp_path / "X.h5", key="away")
    (tmp_path / "other.h5").rename(tmp_path / "third.h5")
    with h5py.File(tmp_path / "X.h5", "r+") as file:
        del file["away"]
        file["away"] = h5py.ExternalLink("third.h5", "/deep/data")
    text = (
        f"'X.h5:/away' is a link that has changed: it led to "
        f"{str(tmp_path / 'other.h5')!r}, and leads to {str(tmp_path / 'third.h5')!r}. "
        "Open it again."
    )
    (tmp_path / "other.h5").touch()
    with pytest.raises(ValueError, match=re.escape(text) + "|" + CHANGED):
        rows.read()


def test_raw_data_that_end_too_early(tmp_path):
    """HDF5 reads zeros there, without a word."""
    write_raw_data(tmp_path, make_rows(1))
    rows = open_rows(tmp_path / "X.h5")
    os.truncate(tmp_path / "data.npy", 500)
    text = (
        f"{str(tmp_path / 'data.npy')!r} is truncated: /X of "
        f"{str(tmp_path / 'X.h5')!r} needs 960 bytes of it, and it has 500. Write it "
        "again."
    )
    with raises(ValueError, text):
        rows.read()
    with raises(ValueError, text):
        open_rows(tmp_path / "X.h5")


# What HDF5 files lead to, at the end of all references


def write_middle(kind, folder, end="s.h5"):
    """Let a virtual dataset lead to the rows through another file."""
    with h5py.File(folder / "m.h5", "w") as file:
        if kind == "virtual":
            file.create_virtual_dataset("x", lead_to(end))
        elif kind == "here":
            file.create_virtual_dataset("inner", lead_to(end))
            file.create_virtual_dataset("x", lead_to(".", "inner"))
        elif kind == "links":
            file["group"] = h5py.ExternalLink(end, "/")
            file["x"] = h5py.SoftLink("group/x")
        elif kind == "raw":
            raw = [(folder / end, 0, h5py.h5f.UNLIMITED)]
            file.create_dataset("x", (N_ROWS, 2), float, external=raw)
    with h5py.File(folder / "X.h5", "w") as file:
        file.create_virtual_dataset("X", lead_to("m.h5"))


def lead_to(path, name="x", n_rows=N_ROWS):
    layout = h5py.VirtualLayout((n_rows, 2), float)
    layout[:] = h5py.VirtualSource(path, name, (n_rows, 2))
    return layout


def write_end(kind, folder, value):
    """Write the rows that are at the end of it, and return their file."""
    if kind == "raw":
        make_rows(value).tofile(folder / "s.h5")
        return folder / "s.h5"
    with h5py.File(folder / "new.h5", "w") as file:
        file["x"] = make_rows(value)
    # HDF5 does not write to a file itself that the process has open.
    return shutil.copyfile(folder / "new.h5", folder / "s.h5")


@pytest.mark.parametrize("kind", ["virtual", "here", "links", "raw"])
def test_rows_at_the_end_of_references(kind, tmp_path):
    write_middle(kind, tmp_path)
    end = write_end(kind, tmp_path, 1)
    rows = open_rows(tmp_path / "X.h5")
    content, first = pickle.dumps(rows), joblib.hash(rows)
    assert first == joblib.hash(open_rows(tmp_path / "X.h5"))
    np.testing.assert_array_equal(pickle.loads(content).read(), make_rows(1))
    HAPPENS.append(lambda: write_end(kind, tmp_path, 2))
    with pytest.raises(ValueError, match=f"{end.name}' {CHANGED}"):
        fitted(memory_limit="10kB").predict(rows)
    with pytest.raises(ValueError, match=f"{end.name}' {CHANGED}"):
        pickle.loads(content).read()
    assert joblib.hash(open_rows(tmp_path / "X.h5")) != first
    if kind == "raw":
        os.truncate(end, 500)
        middle = str(tmp_path / "m.h5")
        text = f"{str(end)!r} is truncated: /x of {middle!r} needs 960 bytes"
        with pytest.raises(ValueError, match=re.escape(text)):
            rows.read()
        return
    end.unlink()
    with pytest.raises(FileNotFoundError, match=end.name):
        rows.read()


@pytest.mark.parametrize("kind", ["virtual", "links"])
def test_references_that_lead_elsewhere_at_the_next_run(kind, tmp_path):
    write_middle(kind, tmp_path)
    write_end(kind, tmp_path, 1)
    rows = open_rows(tmp_path / "X.h5")
    shutil.copy(tmp_path / "s.h5", tmp_path / "t.h5")
    write_middle(kind, tmp_path, end="t.h5")
    text = (
        f"'X.h5:/X' is a link that has changed: it led to {str(tmp_path / 's.h5')!r}, "
        f"and leads to {str(tmp_path / 't.h5')!r}. Open it again."
    )
    with raises(ValueError, text):
        fitted().predict(rows)
    with raises(ValueError, text):
        pickle.dumps(rows)


def test_sources_are_opened_again_only_after_a_change(tmp_path, monkeypatch):
    write_middle("virtual", tmp_path)
    write_end("virtual", tmp_path, 1)
    rows = open_rows(tmp_path / "X.h5")
    fitted().predict(rows)
    opened, open_file = [], h5py.File

    def open_counted(path, *args, **options):
        opened.append(os.path.basename(path))
        return open_file(path, *args, **options)

    monkeypatch.setattr(h5py, "File", open_counted)
    fitted().predict(rows)
    assert set(opened) == {"X.h5"}
    (tmp_path / "s.h5").touch()
    fitted().predict(rows)
    assert set(opened) == {"X.h5", "m.h5", "s.h5"}


def test_links_through_a_file_that_leads_elsewhere(tmp_path):
    """To another dataset of the same file, which only the file between tells."""
    for name, value in (("m.h5", 1), ("top.h5", 0)):
        with h5py.File(tmp_path / name, "w") as file:
            file["x"] = h5py.ExternalLink("s.h5" if value else "m.h5", "/x")
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["x"], file["y"] = make_rows(1), make_rows(2)
    first = joblib.hash(open_rows(tmp_path / "top.h5", key="x"))
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["x"] = h5py.ExternalLink("s.h5", "/y")
    assert joblib.hash(open_rows(tmp_path / "top.h5", key="x")) != first


def write_series(file, path: str, name: str) -> None:
    """Make rows of all files, or datasets, whose name has a number: h5py cannot."""
    h5s, unlimited = h5py.h5s, h5py.h5s.UNLIMITED
    space = h5s.create_simple((15, 2), (unlimited, 2))
    space.select_hyperslab((0, 0), (unlimited, 1), stride=(5, 2), block=(5, 2))
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_layout(h5py.h5d.VIRTUAL)
    made.set_virtual(space, path.encode(), name.encode(), h5s.create_simple((5, 2)))
    whole = h5s.create_simple((0, 2), (unlimited, 2))
    h5py.h5d.create(file.id, b"X", h5py.h5t.IEEE_F64LE, whole, made)


@pytest.mark.parametrize(
    ("path", "name"), [("p%b.h5", "x"), (".", "x%b"), ("p0.h5", "/x%b")]
)
def test_a_series_of_sources(path, name, tmp_path):
    """Of which there are as many as are found, each of them with sources again."""
    for i in range(3):
        with h5py.File(tmp_path / f"s{i}.h5", "w") as file:
            file["x"] = make_rows(i, 5)
    with h5py.File(tmp_path / "X.h5", "w") as top:
        write_series(top, path, name)
    for i in range(3):
        place = "X.h5" if path == "." else path.replace("%b", str(i))
        with h5py.File(tmp_path / place, "a") as file:
            layout = lead_to(f"s{i}.h5", n_rows=5)
            file.create_virtual_dataset(name.replace("%b", str(i)), layout)
    rows = open_rows(tmp_path / "X.h5", key="X")
    assert rows.read()[:, 0].tolist() == [0] * 5 + [1] * 5 + [2] * 5
    known = {os.path.basename(path) for path in find_source(rows).store.identity.states}
    assert known >= {"X.h5", "s0.h5", "s1.h5", "s2.h5"}


MISSING = {
    "a file": "{end!r} is missing: /x of {middle!r} has rows of it",
    "a dataset": "{end!r} has no dataset 'x': /x of {middle!r} has rows of it",
}


@pytest.mark.parametrize("what", MISSING)
@pytest.mark.parametrize("is_named", [True, False])
def test_sources_that_are_missing(what, is_named, tmp_path):
    """HDF5 reads its fill value there, which is no value unless somebody said so."""
    write_middle("virtual", tmp_path)
    if what == "a dataset":
        h5py.File(tmp_path / "s.h5", "w").close()
    if is_named:
        with h5py.File(tmp_path / "m.h5", "w") as file:
            file.create_virtual_dataset("x", lead_to("s.h5"), fillvalue=np.nan)
        assert np.isnan(open_rows(tmp_path / "X.h5").read()).all()
        return
    places = {"end": str(tmp_path / "s.h5"), "middle": str(tmp_path / "m.h5")}
    text = MISSING[what].format(**places) + (
        ", which HDF5 reads as 0.0. Restore it, or write the virtual dataset with "
        "fillvalue=np.nan."
    )
    with raises(ValueError, text):
        open_rows(tmp_path / "X.h5")


# Files of HDF5 that are open, and are not what their names say


def replace_open(folder):
    os.replace(folder / "there" / "X.h5", folder / "X.h5")


def go_to_a_namesake(folder):
    os.chdir(folder / "there")


def go_away(folder):
    os.chdir(folder.parent)


def save_parts(path, value):
    with h5py.File(path, "w") as file:
        X = file.create_group("sparse")
        X.attrs.update({"encoding-type": "csr_matrix", "shape": (N_ROWS, 2)})
        X["data"], X["indices"] = make_rows(value).ravel(), np.tile([0, 1], N_ROWS)
        X["indptr"], file["dense"] = ENDS, make_rows(value)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps files that are open")
@pytest.mark.parametrize("key", ["dense", "sparse"])
@pytest.mark.parametrize("move", [replace_open, go_to_a_namesake, go_away])
def test_an_open_file_that_is_not_at_its_path(move, key, folder, monkeypatch):
    (folder / "there").mkdir(parents=True)
    monkeypatch.chdir(folder)
    save_parts("X.h5", 1)
    save_parts("there/X.h5", 2)
    with h5py.File("X.h5") as file:
        move(folder)
        rows = open_rows(file[key])
        assert "0 bytes in memory" in repr(rows)
        np.testing.assert_array_equal(load(rows), make_rows(1))
        # Threads read it, since no other process can.
        assert set(fitted(n_jobs=2).predict(file[key])) == {1.0}
        part = "/data" if key == "sparse" else ""
        text = (
            f"Rows of 'X.h5:/{key}{part}' cannot be pickled: the file that is open is "
            f"not the one at {os.path.abspath('X.h5')!r}. Open it again, by its full "
            "path."
        )
        with raises(TypeError, text):
            pickle.dumps(rows)
        with pytest.raises(ValueError, match="rows that can be identified"):
            fitted().predict(rows, out="y.npy", resume=True)


@pytest.mark.parametrize("kind", ["hdf", "hdf link"])
def test_a_file_of_hdf5_that_was_replaced_before_it_is_held(kind, folder):
    write(kind, folder, 1)
    rows = open_rows_of(kind, folder)
    WAYS["replaced"](kind, folder, 2)
    with pytest.raises(ValueError, match=CHANGED), rows:
        pass
    with h5py.File(folder / "X.h5", "a"):  # it is not left open
        pass


@pytest.mark.parametrize("options", [{}, {"zarr_format": 2}, {"shards": (10, 2)}])
def test_an_open_array_of_zarr_in_another_folder(options, folder, monkeypatch):
    options = {"chunks": (5, 2), "shape": (N_ROWS, 2), "dtype": float} | options
    for value, place in enumerate([folder / "there", folder]):
        place.mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(place)
        zarr.create_array("X.zarr", **options)[:] = make_rows(value)
    array = zarr.open_array("X.zarr", mode="r")
    rows = open_rows(array)
    monkeypatch.chdir("there")
    np.testing.assert_array_equal(rows.read(), make_rows(1))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows)), make_rows(1))
    # Which it reads itself now.
    np.testing.assert_array_equal(open_rows(array).read(), array[:])


# What is written to


def csr_of_map(X):
    return sparse.csr_matrix((X.reshape(-1), np.tile([0, 1], N_ROWS), ENDS))


ENDS = np.arange(0, 2 * N_ROWS + 1, 2)
HOLDERS = {
    "map": lambda X: X,
    "list of rows": list,
    "frame": lambda X: pd.DataFrame(X, columns=["a", "b"], copy=False),
    "sparse matrix": csr_of_map,
    "rows": open_rows,
    "selection": lambda X: open_rows(X)[::-1],
    "part": lambda X: open_rows([open_rows(X)[:20], open_rows(X)[20:]]),
    "masked array": lambda X: np.ma.array(X, mask=np.zeros(X.shape, bool), copy=False),
    "windows": lambda X: sliding_window_view(X, 2, axis=1)[:, 0],
    "xarray": lambda X: xr.DataArray(X[::-1]),
    "something lazy": lambda X: Lazy(X),
    "parts of something lazy": lambda X: open_rows(
        [open_rows(Lazy(X))[:20], open_rows(Lazy(X))[20:]]
    ),
}
# Which copy what they are given.
COPIERS = {
    "dask": lambda X: da.from_array(X, chunks=(20, 2)),
    "dask in xarray": lambda X: xr.DataArray(X).chunk(dim_0=20),
}
ALL_HOLDERS = HOLDERS | COPIERS


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
@pytest.mark.parametrize("holder", ALL_HOLDERS)
def test_out_is_no_file_of_a_map_inside(holder, mode, tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, make_rows(1))
    X = ALL_HOLDERS[holder](np.load(path, mmap_mode=mode))
    before = path.read_bytes()
    if holder not in ("masked array", "sparse matrix"):  # which are refused as such
        with pytest.raises(ValueError, match="is a file of src, too"):
            convert(X, path)
    with pytest.raises(ValueError, match="is the file that X is read from"):
        fitted().predict(X, out=path)
    out = np.load(path, mmap_mode="r+")[:, 0]
    if holder not in COPIERS:
        with pytest.raises(ValueError, match="is the array that X is read from"):
            fitted().predict(X, out=out)
    assert path.read_bytes() == before


def test_nor_a_file_that_is_named_inside(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, make_rows(1))
    load = dask.delayed(np.load)(str(path), mmap_mode="r")
    X = da.from_delayed(load, (N_ROWS, 2), float)
    with pytest.raises(ValueError, match="is the file that X is read from"):
        fitted().predict(X, out=path)
    other = tmp_path / "other.npy"
    np.save(other, make_rows(1))  # the same values, which nobody reads there
    assert set(fitted().predict(X, out=other)) == {1.0}


@pytest.mark.parametrize("name", ["add", "whole"])
def test_nor_of_what_goes_along(name, folder):
    path = write("npy", folder, 1) / "X.npy"
    add = np.load(path, mmap_mode="r")
    add = add if name == "add" else add[:1]  # has no value for each row
    with pytest.raises(ValueError, match="is the file that add is read from"):
        fitted().predict(make_rows(1), add=add, out=path)


@pytest.mark.parametrize("holder", HOLDERS)
def test_an_array_that_is_written_to_is_no_part_of_x(holder):
    values = make_rows(1)
    X, before = HOLDERS[holder](values), values.copy()
    with pytest.raises(ValueError, match="is the array that X is read from"):
        fitted().predict(X, out=values[:, 0])
    np.testing.assert_array_equal(values, before)


def test_a_folder_for_results_is_in_no_source(folder):
    write("zarr 3", folder, 1)
    with pytest.raises(ValueError, match="is the folder that X is read from"):
        fitted().predict(folder / "X.zarr", out=folder / "X.zarr" / "y")


@pytest.mark.parametrize("kind", WRITTEN)
def test_convert_writes_to_none_of_the_files(kind, folder, tmp_path):
    write(kind, folder, 1)
    files = [path for path in folder.rglob("*") if path.is_file()]
    for i, path in enumerate(files):
        link = tmp_path / f"{i}.npy"
        link.symlink_to(path)
        for place in [link, path] if path.suffix == ".npy" else [link]:
            if kind == "CSR":
                continue  # sparse rows are refused
            with pytest.raises(ValueError, match="is a file of src, too"):
                convert(open_kind(kind, folder), place)
    if kind != "CSR":
        rows = convert(open_kind(kind, folder), tmp_path / "copy.npy")
        np.testing.assert_array_equal(rows, make_rows(1))


@pytest.mark.parametrize("kind", ["npy", "hdf", "zarr 3", "parquet"])
def test_what_is_converted_is_of_one_file(kind, folder, tmp_path, monkeypatch):
    write(kind, folder, 1)
    monkeypatch.setattr("skmmap.write.row_batches._BATCH_NBYTES", 160)
    rows, seen = open_rows_of(kind, folder), []
    source, append = find_source(rows), NpyWriter.append

    def write_meanwhile(writer, batch):
        append(writer, batch)
        seen.append(len(batch))
        if len(seen) == 1:
            WAYS["again"](kind, folder, 2)

    monkeypatch.setattr(NpyWriter, "append", write_meanwhile)
    monkeypatch.setattr(type(source.store), "block_rows", 10)
    with pytest.raises(ValueError, match=CHANGED):
        convert(rows, tmp_path / "copy.npy")
    assert not (tmp_path / "copy.npy").exists()


# What the system says of files


def test_the_clock_of_files_is_waited_for(tmp_path, monkeypatch):
    path, slept = tmp_path / "X", []
    path.write_bytes(b"1")
    monkeypatch.setattr("time.sleep", slept.append)
    now = 10**18 + 500_000_000
    monkeypatch.setattr("time.time_ns", lambda: now)
    for age, expected in {
        5_000_001: 0.007,
        13_000_001: None,
        1_500_000_001: None,
        500_000_000: 1.5,  # of a file system that counts seconds
        2_500_000_000: None,
        -(10**10): None,  # of a machine whose clock is ahead
    }.items():
        os.utime(path, ns=(now - age, now - age))
        slept.clear()
        assert await_tick(path) == (expected is not None)
        np.testing.assert_allclose(slept, [expected] if expected else [], atol=1e-6)


def test_inodes_are_of_one_device():
    """Another machine may see others, and names, sizes and times tell there."""
    state = FileState(1, 2, 3, 4, 5)
    assert state.is_same(state._replace(changed=6))
    assert state.is_same(state._replace(device=7, inode=8))
    assert not state.is_same(state._replace(inode=8))
    assert not state.is_same(state._replace(device=7, inode=8, modified=9))
    assert not state.is_same(state._replace(nbytes=9))


def test_a_file_that_is_gone(tmp_path):
    np.save(tmp_path / "X.npy", make_rows(1))
    write_parquet(tmp_path, make_rows(1))
    content = pickle.dumps([open_rows(tmp_path / n) for n in ("X.npy", "X.parquet")])
    for name, rows in zip(("X.npy", "X.parquet"), pickle.loads(content), strict=True):
        (tmp_path / name).unlink()
        with pytest.raises(FileNotFoundError, match=name):
            rows.read()
