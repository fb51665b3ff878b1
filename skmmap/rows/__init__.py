"""What rows are: selections of sources that stay where they are."""

from skmmap.rows.array_stores import ArrayStore, ListStore, SparseStore, is_mapped
from skmmap.rows.coded_frames import CodedFrame, Codes, join_coded
from skmmap.rows.csr_check import check_ends, check_indices, check_slice, to_csr
from skmmap.rows.frames import (
    FrameStore,
    concat_frames,
    holds_frames,
    is_frame,
    is_series,
)
from skmmap.rows.keys import find_value_key
from skmmap.rows.loaded import LoadedStore, StandIn
from skmmap.rows.mapped import MappedStore, share_out
from skmmap.rows.part_stores import DenseStore, PartStore
from skmmap.rows.partly_loaded import KeptRowsStore, PartlyLoadedStore
from skmmap.rows.rows import Rows, find_source, show_rows
from skmmap.rows.shards import join_shards
from skmmap.rows.sizes import find_read_nbytes
from skmmap.rows.source import Source, to_native
from skmmap.rows.store import MISSING, Store, check_read, share_memory

__all__ = [
    "MISSING",
    "ArrayStore",
    "CodedFrame",
    "Codes",
    "DenseStore",
    "FrameStore",
    "KeptRowsStore",
    "ListStore",
    "LoadedStore",
    "MappedStore",
    "PartStore",
    "PartlyLoadedStore",
    "Rows",
    "Source",
    "SparseStore",
    "StandIn",
    "Store",
    "check_ends",
    "check_indices",
    "check_read",
    "check_slice",
    "concat_frames",
    "find_read_nbytes",
    "find_source",
    "find_value_key",
    "holds_frames",
    "is_frame",
    "is_mapped",
    "is_series",
    "join_coded",
    "join_shards",
    "share_memory",
    "share_out",
    "show_rows",
    "to_csr",
    "to_native",
]
