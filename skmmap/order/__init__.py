"""Which rows when: integers in, integers out, as a pure function of a seed."""

from skmmap.order.atoms import Atom, find_atoms
from skmmap.order.chunk_size import (
    Cost,
    can_keep,
    find_buffer_rows,
    find_chunk_rows,
    find_room,
    parse_size,
)
from skmmap.order.chunk_table import COSTS
from skmmap.order.class_order import ClassOrder
from skmmap.order.file_order import find_order
from skmmap.order.given_order import GivenOrder, Order, OrderRows, PickedBuffer
from skmmap.order.holdout import split_rows
from skmmap.order.indexing import resolve_key
from skmmap.order.memory import (
    AUTO_SHARE,
    BUFFER_SHARE,
    CHUNKS_HELD,
    COPY_SHARE,
    HELD_OUT_SHARE,
    ORDER_NBYTES,
    PIECE_SHARE,
    RESULTS_SHARE,
    SAMPLE_SHARE,
    ChunkNeed,
    find_held,
    find_wave,
    fit_jobs,
)
from skmmap.order.positions import Positions
from skmmap.order.schedule import (
    BlockOrder,
    Buffer,
    ChunkOrder,
    FileOrder,
    find_block_rows,
    find_slices,
    skip_chunks,
)
from skmmap.order.selection import (
    Runs,
    compact,
    count_before,
    find_key,
    from_bytes,
    rows_at,
    select,
    to_bytes,
)
from skmmap.order.shared_order import SharedOrder
from skmmap.order.units import choose_units, join_units, make_units, select_units

__all__ = [
    "AUTO_SHARE",
    "BUFFER_SHARE",
    "CHUNKS_HELD",
    "COPY_SHARE",
    "COSTS",
    "HELD_OUT_SHARE",
    "ORDER_NBYTES",
    "PIECE_SHARE",
    "RESULTS_SHARE",
    "SAMPLE_SHARE",
    "Atom",
    "BlockOrder",
    "Buffer",
    "ChunkNeed",
    "ChunkOrder",
    "ClassOrder",
    "Cost",
    "FileOrder",
    "GivenOrder",
    "Order",
    "OrderRows",
    "PickedBuffer",
    "Positions",
    "Runs",
    "SharedOrder",
    "can_keep",
    "choose_units",
    "compact",
    "count_before",
    "find_atoms",
    "find_block_rows",
    "find_buffer_rows",
    "find_chunk_rows",
    "find_held",
    "find_key",
    "find_order",
    "find_room",
    "find_slices",
    "find_wave",
    "fit_jobs",
    "from_bytes",
    "join_units",
    "make_units",
    "parse_size",
    "resolve_key",
    "rows_at",
    "select",
    "select_units",
    "skip_chunks",
    "split_rows",
    "to_bytes",
]
