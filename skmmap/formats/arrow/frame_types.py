"""Columns of Arrow as data frames whose types are those of the whole table.

pandas makes the type of a column from its values: integers are float64 where one of
them is missing. So which columns have nulls must be known before a part is read.
"""

import sys
from copy import copy
from importlib import import_module

import numpy as np

from skmmap.formats.arrow.columns import check_nulls, count_from, find_dtype
from skmmap.formats.arrow.schemas import fit_table, is_dictionary, make_empty


class PandasFrames:
    """Tables as data frames of pandas, as ``pandas.read_parquet`` makes them."""

    library, has_index = "pandas", True

    def __init__(self, schema, nulls: set, categories: dict, where: str):
        _import(self.library, where)
        self._schema, self._selected = schema, {}
        self._types = [_find_type(field, schema, nulls) for field in schema]
        for number, field in enumerate(schema):
            if is_dictionary(field.type):
                self._types[number] = _find_categorical(field, categories)
        self._exact = [
            (field.name, dtype)
            for field, dtype in zip(schema, self._types, strict=True)
            if isinstance(dtype, np.dtype) and dtype.kind in "biu"
        ]
        self.empty = self.make(make_empty(schema), 0)

    def make(self, table, before: int):
        """Return rows, of which the first is ``before``; that is their index."""
        for name, dtype in self._exact:
            check_nulls(table.column(name), name, dtype, count_from(before))
        frame = table.to_pandas()
        pairs = zip(frame.dtypes.tolist(), self._types, strict=True)
        for number, (found, dtype) in enumerate(pairs):
            if not _is_same(found, dtype):
                frame.isetitem(number, _cast(frame.iloc[:, number], dtype))
        frame.index = sys.modules["pandas"].RangeIndex(before, before + len(frame))
        return frame.copy() if _may_be_views(frame) else frame

    def decode(self, table, index):
        """Return rows of a table with codes; ``index`` are their numbers."""
        frame = self.make(fit_table(table, self._schema), 0)
        if isinstance(index, range):
            index = sys.modules["pandas"].RangeIndex(index.start, index.stop)
        return frame.set_axis(index, copy=False)

    def spell(self, texts: list[list]):
        """Return a frame of texts, given those of each column."""
        arrow = sys.modules["pyarrow"]
        columns = [arrow.array(column, "large_string") for column in texts]
        table = arrow.Table.from_arrays(columns, names=self._schema.names)
        return self.make(fit_table(table, self._schema), 0)

    def __getstate__(self) -> dict:
        # Or one pickle of the same rows would differ from another.
        return vars(self) | {"_selected": {}}

    def select(self, columns: list[int]) -> "PandasFrames":
        """Return what makes frames of some columns, which have these numbers."""
        if tuple(columns) in self._selected:  # it is asked for with each chunk
            return self._selected[tuple(columns)]
        some, arrow = copy(self), sys.modules["pyarrow"]
        fields = [self._schema.field(number) for number in columns]
        some._schema = arrow.schema(fields, self._schema.metadata)
        some._types = [self._types[number] for number in columns]
        some._exact = [each for each in self._exact if each[0] in some._schema.names]
        some.empty, some._selected = self.empty.iloc[:, columns], {}
        self._selected[tuple(columns)] = some
        return some


class PolarsFrames:
    """Tables as data frames of polars, whose types need no values."""

    library, has_index = "polars", False

    def __init__(self, schema, nulls: set, categories: dict, where: str):
        _import(self.library, where)
        self.empty = self.make(make_empty(schema), 0)

    def make(self, table, before: int):
        """Return rows, of which the first is ``before``.

        They are copied, or they would be views of a row group, or of a mapped file.
        """
        whole = table.combine_chunks()
        rows = sys.modules["pyarrow"].array(np.arange(whole.num_rows))
        return import_module("polars").from_arrow(whole.take(rows))


def open_frames(library: str, *given):
    """Return what makes frames of a library."""
    kinds = {each.library: each for each in (PandasFrames, PolarsFrames)}
    return kinds[library](*given)


def _import(library: str, where: str) -> None:
    try:
        import_module(library)
    except ImportError as error:
        other = "polars" if library == "pandas" else "pandas"
        raise ImportError(
            f"Rows of {where!r} are data frames of {library}, which is not installed: "
            f"pip install {library}. Or give as_frame={other!r}, or choose columns of "
            "numbers."
        ) from error


def changes_by_null(type_) -> bool:
    """Whether a null changes the type that pandas has for a column."""
    dtype = None if is_dictionary(type_) else find_dtype(type_, has_nulls=False)
    return dtype is not None and dtype.kind in "biu"


def _find_type(field, schema, nulls: set):
    """Return the type that pandas has for a column, with nulls or without."""
    arrow = sys.modules["pyarrow"]
    alone = arrow.schema([field], schema.metadata)
    table = make_empty(alone)
    if field.name in nulls and changes_by_null(field.type):
        table = arrow.Table.from_arrays([arrow.nulls(1, field.type)], schema=alone)
    return table.to_pandas().dtypes.iloc[0]


def _find_categorical(field, categories: dict):
    """Return the type of a column with the categories of the whole table."""
    arrow = sys.modules["pyarrow"]
    type_ = field.type
    values = categories.get(field.name, arrow.array([], type_.value_type))
    codes, made = arrow.array([], type_.index_type), arrow.DictionaryArray
    column = made.from_arrays(codes, values, ordered=type_.ordered)
    return arrow.table({"": column}).to_pandas().dtypes.iloc[0]


def join_categories(known, column):
    """Return the categories that are known and those of a column, as they come."""
    arrow = sys.modules["pyarrow"]
    for chunk in column.chunks:
        if known is None or not known.equals(chunk.dictionary):
            both = [chunk.dictionary] if known is None else [known, chunk.dictionary]
            known = arrow.concat_arrays(both).unique().drop_null()
    return known


def _is_same(dtype, wanted) -> bool:
    if hasattr(wanted, "categories"):  # whose order does not count for pandas
        return dtype.categories.equals(wanted.categories)
    return dtype == wanted


def _cast(column, dtype):
    if hasattr(dtype, "categories"):
        return column.cat.set_categories(dtype.categories)
    return column.astype(dtype)


def _may_be_views(frame) -> bool:
    """Whether some values may be those of Arrow: of a column alone in its type.

    pandas copies columns of one NumPy type into one block.
    """
    types = frame.dtypes.tolist()
    is_numpy = all(isinstance(dtype, np.dtype) for dtype in types)
    return not is_numpy or any(types.count(dtype) == 1 for dtype in types)
