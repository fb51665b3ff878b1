"""Rows in containers of other libraries, none of which is imported before its use."""

import os
from pathlib import Path

import numpy as np

from skmmap._arrow import ParquetStore, TableStore
from skmmap._external import ContainerStore, cut_blocks, to_native
from skmmap._grids import HdfStore, ZarrStore
from skmmap._paths import find_format, find_parts, is_path, to_path
from skmmap._sparse_groups import (
    open_backed,
    open_hdf,
    open_hdf_node,
    open_zarr,
    open_zarr_node,
)
from skmmap._stores import Store

__all__ = ["DaskStore", "HdfStore", "ParquetStore", "ZarrStore", "open_container"]

_FORMATS = {
    "hdf": "hdf file",
    "zarr": "zarr folder",
    "parquet": "parquet",
    "arrow": "parquet",
}


class DaskStore(ContainerStore):
    """Rows of a dask array, computed block by block, of which the last one is kept."""

    is_addressed = False
    memory_nbytes = 0
    _last = None, None  # the number of a block, and its rows

    def __init__(self, array):
        self.where, self._array = "a dask array", array
        if np.isnan(array.shape).any():
            raise ValueError(
                f"a dask array of the shape {array.shape} does not know its rows. "
                "Count them once with array.compute_chunk_sizes()."
            )
        if not array.shape:
            raise ValueError(f"{self.where!r} has no rows: its shape is ().")
        if array.dtype.hasobject:
            raise ValueError(
                f"{self.where!r} holds Python objects, which have no size. Give it a "
                "type, for example array.astype(float) or array.astype('U10')."
            )
        self.shape, self.dtype = array.shape, to_native(array.dtype)

    def find_disk_nbytes(self) -> None:
        return None

    @property
    def block_rows(self) -> int:
        self._check_open()
        return max(1, *self._array.chunks[0])

    def _read(self, start, stop):
        stops = np.cumsum(self._array.chunks[0])
        first = int(np.searchsorted(stops, start, side="right"))
        last = int(np.searchsorted(stops, stop, side="left"))
        parts = []
        for number in range(first, min(last, len(stops) - 1) + 1):
            rows, before = self._compute(number), stops[number - 1] if number else 0
            parts.append(rows[max(0, start - before) : stop - before])
        # A copy, or rows that are kept would keep the block.
        return np.concatenate(parts) if parts else np.empty((0, *self.shape[1:]))

    def _compute(self, number: int) -> np.ndarray:
        """Return a block of rows; chunks that follow each other often share one."""
        if self._last[0] != number:
            self._last = None, None  # or two would be there
            self._last = number, np.asarray(self._array.blocks[number].compute())
        return self._last[1]

    def _iter_blocks(self, rows: np.ndarray):
        self._check_open()
        blocks = np.searchsorted(np.cumsum(self._array.chunks[0]), rows, side="right")
        yield from cut_blocks(rows, np.flatnonzero(np.diff(blocks)) + 1)

    def close(self) -> None:
        super().close()
        self._array, self._last = None, (None, None)

    def __getstate__(self) -> dict:
        return vars(self) | {"_last": (None, None)}


def open_container(value, *, key=None, columns=None) -> Store | None:
    """Return the store of a container of another library, None for anything else.

    A container is a path to one, or an object, which is recognised by the names of its
    classes. `key` names a dataset in a file or group, `columns` those of a table.
    """
    named = isinstance(value, str | os.PathLike)
    kind = _FORMATS.get(find_format(Path(value))) if named else _find_kind(value)
    if kind is None:
        return None
    what = repr(os.fspath(value)) if named else f"a {type(value).__name__}"
    for name, option in {"key": key, "columns": columns}.items():
        if option is not None and name != _OPTIONS.get(kind):
            raise ValueError(f"{name} has no meaning for {what}; got {option!r}.")
    options = {"key": key, "columns": columns}
    option = {name: options[name] for name in [_OPTIONS.get(kind)] if name}
    return _OPENERS[kind](value, **option)


def are_tables(values) -> bool:
    """Whether all of some sources are paths of Parquet or Arrow files."""
    formats = {find_format(to_path(v)) if is_path(v) else "" for v in values}
    return formats <= {"parquet", "arrow"}


def open_tables(values, columns=None) -> Store:
    """Return one store of several Parquet and Arrow files, and of folders of them."""
    paths = [file for value in values for file in _list_files(to_path(value))]
    return ParquetStore(paths, columns)


def _list_files(path: Path) -> list[Path]:
    return find_parts(path) if path.is_dir() else [path]


def _open_parquet(path, columns=None) -> ParquetStore:
    return ParquetStore(_list_files(Path(path)), columns)


def is_container(value) -> bool:
    """Whether ``value`` is a container of another library's."""
    return _find_kind(value) is not None


def _find_kind(value) -> str | None:
    """Return the kind of container that an object is, by the names of its classes."""
    classes = type(value).__mro__
    names = {(cls.__module__.partition(".")[0], cls.__name__) for cls in classes}
    return next((kind for name, kind in _KINDS.items() if name in names), None)


_KINDS = {
    ("h5py", "Dataset"): "hdf",
    ("h5py", "Group"): "hdf group",
    ("zarr", "Array"): "zarr",
    ("zarr", "Group"): "zarr group",
    ("anndata", "CSRDataset"): "backed",
    ("anndata", "CSCDataset"): "backed",
    ("dask", "Array"): "dask",
    ("pyarrow", "Table"): "table",
    ("pyarrow", "RecordBatch"): "table",
}
_OPENERS = {
    "hdf file": open_hdf,
    "hdf group": open_hdf_node,
    "hdf": HdfStore.of,
    "zarr folder": open_zarr,
    "zarr group": open_zarr_node,
    "zarr": ZarrStore.of,
    "backed": open_backed,
    "dask": DaskStore,
    "parquet": _open_parquet,
    "table": TableStore,
}
_OPTIONS = {
    "hdf file": "key",
    "hdf group": "key",
    "zarr folder": "key",
    "zarr group": "key",
    "parquet": "columns",
    "table": "columns",
}
