"""Tasks that bring the rows of a buffer, piece by piece, on any thread.

A piece is small, so that no thread waits for one for long, and it knows where its rows
go, so that pieces can run in any order.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import numpy as np

from skmmap.disk import BUFFER, explaining
from skmmap.order import Buffer, PickedBuffer
from skmmap.rows import Source


def iter_pieces(
    source: Source, blocks: list, nbytes: int, do: Callable
) -> Iterator[Callable]:
    """Yield ``do(start, stop)`` for the pieces of blocks, of ``nbytes`` bytes each."""
    step = max(1, nbytes // max(1, source.row_nbytes))
    for first, last in blocks:
        for start in range(first, last, step):
            yield partial(_do_piece, source, do, start, min(start + step, last))


def _do_piece(source: Source, do: Callable, start: int, stop: int) -> None:
    try:
        with explaining((stop - start) * source.row_nbytes, BUFFER):
            do(start, stop)
    except Exception as error:
        error.add_note(f"while reading {source.describe(start, stop)}")
        raise


def iter_filling(
    source: Source, buffer: Buffer, nbytes: int, out: np.ndarray
) -> Iterator[Callable]:
    """Yield the tasks that put the rows of a buffer in their places in ``out``."""
    if isinstance(buffer, PickedBuffer):
        yield from _iter_picking(source, buffer, nbytes, out)
        return
    done = 0
    for first, last in _join_neighbours(buffer.blocks):
        here = slice(done, done + last - first)
        if buffer.places is None:
            put = partial(_put_in_order, source, out[here], first)
        else:
            put = partial(_put_in_places, source, out, buffer.places[here], first)
        yield from iter_pieces(source, [(first, last)], nbytes, put)
        done += last - first


def _join_neighbours(blocks: list) -> list:
    """Return blocks, of which no two are neighbours in the file: one for few rows."""
    starts = [first for (_, end), (first, _) in pairwise(blocks) if first != end]
    stops = [end for (_, end), (first, _) in pairwise(blocks) if first != end]
    return list(zip([blocks[0][0], *starts], [*stops, blocks[-1][1]], strict=True))


def _put_in_order(source, out, first: int, start: int, stop: int) -> None:
    source.read_into(start, stop, out[start - first : stop - first])


def _put_in_places(source, out, places, first: int, start: int, stop: int) -> None:
    rows, places = source.read(start, stop), places[start - first : stop - first]
    same = (
        rows.dtype == out.dtype and not rows.dtype.hasobject and rows.dtype.kind != "T"
    )
    if same and rows.flags.c_contiguous and rows.ndim > 1 and rows.size:
        out, rows = _as_items(out), _as_items(rows)
    out[places] = rows
    source.store.verify()


def _iter_picking(
    source: Source, buffer: PickedBuffer, nbytes: int, out: np.ndarray
) -> Iterator[Callable]:
    """Yield the tasks for rows from anywhere, those that lie in one piece together."""
    step = max(1, nbytes // max(1, source.row_nbytes))
    cuts = np.flatnonzero(np.diff(buffer.picked // step)) + 1
    for start, stop in pairwise([0, *cuts.tolist(), len(buffer.picked)]):
        for i in range(start, stop, step):
            here = slice(i, min(i + step, stop))
            rows, places = buffer.picked[here], buffer.places[here]
            put = partial(_put_picked, out, rows, places)
            do = lambda first, last, put=put: put(source)  # noqa: E731
            yield partial(_do_piece, source, do, int(rows[0]), int(rows[-1]) + 1)


def _put_picked(out, picked, places, source) -> None:
    rows = source.pick(picked)
    same = rows.dtype == out.dtype and rows.dtype.kind not in "OT"
    if same and rows.flags.c_contiguous and rows.ndim > 1 and rows.size:
        out, rows = _as_items(out), _as_items(rows)
    out[places] = rows
    source.store.verify()


def _as_items(rows: np.ndarray) -> np.ndarray:
    """Return rows as single items, which NumPy copies faster than rows of numbers."""
    flat = rows.reshape(len(rows), -1)
    return flat.view(np.dtype((np.void, flat.strides[0])))[:, 0]


def collect(source: Source, buffer: Buffer, rows: dict) -> None:
    """Read the rows of a source that is not an array, and put them into ``rows``."""
    with explaining(buffer.n_rows * source.row_nbytes, BUFFER):
        if isinstance(buffer, PickedBuffer):
            found = source.pick(buffer.picked)
            rows[id(source)] = source.store.pick(found, buffer.order)
            return
        order = None if buffer.places is None else buffer.order
        joined = _join_neighbours(buffer.blocks)
        rows[id(source)] = source.read_mixed(joined, order)


def lock_array(array: np.ndarray) -> np.ndarray:
    """Return a read-only view."""
    view = array.view()
    view.flags.writeable = False
    return view
