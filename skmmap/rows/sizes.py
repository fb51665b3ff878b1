"""Sizes of rows: on disk, read in an epoch, and in memory."""

from typing import NamedTuple

from skmmap._messages import say_size
from skmmap.rows.source import Source


class DiskSize(NamedTuple):
    """Bytes of rows in files: None if that is not known, 0 if they are in memory.

    ``is_share`` says that ``nbytes`` are those of all rows of the store, of which
    these take a part, since rows take different numbers of bytes.
    """

    nbytes: int | None
    is_share: bool = False


def find_disk_size(source: Source) -> DiskSize:
    """Return the bytes of rows on disk, from file sizes and metadata."""
    store = source.store
    nbytes = store.find_disk_nbytes()
    if nbytes is None or source.n_rows == store.n_rows:
        return DiskSize(nbytes)
    if store.has_fixed_size_rows and nbytes == store.nbytes:
        return DiskSize(source.n_rows * store.row_nbytes)
    return DiskSize(nbytes, is_share=nbytes > 0)


def say_disk_size(source: Source) -> str:
    """Say the size on disk; if it is not known, the size of what is read."""
    size = find_disk_size(source)
    if size.nbytes is None:
        return f"{say_size(source.nbytes)} when read"
    return f"{'part of ' * size.is_share}{say_size(size.nbytes)} on disk"


def find_memory_nbytes(source: Source) -> int:
    """Return the bytes of rows in memory, row numbers of the selection included."""
    kept = getattr(source.selection, "nbytes", 0)
    share = source.n_rows / max(1, source.store.n_rows)
    return kept + round(share * source.store.memory_nbytes)


def find_read_nbytes(sources: list[Source]) -> tuple[int, bool]:
    """Return the bytes that one pass over rows reads, and whether that is exact."""
    nbytes, is_exact = 0, True
    for source in sources:
        size = find_disk_size(source)
        # Rows in memory, and computed ones, have the size of what is read.
        read = size.nbytes or source.nbytes
        if size.is_share:
            read = round(read * source.n_rows / max(1, source.store.n_rows))
        nbytes += read
        is_exact &= read == source.nbytes
    return nbytes, is_exact
