"""Memory and files that cannot be had: what they were for, and what to do."""

import errno
import mmap
import subprocess
import sys

import dask.array as da
import h5py
import numpy as np
import pandas as pd
import pytest
from helpers import raises
from scipy import sparse
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from skmmap import ChunkedFit, convert, open_rows
from skmmap._messages import say_size
from skmmap.read.free_memory import _iter_addresses
from skmmap.rows.rows import find_source

X = np.random.default_rng(0).normal(size=(200_000, 10))


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "X.npy", X)
    return tmp_path / "X.npy"


@pytest.fixture
def no_memory(monkeypatch):
    """Refuse more than eight megabytes."""
    empty, anonymous = np.empty, mmap.mmap

    def refuse_array(shape, dtype=float, **options):
        if np.prod(shape) * np.dtype(dtype).itemsize > 8e6:
            raise MemoryError
        return empty(shape, dtype, **options)

    def refuse_map(file, nbytes, **options):
        if file == -1 and nbytes > 8e6:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        return anonymous(file, nbytes, **options)

    monkeypatch.setattr(np, "empty", refuse_array)
    monkeypatch.setattr(mmap, "mmap", refuse_map)


def test_a_buffer_that_cannot_be_had(path, no_memory):
    y = np.arange(len(X)) % 2
    with raises(
        MemoryError,
        "Not enough memory for a buffer of rows: 16.0 MB. Lower memory_limit or "
        "chunk_size.",
    ):
        ChunkedFit(SGDClassifier()).fit(path, y)
    model = ChunkedFit(SGDClassifier(max_iter=1, tol=None), memory_limit="16MB")
    assert model.fit(path, y).n_epochs_ == 1


@pytest.mark.parametrize("read", ["buffer", "uncached"])
def test_rows_that_are_read_and_cannot_be_had(path, read, no_memory):
    model = ChunkedFit(StandardScaler(), read=read, chunk_size=150_000)
    with raises(
        MemoryError,
        "Not enough memory for a buffer of rows: 12.0 MB. Lower memory_limit or "
        "chunk_size.",
    ):
        model.fit(path)


def test_rows_that_are_loaded_whole(path, no_memory):
    with raises(
        MemoryError,
        "Not enough memory for all rows: 16.0 MB. Load fewer, such as "
        "rows.read(start, stop) or np.asarray(rows[::9]).",
    ):
        np.asarray(open_rows(path))


def test_a_result_that_cannot_be_had(path, tmp_path, no_memory):
    model = ChunkedFit(StandardScaler(), chunk_size=10_000).fit(path)
    with raises(
        MemoryError,
        "Not enough memory for the result: 16.0 MB. Give out='y.npy', which puts it "
        "into a file.",
    ):
        model.transform(path)
    assert model.transform(path, out=tmp_path / "y.npy").shape == X.shape


MAP = (
    "Not enough memory for a map of {path}: 16.0 MB. Raise the limit (ulimit -v), or "
    "use ChunkedFit(read='buffer')."
)


@pytest.mark.parametrize(
    "use",
    [
        lambda path: ChunkedFit(StandardScaler(), read="map").fit(path),
        lambda path: open_rows(path, mode="c"),
        lambda path: open_rows(path).read(),
        lambda path: np.asarray(open_rows(path)[::3]),
        lambda path: open_rows(path)[::3].read(),
        lambda path: next(iter(open_rows(path))),
        lambda path: open_rows(path).max(),
        lambda path: open_rows(path).__enter__(),
        lambda path: convert(path, path.with_name("out.npy")),
    ],
)
def test_a_map_that_cannot_be_had(use, path, monkeypatch):
    def refuse(*args, **options):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(np, "memmap", type("memmap", (np.memmap,), {"__new__": refuse}))
    with raises(MemoryError, MAP.format(path=path)):
        use(path)
    model = ChunkedFit(StandardScaler(), read="buffer")
    assert model.fit(path).n_samples_seen_ == len(X)


def test_a_map_of_the_result_that_cannot_be_had(path, tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    model, out = (
        ChunkedFit(StandardScaler(), read="buffer").fit(path),
        tmp_path / "y.npy",
    )
    monkeypatch.setattr(np, "memmap", type("memmap", (np.memmap,), {"__new__": refuse}))
    with raises(
        MemoryError,
        f"Not enough memory for a map of {out}, which is written: 16.0 MB. Raise the "
        "limit (ulimit -v).",
    ):
        model.transform(path, out=out)
    assert np.load(out).shape == X.shape


def test_the_limit_of_addresses_counts(tmp_path):
    (tmp_path / "statm").write_text("100 5 5 5 0 5 0\n")
    line = "Limit  Soft Limit  Hard Limit\nMax address space  {}  unlimited  bytes\n"
    for limit, expected in {
        "unlimited": [],
        str(101 * mmap.PAGESIZE): [mmap.PAGESIZE],
        "7": [0],
    }.items():
        (tmp_path / "limits").write_text(line.format(limit))
        assert list(_iter_addresses(tmp_path)) == expected


def save_csr(tmp_path):
    matrix = sparse.csr_array(X[:100])
    for part in ("data", "indices", "indptr"):
        np.save(tmp_path / f"{part}.npy", getattr(matrix, part))
    return tmp_path


@pytest.mark.parametrize(
    "make",
    [
        save_csr,
        lambda tmp_path: sparse.csr_array(X[:100]),
        lambda tmp_path: pd.DataFrame(X[:100]),
        lambda tmp_path: X[:100].tolist(),
        lambda tmp_path: da.from_array(X[:100], chunks=50),
    ],
    ids=["CSR folder", "sparse", "frame", "list", "dask"],
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_chunks_of_every_kind_that_cannot_be_had(shuffle, make, tmp_path, monkeypatch):
    rows = open_rows(make(tmp_path))
    kind, row_nbytes = type(find_source(rows).store), find_source(rows).row_nbytes

    def refuse(self, start, stop):
        raise MemoryError(f"Unable to allocate {stop - start} rows")

    monkeypatch.setattr(kind, "read", refuse)
    monkeypatch.setattr(kind, "take", lambda self, rows: refuse(self, 0, len(rows)))
    model = ChunkedFit(MaxAbsScaler(), chunk_size=20, shuffle=shuffle)
    text = r"memory for a buffer of rows: .*\. Lower memory_limit or chunk_size\."
    with pytest.raises(MemoryError, match=text):
        model.fit(rows)
    text = (
        "Not enough memory for all rows: {}. Load fewer, such as rows.read(start, "
        "stop) or np.asarray(rows[::9])."
    )
    with raises(MemoryError, text.format(say_size(10 * row_nbytes))):
        rows[:10].read()


_SHARDS = """
import resource, sys
import numpy as np
from skmmap import convert, open_rows
npy, hdf = (open_rows(path) for path in sys.argv[1:3])
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
for rows in (npy, hdf):
    try:
        with rows:
            pass
    except OSError as error:
        print(error)
npy = open_rows(sys.argv[1])
assert np.asarray(npy).sum() == npy.read().sum() == npy[:].copy().sum()
print(convert(npy, sys.argv[3]).shape)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of open files")
def test_too_many_files_are_those_that_are_held(tmp_path):
    for number in range(60):
        np.save(tmp_path / f"X_{number}.npy", X[:40])
        with h5py.File(tmp_path / f"X_{number}.h5", "w") as file:
            file["X"] = X[:1]
    paths = [str(tmp_path / name) for name in ("X_*.npy", "X_*.h5", "out.npy")]
    run = subprocess.run(
        [sys.executable, "-c", _SHARDS, *paths], capture_output=True, text=True
    )
    said = (
        f"[Errno {errno.EMFILE}] Too many files are open, and maps and rows that are "
        "held keep theirs. Raise the limit (ulimit -n), do without 'with rows:', or "
        "use ChunkedFit(read='buffer'), which closes them again: "
    )
    npy, hdf, shape = run.stdout.splitlines()
    assert npy.startswith(said + repr(str(tmp_path / "X_"))[:-1])
    assert hdf.startswith(said)
    assert hdf.endswith(".h5'")
    assert shape == "(2400, 10)"
