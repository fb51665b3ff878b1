"""New files of zeros: ``open_rows(path, mode="w+")``."""

from math import prod
from pathlib import Path

from skmmap.disk import NPY, create, find_suffix, make_header
from skmmap.formats.adapters import find_named
from skmmap.formats.numpy import npy, raw
from skmmap.formats.shared import check_dtype, check_offset, check_options, check_shape
from skmmap.rows import Store


def is_writable(path: Path) -> bool:
    """Whether a new file can be written there: a .npy file, or one without a format."""
    return not path.is_dir() and find_named(path) in (None, npy)


def create_file(path: Path, options: dict) -> Store:
    """Write a new file of zeros, as ``np.memmap`` does, and return its store."""
    check_options(path, options, raw.FORMAT.options, ("w+",))
    dtype, offset, order = options["dtype"], options["offset"], options["order"]
    if dtype is None or options["shape"] is None:
        raise ValueError("mode='w+' needs dtype and shape of the new file.")
    dtype, shape = check_dtype(dtype), check_shape(options["shape"])
    n_bytes = prod(shape) * dtype.itemsize
    if find_suffix(path) in NPY:
        check_options(path, options, ("mode", "dtype", "shape", "order"), ("w+",))
        header = make_header(dtype, shape, order)
        create(path, header, len(header) + n_bytes)
        return npy.open_store(path, "source", mode="r+")
    create(path, b"", check_offset(offset) + n_bytes)
    given = {"dtype": dtype, "shape": shape, "offset": offset, "order": order}
    return raw.open_store(path, "source", mode="r+", **given)
