"""Files that are read by our own code: .npy, raw, and CSR in three .npy files."""

from skmmap.formats.files.csr import (
    VALUES,
    CsrStore,
    is_csr_folder,
    open_csr,
)
from skmmap.formats.files.csv_sample import (
    are_numbers,
    find_delimiter,
    is_csv_name,
    say_csv,
)
from skmmap.formats.files.map_store import (
    WINDOW_NBYTES,
    MapStore,
)
from skmmap.formats.files.npy import (
    NPZ,
    open_npy,
)
from skmmap.formats.files.page_cache import (
    CAN_RELEASE_PAGES,
)
from skmmap.formats.files.raw import (
    check_dtype,
    check_offset,
    check_shape,
    open_raw,
)

__all__ = [
    "CAN_RELEASE_PAGES",
    "NPZ",
    "VALUES",
    "WINDOW_NBYTES",
    "CsrStore",
    "MapStore",
    "are_numbers",
    "check_dtype",
    "check_offset",
    "check_shape",
    "find_delimiter",
    "is_csr_folder",
    "is_csv_name",
    "open_csr",
    "open_npy",
    "open_raw",
    "say_csv",
]
