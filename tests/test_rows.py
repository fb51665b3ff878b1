"""Rows, against the same keys of a NumPy array, whatever the rows lie in."""

import copy
import gc
import itertools
import multiprocessing
import os
import pickle
import re
import threading

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse
from sent import read_and_list
from test_open import Lazy
from test_selection import keys

from skmmap import Rows, open_rows
from skmmap.rows import source as _source
from skmmap.rows import store as _store
from skmmap.rows.array_stores import ArrayStore
from skmmap.rows.rows import find_source

ARRAY = np.arange(60, dtype=np.int32).reshape(20, 3)
DENSE = [
    "npy",
    "fortran",
    "raw",
    "memmap",
    "view",
    "shards",
    "array",
    "lazy",
    "rows",
    "mapped",
]
KINDS = [
    *DENSE,
    "csr",
    "csr folder",
    "pandas",
    "polars",
    "list",
    "csr shards",
    "mapped csr",
]


@pytest.fixture(scope="module", params=KINDS)
def rows(request, tmp_path_factory):
    """Rows equal to ARRAY, in each kind of store."""
    return make_rows(request.param, tmp_path_factory.mktemp("rows"))


def make_rows(kind, folder):
    path = folder / "a.npy"
    np.save(path, np.asfortranarray(ARRAY) if kind == "fortran" else ARRAY)
    if kind == "raw":
        (folder / "a.bin").write_bytes(b"12345678" + ARRAY.tobytes())
        return open_rows(folder / "a.bin", dtype="i4", shape=(-1, 3), offset=8)
    if kind == "view":  # every second row and the last columns, backwards
        wide = np.zeros((41, 5), np.int32)
        wide[1::2, 2:] = ARRAY[::-1]
        np.save(path, wide)
        return open_rows(np.load(path, mmap_mode="r")[39::-2, 2:])
    if kind == "mapped":
        return open_rows(path).map(np.negative).map(np.negative)
    if kind == "mapped csr":
        return open_rows(path).map(sparse.csr_array)
    if kind == "shards":
        for i, (start, stop) in enumerate([(0, 7), (7, 7), (7, 8), (8, 20)]):
            np.save(folder / f"s{i}.npy", ARRAY[start:stop])
        return open_rows(folder / "s*.npy")
    if kind == "rows":  # shards that are selections themselves
        return open_rows([open_rows(path)[:5], open_rows(path)[np.arange(5, 20)]])
    if kind.startswith("csr "):
        for name, start, stop in [("a", 0, 12), ("b", 12, 20)]:
            write_csr(folder / name, ARRAY[start:stop])
        if kind == "csr shards":
            return open_rows([folder / "a", folder / "b"])
        write_csr(folder / "c", ARRAY)
        return open_rows(folder / "c")
    return open_rows(
        {
            "npy": lambda: path,
            "fortran": lambda: path,
            "memmap": lambda: np.load(path, mmap_mode="r"),
            "array": lambda: ARRAY,
            "lazy": lambda: Lazy(ARRAY),
            "csr": lambda: sparse.csr_array(ARRAY),
            "pandas": lambda: pd.DataFrame(ARRAY, columns=list("abc")),
            "polars": lambda: pl.DataFrame(ARRAY, schema=list("abc")),
            "list": lambda: ARRAY.tolist(),
        }[kind]()
    )


def write_csr(folder, array):
    folder.mkdir()
    matrix = sparse.csr_array(array)
    for part in ("data", "indices", "indptr"):
        np.save(folder / f"{part}.npy", getattr(matrix, part))


def values(chunk):
    """Return what was read as an array."""
    if sparse.issparse(chunk):
        return chunk.toarray()
    return np.asarray(chunk).reshape(-1, 3)


def loaded(rows):
    """Return all rows as an array."""
    return values(rows.read())


def test_shape(rows):
    assert rows.shape == ARRAY.shape
    assert (len(rows), rows.ndim, rows.size) == (20, 2, 60)
    assert rows.dtype in (np.int32, np.int64)
    if "CSR" not in find_source(rows).store.kind:  # which have a test of their own
        assert rows.nbytes == 60 * rows.dtype.itemsize
    assert rows.mode == "r"
    np.testing.assert_array_equal(loaded(rows), ARRAY)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_selections_of_selections(rows, data):
    array = ARRAY
    for _ in range(2):
        key = data.draw(keys(len(array)))
        rows, array = rows[key], array[key]
        assert rows.shape == array.shape
    np.testing.assert_array_equal(loaded(rows), array)
    start = data.draw(st.integers(0, len(array)))
    stop = data.draw(st.integers(start, len(array)))
    np.testing.assert_array_equal(values(rows.read(start, stop)), array[start:stop])


@pytest.mark.parametrize("row", [0, 7, -1, np.int64(3), 20, -21])
def test_a_single_row_is_read(rows, row):
    try:
        expected = ARRAY[row]
    except IndexError:
        with pytest.raises(IndexError, match="out of bounds"):
            rows[row]
    else:
        read = rows[row]
        np.testing.assert_array_equal(values(read), expected[None])
        assert not isinstance(read, Rows)


def test_rows_one_by_one(rows):
    parts = list(rows[::2])
    np.testing.assert_array_equal(
        np.concatenate([values(p) for p in parts]), ARRAY[::2]
    )


def test_pickled_rows(rows):
    for selected, expected in [
        (rows, ARRAY),
        (rows[3:], ARRAY[3:]),
        (rows[[4, 2, 2]], ARRAY[[4, 2, 2]]),
        (rows[np.r_[0:8, 12:20]], ARRAY[np.r_[0:8, 12:20]]),
    ]:
        for again in (pickle.loads(pickle.dumps(selected)), copy.deepcopy(selected)):
            np.testing.assert_array_equal(loaded(again), expected)
            assert again.shape == expected.shape


def test_blocks_and_gaps(rows, monkeypatch):
    """Rows are picked from blocks of any length, with gaps of any length between."""
    picked = rows[[19, 0, 1, 1, 9, 10, 4]]
    for block, gap in [(1, 1), (30, 1), (30, 25), (10_000, 1), (10_000, 10_000)]:
        monkeypatch.setattr(_store, "_BLOCK_NBYTES", block)
        monkeypatch.setattr(_store, "_GAP_NBYTES", gap)
        monkeypatch.setattr(_source, "_LOAD_NBYTES", block)
        np.testing.assert_array_equal(loaded(picked), ARRAY[[19, 0, 1, 1, 9, 10, 4]])
        if not sparse.issparse(picked.read()):
            np.testing.assert_array_equal(np.array(picked), values(picked.read()))


def test_no_rows(rows):
    for key in (slice(0), [], np.zeros(20, bool), range(5, 5)):
        assert rows[key].shape == (0, 3)
        assert values(rows[key].read()).shape == (0, 3)
        assert rows[key][:].shape == (0, 3)


@pytest.mark.parametrize("kind", DENSE)
def test_as_an_array(kind, tmp_path):
    rows = make_rows(kind, tmp_path)
    for key in (slice(None), slice(3, 9), [5, 1, 1], slice(None, None, -1)):
        array = np.asarray(rows[key])
        np.testing.assert_array_equal(array, ARRAY[key])
        assert array.dtype == np.int32
        assert array.flags.owndata
        assert array.flags.writeable
    assert np.asarray(rows, dtype=np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="cannot become an array without a copy"):
        np.array(rows, copy=False)


@pytest.mark.parametrize("kind", DENSE)
def test_what_is_read_is_read_only(kind, tmp_path):
    rows = make_rows(kind, tmp_path)
    for read in (rows.read(), rows.read(3, 9), rows[[5, 1]].read()):
        with pytest.raises(ValueError, match="read-only"):
            read[0] = 1
    assert ARRAY[0, 0] == 0


def test_neighbours_of_a_file_are_read_as_a_view(tmp_path):
    rows = make_rows("npy", tmp_path)
    held = rows.read()
    assert np.shares_memory(rows.read(2, 9), held)
    assert np.shares_memory(rows[4:].read(), held)
    assert np.shares_memory(rows[np.arange(4, 9)].read(), held)
    assert not np.shares_memory(rows[[4, 6]].read(), held)


def test_byte_order(tmp_path):
    array = ARRAY.astype(">f4")
    np.save(tmp_path / "a.npy", array)
    rows = open_rows(tmp_path / "a.npy")
    assert rows.dtype == rows[[2, 1]].dtype == np.asarray(rows).dtype == ">f4"
    assert rows.read(1, 3).dtype == rows[[2, 1]].read().dtype == "<f4"
    np.testing.assert_array_equal(rows[[2, 1]].read(), array[[2, 1]])


@pytest.mark.parametrize("shape", [(20,), (20, 2, 3), (20, 0), (0, 3), (0,)])
def test_shapes(shape, tmp_path):
    array = np.arange(np.prod(shape)).reshape(shape)
    np.save(tmp_path / "a.npy", array)
    rows = open_rows(tmp_path / "a.npy")
    for key in (slice(None), slice(1, 3), slice(None, None, -1)):
        np.testing.assert_array_equal(np.asarray(rows[key]), array[key])
        np.testing.assert_array_equal(rows[key].read(), array[key])
    if shape[0]:
        np.testing.assert_array_equal(rows[[7, 3]], array[[7, 3]])
        np.testing.assert_array_equal(rows[5], array[5])
        assert type(rows[5]) is type(array[5])


# What is pickled, opened and closed.

N = 200_000


@pytest.fixture
def large(tmp_path):
    np.save(tmp_path / "large.npy", np.arange(2 * N).reshape(N, 2))
    return tmp_path / "large.npy"


@pytest.mark.parametrize("select", [lambda r: r, lambda r: r[5:], lambda r: r[::-3]])
def test_a_pickle_is_an_address(select, large):
    rows = select(open_rows(large))
    assert len(pickle.dumps(rows)) < 1000
    memmap = open_rows(select(np.load(large, mmap_mode="r")))
    assert len(pickle.dumps(memmap)) < 1000
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(memmap)), rows)


def test_what_joblib_sends_is_no_array(large, tmp_path, monkeypatch):
    """Arrays of a megabyte would be written to joblib's folder for temporary files."""
    folder = tmp_path / "joblib"
    # By temp_folder= it would start other workers.
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(folder))
    rows = open_rows(large)[np.random.default_rng(0).permutation(N)]
    send = joblib.delayed(read_and_list)
    ((found, written),) = joblib.Parallel(n_jobs=2)([send(rows, folder)])
    np.testing.assert_array_equal(found, rows)
    assert written == []
    ((_, written),) = joblib.Parallel(n_jobs=2)([send(np.ones(N), folder)])
    assert len(written) == 1  # so it would have been seen


def test_another_process_opens_the_file_itself(large):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(np.array, [open_rows(large)[1::2]])
    np.testing.assert_array_equal(found, np.arange(2 * N).reshape(N, 2)[1::2])


def test_a_relative_path_is_found_from_everywhere(large, tmp_path, monkeypatch):
    monkeypatch.chdir(large.parent)
    rows = open_rows(large.name)
    monkeypatch.chdir("/")
    assert rows[3].tolist() == [6, 7]


def test_the_file_is_open_only_while_rows_are_held(large, mapped_files):
    rows = open_rows(large)
    assert not mapped_files(large)
    read = rows[10:20].read()
    assert mapped_files(large)
    del read
    gc.collect()
    assert not mapped_files(large)
    np.asarray(rows[::-1])
    rows[5]
    gc.collect()
    assert not mapped_files(large)


def test_with_holds_the_file_and_closes_it(large, mapped_files):
    with open_rows(large) as rows:
        part = rows[:10]
        assert mapped_files(large)
        assert np.shares_memory(rows.read(), part.read())
    assert not mapped_files(large)
    large.unlink()  # which Windows refuses for a file that is mapped
    for closed in (rows, part):
        with pytest.raises(ValueError, match="are closed"):
            closed.read()
    assert "200,000 x 2" in repr(rows)


def test_a_map_given_is_not_held(large, mapped_files):
    rows = open_rows(np.load(large, mmap_mode="r"))
    gc.collect()
    assert not mapped_files(large)
    assert rows[1].tolist() == [2, 3]


def test_a_file_that_shrank_is_refused_before_it_is_mapped(large):
    rows = open_rows(large)
    os.truncate(large, 1000)
    with pytest.raises(ValueError, match="is truncated: shape"):
        rows.read()


# The four modes of np.memmap.


def test_r_plus_writes_to_the_file(large):
    rows = open_rows(large, mode="r+")
    rows[3] = 0
    rows[10:20] = np.ones((10, 2))
    rows[[30, 25]] = [[1, 2], [3, 4]]
    rows[::-1][-2] = 9
    expected = np.arange(2 * N).reshape(N, 2)
    expected[3], expected[10:20], expected[[30, 25]] = 0, 1, [[1, 2], [3, 4]]
    expected[1] = 9
    np.testing.assert_array_equal(np.load(large), expected)
    again = pickle.loads(pickle.dumps(rows))
    assert again.mode == "r+"
    with pytest.raises(ValueError, match="read-only"):
        rows.read()[0] = 1


def test_c_writes_to_memory_only(large):
    before = large.read_bytes()
    rows = open_rows(large, mode="c")
    rows[:5] = 7
    gc.collect()
    np.testing.assert_array_equal(np.asarray(rows[:6]), [[7, 7]] * 5 + [[10, 11]])
    assert large.read_bytes() == before
    again = pickle.loads(pickle.dumps(rows))
    np.testing.assert_array_equal(again, rows)
    again[0] = 9
    assert rows[0].tolist() == [7, 7]


@pytest.mark.parametrize("name", ["new.npy", "new.bin"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_w_plus_writes_a_new_file(name, order, tmp_path):
    rows = open_rows(tmp_path / name, mode="w+", dtype="f4", shape=(4, 3), order=order)
    rows[1:] = np.arange(9).reshape(3, 3)
    again = pickle.loads(pickle.dumps(rows))
    expected = np.vstack([np.zeros(3), np.arange(9).reshape(3, 3)])
    np.testing.assert_array_equal(again, expected)
    assert rows.mode == again.mode == "r+"
    if name == "new.npy":
        np.testing.assert_array_equal(np.load(tmp_path / name), expected)
        assert np.load(tmp_path / name).flags.f_contiguous == (order == "F")
    else:
        raw = np.memmap(tmp_path / name, "f4", "r", shape=(4, 3), order=order)
        np.testing.assert_array_equal(raw, expected)


def test_writing_to_shards_and_arrays(tmp_path):
    for i in range(3):
        np.save(tmp_path / f"{i}.npy", np.zeros((2, 2)))
    rows = open_rows(tmp_path / "*.npy", mode="r+")
    rows[[5, 0, 2]] = [[1, 1], [2, 2], [3, 3]]
    np.testing.assert_array_equal(np.load(tmp_path / "2.npy"), [[0, 0], [1, 1]])
    np.testing.assert_array_equal(np.asarray(rows)[:, 0], [2, 0, 3, 0, 0, 1])
    array, private = np.zeros(3), np.zeros(3)
    open_rows(array, mode="r+")[1] = 5
    assert array.tolist() == [0, 5, 0]
    rows = open_rows(private, mode="c")
    rows[1] = 5
    assert private.tolist() == [0, 0, 0]
    assert np.asarray(rows).tolist() == [0, 5, 0]


def test_the_last_of_equal_rows_is_written(tmp_path):
    for i in range(2):
        np.save(tmp_path / f"{i}.npy", np.zeros(2))
    rows = open_rows(tmp_path / "*.npy", mode="r+")
    rows[[3, 0, 3]] = [1, 2, 3]
    assert np.asarray(rows).tolist() == [2, 0, 0, 3]


def test_writing_to_shards_that_are_selections(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(5))
    rows = open_rows(tmp_path / "a.npy", mode="r+")
    open_rows([rows[3:], rows[[0, 2]]])[:] = [1, 2, 3, 4]
    assert np.load(tmp_path / "a.npy").tolist() == [3, 0, 4, 1, 2]


def test_a_raw_file_is_written_after_its_offset(tmp_path):
    path = tmp_path / "a.bin"
    open_rows(path, mode="w+", dtype="i2", shape=3, offset=8)[:] = [1, 2, 3]
    assert path.read_bytes() == bytes(8) + np.array([1, 2, 3], "i2").tobytes()


def test_much_is_written_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(_source, "_LOAD_NBYTES", 48)
    np.save(tmp_path / "a.npy", np.zeros((20, 3)))
    rows = open_rows(tmp_path / "a.npy", mode="r+")
    rows[::-1] = ARRAY
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), ARRAY[::-1])


def test_copies_of_rows_in_memory():
    array = np.zeros(1000)
    again = copy.deepcopy(open_rows(array, mode="r+"))
    again[0] = 5
    assert again[0] == 5
    assert array[0] == 0
    assert len(pickle.dumps(open_rows(array)[:10])) < 1000


def test_private_pages_are_shared_by_threads(large):
    for _ in range(30):
        rows = open_rows(large, mode="c")
        threads = [
            threading.Thread(target=rows.__setitem__, args=(i, 7)) for i in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert np.asarray(rows[:2]).tolist() == [[7, 7], [7, 7]]


# What is read, and how often the file is mapped for it.


class Counting(ArrayStore):
    """Remembers which rows were read together."""

    def __init__(self, array):
        super().__init__(array)
        self.blocks = []

    def read(self, start, stop):
        self.blocks.append((start, stop))
        return super().read(start, stop)


@pytest.mark.parametrize(
    ("picked", "blocks"),
    [
        ([0, 1, 5, 9], [(0, 10)]),
        ([0, 1, 5, 9, 30, 31], [(0, 10), (30, 32)]),
        ([5, 25, 45], [(5, 6), (25, 26), (45, 46)]),
        (range(0, 100, 3), [(0, 40), (42, 79), (81, 100)]),
        ([39, 40], [(39, 41)]),
    ],
)
def test_neighbours_and_near_ones_are_read_together(picked, blocks, monkeypatch):
    """Blocks of 40 rows; what is 10 rows away or nearer is read with them."""
    monkeypatch.setattr(_store, "_BLOCK_NBYTES", 320)
    monkeypatch.setattr(_store, "_GAP_NBYTES", 80)
    store = Counting(np.arange(100.0))
    rows = _source.Source(store).select(np.array(picked)).read(0, len(picked))
    assert rows.tolist() == list(picked)
    assert store.blocks == blocks


def test_a_selection_in_any_order_reads_each_block_once(monkeypatch):
    monkeypatch.setattr(_store, "_BLOCK_NBYTES", 320)
    monkeypatch.setattr(_source, "_LOAD_NBYTES", 320)
    store = Counting(np.arange(100.0))
    order = np.random.default_rng(0).permutation(100)[:50]
    loaded = _source.Source(store).select(order).load()
    assert loaded.tolist() == order.tolist()
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(store.blocks))


def test_rows_far_apart_are_picked_from_one_map(tmp_path, monkeypatch):
    np.save(tmp_path / "wide.npy", np.arange(20 * 50_000.0).reshape(20, 50_000))
    rows = open_rows(tmp_path / "wide.npy")
    opened = []

    class Counted(np.memmap):
        def __new__(cls, *args):
            opened.append(args)
            return super().__new__(cls, *args)

    monkeypatch.setattr(np, "memmap", Counted)
    assert rows[[0, 7, 15]].read()[:, 0].tolist() == [0, 350_000, 750_000]
    assert len(opened) == 1


@pytest.mark.parametrize("kind", ["shards", "rows", "csr folder", "csr shards"])
def test_with_holds_and_closes_all_files(kind, tmp_path, mapped_files):
    with make_rows(kind, tmp_path) as rows:
        paths = [path for path in tmp_path.rglob("*.npy") if mapped_files(path)]
        assert len(paths) >= 1
    assert not any(mapped_files(path) for path in paths)
    for closed in (rows, rows[2:9]):
        with pytest.raises(ValueError, match="are closed"):
            closed.read()


def test_closed_rows_are_closed_while_somebody_holds_some(large):
    rows = open_rows(large)
    held = rows.read(0, 5)
    rows.close()
    with pytest.raises(ValueError, match="are closed"):
        rows.read(0, 5)
    assert held.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


def test_a_file_written_again_is_refused(large):
    rows = open_rows(large)
    np.save(large, np.arange(4 * N).reshape(N, 4))
    text = f"{str(large)!r} was written again since it was opened"
    with pytest.raises(ValueError, match=re.escape(text)):
        rows.read()


def test_a_map_of_a_replaced_file_is_kept(large, tmp_path):
    memmap = np.load(large, mmap_mode="r")
    np.save(tmp_path / "other.npy", np.zeros((N, 2), memmap.dtype))
    os.replace(tmp_path / "other.npy", large)
    assert open_rows(memmap)[5].tolist() == [10, 11]


def test_new_contents_are_new_to_joblib(large):
    rows = open_rows(large)
    before = joblib.hash(rows)
    assert joblib.hash(open_rows(large)) == before
    np.save(large, np.zeros((N, 2), int))
    os.utime(large, ns=(1, 1))
    assert joblib.hash(rows) != before


# What Rows are not.


def test_no_arithmetic_loads_by_accident(rows):
    for compute in (
        lambda: rows + 1,
        lambda: np.ones(3) * rows,
        lambda: np.add(rows, 1),
        lambda: np.exp(rows),
        lambda: rows == 1,
        lambda: rows == 1,
        lambda: rows == np.ones(3),
        lambda: rows < 3,
    ):
        with pytest.raises(TypeError):
            compute()
    assert rows == rows
    assert rows != rows[:]
    assert rows in [None, rows]


def test_a_sparse_matrix_does_not_become_dense_by_accident(tmp_path):
    for kind in ("csr", "csr folder"):
        with pytest.raises(TypeError, match=r"toarray\(\)"):
            np.asarray(make_rows(kind, tmp_path))


def test_repr(tmp_path):
    np.save(tmp_path / "X.npy", np.zeros((200_000, 5), np.float32))
    rows = open_rows(tmp_path / "X.npy")
    text = "<Rows: 200,000 x 5 float32 of X.npy: 4.0 MB on disk, 0 bytes in memory>"
    assert repr(rows) == text
    text = "<Rows: 3 x 5 float32 of X.npy: 60 bytes on disk, 12 bytes in memory>"
    assert repr(rows[[7, 1, 4]]) == text
    text = "<Rows: 4 float64 of an array: 0 bytes on disk, 32 bytes in memory>"
    assert repr(open_rows(np.zeros(4))) == text
    html = rows[::2]._repr_html_()
    for cell in ("100,000 x 5", "float32", "X.npy", "2.0 MB on disk", "0 bytes"):
        assert f">{cell}</td>" in html
