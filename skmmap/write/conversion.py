"""``convert``: rows of files of other formats, or samples, as a file to train on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import DTypeLike

from skmmap._types import RowsLike, StrPath
from skmmap.disk import Identity, check_path, find_suffix, is_path, to_path
from skmmap.formats import open_rows
from skmmap.rows import Rows, find_source, holds_frames, is_frame
from skmmap.write.csv import CsvFile, Surprise, is_csv
from skmmap.write.row_batches import continue_rows, write_rows
from skmmap.write.samples import check_samples, write_samples
from skmmap.write.saving import save_rows

_TABLES = ".parquet", ".pq"


@overload
def convert(
    src: RowsLike,
    dst: StrPath,
    *,
    columns: str | Sequence[str] | None = None,
    key: str | None = None,
    dtype: DTypeLike | Mapping[str, DTypeLike] | None = None,
    resume: bool = False,
    progress: bool = False,
) -> Rows: ...
@overload
def convert(
    src: Iterable[tuple[Any, ...]],
    dst: tuple[StrPath, ...] | list[StrPath],
    *,
    columns: None = None,
    key: None = None,
    dtype: DTypeLike | None = None,
    resume: Literal[False] = False,
    progress: bool = False,
) -> tuple[Rows, ...]: ...
def convert(
    src: RowsLike,
    dst: StrPath | tuple[StrPath, ...] | list[StrPath],
    *,
    columns: str | Sequence[str] | None = None,
    key: str | None = None,
    dtype: DTypeLike | Mapping[str, DTypeLike] | None = None,
    resume: bool = False,
    progress: bool = False,
) -> Rows | tuple[Rows, ...]:
    """Write the rows of any source to a ``.npy`` file, without loading them.

    Files of text can become a Parquet file instead, whose columns keep a type each. Use
    it once for data that is trained on often: a ``.npy`` file is memory-mapped,
    and nothing is decoded or parsed again. For rows that are made in batches, use
    `save_rows`. A file at `dst` is replaced once all rows are written, and stays as it
    is if anything fails.

    Parameters
    ----------
    src : path, list of paths, array, Rows or iterator of samples
        - The path of a ``.csv`` or ``.tsv`` file, which may end in ``.gz`` as well. Its
          first line names the columns (needs pyarrow).
        - The path of a file with a JSON object in each line, ``.jsonl`` or ``.ndjson``,
          for a Parquet file.
        - Everything that `open_rows` opens: Parquet, HDF5, zarr, shards, a selection of
          `Rows`. Sparse matrices are refused.
        - A generator, or another iterator, of samples: each item is a row. It
          replaces a loop that appends samples to a list.

    dst : str or path-like, or tuple of them
        Path of the file; it must end in ``.npy``, and must not be a file of `src`. It
        may end in ``.parquet`` for files of CSV and of JSON lines. With a tuple of
        paths, `src` is an iterable of samples, each a tuple with one part for each
        file; all files are written, or none.

    columns : str or list of str, default=None
        Columns of a CSV, Parquet or Arrow file, as in `open_rows`. One name makes a
        one-dimensional array, a list of names a two-dimensional one; None takes all
        columns.

    key : str, default=None
        Name of the dataset in an HDF5 file or zarr group that holds several.

    dtype : dtype, default=None
        Data type of the file. By default that of `src`, of its first sample, or the one
        that all columns have in common: float64 if there are both integers and
        fractions, or empty cells. ``dtype=str`` reads a CSV column as text. For a
        Parquet file, a dict may give it by column: ``{"zip": str}``.

    resume : bool, default=False
        Whether to continue a conversion with ``resume=True`` that was killed or has
        failed, if `src`, `dtype` and versions are the same. It is for a ``.npy`` file
        from what `open_rows` opens, which can be read from any row on. CSV, JSON lines
        and samples are read from their beginning, and refused: write them whole.

    progress : bool, default=False
        Whether to show how many rows are written, and how fast: a progress bar on a
        terminal and in a notebook, if rich is installed (``pip install
        'skmmap[progress]'``), elsewhere a line every ten seconds at most; and one line
        at the end.

    Returns
    -------
    rows : Rows, or tuple of Rows
        The rows of the new file or files; none of them is read.

    Raises
    ------
    TypeError
        If `src` has no rows that a ``.npy`` file can hold: sparse matrices, masked
        arrays, Python objects, or a data type of another kind than `dtype`.

    ValueError
        If `dst` does not end in ``.npy`` or is a file of `src`, an option has no
        meaning for `src`, `src` cannot be resumed, or a value does not fit `dtype`.

    ImportError
        If the library that reads `src` is not installed.

    OSError
        If reading or writing fails.

    See Also
    --------
    save_rows : Writes batches of rows to a ``.npy`` file.
    open_rows : Opens rows where they are.

    Notes
    -----
    Reads: `src` once. A text column of a CSV file is read once before, for its width.
    A CSV file is read twice more if a column has other types than in the first block,
    and JSON lines are read twice.
    Allocates: three blocks of 8 MB, or of 16 MB for a shuffled selection; 100 MB for a
    CSV file; two batches of 8 MB for each file of samples. This does not count a list,
    or what a library holds to decode a row group or chunk.
    Equals: ``np.save(dst, np.asarray(open_rows(src)))`` in C order and native byte
    order; for samples ``np.save(dst, np.array(list(src)))``.

    A Parquet file equals what ``pandas.read_csv(src)`` returns, but for times in ISO
    format, which are parsed. Cells that it takes for missing are, of text as well. Row
    groups have some 100,000 rows, or 16 MB.

    In a CSV file, empty lines are skipped, and empty cells are NaN. A missing string
    becomes an empty string. Integers above 2**53 are rounded in float64.

    Several files take their places once all of them are written: the old files are
    moved away first, and moved back if a step fails. A process that is killed in
    between leaves files missing, never a new one beside an old one; the old files are
    then called ``.skmmap_*.old``.

    Examples
    --------
    >>> import os, tempfile
    >>> from skmmap import convert
    >>> folder = tempfile.TemporaryDirectory()
    >>> X_npy, y_npy = (os.path.join(folder.name, name) for name in ("X.npy", "y.npy"))
    >>> convert(([i, i / 2, 1.0] for i in range(1000)), X_npy).shape
    (1000, 3)
    >>> samples = (([float(i), 1.0], i % 2) for i in range(1000))
    >>> X, y = convert(samples, (X_npy, y_npy))
    >>> X.shape, y.shape
    ((1000, 2), (1000,))
    >>> convert(X[:10], "X.csv")
    Traceback (most recent call last):
        ...
    ValueError: dst must end in '.npy'; got 'X.csv'. Write 'X.csv.npy'.
    >>> folder.cleanup()
    """
    options = {"columns": columns, "key": key}
    if resume:
        _check_resumable(src, dst)
    if is_path(dst) and find_suffix(dst) in _TABLES:
        return _convert_table(src, dst, options, dtype, progress)
    is_several = isinstance(dst, tuple | list)
    paths = [_check_dst(path) for path in (dst if is_several else [dst])]
    dtype = None if dtype is None else np.dtype(dtype)
    if is_several or isinstance(src, Iterator):
        _refuse_options(options, "samples")
        written = write_samples(check_samples(src), paths, dtype, is_several, progress)
        return tuple(written) if is_several else written[0]
    if is_csv(src):
        src = to_path(src)
        _refuse_options({"key": key}, repr(str(src)))
        _refuse_same(paths[0], is_same=Identity.read([src]).covers(paths[0]))
        return _write_csv(CsvFile(src, columns, dtype), paths[0], progress)
    _refuse_csv_list(src)
    rows = _open_dense(src, options)
    _refuse_same(paths[0], is_same=find_source(rows).store.reads_from(paths[0]))
    write = continue_rows if resume else write_rows
    return write(rows, paths[0], dtype, progress)


def _check_resumable(src, dst) -> None:
    """Raise unless rows can be read from any place on, and go to one ``.npy`` file."""
    what = "src"
    if is_path(dst) and find_suffix(dst) in _TABLES:
        what = f"{str(to_path(src))!r}" if is_path(src) else what
    elif is_csv(src):
        what = repr(str(to_path(src)))
    elif isinstance(src, Iterator) or isinstance(dst, tuple | list):
        what = "an iterable of samples"
    else:
        return
    raise ValueError(
        f"resume=True begins at the row where a killed conversion was, and {what} can "
        "only be read from its beginning. Leave resume out: the file is written whole, "
        "or not at all."
    )


def _convert_table(src, dst, options: dict, dtype, progress: bool) -> Rows:
    """Write a file of text as a Parquet file."""
    from skmmap.write.csv_table import CsvTable
    from skmmap.write.json_table import JsonTable, is_json_lines
    from skmmap.write.tables import write_table

    path = check_path(dst, "dst", _TABLES)
    if not is_csv(src) and not is_json_lines(src):
        raise ValueError(
            f"dst={str(path)!r} is a Parquet file, to which files of CSV (.csv, .tsv) "
            "and of JSON lines (.jsonl, .ndjson) are converted. Give the path of one "
            "as src, or a dst that ends in '.npy'."
        )
    src, columns = to_path(src), options["columns"]
    _refuse_options({"key": options["key"]}, repr(str(src)))
    if is_csv(src):
        return write_table(CsvTable(src, columns, dtype), path, progress)
    _refuse_options({"dtype": dtype}, repr(str(src)))
    return write_table(JsonTable(src, columns), path, progress)


def _check_dst(path) -> Path:
    if not is_path(path):
        raise TypeError(
            "dst must be a str or a pathlib.Path, or a tuple of them; got "
            f"{type(path).__name__}."
        )
    return check_path(path, "dst")


def _refuse_options(options: dict, what: str) -> None:
    """Raise for an option that has no effect on such a source."""
    for name, option in options.items():
        if option is not None:
            raise ValueError(f"{name} has no meaning for {what}; got {option!r}.")


def _refuse_csv_list(src) -> None:
    """Raise for a list of CSV files: types of columns are found for each file."""
    if isinstance(src, list | tuple) and src and all(map(is_csv, src)):
        raise ValueError(
            f"src is a list of {len(src):,} CSV files, and CSV files are converted one "
            "by one. Convert each to a .npy file, which open_rows takes together as "
            "shards."
        )


def _refuse_same(dst: Path, *, is_same: bool) -> None:
    if is_same:
        raise ValueError(
            f"dst={str(dst)!r} is a file of src, too. Write to another path; "
            "then replace the file with os.replace."
        )


def _open_dense(src, options: dict) -> Rows:
    """Return the rows of ``src``, if a dense array can hold them."""
    if isinstance(src, np.ma.MaskedArray):
        raise TypeError(
            "src is a masked array, and a .npy file holds no mask. Pass "
            "src.filled(value)."
        )
    rows = open_rows(src, **options)
    if not (isinstance(src, Rows) or is_frame(src)) and holds_frames(
        find_source(rows).store
    ):
        open_rows(src, as_frame=False, **options)  # which says what fits an array
    if find_source(rows).store.is_sparse:
        raise TypeError(
            "src is a sparse matrix, and a .npy file holds all values. Keep it sparse, "
            "its data, indices and indptr each saved by np.save in one folder, which "
            "open_rows opens; or pass matrix.toarray() where that fits in memory."
        )
    return rows


def _write_csv(file: CsvFile, path: Path, progress: bool) -> Rows:
    with suppress(Surprise):
        return save_rows(path, file.iter_batches(), progress=progress)
    file.survey()
    return save_rows(path, file.iter_batches(), progress=progress)
