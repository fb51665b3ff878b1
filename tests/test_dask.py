"""Dask arrays are what their blocks are; what would be loaded whole is refused."""

import array
import ctypes
from collections import Counter

import dask.array as da
import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import raises
from scipy import sparse
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import MaxAbsScaler

from skmmap import ChunkedFit, convert, open_rows
from skmmap.formats.open import open_source

X = np.random.default_rng(0).normal(size=(60, 4)).astype("f4")
Y = np.arange(60) % 2
SPARSE = sparse.random(60, 7, 0.3, format="csr", dtype="f4", random_state=0)


@pytest.mark.parametrize("said", ["i2", "f8", "u1"])
@pytest.mark.parametrize("first", [(25, 25, 10), (60,)])
def test_the_type_is_that_of_the_first_block(said, first):
    blocks = da.from_array(X, chunks=(first, 4))
    lies = blocks.map_blocks(np.array, dtype=said, meta=np.empty((0, 0), said))
    assert lies.dtype == said
    rows = open_rows(lies)
    assert rows.dtype == X.dtype
    assert np.array_equal(np.asarray(rows), X)
    model = ChunkedFit(SGDClassifier(random_state=0, max_iter=3, tol=None))
    assert np.array_equal(model.fit(lies, Y).coef_, model.fit(X, Y).coef_)


def test_a_later_block_of_another_type_is_an_error():
    def widen(block, block_info=None):
        number = block_info[0]["chunk-location"][0]
        return block if number == 0 else block.astype("f8")

    meta = np.empty((0, 0), "f4")
    lies = da.from_array(X, chunks=(25, 4)).map_blocks(widen, dtype="f4", meta=meta)
    said = (
        "a dask array is of float32 in its first rows, and rows 30 to 39 of it are of "
        "float64, whose values it may not hold. Write it again with values of one "
        "type."
    )
    with raises(ValueError, said):
        open_rows(lies).read(30, 40)


def test_masked_blocks_have_nan():
    masked = da.ma.masked_greater(da.from_array(X, chunks=(25, 2)), 1)
    expected = np.where(X > 1, np.nan, X)
    np.testing.assert_array_equal(np.asarray(open_rows(masked)), expected)
    whole = da.ma.masked_equal(da.from_array(np.arange(60), chunks=25), 41)
    with pytest.raises(ValueError, match="a dask array has a missing value in row 41"):
        np.asarray(open_rows(whole))


@pytest.mark.parametrize("columns", [3, 7])
@pytest.mark.parametrize("meta", [None, np.empty((0, 0))])
@pytest.mark.parametrize("to", [sparse.csr_matrix, sparse.csc_array])
def test_sparse_blocks_are_csr_rows(to, meta, columns):
    dense = da.from_array(SPARSE.toarray(), chunks=(25, columns))
    blocks = dense.map_blocks(to, dtype="f4", meta=meta)
    source = open_source(blocks, "X")
    assert source.store.is_sparse
    for start, stop in [(0, 60), (20, 30), (25, 50), (59, 60), (7, 7)]:
        assert (source.read(start, stop) != SPARSE[start:stop]).nnz == 0
    picked = np.array([50, 3, 26])
    assert (source.select(picked).read(0, 3) != SPARSE[picked]).nnz == 0
    model = ChunkedFit(MaxAbsScaler(), chunk_size=7)
    assert np.array_equal(model.fit(blocks).scale_, MaxAbsScaler().fit(SPARSE).scale_)
    with pytest.raises(TypeError, match="src is a sparse matrix"):
        convert(blocks, "a.npy")


def test_the_block_that_tells_the_type_is_kept():
    seen = Counter()

    def count(block, block_info=None):
        seen[block_info[0]["chunk-location"]] += 1
        return block

    blocks = da.from_array(X, chunks=(25, 4)).map_blocks(count, meta=X[:0])
    ChunkedFit(MaxAbsScaler(), chunk_size=10).fit(blocks)
    assert set(seen.values()) == {1}


# What would be loaded whole.


def test_dask_frames_are_read_by_their_arrays_or_files(tmp_path):
    dd = pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=Y)
    parts = dd.from_pandas(frame, npartitions=3)
    names = list("abcd")
    said = (
        " has no known length, and would be loaded whole. Give "
        "frame.to_dask_array(lengths=True), which counts them and is computed "
        "partition by partition"
    )
    written = ", or write it once, frame.to_parquet(folder), and give the folder"
    model = ChunkedFit(SGDClassifier(random_state=0, max_iter=3, tol=None))
    for use in (open_rows, model.fit, lambda x: convert(x, tmp_path / "a.npy")):
        with raises(TypeError, f"A dask DataFrame{said}{written}."):
            use(parts)
    with raises(TypeError, f"A dask Series{said}."):
        model.fit(X, parts.y)
    loaded = model.fit(X, Y).coef_
    counted = parts[names].to_dask_array(lengths=True)
    y = parts.y.to_dask_array(lengths=True)
    assert np.array_equal(model.fit(counted, y).coef_, loaded)
    parts[names].to_parquet(tmp_path / "folder")
    assert np.array_equal(model.fit(tmp_path / "folder", Y).coef_, loaded)


class Frame:
    """A table of another library."""

    columns = "a", "b"
    asked = False

    def __array__(self, dtype=None, copy=None):
        type(self).asked = True
        return np.ones((3, 2))


class Sliceable(Frame):
    def __getitem__(self, key):
        return np.ones((3, 2))[key]


class Computed:
    def compute(self):
        raise AssertionError("nothing is computed")

    def to_parquet(self, path):
        raise AssertionError("nothing is written")


@pytest.mark.parametrize(
    ("make", "todo"),
    [
        (Frame, ", and give the path; or np.asarray(X), where that fits in memory."),
        (
            Sliceable,
            ", and give the path; or np.asarray(X), where that fits in memory.",
        ),
        (Computed, ", X.to_parquet('X.parquet'), and give the path."),
    ],
)
def test_what_would_be_loaded_whole_is_refused(make, todo):
    given = make()
    said = (
        f"X is of the type {type(given).__name__}, which would be loaded whole. Write "
        f"it to a file once{todo}"
    )
    with raises(TypeError, said):
        ChunkedFit(MaxAbsScaler()).fit(given)
    assert not getattr(given, "asked", False)


class Items:
    """As a dataset of torch: of any item, and nothing says which is the last one."""

    def __len__(self):
        return 3

    def __getitem__(self, number):
        raise AssertionError("no item is taken")


def test_items_without_an_end_are_refused():
    said = (
        "X is of the type Items, which has items, and no shape. Give it shape and "
        "dtype, and rows for slices; or give a generator of batches: arrays that are "
        "made of some items each."
    )
    with raises(TypeError, said):
        ChunkedFit(MaxAbsScaler()).fit(Items())
    untyped = Items()
    untyped.shape = 3, 2
    with raises(TypeError, said.replace("no shape", "no dtype")):
        ChunkedFit(MaxAbsScaler()).fit(untyped)


class Array:
    def __array__(self, dtype=None, copy=None):
        return np.arange(3)


@pytest.mark.parametrize(
    "given",
    [
        Array(),
        pd.Series(range(3)),
        pd.Index(range(3)),
        pl.Series(range(3)),
        pd.array(range(3), dtype="int64"),
        array.array("q", range(3)),
        memoryview(np.arange(3)),
        (ctypes.c_long * 3)(0, 1, 2),
        [0, 1, 2],
    ],
)
def test_what_is_in_memory_is_taken(given):
    assert np.asarray(open_rows(given)).tolist() == [0, 1, 2]
