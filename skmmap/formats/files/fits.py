"""FITS images, whose rows lie along the first axis of NumPy's (needs astropy)."""

import os
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from skmmap.disk import Identity, check_regular, is_path
from skmmap.formats.groups import ChunkStore
from skmmap.formats.shared import (
    ArrayInfo,
    ConvertedStore,
    Format,
    MapStore,
    import_library,
    to_plain,
)
from skmmap.rows import Store

FORMAT = Format(suffixes=(".fits", ".fit", ".fts"), options=("key",))

# https://fits.gsfc.nasa.gov/fits_standard.html, sections 4.4.1 and 5.
_MAGIC = b"SIMPLE  ="
_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_HEADER_NBYTES = 2880  # of the first block


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is a file that begins as FITS does."""
    return is_path(source) and first.startswith(_MAGIC)


def list_arrays(source) -> list[ArrayInfo]:
    """Return the images in a file, under their numbers."""
    with _open_file(source) as hdus:
        numbers = _list_images(hdus)
    stores = [(n, open_store(source, "source", key=n)) for n in numbers]
    alone = len(stores) == 1
    return [ArrayInfo.of(s)._replace(name="" if alone else str(n)) for n, s in stores]


def open_store(source, name: str, *, key: str | int | None = None) -> Store:
    """Return the store of an image in a file."""
    path = Path(os.path.abspath(source))
    with _open_file(path) as hdus:
        number = _find_number(hdus, key, path.name)
        hdu = hdus[number]
        if hasattr(hdu, "tile_shape"):
            return TileStore(path, number, hdu)
        header, offset = hdu.header, hdu.fileinfo()["datLoc"]
        shape, stored = hdu.shape, np.dtype(_TYPES[header["BITPIX"]])
        scaling = Scaling.of(header, path.name)
    needed, size = offset + prod(shape) * stored.itemsize, os.path.getsize(path)
    if size < needed:
        raise ValueError(
            f"{name}={os.fspath(source)!r} is truncated: its header says shape {shape} "
            f"and {needed:,} bytes, and the file has {size:,}. Write it again."
        )
    with open(path, "rb") as file:
        begin = file.read(_HEADER_NBYTES)
    key = str(number)
    rows = MapStore(path, stored, shape, offset=offset, header=begin, key=key)
    rows.fix()
    return rows if scaling is None else ConvertedStore(rows, scaling)


@contextmanager
def _open_file(path):
    """Yield the list of HDUs, whose headers are read when they are asked for."""
    check_regular(path)
    fits = import_library("astropy.io.fits", "FITS files", "fits", path)
    with fits.open(path) as hdus:
        yield hdus


def _is_image(hdu) -> bool:
    """Whether an HDU is an image with axes: not a table, and not random groups."""
    return hdu.is_image and bool(hdu.shape) and not hdu.header.get("GROUPS", False)


def _list_images(hdus) -> list[int]:
    return [number for number, hdu in enumerate(hdus) if _is_image(hdu)]


def _find_number(hdus, key, where: str) -> int:
    """Return the number of the HDU of this name or number, or of the only image."""
    images = _list_images(hdus)
    if key is None and len(images) == 1:
        return images[0]
    if not images:
        raise ValueError(
            f"{where!r} has no image. Save columns of a table once: np.save('X.npy', "
            "astropy.table.Table.read(path)[name])."
        )
    listed = ", ".join(_say(hdus, number) for number in images)
    if key is None:
        raise ValueError(
            f"{where!r} has {len(images):,} images; name one with key={images[0]}: "
            f"{listed}."
        )
    found = _look_up(hdus, key)
    if found is None:
        raise ValueError(f"{where!r} has no HDU {key!r}; it has the images {listed}.")
    if found not in images:
        raise ValueError(
            f"HDU {key!r} of {where!r} is no image with rows; it has the images "
            f"{listed}."
        )
    return found


def _look_up(hdus, key) -> int | None:
    names = [hdu.name for hdu in hdus]
    if isinstance(key, str) and key.upper() in names:
        return names.index(key.upper())
    number = int(key) if str(key).isdigit() else -1
    return number if 0 <= number < len(names) else None


def _say(hdus, number: int) -> str:
    hdu = hdus[number]
    name = f" {hdu.name}" if hdu.name else ""
    return f"{number}{name} ({' x '.join(f'{n:,}' for n in hdu.shape)})"


class Scaling(NamedTuple):
    """What makes values of stored integers or floats, in the types that astropy has."""

    bitpix: int
    bscale: float
    bzero: float
    blank: int | None
    where: str

    @classmethod
    def of(cls, header, where: str) -> "Scaling | None":
        """Return what a header says, None if values are bytes as they are stored."""
        bitpix = header["BITPIX"]
        blank = header.get("BLANK") if bitpix > 0 else None
        bscale, bzero = header.get("BSCALE", 1), header.get("BZERO", 0)
        if (bitpix, bscale, bzero, blank) == (8, 1, 0, None):
            return None
        return cls(bitpix, bscale, bzero, blank, where)

    def __call__(self, rows: np.ndarray, numbers) -> np.ndarray:
        if (self.bscale, self.bzero, self.blank) == (1, 0, None):
            return rows.astype(to_plain(rows.dtype), copy=False)
        is_blank = None if self.blank is None else rows == self.blank
        if self._is_shifted:
            if is_blank is not None and is_blank.any():
                self._raise_missing(is_blank, numbers)
            return self._shift(rows)
        kind = np.float64 if self.bitpix > 16 or self.bitpix == -64 else np.float32
        values = rows.astype(kind)
        if self.bscale != 1:
            np.multiply(values, self.bscale, values)
        if self.bzero != 0:
            values += self.bzero
        if is_blank is not None:
            values[is_blank] = np.nan
        return values

    @property
    def _is_shifted(self) -> bool:
        """Whether these are unsigned integers, or signed bytes, which FITS lacks."""
        if self.bitpix == 8:
            return self.bscale == 1 and self.bzero == -128
        return (
            self.bitpix > 0 and self.bscale == 1 and self.bzero == 1 << self.bitpix - 1
        )

    def _shift(self, rows: np.ndarray) -> np.ndarray:
        bits = self.bitpix
        kind = np.dtype(f"{'i' if bits == 8 else 'u'}{bits // 8}")
        unsigned = np.dtype(f"u{bits // 8}")
        plain = rows.astype(rows.dtype.newbyteorder("=")).view(unsigned)
        return (plain ^ unsigned.type(1 << (bits - 1))).view(kind)

    def _raise_missing(self, is_blank: np.ndarray, numbers) -> NoReturn:
        at = is_blank.reshape(len(is_blank), -1).any(axis=1).argmax()
        raise ValueError(
            f"{self.where!r} has a missing value (stored as {self.blank}) in row "
            f"{int(numbers[at]):,}, and integers have no NaN for it. Write the image "
            "as floats, or without BLANK in its header."
        )


class TileStore(ChunkStore):
    """Rows of a compressed image, of which whole tiles are decoded."""

    is_decoded = can_reopen = True

    def __init__(self, path: Path, number: int, hdu):
        self._path, self._number, self.where = path, number, f"{path.name}:{number}"
        self._chunk_rows, self.shape = hdu.tile_shape[0], tuple(hdu.shape)
        self.dtype = to_plain(hdu.section[0:1].dtype)
        self._nbytes = hdu.fileinfo()["datSpan"]
        # Tiles that are written again have other lengths and places.
        self._opened = self._run = Identity.read([path]).read_again()

    def _read(self, start: int, stop: int) -> np.ndarray:
        with _open_file(self._path) as hdus:
            return hdus[self._number].section[start:stop]

    def find_disk_nbytes(self) -> int:
        return self._nbytes
