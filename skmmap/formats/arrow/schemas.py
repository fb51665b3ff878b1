"""Schemas of several files as one, and tables of each as that says."""

import json
import sys
from pathlib import Path

import numpy as np

from skmmap.formats.arrow.arrow_files import open_arrow
from skmmap.formats.arrow.columns import (
    choose_columns,
    is_string,
    to_value_type,
    to_values,
)

_NULL = "null"
_SLACK = 1.5  # that rows may keep more in memory than they are


def find_filled(paths) -> list[Path]:
    """Return the files that have rows, or all if none has.

    pandas and Spark write empty parts, whose columns may be of no type.
    """
    filled = []
    for path in paths if len(paths) > 1 else ():
        with open_arrow(path) as file:
            filled += [path] if sum(file.find_counts(file.schema.names)) else []
    return filled or paths


def check_schemas(paths, columns, open_file=open_arrow):
    """Return the schema of all files, which must have columns of the same types.

    A column without any value in a file is of the type that it has in others.
    """
    schemas, said = [], _say_paths(paths)
    for path in paths:
        with open_file(path) as file:
            schemas.append(file.schema)
    joined, typed = schemas[0], {}
    names = choose_columns(joined, columns, said[paths[0]])
    for path, schema in zip(paths, schemas, strict=True):
        here = choose_columns(schema, columns, said[path])
        for name in dict.fromkeys([*names, *here]):
            found, known = (_say_type(each, name) for each in (schema, joined))
            if found == known or (found == _NULL and name in names):
                pass
            elif known != _NULL:
                raise ValueError(
                    f"Column {name!r} is {found} in {said[path]!r} and {known} in "
                    f"{said[typed.get(name, paths[0])]!r}. Write the files with the "
                    "same columns."
                )
            else:
                typed[name] = path
            if name in names:
                joined = _join_field(joined, schema, name)
    return joined


def _say_paths(paths) -> dict:
    """Return what files are called: by their names, if these tell which one it is."""
    is_clear = len({path.name for path in paths}) == len(paths)
    return {path: path.name if is_clear else str(path) for path in paths}


def read_schema(paths, open_file=open_arrow) -> tuple:
    """Return the schema of files, and the number of rows in all of them."""
    paths = find_filled(paths)
    schema, n_rows = check_schemas(paths, None, open_file), 0
    for path in paths:
        with open_file(path) as file:
            n_rows += sum(file.find_counts(schema.names))
    return schema, n_rows


def _say_type(schema, name: str) -> str:
    if schema.names.count(name) != 1:
        return "missing"
    type_ = to_value_type(schema.field(name).type)
    return "string" if is_string(type_) else str(type_)


def _join_field(joined, schema, name: str):
    """Return a schema with the type of a column that the values of both have."""
    here, there = (each.field(name).type for each in (schema, joined))
    if here == there or str(here) == _NULL:
        return joined
    number = joined.names.index(name)
    return joined.set(number, joined.field(number).with_type(_join_types(here, there)))


def _join_types(here, there):
    if str(there) == _NULL:
        return here
    arrow = sys.modules["pyarrow"]
    if is_dictionary(here) and is_dictionary(there):
        values = _join_types(here.value_type, there.value_type)
        return arrow.dictionary("int32", values, here.ordered and there.ordered)
    here, there = to_value_type(here), to_value_type(there)
    return here if here == there else arrow.large_string()


def is_dictionary(type_) -> bool:
    return str(type_).startswith("dictionary<")


def select_fields(schema, names):
    """Return the schema of some columns."""
    arrow = sys.modules["pyarrow"]
    fields = [schema.field(name) for name in dict.fromkeys(names)]
    return arrow.schema(fields, schema.metadata)


def make_empty(schema):
    """Return a table of no rows."""
    columns = [_make_empty_array(field.type) for field in schema]
    return sys.modules["pyarrow"].Table.from_arrays(columns, schema=schema)


def _make_empty_array(type_):
    """Return an array of no values; pyarrow makes none of tensors with permutations."""
    arrow = sys.modules["pyarrow"]
    if hasattr(type_, "storage_type"):
        storage = _make_empty_array(type_.storage_type)
        return arrow.ExtensionArray.from_storage(type_, storage)
    return arrow.schema([("", type_)]).empty_table().column(0).chunk(0)


def choose_fields(schema, names: list):
    """Return the schema of frames of some columns, without the index of pandas."""
    arrow = sys.modules["pyarrow"]
    fields = [arrow.field(n, _normalize(schema.field(n).type)) for n in names]
    metadata = {}
    if (known := schema.pandas_metadata) is not None:
        known = known | {"index_columns": [], "attributes": {}}
        metadata[b"pandas"] = json.dumps(known).encode()
    return arrow.schema(fields, metadata)


def _normalize(type_):
    """Return the type that a column has in all tables, whoever wrote them."""
    arrow = sys.modules["pyarrow"]
    if is_dictionary(type_):
        values = _normalize(type_.value_type)
        return arrow.dictionary("int32", values, type_.ordered)
    return arrow.large_string() if str(type_) == "string_view" else type_


def code_texts(schema):
    """Return the schema with dictionaries of texts in place of these."""
    arrow = sys.modules["pyarrow"]
    types = [
        arrow.dictionary("int32", field.type) if is_string(field.type) else field.type
        for field in schema
    ]
    return arrow.schema(list(zip(schema.names, types, strict=True)))


def fit_table(table, schema):
    """Return the columns of a table in the order, and of the types, of a schema."""
    columns = [_fit(table.column(field.name), field.type) for field in schema]
    return sys.modules["pyarrow"].Table.from_arrays(columns, schema=schema)


def concat_fitted(tables: list, schema):
    """Return tables of one schema as one, each column with one dictionary."""
    if len(tables) == 1 and all(c.num_chunks == 1 for c in tables[0].columns):
        return tables[0]
    joined = sys.modules["pyarrow"].concat_tables([make_empty(schema), *tables])
    return joined.unify_dictionaries()


def own_rows(table, *, is_mapped: bool):
    """Return a table that keeps no more in memory than its rows, and no file."""
    if not is_mapped and table.get_total_buffer_size() < _SLACK * table.nbytes:
        return table
    arrow = sys.modules["pyarrow"]
    columns = [
        arrow.chunked_array([arrow.concat_arrays(column.chunks)], column.type)
        for column in table.columns
    ]
    if is_mapped:
        columns = [_own_dictionary(column) for column in columns]
    return arrow.Table.from_arrays(columns, schema=table.schema)


def _own_dictionary(column):
    if not is_dictionary(column.type):
        return column
    arrow = sys.modules["pyarrow"]
    chunks = [
        arrow.DictionaryArray.from_arrays(
            chunk.indices,
            chunk.dictionary.take(np.arange(len(chunk.dictionary))),
            ordered=column.type.ordered,
        )
        for chunk in column.chunks
    ]
    return arrow.chunked_array(chunks, column.type)


def _fit(column, type_):
    arrow = sys.modules["pyarrow"]
    if is_dictionary(column.type):
        chunks = [_forget_null(chunk) for chunk in column.chunks]
        column = arrow.chunked_array(chunks, column.type)
    if column.type == type_:
        return column
    if str(column.type) == _NULL:
        return arrow.chunked_array([arrow.nulls(len(column), type_)])
    if is_dictionary(type_):
        if not is_dictionary(column.type):
            column = to_values(column).dictionary_encode()
        chunks = [_fit_dictionary(chunk, type_) for chunk in column.chunks]
        return arrow.chunked_array(chunks, type_)
    return to_values(column).cast(type_)


def _forget_null(array):
    """Return an array of codes without a null in its dictionary.

    Other libraries have no such categories. Lance writes them.
    """
    if not array.dictionary.null_count:
        return array
    is_valid = array.dictionary.is_valid().to_numpy(zero_copy_only=False)
    places, arrow = np.cumsum(is_valid) - 1, sys.modules["pyarrow"]
    codes = arrow.array(places, array.indices.type, mask=~is_valid)
    values = array.dictionary.drop_null()
    made, is_ordered = arrow.DictionaryArray, array.type.ordered
    return made.from_arrays(codes.take(array.indices), values, ordered=is_ordered)


def _fit_dictionary(array, type_):
    """Return codes and categories in other types: a cast would decode them."""
    codes = array.indices.cast(type_.index_type)
    values = array.dictionary.cast(type_.value_type)
    made = sys.modules["pyarrow"].DictionaryArray
    return made.from_arrays(codes, values, ordered=type_.ordered)
