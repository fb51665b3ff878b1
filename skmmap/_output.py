"""Joins the results of chunks into what one call on all rows would have returned."""

import numpy as np
from scipy import sparse

from skmmap._rows import concat_frames, is_frame


class Output:
    """Collects results chunk by chunk, in the type that they come in.

    The first one decides: arrays are copied into one array of all rows, which
    widens when a later chunk needs it, so that nothing is held twice.
    """

    def __init__(self, n_rows: int, *, keep_index: bool = False):
        self._n_rows, self._keep_index = n_rows, keep_index
        self._joined = None

    def add(self, start: int, result) -> None:
        """Take the result for the rows from ``start`` on."""
        if self._joined is None:
            self._joined = self._open(result)
        self._joined.add(start, result)

    def result(self):
        """Return the joined result of all chunks."""
        return self._joined.result()

    def _open(self, first):
        if isinstance(first, list) and first and np.ndim(first[0]) > 0:
            return _Outputs([Output(self._n_rows) for _ in first])
        if sparse.issparse(first):
            return _Parts(lambda parts: sparse.vstack(parts, format=first.format))
        if is_frame(first):
            return _Parts(
                lambda parts: concat_frames(parts, keep_index=self._keep_index)
            )
        return _Array(self._n_rows)


class _Array:
    """One array of all rows, filled from the front."""

    def __init__(self, n_rows: int):
        self._n_rows, self._rows = n_rows, None

    def add(self, start: int, result) -> None:
        result = np.asarray(result)
        if self._rows is None:
            self._rows = np.empty((self._n_rows, *result.shape[1:]), result.dtype)
        dtype = np.result_type(self._rows, result)
        if dtype != self._rows.dtype:
            self._rows = self._rows.astype(dtype)
        self._rows[start : start + len(result)] = result

    def result(self):
        return self._rows


class _Parts:
    """Pieces that their own library joins."""

    def __init__(self, join):
        self._join, self._parts = join, []

    def add(self, start: int, result) -> None:
        self._parts.append(result)

    def result(self):
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else self._join(parts)


class _Outputs:
    """A list of outputs, as multi-output estimators return."""

    def __init__(self, outputs: list):
        self._outputs = outputs

    def add(self, start: int, result) -> None:
        for output, part in zip(self._outputs, result, strict=True):
            output.add(start, part)

    def result(self):
        return [output.result() for output in self._outputs]
