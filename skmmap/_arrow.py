"""Rows in Parquet and Arrow files, and in tables of pyarrow."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np

from skmmap._arrow_files import check_schemas, import_arrow, open_arrow
from skmmap._columns import (
    check_nulls,
    choose_columns,
    find_common,
    find_dtype,
    is_string,
    to_numpy,
    to_value_type,
    to_values,
)
from skmmap._external import ContainerStore


class ArrowStore(ContainerStore):
    """Columns of tables as one array; a subclass brings the tables."""

    columns = None

    def _describe(self, schema, columns) -> None:
        """Find type and shape of the rows, before their values are read."""
        self._names = choose_columns(schema, columns, self.where)
        self.columns = columns
        n_rows, nulls = self._find_rows()
        types = {name: to_value_type(schema.field(name).type) for name in self._names}
        if isinstance(columns, str):
            self._describe_column(types[columns], n_rows, columns in nulls)
            return
        self.shape = n_rows, len(self._names)
        self.dtype = find_common(types, nulls, self.where)

    def _describe_column(self, type_, n_rows: int, has_nulls: bool) -> None:
        """Find type and shape of a single column."""
        size = getattr(type_, "list_size", None)
        self.shape = (n_rows,) if size is None else (n_rows, size)
        if is_string(type_):
            self.dtype = np.dtype(f"U{self._find_width()}")
            return
        self.dtype = find_dtype(type_ if size is None else type_.value_type, has_nulls)
        if self.dtype is None:
            raise TypeError(
                f"{self.where!r} is of the type {type_}, which NumPy has no type for. "
                "Choose another column, or write it as numbers or strings."
            )

    def _find_width(self) -> int:
        """Return the length of the longest string, from one pass over the column."""
        compute = import_arrow("pyarrow.compute", self.where)
        before, width, (name,) = 0, 1, self._names
        for table in self._iter_tables():
            column = to_values(table.column(name))
            check_nulls(column, name, np.dtype("U1"), before)
            width = max(width, compute.max(compute.utf8_length(column)).as_py() or 0)
            before += table.num_rows
        return width

    def _read(self, start, stop):
        out, place = np.empty((max(0, stop - start), *self.shape[1:]), self.dtype), 0
        for table, before in self._iter_slices(start, stop):
            rows = out[place : place + table.num_rows]
            for number, name in enumerate(self._names):
                into = rows if isinstance(self.columns, str) else rows[:, number]
                into[...] = to_numpy(table.column(name), name, self.dtype, before)
            place += table.num_rows
        return out

    def _find_rows(self) -> tuple[int, set]:
        """Return the number of rows, and the columns that are known to have nulls."""
        raise NotImplementedError

    def _iter_tables(self):
        """Yield all rows, table by table."""
        raise NotImplementedError

    def _iter_slices(self, start: int, stop: int):
        """Yield tables of these rows, with the number of the first row of each."""
        raise NotImplementedError


class TableStore(ArrowStore):
    """Rows of a table or record batch in memory."""

    on_disk = False

    def __init__(self, table, columns=None):
        self.where = f"a {type(table).__name__}"
        self._table = table
        if not hasattr(table, "to_batches"):
            arrow = import_arrow("pyarrow", self.where)
            self._table = arrow.Table.from_batches([table])
        self._describe(table.schema, columns)

    def _find_rows(self):
        nulls = {n for n in self._names if self._table.column(n).null_count}
        return self._table.num_rows, nulls

    def _iter_tables(self):
        yield self._table

    def _iter_slices(self, start, stop):
        yield self._table.slice(start, max(0, stop - start)), start

    def close(self) -> None:
        super().close()
        self._table = None


class ParquetStore(ArrowStore):
    """Rows of Parquet or Arrow IPC files, one row group in memory at a time."""

    def __init__(self, paths, columns=None):
        paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        self.paths = [Path(os.path.abspath(path)) for path in paths]
        self._forget()
        self._describe(check_schemas(self.paths, columns), columns)
        self._last = None

    @property
    def where(self) -> str:
        name = self.paths[0].name
        if len(self.paths) > 1:
            name = f"{len(self.paths):,} files: {name} to {self.paths[-1].name}"
        return f"{name}:{self.columns}" if isinstance(self.columns, str) else name

    def _forget(self) -> None:
        """Drop what can be read again."""
        self._groups = self._stops = self._last = None

    def _find_rows(self):
        groups, counts, nulls = [], [0], set()
        for path in self.paths:
            with open_arrow(path) as file:
                counts += file.find_counts(self._names)
                nulls |= file.find_nulls(self._names)
                is_mapped = file.is_mapped
            numbers = range(len(counts) - 1 - len(groups))
            groups += [(path, i, is_mapped) for i in numbers]
        self._groups, self._stops = groups, np.cumsum(counts)
        return int(self._stops[-1]), nulls

    def _iter_tables(self):
        return map(self._read_group, range(len(self._groups)))

    def _iter_slices(self, start, stop):
        if self._groups is None and self._find_rows()[0] != self.n_rows:
            self._forget()
            raise ValueError(
                f"{self.where!r} has no longer {self.n_rows:,} rows. Open it again."
            )
        first = max(0, int(np.searchsorted(self._stops, start, side="right")) - 1)
        for number, (low, high) in enumerate(pairwise(self._stops[first:].tolist())):
            begin, end = max(start, low), min(stop, high)
            if low >= stop:
                return
            if begin < end:
                group = self._read_group(first + number)
                yield group.slice(begin - low, end - begin), begin

    def _read_group(self, number: int):
        """Return a row group, the last one without decoding it again."""
        last = self._last
        if last is not None and last[0] == number:
            return last[1]
        # Else there are two of them in memory while the second is decoded.
        last = self._last = None
        path, inside, is_mapped = self._groups[number]
        with open_arrow(path) as file:
            group = file.read(inside, self._names, is_mapped)
        if not is_mapped:  # a view keeps the file mapped, and costs nothing to make
            self._last = number, group
        return group

    def close(self) -> None:
        super().close()
        self._forget()

    def __getstate__(self):
        return vars(self) | {"_groups": None, "_stops": None, "_last": None}
