"""Parquet and Arrow IPC files: their schemas, row groups, and counts of nulls."""

from contextlib import closing
from functools import cached_property
from pathlib import Path

from skmmap.disk import find_suffix
from skmmap.formats.arrow.columns import choose_columns, find_dtype, to_value_type
from skmmap.formats.shared import import_library, read_first

_PARQUET, _IPC = b"PAR1", b"ARROW1"
MAGIC = _PARQUET, _IPC
_IPC_SUFFIXES = ".arrow", ".feather"
SUFFIXES = ".parquet", ".pq", *_IPC_SUFFIXES


class _ParquetFile:
    """A Parquet file while it is read."""

    is_mapped = False

    def __init__(self, path):
        parquet = import_arrow("pyarrow.parquet", path)
        # Given a path, pyarrow keeps a file that it refuses open as long as the error.
        self._source = import_arrow("pyarrow", path).OSFile(str(path))
        try:
            self._file = parquet.ParquetFile(self._source)
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

    def find_nbytes(self, names) -> int:
        """Return the bytes that the columns take in the file."""
        leaves = {number for number, _ in self._find_leaves(names)}
        groups = self._groups
        return sum(g.column(j).total_compressed_size for g in groups for j in leaves)

    def _find_leaves(self, names) -> list[tuple]:
        """Return the numbers of leaf columns, each with the name of its column."""
        schema, names = self._metadata.schema, set(names)
        paths = [schema.column(number).path for number in range(len(schema))]
        return [
            (j, n) for j, path in enumerate(paths) for n in _list_tops(path) & names
        ]

    def read(self, number: int, names, is_mapped: bool):
        return self._file.read_row_group(number, columns=list(dict.fromkeys(names)))

    def close(self) -> None:
        self._file.close(force=True)
        self._source.close()


def _list_tops(path: str) -> set:
    """Return the columns that a leaf may belong to: lists add parts to its path."""
    parts = path.split(".")
    return {".".join(parts[:n]) for n in range(1, len(parts) + 1)}


def _has_null(chunk) -> bool:
    known = chunk.is_stats_set and chunk.statistics.has_null_count
    return bool(known and chunk.statistics.null_count)


class _IpcFile:
    """An Arrow IPC file while it is read; what is not compressed is only mapped."""

    def __init__(self, path):
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
        return {n for b in batches for n in names if b.column(n).null_count}

    def find_nbytes(self, names) -> int:
        """Return the bytes of the file: those of a single column are not known."""
        return self._map.size()

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


def is_ipc(path: Path) -> bool:
    """Whether a file is Arrow IPC by its first bytes, or else by its name."""
    first = read_first(path)
    if first.startswith(MAGIC):
        return first.startswith(_IPC)
    return find_suffix(path) in _IPC_SUFFIXES


def open_arrow(path: Path):
    """Open a file for a ``with`` block."""
    kind, file = ("Arrow IPC", _IpcFile) if is_ipc(path) else ("Parquet", _ParquetFile)
    try:
        return closing(file(path))
    except ValueError as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as a {kind} file: {error} Write it again."
        ) from error


def import_arrow(name: str, path):
    return import_library(name, "Parquet and Arrow files", "parquet", path)


def find_filled(paths) -> list[Path]:
    """Return the files that have rows, or all if none has.

    pandas and Spark write empty parts, whose columns may be of no type.
    """
    filled = []
    for path in paths if len(paths) > 1 else ():
        with open_arrow(path) as file:
            filled += [path] if sum(file.find_counts(file.schema.names)) else []
    return filled or paths


def check_schemas(paths, columns):
    """Return the schema of all files, which must have columns of the same types."""
    schemas = []
    for path in paths:
        with open_arrow(path) as file:
            schemas.append(file.schema)
    names = choose_columns(schemas[0], columns, paths[0].name)
    for path, schema in zip(paths, schemas, strict=True):
        here = choose_columns(schema, columns, path.name)
        for name in dict.fromkeys([*names, *here]):
            found = [_say_type(s, name) for s in (schema, schemas[0])]
            if found[0] != found[1]:
                raise ValueError(
                    f"Column {name!r} is {found[0]} in {path.name!r} and {found[1]} in "
                    f"{paths[0].name!r}. Write the files with the same columns."
                )
    return schemas[0]


def read_schema(paths) -> tuple:
    """Return the schema of files, and the number of rows in all of them."""
    paths = find_filled(paths)
    schema, n_rows = check_schemas(paths, None), 0
    for path in paths:
        with open_arrow(path) as file:
            n_rows += sum(file.find_counts(schema.names))
    return schema, n_rows


def _say_type(schema, name: str) -> str:
    known = schema.names.count(name) == 1
    return str(to_value_type(schema.field(name).type)) if known else "missing"
