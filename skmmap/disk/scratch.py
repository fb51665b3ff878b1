"""Temporary files that others can open by a path, and that are gone whatever happens.

On Linux they have no name: whatever ends the process, the system frees them, and until
then `/proc` has a path of each open file.
"""

import mmap
import os
import tempfile
import weakref
from contextlib import suppress
from math import prod
from pathlib import Path

import numpy as np

_IN_MEMORY = "tmpfs", "ramfs"


class ScratchFile:
    """A new temporary file, open to write, that lives as long as this object.

    Other processes of this machine and user can open its ``path`` meanwhile.
    """

    def __init__(self):
        self.file = tempfile.TemporaryFile()  # noqa: SIM115
        self.path = _find_path(self.file.fileno())
        named = ""
        if not _is_at(self.path, self.file):  # as on macOS and Windows
            self.file.close()
            number, named = tempfile.mkstemp(prefix="skmmap_")
            self.file, self.path = os.fdopen(number, "w+b"), named
        self._end = weakref.finalize(self, _end, self.file, named, os.getpid())

    def close(self) -> None:
        self._end()


def _find_path(number: int) -> str:
    """Return the path of an open file: by the process, since `self` is another one."""
    return f"/proc/{os.getpid()}/fd/{number}"


def _is_at(path: str, file) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    return False


def _end(file, named: str, process: int) -> None:
    # Closing the buffered file would write its rest, and fail again on a full disk.
    file.raw.close()
    if named and os.getpid() == process:  # a forked child has its own open file alone
        with suppress(OSError):
            os.unlink(named)


def map_scratch(shape: tuple, dtype) -> np.ndarray | None:
    """Return an array of zeros in a temporary file, which is gone along with it.

    None if there is no disk for it, or no room there.
    """
    dtype = np.dtype(dtype)
    nbytes = prod(shape) * dtype.itemsize
    # Without the room, writing to the map would crash (SIGBUS) when the disk is full.
    can_map = nbytes and not dtype.hasobject and hasattr(os, "posix_fallocate")
    if not can_map or is_in_memory(Path(tempfile.gettempdir())) is not False:
        return None
    with suppress(OSError), tempfile.TemporaryFile() as file:
        os.posix_fallocate(file.fileno(), 0, nbytes)
        return np.ndarray(shape, dtype, mmap.mmap(file.fileno(), nbytes))
    return None


def has_unnamed_files() -> bool:
    """Whether open files have paths here."""
    return Path("/proc/self/fd").is_dir()


def is_in_memory(folder: Path) -> bool | None:
    """Whether a folder is part of a file system in memory; None if that is unknown."""
    try:
        text = Path("/proc/self/mounts").read_text(encoding="utf-8")
    except OSError:
        return None
    mounts = {
        Path(fields[1]): fields[2] for fields in map(str.split, text.splitlines())
    }
    folder = folder.resolve()
    found = [mounts[part] for part in (folder, *folder.parents) if part in mounts]
    return found[0] in _IN_MEMORY if found else None
