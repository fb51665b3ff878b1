"""What formats share: how sources are recognised, maps of files, and checked slices."""

from skmmap.formats.shared.array_options import (
    check_axis,
    check_dtype,
    check_offset,
    check_shape,
)
from skmmap.formats.shared.closable import ClosableStore
from skmmap.formats.shared.container_store import (
    ContainerStore,
    cut_blocks,
    import_library,
    to_plain,
)
from skmmap.formats.shared.contract import (
    ArrayInfo,
    Format,
    is_instance,
    refuse_option,
)
from skmmap.formats.shared.converted_store import ConvertedStore
from skmmap.formats.shared.csr_store import CSR_VALUES, CsrStore
from skmmap.formats.shared.csv_sample import (
    are_numbers,
    find_csv_suffix,
    find_delimiter,
    is_csv_name,
    say_csv,
)
from skmmap.formats.shared.joined_store import JoinedStore
from skmmap.formats.shared.keys import find_key
from skmmap.formats.shared.map_store import WINDOW_NBYTES, MapStore
from skmmap.formats.shared.options import UNSET, check_options
from skmmap.formats.shared.page_cache import CAN_RELEASE_PAGES
from skmmap.formats.shared.slices import (
    check_type,
    choose_type,
    fill_missing,
    is_masked,
    is_sparse,
    to_rows,
)
from skmmap.formats.shared.unknown_files import (
    NPZ,
    SAMPLE_NBYTES,
    may_be_parsed,
    read_first,
    refuse_unknown,
)

__all__ = [
    "CAN_RELEASE_PAGES",
    "CSR_VALUES",
    "NPZ",
    "SAMPLE_NBYTES",
    "UNSET",
    "WINDOW_NBYTES",
    "ArrayInfo",
    "ClosableStore",
    "ContainerStore",
    "ConvertedStore",
    "CsrStore",
    "Format",
    "JoinedStore",
    "MapStore",
    "are_numbers",
    "check_axis",
    "check_dtype",
    "check_offset",
    "check_options",
    "check_shape",
    "check_type",
    "choose_type",
    "cut_blocks",
    "fill_missing",
    "find_csv_suffix",
    "find_delimiter",
    "find_key",
    "import_library",
    "is_csv_name",
    "is_instance",
    "is_masked",
    "is_sparse",
    "may_be_parsed",
    "read_first",
    "refuse_option",
    "refuse_unknown",
    "say_csv",
    "to_plain",
    "to_rows",
]
