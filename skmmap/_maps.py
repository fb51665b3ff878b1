"""Files of rows by their address: ``.npy``, raw binary, CSR in three files."""

import os
import weakref
from math import prod
from pathlib import Path

import numpy as np
from scipy import sparse

from skmmap._stores import SparseStore, Store

_NPY_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 2**20  # of a type with many fields; NumPy reads 10,000 bytes unasked
_INDICES_NBYTES = 2**23  # of the indices of a CSR matrix, to look for the largest


class MapStore(Store):
    """Rows of a file, which is mapped only while somebody holds a view of it.

    The address is all that is kept and pickled: path, offset, shape, type, strides.
    """

    def __init__(self, path, dtype, shape, *, offset=0, order="C", mode="r"):
        self.path = Path(os.path.abspath(path))
        self.dtype, self.shape, self.mode = np.dtype(dtype), tuple(shape), mode
        self.offset, self.order, self._closed = offset, order, False
        self._strides = _find_strides(self.shape, self.dtype.itemsize, order)
        self._held, self._ref = None, _nothing

    @classmethod
    def of(cls, array: np.ndarray, mode: str) -> "MapStore | None":
        """Return the store of a view of a map, None if its file cannot be named."""
        memmap = _find_memmap(array)
        path = getattr(memmap, "filename", None)
        if path is None or memmap.mode == "c" or not os.path.exists(path):
            return None
        store = cls(path, array.dtype, array.shape, mode=mode)
        store._strides = array.strides
        # The offset of a view is its parent's: only the addresses tell.
        store.offset = memmap.offset + _address(array) - _address(memmap)
        return store

    @property
    def where(self) -> str:
        return self.path.name

    @property
    def is_slow_layout(self) -> bool:
        widest = max((s for s in map(abs, self._strides[1:])), default=0)
        return self.n_rows > 1 and widest > abs(self._strides[0])

    @property
    def rows(self) -> np.ndarray:
        """All rows, as a view of the map that nobody can write through."""
        rows = self._map()
        rows.flags.writeable = False
        return rows

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._map()[start:stop]

    def write(self, rows, values) -> None:
        if self.mode == "r":
            raise ValueError(
                f"{str(self.path)!r} is open for reading only; "
                "open_rows(path, mode='r+') writes to the file, mode='c' to a copy in "
                "memory."
            )
        self._map()[rows] = values

    def holds(self, array: np.ndarray) -> bool:
        memmap = _find_memmap(array)
        return memmap is not None and str(memmap.filename) == str(self.path)

    def hold(self) -> None:
        self._held = self._map()

    def close(self) -> None:
        self._held, self._closed = None, True

    def _map(self) -> np.ndarray:
        """Return all rows, on the map that is there or on a new one."""
        low, high = _find_extent(self.shape, self._strides, self.dtype.itemsize)
        memmap = self._ref()
        if memmap is None:
            memmap = self._open(self.offset + low, high - low)
            self._ref = weakref.ref(memmap)
            # What was written to private pages is nowhere else.
            self._held = memmap if self.mode == "c" else self._held
        return np.ndarray(self.shape, self.dtype, memmap, -low, self._strides)

    def _open(self, offset: int, n_bytes: int) -> np.ndarray:
        if self._closed:
            raise ValueError(f"The rows of {str(self.path)!r} are closed.")
        size = self.path.stat().st_size
        if size < offset + n_bytes:
            raise ValueError(
                f"{str(self.path)!r} is truncated: shape {self.shape} of {self.dtype} "
                f"needs {offset + n_bytes:,} bytes, and the file has {size:,}. Write "
                "it again."
            )
        if not n_bytes:
            return np.empty(0, np.uint8)
        return np.memmap(str(self.path), np.uint8, self.mode, offset, (n_bytes,))

    def __getstate__(self):
        if self.mode == "c":
            raise TypeError(
                f"Rows of {str(self.path)!r} with mode='c' cannot be pickled: what was "
                "written to them is in this process only. Open them with mode='r'."
            )
        return vars(self) | {"_held": None, "_ref": _nothing}


def _nothing() -> None:
    """Stand in for a weak reference to a map that is gone."""


def _find_strides(shape, itemsize: int, order: str) -> tuple:
    """Return the bytes from one index to the next, on each axis."""
    axes = range(len(shape))
    inner = [shape[i + 1 :] if order == "C" else shape[:i] for i in axes]
    return tuple(itemsize * prod(sizes) for sizes in inner)


def _find_extent(shape, strides, itemsize: int) -> tuple[int, int]:
    """Return the first and the end byte of an array, from its first item on."""
    if 0 in shape:
        return 0, 0
    reach = [(n - 1) * stride for n, stride in zip(shape, strides, strict=True)]
    low = sum(step for step in reach if step < 0)
    return low, sum(step for step in reach if step > 0) + itemsize


def _find_memmap(array) -> np.memmap | None:
    """Return the map itself that ``array`` is a view of, None if it is of none."""
    found = None
    while isinstance(array, np.ndarray):
        found = array if isinstance(array, np.memmap) else found
        array = array.base
    return found


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def open_npy(path, name: str, mode: str = "r") -> MapStore:
    """Address the rows of a ``.npy`` file; nothing is ever unpickled."""
    path = Path(path)
    with open(path, "rb") as file:
        magic = file.read(len(_NPY_MAGIC))
    if magic[:2] == b"PK":
        raise ValueError(NPZ.format(name=name, path=path))
    if magic != _NPY_MAGIC:
        raise ValueError(
            f"{name}={str(path)!r} is not a .npy file. Save the array once with "
            "np.save(path, array); raw binary needs open_rows(path, dtype=..., "
            "shape=...)."
        )
    shape, order, dtype, offset = _read_header(path, name)
    if dtype.hasobject:
        raise ValueError(
            f"{name}={str(path)!r} holds pickled Python objects, which are never "
            "loaded: they could run any code. Save plain numbers or strings, for "
            "example np.save(path, array.astype(str))."
        )
    size, needed = path.stat().st_size, offset + prod(shape) * dtype.itemsize
    if size < needed:
        raise ValueError(
            f"{name}={str(path)!r} is truncated: its header says shape {shape} and "
            f"{needed:,} bytes, and the file has {size:,}. Write it again."
        )
    if not shape:
        raise ValueError(
            f"{name}={str(path)!r} holds a single value, which has no rows."
        )
    if dtype.names:
        # Only a map shows the names of fields that are not Latin ones.
        options = {"mode": "r", "max_header_size": _MAX_HEADER}
        dtype = np.lib.format.open_memmap(path, **options).dtype
    return MapStore(path, dtype, shape, offset=offset, order=order, mode=mode)


def _read_header(path, name: str):
    """Return shape, order, type and the offset of the data of a ``.npy`` file."""
    fmt = np.lib.format
    with open(path, "rb") as file:
        try:
            old = fmt.read_magic(file) == (1, 0)
            # Version 3 differs from 2 in its encoding only.
            read = fmt.read_array_header_1_0 if old else fmt.read_array_header_2_0
            shape, is_fortran, dtype = read(file, max_header_size=_MAX_HEADER)
        except ValueError as error:
            raise ValueError(
                f"{name}={str(path)!r} has no readable header: {error}. Write it again."
            ) from error
        return shape, "F" if is_fortran else "C", dtype, file.tell()


NPZ = (
    "{name} is {path}: numpy reads an .npz archive whole into memory, whatever "
    "mmap_mode says. Save each of its arrays once as .npy with np.save(path, array)."
)


def open_raw(path, dtype, shape, *, offset: int, order: str, mode: str) -> MapStore:
    """Address the rows of a file without a header, as ``np.memmap`` would."""
    dtype, path = np.dtype(dtype), Path(path)
    if dtype.hasobject:
        raise ValueError(f"dtype must have no Python objects; got {dtype}.")
    size = path.stat().st_size - offset
    shape = _complete_shape(shape, size, dtype, path)
    needed = prod(shape) * dtype.itemsize
    if size < needed:
        raise ValueError(
            f"{str(path)!r} is too short: shape={shape} of {dtype} from offset="
            f"{offset:,} needs {offset + needed:,} bytes, and the file has "
            f"{offset + size:,}."
        )
    return MapStore(path, dtype, shape, offset=offset, order=order, mode=mode)


def _complete_shape(shape, size: int, dtype, path) -> tuple:
    """Return the shape with as many rows as there are, where that was left open."""
    shape = (-1,) if shape is None else tuple(np.atleast_1d(shape).tolist())
    if shape[0] != -1:
        return shape
    row_nbytes = prod(shape[1:]) * dtype.itemsize
    if size % row_nbytes:
        raise ValueError(
            f"{str(path)!r} has {size:,} bytes of data, which are no whole number of "
            f"rows of {row_nbytes:,} bytes; check dtype={dtype}, shape and offset."
        )
    return (size // row_nbytes, *shape[1:])


class CsrStore(SparseStore):
    """Rows of a CSR matrix in the files data.npy, indices.npy and indptr.npy."""

    on_disk = True

    def __init__(self, data: MapStore, indices: MapStore, indptr: MapStore, n_columns):
        self._data, self._indices, self._indptr = data, indices, indptr
        self.shape, self.dtype = (indptr.n_rows - 1, n_columns), data.dtype
        self.where = f"{data.path.parent.name}{os.sep}"

    @property
    def row_nbytes(self) -> int:
        item = self.dtype.itemsize + self._indices.dtype.itemsize
        return round(self._data.n_rows / max(1, self.n_rows) * item)

    @property
    def row_values(self) -> int:
        return round(self._data.n_rows / max(1, self.n_rows))

    def read(self, start: int, stop: int):
        indptr = self._indptr.read(start, stop + 1)
        begin, end = int(indptr[0]), int(indptr[-1])
        shape = stop - start, self.shape[1]
        # Estimators of scikit-learn refuse 64-bit indices where 32 bits will do.
        dtype = sparse.get_index_dtype(maxval=max(end - begin, *shape))
        data = np.array(self._data.read(begin, end))
        indices = np.array(self._indices.read(begin, end), dtype)
        indptr = (indptr - begin).astype(dtype)
        return sparse.csr_array((data, indices, indptr), shape=shape)

    def hold(self) -> None:
        for store in (self._data, self._indices, self._indptr):
            store.hold()

    def close(self) -> None:
        for store in (self._data, self._indices, self._indptr):
            store.close()


def is_csr_folder(path: Path) -> bool:
    return (path / "indptr.npy").is_file()


def open_csr(path: Path, name: str, shape=None) -> CsrStore:
    """Address the rows of a CSR matrix in a folder."""
    data, indices, indptr = (
        open_npy(path / f"{part}.npy", name) for part in ("data", "indices", "indptr")
    )
    n_values = int(indptr.read(indptr.n_rows - 1, indptr.n_rows)[0])
    if not n_values == data.n_rows == indices.n_rows:
        raise ValueError(
            f"{name}={str(path)!r} does not fit together: indptr.npy ends at "
            f"{n_values:,}, data.npy has {data.n_rows:,} values and indices.npy "
            f"{indices.n_rows:,}. Write the three files again."
        )
    n_columns = _find_columns(path, indices) if shape is None else shape[1]
    store = CsrStore(data, indices, indptr, n_columns)
    if shape is not None and tuple(shape) != store.shape:
        raise ValueError(
            f"{name}={str(path)!r} has {store.n_rows:,} rows; got shape={shape}."
        )
    return store


def _find_columns(path: Path, indices: MapStore) -> int:
    """Return the number of columns that shape.npy says, or else the indices."""
    if (path / "shape.npy").is_file():
        return int(open_npy(path / "shape.npy", "shape").read(1, 2)[0])
    step = _INDICES_NBYTES // indices.dtype.itemsize
    starts = range(0, indices.n_rows, step)
    pieces = (indices.read(i, min(i + step, indices.n_rows)) for i in starts)
    return max((int(piece.max()) for piece in pieces), default=-1) + 1
