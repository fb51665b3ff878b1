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
    Filters,
    FramesOfArrow,
    GroupStream,
    Partitions,
    check_schemas,
    choose_again,
    choose_library,
    describe_columns,
    drop_stored,
    estimate_nbytes,
    find_filled,
    iter_inside,
    read_schema,
)
from skmmap.formats.shared import ArrayInfo, Format
from skmmap.order import compact, join_units
from skmmap.remote import RemotePath
from skmmap.rows import Store

FORMAT = Format(
    suffixes=SUFFIXES, options=("columns", "as_frame", "filters"), joins=True
)


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is a Parquet, Arrow IPC or ORC file, or a folder with such files."""
    if first:
        return first.startswith(MAGIC)
    if not (is_path(source) and os.path.isdir(source)):
        return False
    return next(iter_inside(Path(source), _is_part), None) is not None


def list_arrays(source) -> list[ArrayInfo]:
    """Return the columns of a file, or of several as one."""
    files, partitions = _find_files(source)
    partitions = drop_stored(partitions, find_filled(files))
    return describe_columns(*read_schema(files, partitions.open))


def open_store(
    source, name: str, *, columns=None, as_frame="auto", filters=None
) -> "ParquetStore":
    """Return one store of a file or folder, or of a list of these.

    What strings and nulls need is known from all files together.
    """
    return open_tables(*_find_files(source), columns, as_frame, filters)


def open_tables(files, partitions, columns, as_frame, filters, kinds=None) -> Store:
    """Return the store of files with these keys; ``kinds`` are of arrays and frames."""
    paths = find_filled(files)
    partitions = drop_stored(partitions, paths)
    schema = check_schemas(paths, columns, partitions.open)
    library = choose_library(schema, columns, as_frame, paths[0].name)
    arrays, frames = kinds or (ParquetStore, ParquetFrames)
    store = (frames if library else arrays)(paths, columns, partitions, library)
    if filters is not None:
        store.selection = store.find_passing(filters)
    return store


def list_files(source) -> list[Path]:
    """Return the files at a path, or at several: those in a folder one by one."""
    return _find_files(source)[0]


def _find_files(source) -> tuple[list[Path], Partitions]:
    """Return the files at a path, or at several, and what names of folders say."""
    given = [source] if is_path(source) else source
    roots = [Path(os.path.abspath(to_path(path))) for path in given]
    pairs = [(file, root) for root in roots for file in _list_inside(root)]
    files = [file for file, _ in pairs]
    return files, Partitions.find(files, [root for _, root in pairs])


def _list_inside(path: Path) -> list[Path]:
    """Return the files in a folder, part-2 before part-10, or the one that it is."""
    if not path.is_dir():
        if path.exists():
            check_regular(path)
        return [path]
    parts = list(iter_inside(path, _is_part))
    for part in parts:
        check_regular(part)
    return [Path(part) for part in sorted(map(str, parts), key=by_numbers)]


def _is_part(entry: os.DirEntry) -> bool:
    """Whether an entry of a folder is one of its files of rows.

    Spark, dask and pyarrow begin the names of what else they write with "_" or ".".
    """
    if entry.name.startswith((".", "_")):
        return False
    return find_suffix(entry.name) in SUFFIXES and not entry.is_dir()


def _to_absolute(path):
    is_remote = isinstance(path, RemotePath)
    return path if is_remote else Path(os.path.abspath(path))


class ParquetStore(ArrowStore):
    """Rows of Parquet, Arrow IPC or ORC files, one row group in memory at a time."""

    is_decoded = True
    _coded: tuple = ()

    def __init__(self, paths, columns=None, partitions=None, library: str = ""):
        if library:
            self._library = library
        paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        self.paths = find_filled(list(map(_to_absolute, paths)))
        self._partitions = partitions or Partitions()
        self._forget()
        # Such a file cannot be changed in place, only written as a whole.
        self._opened = self._run = self._identify()
        self._describe(self._read_schema(columns), columns)
        self._last = None

    @property
    def kinds(self) -> tuple:
        """The stores of arrays and of frames."""
        return ParquetStore, ParquetFrames

    def _identify(self) -> Identity:
        """Return the identity of the files, which must not change from now on."""
        return Identity.read(self.paths).read_again()

    def _read_schema(self, columns):
        return check_schemas(self.paths, columns, self._partitions.open)

    @property
    def where(self) -> str:
        first, last = (self._say(self.paths[i]) for i in (0, -1))
        n_files = len(self.paths)
        name = first if n_files == 1 else f"{n_files:,} files: {first} to {last}"
        return f"{name}:{self.columns}" if isinstance(self.columns, str) else name

    def _say(self, path: Path) -> str:
        """Return the name of a file, with the folders that are its keys."""
        return os.sep.join(path.parts[-1 - self._partitions.n_folders :])

    def choose(self, columns, as_frame) -> "ParquetStore":
        self._check_open()
        schema = self._read_schema(self.list_columns())
        columns, library = choose_again(self, schema, columns, as_frame)
        arrays, frames = self.kinds
        kind = frames if library else arrays
        chosen = kind(self.paths, columns, self._partitions, library)
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
            with self._partitions.open(path) as file:
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
        for group in range(len(self._groups)):
            yield from self._iter_whole(group, names)

    def _iter_whole(self, group: int, names):
        """Yield all rows of some columns of a row group."""
        path, number, is_mapped, _ = self._groups[group]
        if stream := self._open_stream(group, names):
            n_rows = int(self._stops[group + 1] - self._stops[group])
            yield from (table for table, _ in stream.read(0, n_rows))
            return
        with self._partitions.open(path) as file:
            yield file.read(number, names, is_mapped)

    def find_passing(self, given):
        """Return the rows that pass filters, as a selection.

        Only their columns are read, of the row groups that may have such rows.
        """
        filters = Filters(given, self.where)
        try:
            schema = self._read_schema(filters.names)
        except ValueError as error:
            raise ValueError(f"filters={given!r}: {error}") from error
        passing = compact(self._iter_passing(filters.for_schema(schema)))
        self._used.update(self.paths)
        self._check_files()
        return passing

    def _iter_passing(self, filters: Filters):
        """Yield the numbers of rows that pass, table by table."""
        may_pass = {}
        for path in self.paths:
            keys = self._partitions.find_values(path)
            may_pass[path] = filters.find_groups(path, keys)
        for group, (path, number, *_) in enumerate(self._groups):
            known, first = may_pass[path], int(self._stops[group])
            if known is not None and number not in known:
                continue
            for table in self._iter_whole(group, filters.names):
                yield filters.pick(table, first)
                first += table.num_rows

    def _find_unknown(self, names) -> set:
        found: set = set()
        for path in self.paths if names else ():
            with self._partitions.open(path) as file:
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
        return GroupStream(
            path,
            inside,
            names,
            n_rows,
            nbytes,
            self._coded,
            self._partitions.open_stream,
        )

    def _read_group(self, number: int):
        """Return a row group; the last one is kept."""
        last = self._last
        if last is not None and last[0] == number:
            return last[1]
        # First, or two of them are in memory while the second is decoded.
        last = self._last = None
        path, inside, is_mapped, _ = self._groups[number]
        with self._partitions.open(path, self._coded) as file:
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
