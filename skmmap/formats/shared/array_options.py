"""The options of `open_rows` that say type, shape and offset of an array."""

import operator
from numbers import Integral

import numpy as np


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


def check_axis(axis, shape, where: str) -> int:
    """Return the number, from 0 on, of the axis whose items are rows."""
    n_axes = len(shape)
    if not isinstance(axis, Integral) or not -n_axes <= axis < n_axes:
        raise ValueError(
            f"axis must be an integer from {-n_axes} to {n_axes - 1} for {where!r}, "
            f"whose shape is {shape}; got {axis!r}."
        )
    return int(axis) % n_axes
