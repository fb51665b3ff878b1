"""Objects that compute rows, from the first to the last: written to a temporary file.

Lazy frames of polars, relations of DuckDB, readers and datasets of pyarrow, tables of
ibis, and whatever else has a stream of Arrow and is no frame in memory.
"""

from dataclasses import replace

from skmmap.disk import Identity
from skmmap.formats.arrow import (
    KNOWN,
    FramesOfArrow,
    Spool,
    choose_again,
    choose_library,
    describe_columns,
    write_spool,
)
from skmmap.formats.files import parquet
from skmmap.formats.shared import ArrayInfo, Format, is_instance
from skmmap.rows import Store, is_series

FORMAT = Format(options=("columns", "as_frame"))

_IN_MEMORY = {("pyarrow", name) for name in ("Table", "RecordBatch", "ChunkedArray")}


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it has a stream of Arrow and is no table, frame or column in memory.

    Its class is asked: of a relation of DuckDB, each column is an attribute.
    """
    if is_instance(source, KNOWN):
        return True
    kind = type(source)
    if not hasattr(kind, "__arrow_c_stream__") or hasattr(kind, "dtype"):
        return False
    return not (is_series(source) or is_instance(source, _IN_MEMORY))


def list_arrays(source) -> list[ArrayInfo]:
    """Return the columns, which all rows are read for."""
    return describe(open_store(source, "source"))


def describe(store: "StreamStore") -> list[ArrayInfo]:
    """Return the columns of a temporary file."""
    return describe_columns(store.spool.schema, store.n_rows)


def open_store(source, name: str, *, columns=None, as_frame="auto") -> Store:
    """Return the store of a temporary file with all rows of some columns."""
    where = _say(source)
    if name not in ("source", "X"):
        raise TypeError(
            f"{name} is {where}, which would be computed by itself, perhaps in another "
            "order than X. Compute all columns once, table = open_rows(source), and "
            f"choose {name}, open_rows(table, columns='label'), and X, "
            "open_rows(table, columns=[...])."
        )
    return open_spooled(source, where, columns, as_frame)


def open_spooled(source, where: str, columns, as_frame) -> Store:
    """Return the store of a temporary file of rows, which are read once for it."""
    spool = write_spool(source, columns, where)
    return _open(spool, columns, choose_library(spool.schema, columns, as_frame, where))


def _say(source) -> str:
    name = type(source).__name__
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def _open(spool: Spool, columns, library: str) -> "StreamStore":
    if library:
        return StreamFrames(spool, columns, library)
    return StreamStore(spool, columns)


class StreamStore(parquet.ParquetStore):
    """Rows of a temporary file, which is there as long as one of its stores."""

    where = ""
    can_reopen = False  # on other machines

    def __init__(self, spool: Spool, columns=None):
        self.where, self.spool = spool.where, spool
        super().__init__([spool.path], columns)

    @property
    def identity(self) -> Identity:
        return replace(super().identity, has_code=True)

    def _read_schema(self, columns):
        return self.spool.schema

    def choose(self, columns, as_frame):
        self._check_open()
        columns, library = choose_again(self, self.spool.schema, columns, as_frame)
        return _open(self.spool, columns, library)

    def _check_open(self) -> None:
        super()._check_open()
        self.spool.check()

    def close(self) -> None:
        super().close()
        self.spool = None


class StreamFrames(FramesOfArrow, StreamStore):
    """Rows of a temporary file as data frames."""

    def __init__(self, spool: Spool, columns, library: str):
        self._library = library
        super().__init__(spool, columns)
