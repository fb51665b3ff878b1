"""Arrays of TileDB, dense and sparse (needs tiledb)."""

import os
from pathlib import Path

import numpy as np
from scipy import sparse

from skmmap.disk import Identity, is_path
from skmmap.formats.shared import (
    CSR_VALUES,
    ArrayInfo,
    ContainerStore,
    Format,
    find_key,
    import_library,
    is_instance,
)
from skmmap.order import make_units
from skmmap.rows import SparseStore, Store, check_read

FORMAT = Format(options=("key",))

_CLASSES = {("tiledb", "DenseArray"), ("tiledb", "SparseArray")}
_MOST_TILE_NBYTES = 2**26  # of the tiles that have a row
_BLOCK_NBYTES = 2**22
_SAMPLED = 1_000  # rows that tell how many values one has


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is a folder with a schema of TileDB's, or an array that is open."""
    if is_path(source):
        return os.path.isdir(os.path.join(source, "__schema"))
    return is_instance(source, _CLASSES)


def list_arrays(source) -> list[ArrayInfo]:
    """Return the attributes, each of which is an array."""
    array = _open_array(source)
    layout = "csr" if array.schema.sparse else None
    return [
        ArrayInfo(name, shape, array.schema.attr(name).dtype, layout)
        for name, shape in _list_shapes(array).items()
    ]


def open_store(source, name: str, *, key: str | None = None) -> Store:
    """Return the store of an attribute, as it is now or as the array is open."""
    array = _open_array(source)
    where = Path(array.uri).name
    key = find_key(_list_shapes(array), key, where, "attribute")
    attribute = array.schema.attr(key)
    if attribute.isvar or attribute.isnullable or attribute.dtype.kind not in "biufc":
        kind = "of variable length" if attribute.isvar else str(attribute.dtype)
        raise ValueError(
            f"{where}:{key!r} is {'nullable ' * attribute.isnullable}{kind}, which "
            "makes no rows of numbers. Write numbers of one type, NaN for missing ones."
        )
    return (SparseTiles if array.schema.sparse else DenseTiles)(array, key)


def _open_array(source, timestamp=None):
    if not is_path(source):
        return source
    tiledb = import_library("tiledb", "arrays of TileDB", "tiledb", source)
    return tiledb.open(os.path.abspath(source), timestamp=timestamp)


def _list_shapes(array) -> dict:
    """Return the shape of each attribute by its name."""
    names = [array.schema.attr(i).name for i in range(array.schema.nattr)]
    if array.nattr == 1:  # it was opened with one of them
        names = [array.attr(0).name]
    return dict.fromkeys(names, _find_shape(array))


def _find_shape(array) -> tuple:
    domain, where = array.schema.domain, Path(array.uri).name
    sizes = []
    for number in range(domain.ndim):
        dimension = domain.dim(number)
        if dimension.dtype.kind not in "iu":
            raise ValueError(
                f"{where!r} has the dimension {dimension.name!r} of {dimension.dtype}; "
                "rows and columns are counted by integers. Write it with such."
            )
        low, high = dimension.domain
        sizes.append(int(high) - int(low) + 1)
    return tuple(sizes)


class _Tiles(ContainerStore):
    """Rows of an attribute; row 0 is the first of the domain, wherever it begins.

    The array is read as it was at one time: what is written later is not seen.
    """

    is_decoded = True

    def __init__(self, array, key: str):
        self._array, self._key, self._uri = array, key, array.uri
        self._time = array.timestamp_range
        self.shape, self.dtype = _find_shape(array), array.schema.attr(key).dtype
        self.on_disk = os.path.isdir(self._uri)
        name = Path(self._uri).name
        self.where = f"{name}:{key}" if key else name
        self._first = int(array.schema.domain.dim(0).domain[0])
        self._opened = self._run = self._identify()

    def _identify(self) -> Identity:
        if not self.on_disk:
            return Identity(is_known=False)
        self._uri = os.path.abspath(self._uri)
        folder = Path(self._uri)
        schemas = [path for path in (folder / "__schema").iterdir() if path.is_file()]
        fragments = (folder / "__fragments").glob("*/__fragment_metadata.tdb")
        return Identity.read(sorted([*schemas, *fragments])).read_again()

    @property
    def can_reopen(self) -> bool:
        return self.on_disk

    @property
    def _tile_rows(self) -> int:
        return int(self._open().schema.domain.dim(0).tile or 1)

    def _open(self):
        if self._array is None:
            self._array = _open_array(self._uri, self._time)
        return self._array

    def _query(self, start: int, stop: int, **given) -> dict:
        query = self._open().query(attrs=[self._key], order="C", **given)
        first, end = self._first + start, self._first + stop
        # A slice counts what is below 0 from the end
        # (``findings/tiledb_counts_negative_coordinates_from_the_end.sh``).
        read = query.multi_index[first : end - 1] if first < 0 else query[first:end]
        return read if isinstance(read, dict) else {self._key: read}

    @property
    def block_rows(self) -> int:
        least = max(1, _BLOCK_NBYTES // max(1, self.row_nbytes))
        return -(-least // self._tile_rows) * self._tile_rows

    def find_units(self, least_rows: int) -> np.ndarray:
        tiles = -(-least_rows // self._tile_rows)
        return make_units(self.n_rows, tiles * self._tile_rows)

    def find_disk_nbytes(self) -> int | None:
        if not self.on_disk:
            return None
        files = Path(self._uri, "__fragments").rglob("*.tdb")
        return sum(file.stat().st_size for file in files)

    def close(self) -> None:
        super().close()
        self._array = None

    def __getstate__(self) -> dict:
        if not self.on_disk:
            raise TypeError(
                f"Rows of {self.where!r} cannot be pickled: the array is in no folder "
                "of this machine. Open it again there."
            )
        return vars(self) | {"_array": None}


class DenseTiles(_Tiles):
    """Rows of a dense array, read by whole tiles, the last of which are kept."""

    _kept = (0, None)  # the first row, and rows of one row of tiles

    def __init__(self, array, key: str):
        super().__init__(array, key)
        nbytes = min(self._tile_rows, max(1, self.n_rows)) * self.row_nbytes
        if nbytes > _MOST_TILE_NBYTES:
            raise ValueError(
                f"{self.where!r} has tiles of {self._tile_rows:,} rows, so one row "
                f"takes {self._tile_rows:,} x {self.row_nbytes:,} = {nbytes:,} bytes "
                f"to read, of at most {_MOST_TILE_NBYTES:,}. Write it with smaller "
                "tiles, for example tiledb.from_numpy(..., tile=...)."
            )
        if self.dtype.kind not in "fc":
            self._check_written(array)

    def _check_written(self, array) -> None:
        """Raise if values may never have been written: integers have no NaN for it."""
        reached = self._first
        for low, high in sorted(_list_whole(array)):
            if low > reached:
                break
            reached = max(reached, high + 1)
        row = reached - self._first
        if row < self.n_rows:
            raise ValueError(
                f"{self.where!r}: row {row:,} may never have been written in all "
                f"columns, and {self.dtype} has no NaN for that. Write all rows, or "
                "floats."
            )

    def _read(self, start: int, stop: int):
        tile = self._tile_rows
        # Tiles are counted from the beginning of the domain.
        low, high = start // tile * tile, min(-(-stop // tile) * tile, self.n_rows)
        first, kept = self._kept
        if kept is None or low != first:
            rows = self._query(low, high)[self._key]
        elif high > low + len(kept):
            more = self._query(low + len(kept), high)[self._key]
            rows = np.concatenate([kept, more])
        else:
            rows = kept
        last = (high - 1) // tile * tile
        self._kept = last, rows[last - low :].copy() if last > low else rows
        return rows[start - low : stop - low].copy()

    def close(self) -> None:
        super().close()
        self._kept = 0, None

    def __getstate__(self) -> dict:
        return super().__getstate__() | {"_kept": (0, None)}


def _list_whole(array):
    """Yield the rows of fragments that have all columns."""
    domain = array.schema.domain
    rest = [domain.dim(number).domain for number in range(1, domain.ndim)]
    tiledb = import_library("tiledb", "arrays of TileDB", "tiledb", array.uri)
    for fragment in tiledb.array_fragments(array.uri):
        (low, high), *others = fragment.nonempty_domain
        pairs = zip(others, rest, strict=True)
        if all(a <= c and b >= d for (a, b), (c, d) in pairs):
            yield int(low), int(high)


class SparseTiles(_Tiles, SparseStore):
    """Rows of a sparse array of two dimensions, as CSR."""

    has_fixed_size_rows = False
    _sample = (0, 1)  # values in so many rows

    def __init__(self, array, key: str):
        super().__init__(array, key)
        if len(self.shape) != 2 or self.dtype.char not in CSR_VALUES:
            raise ValueError(
                f"{self.where!r} is a sparse array of {len(self.shape)} dimensions and "
                f"{self.dtype}; CSR rows have two, and a type of SciPy's."
            )
        if array.schema.allows_duplicates:
            raise ValueError(
                f"{self.where!r} may have several values in one cell "
                "(allows_duplicates), and a matrix has one. Write it without."
            )
        self._column = int(array.schema.domain.dim(1).domain[0])
        n_rows = min(_SAMPLED, self.n_rows)
        if n_rows:
            self._sample = self._read(0, n_rows).nnz, n_rows

    @property
    def row_values(self) -> int:
        values, n_rows = self._sample
        return round(values / n_rows)

    @property
    def row_nbytes(self) -> int:
        return self.row_values * (self.dtype.itemsize + np.dtype("i4").itemsize)

    @property
    def nbytes(self) -> int:
        return self.n_rows * self.row_nbytes

    def _make_empty(self):
        return sparse.csr_array((0, self.shape[1]), dtype=self.dtype)

    def _read(self, start: int, stop: int):
        domain = self._open().schema.domain
        row, column = (domain.dim(number).name for number in (0, 1))
        read = self._query(start, stop, dims=[row, column])
        ends = np.arange(start, stop + 1) + self._first
        indptr = np.searchsorted(read[row], ends.astype(read[row].dtype))
        indices = (read[column] - self._column).astype(np.int32)
        parts = np.asarray(read[self._key], self.dtype), indices, indptr.astype("i4")
        return sparse.csr_array(parts, shape=(stop - start, self.shape[1]))

    def _settle(self, rows, start: int, stop: int):
        check_read(self, rows, start, stop)
        return rows
