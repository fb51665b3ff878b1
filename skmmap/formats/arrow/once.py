"""Tables of objects whose rows can only be read once, from the first to the last."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from weakref import WeakSet

from skmmap.disk import ScratchFile
from skmmap.formats.arrow.arrow_files import import_arrow
from skmmap.formats.shared import is_instance

_LAZY_FRAME, _IBIS = {("polars", "LazyFrame")}, {("ibis", "Table")}
_DATASET, _SCANNER = {("pyarrow", "Dataset")}, {("pyarrow", "Scanner")}
_READER, _DUCKDB = {("pyarrow", "RecordBatchReader")}, {("duckdb", "DuckDBPyRelation")}
# Those that have no stream of Arrow, or another than of batches that are computed then.
KNOWN = _LAZY_FRAME | _IBIS | _DATASET | _SCANNER | _DUCKDB
_were_read: WeakSet = WeakSet()  # readers, of which nothing is left
_BATCH_ROWS = 2**16  # DuckDB has a million
# Otherwise pyarrow reads 16 batches of each of 4 files before the first is used.
_AHEAD = {"batch_readahead": 2, "fragment_readahead": 1}


@contextmanager
def open_once(source, where: str) -> Iterator[tuple]:
    """Open an object for a ``with`` block; give its schema, and its tables in order."""
    if is_instance(source, _LAZY_FRAME):
        with _open_lazy(source, where) as opened:
            yield opened
        return
    arrow = import_arrow("pyarrow", where)
    with closing(_open_reader(arrow, source, where)) as reader:
        yield reader.schema, (arrow.Table.from_batches([batch]) for batch in reader)


def _open_reader(arrow, source, where: str):
    if is_instance(source, _READER):  # whose errors are those of its own batches
        if source in _were_read:  # it would seem to have no rows
            raise ValueError(
                f"The rows of {where} were read before, which can be done once. Open "
                "it once, rows = open_rows(reader), and give rows to each call."
            )
        _were_read.add(source)
        return source
    if is_instance(source, _SCANNER):
        return source.to_reader()
    if is_instance(source, _DATASET):
        return source.scanner(**_AHEAD).to_reader()
    if is_instance(source, _IBIS):  # the stream of which is made of the whole table
        return source.to_pyarrow_batches()
    if is_instance(source, _DUCKDB):
        # In 2.0 under a new name.
        names = "to_arrow_reader", "fetch_arrow_reader"
        name = next(name for name in names if hasattr(type(source), name))
        return getattr(source, name)(_BATCH_ROWS)
    return arrow.RecordBatchReader.from_stream(source)


@contextmanager
def _open_lazy(frame, where: str) -> Iterator[tuple]:
    """Open a lazy frame of polars; before 1.34 its rows are written to be read."""
    arrow, polars = import_arrow("pyarrow", where), sys.modules["polars"]
    if hasattr(frame, "collect_batches"):
        oldest = polars.CompatLevel.oldest()  # whose strings are no views
        empty = polars.DataFrame(schema=frame.collect_schema())
        batches = frame.collect_batches(engine="streaming")
        tables = (batch.to_arrow(compat_level=oldest) for batch in batches)
        yield empty.to_arrow(compat_level=oldest).schema, tables
        return
    with closing(ScratchFile()) as scratch:
        frame.sink_parquet(scratch.path)
        parquet = import_arrow("pyarrow.parquet", where)
        with parquet.ParquetFile(scratch.path) as file:
            batches = file.iter_batches(_BATCH_ROWS)
            yield file.schema_arrow, (arrow.Table.from_batches([b]) for b in batches)


def is_interrupt(error: BaseException, source) -> bool:
    """Whether an error stands for Ctrl-C.

    DuckDB makes another one of it (``findings/duckdb_interrupt_is_no_interrupt.sh``).
    """
    if isinstance(error, KeyboardInterrupt):
        return True
    is_duckdb = is_instance(source, _DUCKDB) and type(error) is RuntimeError
    return is_duckdb and str(error) == "Query interrupted"
