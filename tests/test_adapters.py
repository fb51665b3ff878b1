"""Every adapter has the functions of the contract, in its order, and keeps it."""

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import anndata
import dask.array
import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray
import zarr
from scipy import sparse
from sources import (
    write_csr,
    write_hdf,
    write_ipc,
    write_matlab,
    write_npy,
    write_orc,
    write_packed_matlab,
    write_parquet,
    write_raw,
    write_zarr,
)

from skmmap import open_rows
from skmmap.formats.adapters import (
    find_adapter,
    find_common,
    is_container,
    iter_files,
    iter_objects,
    list_containers,
    names_rows,
)
from skmmap.formats.shared import UNSET
from skmmap.formats.shared.contract import ArrayInfo, Format, is_instance
from skmmap.rows.rows import find_source
from skmmap.rows.source import Source
from skmmap.rows.store import Store

X = np.random.default_rng(0).integers(0, 3, (30, 2)).astype(float)
RAW = {"dtype": float, "shape": (-1, 2)}
CONTRACT = ["FORMAT", "is_mine", "list_arrays", "open_store"]


def to_frame(rows):
    return pl.DataFrame(rows, ["a", "b"])


class Sliced:
    """The least that is needed of an object."""

    def __init__(self, rows):
        self._rows, self.shape, self.dtype = rows, rows.shape, rows.dtype

    def __getitem__(self, key):
        return self._rows[key]


class Again:
    """An iterator that begins again, so that tests can open it twice."""

    def __init__(self, make):
        self._make = make

    def __iter__(self):
        return self._make()

    def __next__(self):
        pytest.fail("its batches were taken without iter")


class ArrayLike:
    def __init__(self, rows):
        self._rows = rows

    def __array__(self, dtype=None, copy=None):
        return self._rows


def written(write, name=""):
    def make(folder):
        write(folder, X)
        return folder / name

    return make


def make_map(folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def make_lance(folder):
    import lance

    table = pa.table({"a": X[:, 0], "b": X[:, 1]})
    lance.write_dataset(table, folder / "X.lance", max_rows_per_file=13)
    return folder / "X.lance"


def make_tiledb(folder):
    import tiledb

    tiledb.from_numpy(str(folder / "X"), X, tile=7)
    return folder / "X"


def make_safetensors(folder):
    from safetensors.numpy import save_file

    save_file({"X": X}, folder / "X.safetensors")
    return folder / "X.safetensors"


def make_zarr(folder):
    write_zarr(folder, X)
    return zarr.open_array(folder / "X.zarr", mode="r")


def make_fits(folder):
    from astropy.io import fits

    fits.PrimaryHDU(X).writeto(folder / "X.fits", overwrite=True)
    return folder / "X.fits"


def make_tiles(folder):
    from astropy.io import fits

    image = X if X.ndim > 1 else X[:, None]
    hdu = fits.CompImageHDU(
        image,
        compression_type="GZIP_1",
        tile_shape=(7, *image.shape[1:]),
        quantize_level=0,
    )
    hdu.writeto(folder / "X.fits", overwrite=True)
    return folder / "X.fits"


def make_fits_table(folder):
    from astropy.io import fits

    table = np.rec.fromarrays([*X.T], names=["a", "b"])
    fits.BinTableHDU(table).writeto(folder / "X.fits", overwrite=True)
    return folder / "X.fits"


def make_nifti(folder):
    import nibabel

    # The last axis is that of rows.
    image = nibabel.Nifti1Image(np.moveaxis(X, 0, -1), np.eye(4), dtype=X.dtype)
    nibabel.save(image, folder / "X.nii")
    return folder / "X.nii"


def make_plink(folder):
    from bed_reader import to_bed

    to_bed(folder / "X.bed", X, num_threads=1)
    return folder / "X.bed"


# A small source of each adapter, and the options that it needs.
SOURCES = {
    "npy": (written(write_npy, "X.npy"), {}),
    "hdf5": (written(write_hdf, "X.h5"), {"key": "deep/data"}),
    "hdf5 matlab": (written(write_matlab, "X.mat"), {"key": "X"}),
    "hdf5 matlab gzip": (written(write_packed_matlab, "X.mat"), {"key": "X"}),
    "zarr": (written(write_zarr, "X.zarr"), {}),
    "zarr array": (make_zarr, {}),
    "parquet": (written(write_parquet, "X.parquet"), {"columns": ["a", "b"]}),
    "parquet ipc": (written(write_ipc, "X.arrow"), {}),
    "parquet orc": (written(write_orc, "X.orc"), {}),
    "parquet pandas": (written(write_parquet, "X.parquet"), {"as_frame": True}),
    "parquet polars": (written(write_ipc, "X.arrow"), {"as_frame": "polars"}),
    "lance": (make_lance, {}),
    "lance pandas": (make_lance, {"as_frame": True}),
    "tiledb": (make_tiledb, {}),
    "safetensors": (make_safetensors, {"key": "X"}),
    "fits": (make_fits, {}),
    "fits tiles": (make_tiles, {}),
    "fits table": (make_fits_table, {"columns": ["a", "b"]}),
    "nifti": (make_nifti, {}),
    "plink": (make_plink, {"dtype": float}),
    "csr_folder": (written(write_csr), {"shape": X.shape}),
    "raw": (written(write_raw, "X.bin"), RAW),
    "arrays": (lambda folder: X, {}),
    "arrays map": (make_map, {"mode": "r+"}),
    "xarray": (lambda folder: xarray.DataArray(X), {}),
    "dask": (lambda folder: dask.array.from_array(X, (7, 2)), {}),
    "arrow_tables": (lambda folder: pa.table({"a": X[:, 0], "b": X[:, 1]}), {}),
    "streams": (lambda folder: pl.LazyFrame(X, schema=["a", "b"]), {}),
    "streams pandas": (
        lambda folder: pl.LazyFrame(X, schema=["a", "b"]),
        {"as_frame": "pandas"},
    ),
    "batches": (
        lambda folder: Again(lambda: map(to_frame, np.split(X, [7, 7, 22]))),
        {},
    ),
    "arrow_tables pandas": (
        lambda folder: pa.table({"a": X[:, 0], "b": X[:, 1]}),
        {"as_frame": "pandas"},
    ),
    "frames": (lambda folder: pd.DataFrame(X, columns=["a", "b"]), {}),
    "frames polars": (lambda folder: pl.DataFrame(X, schema=["a", "b"]), {}),
    "matrices": (lambda folder: sparse.csr_array(X), {}),
    "sequences": (lambda folder: X.tolist(), {}),
    "sliceable": (lambda folder: Sliced(X), {}),
    "array_likes": (lambda folder: ArrayLike(X), {}),
}
# Those whose rows may have any number of dimensions.
OF_ANY_SHAPE = [
    "npy",
    "fits",
    "hdf5",
    "nifti",
    "raw",
    "arrays",
    "arrays map",
    "xarray",
    "sequences",
    "sliceable",
    "array_likes",
]
BY_NAME = {
    adapter.__name__.rpartition(".")[2]: adapter
    for adapter in [*iter_files(), *iter_objects()]
}


def make_case(name, folder):
    """Return an adapter, a source of it, and the options that it needs."""
    make, options = SOURCES[name]
    if "dtype" in options and "shape" in options:
        options = options | {"dtype": X.dtype, "shape": (-1, *X.shape[1:])}
    return BY_NAME[name.partition(" ")[0]], make(folder), options


@pytest.fixture(params=SOURCES)
def case(request, tmp_path):
    return make_case(request.param, tmp_path)


def has_columns(adapter, options):
    is_image = adapter is BY_NAME["fits"] and "columns" not in options
    return "columns" in adapter.FORMAT.options and not is_image


def to_array(rows):
    return np.asarray(rows.toarray() if sparse.issparse(rows) else rows)


def test_there_is_a_source_for_each_adapter():
    assert {name.partition(" ")[0] for name in SOURCES} | {"refused"} == {*BY_NAME}


def test_adapters_are_the_modules_of_their_folders():
    folders = (
        Path(BY_NAME["npy"].__file__).parent,
        Path(BY_NAME["zarr"].__file__).parent,
        Path(BY_NAME["dask"].__file__).parent,
    )
    modules = {path.stem for folder in folders for path in folder.glob("[!_]*.py")}
    assert modules - {"unknown_store", "fits_tables"} == {*BY_NAME}


@pytest.mark.parametrize("name", BY_NAME)
def test_the_same_functions_in_the_same_order(name):
    """Who knows one adapter knows all."""
    tree = ast.parse(Path(BY_NAME[name].__file__).read_text(encoding="utf-8"))
    found, classes = [], []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found.append(node.name)
        elif isinstance(node, ast.ClassDef):
            classes.append(len(found))
        elif isinstance(node, ast.Assign):
            found += [target.id for target in node.targets]
    assert [part for part in found if part in CONTRACT] == CONTRACT
    assert all(place > found.index("open_store") for place in classes)
    arguments = {
        node.name: [arg.arg for arg in node.args.args]
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    assert arguments["is_mine"] == ["source", "first"]
    assert arguments["list_arrays"] == ["source"]
    assert arguments["open_store"] == ["source", "name"]


@pytest.mark.parametrize("name", BY_NAME)
def test_options_are_those_of_open_store(name):
    adapter = BY_NAME[name]
    assert isinstance(adapter.FORMAT, Format)
    options = adapter.open_store.__kwdefaults__ or {}
    assert (*options,) == adapter.FORMAT.options
    assert options == {name: UNSET[name] for name in options}
    assert adapter.FORMAT.joins == hasattr(adapter, "list_files")


def test_suffixes_are_of_one_format_each():
    suffixes = [
        suffix for adapter in iter_files() for suffix in adapter.FORMAT.suffixes
    ]
    assert len(suffixes) == len({*suffixes})
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in suffixes)


def test_a_source_is_of_its_adapter(case):
    adapter, source, options = case
    assert find_adapter(source, options.get("dtype")) is adapter
    assert is_container(source) == (
        adapter in list_containers() and not isinstance(source, Path)
    )


def test_shape_type_and_rows(case):
    adapter, source, options = case
    store = adapter.open_store(source, "X", **options)
    assert isinstance(store, Store)
    assert (store.shape, store.dtype) == (X.shape, X.dtype)
    for start in range(0, len(X) + 1, 3):
        for stop in range(start, len(X) + 1, 4):
            rows = to_array(store.read(start, stop)).reshape(-1, 2)
            np.testing.assert_array_equal(rows, X[start:stop])
    for picked in ([2, 2, 3, 17], [], [0], [29], range(30)):
        picked = np.array(picked, int)
        rows = to_array(store.take(picked)).reshape(-1, 2)
        np.testing.assert_array_equal(rows, X[picked])


@pytest.mark.parametrize("dtype", ["i2", "f4"])
# Genotypes have types of their own, tested in test_plink.py.
@pytest.mark.parametrize("name", [name for name in SOURCES if name != "plink"])
def test_types_are_kept(name, dtype, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "X", X.astype(dtype))
    adapter, source, options = make_case(name, tmp_path)
    store = adapter.open_store(source, "X", **options)
    expected = np.asarray(source).dtype if isinstance(source, list) else dtype
    assert store.dtype == to_array(store.read(2, 7)).dtype == expected
    np.testing.assert_array_equal(to_array(store.read(2, 7)), X[2:7])


@pytest.mark.parametrize("shape", [(30,), (15, 2, 2)])
@pytest.mark.parametrize("name", OF_ANY_SHAPE)
def test_rows_of_other_dimensions(name, shape, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "X", np.resize(X, shape))
    adapter, source, options = make_case(name, tmp_path)
    store = adapter.open_store(source, "y", **options)
    assert store.shape == shape
    np.testing.assert_array_equal(to_array(store.read(2, 7)), X[2:7])
    np.testing.assert_array_equal(to_array(store.take(np.array([4, 9]))), X[[4, 9]])


def test_nobody_can_write_to_a_source_through_its_rows(case):
    adapter, source, options = case
    opened = Source(adapter.open_store(source, "X", **options))
    expected = X[1:5].copy()
    for _ in range(2):
        rows = opened.read(1, 5)  # of one block, which may be kept
        np.testing.assert_array_equal(to_array(rows), expected)
        if isinstance(rows, np.ndarray) and rows.flags.writeable:
            rows[:] = 0
        elif isinstance(rows, list | pd.DataFrame):
            rows[:] = rows[::-1] if isinstance(rows, list) else 0


def test_what_may_be_written_to(case):
    adapter, source, options = case
    if "mode" not in adapter.FORMAT.options:
        store = adapter.open_store(source, "X", **options)
        with pytest.raises(ValueError, match="is read only"):
            store.write(np.array([3]), 0.0)
        return
    if isinstance(source, np.ndarray) and not isinstance(source, np.memmap):
        source = source.copy()
    elif isinstance(source, np.memmap):
        source = np.load(source.filename, mmap_mode="r+")
    store = adapter.open_store(source, "X", **options | {"mode": "r+"})
    store.write(np.array([3, 5]), 0.0)
    again = adapter.open_store(source, "X", **options)
    expected = X.copy()
    expected[[3, 5]] = 0
    np.testing.assert_array_equal(again.read(0, 30), expected)


def test_where_rows_are(case):
    """Progress, workers and the choice of maps follow from it."""
    adapter, source, options = case
    store = adapter.open_store(source, "X", **options)
    is_loaded = isinstance(source, np.ndarray | list | pd.DataFrame | pl.DataFrame)
    is_loaded |= isinstance(source, pa.Table | ArrayLike) or sparse.issparse(source)
    is_loaded &= not isinstance(source, np.memmap)
    assert store.on_disk != is_loaded
    assert bool(store.memory_nbytes) == is_loaded


def test_columns_keep_their_names(case):
    adapter, source, options = case
    is_table = has_columns(adapter, options) or hasattr(source, "columns")
    store = adapter.open_store(source, "X", **options)
    assert store.names == (["a", "b"] if is_table else None)


def test_what_may_change_unnoticed(case):
    """`resume` refuses it, and results beside it are looked at more closely."""
    adapter, source, options = case
    store = adapter.open_store(source, "X", **options)
    is_lazy = adapter in (BY_NAME[n] for n in ("dask", "xarray", "sliceable"))
    assert store.identity.is_known != is_lazy


@pytest.mark.parametrize(
    "name",
    [
        *("npy", "hdf5", "zarr", "parquet", "fits", "fits table", "nifti"),
        *("csr_folder", "raw"),
    ],
)
def test_a_file_that_is_written_again_is_another_one(name, tmp_path, monkeypatch):
    adapter, source, options = make_case(name, tmp_path)
    store = adapter.open_store(source, "X", **options)
    monkeypatch.setitem(globals(), "X", X + 1)
    again = adapter.open_store(make_case(name, tmp_path)[1], "X", **options)
    assert store.identity != again.identity
    np.testing.assert_array_equal(to_array(again.read(0, 9)), X[:9])


def test_a_pickle_has_an_address_and_no_rows(case):
    adapter, source, options = case
    store = adapter.open_store(source, "X", **options)
    store.read(0, 30)
    if store.can_reopen:
        data = pickle.dumps(store)
        for first in range(27):
            rows = X[first : first + 4]
            assert rows.tobytes() not in data
            assert rows[:, 0].tobytes() not in data


def test_open_rows_opens_it(case):
    adapter, source, options = case
    rows = open_rows(source, **options)
    assert type(find_source(rows).store) is type(
        adapter.open_store(source, "source", **options)
    )
    np.testing.assert_array_equal(to_array(rows.read(5, 9)), X[5:9])


def test_what_is_in_it(case):
    adapter, source, options = case
    if adapter is BY_NAME["raw"]:
        with pytest.raises(ValueError, match="looks like binary data"):
            adapter.list_arrays(source)
        return
    arrays = adapter.list_arrays(source)
    assert all(isinstance(array, ArrayInfo) for array in arrays)
    if has_columns(adapter, options):
        assert arrays == [(name, (len(X),), "float64", None) for name in "ab"]
    else:
        (array,) = arrays
        assert array.name == options.get("key", "")
        # A .bed file has no type: what is listed is the natural one.
        dtype = np.float32 if adapter is BY_NAME["plink"] else X.dtype
        assert (array.shape, array.dtype) == (X.shape, dtype)
        assert array.layout == (
            "csr" if adapter.__name__.endswith(("csr_folder", "matrices")) else None
        )


def test_the_same_source_is_the_same_data(case):
    adapter, source, options = case
    store, again = (adapter.open_store(source, "X", **options) for _ in range(2))
    # What computes its rows is another one each time.
    assert (store.identity == again.identity) != store.identity.has_code
    is_computed = adapter in (BY_NAME["streams"], BY_NAME["batches"])
    assert store.identity.has_code == is_computed
    named = [path for path in store.identity.states if isinstance(source, Path)]
    assert bool(named) == isinstance(source, Path)
    if isinstance(source, Path) and not source.is_dir():
        assert store.reads_from(source)


def test_two_sources_share_nothing(case):
    """What is learned from one must not be taken for the other's."""
    adapter, source, options = case
    stores = [adapter.open_store(source, "X", **options) for _ in range(2)]
    assert stores[0].shared_key == stores[0].for_run("map").shared_key
    assert stores[0].shared_key != stores[1].shared_key


def test_a_pickle_reads_the_same_rows(case):
    adapter, source, options = case
    store = adapter.open_store(source, "X", **options)
    again = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(to_array(again.read(3, 8)), X[3:8])
    assert (again.shape, again.dtype) == (store.shape, store.dtype)


READ = """
import pickle, sys
import numpy as np
from scipy import sparse
for store in pickle.load(sys.stdin.buffer):
    rows = store.read(3, 8)
    rows = rows.toarray() if sparse.issparse(rows) else rows
    sys.stdout.buffer.write(np.asarray(rows, float).tobytes())
"""


def test_another_process_opens_files_again(tmp_path):
    stores = []
    for number, (name, (make, options)) in enumerate(SOURCES.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        source = make(folder)
        adapter = BY_NAME[name.partition(" ")[0]]
        store = adapter.open_store(source, "X", **options)
        is_file = isinstance(source, Path | np.memmap | zarr.Array)
        assert store.can_reopen == is_file
        stores += [store] if is_file else []
    code = [sys.executable, "-c", READ]
    given = pickle.dumps(stores)
    done = subprocess.run(code, input=given, capture_output=True, check=True)
    assert done.stdout == len(stores) * X[3:8].tobytes()


@pytest.mark.parametrize(
    "name", ["npy", "hdf5", "zarr", "parquet", "fits", "nifti", "plink", "csr_folder"]
)
def test_a_file_is_known_by_its_content(name, tmp_path):
    make, _ = SOURCES[name]
    path = make(tmp_path)
    renamed = path.rename(tmp_path.with_name(f"{tmp_path.name}.renamed"))
    assert find_adapter(renamed) is BY_NAME[name]
    assert names_rows(str(renamed))


@pytest.mark.parametrize("name", ["hdf5", "zarr"])
def test_all_arrays_of_a_group_are_listed(name, tmp_path):
    if name == "hdf5":
        group = h5py.File(tmp_path / "two.h5", "w")
    else:
        group = zarr.open_group(tmp_path / "two.zarr", mode="w")
    group.create_group("deep")["X"] = X
    group["y"] = X[:, 0].astype("i2")
    getattr(group, "close", list)()
    adapter, (path,) = BY_NAME[name], tmp_path.iterdir()
    said = {(a.name, a.shape, str(a.dtype)) for a in adapter.list_arrays(path)}
    assert said == {("deep/X", (30, 2), "float64"), ("y", (30,), "int16")}
    assert adapter.open_store(path, "X", key="y").shape == (30,)


RECOGNISE = """
import sys
from pathlib import Path
from skmmap.formats.adapters import find_adapter
before = {*sys.modules}
[find_adapter(source) for source in [*map(Path, sys.argv[1:]), [1, 2], 3]]
print(sorted({name.partition(".")[0] for name in {*sys.modules} - before}))
"""


def test_no_library_is_imported_to_recognise_a_source(tmp_path):
    paths = [
        str(SOURCES[name][0](tmp_path))
        for name in ("npy", "hdf5", "zarr", "parquet", "parquet ipc", "raw")
    ]
    code = [sys.executable, "-c", RECOGNISE, *paths, "none.h5", "none.parquet"]
    done = subprocess.run(code, capture_output=True, check=True, text=True)
    libraries = "h5py", "zarr", "pyarrow", "dask", "pandas", "polars", "xarray"
    assert not any(repr(name) in done.stdout for name in libraries)


@pytest.mark.parametrize("block", [512, 1024, 8192])
def test_hdf5_behind_a_user_block(block, tmp_path):
    with h5py.File(tmp_path / "X.bin", "w", userblock_size=block) as file:
        file["X"] = X
    assert find_adapter(tmp_path / "X.bin") is BY_NAME["hdf5"]


def test_what_is_not_there_is_known_by_its_suffix(tmp_path):
    for adapter in iter_files():
        for suffix in adapter.FORMAT.suffixes:
            assert find_adapter(tmp_path / f"x{suffix.upper()}") is adapter
    assert find_adapter(tmp_path / "x") is BY_NAME["raw"]
    assert find_adapter(tmp_path) is None
    assert not names_rows(str(tmp_path / "x"))


def test_a_type_says_that_a_file_is_raw(tmp_path):
    np.save(tmp_path / "x.npy", X)
    path = (tmp_path / "x.npy").rename(tmp_path / "x.bin")
    assert find_adapter(path) is BY_NAME["npy"]
    assert find_adapter(path, float) is BY_NAME["raw"]


def test_files_that_are_opened_together(tmp_path):
    write_parquet(tmp_path, X)
    write_ipc(tmp_path, X)
    write_npy(tmp_path, X)
    tables = [tmp_path / "X.parquet", tmp_path / "X.arrow"]
    assert find_common(tables) is BY_NAME["parquet"]
    assert find_common([*tables, tmp_path / "X.npy"]) is None
    assert find_common([tmp_path / "X.npy"]) is None
    assert open_rows(tables).shape == (2 * len(X), 2)


def test_classes_are_known_by_their_names():
    class Array(np.ndarray):
        __module__ = "zarr.core"

    class Own(Array):
        pass

    assert is_instance(X.view(Own), {("zarr", "Array")})
    assert not is_instance(X, {("zarr", "Array")})
    assert find_adapter(anndata.AnnData(X)) is BY_NAME["refused"]
