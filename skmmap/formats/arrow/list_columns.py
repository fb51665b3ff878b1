"""Columns of Arrow as arrays: single values, and lists of one length as rows."""

from math import prod

import numpy as np

from skmmap.formats.arrow.columns import (
    check_nulls,
    count_from,
    find_dtype,
    find_missing,
    find_width,
    is_string,
    to_chunked,
    to_numpy,
    to_value_type,
    to_values,
)

_LISTS = "list<", "large_list<", "list_view<", "large_list_view<", "fixed_size_list<"


class Column:
    """What a column is in an array: the type of its values, and the shape of a row.

    Lengths that the type leaves open are None until rows are measured.
    """

    def __init__(self, name: str, type_, where: str):
        self.name, self._where = name, where
        self.has_nulls, self.width = False, 1
        self._lengths, self._first, self._axes = [], {}, None
        if str(type_).startswith("extension<arrow.fixed_shape_tensor"):
            self._stored = type_.shape
            self._axes = type_.permutation or list(range(len(self._stored)))
        type_ = to_value_type(type_)
        while str(type_).startswith(_LISTS):
            self._lengths.append(getattr(type_, "list_size", None))
            type_ = to_value_type(type_.value_type)
        self.type, self.is_text = type_, is_string(type_)

    @property
    def shape(self) -> tuple:
        """The shape of a row."""
        if self._axes is not None:
            return tuple(self._stored[axis] for axis in self._axes)
        return tuple(self._lengths)

    @property
    def is_list(self) -> bool:
        return bool(self._lengths)

    @property
    def row_values(self) -> int:
        return prod(self.shape)

    @property
    def is_open(self) -> bool:
        """Whether only a pass tells how long lists and strings are, or of what type."""
        widens = find_dtype(self.type, False) != find_dtype(self.type, True)
        return None in self._lengths or self.is_text or bool(self._lengths and widens)

    def measure(self, column, before: int) -> None:
        """Take over what rows tell, of which the first is ``before``."""
        for chunk in to_values(column).chunks:
            self._measure(chunk, count_from(before), 0)
            before += len(chunk)

    def _measure(self, values, find_rows, depth: int) -> None:
        if depth < len(self._lengths):
            values, valid = self._open_lists(values, find_rows, depth)
            inside = _count_inside(find_rows, valid, self._lengths[depth])
            self._measure(values, inside, depth + 1)
        elif self.is_text:
            self.width = max(self.width, find_width(values))
        self.has_nulls |= values.null_count > 0

    def _open_lists(self, lists, find_rows, depth: int) -> tuple:
        """Return what is in the lists, and which of them are there."""
        sizes, valid = lists.value_lengths(), np.arange(len(lists))
        if lists.null_count:
            self.has_nulls = True
            sizes, valid = sizes.drop_null(), np.flatnonzero(_to_bools(lists))
        sizes = sizes.to_numpy(zero_copy_only=False)
        if self._lengths[depth] is None and len(valid):
            self._lengths[depth] = int(sizes[0])
            self._first[depth] = find_rows(valid[:1])[0]
        other = np.flatnonzero(sizes != self._lengths[depth])
        if len(other):
            row = find_rows(valid[other[:1]])[0]
            self._refuse(sizes[other[0]], row, depth)
        return to_values(lists.flatten()), valid

    def _refuse(self, size: int, row: int, depth: int) -> None:
        first = self._first.get(depth)
        others = "the others" if first is None else f"that in row {first:,}"
        raise ValueError(
            f"Column {self.name!r} of {self._where!r} has a list of {size:,} values in "
            f"row {row:,}, and {others} has {self._lengths[depth]:,}. An array needs "
            "lists of one length: write them so, or choose other columns."
        )

    def end(self) -> None:
        """Settle what no row tells: lists of which there is none are empty."""
        self._lengths = [0 if size is None else size for size in self._lengths]

    def to_numpy(self, column, dtype, before: int, missing: str = ""):
        """Return the values of rows, of which the first is ``before``."""
        if not self._lengths:
            return to_numpy(column, self.name, dtype, count_from(before), missing)
        out, place = np.empty((len(column), *self._lengths), dtype), 0
        for chunk in to_values(column).chunks:
            here = out[place : place + len(chunk)]
            self._fill(here, chunk, count_from(before + place), 0)
            place += len(chunk)
        if self._axes is None:
            return out
        tensors = out.reshape(len(out), *self._stored)
        return tensors.transpose(0, *(axis + 1 for axis in self._axes))

    def _fill(self, out, values, find_rows, depth: int) -> None:
        """Put values, or lists of them, into an array of their shape."""
        if depth == len(self._lengths):
            given = to_chunked(values), self.name, out.dtype, find_rows
            out[...] = to_numpy(*given)
            return
        check_nulls(to_chunked(values), self.name, out.dtype, find_rows)
        flat, valid = self._open_lists(values, find_rows, depth)
        size, is_full = self._lengths[depth], len(valid) == len(out)
        rows = out if is_full else np.empty((len(valid), *out.shape[1:]), out.dtype)
        inside = _count_inside(find_rows, valid, size)
        inner = rows.reshape(len(valid) * size, *out.shape[2:])
        self._fill(inner, flat, inside, depth + 1)
        if not is_full:
            out[...] = find_missing(out.dtype)
            out[valid] = rows


def _count_inside(find_rows, valid, size):
    """Return what finds the rows of values in lists."""
    return lambda places: find_rows(valid[places // size])


def _to_bools(values) -> np.ndarray:
    return values.is_valid().to_numpy(zero_copy_only=False)
