"""Measure passes over rows of each format against the library's own bulk read.

    python benchmarks/formats.py
    python benchmarks/formats.py --only "MATLAB" "h5ad CSR" --rows 50000 --rounds 3

Files are warm, in the page cache. In each round the ways take turns: the fastest call
by which the format's own library reads everything; passes by slices of 1,000 and 10,000
rows, as a run of `ChunkedFit` reads them; epochs of `ChunkedFit` around an estimator
that does nothing, in file order and shuffled; and, with the file dropped from the page
cache before each of them, the bulk read and the pass by 10,000 rows. Figures are
medians of the ratios in each round, of wall and of CPU time in brackets. To add a
format, write a function for its file and one for its bulk read, and add both to
`FORMATS`.
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from measure import describe_machine
from rows import drop_cache
from scipy import sparse
from sklearn.base import BaseEstimator

from skmmap import ChunkedFit, open_rows

COLUMNS, PER_ROW = 2_000, 100  # of sparse rows; dense ones have a fortieth


def make_cells(n_rows: int) -> sparse.csr_matrix:
    """Return counts as those of cells: 100 of 2,000 genes in each."""
    rng = np.random.default_rng(0)
    gaps = rng.integers(1, COLUMNS // PER_ROW, (n_rows, PER_ROW), dtype=np.int32)
    indices = np.cumsum(gaps, axis=1, dtype=np.int32).ravel()
    data = rng.poisson(3, len(indices)).astype(np.float32) + 1
    indptr = np.arange(n_rows + 1, dtype=np.int32) * PER_ROW
    return sparse.csr_matrix((data, indices, indptr), (n_rows, COLUMNS))


def make_dense(n_rows: int) -> np.ndarray:
    shape = n_rows, COLUMNS // 40
    return np.random.default_rng(0).integers(0, 1000, shape).astype(float)


def write_h5ad(path, n_rows, **options):
    import anndata

    anndata.AnnData(X=make_cells(n_rows)).write_h5ad(path, **options)


def write_10x(path, n_rows):
    import h5py

    cells = make_cells(n_rows)
    options = {"compression": "gzip", "shuffle": True}
    with h5py.File(path, "w") as file:
        for name, dtype in {"data": "i4", "indices": "i8", "indptr": "i8"}.items():
            values = getattr(cells, name).astype(dtype)
            chunks = (min(80_000, len(values)),)
            file.create_dataset(f"matrix/{name}", data=values, chunks=chunks, **options)
        file["matrix/shape"] = np.array(cells.shape[::-1], "i4")
        file["matrix/barcodes"] = np.arange(n_rows)


def write_zarr(path, n_rows, zarr_format):
    import anndata

    with anndata.settings.override(zarr_write_format=zarr_format):
        anndata.AnnData(X=make_cells(n_rows)).write_zarr(path)


def read_csr(path, key):
    import h5py
    import zarr

    group = zarr.open(path, mode="r") if path.is_dir() else h5py.File(path)
    parts = [group[f"{key}/{name}"][:] for name in ("data", "indices", "indptr")]
    return sparse.csr_array(tuple(parts))


def write_matlab(path, n_rows, **options):
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        stored = file.create_dataset("X", data=make_dense(n_rows).T, **options)
        stored.attrs["MATLAB_class"] = np.bytes_("double")


def read_matlab(path, key):
    import h5py

    with h5py.File(path) as file:
        return file[key][:].T


def write_hive(path, n_rows):
    """Write 20 files in folders of a key, each of two row groups."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, names = make_dense(n_rows), [f"c{i}" for i in range(COLUMNS // 40)]
    for number, part in enumerate(np.array_split(rows, 20)):
        folder = path / f"part={number}"
        folder.mkdir(parents=True)
        table = pa.table(dict(zip(names, part.T, strict=True)))
        group = max(1, -(-len(part) // 2))
        pq.write_table(table, folder / "0.parquet", row_group_size=group)


def read_hive(path, key):
    import pyarrow.parquet as pq

    return pq.read_table(path, partitioning="hive")


def to_rows(read_table):
    """Return a function for rows, as open_rows gives them: tables have columns."""

    def read(path, key):
        columns = read_table(path, key).columns
        return np.column_stack([column.to_numpy() for column in columns])

    return read


def write_plink(path, n_rows, **options):
    from bed_reader import to_bed

    shape = n_rows, COLUMNS // 4
    values = np.random.default_rng(0).integers(0, 3, shape, dtype=np.int8)
    to_bed(path, values, num_threads=1, **options)


def read_plink(path, key):
    from bed_reader import open_bed

    return open_bed(path, num_threads=1).read(order="C")


def make_columns(n_rows: int):
    import pyarrow as pa

    rows = make_dense(n_rows)
    return pa.table({f"c{i}": rows[:, i] for i in range(rows.shape[1])})


def write_npy(path, n_rows):
    np.save(path, make_dense(n_rows))


def write_safetensors(path, n_rows):
    from safetensors.numpy import save_file

    save_file({"X": make_dense(n_rows)}, path)


def read_safetensors(path, key):
    from safetensors.numpy import load_file

    return load_file(path)[key]


def write_parquet(path, n_rows):
    import pyarrow.parquet as pq

    pq.write_table(make_columns(n_rows), path, row_group_size=20_000)


def read_parquet(path, key):
    import pyarrow.parquet as pq

    return pq.read_table(path)


def write_orc(path, n_rows):
    from pyarrow import orc

    orc.write_table(make_columns(n_rows), path, stripe_size=2**23)


def read_orc(path, key):
    from pyarrow import orc

    return orc.read_table(path)


def write_lance(path, n_rows):
    import lance

    lance.write_dataset(make_columns(n_rows), path, max_rows_per_file=50_000)


def read_lance(path, key):
    import lance

    return lance.dataset(path).to_table()


def write_tiledb(path, n_rows):
    import tiledb

    tiledb.from_numpy(str(path), make_dense(n_rows), tile=5_000)


def read_tiledb(path, key):
    import tiledb

    with tiledb.open(str(path)) as array:
        return array[:]


def write_fits(path, n_rows):
    from astropy.io import fits

    fits.PrimaryHDU(make_dense(n_rows)).writeto(path)


def write_fits_table(path, n_rows):
    from astropy.io import fits

    rows = make_dense(n_rows)
    columns = [fits.Column(f"c{i}", "D", array=row) for i, row in enumerate(rows.T)]
    fits.BinTableHDU.from_columns(columns).writeto(path)


def read_fits(path, key):
    """Read without a map, of which values would only be read when they are used."""
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        return hdus[key].data


def read_fits_array(path, key):
    """Read rows as open_rows gives them: astropy's are big-endian, and have fields."""
    rows = read_fits(path, key)
    if rows.dtype.names:
        rows = np.column_stack([rows[name] for name in rows.dtype.names])
    return rows.astype(float)


def write_nifti(path, n_rows):
    """Write volumes; only version 2 has more than 32,767 of them."""
    import nibabel

    volumes = make_dense(n_rows).reshape(n_rows, 2, 5, 5).T
    nibabel.save(nibabel.Nifti2Image(volumes, np.eye(4)), path)


def read_nifti(path, key):
    import nibabel

    image = nibabel.load(path, mmap=False)
    return np.moveaxis(np.asanyarray(image.dataobj), -1, 0)


GZIP = {"compression": "gzip", "chunks": (5, 5_000)}
# The name of a file, how it is written and read at once, and the key of its array.
FORMATS = {
    ".npy": ("a.npy", write_npy, lambda path, key: np.load(path), None),
    "safetensors": ("a.safetensors", write_safetensors, read_safetensors, "X"),
    "Parquet": ("a.parquet", write_parquet, read_parquet, None),
    "Parquet, array": ("a.parquet", write_parquet, to_rows(read_parquet), None),
    "ORC": ("a.orc", write_orc, read_orc, None),
    "ORC, array": ("a.orc", write_orc, to_rows(read_orc), None),
    "TileDB": ("a.tdb", write_tiledb, read_tiledb, None),
    "Lance": ("a.lance", write_lance, read_lance, None),
    "Lance, array": ("a.lance", write_lance, to_rows(read_lance), None),
    "h5ad CSR": ("a.h5ad", write_h5ad, read_csr, "X"),
    "h5ad CSR gzip": (
        "b.h5ad",
        lambda path, n: write_h5ad(path, n, compression="gzip"),
        read_csr,
        "X",
    ),
    "10x": ("c.h5", write_10x, read_csr, "matrix"),
    "zarr 2 CSR": ("d.zarr", lambda path, n: write_zarr(path, n, 2), read_csr, "X"),
    "zarr 3 CSR": ("e.zarr", lambda path, n: write_zarr(path, n, 3), read_csr, "X"),
    "Parquet hive": ("t", write_hive, read_hive, None),
    "Parquet hive, array": ("t", write_hive, to_rows(read_hive), None),
    "MATLAB": ("f.mat", write_matlab, read_matlab, "X"),
    "MATLAB gzip": (
        "g.mat",
        lambda path, n: write_matlab(path, n, **GZIP),
        read_matlab,
        "X",
    ),
    "PLINK by variants": ("h.bed", write_plink, read_plink, None),
    "PLINK by persons": (
        "i.bed",
        lambda path, n: write_plink(path, n, major="individual"),
        read_plink,
        None,
    ),
    "FITS image": ("a.fits", write_fits, read_fits, 0),
    "FITS image, array": ("a.fits", write_fits, read_fits_array, 0),
    "FITS table": ("b.fits", write_fits_table, read_fits, 1),
    "FITS table, array": ("b.fits", write_fits_table, read_fits_array, 1),
    "NIfTI": ("a.nii", write_nifti, read_nifti, None),
}


class Nothing(BaseEstimator):
    """An estimator that learns nothing, and looks at each value."""

    def fit(self, X, y=None):
        return self

    def partial_fit(self, X, y=None):
        if not hasattr(X, "indptr"):
            X.max()  # rows of a map are read when they are used
        self.n_ = X.shape[0]
        return self


def read_by_slices(path, key, step: int) -> None:
    """Read all rows into memory, those of a map as well."""
    store = open_rows(path, key=key)._source.store.for_run("map")
    is_mapped = store.view(0, 1) is not None
    out = np.empty((step, *store.shape[1:]), store.dtype) if is_mapped else None
    for start in range(0, store.n_rows, step):
        rows = store.read(start, min(start + step, store.n_rows))
        if is_mapped:
            out[: len(rows)] = rows


def fit(path, key, y, *, shuffle: bool) -> None:
    model = ChunkedFit(Nothing(), shuffle=shuffle, max_epochs=1, random_state=0)
    model.fit(open_rows(path, key=key), y)


def make_ways(path, key, read_all, n_rows: int) -> dict:
    y = np.arange(n_rows) % 2
    return {
        "bulk": lambda: read_all(path, key),
        "by 1,000": lambda: read_by_slices(path, key, 1_000),
        "by 10,000": lambda: read_by_slices(path, key, 10_000),
        "in order": lambda: fit(path, key, y, shuffle=False),
        "shuffled": lambda: fit(path, key, y, shuffle=True),
        "cold bulk": lambda: read_all(path, key),
        "cold": lambda: read_by_slices(path, key, 10_000),
    }


def drop(path: Path) -> None:
    """Drop the pages of all files at a path."""
    for file in [path] if path.is_file() else path.rglob("*"):
        if file.is_file():
            drop_cache(file)


def measure(ways: dict, path: Path, rounds: int) -> dict:
    """Return wall and CPU time of each way, in each round."""
    found = {way: [] for way in ways}
    for call in ways.values():
        call()  # files and libraries are warm afterwards
    for _ in range(rounds):
        for way, call in ways.items():
            if way.startswith("cold"):
                drop(path)
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            now = time.perf_counter() - wall, time.process_time() - cpu
            found[way].append(now)
    return {way: np.array(times) for way, times in found.items()}


def report(name: str, times: dict) -> str:
    bulk = np.median(times["bulk"], axis=0)
    pairs = {way: ("bulk", way) for way in ("by 1,000", "by 10,000", "in order")}
    pairs["shuffled / in order"] = "in order", "shuffled"
    pairs["cold"] = "cold bulk", "cold"
    cells = [f"{bulk[0]:.3f} s"]
    for base, way in pairs.values():
        wall, cpu = np.median(times[way] / times[base], axis=0)
        cells.append(f"{wall:.2f} ({cpu:.2f})")
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="10,000 rows, one round")
    given = parser.parse_args()
    if given.quick:
        given.rows, given.rounds = 10_000, 1
    warnings.simplefilter("ignore")  # of a slow layout, and of zarr's formats
    print(describe_machine())
    print(
        "| format | bulk | by 1,000 | by 10,000 | in order | shuffled / in order ",
        end="",
    )
    print("| cold, by 10,000 |\n|---|--:|--:|--:|--:|--:|--:|")
    for name in given.only:
        file, write, read_all, key = FORMATS[name]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / file
            write(path, given.rows)
            ways = make_ways(path, key, read_all, given.rows)
            print(report(name, measure(ways, path, given.rounds)), flush=True)


if __name__ == "__main__":
    main()
