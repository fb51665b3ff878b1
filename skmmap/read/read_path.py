"""Whether the rows of files are memory-mapped or read into buffers."""

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skmmap.formats.shared import CAN_RELEASE_PAGES, WINDOW_NBYTES
from skmmap.order import PIECE_SHARE
from skmmap.read.free_memory import find_free_memory

READS = "auto", "map", "buffer", "uncached"

# Files that take a larger share of free memory push each other out of the page cache.
# Readahead does not help there: pages that are brought early are reclaimed first.
_SHARE = 0.8
# Bytes of one read: large enough for any disk, and short when reading has to stop.
_PIECE_NBYTES = 2**22
# Types of file systems on which a lost connection means a page that cannot be brought,
# which crashes the process (SIGBUS).
_NETWORK = (
    "9p|afs|beegfs|ceph|cephfs|cifs|coda|davfs|drvfs|fuse|gfs|glusterfs|gpfs|lustre|"
    "ncpfs|nfs|orangefs|panfs|prl_fs|pvfs|smb|smbfs|virtiofs"
)


class Reading(NamedTuple):
    """How rows are read: what the user asked for, and how the rows are used."""

    read: str = "map"
    dtype: np.dtype | None = None
    memory_limit: int = 2**29
    is_mixed: bool = False
    # Threads: disks reach full speed with a few requests at a time. Results do not
    # depend on their number.
    n_readers: int = 4
    # The next buffer is read while the estimator works on this one, if there is memory.
    reads_ahead: bool = True

    @property
    def piece_nbytes(self) -> int:
        """Bytes of one read; all threads together use a small part of the limit."""
        return min(_PIECE_NBYTES, max(1, self.memory_limit // PIECE_SHARE))

    def cast(self, X):
        """Return X, cast to ``dtype`` as it is read."""
        if self.dtype is None:
            return X
        if not (X.store.is_array or X.store.is_sparse) or X.dtype.kind not in "biuf":
            raise ValueError(
                f"dtype={str(self.dtype)!r} needs X in one array or CSR matrix of "
                f"numbers; got a {X.store.kind} of {X.dtype}. Leave dtype=None."
            )
        if not np.can_cast(X.dtype, self.dtype, "same_kind"):
            raise ValueError(
                f"dtype={str(self.dtype)!r} cannot keep what X of {X.dtype} has. Use a "
                "type of the same kind, or leave dtype=None."
            )
        return X.to_dtype(self.dtype)

    def bring(self, sources: list) -> list:
        """Return the sources with their files mapped or read; None stays None."""
        files = {}
        for source in sources:
            files |= {} if source is None else source.store.files
        how, _ = self.choose(files)
        return [source and source.for_run(how) for source in sources]

    def choose(self, files: dict) -> tuple[str, str]:
        """Return how ``files``, a dict of paths and bytes, are read, and why."""
        if not files:
            return "map", "X is in memory"
        if self.read != "auto":
            return self.read, f"read={self.read!r}"
        if not CAN_RELEASE_PAGES:
            return "buffer", "this system cannot release the pages of a map"
        if self.is_mixed:
            return "buffer", "blocks are shuffled in memory"
        if self.memory_limit < 2 * len(files) * WINDOW_NBYTES:
            return "buffer", "memory_limit is small"
        for path in files:
            if kind := find_network(path):
                return (
                    "buffer",
                    f"{Path(path).name} is on a network file system, {kind}",
                )
        nbytes = sum(files.values())
        if nbytes > _PIECE_NBYTES and not _fits(nbytes):  # or it fits anywhere
            return "buffer", "the files may not fit in free memory"
        return "map", "the files fit in free memory"

    def is_read_from_disk(self, nbytes: int) -> bool:
        """Whether files of so many bytes are read from the disk in each epoch."""
        return self.read == "uncached" or (nbytes > _PIECE_NBYTES and not _fits(nbytes))


def _fits(nbytes: int) -> bool:
    free = find_free_memory()
    return free is not None and nbytes <= _SHARE * free


def _unescape(match: re.Match) -> bytes:
    return bytes([int(match[1], 8)])


def find_network(path, mounts="/proc/self/mounts") -> str:
    """Return the type of the network file system that holds a file, "" if none does."""
    try:
        text = Path(mounts).read_bytes()
    except OSError:
        return ""
    real = os.path.realpath(path) + "/"  # a file can be a mount point itself
    kind = next((kind for at, kind in _list_mounts(text) if real.startswith(at)), "")
    family = kind.partition(".")[0].rstrip("0123456789")  # of nfs4, fuse.sshfs
    return kind if re.fullmatch(_NETWORK, family) else ""


@lru_cache(maxsize=1)
def _list_mounts(text: bytes) -> list[tuple[str, str]]:
    """Return mount points that end in "/", the longest first, and their types."""
    kinds = {}  # by mount point: the last mount hides earlier ones
    for line in text.splitlines():
        _, place, kind, *_ = line.split(b" ")
        place = os.fsdecode(re.sub(rb"\\([0-7]{3})", _unescape, place))
        kinds[place.rstrip("/") + "/"] = kind.decode()
    return sorted(kinds.items(), key=lambda item: -len(item[0]))
