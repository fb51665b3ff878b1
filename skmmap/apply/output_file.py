"""Results that go to a ``.npy`` file, in which a killed run can be resumed.

The file appears under its name once all rows are in it. Until then it has a hidden
name, the fingerprint of estimator, rows, method and versions. After its rows it has a
byte for each chunk whose rows have reached the disk. So a killed run of the same
computation can be resumed, and a run of anything else does not find the file. Two runs
cannot write to it at once (``flock``).
"""

import errno
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path

import numpy as np

from skmmap._messages import say_size
from skmmap.apply.output_check import naming_output
from skmmap.apply.result_check import check_fits, to_array
from skmmap.disk import Unfinished, explaining, make_header, open_hidden, read_header
from skmmap.order import rows_at
from skmmap.write import check_storable

# Rows out of order are written through a map of this many bytes of pages at most.
_SCATTERED_NBYTES = 2**23
_PAGE_NBYTES = 2**12
# Chunks that are done are noted this often: a killed run loses no more.
_SECONDS = 1.0
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class Written:
    """Stands for a result that is already in the file."""


class RowsFile:
    """The rows of a file with a header and space for all; any process can fill them."""

    def __init__(self, path: Path, offset: int, dtype, shape: tuple, order):
        self._path, self._offset, self._order = path, offset, order
        self._dtype, self._shape = dtype, shape
        self.row_nbytes = dtype.itemsize * prod(shape[1:])

    def __call__(self, chunk, result) -> Written:
        """Put the result for a chunk in its place."""
        result = to_array(result, chunk.start, chunk.stop)
        self.put(chunk.start, chunk.stop, result)
        return Written()

    def put(self, start: int, stop: int, result: np.ndarray) -> None:
        """Put the result for the rows from ``start`` to before ``stop``."""
        check_fits(result, self._shape[1:], self._dtype, start, stop)
        result = np.ascontiguousarray(result, self._dtype)
        if self._order is not None:
            self._scatter(rows_at(self._order, range(start, stop)), result)
            return
        with open_hidden(self._path) as file:
            file.seek(self._offset + start * self.row_nbytes)
            file.write(result.reshape(-1).view(np.uint8).data)

    def _scatter(self, places: np.ndarray, result: np.ndarray) -> None:
        """Write rows out of order, through maps that are closed at once.

        The space was allocated before: on a full disk, writing through a map would
        crash the process (SIGBUS).
        """
        step = max(1, _SCATTERED_NBYTES // max(_PAGE_NBYTES, self.row_nbytes))
        for first in range(0, len(places), step):
            here = slice(first, first + step)
            with open_hidden(self._path) as file:
                rows = np.memmap(file, self._dtype, "r+", self._offset, self._shape)
            rows[places[here]] = result[here]


class FileOutput:
    """Results that fill a ``.npy`` file."""

    def __init__(self, path: Path, n_rows: int, order=None, *, key: str, resume: bool):
        self._path, self._n_rows, self._order = path, n_rows, order
        self._resume, self._rows = resume, None
        self._numbers, self._new, self._synced = {}, [], time.monotonic()
        self._is_over = False
        with naming_output(path):
            self._out = Unfinished(path, key=key, resume=resume)

    def choose(self, schedule) -> Iterable:
        """Return the chunks to compute: those that are not done yet."""
        self._numbers = {chunk: number for number, chunk in enumerate(schedule)}
        done = self._find_done() if self._resume else b""
        if not done:
            self._out.truncate()
            return schedule
        return [chunk for chunk, number in self._numbers.items() if not done[number]]

    def _find_done(self) -> bytes:
        """Return a byte for each chunk, nothing without a file to resume."""
        try:
            header = self._out.read(read_header, "out")
        except ValueError:  # killed before the first chunk
            return b""
        n_bytes = header.end + len(self._numbers)
        if header.shape[:1] != (self._n_rows,) or self._out.size < n_bytes:
            return b""
        self._describe(header.dtype, header.shape[1:])
        return self._out.read_at(self._end, len(self._numbers))

    def _describe(self, dtype, row_shape) -> None:
        shape = self._n_rows, *row_shape
        self._header = make_header(dtype, shape)
        self._rows = RowsFile(
            self._out.hidden, len(self._header), dtype, shape, self._order
        )
        self._end = len(self._header) + self._n_rows * self._rows.row_nbytes

    def share(self) -> "RowsFile":
        """Return a function that writes results to the file, in any process."""
        return self._rows

    def add(self, start: int, stop: int, result) -> None:
        """Take the result for the rows from ``start`` to before ``stop``."""
        if not isinstance(result, Written):
            result = to_array(result, start, stop, self._path)
            if self._rows is None:
                self._lay_out(result)
            with self._explaining():
                self._rows.put(start, stop, result)
        if start < stop:
            self._new.append(self._numbers[start, stop])
        if time.monotonic() - self._synced > _SECONDS:
            with self._explaining():
                self._note_done()

    def _lay_out(self, result: np.ndarray) -> None:
        """Allocate space for all rows, once the first result shows what they are."""
        said = f"The result has the dtype {result.dtype}"
        self._describe(check_storable(result.dtype, said), result.shape[1:])
        with self._explaining():
            self._out.allocate(self._end + len(self._numbers))
            self._out.write_at(0, self._header)
            self._out.flush()

    def _note_done(self) -> None:
        """Note the chunks that are done, after their rows have reached the disk."""
        # After an error the system may say that all is on the disk which is not.
        new, self._new = self._new, []
        self._out.sync()
        for number in new:
            self._out.write_at(self._end + number, b"\x01")
        self._out.flush()
        self._synced = time.monotonic()

    def result(self) -> np.memmap:
        """Put the file in its place, and return a map of it."""
        with self._explaining():
            self._out.truncate(self._end)
            self._out.commit(self._header)
        self._is_over = True
        what = f"a map of {self._path}, which is written"
        with explaining(self._end, (what, "Raise the limit (ulimit -v).")):
            return np.load(self._path, mmap_mode="r")

    def close(self) -> None:
        """Delete an incomplete file, or leave it to be resumed."""
        if self._is_over:
            return
        if self._resume and self._rows is not None:
            with suppress(OSError):  # such as a full disk, which was raised before
                self._note_done()
            self._out.close()
        else:
            self._out.discard()

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Note on an error of the disk what was being written."""
        try:
            yield
        except OSError as error:
            todo = "Make room, or choose another disk"
            if error.errno not in _FULL:
                todo = "Check that files can be made there"
            error.add_note(
                f"while writing {self._path}, which takes {say_size(self._end)}. "
                f"{todo}; a file that was there before is unchanged."
            )
            raise
