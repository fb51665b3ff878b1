"""Rows of a table with codes in place of texts; frames are made where one is needed."""

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np


class Codes(NamedTuple):
    """A column of texts: ``values`` of Arrow, and which of them a row has, or -1."""

    codes: np.ndarray
    values: Any


class CodedFrame:
    """Rows of a table of Arrow, in which texts are the codes of a dictionary.

    ``frames`` makes frames of such tables: those that the store reads. ``index`` are
    the numbers of the rows in the store, as a range or an array.
    """

    ndim = 2

    def __init__(self, table, frames, index):
        self._table, self._frames, self._index = table, frames, index
        self.shape = table.num_rows, table.num_columns

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows) -> "CodedFrame":
        """Return some rows, by a slice or by their positions."""
        if not isinstance(rows, slice):
            index = np.asarray(self._index)[rows]
            rows = rows.astype(np.int32, copy=False)  # for fewer bytes to go through
            return CodedFrame(self._table.take(rows), self._frames, index)
        start, stop, _ = rows.indices(len(self))
        table = self._table.slice(start, max(0, stop - start))
        return CodedFrame(table, self._frames, self._index[rows])

    @property
    def empty(self):
        """The frame of these columns without rows."""
        return self._frames.empty

    def select(self, columns: list[int]) -> "CodedFrame":
        """Return some columns, by their numbers."""
        table = self._table.select(columns)
        return CodedFrame(table, self._frames.select(columns), self._index)

    def to_frame(self):
        """Return the frame that the store would read."""
        return self._frames.decode(self._table, self._index)

    def has_texts(self, column: int) -> bool:
        """Whether a column has codes of texts."""
        type_ = self._table.schema.field(column).type
        return str(getattr(type_, "value_type", "")).endswith("string")

    def has_numbers(self, column: int) -> bool:
        """Whether a column of the frame is one that float64 holds, or of integers."""
        dtype = self.empty.dtypes.iloc[column]
        is_numpy = isinstance(dtype, np.dtype)
        return is_numpy and (dtype.kind in "iu" or dtype == np.float64)

    def find_codes(self, column: int) -> Codes:
        """Return the codes of a column of texts, which has one dictionary."""
        chunks = self._table.column(column).chunks
        if not chunks:
            return Codes(np.empty(0, np.int32), [])
        codes = [
            chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            for chunk in chunks
        ]
        codes = codes[0] if len(codes) == 1 else np.concatenate(codes)
        return Codes(codes, chunks[0].dictionary)

    def to_numbers(self, columns: list[int]) -> np.ndarray:
        """Return columns of numbers as rows of float64, NaN for what is missing."""
        out = np.empty((len(columns), len(self)))
        for values, number in zip(out, columns, strict=True):
            start = 0
            for chunk in self._table.column(number).chunks:
                stop = start + len(chunk)
                values[start:stop] = chunk.to_numpy(zero_copy_only=False)
                start = stop
        return out

    def spell(self, texts: list[list]):
        """Return the frame with these texts in its columns, or None."""
        return self._frames.spell(texts)


def join_coded(parts: list[CodedFrame]) -> CodedFrame:
    """Return several parts of rows as one."""
    first = parts[0]
    if len(parts) == 1:
        return first
    table = import_module("pyarrow").concat_tables([part._table for part in parts])
    index = np.concatenate([np.asarray(part._index) for part in parts])
    return CodedFrame(table.unify_dictionaries(), first._frames, index)
