"""What delivers rows to arrival.py: files of each format, which skmmap reads."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import scipy.sparse
from rows import drop_cache
from sklearn.base import BaseEstimator
from sklearn.utils import gen_batches

import skmmap
from skmmap import ChunkedFit, open_rows

N_FEATURES = 100
ROW_BYTES = 4 * N_FEATURES
# Of sparse rows every 20th value is there, so that a row of values and of column
# numbers has as many bytes as a dense one.
SPARSE_FEATURES, SPARSE_VALUES = 1_000, 50
_BLOCK_ROWS = 10_000  # in a compressed piece, which a chunk holds whole pieces of
_CHUNK_ROWS = 4 * _BLOCK_ROWS
_CSV_SHARE = 10  # text takes long to write and to parse


class Idle(BaseEstimator):
    """Learns nothing: a pass takes what bringing its rows takes."""

    def partial_fit(self, X, y=None):
        return self


@dataclass(frozen=True)
class Source:
    """Where rows come from: how its file is written, and how it is read.

    ``read`` is ChunkedFit's parameter, None for text, which is converted first.
    """

    name: str
    write: Callable
    read: str | None = "auto"
    is_cold: bool = False
    share: int = 1

    def write_rows(self, folder: Path, n_rows: int) -> tuple[Path, int]:
        """Return the path of its file and the bytes of its rows in memory."""
        n_rows //= self.share
        return self.write(folder, n_rows), n_rows * ROW_BYTES

    def read_rows(self, path: Path) -> None:
        """Bring all rows once."""
        if self.read is None:
            skmmap.convert(path, path.with_suffix(".converted.npy"), dtype=np.float32)
            return
        reader = ChunkedFit(
            Idle(), chunk_size=_CHUNK_ROWS, max_epochs=1, shuffle=False, read=self.read
        )
        reader.fit(open_rows(path))

    def forget(self, path: Path) -> None:
        """Drop the file's pages, if that is what is measured."""
        if self.is_cold:
            drop_cache(path)


@cache
def make_rows(n_rows: int) -> np.ndarray:
    """Return counts and measurements as they come: positive, with two decimals."""
    rng = np.random.default_rng(0)
    rows = np.empty((n_rows, N_FEATURES), np.float32)
    for part in gen_batches(n_rows, _BLOCK_ROWS):
        rng.standard_normal(dtype=np.float32, out=rows[part])
        np.round(np.abs(rows[part]), 2, out=rows[part])
    return rows


@cache
def make_sparse(n_rows: int) -> scipy.sparse.csr_array:
    """Return rows of positive values in sorted columns."""
    values = make_rows(n_rows)[:, :SPARSE_VALUES] + np.float32(0.01)
    step = SPARSE_FEATURES // SPARSE_VALUES
    rng = np.random.default_rng(0)
    columns = rng.integers(step, size=values.shape, dtype=np.int32)
    columns += np.arange(0, SPARSE_FEATURES, step, dtype=np.int32)
    ends = np.arange(0, values.size + 1, SPARSE_VALUES, dtype=np.int32)
    shape = n_rows, SPARSE_FEATURES
    return scipy.sparse.csr_array((values.ravel(), columns.ravel(), ends), shape=shape)


def make_labels(rows) -> np.ndarray:
    """Return two labels that depend on all columns and on noise, half of the rows each.

    Without noise some estimators have nothing to learn after a few chunks.
    """
    rng = np.random.default_rng(0)
    values = rows @ rng.standard_normal(rows.shape[1], dtype=np.float32)
    values += values.std() * rng.standard_normal(len(values), dtype=np.float32)
    return (values > np.median(values)).astype(np.int64)


def write_npy(folder: Path, n_rows: int) -> Path:
    path = folder / "X.npy"
    if not path.exists():  # which several sources read
        np.save(path, make_rows(n_rows))
    return path


def write_csr(folder: Path, n_rows: int) -> Path:
    path, rows = folder / "X_csr", make_sparse(n_rows)
    path.mkdir()
    for name in ("data", "indices", "indptr", "shape"):
        np.save(path / f"{name}.npy", getattr(rows, name))
    return path


def write_hdf5(folder: Path, n_rows: int, compression: str | None = None) -> Path:
    import h5py

    path, rows = folder / f"X_{compression}.h5", make_rows(n_rows)
    chunks = min(_BLOCK_ROWS, n_rows), N_FEATURES
    with h5py.File(path, "w") as file:
        file.create_dataset("X", data=rows, chunks=chunks, compression=compression)
    return path


def write_zarr(folder: Path, n_rows: int) -> Path:
    import zarr

    path, rows = folder / "X.zarr", make_rows(n_rows)
    chunks = min(_BLOCK_ROWS, n_rows), N_FEATURES
    zarr.create_array(path, data=rows, chunks=chunks)
    return path


def write_arrow(folder: Path, n_rows: int, suffix: str) -> Path:
    """Write a column for each value of a row: parquet, arrow or csv."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.feather
    import pyarrow.parquet

    path, rows = folder / f"X.{suffix}", make_rows(n_rows)
    columns = [np.ascontiguousarray(column) for column in rows.T]
    table = pa.table({f"x{i}": column for i, column in enumerate(columns)})
    if suffix == "parquet":
        pa.parquet.write_table(table, path, row_group_size=_BLOCK_ROWS)
    elif suffix == "arrow":
        pa.feather.write_feather(
            table, path, compression="uncompressed", chunksize=_BLOCK_ROWS
        )
    else:
        pa.csv.write_csv(table, path)
    return path


SOURCES = [
    Source("page cache (mapped)", write_npy, "map"),
    Source("page cache (buffers)", write_npy, "buffer"),
    Source("cold disk", write_npy, "buffer", is_cold=True),
    Source("CSR folder", write_csr),
    Source("HDF5", write_hdf5),
    Source("HDF5 (gzip)", partial(write_hdf5, compression="gzip")),
    Source("zarr (zstd)", write_zarr),
    Source("Arrow IPC", partial(write_arrow, suffix="arrow")),
    Source("Parquet (snappy)", partial(write_arrow, suffix="parquet")),
    Source(
        "CSV (converted)", partial(write_arrow, suffix="csv"), None, share=_CSV_SHARE
    ),
]
