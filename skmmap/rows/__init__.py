"""What rows are: selections of sources that stay where they are."""

from skmmap.rows.csr_check import (
    check_ends,
    check_indices,
    check_slice,
    to_csr,
)
from skmmap.rows.rows import (
    Rows,
    find_source,
    show_rows,
)
from skmmap.rows.sizes import (
    find_read_nbytes,
)
from skmmap.rows.source import (
    SelectedStore,
    Source,
    to_native,
)
from skmmap.rows.stores import (
    MISSING,
    ArrayStore,
    DenseStore,
    FrameStore,
    ListStore,
    ShardStore,
    SparseStore,
    Store,
    check_read,
    concat_frames,
    is_frame,
    is_mapped,
    is_series,
    share,
)

__all__ = [
    "MISSING",
    "ArrayStore",
    "DenseStore",
    "FrameStore",
    "ListStore",
    "Rows",
    "SelectedStore",
    "ShardStore",
    "Source",
    "SparseStore",
    "Store",
    "check_ends",
    "check_indices",
    "check_read",
    "check_slice",
    "concat_frames",
    "find_read_nbytes",
    "find_source",
    "is_frame",
    "is_mapped",
    "is_series",
    "share",
    "show_rows",
    "to_csr",
    "to_native",
]
