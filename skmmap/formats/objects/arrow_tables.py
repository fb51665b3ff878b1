"""Tables and record batches of pyarrow, in memory (needs pyarrow)."""

from skmmap.formats.arrow import (
    ArrowStore,
    FramesOfArrow,
    choose_again,
    choose_library,
    describe_columns,
    has_nulls,
    import_arrow,
)
from skmmap.formats.shared import ArrayInfo, Format, is_instance
from skmmap.rows import Store

FORMAT = Format(options=("columns", "as_frame"))

_CLASSES = {("pyarrow", "Table"), ("pyarrow", "RecordBatch")}


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is a table, or a batch of one."""
    return is_instance(source, _CLASSES)


def list_arrays(source) -> list[ArrayInfo]:
    """Return the columns."""
    return describe_columns(source.schema, source.num_rows)


def open_store(source, name: str, *, columns=None, as_frame="auto") -> Store:
    """Return the store of a table, or of some columns of one."""
    where = f"a {type(source).__name__}"
    library = choose_library(source.schema, columns, as_frame, where)
    return _open(source, columns, library)


def _open(table, columns, library: str) -> "TableStore":
    return (
        TableFrames(table, columns, library) if library else TableStore(table, columns)
    )


class TableStore(ArrowStore):
    """Rows of a table or record batch in memory."""

    on_disk = False

    def __init__(self, table, columns=None):
        self.where = f"a {type(table).__name__}"
        self._table = table
        if not hasattr(table, "to_batches"):
            arrow = import_arrow("pyarrow", self.where)
            self._table = arrow.Table.from_batches([table])
        self._describe(table.schema, columns)

    def _find_rows(self):
        nulls = {n for n in self._names if has_nulls(self._table.column(n))}
        return self._table.num_rows, nulls

    def _iter_tables(self, names):
        yield self._table

    def _iter_slices(self, start, stop):
        yield self._table.slice(start, max(0, stop - start)), start

    def choose(self, columns, as_frame):
        self._check_open()
        schema = self._table.schema
        columns, library = choose_again(self, schema, columns, as_frame)
        return _open(self._table, columns, library)

    @property
    def memory_nbytes(self) -> int:
        return 0 if self._table is None else self._table.nbytes

    def close(self) -> None:
        super().close()
        self._table = None


class TableFrames(FramesOfArrow, TableStore):
    """Rows of a table or record batch in memory as data frames."""

    def __init__(self, table, columns, library: str):
        self._library = library
        super().__init__(table, columns)
