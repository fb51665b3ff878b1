"""Containers of other libraries: what is read, from where, how often, and refusals."""

import multiprocessing
import os
import pickle
import re
import subprocess
import sys
import threading
import warnings
from collections import Counter
from pathlib import Path

import dask.array as da
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from helpers import EXHAUSTIVE, raises
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from processes import run_fresh
from sklearn.preprocessing import MaxAbsScaler

from skmmap import ChunkedFit, open_rows
from skmmap.formats.files.hdf5 import HdfStore
from skmmap.formats.files.parquet import ParquetStore
from skmmap.formats.files.zarr import ZarrStore
from skmmap.formats.objects.dask import DaskStore
from skmmap.rows.rows import find_source

N = 11
X = np.random.default_rng(0).random((N, 3)).astype(np.float32)
TABLE = pa.table({name: X[:, j] for j, name in enumerate("abc")})


def open_container(source, **options):
    return find_source(open_rows(source, **options)).store


def write_hdf(path, array=X, key="X", **options):
    with h5py.File(path, "a") as file:
        file.create_dataset(key, data=array, **options)
    return path


def write_ipc(path, table=TABLE, rows=4, compression=None):
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(str(path), table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return path


def write_parquet(path, table=TABLE, rows=4, **options):
    pq.write_table(table, path, row_group_size=rows, **options)
    return path


def open_zarr(path, array=X, chunks=(4, 2), **options):
    stored = zarr.create_array(
        path, shape=array.shape, chunks=chunks, dtype=array.dtype, **options
    )
    stored[:] = array
    return stored


def unequal(path):
    """Write row groups of 4, 1, 0 and 6 rows."""
    with pq.ParquetWriter(path, TABLE.schema) as writer:
        for start, stop in [(0, 4), (4, 5), (5, 5), (5, N)]:
            writer.write_table(TABLE.slice(start, stop - start))
    return path


def two_files(folder):
    first = write_parquet(folder / "x0.parquet", TABLE.slice(0, 5), 2)
    return ParquetStore([first, write_ipc(folder / "x1.arrow", TABLE.slice(5), 4)])


ON_DISK = {
    "hdf contiguous": lambda t: HdfStore(write_hdf(t / "x.h5")),
    "hdf chunks": lambda t: HdfStore(write_hdf(t / "x.h5", chunks=(4, 2))),
    "hdf gzip": lambda t: HdfStore(
        write_hdf(t / "x.h5", chunks=(3, 3), compression="gzip"), "X"
    ),
    "hdf big endian": lambda t: HdfStore(write_hdf(t / "x.h5", X.astype(">f4"))),
    "zarr 3": lambda t: ZarrStore(open_zarr(t / "x.zarr")),
    "zarr 2": lambda t: ZarrStore(open_zarr(t / "x.zarr", zarr_format=2)),
    "zarr F": lambda t: ZarrStore(open_zarr(t / "x.zarr", order="F", zarr_format=2)),
    "zarr shards": lambda t: ZarrStore(open_zarr(t / "x.zarr", shards=(8, 4))),
    "zarr path": lambda t: open_zarr(t / "x.zarr") and open_container(t / "x.zarr"),
    "parquet": lambda t: ParquetStore(write_parquet(t / "x.parquet")),
    "parquet unequal": lambda t: ParquetStore(unequal(t / "x.parquet")),
    "ipc": lambda t: ParquetStore(write_ipc(t / "x.arrow")),
    "ipc lz4": lambda t: ParquetStore(write_ipc(t / "x.feather", compression="lz4")),
    "files": two_files,
}
IN_MEMORY = {
    "dask": lambda t: DaskStore(da.from_array(X, chunks=((4, 1, 6), (2, 1)))),
    "table": lambda t: open_container(TABLE),
    "batch": lambda t: open_container(TABLE.to_batches()[0]),
    "zarr memory": lambda t: ZarrStore(open_zarr({})),
}
ALL = ON_DISK | IN_MEMORY


@pytest.fixture(params=ALL)
def store(request, tmp_path):
    return ALL[request.param](tmp_path)


@pytest.fixture(params=ON_DISK)
def disk_store(request, tmp_path):
    return ON_DISK[request.param](tmp_path)


def check_array(rows, expected):
    assert type(rows) is np.ndarray
    assert rows.dtype == expected.dtype
    assert rows.dtype.isnative
    assert rows.flags.c_contiguous
    np.testing.assert_array_equal(rows, expected)


def test_every_slice_is_numpys(store):
    assert (store.shape, store.dtype, store.mode) == (X.shape, X.dtype, "r")
    assert store.is_array
    for start in range(N + 1):
        for stop in range(start, N + 1):
            check_array(store.read(start, stop), X[start:stop])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.integers(0, N - 1), max_size=20).map(sorted))
def test_ascending_rows_are_numpys(store, rows):
    rows = np.array(rows, dtype=np.int64)
    check_array(store.take(rows), X[rows])


def test_a_pickle_reads_the_same(store):
    check_array(pickle.loads(pickle.dumps(store)).read(2, 9), X[2:9])


def test_a_pickle_on_disk_is_an_address(disk_store):
    disk_store.keep_open()
    disk_store.read(0, N)
    content = pickle.dumps(disk_store)
    assert len(content) < 5_000
    assert disk_store.on_disk
    assert X.tobytes()[:16] not in content


def test_a_pickle_is_small_whatever_the_data(tmp_path):
    table = pa.table({"a": np.arange(5_000)})
    stores = [
        ParquetStore(write_parquet(tmp_path / "x.parquet", table, 1)),
        ZarrStore(open_zarr(tmp_path / "x.zarr", attributes={"a": "b" * 10_000})),
    ]
    for store in stores:
        store.read(0, 5)
        assert len(pickle.dumps(store)) < 5_000


def test_another_process_reads_the_same(tmp_path):
    stores = []
    for number, make in enumerate(ALL.values()):
        (tmp_path / str(number)).mkdir()
        stores.append(make(tmp_path / str(number)))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for rows in pool.map(read_some, stores):
            check_array(rows, X[1:10])


def read_some(store):
    return store.read(1, 10)


def open_files(folder):
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return [os.readlink(f) for f in links if os.path.lexists(f) and under(f, folder)]


def under(link, folder):
    return os.path.realpath(link).startswith(str(folder))


linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")


@linux
def test_no_file_stays_open(disk_store, tmp_path):
    assert open_files(tmp_path) == []
    disk_store.read(0, N)
    disk_store.take(np.array([0, 3, 9]))
    assert open_files(tmp_path) == []
    disk_store.keep_open()
    disk_store.read(0, N)
    disk_store.close()
    assert open_files(tmp_path) == []


@linux
def test_an_ipc_file_is_mapped_only_while_it_is_read(tmp_path):
    path = write_ipc(tmp_path / "x.arrow", pa.table({"a": np.zeros(10**6)}), 10**6)
    before = pa.total_allocated_bytes()
    store = ParquetStore(path)
    for table, _ in store._iter_slices(0, 10):
        assert pa.total_allocated_bytes() - before < 10**5
        del table
    store.read(0, 10)
    assert pa.total_allocated_bytes() - before < 10**5
    assert str(path) not in Path("/proc/self/maps").read_text()


@linux
def test_hold_keeps_an_hdf_file_open(tmp_path):
    store = HdfStore(write_hdf(tmp_path / "x.h5"))
    store.keep_open()
    assert len(open_files(tmp_path)) == 1
    check_array(store.read(0, N), X)
    file = store._file
    store.close()
    assert not file
    assert open_files(tmp_path) == []


@linux
@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_no_file_stays_open_after_a_refusal(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"no such file format")
    with pytest.raises(ValueError, match="cannot be read as") as caught:
        ParquetStore(path)
    # The frames of the error live as long as it does.
    assert caught.value.__traceback__
    assert open_files(tmp_path) == []


def test_a_closed_store_reads_no_more(store):
    store.close()
    text = f"The rows of {store.where!r} are closed. Open them again."
    with raises(ValueError, text):
        store.read(0, 1)
    with raises(ValueError, text):
        store.take(np.array([0]))
    with raises(ValueError, text):
        store.keep_open()


def test_writing_is_refused(store):
    with raises(ValueError, f"{store.where} is read only."):
        store.write(np.array([0]), 1)


ROWS = np.array([0, 0, 2, 3, 5, 6, 6, 10])


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_hdf_blocks_are_whole_chunks(tmp_path, monkeypatch, compression):
    monkeypatch.setattr("skmmap.formats.groups.chunk_store._BLOCK_NBYTES", 60)
    path = write_hdf(tmp_path / "x.h5", chunks=(2, 2), compression=compression)
    store = HdfStore(path)
    assert store.block_rows == 4
    spans = [block for block, _, _ in store._iter_blocks(ROWS)]
    assert spans == [(0, 4), (5, 7), (10, 11)]
    touched = Counter(c for a, b in spans for c in range(a // 2, (b - 1) // 2 + 1))
    assert touched == Counter({0: 1, 1: 1, 2: 1, 3: 1, 5: 1})


def test_far_rows_of_one_chunk_are_read_together(tmp_path):
    rows = np.zeros((20, 20_000))
    store = HdfStore(write_hdf(tmp_path / "x.h5", rows, chunks=(10, 20_000)))
    assert store.block_rows == 20
    spans = [block for block, _, _ in store._iter_blocks(np.array([0, 9, 12, 19]))]
    assert spans == [(0, 20)]


def test_blocks_of_wide_chunks_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("skmmap.formats.groups.chunk_store._WIDEST_NBYTES", 60)
    assert HdfStore(write_hdf(tmp_path / "x.h5", chunks=(11, 1))).block_rows == 5


def test_no_zarr_chunk_is_decoded_twice(tmp_path):
    seen = Counter()

    class Probe(zarr.storage.MemoryStore):
        async def get(self, key, *args, **options):
            seen[key] += "c/" in key
            return await super().get(key, *args, **options)

    store = ZarrStore(open_zarr(Probe()))
    seen.clear()
    check_array(store.take(ROWS), X[ROWS])
    chunks = {f"c/{i}/{j}": 1 for i in range(3) for j in range(2)}
    assert +seen == Counter(chunks)


@pytest.fixture
def decoded(monkeypatch):
    """Count the row groups that are decoded."""
    seen = Counter()
    read = pq.ParquetFile.read_row_group

    def probe(self, number, *args, **options):
        seen[number] += 1
        return read(self, number, *args, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", probe)
    return seen


def test_no_row_group_is_decoded_twice(tmp_path, decoded):
    store = ParquetStore(unequal(tmp_path / "x.parquet"))
    assert not decoded
    store.take(ROWS)
    assert set(decoded.values()) == {1}
    decoded.clear()
    store = ParquetStore(unequal(tmp_path / "x.parquet"))
    for row in range(N):
        store.read(row, row + 1)
    assert decoded == Counter({0: 1, 1: 1, 3: 1})
    decoded.clear()
    ParquetStore(unequal(tmp_path / "x.parquet")).read(0, N)
    assert decoded == Counter({0: 1, 1: 1, 3: 1})


def test_one_row_group_is_dropped_before_the_next(tmp_path, monkeypatch):
    kept, read = [], pq.ParquetFile.read_row_group

    def probe(self, *args, **options):
        kept.append(store._last)
        return read(self, *args, **options)

    store = ParquetStore(write_parquet(tmp_path / "x.parquet"))
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", probe)
    store.read(0, N)
    assert kept == [None, None, None]


def test_close_drops_the_row_group(tmp_path):
    store = ParquetStore(write_parquet(tmp_path / "x.parquet"))
    store.read(0, N)
    assert store._last is not None
    store.close()
    assert store._last is None


def test_no_dask_block_is_computed_twice():
    seen, lock = Counter(), threading.Lock()

    def probe(block, block_info=None):
        with lock:
            seen[block_info[0]["chunk-location"]] += 1
        return block

    array = da.from_array(X, chunks=((4, 1, 6), (2, 1)))
    # The first one is, when the array is opened: it has the type of the rows.
    store = DaskStore(array.map_blocks(probe, dtype=X.dtype, meta=X[:0]))
    check_array(store.take(ROWS), X[ROWS])
    assert seen == Counter({(i, j): 1 for i in (0, 2) for j in (0, 1)})


def test_an_open_dataset_stays_its_owners(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = file.create_dataset("group/X", data=X)
        store = open_container(dataset)
        assert store.where == "x.h5:/group/X"
        dataset[0] = 7
        assert (store.read(0, 1) == 7).all()
        file.flush()
        assert (pickle.loads(pickle.dumps(store)).read(0, 1) == 7).all()
        store.close()
        assert dataset
    with raises(ValueError, "The rows of 'x.h5:/group/X' are closed. Open them again."):
        store.read(0, 1)


def test_a_dataset_that_its_owner_closed(tmp_path):
    with h5py.File(write_hdf(tmp_path / "x.h5")) as file:
        store = open_container(file["X"])
    with raises(ValueError, "The rows of 'x.h5:/X' are closed. Open them again."):
        store.read(0, 1)


def test_a_dataset_in_memory_is_not_pickled():
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        store = HdfStore.of(file.create_dataset("X", data=X))
        check_array(store.read(0, N), X)
        assert not store.on_disk
        text = (
            "Rows of 'memory:/X' cannot be pickled: the dataset is in memory only. "
            "Write it to a file, and open that."
        )
        with raises(TypeError, text):
            pickle.dumps(store)


def test_a_file_in_memory_may_bear_the_name_of_one_on_disk(tmp_path):
    path = write_hdf(tmp_path / "x.h5", np.arange(3))
    with h5py.File(path, "w", driver="core", backing_store=False) as file:
        store = HdfStore.of(file.create_dataset("X", data=X))
        with pytest.raises(TypeError, match="is in memory only"):
            pickle.dumps(store)


def test_a_zarr_array_that_cannot_be_pickled():
    class Local(zarr.storage.MemoryStore):
        def __reduce__(self):
            raise RuntimeError("never")

    store = ZarrStore(open_zarr(Local()))
    text = (
        "Rows of 'Local' cannot be pickled: never. Save the array to a folder with "
        "zarr.save(path, array), and open that."
    )
    with raises(TypeError, text):
        pickle.dumps(store)


def test_which_dataset(tmp_path):
    path = write_hdf(tmp_path / "x.h5", key="group/X")
    assert HdfStore(path).where == "x.h5:/group/X"
    assert HdfStore(path, "group").where == "x.h5:/group/X"
    with raises(ValueError, "'x.h5' has no dataset 'Z'; it holds group/X (11 x 3)."):
        HdfStore(path, "Z")
    for number in range(11):
        write_hdf(path, np.arange(5), f"y{number:02}")
    listed = ", ".join(f"y{number:02} (5)" for number in range(9))
    text = (
        "'x.h5' holds 12 datasets; name one, open_rows(..., "
        "key='group/X'): group/X (11 x 3), "
        f"{listed} and 2 more."
    )
    with raises(ValueError, text):
        open_container(path)
    with h5py.File(path) as file:
        check_array(open_container(file, key="y03").read(0, 5), np.arange(5))
        check_array(open_container(file["group"]).read(0, N), X)
        with raises(ValueError, text):
            open_container(file)
    write_hdf(path, np.arange(11), "group/y")
    text = (
        "'x.h5' holds 2 datasets in 'group'; name one, open_rows(..., key='group/X'): "
        "group/X (11 x 3), group/y (11)."
    )
    for key in "group", "/group/":
        with raises(ValueError, text):
            open_container(path, key=key)
    check_array(open_container(path, key="group/X").read(0, N), X)
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    with raises(ValueError, "'empty.h5' holds no dataset."):
        open_container(tmp_path / "empty.h5")


def test_a_key_is_a_name(tmp_path):
    path = write_hdf(tmp_path / "x.h5", key="X")
    with raises(
        TypeError,
        "key must be the name of a dataset in 'x.h5'; got 3. It holds X (11 x 3).",
    ):
        open_container(path, key=3)
    zarr.save_array(tmp_path / "X.zarr", X)
    with raises(ValueError, "key has no meaning for the array 'X.zarr'; got 'X'."):
        open_container(tmp_path / "X.zarr", key="X")


def test_names_without_values_are_not_asked_for(tmp_path):
    """A dimension of netCDF without a variable, which has a length alone."""
    netCDF4 = pytest.importorskip("netCDF4")
    with netCDF4.Dataset(tmp_path / "x.nc", "w") as file:
        for name, size in zip("np", X.shape, strict=True):
            file.createDimension(name, size)
        file.createVariable("X", X.dtype, ("n", "p"))[:] = X
        file.createVariable("one", "f8", ())[...] = 1.0
    store = open_container(tmp_path / "x.nc")
    assert store.where == "x.nc:/X"
    check_array(store.read(0, N), X)


@pytest.mark.parametrize("nbytes", [0, 1_000])
def test_a_damaged_file_of_hdf5_is_named(tmp_path, nbytes):
    path = write_hdf(tmp_path / "x.h5")
    path.write_bytes(path.read_bytes()[:nbytes])
    said = (
        r"^'x\.h5' cannot be opened as an HDF5 file: .*\. It is damaged, truncated or"
    )
    with pytest.raises(OSError, match=said):
        open_container(path)


def test_an_error_of_a_library_at_opening_has_the_file(tmp_path):
    path = tmp_path / "cut.fits"
    path.write_bytes(b"SIMPLE  =                    T".ljust(80) + b" " * 20)
    for use in (open_rows, ChunkedFit(MaxAbsScaler()).fit):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(OSError, match="corrupt") as caught:
                use(path)
        name = "source" if use is open_rows else "X"
        assert caught.value.__notes__ == [f"while opening {name}={str(path)!r}"]


def test_an_error_of_the_library_has_the_rows_and_the_file(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("X", data=X, chunks=(4, 3), compression="gzip")
        place = file["X"].id.get_chunk_info(1)
    data = bytearray(path.read_bytes())
    data[place.byte_offset : place.byte_offset + place.size] = bytes(place.size)
    path.write_bytes(data)
    with pytest.raises(OSError, match="filter") as caught:
        open_container(path).read(3, 6)
    assert "while reading rows 3 to 5 of 'x.h5:/X'" in caught.value.__notes__


def test_which_zarr_array(tmp_path):
    group = zarr.open_group(tmp_path / "g.zarr", mode="w")
    group.create_array("in/X", data=X)
    for value in (tmp_path / "g.zarr", group):
        check_array(open_container(value).read(0, N), X)
        assert open_container(value).where == "g.zarr:/in/X"
    group.create_array("y", data=np.arange(N))
    for value in (tmp_path / "g.zarr", group):
        check_array(open_container(value, key="y").read(0, N), np.arange(N))
    with raises(
        ValueError,
        "'g.zarr' holds 2 datasets; name one, open_rows(..., key='in/X'): in/X "
        "(11 x 3), y (11).",
    ):
        open_container(tmp_path / "g.zarr")
    (tmp_path / "g.zarr").rename(tmp_path / "plain")
    check_array(open_container(str(tmp_path / "plain"), key="in/X").read(0, N), X)


OBJECTS = (
    "{!r} holds Python objects, such as arrays of variable length, which cannot be "
    "read as rows of one type. Save them once as numbers or strings."
)


def test_datasets_that_are_no_rows(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("s", (2,), h5py.vlen_dtype("i4"))
    write_hdf(path, 3.0, "scalar")
    write_hdf(path, h5py.Empty("f8"), "empty")
    with raises(ValueError, OBJECTS.format("x.h5:/s")):
        HdfStore(path, "s")
    with raises(ValueError, "'x.h5:/scalar' has no rows: its shape is ()."):
        HdfStore(path, "scalar")
    with raises(ValueError, "'x.h5:/empty' has no rows: its shape is None."):
        HdfStore(path, "empty")


@pytest.mark.parametrize(
    "array",
    [
        np.array([(1, 2.0)] * 5, dtype=[("a", ">i4"), ("b", "f8")]),
        np.array([b"a", b"bcd"]),
        np.array([True, False]),
        np.zeros((0, 3)),
        np.zeros((5, 0)),
        np.arange(24).reshape(4, 3, 2),
    ],
    ids=str,
)
def test_types_and_shapes_of_hdf(tmp_path, array):
    store = HdfStore(write_hdf(tmp_path / "x.h5", array))
    expected = array.astype(array.dtype.newbyteorder("="))
    check_array(store.read(0, len(array)), expected)
    assert store.dtype == expected.dtype
    assert store.dtype.metadata is None


def test_files_that_changed(tmp_path):
    store = HdfStore(write_hdf(tmp_path / "x.h5"))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"] = np.arange(3)
    text = (
        "'x.h5:/X' has changed: it was (11, 3) of float32, and is (3,) of int64. Open "
        "it again."
    )
    with raises(ValueError, text):
        store.read(0, 1)
    content = pickle.dumps(ParquetStore(write_parquet(tmp_path / "x.pq")))
    write_parquet(tmp_path / "x.pq", TABLE.slice(0, 5))
    text = f"{str(tmp_path / 'x.pq')!r} was written again since it was opened. Open "
    with raises(ValueError, text + "it again."):
        pickle.loads(content).read(0, 1)


def test_strings_of_variable_length_in_zarr():
    stored = zarr.create_array({}, shape=3, dtype="f4")
    assert open_container(stored).dtype == np.float32
    for zarr_format in 2, 3:
        stored = zarr.create_array({}, shape=3, dtype=str, zarr_format=zarr_format)
        stored[:] = ["a", "", "größer"]
        check_array(open_container(stored).read(1, 3), np.array(["", "größer"]))


COLUMNS = {
    "int": (pa.array([1, 2, 3]), np.array([1, 2, 3])),
    "int null": (pa.array([1, None, 3]), np.array([1, np.nan, 3])),
    "int8 null": (pa.array([1, None, 3], pa.int8()), np.array([1, np.nan, 3])),
    "float null": (
        pa.array([1, None, 3], pa.float32()),
        np.array([1, np.nan, 3], np.float32),
    ),
    "bool": (pa.array([True, False, True]), np.array([True, False, True])),
    "bool null": (pa.array([True, None, False]), np.array([1, np.nan, 0])),
    "half": (pa.array(np.ones(3, np.float16)), np.ones(3, np.float16)),
    "null": (pa.nulls(3), np.full(3, np.nan)),
    "date": (
        pa.array([0, None, 2], pa.int32()).cast(pa.date32()),
        np.array([0, "NaT", 2], "M8[D]"),
    ),
    "timestamp": (
        pa.array([0, None, 2], pa.timestamp("us", "UTC")),
        np.array([0, "NaT", 2], "M8[us]"),
    ),
    "duration": (
        pa.array([0, None, 2], pa.duration("ms")),
        np.array([0, "NaT", 2], "m8[ms]"),
    ),
    "string": (pa.array(["a", "ünï", ""]), np.array(["a", "ünï", ""])),
    "large string": (
        pa.array(["a", "b", "a"], pa.large_string()),
        np.array(list("aba")),
    ),
    "dictionary": (
        pa.array(["x", "yy", "x"]).dictionary_encode(),
        np.array(["x", "yy", "x"]),
    ),
    "numbers in a dictionary": (
        pa.array([5, None, 5]).dictionary_encode(),
        np.array([5, np.nan, 5]),
    ),
    "decimal": (
        pa.array([1, None, 3]).cast(pa.decimal128(21, 1)),
        np.array([1, np.nan, 3]),
    ),
    "lists": (
        pa.array([[1, 2], [5, 6], [3, None]], pa.list_(pa.float32(), 2)),
        np.array([[1, 2], [5, 6], [3, np.nan]], np.float32),
    ),
    "missing lists": (
        pa.array([[1, 2], None, [3, None]], pa.list_(pa.float32(), 2)),
        np.array([[1, 2], [np.nan] * 2, [3, np.nan]], np.float32),
    ),
}


@pytest.mark.parametrize(
    ("name", "write"),
    [
        (name, write)
        for name in COLUMNS
        for write in (write_parquet, write_ipc, None)
        # Missing lists in Parquet are read by the newest versions of pyarrow only.
        if (name, write) != ("missing lists", write_parquet)
    ],
)
def test_types_of_columns(tmp_path, name, write):
    values, expected = COLUMNS[name]
    table = pa.table({"before": [0.5, 1, 2], "y": values})
    path = tmp_path / ("x.arrow" if write is write_ipc else "x.parquet")
    store = open_container(write(path, table, 2) if write else table, columns="y")
    assert (store.shape, store.dtype) == (expected.shape, expected.dtype)
    for start in range(3):
        check_array(store.read(start, 3), expected[start:])
    check_array(
        pickle.loads(pickle.dumps(store)).take(np.array([0, 2, 2])), expected[[0, 2, 2]]
    )


def test_columns_in_the_order_asked_for(tmp_path):
    table = pa.table(
        {"i": pa.array([1, 2], pa.int16()), "f": [0.5, 1], "t": ["a", "b"]}
    )
    path = write_parquet(tmp_path / "x.parquet", table, 1)
    check_array(
        open_container(path, columns=["f", "i", "f"]).read(0, 2),
        np.array([[0.5, 1, 0.5], [1, 2, 1]]),
    )
    check_array(
        open_container(path, columns=["i"]).read(0, 2), np.array([[1], [2]], "i2")
    )
    assert open_container(path, columns="i").where == "x.parquet:i"


def test_the_index_of_pandas_is_no_column(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1.0, 2, 3]}, index=[5, 6, 7]).rename_axis("i")
    frame.to_parquet(tmp_path / "x.parquet")
    assert open_container(tmp_path / "x.parquet").shape == (3, 1)
    assert open_container(tmp_path / "x.parquet", columns="i").shape == (3,)


MIXED = pa.table(
    {
        "a": [1, 2],
        "city": ["x", "y"],
        "b": [0.5, 1],
        "at": pa.array([0, 1], pa.timestamp("s")),
        "raw": [b"x", b"y"],
    }
)


@pytest.mark.parametrize(
    ("error", "columns", "text"),
    [
        (
            TypeError,
            None,
            "'x.parquet' has columns that are not numbers: 'city' (string), 'raw' "
            "(binary). Choose columns=['a', 'b', 'at'].",
        ),
        (
            TypeError,
            ["city"],
            "'x.parquet' has columns that are not numbers: 'city' (string). Choose one "
            "of them: columns='city'.",
        ),
        (
            TypeError,
            ["a", "at"],
            "'x.parquet' has columns that have no common type: times or durations are "
            "in 'at'. Choose columns=['a'].",
        ),
        (
            TypeError,
            "raw",
            "'x.parquet:raw' is of the type binary, which NumPy has no type for. "
            "Choose another column, or write it as numbers or strings.",
        ),
        (
            ValueError,
            ["a", "z"],
            "'x.parquet' has no column 'z'; it has 'a', 'city', 'b', 'at', 'raw'.",
        ),
        (ValueError, [], "'x.parquet' has no columns to read; got columns=[]."),
        (
            TypeError,
            3,
            "columns must be a name or a list of names; got 3.",
        ),
    ],
)
def test_columns_that_make_no_array(tmp_path, error, columns, text):
    path = write_parquet(tmp_path / "x.parquet", MIXED)
    with raises(error, text):
        open_container(path, columns=columns, as_frame=False)


def test_nulls_that_no_array_can_hold(tmp_path):
    values = pa.array([1, 2, 3, None, 5, None])
    table = pa.table({"a": values, "s": values.cast(pa.string())})
    path = write_parquet(tmp_path / "x.parquet", table, 2, write_statistics=False)
    store = open_container(path, columns="a")
    assert store.dtype == np.int64
    check_array(store.read(0, 3), np.array([1, 2, 3]))
    text = (
        "Column 'a' has no value in row 3, and int64 has no NaN. Fill these values, or "
        "write the column as float64."
    )
    with raises(ValueError, text):
        store.read(0, 6)


def test_files_of_different_columns(tmp_path):
    first = write_parquet(tmp_path / "a.parquet", pa.table({"a": [1.0], "b": [1.0]}))
    other = write_parquet(tmp_path / "b.parquet", pa.table({"a": [1], "b": [1.0]}))
    text = (
        "Column 'a' is int64 in 'b.parquet' and double in 'a.parquet'. Write the files "
        "with the same columns."
    )
    with raises(ValueError, text):
        ParquetStore([first, other])
    assert (
        ParquetStore([first, other], "b").where == "2 files: a.parquet to b.parquet:b"
    )
    more = write_parquet(
        tmp_path / "c.parquet", pa.table({"a": [1.0], "b": [1.0], "c": [1]})
    )
    text = (
        "Column 'c' is int64 in 'c.parquet' and missing in 'a.parquet'. Write the "
        "files with the same columns."
    )
    with raises(ValueError, text):
        ParquetStore([first, more])


def test_files_that_are_not_what_they_are_called(tmp_path):
    for name, kind, error in [
        (
            "x.parquet",
            "a Parquet",
            "Parquet magic bytes not found in footer. Either the file is corrupted or "
            "this is not a parquet file.",
        ),
        ("x.feather", "an Arrow IPC", "Not an Arrow file"),
    ]:
        path = tmp_path / name
        path.write_bytes(b"a text that is long enough")
        with pytest.raises(ValueError, match=re.escape(error)) as caught:
            open_container(path)
        start = f"{str(path)!r} cannot be read as {kind} file: "
        assert str(caught.value).startswith(start)
        assert str(caught.value).endswith(" Write it again.")
        with pytest.raises(FileNotFoundError, match="nowhere"):
            open_container(tmp_path / f"nowhere{path.suffix}")


def test_dask_arrays_that_are_no_rows():
    array = da.from_array(X, chunks=4)
    text = (
        "a dask array of the shape (nan, 3) has no known length. Count its rows once "
        "with array.compute_chunk_sizes()."
    )
    with raises(ValueError, text):
        open_container(array[array[:, 0] > 0.5])
    with raises(ValueError, "'a dask array' has no rows: its shape is ()."):
        open_container(array.sum())
    text = (
        "'a dask array' holds Python objects, which have no size. Give it a type, for "
        "example array.astype(float) or array.astype('U10')."
    )
    with raises(ValueError, text):
        open_container(array.astype(object))


@pytest.mark.parametrize(
    ("name", "library", "kind", "extra"),
    [
        ("x.h5", "h5py", "HDF5 files", "hdf5"),
        ("x.hdf5", "h5py", "HDF5 files", "hdf5"),
        ("x.hdf", "h5py", "HDF5 files", "hdf5"),
        ("x.zarr", "zarr", "zarr arrays", "zarr"),
        ("x.parquet", "pyarrow", "Parquet and Arrow files", "parquet"),
        ("x.pq", "pyarrow", "Parquet and Arrow files", "parquet"),
        ("x.arrow", "pyarrow", "Parquet and Arrow files", "parquet"),
        ("x.feather", "pyarrow", "Parquet and Arrow files", "parquet"),
    ],
)
def test_a_library_that_is_missing(tmp_path, monkeypatch, name, library, kind, extra):
    path = tmp_path / name
    path.touch()
    for module in list(sys.modules):
        if module.partition(".")[0] == library:
            monkeypatch.setitem(sys.modules, module, None)
    text = (
        f"open_rows({str(path)!r}) reads {kind} through {library}, which "
        f"is not installed: pip install 'skmmap[{extra}]'."
    )
    with raises(ImportError, text):
        open_container(str(path))


def test_no_library_is_imported_before_its_use():
    code = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(['h5py', 'zarr', 'dask', 'pyarrow'])\n"
        "import numpy as np\n"
        "from skmmap import open_rows\n"
        "assert open_rows(np.zeros(3)).shape == (3,)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_options_without_a_meaning(tmp_path):
    path = write_parquet(tmp_path / "x.parquet")
    with raises(ValueError, f"key has no meaning for {str(path)!r}; got 'X'."):
        open_container(path, key="X")
    with raises(ValueError, "columns has no meaning for a Array; got 'X'."):
        open_container(open_zarr({}), columns="X")
    with raises(ValueError, "columns has no meaning for a Array; got ['a']."):
        open_container(da.zeros(3), columns=["a"])


def test_whats_where(tmp_path):
    assert ON_DISK["hdf gzip"](tmp_path).where == "x.h5:/X"
    assert ON_DISK["zarr 3"](tmp_path).where == "x.zarr"
    assert two_files(tmp_path).where == "2 files: x0.parquet to x1.arrow"
    assert open_container(TABLE).where == "a Table"
    assert not open_container(TABLE).on_disk
    assert open_container(open_zarr({})).where == "MemoryStore"


PASS = """
import sys
from pathlib import Path
import numpy as np
import pyarrow as pa
from skmmap.formats.files.parquet import ParquetStore

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(l.split()[1]) for l in lines if l.startswith("RssAnon")) / 1024

store = ParquetStore(sys.argv[1])
store.read(0, 10)
before, peak, total = anonymous(), 0, 0.0
for start in range(0, store.n_rows, 20_000):
    rows = store.read(start, min(start + 20_000, store.n_rows))
    total += float(rows.sum())
    peak = max(peak, anonymous() - before)
print(peak, pa.default_memory_pool().max_memory() / 2**20, total)
"""


@pytest.mark.slow
@linux
@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "lz4.arrow"])
def test_a_pass_takes_the_memory_of_a_row_group(tmp_path, name):
    n_rows = 1_600_000 if EXHAUSTIVE else 1_000_000  # 122 or 76 MB
    rows = np.random.default_rng(0).random((n_rows, 10))
    table = pa.table({f"c{j}": rows[:, j] for j in range(10)})
    path = tmp_path / name
    if name == "x.parquet":
        write_parquet(path, table, 50_000)
    else:
        write_ipc(path, table, 50_000, "lz4" if name.startswith("lz4") else None)
    done = run_fresh(PASS, path)
    peak, allocated, total = map(float, done.stdout.split())
    assert total == pytest.approx(rows.sum())
    # A row group is 4 MB. Arrow's reader needs more than that while it decodes, and
    # its allocator keeps pages: 25 to 45 MB, for 31 MB of data as for 122 MB.
    assert allocated < 20, f"Arrow allocated {allocated} MB"
    assert peak < 60, f"{peak} MB"
