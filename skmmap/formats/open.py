"""The only place that opens inputs: ``open_rows``, and what ``fit`` is given."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from skmmap._types import RowsLike
from skmmap.disk import (
    check_regular,
    find_paths,
    is_path,
    is_pattern,
    looks_like_url,
    to_path,
)
from skmmap.formats.adapters import find_adapter, find_common
from skmmap.formats.lists import check_rows, is_shards
from skmmap.formats.new_file import create_file, is_writable
from skmmap.formats.numpy import raw
from skmmap.formats.shared import UNSET, check_options, refuse_unknown
from skmmap.remote import at_once, is_url, say_url
from skmmap.rows import Rows, Source, Store, find_source, join_shards

_MODES = {
    "readonly": "r",
    "copyonwrite": "c",
    "readwrite": "r+",
    "write": "w+",
}


def open_rows(
    source: RowsLike,
    *,
    mode: Literal["r", "r+", "w+", "c"] = "r",
    dtype: DTypeLike | None = None,
    shape: tuple[int | None, ...] | None = None,
    offset: int = 0,
    order: Literal["C", "F"] = "C",
    columns: str | Sequence[str] | None = None,
    as_frame: bool | Literal["auto", "pandas", "polars"] = "auto",
    filters: list | None = None,
    key: str | int | None = None,
    axis: int | None = None,
    storage_options: dict | None = None,
    cache: int | str | None = "auto",
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
        - A URL such as ``"s3://bucket/X.npy"``, of any protocol of fsspec (needs
          fsspec), also in lists and patterns: a ``.npy`` object, or a raw one with
          `dtype`. It is read by ranges, never as a whole.
        - A memory map, or a view of one: its file is opened again by its address.
        - An HDF5 file or dataset (needs h5py), a zarr array (zarr), a tensor in a
          safetensors file, Parquet, Arrow and ORC files, or a folder of them (pyarrow),
          a dask array. Files are known by their first bytes, whatever they are called.
          Columns that make no array become rows of data frames.
        - A lazy frame of polars, a relation of DuckDB, a reader, scanner or dataset of
          pyarrow, a table of ibis, or another object with ``__arrow_c_stream__``: its
          rows are computed once, into a temporary file.
        - A generator or another iterator of batches: arrays, CSR matrices, or pandas,
          polars and pyarrow tables, all of the type of the first. They are written to
          a temporary file as they come.
        - A URL, such as ``"s3://bucket/X.npy"`` (needs fsspec), of a ``.npy``, Parquet
          or ORC file, of a zarr array, of raw values, a pattern of such, or a folder of
          tables. Ranges of it are read.
        - An array, a sparse matrix, a pandas or polars frame, a list, `Rows`, and
          anything else with ``shape``, ``dtype`` and slicing.

    mode : {"r", "r+", "w+", "c"}, default="r"
        As in ``np.memmap``: read-only; ``rows[key] = values`` writes to the file; a
        new file of `dtype` and `shape` is written; or values are written to memory
        only. Modes other than "r" are for ``.npy`` and raw files and for arrays. With
        "r+", somebody may write to the file while a run reads it.

    dtype : dtype, default=None
        Type of the values of a raw file, or of a new file; or that of genotypes of
        PLINK: float32 (None), float64 or int8.

    shape : tuple of int, default=None
        Shape of the array in a raw or a new file, or of a CSR matrix. For a raw file,
        -1 in the first place, or None, stands for as many rows as there are.

    offset : int, default=0
        Bytes before the first value in a raw file.

    order : {"C", "F"}, default="C"
        Order of the values in a raw or a new file.

    columns : str or list of str, default=None
        Columns of a Parquet or Arrow file, of a FITS table, of a query, or of `Rows` of these: X and y
        of one query are columns of the same `Rows`. One name makes a one-dimensional array, or,
        if it holds lists of one length or tensors, one with a list in each row. Of
        several columns, each list is as many columns as it is long. None is all.

    as_frame : bool or {"auto", "pandas", "polars"}, default="auto"
        Whether rows of such a table are data frames, whose columns keep
        their types. "auto" makes an array of columns that fit one, and frames of
        others, such as numbers beside text. Frames are of polars if scikit-learn's
        configuration has ``transform_output="polars"``, else of pandas, unless one of
        them is named.

    filters : list of tuple, or list of lists of tuple, default=None
        Rows of Parquet, Arrow or ORC files that are to be there, as pandas and pyarrow
        take them: conditions ``(column, operator, value)`` that must all hold, or lists
        of such, one of which must. Operators are ``=``, ``!=``, ``<``, ``<=``, ``>``,
        ``>=``, ``in`` and ``not in``. A missing value passes ``not in`` alone, and
        ``in`` with None among the values; NaN also passes ``!=``. Columns may be those
        of the files, and keys in names of folders.

    key : str or int, default=None
        Name of the dataset in an HDF5 file or zarr group, or of the tensor in a
        safetensors file, that holds several. In files of anndata also that of a matrix
        (``"X"``, ``"raw/X"``) or of a column (``"obs/cell_type"``).
        Of a FITS file it is the name or number of the HDU.

    axis : int, default=None
        Axis of the stored array whose items are rows, for a format that does not say
        which one that is. None is its natural one: the last axis of a NIfTI image,
        whose rows are volumes, or slices of one volume; of genotypes of PLINK axis 0,
        persons, where axis 1 are variants.

    storage_options : dict, default=None
        What the file system of a URL is opened with, such as credentials: it is passed
        to ``fsspec.core.url_to_fs``, and never shown.

    cache : int, str or None, default="auto"
        How much of the file behind a URL is kept on disk once it was read, in
        a temporary file: a number of bytes or a size such as ``"20GB"``. "auto" is a
        quarter of what is free there, 8 GiB at most; None keeps nothing.

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
    Reads: the header; of a Parquet or Arrow file also columns of strings or lists for
    an array, for their lengths, and of categories for frames; of HDF5 and zarr strings,
    categories and nullable columns. Of a query all rows.
    Allocates: nothing; with `filters` up to 4 bytes for each row that passes; some rows, or one small row group, while lengths are found. For
    a query, what its engine needs and two batches of rows; on the disk, in
    ``tempfile.gettempdir()``, what all of its rows would take in memory.
    Equals: ``np.load(path, mmap_mode=mode)`` for a ``.npy`` file, without a map; frames
    of pandas are slices of what ``pandas.read_parquet(path)`` returns, with row numbers
    as their index. Rows of a query are those that it gives at once, in the order of its
    engine; computed again, as another query is for y, that may be another order.

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
    if not isinstance(storage_options, dict | None):  # its values may be secrets
        raise TypeError(
            "storage_options must be a dict, such as {'anon': True}, or None; got a "
            f"{type(storage_options).__name__}."
        )
    given = dtype, shape, offset, order, columns, as_frame, filters, key, axis
    given = *given, storage_options, cache
    options = dict(zip(UNSET, (_check_mode(mode), *given), strict=True))
    return Rows(_open(source, "source", options, is_text=False))


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
    source = _open(value, name, UNSET, is_text=True)
    check_rows(source.store, name)
    return source


def open_stream(value, name: str):
    """Return `Rows` of an object that computes them, and any other object as it is.

    For what is opened more than once: each time, a query is run again.
    """
    if isinstance(value, np.ndarray | Rows) or is_path(value):
        return value
    from skmmap.formats.objects import batches, streams

    is_once = streams.is_mine(value) or batches.is_mine(value)
    return Rows(open_source(value, name)) if is_once else value


def _open(value, name: str, options: dict, is_text: bool) -> Source:
    """Return the source of what `open_rows`, or `fit`, was given."""
    if isinstance(value, Rows):
        return _choose(value, options)
    if is_url(value):
        return _open_url(value, name, options)
    if is_path(value) and not is_pattern(path := to_path(value)):
        return _choose_rows(_open_path(path, name, options))
    if is_path(value) or is_shards(value, is_text=is_text):
        return _open_shards(value, name, options, is_text)
    if options["mode"] == "w+":
        raise ValueError("mode='w+' writes a new file; give its path as source.")
    return Source(_open_with(find_adapter(value), value, name, options))


def _open_url(url: str, name: str, options: dict) -> Source:
    """Return the source of what is behind a URL, or a pattern of such."""
    from skmmap.formats.remote import list_urls, open_url

    urls = list_urls(url, options)
    if urls is None:
        return _choose_rows(open_url(url, name, options))
    return _join_urls(urls, name, options)


def _join_urls(urls: list, name: str, options: dict) -> Source:
    """Return several files behind URLs as one array or table."""
    from skmmap.formats.remote import join_urls, open_url

    if (store := join_urls(urls, options)) is not None:
        return _choose_rows(store)
    shards = at_once(lambda url: Source(open_url(url, name, options)), urls)
    return Source(join_shards(shards, [say_url(url) for url in urls]))


def _choose_rows(store: Store) -> Source:
    """Return the rows of a store that options chose, which are then its source's."""
    # Without any, stores of one file are pickled alike, however they were opened.
    return Source(store, vars(store).pop("selection", None))


def _choose(rows: Rows, options: dict) -> Source:
    """Return the source of rows, or of some columns of them, if they are a table's."""
    source = find_source(rows)
    taken = ("columns", "as_frame") if hasattr(source.store, "choose") else ()
    check_options(rows, options, taken)
    given = {key: options[key] for key in taken}
    if all(option == UNSET[key] for key, option in given.items()):
        return source
    store = source.store.choose(**given)
    return Source(store, source.selection, source.order, source.cast)


def _open_with(
    adapter: ModuleType, source, name: str, options: dict, said=None
) -> Store:
    """Return the store of a source, opened with the options that its format has.

    ``said`` is what messages about options call it, if not the source.
    """
    taken = adapter.FORMAT.options
    check_options(source if said is None else said, options, taken)
    try:
        return adapter.open_store(source, name, **{key: options[key] for key in taken})
    except Exception as error:
        if is_path(source) and to_path(source).name not in str(error):
            error.add_note(f"while opening {name}={os.fspath(source)!r}")
        raise


def _open_path(path: Path, name: str, options: dict) -> Store:
    if path.exists() and not path.is_dir():  # before a library opens it
        check_regular(path, f"{name}={str(path)!r}")
    if options["mode"] == "w+" and is_writable(path):
        return create_file(path, options)
    _check_exists(path)
    adapter = find_adapter(path, options["dtype"])
    if adapter is None:
        raise IsADirectoryError(
            f"{name}={str(path)!r} is a folder. For the .npy files in it as one array, "
            f"give {str(path / '*.npy')!r}; a CSR matrix needs data.npy, indices.npy "
            "and indptr.npy."
        )
    if adapter is raw and options["dtype"] is None:  # whatever the other options say
        refuse_unknown(path, name)
    return _open_with(adapter, path, name, options)


def _check_exists(path: Path) -> None:
    """Raise for a missing file as Python does; each library words it in its own way."""
    if not path.exists():
        said = os.strerror(errno.ENOENT)
        if looks_like_url(path):
            said = "A URL is given as text, not as a Path"
        raise FileNotFoundError(errno.ENOENT, said, str(path))


def _open_shards(given, name: str, options: dict, is_text: bool) -> Source:
    """Return the source of a pattern or a list, whose items become one array."""
    if options["mode"] == "w+":
        given = to_path(given) if is_path(given) else given
        raise ValueError(f"mode='w+' writes one new file; got source={given!r}.")
    items = find_paths(to_path(given), name) if is_path(given) else list(given)
    if all(map(is_url, items)):
        return _join_urls(items, name, options)
    if adapter := find_common(items):
        return _choose_rows(_open_with(adapter, items, name, options, items[0]))
    shards = [_open(item, name, options, is_text) for item in items]
    return Source(join_shards(shards, items))


def list_arrays(source) -> tuple[str | None, list]:
    """Return the option of `open_rows` that names an array in a file, and the arrays.

    The option is "key" or "columns", or None if there is nothing to choose.
    """
    if is_url(source):
        return None, []
    path = to_path(source)
    items = find_paths(path, "path") if is_pattern(path) else [path]
    _check_exists(items[0])
    adapter = find_common(items)
    if adapter is None and len(items) == 1 and not is_pattern(path):
        adapter, items = find_adapter(path), path
    options = {"key", "columns"} & {*getattr(adapter, "FORMAT", ((), ()))[1]}
    if not options:
        return None, []
    option = adapter.find_option(items) if len(options) > 1 else options.pop()
    return option, adapter.list_arrays(items)


def find_files(path: Path, name: str) -> list[Path]:
    """Return the files that rows of a path, or of a pattern, come from."""
    found = find_paths(path, name) if is_pattern(path) else [path]
    adapter = find_common(found)
    return found if adapter is None else adapter.list_files(found)
