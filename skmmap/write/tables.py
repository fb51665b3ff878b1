"""Tables that are read block by block, as Parquet files: whole, or not at all."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from skmmap.disk import Unfinished
from skmmap.formats import open_rows
from skmmap.rows import Rows
from skmmap.run import Report
from skmmap.write.csv import Surprise

# Row groups of so many rows or decoded bytes can be kept whole while they are read.
_GROUP_ROWS = 100_000
_GROUP_NBYTES = 2**24


def write_table(file, path: Path, progress: bool) -> Rows:
    """Write what ``file.iter_tables()`` yields; ``survey`` finds types if need be."""
    with suppress(Surprise):
        return _write(file.iter_tables(), path, progress)
    file.survey()
    return _write(file.iter_tables(), path, progress)


def _write(tables: Iterable, path: Path, progress: bool) -> Rows:
    with Report(progress, "skmmap", path.name) as report:
        out = Unfinished(path)
        try:
            _write_groups(tables, out, report)
            out.commit()
        except BaseException:
            out.discard()
            raise
    return open_rows(path)


def _write_groups(tables: Iterable, out: Unfinished, report: Report) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    writer, waiting = None, []
    sink = pa.PythonFile(_Sink(out), mode="w")
    try:
        for table in tables:
            if writer is None:
                writer = parquet.ParquetWriter(sink, table.schema)
            waiting.append(table)
            if _is_group(waiting):
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
            report.add(table.num_rows)
        if writer is not None and sum(table.num_rows for table in waiting):
            writer.write_table(pa.concat_tables(waiting))
    finally:
        if writer is not None:
            writer.close()


def _is_group(tables: list) -> bool:
    rows = sum(table.num_rows for table in tables)
    return rows >= _GROUP_ROWS or sum(table.nbytes for table in tables) >= _GROUP_NBYTES


class _Sink:
    """What pyarrow writes to: the file is closed by who has made it."""

    closed = False

    def __init__(self, out: Unfinished):
        self._out, self._place = out, 0

    def write(self, data: Any) -> int:
        n_bytes = memoryview(data).nbytes
        self._out.write(data)
        self._place += n_bytes
        return n_bytes

    def tell(self) -> int:
        return self._place

    def flush(self) -> None:
        self._out.flush()

    def close(self) -> None:
        """Leave the file open."""

    def writable(self) -> bool:
        return True
