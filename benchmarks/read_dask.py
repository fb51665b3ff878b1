"""dask-ml's ways of read.py, run in a child by an interpreter that has dask-ml.

It needs nothing of skmmap, and any version of scikit-learn that dask-ml takes.
"""

from functools import partial
from importlib import import_module
from pathlib import Path

import dask
import dask.array as da
import numpy as np
from dask_ml.wrappers import Incremental
from sklearn.utils import gen_batches
from workers import serve

_FEW_ROWS = 5_000


def prepare(spec: dict, folder: str, chunk_size: int) -> dict:
    """Return a way for each way to make an array of blocks."""
    folder = Path(folder) / str(spec["share"])
    ways = {
        name: partial(fit, spec, folder, partial(open_blocks, size=chunk_size))
        for name, open_blocks in _ARRAYS.items()
    }
    few = partial(open_copied, size=_FEW_ROWS, n_rows=_FEW_ROWS)
    fit(spec, folder, few)  # loads what is loaded only once
    return ways


def fit(spec: dict, folder, open_blocks):
    X, y, labels = open_blocks(folder / "X.npy"), None, {}
    if spec["target"]:
        path = folder / f"{spec['target']}.npy"
        y = open_blocks(path)
        if spec["target"] == "labels":  # dask-ml wants to be told
            labels = {"classes": np.unique(np.load(path, mmap_mode="r"))}
    return make_model(spec).fit(X, y, **labels)


def open_copied(path, size: int, n_rows=None):
    """Wrap the map: the plain recipe, which copies all of it since 2025.

    https://github.com/dask/dask/issues/11850
    """
    X = np.load(path, mmap_mode="r")[:n_rows]
    return da.from_array(X, chunks=(size, *X.shape[1:]))


def open_mapped(path, size: int):
    """Map each block when its turn comes, as dask's documentation shows.

    https://docs.dask.org/en/stable/array-creation.html#memory-mapping
    """
    return join_blocks(path, size, load_mapped)


def open_read(path, size: int):
    """Read each block into memory, which dask's threads do ahead of the training."""
    return join_blocks(path, size, load_read)


def join_blocks(path, size: int, load):
    X = np.load(path, mmap_mode="r")
    blocks = []
    for rows in gen_batches(len(X), size):
        block = dask.delayed(load)(path, rows)
        shape = (rows.stop - rows.start, *X.shape[1:])
        blocks.append(da.from_delayed(block, shape, X.dtype))
    return da.concatenate(blocks)


def load_mapped(path, rows: slice):
    return np.load(path, mmap_mode="r")[rows]


def load_read(path, rows: slice):
    X = np.load(path, mmap_mode="r")
    row = X[:1]
    block = np.fromfile(
        path,
        X.dtype,
        (rows.stop - rows.start) * row.size,
        offset=X.offset + rows.start * row.nbytes,
    )
    return block.reshape(-1, *X.shape[1:])


_ARRAYS = {
    "dask_copied": open_copied,
    "dask_mapped": open_mapped,
    "dask_read": open_read,
}


def make_model(spec: dict) -> Incremental:
    """Wrap the estimator, with what dask-ml has to make it fast.

    Blocks come in the order of the file, and their lengths are not checked.
    ``scoring`` is never used: without it, what has no ``score`` is refused.
    """
    estimator = getattr(import_module(spec["module"]), spec["name"])(**spec["params"])
    return Incremental(
        estimator, scoring="r2", shuffle_blocks=False, assume_equal_chunks=True
    )


def open_blocks(path, n_rows, size: int):
    X = np.load(path, mmap_mode="r")[:n_rows]
    return da.from_array(X, chunks=(size, *X.shape[1:]))


def find_labels(path):
    return np.unique(np.load(path, mmap_mode="r"))


if __name__ == "__main__":
    serve(prepare)
