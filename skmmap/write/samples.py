"""Samples that come one by one, written to one or several files."""

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import numpy as np

from skmmap.formats import open_rows
from skmmap.run import Report
from skmmap.write.batches import cast_integers, check_kind, check_storable
from skmmap.write.npy import NpyWriter, close_all

_BATCH_NBYTES = 2**23
_BATCH_SAMPLES = 2**14  # an array of a single number takes more than a hundred bytes


def check_samples(src) -> Iterable:
    if isinstance(src, io.IOBase):
        raise TypeError("src is an open file; pass its path.")
    if isinstance(src, str | bytes | os.PathLike) or not isinstance(src, Iterable):
        raise TypeError(
            "src must be an iterable of tuples where dst is a tuple of paths; got "
            f"{type(src).__name__}."
        )
    return src


def write_samples(samples, paths, dtype, is_several: bool, progress: bool) -> list:
    """Write each part of the samples to its file, and return the rows of all."""
    if len(set(map(os.path.realpath, paths))) < len(paths) or not paths:
        raise ValueError(
            f"dst must be different paths, at least one; got {[*map(str, paths)]}."
        )
    names = ", ".join(path.name for path in paths)
    total = len(samples) if hasattr(samples, "__len__") else None
    report = Report(progress, "skmmap", names, total)
    with report, ExitStack() as stack:
        writers = [stack.enter_context(NpyWriter(p, dtype=dtype)) for p in paths]
        parts = [_Gatherer(writer, dtype) for writer in writers]
        for row, sample in _iter_samples(samples):
            split = _split(sample, paths, row) if is_several else [sample]
            for part, item in zip(parts, split, strict=True):
                part.add(item, row)
            report.tell(row + 1)
        for part in parts:
            part.flush()
        if len(writers) > 1:  # a single one is replaced in one step
            close_all(writers)
    return [open_rows(path) for path in paths]


def _iter_samples(samples) -> Iterator[tuple]:
    """Yield the number and the item of each sample; there must be at least one."""
    row = -1
    try:
        for row, sample in enumerate(samples):
            yield row, sample
    except Exception as error:
        error.add_note(f"while src made row {row + 1:,}")
        raise
    if row < 0:
        raise ValueError(
            "src yields no samples, so the shape of a row is not known. A generator "
            "that was used before is empty; create a new one."
        )


def _split(sample, paths, row: int) -> tuple:
    n_parts = len(sample) if isinstance(sample, tuple) else None
    if n_parts != len(paths):
        got = type(sample).__name__ if n_parts is None else f"a tuple of {n_parts}"
        raise ValueError(
            f"src yields {got} in row {row:,}; dst has {len(paths)} paths, so each "
            f"sample must be a tuple of {len(paths)}."
        )
    return sample


class _Gatherer:
    """Gathers the samples of one file until there are enough for a batch."""

    def __init__(self, writer: NpyWriter, dtype):
        self._writer, self._wanted = writer, writer.dtype
        self._first, self._batch, self._n_bytes = None, [], 0

    def add(self, sample, row: int) -> None:
        """Take a copy of the sample, which is row ``row``."""
        # A copy, since a generator may yield the same array again with other values.
        item = self._check(_to_array(sample, row), row)
        self._batch.append(item)
        self._n_bytes += item.nbytes
        if self._n_bytes >= _BATCH_NBYTES or len(self._batch) >= _BATCH_SAMPLES:
            self.flush()

    def flush(self) -> None:
        if self._batch:
            batch, before = np.stack(self._batch), self._writer.n_rows
            batch = cast_integers(batch, self._wanted, before)
            self._writer.append(batch)
        self._batch, self._n_bytes = [], 0

    def _check(self, item: np.ndarray, row: int) -> np.ndarray:
        """Return the sample if it has the shape and data type of the first one."""
        if self._first is None:
            check_storable(item.dtype, f"src yields the dtype {item.dtype}")
            self._first = item.shape, item.dtype
        shape, dtype = self._first
        if item.shape != shape:
            raise ValueError(
                f"src yields the shape {item.shape} in row {row:,}, and {shape} in row "
                f"0{self._name()}; all samples must have one shape."
            )
        if self._wanted is not None:
            check_kind(item.dtype, self._wanted, f"row {row:,} of src")
        elif item.dtype != dtype:
            wider = _say_common(item.dtype, dtype)
            raise TypeError(
                f"src yields the dtype {item.dtype} in row {row:,}, and {dtype} in row "
                f"0{self._name()}. Give a dtype for all, {wider}."
            )
        return item

    def _name(self) -> str:
        return f" for {self._writer.path.name}"


def _to_array(sample, row: int) -> np.ndarray:
    try:
        return np.array(sample)
    except ValueError as error:
        error.add_note(f"while reading row {row:,} of src")
        raise


def _say_common(dtype: np.dtype, other: np.dtype) -> str:
    if dtype.kind == other.kind == "U":
        return "such as dtype='U100', of the length of the longest string"
    try:
        return f"such as dtype={str(np.result_type(dtype, other))!r}"
    except TypeError:
        return "to which both can be cast"
