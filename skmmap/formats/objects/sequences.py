"""Lists and tuples of rows; those of shards are known before."""

from skmmap.formats.shared import ArrayInfo, Format
from skmmap.rows import ListStore, Store

FORMAT = Format()


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is a list or a tuple."""
    return isinstance(source, list | tuple)


def list_arrays(source) -> list[ArrayInfo]:
    """Return the one array that it is."""
    return [ArrayInfo.of(open_store(source, "source"))]


def open_store(source, name: str) -> Store:
    """Return the store of a list that has rows."""
    if not len(source):
        raise ValueError(
            f"{name} is an empty {type(source).__name__}; it must hold rows, or the "
            "paths, maps or Rows of shards."
        )
    return ListStore(source)
