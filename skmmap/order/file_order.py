"""The order by which selected rows ascend, so that a file is read in sequence."""

from collections.abc import Iterator

import numpy as np

from skmmap.order.selection import Runs, iter_pieces, narrow, rows_at

_DENSE = 4  # bytes that a sort needs for each row, in numbers of 4 bytes


def find_order(selection):
    """Return the positions, as a selection, by which rows ascend; None if they do.

    Equal rows keep their order.

    >>> find_order(range(5)[::-1]), find_order(np.array([7, 3, 7])).tolist()
    (range(4, -1, -1), [1, 0, 2])
    """
    if isinstance(selection, range):
        descends = selection.step < 0 and len(selection) > 1
        return range(len(selection))[::-1] if descends else None
    if isinstance(selection, Runs):
        return _find_order_of_runs(selection)
    if all(np.all(np.diff(piece) >= 0) for piece in _overlapping_pieces(selection)):
        return None
    return _sort(selection)


def _sort(rows: np.ndarray) -> np.ndarray:
    """Return the positions by which rows ascend; equal rows keep their order."""
    low, n_rows = rows.min(), len(rows)
    span = int(rows.max()) - int(low) + 1
    if span <= _DENSE * n_rows and n_rows < 2**32:
        # Each position is put where its row lies: no comparison, several times faster.
        places = np.zeros(span, dtype=np.uint32)
        for piece in iter_pieces(rows):
            numbers = np.arange(piece.start + 1, piece.stop + 1, dtype=np.uint32)
            places[rows[piece.start : piece.stop] - low] = numbers
        order = places[np.flatnonzero(places)]
        if len(order) == n_rows:  # otherwise some rows occur twice
            order -= 1
            return order
    return narrow(np.argsort(rows, kind="stable"))


def _find_order_of_runs(runs: Runs):
    order = np.argsort(runs.starts, kind="stable")
    starts, lengths = runs.starts[order], runs.lengths[order]
    if np.any(starts[:-1] + lengths[:-1] > starts[1:]):  # some rows occur twice
        return find_order(
            np.concatenate([rows_at(runs, piece) for piece in iter_pieces(runs)])
        )
    if np.all(order[:-1] < order[1:]):
        return None
    return Runs((runs.stops - runs.lengths)[order], lengths)


def _overlapping_pieces(index: np.ndarray) -> Iterator[np.ndarray]:
    # As int64, since the differences of unsigned numbers are never negative.
    for piece in iter_pieces(index):
        yield index[piece.start : piece.stop + 1].astype(np.int64)
