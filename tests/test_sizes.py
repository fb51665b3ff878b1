"""What is said of sizes: files have the bytes that are said, and memory too."""

import re
import tracemalloc

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from scipy import sparse
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, open_rows
from skmmap.rows import object_sizes as _object_sizes

N_ROWS, N_COLUMNS = 2_000, 20
# Compresses well, so that files and arrays differ.
X = np.repeat(np.arange(N_ROWS * N_COLUMNS // 50.0), 50).reshape(N_ROWS, N_COLUMNS)
SPARSE = sparse.random(
    N_ROWS, 1_000, density=0.01, format="csr", random_state=np.random.default_rng(0)
)
UNITS = {"bytes": 1, "kB": 1e3, "MB": 1e6}


def save(folder):
    np.save(folder / "X.npy", X)
    return folder / "X.npy"


def save_raw(folder):
    X.tofile(folder / "X.bin")
    return {
        "source": folder / "X.bin",
        "dtype": X.dtype,
        "shape": X.shape,
    }


def save_shards(folder):
    np.save(folder / "X_1.npy", X[:500])
    np.save(folder / "X_2.npy", X[500:])
    return folder / "X_*.npy"


def save_csr(folder):
    folder = folder / "csr"
    folder.mkdir()
    for part in ("data", "indices", "indptr"):
        np.save(folder / f"{part}.npy", getattr(SPARSE, part))
    return {"source": folder, "shape": SPARSE.shape}


def save_hdf(folder, **options):
    with h5py.File(folder / "X.h5", "w") as file:
        file.create_dataset("X", data=X, **options)
    return folder / "X.h5"


def save_gzip(folder):
    return save_hdf(folder, compression="gzip", chunks=(100, N_COLUMNS))


def save_virtual(folder):
    path = save_gzip(folder)
    layout = h5py.VirtualLayout(X.shape, X.dtype)
    layout[:] = h5py.VirtualSource(path, "X", X.shape)
    with h5py.File(folder / "V.h5", "w") as file:
        file.create_virtual_dataset("V", layout)
    return folder / "V.h5"


def save_zarr(folder, **options):
    stored = zarr.create_array(
        folder / "X.zarr", shape=X.shape, chunks=(500, 20), dtype=X.dtype, **options
    )
    stored[:] = X
    return folder / "X.zarr"


def save_in_group(folder):
    group = zarr.open_group(folder / "X.zarr", mode="w")
    group.create_array("a", data=X, chunks=(500, 20))
    return {"source": folder / "X.zarr", "key": "a"}


def make_table():
    return pa.table({f"c{i}": X[:, i] for i in range(N_COLUMNS)})


def save_parquet(folder):
    pq.write_table(make_table(), folder / "X.parquet", row_group_size=500)
    return folder / "X.parquet"


def save_ipc(folder):
    with pa.ipc.new_file(folder / "X.arrow", make_table().schema) as file:
        file.write_table(make_table())
    return folder / "X.arrow"


# What is written, how much larger files may be, and whether bytes of a row are known.
ON_DISK = {
    "npy": (save, 1.01, True),
    "raw": (save_raw, 1.01, True),
    "shards": (save_shards, 1.01, True),
    "csr": (save_csr, 1.01, False),
    "hdf": (save_hdf, 1.02, True),
    "hdf gzip": (save_gzip, 3, False),  # of a small one, half is an index
    "hdf virtual": (save_virtual, 3, False),
    "zarr": (save_zarr, 1.01, False),
    "zarr, not compressed": (
        lambda folder: save_zarr(folder, compressors=None),
        1.01,
        False,
    ),
    "zarr group": (save_in_group, 1.05, False),
    "parquet": (save_parquet, 1.5, False),
    "arrow": (save_ipc, 1.01, False),
}


def open_saved(name, folder):
    source = ON_DISK[name][0](folder)
    return open_rows(**source) if isinstance(source, dict) else open_rows(source)


def find_said(text, where):
    number, unit = re.search(rf"([\d.,]+) (\w+) {where}", text).groups()
    return float(number.replace(",", "")) * UNITS[unit]


@pytest.mark.parametrize("name", ON_DISK)
def test_bytes_on_disk_are_those_of_the_files(tmp_path, name):
    rows = open_saved(name, tmp_path)
    size = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    said = find_said(repr(rows), "on disk")
    most = ON_DISK[name][1]
    assert size / most <= said * 1.01
    assert said <= size * 1.01
    assert find_said(repr(rows), "in memory") == 0
    assert "part of" not in repr(rows)
    said_in_html = re.sub("<.*?>", "", rows._repr_html_())
    assert find_said(said_in_html, "on disk") == said


@pytest.mark.parametrize("name", ON_DISK)
def test_bytes_of_a_selection(tmp_path, name):
    rows = open_saved(name, tmp_path)
    whole, some = find_said(repr(rows), "on disk"), repr(rows[: N_ROWS // 4])
    if ON_DISK[name][2]:
        assert find_said(some, "on disk") == whole / 4
    else:
        assert find_said(some, "on disk") == whole
        assert "part of" in some
    picked = rows[np.random.default_rng(0).permutation(N_ROWS)]
    assert find_said(repr(picked), "on disk") == whole
    assert find_said(repr(picked), "in memory") == 4 * N_ROWS


def test_bytes_as_an_array(tmp_path):
    for name in ON_DISK:
        if name != "csr":
            (tmp_path / name).mkdir()
            assert open_saved(name, tmp_path / name)[:100].nbytes == X[:100].nbytes


def test_bytes_of_a_sparse_matrix(tmp_path):
    parts = [getattr(SPARSE, part) for part in ("data", "indices", "indptr")]
    nbytes = sum(part.nbytes for part in parts)
    for rows in (open_saved("csr", tmp_path), open_rows(SPARSE)):
        assert rows.nbytes == nbytes
        assert rows[: N_ROWS // 2].nbytes == round(nbytes / 2)
    assert find_said(repr(open_rows(SPARSE)), "in memory") == pytest.approx(
        nbytes, 0.01
    )
    assert find_said(repr(open_rows(SPARSE)), "on disk") == 0


def test_bytes_in_memory():
    frame = pd.DataFrame(X).astype({0: np.int8})
    table = pa.table({"a": [1.0, 2.0], "city": ["Paris", "Rome"]})
    for source, nbytes in [
        (X, X.nbytes),
        (frame, frame.memory_usage().sum()),
        (pl.DataFrame(X), X.nbytes),
        (table.select(["a"]), 16),
    ]:
        text = repr(open_rows(source))
        assert find_said(text, "in memory") == pytest.approx(nbytes, 0.01), text
        assert find_said(text, "on disk") == 0


TEXTS = [f"{i:0100d}" for i in range(2_000)]
OBJECTS = {
    "frame": lambda texts: pd.DataFrame({"a": 1.0, "b": pd.Series(texts, dtype="O")}),
    "string frame": lambda texts: pd.DataFrame({"a": pd.array(texts, "string")}),
    "index": lambda texts: pd.DataFrame({"a": 1}, index=texts),
    "categories": lambda texts: pd.DataFrame({"a": pd.Categorical(texts)}),
    "polars": lambda texts: pl.DataFrame({"a": texts}),
    "pairs": lambda texts: [(1, text) for text in texts],
    "dicts": lambda texts: tuple({text: 1.0} for text in texts),
    "arrays": lambda texts: [np.array([ord(c) for c in text]) for text in texts],
    "views": lambda texts: list(np.random.default_rng(0).random((len(texts), 30))),
    "array": lambda texts: np.array(texts, dtype=object),
    "matrix": lambda texts: np.array(texts, dtype=object).reshape(2, -1).T,
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_bytes_of_objects_in_memory(kind, monkeypatch):
    tracemalloc.start()
    source = OBJECTS[kind]([text[1:] for text in TEXTS])  # texts of its own
    nbytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    nbytes = max(nbytes, 100 * len(TEXTS))  # of Arrow's nothing is traced
    for most in (10**6, 100):  # all of them, and a sample
        monkeypatch.setattr(_object_sizes, "_LOOKED_AT", most)
        said = find_said(repr(open_rows(source)), "in memory")
        assert nbytes / 1.5 < said < 1.5 * nbytes
    half = find_said(repr(open_rows(source)[: len(source) // 2]), "in memory")
    assert half == pytest.approx(said / 2, rel=0.1)


def test_rows_of_a_map_take_no_memory_but_their_own(tmp_path):
    np.save(tmp_path / "X.npy", np.ones((10, 10_000)))
    source = list(np.load(tmp_path / "X.npy", mmap_mode="r"))
    assert find_said(repr(open_rows(source)), "in memory") < 5_000


def test_what_is_computed_has_a_size_when_it_is_read():
    da = pytest.importorskip("dask.array")

    class Lazy:
        shape, dtype = X.shape, X.dtype

        def __getitem__(self, key):
            return X[key]

    memory = zarr.create_array({}, shape=X.shape, dtype=X.dtype)
    for source in (da.from_array(X, chunks=500), Lazy(), memory):
        text = repr(open_rows(source))
        assert text.endswith(": 320.0 kB when read, 0 bytes in memory>")


def test_a_store_of_many_files_is_not_asked_for_all(tmp_path, monkeypatch):
    rows = open_saved("zarr", tmp_path)
    monkeypatch.setattr("skmmap.formats.groups.zarr_files._MOST_FILES", 3)
    assert repr(rows).endswith(": 320.0 kB when read, 0 bytes in memory>")


def test_a_file_that_is_gone_takes_nothing(tmp_path):
    rows = open_saved("hdf gzip", tmp_path)
    (tmp_path / "X.h5").unlink()
    assert "0 bytes on disk" in repr(rows)


@pytest.mark.parametrize("name", ON_DISK)
def test_explain_says_what_an_epoch_reads(tmp_path, name):
    rows, half = open_saved(name, tmp_path), N_ROWS // 2
    y = np.arange(half) % 2
    explained = ChunkedFit(SGDClassifier()).explain(rows[:half], y)
    line = explained.sections["reads"]
    said = find_said(line, "in the first epoch")
    expected = find_said(repr(rows), "on disk") / 2 + y.nbytes
    assert said == pytest.approx(expected, 0.02)
    exact = name in ("npy", "raw", "shards", "csr", "hdf")
    assert ("about" in line) != exact
