"""HDF5 files and zarr groups: arrays by name, links, filters and missing values."""

from skmmap.formats.groups import matlab
from skmmap.formats.groups.chunk_store import ChunkStore
from skmmap.formats.groups.contents import (
    describe_arrays,
    find_array,
    find_named,
    get_backing,
)
from skmmap.formats.groups.csr_group import open_node
from skmmap.formats.groups.filters import (
    check_codec,
    find_codecs,
    list_plugin_paths,
    read_dataset,
    register_codecs,
)
from skmmap.formats.groups.hdf_files import (
    Layout,
    Named,
    find_address,
    find_stored_nbytes,
    has_magic,
    is_at,
)
from skmmap.formats.groups.hdf_links import follow_links
from skmmap.formats.groups.zarr_files import (
    Metadata,
    check_chunks,
    check_metadata,
    find_folder_nbytes,
    find_root,
    is_fixed,
    is_zarr_folder,
    read_folder,
)

__all__ = [
    "ChunkStore",
    "Layout",
    "Metadata",
    "Named",
    "check_chunks",
    "check_codec",
    "check_metadata",
    "describe_arrays",
    "find_address",
    "find_array",
    "find_codecs",
    "find_folder_nbytes",
    "find_named",
    "find_root",
    "find_stored_nbytes",
    "follow_links",
    "get_backing",
    "has_magic",
    "is_at",
    "is_fixed",
    "is_zarr_folder",
    "list_plugin_paths",
    "matlab",
    "open_node",
    "read_dataset",
    "read_folder",
    "register_codecs",
]
