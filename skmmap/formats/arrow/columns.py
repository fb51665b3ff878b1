"""Columns of Arrow as NumPy arrays: which of them, their types, and nulls.

Strings become ``U`` as long as the longest one, since scikit-learn 1.9 does not take
NumPy's ``StringDType``. A missing string becomes an empty one, as in NumPy's own
readers; a scan of y looks for them, or they would be a label.
"""

import sys
from importlib import import_module

import numpy as np

from skmmap.formats.shared import ArrayInfo

_LISTED = 10
_PLAIN = "bool", "int", "uint", "float", "double", "halffloat"


def choose_columns(schema, columns, where: str) -> list[str]:
    """Return the names of the columns to read."""
    if columns is None:
        index = (schema.pandas_metadata or {}).get("index_columns", [])
        names = [name for name in schema.names if name not in index]
    else:
        names = [columns] if isinstance(columns, str) else columns
    if not isinstance(names, list | tuple) or not all(
        isinstance(n, str) for n in names
    ):
        raise TypeError(f"columns must be a name or a list of names; got {columns!r}.")
    if not names:
        raise ValueError(f"{where!r} has no columns to read; got columns={columns!r}.")
    for name in names:
        if (count := schema.names.count(name)) != 1:
            found = "no column" if not count else f"{count} columns named"
            raise ValueError(
                f"{where!r} has {found} {name!r}; it has {say_names(schema.names)}."
            )
    return list(names)


def describe_columns(schema, n_rows: int) -> list[ArrayInfo]:
    """Return what is known of the columns of a table, as far as its schema says."""
    names = choose_columns(schema, None, "The table")
    types = [to_value_type(schema.field(name).type) for name in names]
    return [
        ArrayInfo(name, (n_rows,), _say_type(type_))
        for name, type_ in zip(names, types, strict=True)
    ]


def _say_type(type_) -> str:
    """Say the type of a column as NumPy does, or Arrow if that has none."""
    if "list" in str(type_).partition("<")[0]:
        return f"lists of {_say_type(to_value_type(type_.value_type))}"
    return "text" if is_string(type_) else str(find_dtype(type_, False) or type_)


def say_names(names) -> str:
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(map(repr, names[:_LISTED])) + more


def to_value_type(type_):
    """Return the type of the values behind a dictionary or an extension."""
    if hasattr(type_, "storage_type"):
        return to_value_type(type_.storage_type)
    is_dictionary = str(type_).startswith("dictionary<")
    return type_.value_type if is_dictionary else type_


def is_string(type_) -> bool:
    return str(type_) in ("string", "large_string", "string_view")


def has_nulls(column) -> bool:
    """Whether values are missing, some of them as a value of a dictionary.

    Lance writes a null into the dictionary, which is not counted as one.
    """
    if str(column.type).startswith("dictionary<"):
        chunks = getattr(column, "chunks", [column])
        if any(chunk.dictionary.null_count for chunk in chunks):
            column = to_values(column)
    return column.null_count > 0


def find_dtype(type_, has_nulls: bool) -> np.dtype | None:
    """Return the NumPy type of the values of an Arrow type, None if there is none."""
    text = str(type_)
    unit = text.partition("[")[2].rstrip("]").partition(",")[0]
    if text.startswith(("timestamp", "duration", "date")):
        unit = "D" if unit == "day" else unit
        return np.dtype(f"{'m8' if text.startswith('duration') else 'M8'}[{unit}]")
    if text == "null" or text.startswith("decimal"):
        return np.dtype(np.float64)
    if text.rstrip("0123456789") not in _PLAIN:
        return None
    dtype = np.dtype(type_.to_pandas_dtype())
    return np.dtype(np.float64) if has_nulls and dtype.kind in "biu" else dtype


def find_common(types: dict, nulls: set, where: str) -> np.dtype:
    """Return the NumPy type of an array of several columns."""
    dtypes = {name: find_dtype(type_, name in nulls) for name, type_ in types.items()}
    good = [name for name, dtype in dtypes.items() if dtype is not None]
    if len(good) < len(dtypes):
        bad = [f"{name!r} ({types[name]})" for name in types if name not in good]
        more = f" and {len(bad) - _LISTED:,} more" if len(bad) > _LISTED else ""
        of_text = [name for name, type_ in types.items() if is_string(type_)]
        one = f"one of them: columns={(of_text or list(types))[0]!r}"
        choice = f"columns=[{say_names(good)}]" if good else one
        raise TypeError(
            f"{where!r} has columns that are not numbers: {', '.join(bad[:_LISTED])}"
            f"{more}. Choose {choice}."
        )
    kinds = {dtype.kind if dtype.kind in "mM" else "f" for dtype in dtypes.values()}
    if len(kinds) > 1:
        of_time = [name for name, dtype in dtypes.items() if dtype.kind in "mM"]
        others = [name for name in dtypes if name not in of_time] or of_time[:1]
        raise TypeError(
            f"{where!r} has columns that have no common type: times or durations are "
            f"in {say_names(of_time)}. Choose columns=[{say_names(others)}]."
        )
    return np.result_type(*dtypes.values())


def to_values(column):
    """Return a column, or an array, without dictionary, extension and views.

    polars writes strings as views, for which Arrow has almost no functions.
    """
    type_ = column.type
    if hasattr(type_, "storage_type"):
        return to_values(column.cast(type_.storage_type))
    if str(type_) == "string_view":
        return column.cast("large_string")
    if not str(type_).startswith("dictionary<"):
        return column
    if str(type_.value_type) == "string_view":
        return _decode_views(column)
    return column.cast(type_.value_type)


def _decode_views(column):
    """Return the strings that a dictionary of views stands for."""
    if not hasattr(column, "chunks"):
        return column.dictionary.cast("large_string").take(column.indices)
    decoded = [_decode_views(chunk) for chunk in column.chunks]
    return sys.modules["pyarrow"].chunked_array(decoded, "large_string")


def find_width(values) -> int:
    """Return the length of the longest of some strings."""
    compute = import_module("pyarrow.compute")
    return compute.max(compute.utf8_length(values)).as_py() or 0


def to_numpy(column, name: str, dtype: np.dtype, find_rows, missing: str = ""):
    """Return the values of a column; ``find_rows`` tells where they are.

    ``missing`` stands for a string that is missing.
    """
    column = to_values(column)
    check_nulls(column, name, dtype, find_rows)
    if str(column.type).startswith("decimal"):
        column = column.cast("float64")  # NumPy has no type for it
    if column.null_count and dtype.kind == "f":
        # Integers above 2**53 are rounded, as in every array that can hold NaN.
        column = column.cast("float64", safe=False)
    if dtype.kind != "U":
        return np.asarray(column.to_numpy())
    values = np.asarray(column.fill_null("").to_numpy(), dtype)
    if missing and column.null_count:
        values[column.is_null().to_numpy()] = missing
    return values


def count_from(before: int):
    """Return what finds the rows of values, of which the first is ``before``."""
    return lambda places: before + places


def check_nulls(column, name: str, dtype, find_rows) -> None:
    """Raise for a null where the array cannot say that a value is missing."""
    if not column.null_count or dtype.kind in "fmMU":
        return
    rows = find_rows(np.flatnonzero(column.is_null().to_numpy()))
    listed = ", ".join(f"{row:,}" for row in rows[:_LISTED])
    more = f" and {len(rows) - _LISTED:,} more" if len(rows) > _LISTED else ""
    raise ValueError(
        f"Column {name!r} has no value in row{'s' * (len(rows) > 1)} {listed}{more}, "
        f"and {dtype} has no NaN. Fill these values, or write the column as float64."
    )


def find_missing(dtype: np.dtype):
    """Return what stands for a value that is missing."""
    return np.nan if dtype.kind == "f" else np.zeros((), dtype)


def to_chunked(values):
    """Return an array of Arrow as a column of one chunk."""
    return sys.modules["pyarrow"].chunked_array([values])
