"""Columns of Arrow as arrays, for Parquet and Arrow files and for pyarrow's tables."""

from skmmap.formats.arrow.arrow_files import (
    MAGIC,
    SUFFIXES,
    check_schemas,
    find_filled,
    import_arrow,
    open_arrow,
    read_schema,
)
from skmmap.formats.arrow.arrow_store import ArrowStore
from skmmap.formats.arrow.columns import (
    check_nulls,
    choose_columns,
    count_from,
    describe_columns,
    find_common,
    find_dtype,
    is_string,
    to_numpy,
)

__all__ = [
    "MAGIC",
    "SUFFIXES",
    "ArrowStore",
    "check_nulls",
    "check_schemas",
    "choose_columns",
    "count_from",
    "describe_columns",
    "find_common",
    "find_dtype",
    "find_filled",
    "import_arrow",
    "is_string",
    "open_arrow",
    "read_schema",
    "to_numpy",
]
