"""CSV files as tables, whose columns keep a type each."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np

from skmmap.write.csv import CsvFile

# What pandas.read_csv takes for a missing value.
_NULLS = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
    *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)
_OPTIONS = MappingProxyType({"null_values": _NULLS, "strings_can_be_null": True})


class CsvTable(CsvFile):
    """The columns of a CSV file as tables; ``dtype`` may tell the type of each."""

    _options = _OPTIONS

    def __init__(self, path, columns, dtype):
        is_each = isinstance(dtype, Mapping)
        columns = [columns] if isinstance(columns, str) else columns
        every = None if is_each or dtype is None else np.dtype(dtype)
        super().__init__(path, columns, every)
        self._names = list(dict.fromkeys(self._names))
        self._told = {k: np.dtype(v) for k, v in dtype.items()} if is_each else {}
        for name, told in self._told.items():
            if name not in self._types:
                raise ValueError(
                    f"dtype has the column {name!r}, which is not read of "
                    f"{self._where!r}: {', '.join(map(repr, self._names))}."
                )
            self._types[name] = self._to_arrow(told)

    def iter_tables(self) -> Iterator:
        """Yield all rows; raise `Surprise` if they do not fit the types."""
        yield self._settle(None)
        yield from map(self._settle, self._iter_typed())

    def _settle(self, table):
        """Return rows in the order of the columns; what is all missing is NaN."""
        arrow = self._arrow
        types = (
            (name, arrow.float64() if arrow.types.is_null(type_) else type_)
            for name, type_ in self._types.items()
        )
        schema = arrow.schema(list(types)).empty_table().select(self._names).schema
        if table is None:
            return schema.empty_table()
        return table.select(self._names).cast(schema)

    def _find_given(self, name: str):
        return self._told.get(name, self._given)

    def _say_text(self, name: str) -> str:
        return f"dtype={{{name!r}: str}}"
