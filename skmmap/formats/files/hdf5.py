"""HDF5 files, their datasets and groups, and CSR matrices in these (needs h5py)."""

import os
from contextlib import contextmanager, suppress
from functools import partial
from itertools import zip_longest
from pathlib import Path

import numpy as np

from skmmap.disk import (
    Identity,
    check_regular,
    counting_files,
    is_path,
)
from skmmap.formats.groups import (
    ChunkStore,
    Layout,
    Named,
    describe_arrays,
    find_address,
    find_array,
    find_named,
    find_stored_nbytes,
    follow_links,
    get_backing,
    has_magic,
    is_at,
    list_plugin_paths,
    matlab,
    open_node,
    read_dataset,
)
from skmmap.formats.shared import (
    ArrayInfo,
    Format,
    import_library,
    is_instance,
    refuse_option,
)
from skmmap.rows import Store

_SUFFIXES = ".h5", ".hdf5", ".hdf", ".h5ad", ".nc", ".nc4", ".mat", ".he5", ".loom"
FORMAT = Format(suffixes=_SUFFIXES, options=("key",))

_CLASSES = {("h5py", "Dataset"), ("h5py", "Group")}


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is an HDF5 file, or a dataset or group in one that is open."""
    if is_path(source):
        return has_magic(source, first)
    return is_instance(get_backing(source), _CLASSES)


def list_arrays(source) -> list[ArrayInfo]:
    """Return the datasets, and CSR matrices, in a file or group, at any depth."""
    if not is_path(source):
        return describe_arrays(get_backing(source))
    with _open_file(source) as file:
        return describe_arrays(file)


def open_store(source, name: str, *, key: str | None = None) -> Store:
    """Return the store of a dataset, or a CSR matrix, in an HDF5 file."""
    if is_path(source):
        path = Path(os.path.abspath(source))
        with _open_file(path) as file:
            name, node = find_named(file, key, path.name)
            return open_node(node, partial(_open_dataset, path), name)
    if key is not None and hasattr(source, "shape"):
        refuse_option(source, "key", key)
    node = get_backing(source)
    where = Path(str(node.file.filename)).name
    found = find_array(node, key, where)
    return open_node(found, lambda dataset, _: HdfStore.of(dataset))


def _open_dataset(path, dataset, name: str) -> Store:
    """Return the store of a dataset in a file that was named."""
    if matlab.find_class(dataset) is None:
        return HdfStore(path, name)
    store = MatlabStore(path, name)
    offset = matlab.find_offset(dataset)
    if offset is None or store.identity.states.keys() != {str(path)}:
        return store
    mapped = matlab.MatlabMap(path, dataset.dtype, store.shape, offset)
    # HDF5's own reading is what counts.
    first, same = mapped.read(0, 1), store.read(0, 1)
    return mapped if np.array_equal(first, same, equal_nan=True) else store


def _open_file(path):
    """Return an open file; a pipe or device is refused, not waited for."""
    h5py = import_library("h5py", "HDF5 files", "hdf5", path)
    with suppress(FileNotFoundError):  # which it says itself
        check_regular(path)
    with counting_files(path):
        with suppress(FileNotFoundError):
            matlab.check_version(path)
        return _open_h5py(h5py, path)


def _open_h5py(h5py, path):
    try:
        return h5py.File(path)
    except OSError as error:
        if error.errno is not None:  # the system's own: no permission, a lock
            raise
        raise OSError(
            f"{Path(path).name!r} cannot be opened as an HDF5 file: {error}. It is "
            "damaged, truncated or of another format."
        ) from error


class HdfStore(ChunkStore):
    """Rows of a dataset in an HDF5 file, which is open only while it is read."""

    can_reopen = True
    _links = ()  # files that links lead through
    _plugin_paths = ()  # of the process that pickled these rows
    # The files when their links were last followed: at opening they may be so new that
    # a later change gives them the same time.
    _walked = Identity()

    def __init__(self, path, key=None):
        self.path = Path(os.path.abspath(path))
        self._file = self._dataset = None
        with _open_file(self.path) as file:
            self.key, dataset = find_named(file, key, self.path.name)
            self._links = follow_links(file, self.key)
            self._describe(dataset)
            self.set_fills(dataset)

    @classmethod
    def of(cls, dataset) -> "HdfStore":
        """Return the store of an open dataset, which the caller closes."""
        store = cls.__new__(cls)
        file = dataset.file
        store.path, store.key = find_address(dataset)
        store._file, store._dataset = None, dataset
        store.can_reopen = is_at(file, store.path)
        store.on_disk = store.can_reopen or file.driver == "sec2"
        store._held = (str(store.path),)
        store._describe(dataset)
        return store

    def _describe(self, dataset) -> None:
        super()._describe(dataset)
        n_filters = dataset.id.get_create_plist().get_nfilters()
        self.is_decoded = n_filters > 0 or dataset.is_virtual or self.is_text
        if not self.can_reopen:
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
        """Raise if links have changed since the rows were opened."""
        with _open_file(self.path) as file:
            links = follow_links(file, self.key)
            self._check_places(self._links, links)
            dataset = self._find_dataset(file)
            if self._walked.is_unchanged() and self._layout.is_fixed():
                return
            self._check_places(self._layout.paths, Layout(dataset, links).paths)

    def _find_dataset(self, file):
        """Return the dataset, if its files, shape and type have not changed."""
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
                raise ValueError(
                    f"The rows of {self.where!r} are closed. Open them again."
                )
            return self._decode(self._dataset, start, stop)
        with _open_file(self.path) as file:
            return self._decode(self._find_dataset(file), start, stop)

    def _decode(self, dataset, start, stop):
        part = slice(start, stop)
        return read_dataset(dataset, part, self._plugin_paths, self.where)

    @contextmanager
    def open_once(self):
        self._check_open()
        if self._dataset is not None:
            yield
            return
        with self._explaining(), _open_file(self.path) as file:
            self._dataset = self._find_dataset(file)
            try:
                yield
            finally:
                self._dataset = None

    @contextmanager
    def _explaining(self):
        """Say first that the file has changed, if anything goes wrong."""
        try:
            yield
        except Exception as error:
            self._check_files(cause=error)
            raise

    def find_disk_nbytes(self) -> int:
        if not self.on_disk:
            return 0
        if self._dataset:
            return find_stored_nbytes(self._dataset)
        try:
            with _open_file(self.path) as file:
                return find_stored_nbytes(self._find_dataset(file))
        except (OSError, KeyError, ValueError):
            return 0  # the file was removed or replaced

    def keep_open(self) -> None:
        super().keep_open()
        if self._dataset is None:
            self._file = _open_file(self.path)
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

    def __getstate__(self):
        if self.on_disk and not self.can_reopen:
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
        return self._list_vars() | state | {"_opened": run, "_run": run}


class MatlabStore(HdfStore):
    """Rows of an array of MATLAB: the last axis in the file."""

    _row_axis = -1
    _find_kind = staticmethod(matlab.find_kind)

    def _describe(self, dataset) -> None:
        matlab.check_class(dataset, self.where)
        super()._describe(dataset)
        self._class = matlab.find_class(dataset)

    def _decode(self, dataset, start, stop):
        part = ..., slice(start, stop)
        stored = read_dataset(dataset, part, self._plugin_paths, self.where)
        return matlab.to_rows(stored, self._class)
