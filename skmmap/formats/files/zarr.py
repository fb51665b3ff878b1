"""zarr's arrays and groups, and CSR matrices in these (needs zarr)."""

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from skmmap.disk import Identity, is_path
from skmmap.formats.groups import (
    ChunkStore,
    Metadata,
    check_chunks,
    check_codec,
    check_metadata,
    describe_arrays,
    find_array,
    find_codecs,
    find_folder_nbytes,
    find_root,
    get_backing,
    is_fixed,
    is_zarr_folder,
    open_node,
    read_folder,
    register_codecs,
)
from skmmap.formats.shared import (
    ArrayInfo,
    Format,
    import_library,
    is_instance,
    refuse_option,
)
from skmmap.rows import Store

FORMAT = Format(suffixes=(".zarr",), options=("key",))

_CLASSES = {("zarr", "Array"), ("zarr", "Group")}


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is a folder with zarr's metadata, or an array or group of zarr's."""
    if is_path(source):
        return is_zarr_folder(source)
    return is_instance(get_backing(source), _CLASSES)


def list_arrays(source) -> list[ArrayInfo]:
    """Return the arrays, and CSR matrices, in a group, at any depth."""
    node = _open_folder(source) if is_path(source) else get_backing(source)
    return describe_arrays(node)


def open_store(source, name: str, *, key: str | None = None) -> Store:
    """Return the store of an array, or a CSR matrix, in a zarr group."""
    if not is_path(source):
        if key is not None and hasattr(source, "shape"):
            refuse_option(source, "key", key)
        node = get_backing(source)
        found = find_array(node, key, node.path or "the zarr group")
        return open_node(found, lambda array, _: ZarrStore(array))
    name = Path(source).name
    try:
        node = find_array(_open_folder(source), key, name)
    except ValueError as error:
        check_codec(error, name)
        raise
    return open_node(node, _open_named)


def _open_folder(path):
    """Return the array or group in a folder."""
    if os.path.isdir(path):
        check_metadata(Path(path))
    zarr = import_library("zarr", "zarr arrays", "zarr", path)
    return zarr.open(os.path.abspath(path), mode="r")


def _open_named(array, name: str) -> "ZarrStore":
    """Return the store of an array, as its attributes say what is missing."""
    store = ZarrStore(array)
    store.set_fills(array)
    return store


class ZarrStore(ChunkStore):
    """Rows of a zarr array."""

    is_decoded = True

    def __init__(self, array):
        self._array, self._root, self._key = array, find_root(array.store), array.path
        self.on_disk = self._root is not None
        name = Path(self._root).name if self.on_disk else type(array.store).__name__
        self.where = f"{name}:/{array.path}" if array.path else name
        self._codecs = find_codecs(array)
        self._metadata = Metadata(self._folder) if self.on_disk else None
        self._describe(array)
        self._opened = self._read_identity(array.store)
        if not is_fixed(array.store):
            self._array = None  # opened again by its absolute path

    @property
    def _folder(self) -> str:
        return os.path.join(self._root, self._key)

    def _read_identity(self, store) -> Identity:
        if self.on_disk:
            return Identity.read([self._folder], (self._metadata.read(),))
        names = {cls.__name__ for cls in type(store).__mro__}
        if "ZipStore" not in names:
            return Identity(is_known=bool(names & _IN_MEMORY))
        is_writer = not getattr(store, "read_only", getattr(store, "mode", "") == "r")
        zipped = Identity.read([store.path], is_writer=is_writer)
        # The archive is open, and no part of it can be changed.
        self._held, self._run = tuple(zipped.states), zipped
        return zipped

    def _begin(self) -> Identity:
        if not self.on_disk:
            return self._opened.read_again()
        now = Identity.read([self._folder])
        return replace(now, facts=(*self._opened.facts, read_folder(self._folder)))

    def finish(self) -> None:
        is_run = self.on_disk and self._run is not None
        if is_run and read_folder(self._folder) != self._run.facts[1]:
            self._raise_written()

    def _check_files(self, cause: Exception | None = None) -> None:
        if not self.on_disk:
            super()._check_files(cause)
        elif self._metadata.read() != self._opened.facts[0]:
            self._raise_written(cause)

    def _raise_written(self, cause: Exception | None = None) -> NoReturn:
        raise ValueError(
            f"{self._folder!r} was written again since it was opened. Open it again."
        ) from cause

    def _read(self, start, stop):
        if self._array is None:
            self.finish()  # the files may have changed since they were pickled
            zarr = import_library("zarr", "zarr arrays", "zarr", self._root)
            array = zarr.open_array(self._root, path=self._key, mode="r")
            self._array = self._check_same(array)
        return self._decode(self._array, start, stop)

    def _decode(self, array, start, stop):
        if self.on_disk:
            check_chunks(array, self._folder, start, stop)
        return array[start:stop]

    @property
    def memory_nbytes(self) -> int:
        return 0  # whether other stores than folders are in memory is not known

    def find_disk_nbytes(self) -> int | None:
        if self._root is None:
            return None
        return find_folder_nbytes(os.path.join(self._root, self._key))

    def close(self) -> None:
        super().close()
        self._array = None

    def __reduce__(self):
        run = self._run or self._begin()
        if self._root is not None or self._array is None:
            state = {"_array": None, "_opened": run, "_run": run}
            return _restore, (type(self), self._list_vars() | state)
        try:
            return _load_zarr, (pickle.dumps(self._array), run)
        except Exception as error:
            raise TypeError(
                f"Rows of {self.where!r} cannot be pickled: {error}. Save the array "
                "to a folder with zarr.save(path, array), and open that."
            ) from error


# Stores that are pickled with their content; other stores may lead anywhere.
_IN_MEMORY = {"MemoryStore", "GpuMemoryStore", "KVStore", "dict"}


def _restore(cls, state: dict):
    store = cls.__new__(cls)
    vars(store).update(state)
    register_codecs(store._codecs)
    return store


def _load_zarr(array: bytes, run: Identity) -> ZarrStore:
    run.check(values=True)
    store = ZarrStore(pickle.loads(array))
    store._run = run
    return store
