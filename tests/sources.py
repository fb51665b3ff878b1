"""Rows on disk in every layout: how they are written, opened and replaced."""

import os
import shutil

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr
from scipy import sparse

from skmmap import open_rows

N_ROWS = 60


def make_rows(value, n_rows=N_ROWS):
    """Return rows of the value, and their numbers."""
    return np.c_[np.full(n_rows, float(value)), np.arange(float(n_rows))]


def write_npy(folder, X):
    np.save(folder / "X.npy", X)


def write_fortran(folder, X):
    np.save(folder / "X.npy", np.asfortranarray(X))


def write_raw(folder, X):
    X.tofile(folder / "X.bin")


def write_shards(folder, X, order="C"):
    for i, part in enumerate(np.split(X, [25, 40])):
        np.save(folder / f"X_{i}.npy", np.asarray(part, order=order))


def write_csr(folder, X):
    matrix = sparse.csr_array(X)
    for part in ("data", "indices", "indptr"):
        np.save(folder / f"{part}.npy", getattr(matrix, part))
    np.save(folder / "shape.npy", matrix.shape)


def write_hdf(folder, X, name="X.h5", **options):
    with h5py.File(folder / name, "w") as file:
        file.create_dataset("deep/data", data=X, **options)
        file["soft"] = h5py.SoftLink("/deep/data")


def write_matlab(folder, X, **options):
    """Write the file of MATLAB 7.3 that has these rows: they lie transposed."""
    with h5py.File(folder / "X.mat", "w", userblock_size=512) as file:
        stored = file.create_dataset("X", data=X.T, **options)
        stored.attrs["MATLAB_class"] = np.bytes_("double")


def write_packed_matlab(folder, X):
    write_matlab(folder, X, chunks=(*X.shape[:0:-1], 7), compression="gzip")


def write_links(folder, X):
    """Put the rows where a link of another file leads to, which stays as it is."""
    write_hdf(folder, X, "other.h5")
    if not (folder / "X.h5").exists():
        with h5py.File(folder / "X.h5", "w") as file:
            file["away"] = h5py.ExternalLink("other.h5", "/deep/data")
            file["group"] = h5py.ExternalLink("other.h5", "/deep")
            file["twice"] = h5py.SoftLink("/group/data")
            file["data"] = np.zeros((2, 2))  # of the same name as the one behind


def write_raw_data(folder, X):
    X.tofile(folder / "data.npy")  # a name that out= may have
    if not (folder / "X.h5").exists():
        with h5py.File(folder / "X.h5", "w") as file:
            where = [(folder / "data.npy", 0, X.nbytes)]
            file.create_dataset("X", X.shape, X.dtype, external=where)


def write_virtual(folder, X):
    write_hdf(folder, X, "other.h5")
    if not (folder / "X.h5").exists():
        with h5py.File(folder / "X.h5", "w") as file:
            layout = h5py.VirtualLayout(X.shape, X.dtype)
            source = h5py.VirtualSource("other.h5", "deep/data", X.shape)
            layout[:30], layout[30:] = source[:30], source[30:]
            file.create_virtual_dataset("X", layout)


def write_zarr(folder, X, **options):
    path = folder / "X.zarr"
    options = {"chunks": (7, 2)} | options
    stored = zarr.create_array(
        path, shape=X.shape, dtype=X.dtype, overwrite=True, **options
    )
    stored[:] = X


def write_zip(folder, X):
    with zarr.storage.ZipStore(folder / "X.zip", mode="w") as store:
        zarr.create_array(store, shape=X.shape, dtype=X.dtype, chunks=(7, 2))[:] = X


def open_zip(folder):
    store = zarr.storage.ZipStore(folder / "X.zip", mode="r")
    return open_rows(zarr.open_array(store, mode="r"))


def to_table(X):
    return pa.table({"a": X[:, 0], "b": X[:, 1]})


def write_parquet(folder, X, **options):
    table = to_table(X)
    pq.write_table(table, folder / "X.parquet", row_group_size=13, **options)


def write_ipc(folder, X, compression=None):
    table, options = to_table(X), pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(folder / "X.arrow", table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=13)


def write_orc(folder, X):
    from pyarrow import orc

    table = to_table(X)
    with orc.ORCWriter(folder / "X.orc", stripe_size=1_024, batch_size=13) as writer:
        for start in range(0, len(X), 13):
            writer.write(table.slice(start, 13))


# How rows are written to a folder, and opened there.
WRITTEN = {
    "npy": (write_npy, lambda t: t / "X.npy"),
    "npy rows": (write_npy, lambda t: open_rows(t / "X.npy")),
    "npy selection": (
        lambda t, X: np.save(t / "X.npy", np.repeat(X, 2, axis=0)),
        lambda t: open_rows(t / "X.npy")[1::2],
    ),
    "Fortran": (write_fortran, lambda t: t / "X.npy"),
    "map": (write_npy, lambda t: np.load(t / "X.npy", mmap_mode="r")),
    "view with steps": (
        lambda t, X: np.save(t / "X.npy", np.repeat(X, 2, axis=0)),
        lambda t: np.load(t / "X.npy", mmap_mode="r")[::2],
    ),
    "transposed": (
        lambda t, X: np.save(t / "X.npy", X.T),
        lambda t: np.load(t / "X.npy", mmap_mode="r").T,
    ),
    "private": (write_npy, lambda t: open_rows(t / "X.npy", mode="c")),
    "raw": (write_raw, lambda t: open_rows(t / "X.bin", dtype=float, shape=(-1, 2))),
    "shards": (write_shards, lambda t: str(t / "X_*.npy")),
    "Fortran shards": (
        lambda t, X: write_shards(t, X, "F"),
        lambda t: open_rows(t / "X_*.npy"),
    ),
    "shards of selections": (
        write_shards,
        lambda t: open_rows([open_rows(t / f"X_{i}.npy")[:] for i in range(3)]),
    ),
    "CSR": (write_csr, lambda t: t),
    "hdf": (write_hdf, lambda t: open_rows(t / "X.h5", key="deep/data")),
    "hdf alone": (write_hdf, lambda t: t / "X.h5"),
    "hdf gzip": (
        lambda t, X: write_hdf(t, X, compression="gzip", chunks=(7, 1)),
        lambda t: t / "X.h5",
    ),
    "hdf soft link": (write_hdf, lambda t: open_rows(t / "X.h5", key="soft")),
    "hdf link": (write_links, lambda t: open_rows(t / "X.h5", key="away")),
    "hdf linked group": (write_links, lambda t: open_rows(t / "X.h5", key="group")),
    "hdf two links": (write_links, lambda t: open_rows(t / "X.h5", key="/twice")),
    "hdf raw data": (write_raw_data, lambda t: t / "X.h5"),
    "hdf virtual": (write_virtual, lambda t: t / "X.h5"),
    "zarr 3": (write_zarr, lambda t: t / "X.zarr"),
    "zarr 2": (lambda t, X: write_zarr(t, X, zarr_format=2), lambda t: t / "X.zarr"),
    "zarr sharded": (
        lambda t, X: write_zarr(t, X, shards=(14, 2)),
        lambda t: t / "X.zarr",
    ),
    "zarr zip": (write_zip, open_zip),
    "parquet": (write_parquet, lambda t: t / "X.parquet"),
    "orc": (write_orc, lambda t: t / "X.orc"),
    "ipc": (write_ipc, lambda t: t / "X.arrow"),
    "ipc lz4": (lambda t, X: write_ipc(t, X, "lz4"), lambda t: t / "X.arrow"),
}


def write(kind, folder, value):
    folder.mkdir(exist_ok=True)
    WRITTEN[kind][0](folder, make_rows(value))
    return folder


def open_kind(kind, folder):
    return WRITTEN[kind][1](folder)


def write_again(kind, folder, value):
    """Write to the same files, as programs do that know nothing of readers."""
    if "zarr 3" in kind or "zarr 2" in kind or "sharded" in kind:
        write(kind, folder, value)
        return
    for path in write_beside(kind, folder, value):
        # HDF5 does not do so itself while the process has the file open. Not truncated
        # first: a thread that reads a map at that moment would end the process.
        with open(folder / path.name, "r+b") as file:
            file.write(path.read_bytes())
            file.truncate()


def replace(kind, folder, value):
    """Let files of another folder take the places."""
    for path in write_beside(kind, folder, value):
        if path.is_dir():
            shutil.rmtree(folder / path.name)
            shutil.move(path, folder / path.name)
        else:
            os.replace(path, folder / path.name)


def write_beside(kind, folder, value):
    """Return new files for a folder, without those of links, which stay."""
    other = folder.with_name("other folder")
    shutil.rmtree(other, ignore_errors=True)
    write(kind, other, value)
    paths = {path.name: path for path in other.iterdir()}
    if {"other.h5", "data.npy"} & set(paths) and "X.h5" in paths:
        del paths["X.h5"]
    return list(paths.values())


def write_with_old_times(kind, folder, value):
    """Write to the same paths within the time that a clock of files takes to move."""
    times = [(path, path.stat().st_mtime_ns) for path in folder.rglob("*")]
    write_again(kind, folder, value)
    for path, time in times:
        if path.exists():
            os.utime(path, ns=(time, time))


WAYS = {"again": write_again, "replaced": replace, "old times": write_with_old_times}
