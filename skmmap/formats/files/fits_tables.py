"""Binary tables in FITS files: values of chosen columns, made of the bytes of rows."""

import re
from math import prod
from typing import NamedTuple

import numpy as np

from skmmap.formats.shared import MapStore

# https://fits.gsfc.nasa.gov/fits_standard.html, section 7.3.
_STORED = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_NBYTES = {"L": 1, "A": 1, "C": 8, "M": 16, "P": 8, "Q": 16}
_FORM = re.compile(r"(\d*)([A-Z])(\d*)")
_LISTED = 10
_SCANNED_NBYTES = 2**20  # of rows that are in memory while TNULL is looked for


class Column(NamedTuple):
    """A column: where its bytes are in a row, and what they stand for."""

    name: str
    code: str
    count: int
    start: int
    dims: tuple  # of the value in a row, () for a single one; text has its width last
    tscal: float = 1
    tzero: float = 0
    tnull: int | None = None
    is_float: bool = False  # integers of which one is missing

    @property
    def nbytes(self) -> int:
        return self._find_nbytes(self.count)

    def _find_nbytes(self, count: int) -> int:
        if self.code == "X":
            return -(-count // 8)
        kind = _STORED.get(self.code)
        return count * (np.dtype(kind).itemsize if kind else _NBYTES[self.code])

    @property
    def shape(self) -> tuple:
        """The shape of the value in a row, () for a single one."""
        return self.dims[:-1] if self.code == "A" else self.dims

    @property
    def is_numeric(self) -> bool:
        return self.code in "LX" + "".join(_STORED) and self.count > 0

    @property
    def is_scaled(self) -> bool:
        is_changed = (self.tscal, self.tzero) != (1, 0)
        return is_changed and not self.is_unsigned

    @property
    def is_unsigned(self) -> bool:
        bits = {"I": 16, "J": 32, "K": 64}.get(self.code, 0)
        return bits > 0 and (self.tscal, self.tzero) == (1, 1 << bits - 1)

    @property
    def may_miss(self) -> bool:
        """Whether TNULL would change the type of the column."""
        return self.tnull is not None and not self.is_scaled

    def cut(self, rows: np.ndarray) -> np.ndarray:
        """Return the bytes of values; what is stored beyond them has no meaning."""
        stop = self.start + self._find_nbytes(prod(self.dims))
        return rows[:, self.start : stop]

    def decode(self, rows: np.ndarray) -> np.ndarray:
        """Return the values in rows of bytes."""
        piece = np.ascontiguousarray(self.cut(rows))
        count, shape = prod(self.dims), (len(rows), *self.shape)
        if self.code == "X":
            bits = np.unpackbits(piece, axis=1, count=count)
            return bits.astype(bool).reshape(shape)
        if self.code == "L":
            return (piece == ord("T")).reshape(shape)
        if self.code == "A":
            width = self.dims[-1]
            texts = np.char.decode(piece.view(f"S{width}"), "latin-1")
            return np.char.rstrip(texts).astype(f"U{width}").reshape(shape)
        return self._to_numbers(piece.view(_STORED[self.code])).reshape(shape)

    def _to_numbers(self, stored: np.ndarray) -> np.ndarray:
        values = stored.astype(stored.dtype.newbyteorder("="))
        if self.is_unsigned:
            unsigned = np.dtype(f"u{values.itemsize}")
            top = unsigned.type(1 << 8 * unsigned.itemsize - 1)
            values = values.view(unsigned) ^ top
        if self.is_scaled or self.is_float:
            values = values.astype(np.float64)
        if self.is_scaled:
            if self.tscal != 1:
                values *= self.tscal
            if self.tzero != 0:
                values += self.tzero
        if self.tnull is not None and values.dtype.kind == "f":
            values[stored == self.tnull] = np.nan
        return values


class Picked(NamedTuple):
    """What makes an array of columns: of one, or of several side by side."""

    columns: tuple
    is_one: bool
    where: str

    @property
    def names(self) -> list[str] | None:
        """The names of the columns of the array, as a table of Parquet has them."""
        names = [column.name for column in self.columns]
        has_names = not self.is_one and not any(column.shape for column in self.columns)
        return names if has_names and len(set(names)) == len(names) else None

    def __call__(self, rows: np.ndarray, numbers) -> np.ndarray:
        for column in self.columns:
            if column.code == "L":
                self._check_logical(column, rows, numbers)
        if self.is_one:
            return self.columns[0].decode(rows)
        parts = [column.decode(rows) for column in self.columns]
        flat = [part.reshape(len(rows), prod(part.shape[1:])) for part in parts]
        return np.concatenate(flat, axis=1)

    def _check_logical(self, column: Column, rows: np.ndarray, numbers) -> None:
        """Raise for a value that is neither T nor F."""
        is_missing = (column.cut(rows) == 0).any(axis=1)
        if is_missing.any():
            row = int(numbers[is_missing.argmax()])
            raise ValueError(
                f"{self.where!r} has a missing value in row {row:,} of "
                f"{column.name!r}, and logical values have no NaN for it. Choose other "
                "columns, or write it as integers with TNULL."
            )


def list_columns(header, where: str) -> list[Column]:
    """Return the columns of a binary table, from its header."""
    columns, start = [], 0
    for i in range(1, header["TFIELDS"] + 1):
        digits, code, width = _FORM.match(header[f"TFORM{i}"].strip()).groups()
        # "A7" is of tables as text, and common for 7A: astropy takes it so.
        digits = digits or (width if code == "A" else "")
        count = int(digits) if digits else 1
        scaling = header.get(f"TSCAL{i}", 1), header.get(f"TZERO{i}", 0)
        tnull = header.get(f"TNULL{i}") if code in "BIJK" else None
        dims = _find_dims(code, count, header.get(f"TDIM{i}", ""))
        name = header.get(f"TTYPE{i}", f"col{i}")
        column = Column(name, code, count, start, dims, *scaling, tnull)
        columns.append(column)
        start += column.nbytes
    if start != header["NAXIS1"]:
        raise ValueError(
            f"{where!r} has rows of {header['NAXIS1']:,} bytes, and the columns in its "
            f"header take {start:,}. Write it again."
        )
    return columns


def _find_dims(code: str, count: int, tdim: str) -> tuple:
    """Return the dimensions of a value, which may take less than is stored."""
    dims = tuple(int(n) for n in re.findall(r"\d+", tdim))[::-1]
    if dims and 0 < prod(dims) <= count:
        return dims
    return () if count == 1 and code not in "AX" else (count,)


def pick_columns(columns: list, chosen, where: str) -> Picked:
    """Return what makes the array of chosen columns, of all with numbers for None."""
    if chosen is None:
        return _pick_numeric(columns, where)
    names = [chosen] if isinstance(chosen, str) else chosen
    if not isinstance(names, list | tuple) or not all(
        isinstance(name, str) for name in names
    ):
        raise TypeError(f"columns must be a name or a list of names; got {chosen!r}.")
    if not names:
        raise ValueError(f"{where!r} has no columns to read; got columns={chosen!r}.")
    picked = tuple(_find_column(columns, name, where) for name in names)
    is_one = isinstance(chosen, str)
    texts = [column.name for column in picked if column.code == "A"]
    if texts and not is_one:
        raise TypeError(
            f"{where!r} has text in {_say(texts)}, which has no common type with "
            f"others. Choose it alone: columns={texts[0]!r}."
        )
    return Picked(picked, is_one, where)


def _pick_numeric(columns: list, where: str) -> Picked:
    numeric = tuple(column for column in columns if column.is_numeric)
    if len(numeric) == len(columns) > 0:
        return Picked(numeric, is_one=False, where=where)
    if numeric:
        others = [column.name for column in columns if not column.is_numeric]
        choice = f"columns=[{_say([column.name for column in numeric])}]"
        raise TypeError(
            f"{where!r} has columns that are not numbers: {_say(others)}. "
            f"Choose {choice}."
        )
    raise TypeError(
        f"{where!r} has no columns of numbers; it has "
        f"{_say([column.name for column in columns])}. Choose one with columns=."
    )


def _find_column(columns: list, name: str, where: str) -> Column:
    found = [column for column in columns if column.name == name]
    if len(found) != 1:
        said = f"{len(found)} columns named" if found else "no column"
        listed = _say([column.name for column in columns])
        raise ValueError(f"{where!r} has {said} {name!r}; it has {listed}.")
    (column,) = found
    if column.code in "PQ":
        raise TypeError(
            f"Column {name!r} of {where!r} has arrays of various lengths. Write it "
            "with one length for all rows, such as 3E, and fill what is missing."
        )
    if not column.count or not (column.is_numeric or column.code == "A"):
        what, also = "no values", ""
        if column.count:
            what, also = "complex numbers", ", or write its parts as columns of floats"
        raise TypeError(
            f"Column {name!r} of {where!r} has {what}. Choose another one{also}."
        )
    return column


def find_missing(picked: Picked, rows: MapStore) -> Picked:
    """Return the columns as floats where a row misses an integer: one pass for all."""
    unknown = {column for column in picked.columns if column.may_miss}
    step = max(1, _SCANNED_NBYTES // max(1, rows.row_nbytes))
    found = set()
    for start in range(0, rows.n_rows if unknown else 0, step):
        block = rows.read(start, min(start + step, rows.n_rows))
        found |= {c for c in unknown - found if np.isnan(_as_float(c, block)).any()}
        if found == unknown:
            break
    columns = (c._replace(is_float=c.is_float or c in found) for c in picked.columns)
    return picked._replace(columns=tuple(columns))


def _as_float(column: Column, rows: np.ndarray) -> np.ndarray:
    return column._replace(is_float=True).decode(rows)


def _say(names: list) -> str:
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(map(repr, names[:_LISTED])) + more
