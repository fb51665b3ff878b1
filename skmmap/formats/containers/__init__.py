"""Files and objects of other libraries, one module a format, all of one shape."""

from skmmap.formats.containers.arrow_columns import (
    check_nulls,
    choose_columns,
    count_from,
    find_common,
    find_dtype,
    is_string,
    to_numpy,
    to_value_type,
)
from skmmap.formats.containers.external import (
    ContainerStore,
    import_library,
)
from skmmap.formats.containers.find_store import (
    are_tables,
    is_container,
    list_columns,
    open_container,
    open_tables,
)
from skmmap.formats.containers.groups import (
    Linked,
    find_layout,
    is_sparse_group,
    list_arrays,
)
from skmmap.formats.containers.lazy import (
    check_loaded,
    is_masked,
    open_lazy,
)

__all__ = [
    "ContainerStore",
    "Linked",
    "are_tables",
    "check_loaded",
    "check_nulls",
    "choose_columns",
    "count_from",
    "find_common",
    "find_dtype",
    "find_layout",
    "import_library",
    "is_container",
    "is_masked",
    "is_sparse_group",
    "is_string",
    "list_arrays",
    "list_columns",
    "open_container",
    "open_lazy",
    "open_tables",
    "to_numpy",
    "to_value_type",
]
