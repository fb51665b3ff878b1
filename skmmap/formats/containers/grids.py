"""Rows in HDF5 files and zarr arrays, whose chunks are decoded as a whole."""

import os
import pickle
from contextlib import suppress
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import NoReturn

import numpy as np

from skmmap.disk import Identity, check_regular, counting_files
from skmmap.formats.containers.conventions import (
    find_fills,
    hide_fills,
)
from skmmap.formats.containers.external import (
    ContainerStore,
    cut_blocks,
    find_folder_nbytes,
    find_kind,
    find_stored_nbytes,
    import_library,
)
from skmmap.formats.containers.filters import (
    check_codec,
    find_codecs,
    list_plugin_paths,
    read_dataset,
    register_codecs,
)
from skmmap.formats.containers.groups import (
    find_array,
    find_named,
)
from skmmap.formats.containers.hdf_files import (
    Layout,
    Named,
    find_address,
    is_at,
)
from skmmap.formats.containers.hdf_links import follow_links
from skmmap.formats.containers.lazy import fill_missing
from skmmap.formats.containers.zarr_files import (
    Metadata,
    check_chunks,
    find_root,
    is_fixed,
    read_folder,
)

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
        self.shape, self.dtype = find_kind(array)
        self._chunk_rows = max(1, array.chunks[0]) if array.chunks else 1

    def _settle(self, rows, start: int, stop: int) -> np.ndarray:
        if self.fills:
            hidden = hide_fills(rows, self.fills)
            rows = fill_missing(hidden, self.where, start, is_stored=True)
        return super()._settle(rows, start, stop)

    def set_fills(self, array) -> None:
        """Take over what stands for missing values in a file that was named."""
        if fills := find_fills(array, self.where):  # without any, rows hash alike
            self.fills = fills

    def _check_same(self, array):
        if find_kind(array) == (self.shape, self.dtype):
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

    is_addressed = True
    _links = ()  # files that links lead through
    _plugin_paths = ()  # of the process that has sent these rows
    # How the files were when it was seen where they lead: when they are opened they may
    # be so new that their times do not tell it.
    _walked = Identity()

    def __init__(self, path, key=None):
        self.path = Path(os.path.abspath(path))
        self._file = self._dataset = None
        with self._open_file() as file:
            self.key, dataset = find_named(file, key, self.path.name)
            self._links = follow_links(file, self.key)
            self._describe(dataset)
            self.set_fills(dataset)

    @classmethod
    def of(cls, dataset) -> "HdfStore":
        """Return the store of an open dataset, which stays its owner's."""
        store = cls.__new__(cls)
        file = dataset.file
        store.path, store.key = find_address(dataset)
        store._file, store._dataset = None, dataset
        store.is_addressed = is_at(file, store.path)
        store.on_disk = store.is_addressed or file.driver == "sec2"
        store._held = (str(store.path),)
        store._describe(dataset)
        return store

    def _describe(self, dataset) -> None:
        super()._describe(dataset)
        if not self.is_addressed:
            self._opened = Identity(is_known=not self.on_disk)
            return
        self._layout = Layout(dataset, self._links)
        self._layout.check()
        is_writer = dataset.file.mode != "r"
        paths = self.path, *self._layout.paths
        self._opened = Identity.read(paths, is_writer=is_writer)

    def _begin(self) -> Identity:
        run = super()._begin()
        if self._layout.is_far and self._dataset is None:
            self._check_links(run)
            self._walked = run
        return run

    def _check_links(self, run: Identity) -> None:
        """Raise if the files lead elsewhere by now, which may be before the run."""
        with self._open_file() as file:
            links = follow_links(file, self.key)
            self._check_places(self._links, links)
            dataset = self._find_dataset(file)
            if self._walked.is_unchanged() and self._layout.is_fixed():
                return
            self._check_places(self._layout.paths, Layout(dataset, links).paths)

    def _find_dataset(self, file):
        """Return the dataset in the file, if it is where and what it was."""
        self._layout.check()
        dataset = file[self.key]
        self._check_places(self._layout.near, Named(dataset).paths)
        return self._check_same(dataset)

    def _check_places(self, before: list, now: list) -> None:
        for old, new in zip_longest(before, now):
            if old != new:
                was, leads = (repr(path) if path else "nothing" for path in (old, new))
                raise ValueError(
                    f"{self.where!r} is a link that has changed: it led to {was}, and "
                    f"leads to {leads}. Open it again."
                )

    @property
    def where(self) -> str:
        return f"{self.path.name}:{self.key}"

    def _read(self, start, stop):
        if self._dataset is not None:
            if not self._dataset:
                raise ValueError(f"The rows of {self.where!r} are closed.")
            return self._decode(self._dataset, start, stop)
        with self._open_file() as file:
            return self._decode(self._find_dataset(file), start, stop)

    def _decode(self, dataset, start, stop):
        return read_dataset(dataset, start, stop, self._plugin_paths, self.where)

    def find_disk_nbytes(self) -> int:
        if not self.on_disk:
            return 0
        if self._dataset:
            return find_stored_nbytes(self._dataset)
        try:
            with self._open_file() as file:
                return find_stored_nbytes(self._find_dataset(file))
        except (OSError, KeyError, ValueError):
            return 0  # it is not there any more

    def hold(self) -> None:
        super().hold()
        if self._dataset is None:
            self._file = self._open_file()
            try:
                dataset = self._find_dataset(self._file)
                self._check_files()
            except BaseException:
                self._file.close()
                raise
            self._dataset = dataset
            self._held = str(self.path), os.path.abspath(self._dataset.file.filename)

    def close(self) -> None:
        super().close()
        if self._file is not None:
            self._file.close()
        self._file = self._dataset = None
        self._held = ()

    def sync(self) -> None:
        if self._opened.is_writer and self._dataset:
            self._dataset.file.flush()
        super().sync()

    def _open_file(self):
        h5py = import_library("h5py", "HDF5 files", "hdf5", self.path)
        with suppress(FileNotFoundError):  # which it says itself
            check_regular(self.path)
        with counting_files(self.path):
            return h5py.File(self.path)

    def __getstate__(self):
        if self.on_disk and not self.is_addressed:
            raise TypeError(
                f"Rows of {self.where!r} cannot be pickled: the file that is open is "
                f"not the one at {str(self.path)!r}. Open it again, by its full path."
            )
        if not self.on_disk or self.key is None:
            raise TypeError(
                f"Rows of {self.where!r} cannot be pickled: the dataset is in memory "
                "only. Write it to a file, and open that."
            )
        run = self._run or self._begin()
        state = {"_file": None, "_dataset": None, "_held": ()}
        state["_plugin_paths"] = list_plugin_paths()
        return vars(self) | state | {"_opened": run, "_run": run}


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
        self._array, self._root, self._key = array, find_root(array.store), array.path
        self.on_disk = self._root is not None
        name = Path(self._root).name if self.on_disk else type(array.store).__name__
        self.where = f"{name}:/{array.path}" if array.path else name
        self._codecs = find_codecs(array)
        self._metadata = Metadata(self._folder) if self.on_disk else None
        self._describe(array)
        self._opened = self._read_identity(array.store)
        if not is_fixed(array.store):
            self._array = None  # opened again, by its full path

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
        # It is open, and nobody can change a part of it.
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
            self.finish()  # whether they are still those that were pickled
            zarr = import_library("zarr", "zarr arrays", "zarr", self._root)
            array = zarr.open_array(self._root, path=self._key, mode="r")
            self._array = self._check_same(array)
        if self.on_disk:
            check_chunks(self._array, self._folder, start, stop)
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
        run = self._run or self._begin()
        if self._root is not None or self._array is None:
            state = {"_array": None, "_opened": run, "_run": run}
            return _restore, (type(self), vars(self) | state)
        try:
            return _load_zarr, (pickle.dumps(self._array), run)
        except Exception as error:
            raise TypeError(
                f"Rows of {self.where!r} cannot be pickled: {error}. Save the array "
                "to a folder with zarr.save(path, array), and open that."
            ) from error


# Stores whose content is pickled; what others lead to, nobody knows.
_IN_MEMORY = {"MemoryStore", "GpuMemoryStore", "KVStore", "dict"}


def _restore(cls, state: dict):
    store = cls.__new__(cls)
    vars(store).update(state)
    register_codecs(store._codecs)
    return store


def _load_zarr(array: bytes, run: Identity) -> ZarrStore:
    run.check(values=True)
    store = ZarrStore.of(pickle.loads(array))
    store._run = run
    return store
