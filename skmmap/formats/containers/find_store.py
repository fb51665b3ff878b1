"""Rows in containers of other libraries, none of which is imported before its use."""

import os
from pathlib import Path

from skmmap.disk import (
    check_regular,
    find_format,
    find_parts,
    is_path,
    to_path,
)
from skmmap.formats.containers.arrow import TableStore
from skmmap.formats.containers.arrow_files import read_columns
from skmmap.formats.containers.dask import (
    DaskStore,
    open_dask,
    open_xarray,
    refuse_frame,
)
from skmmap.formats.containers.grids import (
    HdfStore,
    ZarrStore,
)
from skmmap.formats.containers.parquet import ParquetStore
from skmmap.formats.containers.refused import (
    REFUSED,
    refuse,
)
from skmmap.formats.containers.sparse_groups import (
    open_backed,
    open_hdf,
    open_hdf_node,
    open_zarr,
    open_zarr_node,
)
from skmmap.rows import Store

__all__ = ["DaskStore", "HdfStore", "ParquetStore", "ZarrStore", "open_container"]

_FORMATS = {
    "hdf": "hdf file",
    "zarr": "zarr folder",
    "parquet": "parquet",
    "arrow": "parquet",
}


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


def list_columns(values) -> tuple[int, dict]:
    """Return the rows in such files, and the types of their columns by name."""
    return read_columns([file for value in values for file in _list_files(value)])


def _list_files(path: Path) -> list[Path]:
    if path.is_dir():
        return find_parts(path)
    if path.exists():
        check_regular(path)
    return [path]


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
    **{
        (package, name): "dask frame"
        for package in ("dask", "dask_expr")
        for name in ("DataFrame", "Series", "Index")
    },
    ("xarray", "DataArray"): "xarray",
    **dict.fromkeys(REFUSED, "refused"),
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
    "dask": open_dask,
    "dask frame": refuse_frame,
    "xarray": open_xarray,
    "parquet": _open_parquet,
    "table": TableStore,
    "refused": refuse,
}
_OPTIONS = {
    "hdf file": "key",
    "hdf group": "key",
    "zarr folder": "key",
    "zarr group": "key",
    "parquet": "columns",
    "table": "columns",
}
