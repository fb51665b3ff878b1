"""Which rows when: integers in, integers out, as a pure function of a seed."""

from skmmap.order.chunk_size import (
    Cost,
    find_buffer_rows,
    find_chunk_rows,
    parse_size,
)
from skmmap.order.chunk_table import (
    COSTS,
)
from skmmap.order.holdout import (
    split_rows,
)
from skmmap.order.schedule import (
    BlockOrder,
    Buffer,
    ChunkOrder,
    FileOrder,
    find_slices,
)
from skmmap.order.selection import (
    Runs,
    at,
    find_order,
    pack,
    pick,
    resolve,
    unpack,
)

__all__ = [
    "COSTS",
    "BlockOrder",
    "Buffer",
    "ChunkOrder",
    "Cost",
    "FileOrder",
    "Runs",
    "at",
    "find_buffer_rows",
    "find_chunk_rows",
    "find_order",
    "find_slices",
    "pack",
    "parse_size",
    "pick",
    "resolve",
    "split_rows",
    "unpack",
]
