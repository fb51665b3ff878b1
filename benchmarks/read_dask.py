"""dask-ml's way of read.py, run in a child by an interpreter that has dask-ml.

It needs nothing of skmmap, and any version of scikit-learn that dask-ml takes.
"""

from importlib import import_module
from pathlib import Path

import dask.array as da
import numpy as np
from dask_ml.wrappers import Incremental
from workers import serve

_FEW_ROWS = 5_000


def prepare(spec: dict, folder: str, chunk_size: int):
    """Return the way of a case."""
    folder = Path(folder) / str(spec["share"])

    def fit(n_rows=None, size=chunk_size):
        X = open_blocks(folder / "X.npy", n_rows, size)
        path = spec["target"] and folder / f"{spec['target']}.npy"
        y = path and open_blocks(path, n_rows, size)
        labels = {"classes": find_labels(path)} if spec["target"] == "labels" else {}
        return make_model(spec).fit(X, y, **labels)

    fit(_FEW_ROWS, _FEW_ROWS)  # loads what is loaded only once
    return {"dask": fit}


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
