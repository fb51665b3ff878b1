"""Where the items of an array lie: strides, extents and addresses."""

from math import prod

import numpy as np


def find_strides(shape, itemsize: int, order: str) -> tuple:
    """Return the bytes from one index to the next, on each axis."""
    axes = range(len(shape))
    inner = [shape[i + 1 :] if order == "C" else shape[:i] for i in axes]
    return tuple(itemsize * prod(sizes) for sizes in inner)


def find_extent(shape, strides, itemsize: int) -> tuple[int, int]:
    """Return the first and the end byte of an array, from its first item on."""
    if 0 in shape:
        return 0, 0
    reach = [(n - 1) * stride for n, stride in zip(shape, strides, strict=True)]
    low = sum(step for step in reach if step < 0)
    return low, sum(step for step in reach if step > 0) + itemsize


def find_address(array: np.ndarray) -> int:
    """Return the address of the first item in memory."""
    return array.__array_interface__["data"][0]
