"""Columns of Arrow as arrays, for Parquet and Arrow files and for pyarrow's tables."""

from skmmap.formats.arrow.arrow_files import (
    MAGIC,
    SUFFIXES,
    import_arrow,
)
from skmmap.formats.arrow.arrow_store import ArrowStore
from skmmap.formats.arrow.columns import (
    check_nulls,
    choose_columns,
    count_from,
    describe_columns,
    find_common,
    find_dtype,
    has_nulls,
    is_string,
    to_numpy,
    to_value_type,
)
from skmmap.formats.arrow.filters import Filters
from skmmap.formats.arrow.frame_store import (
    FramesOfArrow,
    choose_again,
    choose_library,
)
from skmmap.formats.arrow.group_stream import (
    WHOLE_NBYTES,
    GroupStream,
    estimate_nbytes,
)
from skmmap.formats.arrow.once import KNOWN
from skmmap.formats.arrow.partitions import Partitions, iter_inside
from skmmap.formats.arrow.schemas import (
    check_schemas,
    find_filled,
    fit_table,
    read_schema,
)
from skmmap.formats.arrow.spool import Spool, SpoolWriting, write_spool
from skmmap.formats.arrow.stored_keys import drop_stored

__all__ = [
    "KNOWN",
    "MAGIC",
    "SUFFIXES",
    "WHOLE_NBYTES",
    "ArrowStore",
    "Filters",
    "FramesOfArrow",
    "GroupStream",
    "Partitions",
    "Spool",
    "SpoolWriting",
    "check_nulls",
    "check_schemas",
    "choose_again",
    "choose_columns",
    "choose_library",
    "count_from",
    "describe_columns",
    "drop_stored",
    "estimate_nbytes",
    "find_common",
    "find_dtype",
    "find_filled",
    "fit_table",
    "has_nulls",
    "import_arrow",
    "is_string",
    "iter_inside",
    "read_schema",
    "to_numpy",
    "to_value_type",
    "write_spool",
]
