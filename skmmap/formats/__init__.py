"""Where rows come from: the one place that knows which source is of which format."""

from skmmap.formats.lists import is_shards
from skmmap.formats.open import (
    find_files,
    list_arrays,
    open_rows,
    open_source,
    open_stream,
)

__all__ = [
    "find_files",
    "is_shards",
    "list_arrays",
    "open_rows",
    "open_source",
    "open_stream",
]
