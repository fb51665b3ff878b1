"""Memory and files that cannot be had: what they were for, and what to do."""

import errno
import mmap
import subprocess
import sys

import numpy as np
import pytest
from helpers import raises
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, open_rows

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
        "There is no memory for a buffer of rows: 16.0 MB. Lower memory_limit or "
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
        "There is no memory for a buffer of rows: 12.0 MB. Lower memory_limit or "
        "chunk_size.",
    ):
        model.fit(path)


def test_rows_that_are_loaded_whole(path, no_memory):
    with raises(
        MemoryError,
        "There is no memory for all rows: 16.0 MB. Load fewer, such as "
        "rows.read(start, stop) or np.asarray(rows[::9]).",
    ):
        np.asarray(open_rows(path))


def test_a_result_that_cannot_be_had(path, tmp_path, no_memory):
    model = ChunkedFit(StandardScaler(), chunk_size=10_000).fit(path)
    with raises(
        MemoryError,
        "There is no memory for the result: 16.0 MB. Give out='y.npy', which puts it "
        "into a file.",
    ):
        model.transform(path)
    assert model.transform(path, out=tmp_path / "y.npy").shape == X.shape


_SHARDS = """
import resource, sys
import numpy as np
from sklearn.preprocessing import StandardScaler
from skmmap import ChunkedFit, open_rows
rows = open_rows(sys.argv[1])
model = ChunkedFit(StandardScaler(), chunk_size=40, n_jobs=1)
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
with rows:
    pass
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of open files")
def test_too_many_maps_name_the_other_way_to_read(tmp_path):
    for number in range(60):
        np.save(tmp_path / f"X_{number}.npy", X[:40])
    run = subprocess.run(
        [sys.executable, "-c", _SHARDS, str(tmp_path / "X_*.npy")],
        capture_output=True,
        text=True,
    )
    said = (
        f"OSError: [Errno {errno.EMFILE}] Too many files are open, and each map holds "
        "one. Use read='buffer', which closes them again, or raise the limit (ulimit "
        "-n): "
    )
    assert said in run.stderr
