"""Which arrays and files are behind an object that nobody knows."""

import functools
import os
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from scipy import sparse
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit
from skmmap.disk import referents as _referents
from skmmap.disk.identity import Identity, find_memmap
from skmmap.formats.open import open_source

ROWS = np.arange(6.0).reshape(3, 2)


class Experiment:
    """Rows, results, and the name of a file that is not read from."""

    def __init__(self, rows, **more):
        self._rows, self.shape, self.dtype = rows, rows.shape, rows.dtype
        self.ndim = rows.ndim
        self.scaled, self.cache = np.empty(rows.shape), "old.npy"
        vars(self).update(more)

    def __getitem__(self, key):
        return self._rows[key]


def with_itself(rows):
    holder = [rows]
    holder.append(holder)
    return holder


@pytest.mark.parametrize(
    "hold",
    [
        lambda rows: rows,
        with_itself,
        lambda rows: {"a": [(rows,)]},
        lambda rows: lambda: rows,
        lambda rows: lambda given=rows: given,
        lambda rows: functools.partial(np.add, rows),
        lambda rows: [rows].__getitem__,
        lambda rows: xr.DataArray(rows),
        lambda rows: {"x": xr.Variable(("x", "y"), rows)},
    ],
)
def test_what_an_object_refers_to_is_found(hold):
    arrays, _ = _referents.find_referents([hold(ROWS)])
    assert [array is ROWS for array in arrays] == [True]


@pytest.mark.parametrize(
    "hold",
    [
        lambda rows: Experiment(rows[:0], scaled=rows),
        lambda rows: Experiment(rows[:0], scaled=rows).__getitem__,
        lambda rows: xr.DataArray(1.0, attrs={"before": rows}),
        lambda rows: xr.DataArray(np.ones(3), {"at": ("t", rows[:, 0])}, "t"),
    ],
)
def test_what_need_not_be_read_from_is_not(hold):
    arrays, texts = _referents.find_referents([hold(ROWS)])
    assert not any(np.may_share_memory(array, ROWS) for array in arrays)
    assert "old.npy" not in texts


def test_a_mask_is_an_array_too():
    masked = np.ma.array(ROWS, mask=ROWS > 2, copy=False)
    (found, mask), _ = _referents.find_referents([masked])
    assert found is masked
    assert np.may_share_memory(mask, masked.mask)


class Broken:
    shape = (3, 2)

    def __getitem__(self, key):
        raise OSError("It is gone.")


class Itself(Broken):
    def __getitem__(self, key):
        return self


@pytest.mark.parametrize("value", [Broken(), Itself(), object()])
def test_what_cannot_be_sliced_is_left_out(value):
    arrays, texts = _referents.find_referents([value, "a.npy"])
    assert not any(array.dtype != object for array in arrays)
    assert "a.npy" in texts


def test_names_are_those_of_the_file(tmp_path, monkeypatch):
    for name in ("X.npy", "y.npy", "data.nc", "none"):
        (tmp_path / name).touch()
    (tmp_path / "link.npy").symlink_to("data.nc")
    names = {path.name for path in tmp_path.iterdir() if check_named(path)}
    assert names == {"X.npy", "link.npy", "data.nc"}
    assert not check_named(tmp_path / "new.npy")
    assert not check_named(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert check_named("X.npy")


def check_named(path):
    """Whether a holder of the names of two files names the one at ``path``."""
    folder = Path(path).parent
    given = {"a": str(folder / "X.npy"), "b": [folder / "data.nc"], "c": "a\0.npy"}
    return _referents.is_named(path, _referents.find_referents(given)[1])


def test_no_other_name_is_asked_of_the_disk(tmp_path, monkeypatch):
    (tmp_path / "X.npy").touch()
    stat, asked = os.stat, []

    def ask(path, **options):
        asked.append(path)
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", ask)
    texts = [f"/data/{i}.png" for i in range(100)] + ["key-1", "/data/other.npy"]
    assert not _referents.is_named(tmp_path / "X.npy", texts)
    monkeypatch.undo()
    assert asked.count("/data/other.npy") == 1
    assert not any(str(path).endswith((".png", "key-1")) for path in asked)


def test_no_more_is_looked_at_than_takes_a_moment(monkeypatch):
    monkeypatch.setattr(_referents, "_MOST", 50)
    holder = [[number] for number in range(1_000)]
    holder[-1].append(ROWS)
    assert _referents.find_referents(holder) == ([], set())

    monkeypatch.setattr(_referents, "_MOST_SLICES", 6)
    parts = [Experiment(ROWS.copy()) for _ in range(3)]
    assert len(_referents.find_referents(parts)[0]) == 2 * len(ROWS)


# What rows of it are is not guessed from what an object of a user's own class holds.


def test_results_that_are_held_beside_the_rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("old.npy", ROWS)
    X = Experiment(ROWS)
    model = ChunkedFit(StandardScaler(), shuffle=False).fit(ROWS)
    expected = model.transform(ROWS)
    np.testing.assert_array_equal(model.transform(X, out=X.scaled), expected)
    np.testing.assert_array_equal(model.transform(X, out="old.npy"), expected)
    assert open_source(X, "X").store.identity == Identity(is_known=False)


class SparseRows(Experiment):
    def __getitem__(self, key):
        rows = super().__getitem__(key)
        ends = np.arange(0, rows.size + 1, 2)
        return sparse.csr_array((rows.reshape(-1), np.tile([0, 1], len(rows)), ends))


HELD = {
    "rows": Experiment,
    "masked rows": lambda rows: Experiment(np.ma.array(rows, copy=False)),
    "rows of xarray": lambda rows: Experiment(xr.DataArray(rows)),
    "sparse rows": lambda rows: SparseRows(rows),
    "dask": lambda rows: da.from_array(Experiment(rows), chunks=2),
}
N_ROWS = 6


@pytest.mark.parametrize("hold", HELD.values(), ids=HELD)
def test_what_slices_are_views_of(hold, tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, np.arange(4.0 * N_ROWS).reshape(-1, 2))
    store = open_source(hold(np.load(path, mmap_mode="r")[:N_ROWS]), "X").store
    assert store.reads_from(path)
    assert store.shares_memory(np.load(path, mmap_mode="r+"))
    assert not store.reads_from(tmp_path / "y.npy")
    assert not store.shares_memory(np.ones(N_ROWS))


@pytest.mark.parametrize("start", [0, 3, 6, 9])
@pytest.mark.parametrize("holder", ["rows", "dask"])
def test_arrays_that_only_begin_or_end_with_rows(holder, start):
    values = np.zeros((5 * N_ROWS, 2))
    store = open_source(HELD[holder](values[6:12]), "X").store
    assert store.shares_memory(values[start : start + N_ROWS]) == (start > 0)
    assert not store.shares_memory(values[12:])


def test_a_base_that_is_the_object_itself():
    assert np.dtype(float).base is np.dtype(float)
    assert find_memmap(np.dtype(float)) is None
