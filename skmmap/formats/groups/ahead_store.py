"""Rows read a little ahead, so that a file is opened and a chunk decoded once.

A run reads few rows at a time, one slice after the other. Opening an HDF5 file for
each, and decoding a chunk for each slice of it, takes longer than all the rest.
"""

import numpy as np

from skmmap.formats.shared import ContainerStore

# As much is read at once where the next rows are asked for: more does not read faster.
# At most what was asked for so far, since a run of rows may end at any row.
_AHEAD_NBYTES = 2**22
# As much of a chunk is kept at most: of a wider one the rest is decoded again.
_KEPT_NBYTES = 2**24


class AheadStore(ContainerStore):
    """Rows of which the last piece stays in memory during a run.

    Outside of runs, and where somebody may write to the file, nothing is kept: there a
    change of values is no error.
    """

    _chunk_rows = 1
    _kept: tuple = ()  # the first row of the piece, and its rows
    # The first row of those that were asked for one after the other, and the next one.
    _first = _next = 0

    def _bring(self, start: int, stop: int) -> np.ndarray:
        run = self._run
        if run is None or run.is_writer or not run.is_watched:
            return super()._bring(start, stop)
        if start != self._next:
            self._first = start
        head = self._find_kept(start, stop)
        begin = start + len(head)
        if begin < stop:
            end = self._find_end(begin, stop, start - self._first)
            rows, self._kept = super()._bring(begin, end), ()
            if end > stop:
                rows.flags.writeable = False
                self._kept = begin, rows
                rows = rows[: stop - begin]
            head = np.concatenate([head, rows]) if len(head) else rows
        self._next = stop
        return head

    def _find_kept(self, start: int, stop: int) -> np.ndarray:
        """Return the first of these rows, as far as they were kept."""
        first, rows = self._kept or (0, self._make_empty())
        if first <= start < first + len(rows):
            return rows[start - first : stop - first]
        return self._make_empty()

    def _find_end(self, begin: int, stop: int, n_before: int) -> int:
        """Return up to which row to read: to the end of a chunk, or some of them."""
        row_nbytes = max(1, self.row_nbytes)
        # A slice that is long itself needs no more.
        most = max(0, _AHEAD_NBYTES // row_nbytes - (stop - begin))
        end = stop + min(n_before, most)
        end = -(-end // self._chunk_rows) * self._chunk_rows
        most = max(stop, begin + _KEPT_NBYTES // row_nbytes)
        return min(end, most, self.n_rows)

    def close(self) -> None:
        super().close()
        self._kept = ()

    def _list_vars(self) -> dict:
        """Return what is pickled: the same after any reads."""
        kept = "_kept", "_first", "_next"
        return {name: value for name, value in vars(self).items() if name not in kept}
