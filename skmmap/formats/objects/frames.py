"""pandas and polars data frames, neither of which is imported; chunks stay frames."""

from skmmap.formats.objects.array_likes import check_loaded, make_array
from skmmap.formats.shared import ArrayInfo, Format
from skmmap.rows import FrameStore, Store, is_frame, is_series

FORMAT = Format()


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is of pandas or polars."""
    return is_series(source)


def list_arrays(source) -> list[ArrayInfo]:
    """Return the one table that it is."""
    return [ArrayInfo.of(open_store(source, "source"))]


def open_store(source, name: str) -> Store:
    """Return the store of a frame, or of a series, which is an array unless it is X.

    A column of texts as X stays one: skrub's GapEncoder takes nothing else.
    """
    if not hasattr(source, "shape"):  # a LazyFrame of polars
        check_loaded(source, name)
    if is_frame(source) or name == "X":
        return FrameStore(source)
    return make_array(source, name)
