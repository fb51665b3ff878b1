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
from skmmap.formats.files.maps import (
    CAN_LET_GO,
    NPZ,
    WINDOW_NBYTES,
    MapStore,
    check_dtype,
    check_offset,
    check_shape,
    open_npy,
    open_raw,
)

__all__ = [
    "CAN_LET_GO",
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
