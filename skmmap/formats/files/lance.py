"""Datasets of Lance: folders of columns with versions (needs pylance)."""

import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np

from skmmap.disk import Identity, is_path
from skmmap.formats.arrow import (
    ArrowStore,
    FramesOfArrow,
    choose_again,
    choose_library,
    describe_columns,
    find_dtype,
    has_nulls,
    to_value_type,
)
from skmmap.formats.shared import ArrayInfo, Format, import_library, is_instance
from skmmap.order import make_units
from skmmap.rows import Store

FORMAT = Format(suffixes=(".lance",), options=("columns", "as_frame"))

_CLASSES = {("lance", "LanceDataset")}
_LAST = 2**64 - 1  # from which names of manifests count down
_CALL_NBYTES = 2**22  # of rows, which take as long to read as a call for no rows
_PASS_ROWS = 2**16  # that are read at a time where a column is looked through


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is a folder with manifests of versions, or a dataset that is open."""
    if not is_path(source):
        return is_instance(source, _CLASSES)
    versions = os.path.join(source, "_versions")
    if not os.path.isdir(versions):
        return False
    with os.scandir(versions) as entries:
        return any(entry.name.endswith(".manifest") for entry in entries)


def list_arrays(source) -> list[ArrayInfo]:
    """Return the columns."""
    dataset = _open_dataset(source)
    return describe_columns(dataset.schema, dataset.count_rows())


def open_store(source, name: str, *, columns=None, as_frame="auto") -> Store:
    """Return the store of the newest version, or of the one that is open."""
    dataset = _open_dataset(source)
    where = Path(dataset.uri).name
    return _open(
        dataset, columns, choose_library(dataset.schema, columns, as_frame, where)
    )


def _open_dataset(source, version: int | None = None):
    if not is_path(source):
        return source
    lance = import_library("lance", "datasets of Lance", "lance", source)
    try:
        return lance.dataset(source, version=version)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{str(source)!r} cannot be read by Lance: {error} Write it again."
        ) from error


def _to_place(uri: str) -> str:
    """Return the path of a local dataset, and the URI of another one."""
    if uri.startswith("file://"):
        uri = url2pathname(urlsplit(uri).path)
    return os.path.abspath(uri) if os.path.isdir(uri) else uri


def _open(dataset, columns, library: str) -> "LanceStore":
    if library:
        return LanceFrames(dataset, columns, library)
    return LanceStore(dataset, columns)


class LanceStore(ArrowStore):
    """Rows of one version of a dataset, read by their numbers."""

    is_decoded = can_reopen = True

    def __init__(self, dataset, columns=None):
        self._uri, self._version = _to_place(dataset.uri), dataset.version
        self._dataset = dataset
        self.on_disk = os.path.isdir(self._uri)
        # A version is never written to: changes are versions of their own.
        self._opened = self._run = self._identify()
        self._describe(dataset.schema, columns)

    def _identify(self) -> Identity:
        if not self.on_disk:
            return Identity(facts=((self._uri, self._version),), is_known=False)
        names = f"{_LAST - self._version}.manifest", f"{self._version}.manifest"
        folder = os.path.join(self._uri, "_versions")
        paths = [os.path.join(folder, name) for name in names]
        found = [path for path in paths if os.path.exists(path)] or paths[:1]
        self._manifest = Identity.read(found).read_again()
        return self._manifest + Identity.read(self._list_files()).read_again()

    def _list_files(self) -> list[str]:
        """Return the files of rows, and of numbers of deleted rows, as far as local."""
        paths = []
        for fragment in self._dataset.get_fragments():
            paths += [self._find_file(file) for file in fragment.data_files()]
            if deleted := fragment.deletion_file():
                paths.append(os.path.join(self._uri, deleted))
        return [path for path in paths if os.path.exists(path)]

    def _find_file(self, file) -> str:
        """Return the path of a file, which may be of what this is a clone of."""
        if (number := getattr(file, "base_id", None)) is None:
            return os.path.join(self._uri, "data", file.path)
        base = self._dataset.base_paths()[number]
        parts = ["data"] if base.is_dataset_root else []
        return os.path.join(_to_place(base.path), *parts, file.path)

    def _check_files(self, cause: Exception | None = None) -> None:
        if cause is not None or not self.on_disk:
            super()._check_files(cause)
        else:  # there may be thousands of files: all are compared after each pass
            self._manifest.check(values=True)

    def finish(self) -> None:
        super()._check_files()

    @property
    def where(self) -> str:
        name = Path(self._uri).name
        return f"{name}:{self.columns}" if isinstance(self.columns, str) else name

    def _find_rows(self) -> tuple[int, set]:
        types = {n: to_value_type(self._schema_type(n)) for n in self._names}
        changing = [
            n for n in types if find_dtype(types[n], 0) != find_dtype(types[n], 1)
        ]
        nulls: set = set()
        for table in self._iter_tables(changing) if changing else ():
            nulls |= {n for n in changing if has_nulls(table.column(n))}
        return self._dataset.count_rows(), nulls

    def _schema_type(self, name: str):
        return self._dataset.schema.field(name).type

    def _iter_tables(self, names):
        for start in range(0, self._dataset.count_rows(), _PASS_ROWS):
            yield self._take(names, start, start + _PASS_ROWS)

    def _iter_slices(self, start, stop):
        yield self._take(self._names, start, stop), start

    def _take(self, names, start: int, stop: int):
        if self._dataset is None:
            self._dataset = _open_dataset(self._uri, self._version)
        columns = list(dict.fromkeys(names))
        # Batches would be read from the first row on, whatever offset is asked for.
        part = {"offset": start, "limit": max(0, stop - start)}
        try:
            return self._dataset.to_table(columns, **part)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{self.where!r} cannot be read by Lance: {error} Write it again."
            ) from error

    def find_units(self, least_rows: int) -> np.ndarray:
        """Return units of which each takes as long to read as the call itself."""
        unit_rows = _CALL_NBYTES // max(1, self.row_nbytes)
        return make_units(self.n_rows, max(1, least_rows, unit_rows))

    def find_disk_nbytes(self) -> int | None:
        if not self.on_disk:
            return None
        files = self._opened.states.keys() - self._manifest.states.keys()
        return sum(self._opened.states[file].nbytes for file in files)

    def choose(self, columns, as_frame) -> "LanceStore":
        self._check_open()
        if self._dataset is None:
            self._dataset = _open_dataset(self._uri, self._version)
        schema = self._dataset.schema
        columns, library = choose_again(self, schema, columns, as_frame)
        return _open(self._dataset, columns, library)

    def close(self) -> None:
        super().close()
        self._dataset = None

    def __getstate__(self) -> dict:
        return vars(self) | {"_dataset": None}


class LanceFrames(FramesOfArrow, LanceStore):
    """Rows of one version of a dataset as data frames."""

    def __init__(self, dataset, columns, library: str):
        self._library = library
        super().__init__(dataset, columns)
