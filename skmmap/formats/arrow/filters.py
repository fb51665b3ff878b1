"""Rows of tables that pass filters, as numbers: what is left out is not read."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from skmmap.formats.arrow.arrow_files import import_arrow, is_parquet
from skmmap.formats.arrow.columns import to_values
from skmmap.formats.arrow.conditions import (
    fit_condition,
    list_alternatives,
    may_ask_statistics,
)
from skmmap.formats.arrow.native_files import open_native
from skmmap.formats.arrow.schemas import make_empty, select_fields

_ROW = "\0row"  # a name that no column of a file has


class Filters:
    """Conditions on columns, as pandas and pyarrow take them.

    ``given`` is a list of (column, operator, value), all of which must hold, or a list
    of such lists, one of which must.
    """

    def __init__(self, given, where: str):
        self.given, self._parquet = given, import_arrow("pyarrow.parquet", where)
        self._alternatives = list_alternatives(given)
        conditions = (each for conditions in self._alternatives for each in conditions)
        self.names = sorted({name for name, *_ in conditions})

    def for_schema(self, schema) -> "Filters":
        """Return the filters for columns of these types, if they fit."""
        self._empty = _decode(make_empty(select_fields(schema, self.names)))
        types = {field.name: field.type for field in self._empty.schema}
        with self._naming_types():
            fitted = [
                [fit_condition(condition, types[condition[0]]) for condition in each]
                for each in self._alternatives
            ]
            self.expression = self._parquet.filters_to_expression(fitted)
            self._empty.filter(self.expression)
        asked = [
            [each for each in conditions if may_ask_statistics(each, types[each[0]])]
            for conditions in fitted
        ]
        # Where a list has no condition that may be asked, any group may have its rows.
        to_expression = self._parquet.filters_to_expression
        self._asked = to_expression(asked) if all(asked) else None
        return self

    @contextmanager
    def _naming_types(self) -> Iterator[None]:
        """Name the columns if values cannot be compared with theirs."""
        try:
            yield
        except (TypeError, ValueError, NotImplementedError, OverflowError) as error:
            schema = self._empty.schema
            types = {name: str(schema.field(name).type) for name in self.names}
            raise ValueError(
                f"filters={self.given!r} do not fit the types of the columns, "
                f"{types}: {error}"
            ) from error

    def find_groups(self, path, keys: dict) -> set | None:
        """Return the row groups that may have such rows, None if nothing tells.

        The values of keys, and statistics in a Parquet file, are asked.
        """
        if self._asked is None or not is_parquet(path):
            return None
        datasets = import_arrow("pyarrow.dataset", path)
        arrow = sys.modules["pyarrow"]
        with open_native(arrow, path) as file:
            return self._find_in(datasets, file, keys)

    def _find_in(self, datasets, file, keys: dict) -> set:
        fragment = datasets.ParquetFileFormat().make_fragment(
            file, partition_expression=_say_keys(datasets, keys)
        )
        schema = self._empty.schema
        with self._naming_types():
            parts = fragment.split_by_row_group(self._asked, schema=schema)
        return {group.id for part in parts for group in part.row_groups}

    def pick(self, table, first: int) -> np.ndarray:
        """Return the numbers of the rows that pass; the table begins at ``first``."""
        arrow, table = sys.modules["pyarrow"], _decode(table)
        numbers = arrow.array(np.arange(first, first + table.num_rows))
        table = table.append_column(_ROW, numbers)
        with self._naming_types():
            return table.filter(self.expression).column(_ROW).to_numpy()


def _decode(table):
    """Return a table with values in place of codes, of tensors, and of views."""
    for number, field in enumerate(table.schema):
        column = to_values(table.column(number))
        if column.type != field.type:
            table = table.set_column(number, field.with_type(column.type), column)
    return table


def _say_keys(datasets, keys: dict):
    """Return an expression of the values that all rows of a file have."""
    said = None
    for name, value in keys.items():
        field = datasets.field(name)
        each = field.is_null() if value is None else field == value
        said = each if said is None else said & each
    return said
