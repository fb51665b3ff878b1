"""Parquet, Arrow IPC and ORC files, and folders of them (needs pyarrow)."""

import hashlib
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from skmmap.disk import (
    Identity,
    by_numbers,
    check_regular,
    find_suffix,
    is_path,
    read_state,
    to_path,
)
from skmmap.formats.arrow import (
    MAGIC,
    SUFFIXES,
    WHOLE_NBYTES,
    ArrowStore,
    FramesOfArrow,
    GroupStream,
    check_schemas,
    choose_again,
    choose_library,
    describe_columns,
    estimate_nbytes,
    find_filled,
    open_arrow,
    read_schema,
)
from skmmap.formats.shared import ArrayInfo, Format
from skmmap.order import join_units

FORMAT = Format(suffixes=SUFFIXES, options=("columns", "as_frame"), joins=True)


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is a Parquet, Arrow IPC or ORC file, or a folder with such files."""
    if first:
        return first.startswith(MAGIC)
    return is_path(source) and os.path.isdir(source) and bool(_list_parts(source))


def list_arrays(source) -> list[ArrayInfo]:
    """Return the columns of a file, or of several as one."""
    return describe_columns(*read_schema(list_files(source)))


def open_store(source, name: str, *, columns=None, as_frame="auto") -> "ParquetStore":
    """Return one store of a file or folder, or of a list of these.

    What strings and nulls need is known from all files together.
    """
    paths = find_filled(list_files(source))
    schema = check_schemas(paths, columns)
    library = choose_library(schema, columns, as_frame, paths[0].name)
    return _open(paths, columns, library)


def _open(paths, columns, library: str) -> "ParquetStore":
    if library:
        return ParquetFrames(paths, columns, library)
    return ParquetStore(paths, columns)


def list_files(source) -> list[Path]:
    """Return the files at a path, or at several: those in a folder one by one."""
    paths = [source] if is_path(source) else source
    return [file for path in paths for file in _list_inside(to_path(path))]


def _list_inside(path: Path) -> list[Path]:
    if path.is_dir():
        return _find_parts(path)
    if path.exists():
        check_regular(path)
    return [path]


def _find_parts(folder: Path) -> list[Path]:
    """Return the files of tables in a folder, part-2 before part-10."""
    parts = _list_parts(folder)
    for part in parts:
        if part.is_dir():
            raise ValueError(
                f"{str(folder)!r} is partitioned by folders such as {part.name!r}, "
                "whose values are in no file. Give one of these folders; or, for all "
                f"rows without that column, {str(folder / '**' / '*.parquet')!r}."
            )
        check_regular(part)
    return [Path(path) for path in sorted(map(str, parts), key=by_numbers)]


def _list_parts(folder: Path) -> list[Path]:
    """Return the parts in a folder, and its partitions.

    Spark, dask and pyarrow begin the names of what else they write with "_" or ".".
    """
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if _is_part(entry)]


def _is_part(entry: os.DirEntry) -> bool:
    if entry.name.startswith((".", "_")):
        return False
    if find_suffix(entry.name) in SUFFIXES:
        return not entry.is_dir()
    return "=" in entry.name and entry.is_dir()


class ParquetStore(ArrowStore):
    """Rows of Parquet, Arrow IPC or ORC files, one row group in memory at a time."""

    is_decoded = True
    _coded: tuple = ()

    def __init__(self, paths, columns=None):
        paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        self.paths = find_filled([Path(os.path.abspath(path)) for path in paths])
        self._forget()
        # Such a file cannot be changed in place, only written as a whole.
        self._opened = self._run = Identity.read(self.paths).read_again()
        self._describe(self._read_schema(columns), columns)
        self._last = None

    def _read_schema(self, columns):
        return check_schemas(self.paths, columns)

    @property
    def where(self) -> str:
        name = self.paths[0].name
        if len(self.paths) > 1:
            name = f"{len(self.paths):,} files: {name} to {self.paths[-1].name}"
        return f"{name}:{self.columns}" if isinstance(self.columns, str) else name

    def choose(self, columns, as_frame) -> "ParquetStore":
        self._check_open()
        schema = self._read_schema(self.list_columns())
        columns, library = choose_again(self, schema, columns, as_frame)
        chosen = _open(self.paths, columns, library)
        self._used.update(self.paths)
        self._check_files()  # afterwards: they may be replaced meanwhile
        return chosen

    @property
    def _is_mapped(self) -> bool:
        self._find_groups()
        return any(is_mapped for _, _, is_mapped, _ in self._groups)

    def _forget(self) -> None:
        """Forget what can be read again."""
        self._groups = self._stops = self._last = self._stream = None
        self._used = set()  # files that were read since they were last checked

    def _find_rows(self):
        groups, counts, nulls, nbytes, schemas = [], [0], set(), 0, []
        for path in self.paths:
            with open_arrow(path) as file:
                schemas.append(str(file.schema))
                counts += file.find_counts(self._names)
                nulls |= file.find_nulls(self._names)
                nbytes += file.find_nbytes(self._names)
                decoded = file.find_decoded(self._names)
                is_mapped = file.is_mapped
            groups += [(path, i, is_mapped, n) for i, n in enumerate(decoded)]
        self._groups, self._stops = groups, np.cumsum(counts)
        self._disk_nbytes = nbytes
        self._check_facts(hashlib.blake2b(repr((schemas, counts)).encode()).digest())
        return int(self._stops[-1]), nulls

    def _check_facts(self, facts: bytes) -> None:
        """Raise unless schemas and row groups are those that the files had before."""
        if not self._run.facts:
            self._opened = self._run = replace(self._run, facts=(facts,))
        elif self._run.facts != (facts,):
            self._forget()
            raise ValueError(
                f"{self.where!r} has other row groups than before. Open it again."
            )

    def _iter_tables(self, names):
        for group, n_rows in enumerate(np.diff(self._stops).tolist()):
            path, number, is_mapped, _ = self._groups[group]
            if stream := self._open_stream(group, names):
                yield from (table for table, _ in stream.read(0, n_rows))
                continue
            with open_arrow(path) as file:
                yield file.read(number, names, is_mapped)

    def _find_unknown(self, names) -> set:
        found: set = set()
        for path in self.paths if names else ():
            with open_arrow(path) as file:
                found |= file.find_unknown(names)
        return found

    def find_disk_nbytes(self) -> int:
        return self._disk_nbytes

    def find_units(self, least_rows: int) -> np.ndarray:
        self._find_groups()
        return join_units(self._stops[1:], least_rows)

    def _find_groups(self) -> None:
        """Find the row groups again, if they were forgotten."""
        if self._groups is None:
            self._used.update(self.paths)
            self._check_files()
            self._find_rows()

    def _iter_slices(self, start, stop):
        self._find_groups()
        first = max(0, int(np.searchsorted(self._stops, start, side="right")) - 1)
        for number, (low, high) in enumerate(pairwise(self._stops[first:].tolist())):
            begin, end = max(start, low), min(stop, high)
            if low >= stop:
                return
            if begin < end:
                slices = self._iter_group(first + number, begin - low, end - low)
                yield from ((table, low + row) for table, row in slices)

    def _iter_group(self, number: int, begin: int, end: int):
        """Yield tables of rows of a row group, with the first row of each."""
        path, inside, *_ = self._groups[number]
        stream = self._stream
        if stream is None or not stream.can_read(path, inside, begin):
            self._stream = stream = self._open_stream(number, self._names)
        if stream is None:
            yield self._read_group(number).slice(begin, end - begin), begin
            return
        self._last = None
        self._used.add(path)
        yield from stream.read(begin, end)

    def _open_stream(self, number: int, names: list) -> GroupStream | None:
        """Return what reads a row group in batches, None if it is read whole."""
        path, inside, _, stored = self._groups[number]
        n_rows = int(self._stops[number + 1] - self._stops[number])
        nbytes = estimate_nbytes(n_rows, len(names), stored)
        if not stored or nbytes <= WHOLE_NBYTES:
            return None
        return GroupStream(path, inside, names, n_rows, nbytes, self._coded)

    def _read_group(self, number: int):
        """Return a row group; the last one is kept."""
        last = self._last
        if last is not None and last[0] == number:
            return last[1]
        # First, or two of them are in memory while the second is decoded.
        last = self._last = None
        path, inside, is_mapped, _ = self._groups[number]
        with open_arrow(path, self._coded) as file:
            group = file.read(inside, self._names, is_mapped)
        self._used.add(path)
        if not is_mapped:  # a view costs nothing, and would keep the file mapped
            self._last = number, group
        return group

    def _check_files(self, cause: Exception | None = None) -> None:
        paths = self.paths if cause is not None else self._used
        self._used = set()
        for path in paths:
            try:
                self._run.check_state(path, read_state(path))
            except ValueError as error:
                raise error from cause

    def close(self) -> None:
        super().close()
        self._forget()

    def __getstate__(self):
        again = dict.fromkeys(("_groups", "_stops", "_last", "_stream"))
        return vars(self) | again | {"_used": set()}


class ParquetFrames(FramesOfArrow, ParquetStore):
    """Rows of such files as data frames."""

    def __init__(self, paths, columns, library: str):
        self._library = library
        super().__init__(paths, columns)
