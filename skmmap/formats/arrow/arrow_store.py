"""Columns of Arrow tables as the rows of one array."""

from copy import copy

import numpy as np

from skmmap._messages import describe_rows
from skmmap.formats.arrow.columns import choose_columns, find_common, find_dtype
from skmmap.formats.arrow.list_columns import Column
from skmmap.formats.shared import ContainerStore
from skmmap.rows import MISSING


class ArrowStore(ContainerStore):
    """Columns of tables as one array; a subclass brings the tables.

    A list of one length is as many columns of the array as it is long.
    """

    columns = None
    has_fixed_size_rows = False
    _is_mapped = False  # tables are views of a file
    _missing = ""

    def _describe(self, schema, columns) -> None:
        """Find type and shape of the rows, before their values are read."""
        self._names = choose_columns(schema, columns, self.where)
        self.columns, self._is_single = columns, isinstance(columns, str)
        n_rows, nulls = self._find_rows()
        fields = [Column(n, schema.field(n).type, self.where) for n in self._names]
        for field in fields:
            field.has_nulls = field.name in nulls
        self._find_common(fields)  # before the pass, whatever is in the rows
        self._measure([field for field in fields if field.is_open])
        self._fields, self.dtype = fields, self._find_common(fields)
        shape = fields[0].shape
        if not self._is_single:
            shape = (sum(field.row_values for field in fields),)
        self.shape = n_rows, *shape
        has_names = not self._is_single and not any(field.is_list for field in fields)
        if has_names and len(set(self._names)) == len(self._names):
            self.names = self._names

    def _find_common(self, fields) -> np.dtype:
        """Return the type of all values."""
        if not self._is_single:
            types = {field.name: field.type for field in fields}
            nulls = {field.name for field in fields if field.has_nulls}
            return find_common(types, nulls, self.where)
        (field,) = fields
        if field.is_text:
            return np.dtype(f"U{field.width}")
        if (dtype := find_dtype(field.type, field.has_nulls)) is None:
            raise TypeError(
                f"{self.where!r} is of the type {field.type}, which NumPy has no type "
                "for. Choose another column, or write it as numbers or strings."
            )
        return dtype

    def _measure(self, fields) -> None:
        """Find the lengths of lists and strings, from one pass over their columns."""
        before, names = 0, [field.name for field in fields]
        for table in self._iter_tables(names) if names else ():
            for field in fields:
                field.measure(table.column(field.name), before)
            before += table.num_rows
            del table  # or two row groups would be there
        for field in fields:
            field.end()

    def _read(self, start, stop):
        out, place = np.empty((max(0, stop - start), *self.shape[1:]), self.dtype), 0
        for table, before in self._iter_slices(start, stop):
            rows, first = out[place : place + table.num_rows], 0
            for field in self._fields:
                column = table.column(field.name)
                values = field.to_numpy(column, self.dtype, before, self._missing)
                if self._is_single:
                    rows[...] = values
                else:
                    values = values.reshape(len(values), field.row_values)
                    rows[:, first : first + field.row_values] = values
                first += field.row_values
            place += table.num_rows
        if place != len(out):  # the rest of it is whatever was in memory there
            raise ValueError(
                f"{self.where!r} has {place:,} of {describe_rows(start, stop)}. Open "
                "it again."
            )
        return out

    @property
    def has_missing_strings(self) -> bool:
        return self._fields[0].is_text and self._fields[0].has_nulls

    def mark_missing(self) -> "ArrowStore":
        store = copy(self)
        store._missing = MISSING
        return store

    def list_columns(self) -> list:
        """Return the names of the columns that are read."""
        return self._names

    def choose(self, columns, as_frame) -> "ArrowStore":
        """Return the store of some of the columns that are read."""
        raise NotImplementedError

    def _find_rows(self) -> tuple[int, set]:
        """Return the number of rows, and the columns that are known to have nulls."""
        raise NotImplementedError

    def _find_unknown(self, names) -> set:
        """Return columns that may have nulls, without anything that tells."""
        return set()

    def _iter_tables(self, names):
        """Yield all rows of some columns, table by table."""
        raise NotImplementedError

    def _iter_slices(self, start: int, stop: int):
        """Yield tables of these rows, with the number of the first row of each."""
        raise NotImplementedError
