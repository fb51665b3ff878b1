"""Rows of a row group that is too large to be decoded whole, as a stream of batches."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from skmmap.formats.arrow.arrow_files import open_stream

# Decoded bytes of a row group that is kept whole, so that its rows can be read in any
# order. pandas writes row groups of a million rows.
WHOLE_NBYTES = 2**25
_BATCH_NBYTES = 2**22
_BATCH_ROWS = 2**16  # at most, as pyarrow has them
_VALUE_NBYTES = 8  # the least that a decoded value takes, dictionaries aside


def estimate_nbytes(n_rows: int, n_columns: int, stored: int) -> int:
    """Return the bytes of decoded columns that take ``stored`` before compression."""
    return max(stored, n_rows * n_columns * _VALUE_NBYTES)


class GroupStream:
    """Rows of a row group, read forward; the file is open until the last one.

    What lies before a row is decoded to get there, so that a stream is kept for the
    next read.
    """

    def __init__(
        self,
        path,
        number: int,
        names: list,
        n_rows: int,
        nbytes: int,
        coded=(),
        open_file=open_stream,
    ):
        self.group = path, number
        step = _BATCH_NBYTES * n_rows // max(1, nbytes)
        self._batches = _iter_batches(
            partial(open_file, path, coded),
            number,
            names,
            min(max(step, 1), _BATCH_ROWS),
        )
        self._batch, self._start, self._n_rows = None, 0, n_rows

    def can_read(self, path, number: int, begin: int) -> bool:
        """Whether these rows are still to come."""
        return self.group == (path, number) and begin >= self._start

    def read(self, begin: int, end: int) -> Iterator:
        """Yield tables of rows, with the number of the first row of each."""
        while begin < end:
            batch = self._find_batch(begin)
            if batch is None:
                return
            stop = min(end, self._start + batch.num_rows)
            yield batch.slice(begin - self._start, stop - begin), begin
            begin = stop

    def _find_batch(self, row: int):
        """Return the batch that has a row, None behind the last one."""
        while self._batch is None or row >= self._start + self._batch.num_rows:
            n_before = 0 if self._batch is None else self._batch.num_rows
            self._batch = None  # or two of them are in memory
            self._start += n_before
            self._batch = next(self._batches, None)
            if self._batch is None:
                return None
        return self._batch

    def close(self) -> None:
        with suppress(ValueError):  # while it runs in another thread
            self._batches.close()
        self._batch = None


def _iter_batches(open_file, number: int, names: list, batch_rows: int) -> Iterator:
    with open_file() as file:
        yield from file.iter_batches(number, names, batch_rows)
