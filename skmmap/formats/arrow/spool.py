"""Rows that can be read once, in a temporary Arrow file that any of them is read from.

The file is not compressed: shuffled rows are read here and there, and of a Parquet file
whole row groups would be decoded for a few rows of each.
"""

import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakValueDictionary

from sklearn.exceptions import EfficiencyWarning

from skmmap._messages import say_count, say_size, warn
from skmmap.disk import ScratchFile, is_in_memory
from skmmap.formats.arrow.arrow_files import import_arrow
from skmmap.formats.arrow.columns import choose_columns
from skmmap.formats.arrow.once import is_interrupt, open_once
from skmmap.formats.arrow.schemas import (
    choose_fields,
    concat_fitted,
    fit_table,
    make_empty,
)

# A batch of the file: rows that are joined before they are written.
_BATCH_NBYTES, _BATCH_ROWS = 2**22, 2**16
_WARNED_NBYTES = 2**26  # in memory
_spools: WeakValueDictionary = WeakValueDictionary()


class Spool:
    """An Arrow file without a name, which lives as long as the rows that share it.

    Pickled is its path. Where it comes to is either this process, which may have it, or
    one that can read it as long as this process runs.
    """

    def __init__(self, path: str, schema, where: str, key: str, scratch=None):
        self.path, self.schema, self.where = path, schema, where
        self._key, self._scratch = key, scratch
        if scratch is not None:
            _spools[key] = self

    def check(self) -> None:
        """Raise if there is no file any more, or not on this machine."""
        if not os.path.exists(self.path):
            raise FileNotFoundError(
                f"The rows of {self.where} are in a temporary file of the process that "
                "opened it, which has ended, runs on another machine, or holds no Rows "
                "of it any more. Write the rows to a file, and give its path."
            )

    def __reduce__(self):
        return _find, (self.path, self.schema, self.where, self._key)


def _find(path: str, schema, where: str, key: str) -> Spool:
    return _spools.get(key) or Spool(path, schema, where, key)


def write_spool(source, columns, where: str) -> Spool:
    """Return a file of the rows of an object, read once and batch by batch."""
    scratch, writing = ScratchFile(), SpoolWriting(where)
    try:
        with open_once(source, where) as (schema, tables):
            schema = choose_fields(schema, choose_columns(schema, columns, where))
            writing.write(tables, schema, scratch.path)
        _warn_if_in_memory(scratch.path, where)
    except BaseException as error:
        scratch.close()
        if is_interrupt(error, source) and not isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    return Spool(scratch.path, schema, where, secrets.token_hex(8), scratch)


class SpoolWriting:
    """Writes tables to a file, and says of an error how far it came."""

    def __init__(self, where: str):
        self.where, self.n_rows = where, 0

    def write(self, tables, schema, path: str) -> None:
        ipc = import_arrow("pyarrow.ipc", self.where)
        # Categories that come later are appended to those before.
        options = ipc.IpcWriteOptions(emit_dictionary_deltas=True)
        with sys.modules["pyarrow"].OSFile(path, "wb") as file:
            with self.noting_room(path):
                writer = ipc.new_file(file, schema, options=options)
            # Not closed after an error, or it would write its end.
            for table in self.noting_rows(_iter_joined(tables, schema)):
                with self.noting_room(path):
                    writer.write_table(table, max_chunksize=_BATCH_ROWS)
                self.n_rows += table.num_rows
            with self.noting_room(path):
                writer.close()

    def noting_rows(self, tables: Iterator) -> Iterator:
        """Yield tables; add a note to an error of what computes them."""
        try:
            yield from tables
        except Exception as error:
            error.add_note(
                f"while the rows of {self.where} were written to a temporary file, of "
                f"which nothing is left: {say_count(self.n_rows, 'row')} were there. "
                "Correct what computes them, and open it again."
            )
            raise

    @contextmanager
    def noting_room(self, path: str) -> Iterator[None]:
        """Say of a disk that is full which one it is."""
        try:
            yield
        except OSError as error:
            raise OSError(
                error.errno,
                f"The rows of {self.where} have no room in temporary files in "
                f"{tempfile.gettempdir()!r}, where {say_count(self.n_rows, 'row')} "
                f"took {say_size(os.stat(path).st_size)}: {error}. Nothing is left "
                "there. Make room, set the environment variable TMPDIR to a folder on "
                "another disk, or write the rows to a file and give its path.",
            ) from error


def _iter_joined(tables: Iterator, schema) -> Iterator:
    """Yield tables of a size that is good to write, with categories as they come."""
    known, waiting = make_empty(schema), []
    for table in tables:
        waiting.append(fit_table(table, schema))
        if _is_batch(waiting):
            yield (joined := _join([known, *waiting], schema))
            known, waiting = _forget_rows(joined, schema), []
    if sum(table.num_rows for table in waiting):
        yield _join([known, *waiting], schema)


def _is_batch(tables: list) -> bool:
    rows = sum(table.num_rows for table in tables)
    nbytes = sum(table.nbytes for table in tables)
    return rows >= _BATCH_ROWS or (rows > 0 and nbytes >= _BATCH_NBYTES)


def _join(tables: list, schema):
    return concat_fitted(tables, schema).combine_chunks()


def _forget_rows(table, schema):
    """Return the table without rows, which still has the categories of its columns.

    They begin the dictionaries of the tables that it is joined with.
    """
    arrow = sys.modules["pyarrow"]
    columns = [
        arrow.chunked_array([column.chunk(0).slice(0, 0)]) for column in table.columns
    ]
    return arrow.Table.from_arrays(columns, schema=schema)


def _warn_if_in_memory(path: str, where: str) -> None:
    nbytes, folder = os.stat(path).st_size, tempfile.gettempdir()
    if nbytes >= _WARNED_NBYTES and is_in_memory(Path(folder)):
        warn(
            f"The rows of {where} take {say_size(nbytes)} in temporary files in "
            f"{folder!r}, which is in memory. Set the environment variable TMPDIR to a "
            "folder on a disk.",
            EfficiencyWarning,
        )
