"""CSV files, read as a stream by pyarrow: names, types and blocks of rows.

Types are those of the first block. If a later value does not fit, one more pass finds
types that fit all values. Text becomes ``U`` of the longest value, which takes a pass
over the column: scikit-learn does not take NumPy's ``StringDType``.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import numpy as np

from skmmap.disk import is_path, is_pattern, open_regular, to_path
from skmmap.formats.arrow import (
    check_nulls,
    choose_columns,
    count_from,
    find_common,
    find_dtype,
    is_string,
    to_numpy,
)
from skmmap.formats.shared import are_numbers, find_delimiter, is_csv_name

# No line may be longer; pyarrow reads some thirty blocks ahead.
_CSV_BLOCK = 2**20
_CSV_KINDS = "biufUM"


class Surprise(Exception):
    """A CSV column has another type than in the first block."""


def is_csv(src) -> bool:
    """Whether ``src`` is the path of a CSV or TSV file, by its name."""
    return is_path(src) and is_csv_name(src)


class CsvFile:
    """The columns of a CSV file, which is read block by block."""

    _options: Mapping = MappingProxyType({})  # of how values are read

    def __init__(self, path, columns, dtype):
        self._path, self._where = _check_csv(path), Path(path).name
        self._packing = "gzip" if self._path.lower().endswith(".gz") else None
        self._arrow, self._csv, self._compute = _import_arrow(path)
        schema = self._read_schema(columns)
        self._names = choose_columns(schema, columns, self._where)
        self._is_single, self._given = isinstance(columns, str), dtype
        self._types = {name: schema.field(name).type for name in self._names}
        if dtype is not None:
            self._types = dict.fromkeys(self._names, self._to_arrow(dtype))
        self._nulls, self._is_surveyed, self._width = set(), False, None

    def iter_batches(self) -> Iterator[np.ndarray]:
        """Yield all rows; raise `Surprise` if they do not fit the types."""
        dtype, before = self._find_dtype(), 0
        yield np.empty(self._find_shape(0), dtype)
        for table in self._iter_typed():
            yield self._to_rows(table, dtype, before)
            before += table.num_rows

    def _iter_typed(self) -> Iterator:
        """Yield tables of the types that are known; raise `Surprise` for others."""
        try:
            yield from self._iter_tables(column_types=self._types)
        except self._arrow.ArrowInvalid as error:
            if self._is_surveyed:
                raise self._wrap(error) from error
            raise Surprise from error

    def survey(self) -> None:
        """Find types that all values fit, from one pass over the file."""
        types, before = dict.fromkeys(self._names, self._arrow.string()), 0
        tables = self._iter_tables(column_types=types, strings_can_be_null=True)
        try:
            for table in tables:
                for name in self._names:
                    self._widen(name, table.column(name), before)
                before += table.num_rows
        except self._arrow.ArrowInvalid as error:
            raise self._wrap(error) from error
        self._is_surveyed = True

    def _read_schema(self, columns):
        try:
            with self._open() as reader:
                schema = reader.schema
        except self._arrow.ArrowInvalid as error:
            raise self._wrap(error) from error
        if columns is None:
            _check_names(schema.names, self._where)
        return schema

    @contextmanager
    def _open(self, **options):
        delimiter = find_delimiter(self._path)
        read = self._csv.ReadOptions(block_size=_CSV_BLOCK)
        parse = self._csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        convert = self._csv.ConvertOptions(**{**self._options, **options})
        with (
            # Else pyarrow goes by the name, and knows no ".GZ".
            self._arrow.input_stream(self._path, self._packing) as file,
            self._csv.open_csv(file, read, parse, convert) as reader,
        ):
            yield reader

    def _iter_tables(self, **options) -> Iterator:
        names = list(dict.fromkeys(self._names))
        with self._open(include_columns=names, **options) as reader:
            for batch in reader:
                yield self._arrow.Table.from_batches([batch])

    def _wrap(self, error: Exception) -> ValueError:
        what = str(error).rstrip(".")
        if "straddl" in what:
            what = f"a line is longer than {_CSV_BLOCK:,} bytes"
        return ValueError(
            f"{self._where!r} cannot be read as CSV: {what}. Correct the file, or "
            "write it again."
        )

    def _to_arrow(self, dtype: np.dtype):
        """Return the type to read as, from which a cast to ``dtype`` is exact."""
        if dtype.kind not in _CSV_KINDS:
            raise TypeError(
                f"dtype={str(dtype)!r} was given, and CSV files are read as numbers, "
                "times or text. Give one of these."
            )
        if dtype.kind == "f" and dtype.itemsize not in (4, 8):
            return self._arrow.float64()
        return self._arrow.from_numpy_dtype(dtype.newbyteorder("="))

    def _find_shape(self, n_rows: int) -> tuple:
        return (n_rows,) if self._is_single else (n_rows, len(self._names))

    def _find_dtype(self) -> np.dtype:
        """Return the item type of the file to write."""
        types = self._types
        if self._given is not None and self._given.kind != "U":
            return self._given
        if self._given is not None or (
            self._is_single and is_string(types[self._names[0]])
        ):
            return self._check_width(self._find_width())
        if not self._is_single:
            return find_common(types, self._nulls, self._where)
        (name,) = self._names
        dtype = find_dtype(types[name], name in self._nulls)
        if dtype is None:
            raise TypeError(
                f"Column {name!r} of {self._where!r} is of the type {types[name]}, "
                "which NumPy has no type for. Give dtype=str to read it as text."
            )
        return dtype

    def _find_width(self) -> int:
        """Return the length of the longest string, from one pass over the file."""
        if self._width is None:
            width, length = 1, self._compute.utf8_length
            try:
                for table in self._iter_tables(column_types=self._types):
                    lengths = [length(table.column(name)) for name in self._names]
                    longest = (self._compute.max(n).as_py() or 0 for n in lengths)
                    width = max(width, *longest)
            except self._arrow.ArrowInvalid as error:
                raise self._wrap(error) from error
            self._width = width
        return self._width

    def _check_width(self, width: int) -> np.dtype:
        given = self._given
        kept = given.itemsize // 4 if given is not None else 0
        if kept and width > kept:
            raise ValueError(
                f"{self._where!r} has a text of {width:,} characters, and "
                f"dtype={str(given)!r} keeps {kept:,}. Give dtype=str, which takes as "
                "many as are needed."
            )
        return given if kept else np.dtype(f"U{width}")

    def _to_rows(self, table, dtype: np.dtype, before: int) -> np.ndarray:
        """Return a block as an array."""
        out = np.empty(self._find_shape(table.num_rows), dtype)
        for number, name in enumerate(self._names):
            column = table.column(name)
            if column.null_count and dtype.kind in "biu":
                if self._is_surveyed or self._given is not None:
                    check_nulls(column, name, dtype, count_from(before))
                raise Surprise
            into = out if self._is_single else out[:, number]
            into[...] = to_numpy(column, name, dtype, count_from(before))
        return out

    def _widen(self, name: str, column, before: int) -> None:
        """Take over the first type that all values fit, and whether some are empty."""
        if column.null_count:
            self._nulls.add(name)
        column = self._compute.utf8_trim_whitespace(column)
        known = self._types[name]
        for type_ in self._list_wider(name):
            if self._fits(column, type_):
                self._types[name] = type_
                return
        row = self._find_misfit(column, self._list_wider(name)[-1])
        raise ValueError(self._say_misfit(name, known, before + row, column[row]))

    def _list_wider(self, name: str) -> list:
        arrow, type_ = self._arrow, self._types[name]
        wider = {
            arrow.null(): [arrow.int64(), arrow.float64(), arrow.string()],
            arrow.int64(): [arrow.float64()],
        }
        return [
            type_,
            *(wider.get(type_, []) if self._find_given(name) is None else []),
        ]

    def _find_given(self, name: str):
        """Return the type that the user gave for a column."""
        return self._given

    def _fits(self, column, type_) -> bool:
        if type_ == self._arrow.null():
            return column.null_count == len(column)
        try:
            column.cast(type_)
        except self._arrow.ArrowInvalid:
            return False
        return True

    def _find_misfit(self, column, type_) -> int:
        """Return the first row that does not fit, by halving the column."""
        start, stop = 0, len(column)
        while stop - start > 1:
            middle = (start + stop) // 2
            if self._fits(column.slice(start, middle - start), type_):
                start = middle
            else:
                stop = middle
        return start

    def _say_misfit(self, name: str, known, row: int, value) -> str:
        has = f"Column {name!r} of {self._where!r} has {value.as_py()!r} in row {row:,}"
        if (given := self._find_given(name)) is not None:
            return (
                f"{has}, which dtype={str(given)!r} cannot keep. Correct the "
                "value, or give another dtype."
            )
        return (
            f"{has}, and begins with values of the type {known}. Correct the value, "
            f"choose other columns, or give {self._say_text(name)} to read text."
        )

    def _say_text(self, name: str) -> str:
        return "dtype=str"


def _check_csv(path) -> str:
    path = to_path(path)
    if is_pattern(path):
        raise ValueError(
            f"src={str(path)!r} is a pattern, and CSV files are converted one by one. "
            "Convert each to a .npy file, which open_rows takes together as shards."
        )
    with open_regular(path, f"src={str(path)!r}"):
        return str(path)  # an error of Python's own, rather than one of pyarrow


def _import_arrow(path) -> tuple:
    try:
        import pyarrow
        from pyarrow import compute, csv
    except ImportError as error:
        raise ImportError(
            f"convert({os.fspath(path)!r}, ...) reads CSV files through pyarrow, which "
            "is not installed: pip install 'skmmap[csv]'."
        ) from error
    return pyarrow, csv, compute


def _check_names(names: list, where: str) -> None:
    """Raise if the first line seems to be a row of the data."""
    if are_numbers(names):
        raise ValueError(
            f"The first line of {where!r} must name the columns, and holds numbers: "
            f"{', '.join(names[:5])}. Put a line of names before it; if these are "
            "names, give them as columns=[...]."
        )
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        raise ValueError(
            f"The first line of {where!r} is one name, {names[0]!r}. Values must be "
            "separated by commas in .csv files, by tabs in .tsv files."
        )
