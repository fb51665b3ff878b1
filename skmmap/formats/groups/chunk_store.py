"""Rows stored in chunks of one size, each of which is decoded as a whole."""

from functools import partial

import numpy as np

from skmmap.formats.groups.ahead_store import AheadStore
from skmmap.formats.groups.conventions import find_fills, hide_fills
from skmmap.formats.groups.texts import find_text_type, is_text, to_text
from skmmap.formats.shared import cut_blocks, fill_missing, to_plain
from skmmap.order import make_units

_BLOCK_NBYTES = 2**22
# A block of whole chunks takes so many bytes at most; wider chunks are read in pieces.
_WIDEST_NBYTES = 2**26


class ChunkStore(AheadStore):
    """Rows in chunks of one size."""

    _row_axis = 0
    _find_kind = staticmethod(lambda array: find_kind(array))
    fills = ()  # values that stand for missing ones
    is_text = False  # strings of variable length, which are decoded one by one

    @property
    def block_rows(self) -> int:
        row_nbytes = max(1, self.row_nbytes)
        if self._chunk_rows * row_nbytes > _WIDEST_NBYTES:
            return max(1, _WIDEST_NBYTES // row_nbytes)
        chunks = _BLOCK_NBYTES // row_nbytes // self._chunk_rows
        return self._chunk_rows * max(1, chunks)

    def find_units(self, least_rows: int) -> np.ndarray:
        n_chunks = -(-least_rows // self._chunk_rows)
        return make_units(self.n_rows, n_chunks * self._chunk_rows)

    def _iter_blocks(self, rows: np.ndarray):
        if self._chunk_rows == 1:
            yield from super()._iter_blocks(rows)
            return
        # All rows of a chunk are decoded together, needed or not.
        blocks, chunks = rows // self.block_rows, rows // self._chunk_rows
        cuts = np.flatnonzero((np.diff(chunks) > 1) | (np.diff(blocks) != 0)) + 1
        yield from cut_blocks(rows, cuts)

    def _describe(self, array) -> None:
        """Set shape and type from ``array``, an HDF5 dataset or a zarr array."""
        if not array.shape:
            raise ValueError(f"{self.where!r} has no rows: its shape is {array.shape}.")
        self.is_text = is_text(array.dtype)
        if array.dtype.hasobject and not self.is_text:
            raise ValueError(_OBJECTS.format(where=self.where))
        if self.is_text:
            self.shape = tuple(array.shape)
            self.dtype = find_text_type(array, partial(self._decode, array))
        else:
            self.shape, self.dtype = self._find_kind(array)
        sizes = array.chunks or (1,)
        self._chunk_rows = max(1, sizes[self._row_axis])

    def _decode(self, array, start: int, stop: int):
        """Return rows of the dataset or array as the library has them."""
        raise NotImplementedError

    def _settle(self, rows, start: int, stop: int) -> np.ndarray:
        if self.is_text:
            rows = to_text(rows, self.dtype, self.where)
        if self.fills:
            hidden = hide_fills(rows, self.fills)
            rows = fill_missing(hidden, self.where, start, is_stored=True)
        return super()._settle(rows, start, stop)

    def set_fills(self, array) -> None:
        """Set the values that stand for missing ones, of a file given by its path."""
        if fills := find_fills(array, self.where):  # without any, pickles stay the same
            self.fills = fills

    def _check_same(self, array):
        is_same = is_text(array.dtype) and tuple(array.shape) == self.shape
        if (
            is_same
            if self.is_text
            else self._find_kind(array) == (self.shape, self.dtype)
        ):
            return array
        raise ValueError(
            f"{self.where!r} has changed: it was {self.shape} of {self.dtype}, and is "
            f"{tuple(array.shape)} of {array.dtype}. Open it again."
        )


_OBJECTS = (
    "{where!r} holds Python objects, such as arrays of variable length, which cannot "
    "be read as rows of one type. Save them once as numbers or strings."
)


def find_kind(array) -> tuple[tuple, np.dtype]:
    """Return the shape and type that slices of an HDF5 dataset or zarr array have.

    NumPy makes dimensions of HDF5's array types.
    """
    dtype = to_plain(array.dtype)
    inside = np.empty(0, dtype) if dtype.subdtype else None
    if inside is None:
        return tuple(array.shape), dtype
    return (*array.shape, *inside.shape[1:]), inside.dtype
