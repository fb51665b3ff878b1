"""FITS files: images, whose rows lie along the first axis of NumPy's, and tables."""

import os
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from skmmap.disk import Identity, check_regular, is_path
from skmmap.formats.files.fits_tables import find_missing, list_columns, pick_columns
from skmmap.formats.groups import ChunkStore
from skmmap.formats.shared import (
    ArrayInfo,
    ConvertedStore,
    Format,
    MapStore,
    import_library,
    refuse_option,
    to_plain,
)
from skmmap.rows import Store

FORMAT = Format(suffixes=(".fits", ".fit", ".fts"), options=("key", "columns"))

# https://fits.gsfc.nasa.gov/fits_standard.html, sections 4.4.1 and 5.
_MAGIC = b"SIMPLE  ="
_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_HEADER_NBYTES = 2880  # of the first block


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is a file that begins as FITS does."""
    return is_path(source) and first.startswith(_MAGIC)


def list_arrays(source) -> list[ArrayInfo]:
    """Return images and tables under their numbers, or columns of the only table."""
    with _open_file(source) as hdus:
        numbers = _list_numbers(hdus)
        if find_option(source) == "columns":
            where = f"{Path(source).name}:{numbers[0]}"
            return _describe_columns(hdus[numbers[0]].header, where)
        tables = {n: hdus[n].header for n in numbers if not _is_image(hdus[n])}
    alone, found = len(numbers) == 1, []
    for n in numbers:
        if n in tables:
            shape = tables[n]["NAXIS2"], tables[n]["TFIELDS"]
            found.append(ArrayInfo(str(n), shape, "table"))
        else:
            info = ArrayInfo.of(open_store(source, "source", key=n))
            found.append(info._replace(name="" if alone else str(n)))
    return found


def find_option(source) -> str:
    """Return the option that names what `list_arrays` lists."""
    with _open_file(source) as hdus:
        numbers = _list_numbers(hdus)
        is_table = len(numbers) == 1 and not _is_image(hdus[numbers[0]])
        return "columns" if is_table and _is_binary(hdus[numbers[0]]) else "key"


def _describe_columns(header, where: str) -> list[ArrayInfo]:
    """Return what a header says of columns; a TNULL in them is not looked for."""
    found, n_rows = [], header["NAXIS2"]
    for column in list_columns(header, where):
        if column.count and (column.is_numeric or column.code == "A"):
            width = header["NAXIS1"]
            dtype = column.decode(np.empty((0, width), np.uint8)).dtype
            dtype = "text" if column.code == "A" else dtype
        else:
            dtype = "complex" if column.code in "CM" else "no array"
        found.append(ArrayInfo(column.name, (n_rows, *column.shape), dtype))
    return found


def open_store(
    source, name: str, *, key: str | int | None = None, columns=None
) -> Store:
    """Return the store of an image in a file, or of columns of a table."""
    path = Path(os.path.abspath(source))
    with _open_file(path) as hdus:
        number = _find_number(hdus, key, path.name)
        hdu = hdus[number]
        if not _is_image(hdu):
            return _open_table(path, name, number, hdu, columns)
        if columns is not None:
            refuse_option(source, "columns", columns)
        if hasattr(hdu, "tile_shape"):
            return TileStore(path, number, hdu)
        header, offset = hdu.header, hdu.fileinfo()["datLoc"]
        shape, stored = hdu.shape, np.dtype(_TYPES[header["BITPIX"]])
        scaling = Scaling.of(header, path.name)
    rows = _map_rows(path, name, stored, shape, offset, number)
    return rows if scaling is None else ConvertedStore(rows, scaling)


def _open_table(path: Path, name: str, number: int, hdu, columns) -> Store:
    header, where = hdu.header, f"{path.name}:{number}"
    if not _is_binary(hdu):
        kind = "a compressed" if header.get("ZTABLE") else "an ASCII"
        raise ValueError(
            f"HDU {number} of {path.name!r} is {kind} table. Write it once as a "
            "binary table: astropy.table.Table.read(path).write('X.fits')."
        )
    picked = pick_columns(list_columns(header, where), columns, where)
    shape, offset = (header["NAXIS2"], header["NAXIS1"]), hdu.fileinfo()["datLoc"]
    rows = _map_rows(path, name, np.dtype("u1"), shape, offset, number)
    picked = find_missing(picked, rows)
    return ConvertedStore(rows, picked, picked.names)


def _map_rows(path: Path, name: str, stored, shape, offset: int, number) -> MapStore:
    """Return rows as they are stored, if the file has all of them."""
    needed, size = offset + prod(shape) * stored.itemsize, os.path.getsize(path)
    if size < needed:
        raise ValueError(
            f"{name}={os.fspath(path)!r} is truncated: its header says shape {shape} "
            f"and {needed:,} bytes, and the file has {size:,}. Write it again."
        )
    with open(path, "rb") as file:
        begin = file.read(_HEADER_NBYTES)
    key = str(number)
    rows = MapStore(path, stored, shape, offset=offset, header=begin, key=key)
    rows.fix()
    return rows


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


def _is_binary(hdu) -> bool:
    """Whether a table has values as bytes, not as text and not compressed."""
    header = hdu.header
    return header["XTENSION"].strip() == "BINTABLE" and not header.get("ZTABLE")


def _list_numbers(hdus) -> list[int]:
    """Return the numbers of images and tables."""
    return [
        number
        for number, hdu in enumerate(hdus)
        if _is_image(hdu) or "TFIELDS" in hdu.header
    ]


def _find_number(hdus, key, where: str) -> int:
    """Return the number of the HDU of this name or number, or of the only one."""
    numbers = _list_numbers(hdus)
    if key is None and len(numbers) == 1:
        return numbers[0]
    if not numbers:
        raise ValueError(
            f"{where!r} has neither an image nor a table. Name another file."
        )
    listed = ", ".join(_say(hdus, number) for number in numbers)
    if key is None:
        raise ValueError(
            f"{where!r} has {len(numbers):,} images and tables; name one, "
            f"open_rows(..., key={numbers[0]}): {listed}."
        )
    found = _look_up(hdus, key)
    if found is None:
        raise ValueError(f"{where!r} has no HDU {key!r}; it has {listed}.")
    if found not in numbers:
        raise ValueError(
            f"HDU {key!r} of {where!r} is no image or table with rows; it has {listed}."
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
    if not _is_image(hdu):
        return f"{number}{name} (table of {hdu.header['NAXIS2']:,} rows)"
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
    _section = None  # of the image, while its file is open

    def __init__(self, path: Path, number: int, hdu):
        self._path, self._number, self.where = path, number, f"{path.name}:{number}"
        self._chunk_rows, self.shape = hdu.tile_shape[0], tuple(hdu.shape)
        self.dtype = to_plain(hdu.section[0:1].dtype)
        self._nbytes = hdu.fileinfo()["datSpan"]
        # Tiles that are written again have other lengths and places.
        self._opened = self._run = Identity.read([path]).read_again()

    def _read(self, start: int, stop: int) -> np.ndarray:
        if self._section is not None:
            return self._section[start:stop]
        with self.open_once():
            return self._section[start:stop]

    @contextmanager
    def open_once(self):
        self._check_open()
        try:
            with _open_file(self._path) as hdus:
                self._section = hdus[self._number].section
                yield
        except Exception as error:
            self._check_files(cause=error)  # a changed file may be the reason
            raise
        finally:
            self._section = None

    def find_disk_nbytes(self) -> int:
        return self._nbytes

    def __getstate__(self) -> dict:
        return self._list_vars() | {"_section": None}
