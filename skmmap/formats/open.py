"""The only place that opens inputs: ``open_rows``, and what ``fit`` is given."""

import os
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike
from scipy import sparse

from skmmap._types import RowsLike
from skmmap.disk import (
    NPY,
    SUFFIXES,
    check_regular,
    create,
    find_format,
    find_paths,
    find_suffix,
    is_path,
    is_pattern,
    make_header,
    to_path,
)
from skmmap.formats.containers import (
    are_tables,
    check_loaded,
    is_masked,
    open_container,
    open_lazy,
    open_tables,
)
from skmmap.formats.files import (
    NPZ,
    MapStore,
    check_dtype,
    check_offset,
    check_shape,
    is_csr_folder,
    open_csr,
    open_npy,
    open_raw,
)
from skmmap.formats.lists import (
    check_list,
    check_rows,
    is_shards,
)
from skmmap.rows import (
    ArrayStore,
    FrameStore,
    ListStore,
    Rows,
    Source,
    SparseStore,
    Store,
    find_source,
    is_frame,
    is_series,
    join_shards,
)

_MODES = {
    "readonly": "r",
    "copyonwrite": "c",
    "readwrite": "r+",
    "write": "w+",
}
_UNSET = {
    "dtype": None,
    "shape": None,
    "offset": 0,
    "order": "C",
    "columns": None,
    "key": None,
}
_RAW = ("dtype", "shape", "offset", "order")


def open_rows(
    source: RowsLike,
    *,
    mode: Literal["r", "r+", "w+", "c"] = "r",
    dtype: DTypeLike | None = None,
    shape: tuple[int | None, ...] | None = None,
    offset: int = 0,
    order: Literal["C", "F"] = "C",
    columns: str | Sequence[str] | None = None,
    key: str | None = None,
) -> Rows:
    """Open rows where they are, without loading them.

    Parameters
    ----------
    source : path, list of paths, array or container of rows
        - A path to a ``.npy`` file. Nothing is ever unpickled.
        - A list of paths, maps, `Rows` or containers, or a pattern such as
          ``"X_*.npy"``: shards, which become one array. Files that a pattern finds
          are ordered by the numbers in their names: ``X_2.npy`` before ``X_10.npy``.
          A name that exists is no pattern, and the name of a folder that exists none
          either.
        - A path to a raw binary file, with `dtype`, and `shape`, `offset` and
          `order` as ``np.memmap`` has them.
        - A folder with ``data.npy``, ``indices.npy`` and ``indptr.npy``: a CSR matrix.
          Its number of columns is in `shape`, or in a file ``shape.npy``; else the
          indices are read once for it.
        - A memory map, or a view of one: its file is opened again by its address.
        - An HDF5 file or dataset (needs h5py), a zarr array (zarr), Parquet and Arrow
          files, or a folder of them (pyarrow), a dask array. Files are known by their
          first bytes, whatever they are called.
        - An array, a sparse matrix, a pandas or polars frame, a list, `Rows`, and
          anything else with ``shape``, ``dtype`` and slicing.

    mode : {"r", "r+", "w+", "c"}, default="r"
        As in ``np.memmap``: read-only; ``rows[key] = values`` writes to the file; a
        new file of `dtype` and `shape` is written; or values are written to memory
        only. Modes other than "r" are for ``.npy`` and raw files and for arrays. With
        "r+", somebody may write to the file while a run reads it.

    dtype : dtype, default=None
        Type of the values of a raw file, or of a new file.

    shape : tuple of int, default=None
        Shape of the array in a raw or a new file, or of a CSR matrix. For a raw file,
        -1 in the first place, or None, stands for as many rows as there are.

    offset : int, default=0
        Bytes before the first value in a raw file.

    order : {"C", "F"}, default="C"
        Order of the values in a raw or a new file.

    columns : str or list of str, default=None
        Columns of a Parquet or Arrow file. One name makes a one-dimensional array, or,
        if it holds lists of one length or tensors, one with a list in each row. Of
        several columns, each list is as many columns as it is long. None is all.

    key : str, default=None
        Name of the dataset in an HDF5 file or zarr group that holds several.

    Returns
    -------
    rows : Rows
        The rows, none of them read yet.

    See Also
    --------
    numpy.memmap : What maps files.
    save_rows : Write rows to a ``.npy`` file, batch by batch.

    Notes
    -----
    Reads: the header; of a Parquet or Arrow file also columns of strings or lists, row
    group by row group, for their lengths.
    Allocates: nothing; one row group while lengths are found.
    Equals: ``np.load(path, mmap_mode=mode)`` for a ``.npy`` file, without a map.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from skmmap import open_rows
    >>> folder = tempfile.TemporaryDirectory()
    >>> for number in range(3):
    ...     np.save(os.path.join(folder.name, f"X_{number}.npy"), np.ones((100, 4)))
    >>> open_rows(os.path.join(folder.name, "X_*.npy"))
    <Rows: 300 x 4 float64 of 3 shards, X_0.npy to X_2.npy: 9.6 kB on disk, 0 bytes in memory>
    >>> open_rows(os.path.join(folder.name, "X_?.bin"))
    Traceback (most recent call last):
        ...
    FileNotFoundError: source=... matches no file.
    >>> folder.cleanup()
    """  # noqa: E501
    if order not in ("C", "F"):
        raise ValueError(f"order must be 'C' or 'F'; got {order!r}.")
    values = dtype, shape, offset, order, columns, key
    options = dict(zip(_UNSET, values, strict=True))
    mode = _check_mode(mode)
    return Rows(_open(source, "source", mode, options, is_text=False))


def _check_mode(mode) -> str:
    mode = _MODES.get(mode, mode)
    if mode not in _MODES.values():
        raise ValueError(f"mode must be 'r', 'r+', 'w+' or 'c'; got {mode!r}.")
    return mode


def open_source(value, name: str) -> Source:
    """Return ``value`` as a source: rows that are read by slice, never whole.

    ``value`` is what `ChunkedFit` takes as X, y or weights: anything that `open_rows`
    takes, and lists of texts. ``name`` is what the user calls it.
    """
    source = _open(value, name, "r", _UNSET, is_text=True)
    check_rows(source.store, name)
    return source


def _open(value, name: str, mode: str, options: dict, is_text: bool) -> Source:
    """Return the source of what `open_rows`, or `fit`, was given."""
    if isinstance(value, Rows):
        _refuse_others(value, mode, options)
        return find_source(value)
    if is_path(value):
        return Source(_open_path(value, name, mode, options))
    if is_shards(value, is_text=is_text):
        _check_one_file(value, mode)
        if are_tables(value):
            return Source(_open_tables(value, mode, options))
        shards = [_open(shard, name, mode, options, is_text) for shard in value]
        return Source(join_shards(shards, list(value)))
    if isinstance(value, np.ndarray) and not is_masked(value):
        _refuse_others(value, "r", options)
        return Source(_open_array(value, name, mode))
    container = open_container(value, key=options["key"], columns=options["columns"])
    _refuse_others(value, mode, options, ("key", "columns") if container else ())
    return Source(container or _open_object(value, name))


def _open_object(value, name: str) -> Store:
    """Return the store of rows that are in this process."""
    if isinstance(value, np.lib.npyio.NpzFile):
        raise TypeError(NPZ.format(name=name, path="an .npz archive"))
    if is_series(value) and not hasattr(value, "shape"):  # a LazyFrame of polars
        check_loaded(value, name)
    if sparse.issparse(value):
        return SparseStore(value)
    # A column of texts as X stays one: skrub's GapEncoder takes nothing else.
    if is_frame(value) or (name == "X" and is_series(value)):
        return FrameStore(value)
    if isinstance(value, list | tuple):
        return ListStore(check_list(value, name))
    if not is_series(value):
        if all(hasattr(value, has) for has in ("shape", "dtype", "__getitem__")):
            _check_array(value, name, type(value).__name__)
            return open_lazy(value)
        check_loaded(value, name)
    return _open_array(_to_array(value, name), name, "r", type(value).__name__)


def _to_array(value, name: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError as error:  # which says nothing of what was given
        raise ValueError(
            f"{name} is of the type {type(value).__name__}, which does not become an "
            f"array: {str(error).rstrip('.')}. Give what holds its rows: an array, a "
            "frame, a matrix or a list."
        ) from error


def _refuse_others(value, mode: str, options: dict, taken=(), modes=("r",)) -> None:
    """Raise for an option that would be ignored for such a source."""
    what = repr(os.fspath(value)) if is_path(value) else f"a {type(value).__name__}"
    if mode not in modes:
        raise ValueError(
            f"mode must be {' or '.join(map(repr, modes))} for {what}; got {mode!r}."
        )
    for name, option in options.items():
        if name not in taken and option is not _UNSET[name] and option != _UNSET[name]:
            raise ValueError(f"{name} has no meaning for {what}; got {option!r}.")


def _open_array(array: np.ndarray, name: str, mode: str, kind: str = "") -> Store:
    """Return the store of an array: by its address if it is of a file."""
    _check_array(array, name, kind or type(array).__name__)
    if mode == "w+":
        raise ValueError("mode='w+' writes a new file; give its path as source.")
    if mode != "c" and (store := MapStore.of(array, mode)) is not None:
        return store
    return ArrayStore(array.copy() if mode == "c" else array, mode)


def _check_array(array, name: str, kind: str) -> None:
    """Raise for what has no rows; ``kind`` is what the array was made of."""
    if isinstance(array, np.matrix):
        raise TypeError(
            f"{name} is an np.matrix, which is not supported; pass np.asarray({name})."
        )
    if not array.shape:
        raise TypeError(f"{name} must be rows; got {kind}.")


def _open_path(value, name: str, mode: str, options: dict) -> Store:
    path = to_path(value)
    if is_pattern(path):
        _check_one_file(path, mode)
        paths = find_paths(path, name)
        if are_tables(paths):
            return _open_tables(paths, mode, options)
        shards = [Source(_open_path(shard, name, mode, options)) for shard in paths]
        return join_shards(shards, paths)
    if path.exists() and not path.is_dir():  # before a library opens it
        check_regular(path, f"{name}={str(path)!r}")
    store = (
        None
        if _is_plain(path, mode, options["dtype"])
        else open_container(path, key=options["key"], columns=options["columns"])
    )
    if store is not None:
        _refuse_others(path, mode, options, ("key", "columns"))
        return store
    if path.is_dir():
        return _open_folder(path, name, mode, options)
    if mode == "w+":
        return _create(path, options)
    if options["dtype"] is not None and find_suffix(path) not in NPY:
        _refuse_others(path, mode, options, _RAW, ("r", "r+", "c"))
        return open_raw(path, **{name: options[name] for name in _RAW}, mode=mode)
    store = open_npy(path, name, mode)
    _refuse_others(path, mode, options, (), ("r", "r+", "c"))
    return store


def _open_tables(values, mode: str, options: dict) -> Store:
    """Return one store of all: what strings and nulls need is told by all of them."""
    for value in values:
        _refuse_others(value, mode, options, ("columns",))
    return open_tables(values, options["columns"])


def _is_plain(path: Path, mode: str, dtype) -> bool:
    """Whether a file is to be made, or is of no format but the type that is given."""
    if find_suffix(path) in SUFFIXES:
        return False
    return mode == "w+" or (dtype is not None and find_format(path) in ("", "npy"))


def _check_one_file(source, mode: str) -> None:
    if mode == "w+":
        raise ValueError(f"mode='w+' writes one new file; got source={source!r}.")


def _open_folder(path: Path, name: str, mode: str, options: dict) -> Store:
    if is_csr_folder(path):
        _refuse_others(path, mode, options, ("shape",))
        return open_csr(path, name, options["shape"])
    raise IsADirectoryError(
        f"{name}={str(path)!r} is a folder. For the .npy files in it as one array, "
        f"give {str(path / '*.npy')!r}; a CSR matrix needs data.npy, indices.npy and "
        "indptr.npy."
    )


def _create(path: Path, options: dict) -> Store:
    """Write a new file of zeros, as ``np.memmap`` does, and return its store."""
    _refuse_others(path, "w+", options, _RAW, ("w+",))
    dtype, offset, order = options["dtype"], options["offset"], options["order"]
    if dtype is None or options["shape"] is None:
        raise ValueError("mode='w+' needs dtype and shape of the new file.")
    dtype, shape = check_dtype(dtype), check_shape(options["shape"])
    n_bytes = prod(shape) * dtype.itemsize
    if find_suffix(path) in NPY:
        _refuse_others(path, "w+", options, ("dtype", "shape", "order"), ("w+",))
        header = make_header(dtype, shape, order)
        create(path, header, len(header) + n_bytes)
        return open_npy(path, "source", "r+")
    create(path, b"", check_offset(offset) + n_bytes)
    return open_raw(path, dtype, shape, offset=offset, order=order, mode="r+")
