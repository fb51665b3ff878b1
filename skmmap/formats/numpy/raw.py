"""Raw binary files, of which the user says type and shape; other files are unknown."""

import os
from math import prod
from pathlib import Path

from skmmap.disk import check_regular, is_path
from skmmap.formats.shared import (
    ArrayInfo,
    Format,
    MapStore,
    check_dtype,
    check_shape,
    refuse_unknown,
)

FORMAT = Format(options=("mode", "dtype", "shape", "offset", "order"))


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is a file: no file says that it is raw, so this adapter comes last."""
    return is_path(source) and not os.path.isdir(source)


def list_arrays(source) -> list[ArrayInfo]:
    """Raise: without its type, nothing is known of such a file."""
    refuse_unknown(Path(source), "source")


def open_store(
    source, name: str, *, mode="r", dtype=None, shape=None, offset=0, order="C"
) -> MapStore:
    """Return the store of a file without a header, as ``np.memmap`` would map it."""
    path = Path(source)
    if dtype is None:
        refuse_unknown(path, name)
    dtype = check_dtype(dtype)
    size = check_regular(path, f"{name}={str(path)!r}").st_size
    if not 0 <= offset <= size:
        raise ValueError(
            f"offset must be from 0 to the {size:,} bytes of {str(path)!r}; got "
            f"{offset!r}."
        )
    shape = _complete_shape(shape, size - offset, dtype, path)
    needed = offset + prod(shape) * dtype.itemsize
    if size < needed:
        raise ValueError(
            f"{str(path)!r} is too short: shape={shape} of {dtype} from offset="
            f"{offset:,} needs {needed:,} bytes, and the file has {size:,}."
        )
    return MapStore(path, dtype, shape, offset=offset, order=order, mode=mode)


def _complete_shape(shape, size: int, dtype, path) -> tuple:
    """Return the shape with as many rows as there are, where that was left open."""
    shape = (-1,) if shape is None else check_shape(shape, least=-1)
    if shape[0] != -1:
        return shape
    row_nbytes = prod(shape[1:]) * dtype.itemsize
    if not row_nbytes or size % row_nbytes:
        raise ValueError(
            f"{str(path)!r} has {size:,} bytes of data, not a whole number of "
            f"rows of {row_nbytes:,} bytes; check dtype={dtype}, shape and offset."
        )
    return (size // row_nbytes, *shape[1:])
