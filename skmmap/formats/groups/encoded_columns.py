"""Columns of anndata that are groups: categories with codes, and values with a mask.

https://anndata.readthedocs.io/en/stable/fileformat-prose.html#categorical-arrays.
"""

from copy import copy

import numpy as np

from skmmap._messages import describe_rows
from skmmap.formats.shared import JoinedStore
from skmmap.rows import MISSING, Store

_PIECE_ROWS = 2**20


class EncodedColumn(JoinedStore):
    """Rows of a column in two arrays, of which the first has one item for each row.

    As in a table, missing strings are empty ones, which y must not have, and integers
    and booleans of which some are missing are floats.
    """

    is_parallel = False
    is_decoded = True
    has_fixed_size_rows = False
    _missing = ""

    def __init__(self, parts: list[Store], where: str):
        self._parts, self.where = tuple(parts), where
        self.on_disk, self.can_reopen = parts[0].on_disk, parts[0].can_reopen
        self.shape = parts[0].shape
        self._check()
        self._has_missing = self._find_any()
        self.dtype = self._find_type()
        self.has_missing_strings = self._has_missing and self.dtype.kind == "U"

    def _find_any(self) -> bool:
        """Return whether any row has no value, from a pass that checks all."""
        found = False
        for start in range(0, self.n_rows, _PIECE_ROWS):
            stop = min(start + _PIECE_ROWS, self.n_rows)
            found |= bool(self._find_missing(start, stop).any())
        return found

    def _find_type(self) -> np.dtype:
        dtype = self._values.dtype
        if dtype.kind == "S":  # HDF5's strings of a fixed length
            dtype = np.dtype(f"U{dtype.itemsize}")
        if not self._has_missing or dtype.kind in "fcmMU":
            return dtype
        if dtype.kind in "biu":
            return np.dtype(float)
        raise ValueError(f"{self.where!r} has missing values, and {dtype} has none.")

    def _convert(self, values: np.ndarray) -> np.ndarray:
        """Return stored values as those of the column's type."""
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8")
        return values.astype(self.dtype, copy=False)

    @property
    def _filler(self):
        """What rows without a value have."""
        return self._missing if self.dtype.kind == "U" else _NONE[self.dtype.kind]

    def find_units(self, least_rows: int) -> np.ndarray:
        return self._parts[0].find_units(least_rows)

    def mark_missing(self) -> "EncodedColumn":
        store = copy(self)
        store._missing = MISSING
        return store

    def _check(self) -> None:
        """Raise if the parts do not fit together."""
        raise NotImplementedError

    def _raise(self, needs: str, names: tuple) -> None:
        found = ", ".join(
            f"{name}: {part.dtype}, shape {part.shape}"
            for name, part in zip(names, self._parts, strict=True)
        )
        raise ValueError(
            f"{self.where!r} does not fit together: {needs}; found {found}. Write it "
            "again."
        )

    @property
    def _values(self) -> Store:
        """The part that has the values."""
        raise NotImplementedError

    def _find_missing(self, start: int, stop: int) -> np.ndarray:
        """Return which of these rows have no value."""
        raise NotImplementedError


_NONE = {
    "f": np.nan,
    "c": np.nan,
    "m": np.timedelta64("NaT"),
    "M": np.datetime64("NaT"),
}


class CategoryStore(EncodedColumn):
    """Rows of a categorical column: each code is the number of a category, or -1."""

    # Only in a run, in which a file that changes is an error.
    _table, _is_run = None, False

    @property
    def _codes(self) -> Store:
        return self._parts[0]

    @property
    def _values(self) -> Store:
        return self._parts[1]

    def _check(self) -> None:
        is_flat = all(len(part.shape) == 1 for part in self._parts)
        if not (is_flat and self._codes.dtype.kind in "iu"):
            needs = "codes must be integers, one for each row, and categories values"
            self._raise(needs, ("codes", "categories"))

    def _find_missing(self, start, stop):
        return self._read_codes(start, stop) < 0

    def _read_codes(self, start: int, stop: int) -> np.ndarray:
        codes, n = self._codes.read(start, stop), self._values.n_rows
        if len(codes) and not (int(codes.min()) >= -1 and int(codes.max()) < n):
            raise ValueError(
                f"{self.where!r} has codes from {codes.min():,} to {codes.max():,} in "
                f"{describe_rows(start, stop)}, for {n:,} categories. Write it again."
            )
        return codes

    def read(self, start: int, stop: int) -> np.ndarray:
        codes = self._read_codes(start, stop)
        is_missing = codes < 0
        if is_missing.any() and not self._has_missing:
            raise ValueError(
                f"{self.where!r} has changed: no value was missing, and "
                f"{describe_rows(start, stop)} miss some. Open it again."
            )
        # The code of what is missing, -1, is the number of the last one.
        return self._read_table()[codes]

    def _read_table(self) -> np.ndarray:
        """Return the values of the categories, and what is missing."""
        if self._table is not None:
            return self._table
        values = self._convert(self._values.read(0, self._values.n_rows))
        if self._has_missing:
            values = np.append(values, np.array([self._filler], self.dtype))
        if self._is_run:
            self._table = values
        return values

    def for_run(self, read_mode: str) -> "CategoryStore":
        store = super().for_run(read_mode)
        store._is_run = self.identity.is_watched and not self.identity.is_writer
        return store

    def mark_missing(self) -> "CategoryStore":
        store = super().mark_missing()
        store._table = None
        return store

    def __getstate__(self):
        return vars(self) | {"_table": None}


class MaskedStore(EncodedColumn):
    """Rows of a nullable column: values, and a mask that says which are missing."""

    @property
    def _values(self) -> Store:
        return self._parts[0]

    def _check(self) -> None:
        values, mask = self._parts
        if values.shape != mask.shape or mask.dtype.kind != "b":
            needs = "mask must be booleans, one for each value"
            self._raise(needs, ("values", "mask"))

    def _find_missing(self, start, stop):
        return self._parts[1].read(start, stop)

    def read(self, start: int, stop: int) -> np.ndarray:
        with self.in_turn():
            values = self._convert(self._values.read(start, stop))
            is_missing = self._find_missing(start, stop)
        if not is_missing.any():
            return values
        if not self._has_missing:
            raise ValueError(
                f"{self.where!r} has changed: no value was missing, and "
                f"{describe_rows(start, stop)} miss some. Open it again."
            )
        values = np.array(values)
        values[is_missing] = self._filler
        return values
