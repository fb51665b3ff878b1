"""Rows of raw binary files, of which the user says type and shape."""

import operator
from math import prod
from numbers import Integral
from pathlib import Path

import numpy as np

from skmmap.disk import check_regular
from skmmap.formats.files.map_store import MapStore


def open_raw(path, dtype, shape, *, offset: int, order: str, mode: str) -> MapStore:
    """Address the rows of a file without a header, as ``np.memmap`` would."""
    dtype, path = check_dtype(dtype), Path(path)
    size = check_regular(path, f"source={str(path)!r}").st_size
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


def check_dtype(dtype) -> np.dtype:
    """Return the type of the items in a file."""
    dtype = np.dtype(dtype)
    if dtype.hasobject or not dtype.itemsize:
        raise ValueError(
            f"dtype must be a type of fixed size, without Python objects; got {dtype}."
        )
    if dtype.subdtype is not None:
        raise ValueError(
            f"dtype must be the type of single values; got {dtype}. Give "
            f"dtype={dtype.base.str!r}, and {dtype.shape} as the last numbers of shape."
        )
    return dtype


def check_offset(offset) -> int:
    """Return where the items of a new file begin."""
    if not isinstance(offset, Integral) or offset < 0:
        raise ValueError(f"offset must be an integer of at least 0; got {offset!r}.")
    return int(offset)


def check_shape(shape, *, least: int = 0) -> tuple[int, ...]:
    """Return the shape of an array of rows; ``least`` is that of its first number."""
    try:
        sizes = tuple(np.atleast_1d(shape).tolist())
        sizes = tuple(operator.index(size) for size in sizes)
    except TypeError:
        sizes = ()
    if not sizes or sizes[0] < least or min(sizes[1:], default=0) < 0:
        raise ValueError(
            "shape must be a number of rows, or several numbers of which that is the "
            f"first; got {shape!r}."
        )
    return sizes


def _complete_shape(shape, size: int, dtype, path) -> tuple:
    """Return the shape with as many rows as there are, where that was left open."""
    shape = (-1,) if shape is None else check_shape(shape, least=-1)
    if shape[0] != -1:
        return shape
    row_nbytes = prod(shape[1:]) * dtype.itemsize
    if not row_nbytes or size % row_nbytes:
        raise ValueError(
            f"{str(path)!r} has {size:,} bytes of data, which are no whole number of "
            f"rows of {row_nbytes:,} bytes; check dtype={dtype}, shape and offset."
        )
    return (size // row_nbytes, *shape[1:])
