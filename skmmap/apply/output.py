"""Joins the results of chunks into what one call on all rows would have returned."""

from collections.abc import Iterable

import numpy as np
from scipy import sparse

from skmmap._messages import describe_rows
from skmmap.apply.result_check import check_rows, is_list_of_rows, is_several
from skmmap.disk import RESULT, allocate, map_scratch
from skmmap.order import rows_at
from skmmap.rows import FrameStore, concat_frames, is_frame
from skmmap.run import find_sharing


class Output:
    """Collects results chunk by chunk, in the type of the first one.

    Arrays and CSR matrices are copied to their place in the result, whose data type
    widens if a later chunk needs it, so that nothing is in memory twice; frames and
    other sparse formats are joined at the end. ``order`` holds the row of the result
    for each row that comes; None means that they come in turn. ``rows`` is the array of
    the result, if results are computed there.
    """

    share = None  # results must come back to this process

    def __init__(self, n_rows: int, *, keep_index=False, order=None, rows=None):
        self._n_rows, self._keep_index, self._order = n_rows, keep_index, order
        self._joined = None if rows is None else _Array(n_rows, rows=rows)

    def add(self, start: int, stop: int, result) -> None:
        """Take the result for the rows from ``start`` to before ``stop``."""
        if self._joined is None:
            self._joined = self._open(result, stop - start)
        if not isinstance(self._joined, _Outputs):
            check_rows(result, start, stop)
        self._joined.add(start, stop, result)

    def choose(self, schedule) -> Iterable:
        """Return the chunks to compute."""
        return schedule

    def result(self):
        """Return the joined result of all chunks."""
        return self._joined.result()

    def close(self) -> None:
        """Do nothing: there is no file."""

    def _open(self, first, n_rows: int):
        if is_list_of_rows(first, n_rows):
            return _List(self._n_rows, self._order)
        if is_several(first):
            outputs = [Output(self._n_rows, order=self._order) for _ in first]
            return _Outputs(outputs, type(first))
        if sparse.issparse(first) and first.format == "csr":
            return _Csr(self._n_rows, first, self._order)
        if sparse.issparse(first):
            return _Parts(
                lambda parts: sparse.vstack(parts, format=first.format), self._order
            )
        if is_frame(first):
            return _Parts(
                lambda parts: concat_frames(parts, keep_index=self._keep_index),
                self._order,
                self._keep_index,
            )
        return _Array(self._n_rows, self._order)


class _Array:
    """One array of all rows."""

    def __init__(self, n_rows: int, order=None, rows=None):
        self._n_rows, self._order, self._rows = n_rows, order, rows

    def add(self, start: int, stop: int, result) -> None:
        result = np.asarray(result)
        if self._rows is None:
            self._rows = _allocate((self._n_rows, *result.shape[1:]), result.dtype)
        if result.shape[1:] != self._rows.shape[1:]:
            raise ValueError(
                f"The estimator returned the shape {result.shape} for "
                f"{describe_rows(start, stop)}, and rows of shape "
                f"{self._rows.shape[1:]} for the rows before."
            )
        dtype = np.result_type(self._rows, result)
        if dtype != self._rows.dtype:
            before, self._rows = self._rows, _allocate(self._rows.shape, dtype)
            self._rows[...] = before
        if self._order is None:
            self._rows[start:stop] = result  # nothing, if it was computed there
        else:
            self._rows[rows_at(self._order, range(start, stop))] = result

    def result(self):
        return self._rows


def _allocate(shape: tuple, dtype) -> np.ndarray:
    """Return an array: in a file, if those of fits side by side fill the memory."""
    rows = allocate(shape, dtype, RESULT)  # which is not there until it is written to
    if find_sharing().has_room_for(rows):
        return rows
    mapped = map_scratch(shape, dtype)
    return rows if mapped is None else mapped


class _Csr:
    """One CSR matrix of all rows, whose arrays grow in place."""

    def __init__(self, n_rows: int, first, order=None):
        self._order = order
        self._type, self._n_columns = type(first), first.shape[1]
        self._indptr = np.zeros(n_rows + 1, dtype=np.int64)
        self._indices = np.empty(0, first.indices.dtype)
        self._data = np.empty(0, first.dtype)

    def add(self, start: int, stop: int, result) -> None:
        before = int(self._indptr[start])
        self._indptr[start + 1 : stop + 1] = before + result.indptr[1:]
        self._indices = _extend(self._indices, before, result.indices)
        self._data = _extend(self._data, before, result.data)

    def result(self):
        indptr = self._indptr
        if indptr[-1] <= np.iinfo(self._indices.dtype).max:
            indptr = indptr.astype(self._indices.dtype)
        shape = len(indptr) - 1, self._n_columns
        joined = self._type((self._data, self._indices, indptr), shape=shape)
        return joined if self._order is None else joined[_invert(self._order)]


def _invert(order) -> np.ndarray:
    """Return the position of each row in a result that came in this order."""
    order = rows_at(order, range(len(order)))
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(order))
    return inverse


def _extend(array, n_used: int, more):
    """Return ``array`` grown in place by ``more``, in the wider of their types."""
    dtype = np.result_type(array, more)
    if dtype != array.dtype:
        array = array.astype(dtype)
    # Nothing else refers to the array; the system moves a large one without a copy.
    array.resize(n_used + len(more), refcheck=False)
    array[n_used:] = more
    return array


class _Parts:
    """Pieces that their own library joins."""

    def __init__(self, join, order=None, keep_index=True):
        self._join, self._parts = join, []
        self._order, self._keep_index = order, keep_index

    def add(self, start: int, stop: int, result) -> None:
        self._parts.append(result)

    def result(self):
        parts, self._parts = self._parts, []
        joined = parts[0] if len(parts) == 1 else self._join(parts)
        return joined if self._order is None else self._put_back(joined)

    def _put_back(self, joined):
        rows = _invert(self._order)
        if not is_frame(joined):
            return joined.tocsr()[rows].asformat(joined.format)
        joined = FrameStore.pick(joined, rows)
        if hasattr(joined, "reset_index") and not self._keep_index:
            return joined.reset_index(drop=True)
        return joined


class _List:
    """A list of rows, each an object of its own."""

    def __init__(self, n_rows: int, order=None):
        self._rows, self._order = [None] * n_rows, order

    def add(self, start: int, stop: int, result) -> None:
        places = range(start, stop)
        if self._order is not None:
            places = rows_at(self._order, places).tolist()
        for place, row in zip(places, result, strict=True):
            self._rows[place] = row

    def result(self):
        return self._rows


class _Outputs:
    """A list or tuple of outputs, as multi-output estimators return."""

    def __init__(self, outputs: list, kind=list):
        self._outputs, self._kind = outputs, kind

    def add(self, start: int, stop: int, result) -> None:
        if not is_several(result) or len(result) != len(self._outputs):
            raise ValueError(
                f"The estimator returned {len(self._outputs):,} outputs for the rows "
                f"before {describe_rows(start, stop)}, and something else for these."
            )
        for number, part in enumerate(result):
            check_rows(part, start, stop, f"As item {number}, the estimator")
            self._outputs[number].add(start, stop, part)

    def result(self):
        return self._kind(output.result() for output in self._outputs)
