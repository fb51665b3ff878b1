"""Blocks of a remote file in a temporary file, so that they are fetched once."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from weakref import ref

from skmmap.disk import ScratchFile, is_in_memory

BLOCK_NBYTES = 2**20
_MOST_NBYTES = 2**33
_SHARE = 4  # a part of the disk that is free

_automatic: list = []  # references to caches whose limit nobody has set


def open_cache(nbytes: int, limit: int | None) -> "DiskCache":
    """Return a cache for a file of this size; without a limit, it finds one."""
    if limit is not None:
        return DiskCache(nbytes, limit)
    cache = DiskCache(nbytes, find_limit())
    _automatic.append(ref(cache))
    return cache


def find_limit() -> int:
    """Return how many bytes of a temporary file may be used if the user says nothing.

    All such files together have a quarter of what is free without them, each 8 GiB at
    most, and none where temporary files are in memory.
    """
    folder = Path(tempfile.gettempdir())
    if is_in_memory(folder):
        return 0
    _automatic[:] = [found for found in _automatic if found() is not None]
    others = [cache for found in list(_automatic) if (cache := found())]
    free = shutil.disk_usage(folder).free + sum(cache.kept for cache in others)
    left = free // _SHARE - sum(cache.end for cache in others)
    return max(0, min(_MOST_NBYTES, left))


class DiskCache:
    """The first blocks of a file, as many as the limit allows; each is kept for good.

    Rows are read in turn, epoch after epoch. Who throws out what was read longest ago
    then throws out what comes next, so nothing is thrown out.
    """

    def __init__(self, nbytes: int, limit: int):
        self.end = nbytes if nbytes <= limit else limit // BLOCK_NBYTES * BLOCK_NBYTES
        self._file, self._known = None, set()

    @property
    def kept(self) -> int:
        """The bytes that are on the disk."""
        return len(self._known) * BLOCK_NBYTES

    def list_missing(self, start: int, stop: int) -> list[int]:
        """Return the blocks of a range that are not there, but could be."""
        last = -(-min(stop, self.end) // BLOCK_NBYTES)
        blocks = range(start // BLOCK_NBYTES, last)
        return [block for block in blocks if block not in self._known]

    def find_place(self, block: int) -> tuple[int, int]:
        """Return where a block begins and ends in the file."""
        start = block * BLOCK_NBYTES
        return start, min(start + BLOCK_NBYTES, self.end)

    def write(self, start: int, data: bytes) -> None:
        """Keep whole blocks; on a full disk, no more of them than there are."""
        try:
            if self._file is None:
                self._file = ScratchFile()
            self._file.file.seek(start)
            self._file.file.write(data)
            self._file.file.flush()
        except OSError:
            self.end = 0
            self.close()
            return
        last = -(-(start + len(data)) // BLOCK_NBYTES)
        self._known.update(range(start // BLOCK_NBYTES, last))

    def read_into(self, start: int, out) -> None:
        """Read a range of blocks that are there."""
        self._file.file.seek(start)
        if self._file.file.readinto(out) != len(out):
            raise OSError("A temporary file of rows was truncated.")

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        self._file, self._known = None, set()
