"""Is this the same data? One answer for every container and every door."""

import os
import pickle
import re

import dask.array as da
import h5py
import joblib
import numpy as np
import pytest
from helpers import in_file_order, raises
from sklearn.base import BaseEstimator
from sources import N_ROWS, WAYS, WRITTEN, make_rows, open_kind, write

from skmmap import open_rows

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


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", WRITTEN)
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


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("method", ["fit", "predict"])
@pytest.mark.parametrize("kind", WRITTEN)
def test_old_and_new_rows_are_never_mixed(kind, method, how, read, folder):
    """Whatever is written while a run reads: an error, or all of one file."""
    write(kind, folder, 1)
    # Of which rows are brought by a few.
    model, X = fitted(read=read, memory_limit=10_000), open_kind(kind, folder)
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


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", WRITTEN)
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
    result = fitted(read=read, memory_limit=10_000).predict(X)
    assert result.tolist() == [1.0] * 50 + [7.0] * 10
    np.save(folder / "other.npy", make_rows(2))
    HAPPENS.append(lambda: os.replace(folder / "other.npy", path))
    result, error = try_to(lambda: fitted(read=read, memory_limit=10_000).predict(X))
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
        model = fitted(memory_limit=10_000)
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
        "resume=True needs rows that can be told from others, and what is behind "
        f"{kind} may change unnoticed. Write them to a file with skmmap.convert(X, "
        "'X.npy'), and give that."
    )
    with raises(ValueError, text):
        fitted().predict(X, out=out, resume=True)
    assert set(fitted().predict(X, out=out)) == {1.0}
