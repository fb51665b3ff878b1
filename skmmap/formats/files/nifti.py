"""NIfTI images, whose rows are volumes (needs nibabel)."""

import os
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skmmap.disk import is_path, open_regular
from skmmap.formats.shared import (
    ArrayInfo,
    ConvertedStore,
    Format,
    MapStore,
    check_axis,
    import_library,
)
from skmmap.rows import Store

FORMAT = Format(suffixes=(".nii",), options=("axis",))

# Where the header says its version, and whether values follow in the same file:
# https://nifti.nimh.nih.gov/nifti-1/documentation/nifti1fields.
_AT_1 = slice(344, 348)
_AT_2 = slice(4, 8)
_SINGLE = {b"n+1\0": "Nifti1Header", b"n+2\0": "Nifti2Header"}
_PAIR = b"ni1\0", b"ni2\0"


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is a file that begins with a header of NIfTI."""
    return is_path(source) and _find_magic(first) in (*_SINGLE, *_PAIR)


def list_arrays(source) -> list[ArrayInfo]:
    """Return the one array in the file."""
    return [ArrayInfo.of(open_store(source, "source"))]


def open_store(source, name: str, *, axis: int | None = None) -> Store:
    """Return the store of the items of an axis of an image."""
    path, named = Path(os.path.abspath(source)), f"{name}={os.fspath(source)!r}"
    image = _read_image(path, named)
    axis = check_axis(-1 if axis is None else axis, image.shape, path.name)
    is_last = axis == len(image.shape) - 1
    convert = Values(image.slope, image.inter, is_reversed=is_last)
    options = {"offset": image.offset, "header": image.header}
    if is_last:  # rows lie one after the other, their axes in reversed order
        stored = MapStore(path, image.dtype, image.shape[::-1], **options)
    else:
        options |= {"order": "F", "axis": axis}
        stored = MapStore(path, image.dtype, image.shape, **options)
    stored.fix()
    return ConvertedStore(stored, convert) if convert.changes(stored) else stored


def _find_magic(first: bytes) -> bytes:
    found = first[_AT_1]
    return found if found in (*_SINGLE, *_PAIR) else first[_AT_2]


class Image(NamedTuple):
    """What the header says of the values in a file, which are in Fortran order."""

    shape: tuple
    dtype: np.dtype
    offset: int
    slope: float
    inter: float
    header: bytes


def _read_image(path: Path, named: str) -> Image:
    """Return what the header says, if all values are in the file."""
    nibabel = import_library("nibabel", "NIfTI images", "nifti", path)
    with open_regular(path, named) as file:
        magic = _find_magic(file.read(_AT_1.stop))
        if magic in _PAIR:
            raise ValueError(
                f"{named} is a header whose values are in another file. Write both as "
                "one file: nibabel.save(nibabel.load(path), 'X.nii')."
            )
        if magic not in _SINGLE:
            raise ValueError(f"{named} has no header of NIfTI. Write it again.")
        file.seek(0)
        header = getattr(nibabel, _SINGLE[magic]).from_fileobj(file)
        file.seek(0)
        begin = file.read(header.sizeof_hdr)
        size = os.fstat(file.fileno()).st_size
    shape, dtype = header.get_data_shape(), header.get_data_dtype()
    offset, (slope, inter) = header.get_data_offset(), header.get_slope_inter()
    needed = offset + prod(shape) * dtype.itemsize
    if size < needed:
        raise ValueError(
            f"{named} is truncated: its header says shape {shape} and {needed:,} "
            f"bytes, and the file has {size:,}. Write it again."
        )
    if not shape:
        raise ValueError(f"{named} has no axes, and so no rows.")
    slope, inter = 1.0 if slope is None else slope, inter or 0.0
    return Image(shape, dtype, offset, slope, inter, begin)


class Values(NamedTuple):
    """What makes values of stored ones, as nibabel does."""

    slope: float
    inter: float
    is_reversed: bool  # the axes of a row

    def changes(self, stored: MapStore) -> bool:
        """Whether values, or the axes of rows, are others than those stored."""
        is_turned = self.is_reversed and len(stored.shape) > 2
        return is_turned or (self.slope, self.inter) != (1, 0)

    def __call__(self, rows: np.ndarray, numbers) -> np.ndarray:
        from nibabel.volumeutils import apply_read_scaling

        if self.is_reversed:
            rows = rows.transpose(0, *range(rows.ndim - 1, 0, -1))
        return apply_read_scaling(rows, self.slope, self.inter)
