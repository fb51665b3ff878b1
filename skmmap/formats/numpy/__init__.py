"""NumPy's arrays, its files and raw ones, one adapter each, all of the same shape."""

from skmmap.formats.numpy import arrays, npy, raw

__all__ = [
    "arrays",
    "npy",
    "raw",
]
