"""Rows of tables that pass filters, as numbers: what is left out is not read."""

import sys
from collections.abc import Iterator

import numpy as np

from skmmap.formats.arrow.arrow_files import import_arrow, is_parquet
from skmmap.formats.arrow.columns import to_value_type, to_values
from skmmap.formats.arrow.native_files import open_native

_ROW = "\0row"  # a name that no column of a file has


class Filters:
    """Conditions on columns, as pandas and pyarrow take them.

    ``given`` is a list of (column, operator, value), all of which must hold, or a list
    of such lists, one of which must.
    """

    def __init__(self, given, where: str):
        self.given = given
        parquet = import_arrow("pyarrow.parquet", where)
        _check_form(given)
        try:
            self.expression = parquet.filters_to_expression(given)
            self.names = sorted({name for name, *_ in _iter_conditions(given)})
        except (TypeError, ValueError) as error:
            raise ValueError(
                "filters must be a list of (column, operator, value), or a list of "
                f"such lists; got {given!r}: {error}"
            ) from error

    def for_schema(self, schema) -> "Filters":
        """Return the filters for columns of these types, if they fit."""
        self._empty = _decode(schema.empty_table().select(self.names))
        self._check(self._empty)
        return self

    def _check(self, table) -> None:
        """Raise if values cannot be compared with their columns."""
        try:
            table.filter(self.expression)
        except (TypeError, ValueError, NotImplementedError) as error:
            types = {name: str(table.schema.field(name).type) for name in self.names}
            raise ValueError(
                f"filters={self.given!r} do not fit the types of the columns, "
                f"{types}: {error}"
            ) from error

    def find_groups(self, path, keys: dict) -> set | None:
        """Return the row groups that may have such rows, None if nothing tells.

        The values of keys, and statistics in a Parquet file, are asked.
        """
        if not is_parquet(path):
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
        parts = fragment.split_by_row_group(self.expression, schema=schema)
        return {group.id for part in parts for group in part.row_groups}

    def pick(self, table, first: int) -> np.ndarray:
        """Return the numbers of the rows that pass; the table begins at ``first``."""
        arrow, table = sys.modules["pyarrow"], _decode(table)
        numbers = arrow.array(np.arange(first, first + table.num_rows))
        passed = table.append_column(_ROW, numbers).filter(self.expression)
        return passed.column(_ROW).to_numpy()


def _decode(table):
    """Return a table with values in place of the codes of dictionaries."""
    for number, field in enumerate(table.schema):
        type_ = to_value_type(field.type)
        if type_ != field.type:
            column = to_values(table.column(number)).cast(type_)
            table = table.set_column(number, field.with_type(type_), column)
    return table


def _check_form(given) -> None:
    """Raise for a condition without its list, and for a text as the values of one.

    pyarrow would take the letters of a text for the values.
    """
    if isinstance(given, tuple) and given and isinstance(given[0], str):
        raise ValueError(
            f"filters must be a list of conditions; got {given!r}. Give [{given!r}]."
        )
    if not isinstance(given, list | tuple):
        raise ValueError(
            "filters must be a list of (column, operator, value), or a list of such "
            f"lists; got {given!r}: it is no list."
        )
    for condition in _iter_conditions(given):
        if not isinstance(condition, tuple) or len(condition) != 3:
            continue  # which pyarrow says
        name, operator, value = condition
        if operator in ("in", "not in") and isinstance(value, str | bytes):
            raise ValueError(
                f"filters={given!r}: {operator!r} needs a list of values; got "
                f"{value!r}. Give ({name!r}, {operator!r}, [{value!r}])."
            )


def _iter_conditions(given) -> Iterator[tuple]:
    for condition in given:
        if isinstance(condition, list):
            yield from condition
        else:
            yield condition


def _say_keys(datasets, keys: dict):
    """Return an expression of the values that all rows of a file have."""
    said = None
    for name, value in keys.items():
        field = datasets.field(name)
        each = field.is_null() if value is None else field == value
        said = each if said is None else said & each
    return said
