"""Strings of variable length in HDF5 and zarr, as NumPy's of the longest one."""

from collections.abc import Callable

import numpy as np

_PIECE_ROWS = 2**16


def is_text(dtype: np.dtype) -> bool:
    """Whether slices of a dataset or array are Python's strings, or NumPy's new ones.

    h5py says it in the metadata of the type, zarr has `numpy.dtypes.StringDType`.
    """
    return dtype.kind == "T" or (dtype.metadata or {}).get("vlen") in (str, bytes)


def find_text_type(array, read: Callable) -> np.dtype:
    """Return the type that holds each string of an array, from one pass over it."""
    step = max(1, _PIECE_ROWS // max(1, int(np.prod(array.shape[1:]))))
    width = 1
    for start in range(0, array.shape[0], step):
        rows = read(start, min(start + step, array.shape[0]))
        width = max(width, max(map(len, _list_texts(rows)), default=0))
    return np.dtype(f"U{width}")


def to_text(rows, dtype: np.dtype, where: str) -> np.ndarray:
    """Return strings as those of a fixed length, or raise for a longer one."""
    texts = _list_texts(rows)
    out = np.array(texts, dtype=f"U{max(map(len, texts), default=1) or 1}")
    if out.dtype.itemsize > dtype.itemsize:
        raise ValueError(
            f"{where!r} has changed: a text of {out.dtype.itemsize // 4:,} characters "
            f"is longer than each of {dtype.itemsize // 4:,} or fewer when it was "
            "opened. Open it again."
        )
    return out.astype(dtype, copy=False).reshape(np.shape(rows))


def _list_texts(rows) -> list[str]:
    values = np.ravel(rows).tolist()
    return [v.decode() if isinstance(v, bytes) else str(v) for v in values]
