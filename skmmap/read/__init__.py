"""Carries out an order over rows: read-ahead, buffers, casts, and the scan of y."""

from skmmap.read.chunk import Chunk
from skmmap.read.class_weight import ClassWeight
from skmmap.read.finite import assuming_finite, look_once
from skmmap.read.free_memory import find_free_for
from skmmap.read.labels import (
    Labels,
    balance,
    check_labels,
    scan_labels,
    warn_of_empty,
)
from skmmap.read.memory_check import choose_way, fit_memory, say_parts
from skmmap.read.opening import open_given, open_table
from skmmap.read.read_path import READS, Reading
from skmmap.read.row_cache import (
    NO_CACHE,
    PickedCache,
    RowCache,
    find_cache,
    find_picked_cache,
)
from skmmap.read.table import Table, slice_rows
from skmmap.read.targets import is_tabular, open_target, open_target_as_it_is
from skmmap.read.values import check_finite, iter_values
from skmmap.read.windows import WindowChunks, can_join, find_common, iter_chunks

__all__ = [
    "NO_CACHE",
    "READS",
    "Chunk",
    "ClassWeight",
    "Labels",
    "PickedCache",
    "Reading",
    "RowCache",
    "Table",
    "WindowChunks",
    "assuming_finite",
    "balance",
    "can_join",
    "check_finite",
    "check_labels",
    "choose_way",
    "find_cache",
    "find_common",
    "find_free_for",
    "find_picked_cache",
    "fit_memory",
    "is_tabular",
    "iter_chunks",
    "iter_values",
    "look_once",
    "open_given",
    "open_table",
    "open_target",
    "open_target_as_it_is",
    "say_parts",
    "scan_labels",
    "slice_rows",
    "warn_of_empty",
]
