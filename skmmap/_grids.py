"""Rows in HDF5 files and zarr arrays, whose chunks are decoded as a whole."""

import os
import pickle
from pathlib import Path

import numpy as np

from skmmap._conventions import find_fills, hide_fills
from skmmap._external import (
    ContainerStore,
    cut_blocks,
    find_folder_nbytes,
    find_stored_nbytes,
    import_library,
    to_native,
)
from skmmap._filters import (
    check_codec,
    find_codecs,
    list_plugin_paths,
    read_dataset,
    register_codecs,
)
from skmmap._groups import find_array
from skmmap._lazy import fill_missing

_BLOCK_NBYTES = 2**22
# A block of whole chunks may take this much; wider ones are decoded in pieces.
_WIDEST_NBYTES = 2**26


class GridStore(ContainerStore):
    """Rows in chunks of one size."""

    _chunk_rows = 1
    fills = ()  # values that stand for missing ones

    @property
    def block_rows(self) -> int:
        row_nbytes = max(1, self.row_nbytes)
        if self._chunk_rows * row_nbytes > _WIDEST_NBYTES:
            return max(1, _WIDEST_NBYTES // row_nbytes)
        chunks = _BLOCK_NBYTES // row_nbytes // self._chunk_rows
        return self._chunk_rows * max(1, chunks)

    def _iter_blocks(self, rows: np.ndarray):
        if self._chunk_rows == 1:
            yield from super()._iter_blocks(rows)
            return
        # Whatever lies between two rows of a chunk is decoded with them anyway.
        blocks, chunks = rows // self.block_rows, rows // self._chunk_rows
        cuts = np.flatnonzero((np.diff(chunks) > 1) | (np.diff(blocks) != 0)) + 1
        yield from cut_blocks(rows, cuts)

    def _describe(self, array) -> None:
        """Take over what is known of ``array``, an HDF5 dataset or a zarr array."""
        if not array.shape:
            raise ValueError(f"{self.where!r} has no rows: its shape is {array.shape}.")
        if array.dtype.hasobject:
            raise ValueError(_OBJECTS.format(where=self.where))
        self.shape, self.dtype = tuple(array.shape), to_native(array.dtype)
        self._chunk_rows = max(1, array.chunks[0]) if array.chunks else 1

    def _settle(self, rows, start: int, stop: int) -> np.ndarray:
        if self.fills:
            rows = fill_missing(hide_fills(rows, self.fills), self.where, start)
        return super()._settle(rows, start, stop)

    def _check_same(self, array):
        if tuple(array.shape) == self.shape and to_native(array.dtype) == self.dtype:
            return array
        raise ValueError(
            f"{self.where!r} has changed: it was {self.shape} of {self.dtype}, and is "
            f"{tuple(array.shape)} of {array.dtype}. Open it again."
        )


_OBJECTS = (
    "{where!r} holds Python objects or strings of variable length, which cannot be "
    "read by slices of one size. Save them once with a fixed length, for example "
    "np.save(path, values.astype('U10'))."
)


class HdfStore(GridStore):
    """Rows of a dataset in an HDF5 file, which is open only while it is read."""

    _plugin_paths = ()  # of the process that has sent these rows

    def __init__(self, path, key=None):
        self.path, self.key = Path(os.path.abspath(path)), key
        self._file = self._dataset = None
        with self._open_file() as file:
            dataset = find_array(file, key, self.path.name)
            self.key = dataset.name
            self._describe(dataset)
            self.fills = find_fills(dataset, self.where)

    @classmethod
    def of(cls, dataset) -> "HdfStore":
        """Return the store of an open dataset, which stays its owner's."""
        store = cls.__new__(cls)
        file = dataset.file
        store.path, store.key = Path(os.path.abspath(str(file.filename))), dataset.name
        store._file, store._dataset = None, dataset
        # A file in memory may bear the name of one on disk.
        store.on_disk = file.driver != "core" and store.path.is_file()
        store._describe(dataset)
        return store

    @property
    def where(self) -> str:
        return f"{self.path.name}:{self.key}"

    def _read(self, start, stop):
        if self._dataset is not None:
            if not self._dataset:
                raise ValueError(f"The rows of {self.where!r} are closed.")
            return self._decode(self._dataset, start, stop)
        with self._open_file() as file:
            return self._decode(self._check_same(file[self.key]), start, stop)

    def _decode(self, dataset, start, stop):
        return read_dataset(dataset, start, stop, self._plugin_paths, self.where)

    def find_disk_nbytes(self) -> int:
        if not self.on_disk:
            return 0
        if self._dataset:
            return find_stored_nbytes(self._dataset)
        try:
            with self._open_file() as file:
                return find_stored_nbytes(file[self.key])
        except (OSError, KeyError):
            return 0  # it is not there any more

    def hold(self) -> None:
        super().hold()
        if self._dataset is None:
            self._file = self._open_file()
            self._dataset = self._check_same(self._file[self.key])

    def close(self) -> None:
        super().close()
        if self._file is not None:
            self._file.close()
        self._file = self._dataset = None

    def _open_file(self):
        return import_library("h5py", "HDF5 files", "hdf5", self.path).File(self.path)

    def __getstate__(self):
        if not self.on_disk or self.key is None:
            raise TypeError(
                f"Rows of {self.where!r} cannot be pickled: the dataset is in memory "
                "only. Write it to a file, and open that."
            )
        paths = list_plugin_paths()
        return vars(self) | {"_file": None, "_dataset": None, "_plugin_paths": paths}


class ZarrStore(GridStore):
    """Rows of a zarr array."""

    def __init__(self, path, key=None):
        zarr = import_library("zarr", "zarr arrays", "zarr", path)
        name = Path(path).name
        try:
            group = zarr.open(os.path.abspath(path), mode="r")
            array = find_array(group, key, name)
        except ValueError as error:
            check_codec(error, name)
            raise
        self._set_array(array)

    @classmethod
    def of(cls, array) -> "ZarrStore":
        """Return the store of an array that somebody opened."""
        store = cls.__new__(cls)
        store._set_array(array)
        return store

    def _set_array(self, array) -> None:
        self._array, self._root, self._key = array, _find_root(array.store), array.path
        self.on_disk = self._root is not None
        name = Path(self._root).name if self.on_disk else type(array.store).__name__
        self.where = f"{name}:/{array.path}" if array.path else name
        self._codecs = find_codecs(array)
        self._describe(array)

    def _read(self, start, stop):
        if self._array is None:
            zarr = import_library("zarr", "zarr arrays", "zarr", self._root)
            array = zarr.open_array(self._root, path=self._key, mode="r")
            self._array = self._check_same(array)
        return self._array[start:stop]

    @property
    def memory_nbytes(self) -> int:
        return 0  # of what is in a store that is no folder, nobody knows where it is

    def find_disk_nbytes(self) -> int | None:
        if self._root is None:
            return None
        return find_folder_nbytes(os.path.join(self._root, self._key))

    def close(self) -> None:
        super().close()
        self._array = None

    def __reduce__(self):
        if self._root is not None or self._array is None:
            return _restore, (type(self), vars(self) | {"_array": None})
        try:
            return _load_zarr, (pickle.dumps(self._array),)
        except Exception as error:
            raise TypeError(
                f"Rows of {self.where!r} cannot be pickled: {error}. Save the array "
                "to a folder with zarr.save(path, array), and open that."
            ) from error


def _restore(cls, state: dict):
    store = cls.__new__(cls)
    vars(store).update(state)
    register_codecs(store._codecs)
    return store


def _load_zarr(array: bytes) -> ZarrStore:
    return ZarrStore.of(pickle.loads(array))


def _find_root(store) -> str | None:
    """Return the folder of a zarr store, None if it is in none."""
    if type(store).__name__ in ("LocalStore", "DirectoryStore", "NestedDirectoryStore"):
        return os.path.abspath(getattr(store, "root", None) or store.path)
    return None
