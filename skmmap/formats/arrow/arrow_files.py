"""Parquet, Arrow IPC and ORC files: their schemas, row groups, and counts of nulls."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from skmmap.disk import find_suffix
from skmmap.formats.arrow.columns import find_dtype, has_nulls, to_value_type
from skmmap.formats.arrow.native_files import open_native
from skmmap.formats.arrow.orc_file import OrcFile
from skmmap.formats.shared import import_library, read_first
from skmmap.remote import RemotePath

_STREAMED = 2**16  # bytes of a column that are read at a time
_ANNOUNCED = 2**26  # bytes of a remote row group that are fetched together


class _ParquetFile:
    """A Parquet file while it is read."""

    is_mapped = False

    def __init__(self, path, coded=(), buffer_size: int = 0):
        parquet = import_arrow("pyarrow.parquet", path)
        self._arrow = import_arrow("pyarrow", path)
        # Given a path, pyarrow keeps a file that it refuses open as long as the error.
        self._source = open_native(self._arrow, path)
        self._is_remote = isinstance(path, RemotePath)
        try:
            # Else pyarrow brings all columns of a row group before it decodes them.
            how = (
                {"buffer_size": buffer_size, "pre_buffer": False} if buffer_size else {}
            )
            how["read_dictionary"] = list(coded)
            self._file = parquet.ParquetFile(self._source, **how)
        except ValueError:
            self._source.close()
            raise
        self.schema, metadata = self._file.schema_arrow, self._file.metadata
        self._metadata = metadata
        self._groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]

    def find_counts(self, names) -> list[int]:
        """Return the number of rows in each group."""
        return [group.num_rows for group in self._groups]

    def find_nulls(self, names) -> set:
        """Return the columns that have nulls according to the file's statistics."""
        chosen = self._find_leaves(names)
        return {
            n for j, n in chosen if any(_has_null(g.column(j)) for g in self._groups)
        }

    def find_unknown(self, names) -> set:
        """Return the columns that may have nulls of which no statistics tell."""
        schema = self._metadata.schema
        return {
            n
            for j, n in self._find_leaves(names)
            if schema.column(j).max_definition_level
            and not all(_is_counted(g.column(j)) for g in self._groups)
        }

    def find_nbytes(self, names) -> int:
        """Return the bytes that the columns take in the file."""
        leaves = {number for number, _ in self._find_leaves(names)}
        groups = self._groups
        return sum(g.column(j).total_compressed_size for g in groups for j in leaves)

    def find_decoded(self, names) -> list[int]:
        """Return the bytes of the columns in each group before compression."""
        leaves = {number for number, _ in self._find_leaves(names)}
        return [
            sum(g.column(j).total_uncompressed_size for j in leaves)
            for g in self._groups
        ]

    def _find_leaves(self, names) -> list[tuple]:
        """Return the numbers of leaf columns, each with the name of its column."""
        schema, names = self._metadata.schema, set(names)
        paths = [schema.column(number).path for number in range(len(schema))]
        return [
            (j, n) for j, path in enumerate(paths) for n in _list_tops(path) & names
        ]

    def read(self, number: int, names, is_mapped: bool):
        self._announce(number, names)
        return self._file.read_row_group(number, columns=list(dict.fromkeys(names)))

    def _announce(self, number: int, names) -> None:
        """Have all columns of a group fetched together, which pyarrow reads in turn."""
        if not self._is_remote:
            return
        group = self._groups[number]
        columns = [group.column(j) for j, _ in self._find_leaves(names)]
        places = [_find_place(column) for column in columns]
        if sum(stop - start for start, stop in places) <= _ANNOUNCED:
            self._source.announce(places)

    def iter_batches(self, number: int, names, batch_rows: int):
        """Yield the rows of a group as tables."""
        self._announce(number, names)
        columns = list(dict.fromkeys(names))
        for batch in self._file.iter_batches(
            batch_rows, row_groups=[number], columns=columns
        ):
            yield self._arrow.Table.from_batches([batch])

    def close(self) -> None:
        self._file.close(force=True)
        self._source.close()


def _find_place(column) -> tuple[int, int]:
    """Return where a column of a group begins and ends in the file."""
    start = column.data_page_offset
    if column.has_dictionary_page:
        start = min(start, column.dictionary_page_offset)
    return start, start + column.total_compressed_size


def _list_tops(path: str) -> set:
    """Return the columns that a leaf may belong to: lists add parts to its path."""
    parts = path.split(".")
    return {".".join(parts[:n]) for n in range(1, len(parts) + 1)}


def _is_counted(chunk) -> bool:
    return chunk.is_stats_set and chunk.statistics.has_null_count


def _has_null(chunk) -> bool:
    return bool(_is_counted(chunk) and chunk.statistics.null_count)


class _IpcFile:
    """An Arrow IPC file while it is read; what is not compressed is only mapped."""

    def __init__(self, path, coded=()):
        if isinstance(path, RemotePath):
            raise ValueError("it is mapped, which remote files cannot be")
        self._arrow, self._path = import_arrow("pyarrow.ipc", path), str(path)
        self._map = import_arrow("pyarrow", path).memory_map(self._path)
        try:
            self._buffer = self._map.read_buffer()
            self.schema = self._arrow.open_file(self._buffer).schema
        except ValueError:
            self._map.close()
            raise

    @cached_property
    def is_mapped(self) -> bool:
        """Whether batches are views of the file: whether nothing is compressed."""
        reader = self._arrow.open_file(self._buffer)
        if not reader.num_record_batches:
            return True
        start, size = self._buffer.address, self._buffer.size
        columns = reader.get_batch(0).columns
        buffers = [b for column in columns for b in column.buffers() if b is not None]
        return all(start <= b.address < start + size or not b.size for b in buffers)

    def _open(self, source, names, is_mapped: bool):
        # Selecting fields would copy buffers that are not compressed.
        fields = [] if is_mapped else [self.schema.names.index(name) for name in names]
        options = self._arrow.IpcReadOptions(included_fields=fields)
        return self._arrow.open_file(source, options=options)

    def _iter_batches(self, names):
        reader = self._open(self._buffer, names, self.is_mapped)
        return map(reader.get_batch, range(reader.num_record_batches))

    def find_counts(self, names) -> list[int]:
        """Return the number of rows in each batch."""
        return [batch.num_rows for batch in self._iter_batches(names[:1])]

    def find_nulls(self, names) -> set:
        """Return the columns with nulls, if these change their type."""
        types = {n: to_value_type(self.schema.field(n).type) for n in names}
        names = [n for n in names if find_dtype(types[n], 0) != find_dtype(types[n], 1)]
        batches = self._iter_batches(names) if names else ()
        return {n for b in batches for n in names if has_nulls(b.column(n))}

    def find_unknown(self, names) -> set:
        """Return no columns: nulls are counted."""
        return set()

    def find_nbytes(self, names) -> int:
        """Return the bytes of the file: those of a single column are not known."""
        return self._map.size()

    def find_decoded(self, names) -> list[int]:
        """Return no bytes: batches are read whole."""
        return [0] * self._arrow.open_file(self._buffer).num_record_batches

    def read(self, number: int, names, is_mapped: bool):
        """Return a batch as a table; one that is not mapped outlives the file."""
        arrow = import_arrow("pyarrow", self._path)
        if is_mapped:
            batch = self._open(self._buffer, names, True).get_batch(number)
        else:
            with arrow.OSFile(self._path) as file:
                batch = self._open(file, names, False).get_batch(number)
        return arrow.Table.from_batches([batch])

    def close(self) -> None:
        self._map.close()


class _Kind(NamedTuple):
    """What is known of a kind of files: how it begins, is called, and is opened."""

    magic: bytes
    suffixes: tuple
    name: str
    open: Callable


_IPC_MAGIC = b"ARROW1"
_KINDS = (
    _Kind(b"PAR1", (".parquet", ".pq"), "a Parquet", _ParquetFile),
    _Kind(_IPC_MAGIC, (".arrow", ".feather", ".ipc"), "an Arrow IPC", _IpcFile),
    _Kind(b"ORC", (".orc",), "an ORC", OrcFile),
)
MAGIC = tuple(kind.magic for kind in _KINDS)
SUFFIXES = tuple(suffix for kind in _KINDS for suffix in kind.suffixes)


def _find_kind(path: Path) -> _Kind:
    """Return the kind of a file by its first bytes, or else by its name."""
    if isinstance(path, RemotePath):
        first, suffix = path.read_first(len(_IPC_MAGIC)), path.suffix
    else:
        first, suffix = read_first(path), find_suffix(path)
    begun = [kind for kind in _KINDS if first.startswith(kind.magic)]
    named = [kind for kind in _KINDS if suffix in kind.suffixes]
    return next(iter([*begun, *named, *_KINDS]))


def is_parquet(path: Path) -> bool:
    """Whether a file is a Parquet file by its first bytes, or else by its name."""
    return _find_kind(path).open is _ParquetFile


def open_arrow(path: Path, coded=()):
    """Open a file for a ``with`` block.

    Columns of texts that are ``coded`` come as dictionaries, of Parquet files.
    """
    kind = _find_kind(path)
    try:
        return _naming(kind.open(path, coded), path)
    except ValueError as error:
        is_far = kind.open is _IpcFile and isinstance(path, RemotePath)
        raise ValueError(
            f"{str(path)!r} cannot be read as {kind.name} file: "
            f"{str(error).rstrip('.')}. {'Download' if is_far else 'Write'} it"
            f"{'' if is_far else ' again'}."
        ) from error


def open_stream(path: Path, coded=()):
    """Open a Parquet file for a ``with`` block, to read its columns piece by piece."""
    return _naming(_ParquetFile(path, coded, _STREAMED), path)


@contextmanager
def _naming(file, path) -> Iterator:
    """Close a file at the end; add its name to an error, which may be one of many."""
    with closing(file):
        try:
            yield file
        except Exception as error:
            if str(path) not in str(error):
                error.add_note(f"while reading {str(path)!r}")
            raise


def import_arrow(name: str, path):
    return import_library(name, "Parquet and Arrow files", "parquet", path)
