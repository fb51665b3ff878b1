"""Files on disk: which may be read, what lies where, and how one appears whole."""

from skmmap.disk.allocation import (
    BUFFER,
    LOADED,
    MAP_ADVICE,
    RESULT,
    allocate,
    counting_files,
    explaining,
)
from skmmap.disk.generations import (
    Generations,
    Version,
    find_previous,
    is_checkpoint,
    read_version,
)
from skmmap.disk.hidden import find_new_mode, make_hidden_folder, open_hidden
from skmmap.disk.identity import (
    FileState,
    Identity,
    await_tick,
    find_memmap,
    read_open_state,
    read_state,
)
from skmmap.disk.mapped_file import is_mapped_from
from skmmap.disk.npy_header import MAGIC, make_header, read_header
from skmmap.disk.paths import (
    NPY,
    by_numbers,
    find_paths,
    find_suffix,
    is_path,
    is_pattern,
    looks_like_url,
    to_path,
)
from skmmap.disk.referents import find_referents, is_named
from skmmap.disk.regular import check_inside, check_regular, open_regular
from skmmap.disk.scratch import (
    ScratchFile,
    has_unnamed_files,
    is_in_memory,
    map_scratch,
)
from skmmap.disk.unfinished import (
    Unfinished,
    all_or_none,
    check_path,
    check_place,
    create,
)

__all__ = [
    "BUFFER",
    "LOADED",
    "MAGIC",
    "MAP_ADVICE",
    "NPY",
    "RESULT",
    "FileState",
    "Generations",
    "Identity",
    "ScratchFile",
    "Unfinished",
    "Version",
    "all_or_none",
    "allocate",
    "await_tick",
    "by_numbers",
    "check_inside",
    "check_path",
    "check_place",
    "check_regular",
    "counting_files",
    "create",
    "explaining",
    "find_memmap",
    "find_new_mode",
    "find_paths",
    "find_previous",
    "find_referents",
    "find_suffix",
    "has_unnamed_files",
    "is_checkpoint",
    "is_in_memory",
    "is_mapped_from",
    "is_named",
    "is_path",
    "is_pattern",
    "looks_like_url",
    "make_header",
    "make_hidden_folder",
    "map_scratch",
    "open_hidden",
    "open_regular",
    "read_header",
    "read_open_state",
    "read_state",
    "read_version",
    "to_path",
]
