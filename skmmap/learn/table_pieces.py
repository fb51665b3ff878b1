"""The rows of a table in pieces, read ahead and reported."""

from collections.abc import Iterator
from contextlib import closing

from skmmap.boosters import Pieces, as_matrix
from skmmap.order import FileOrder
from skmmap.read import Chunk, Table
from skmmap.run import Report


class TablePieces(Pieces):
    """The rows of a table in the chunks of an order."""

    def __init__(self, table: Table, schedule: FileOrder, report: Report):
        super().__init__(table.X, schedule.chunk_size)
        self._table, self._schedule, self._report = table, schedule, report

    @property
    def n_buffers(self) -> int:
        return len(self._schedule)

    def iter_shuffled(self) -> Iterator[tuple]:
        """Yield rows of each shuffled buffer, and their numbers; count the pass."""
        made = self.begin_pass()
        with closing(self._iter_chunks()) as chunks:
            for chunk in chunks:
                made.n_rows += chunk.n_rows
                yield as_matrix(chunk.X), chunk.find_rows()
                del chunk

    def _iter_all(self):
        with closing(self._iter_chunks()) as chunks:
            for chunk in chunks:
                yield as_matrix(chunk.X)
                del chunk

    def _iter_chunks(self) -> Iterator[Chunk]:
        with self._table.lend() as table:
            for chunk in table.iter_chunks(self._schedule):
                yield chunk
                self._report.add(chunk.n_rows)
                del chunk
            table.finish()
