"""What it is measured on: files that are written once, mapped or read by each run."""

from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from sklearn.utils import gen_batches

N_FEATURES = 100
# IncrementalPCA and MLPClassifier take a share of the rows, in files of their own.
SMALL_SHARE = 5
FEW_ROWS = 5_000
_BLOCK_ROWS = 50_000


def write_data(folder, n_rows: int, shares=(1, SMALL_SHARE)) -> None:
    """Stream X and y of ``n_rows`` and of a share of them to ``.npy`` files."""
    for share in shares:
        _write_files(Path(folder) / str(share), n_rows // share)


def _write_files(folder, n_rows: int) -> None:
    rng = np.random.default_rng(0)
    slope = rng.standard_normal(N_FEATURES, dtype=np.float32)
    folder.mkdir(parents=True)
    X = open_memmap(folder / "X.npy", "w+", np.float32, (n_rows, N_FEATURES))
    values = open_memmap(folder / "values.npy", "w+", np.float64, (n_rows,))
    labels = open_memmap(folder / "labels.npy", "w+", np.int64, (n_rows,))
    for rows in gen_batches(n_rows, _BLOCK_ROWS):
        X[rows] = rng.standard_normal((rows.stop - rows.start, N_FEATURES), np.float32)
        values[rows] = X[rows] @ slope
        labels[rows] = values[rows] > 0


def open_maps(case, folder):
    """Map X and y of a case; y is None where there is none."""
    return _open(case, folder, mmap_mode="r")


def read_arrays(case, folder):
    """Read X and y of a case into memory."""
    return _open(case, folder, mmap_mode=None)


def read_few(case, folder):
    """Read a few rows of X and y, to warm up with and to train what predicts."""
    X, y = open_maps(case, folder)
    return np.array(X[:FEW_ROWS]), None if y is None else np.array(y[:FEW_ROWS])


def find_path(case, folder, name: str | None) -> Path | None:
    """Return the path of X, or of the targets of that name; None of None."""
    return name and Path(folder) / str(case.share) / f"{name}.npy"


def _open(case, folder, mmap_mode):
    paths = (find_path(case, folder, name) for name in ("X", case.target))
    return tuple(path and np.load(path, mmap_mode=mmap_mode) for path in paths)
