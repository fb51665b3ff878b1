"""Fitted transformers on codes and numbers, with the bits of their ``transform``.

Columns of numbers go through the arithmetic of imputers and scalers, texts are looked
up by their codes, and of both one matrix is made. Of rows that a transformer would
refuse or warn about, it gets the frame.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import get_config

from skmmap.rows import CodedFrame, Source
from skmmap.transformers.coded_parts import find_parts
from skmmap.transformers.coded_results import BLOCK_ROWS, DenseResult, SparseResult

_SAMPLED = 20  # rows that are transformed in both ways before all are


class CodedTransform:
    """What ``function`` does with rows, as a function for `Rows.map` that takes codes.

    That is a fitted transformer's ``transform``, and ``parts`` are its members. Results
    are ``like`` that of some rows.
    """

    is_value = takes_codes = True
    goes_by_blocks = True  # so that what it allocates is little beside the result

    def __init__(self, function: Callable, parts: list, like):
        self._function, self._parts, self._like = function, parts, like
        self._dtype = np.result_type(*[part.dtype for part in parts])
        self._n_entries = sum(part.n_entries for part in parts)
        self._firsts = np.cumsum([0, *[part.width for part in parts]]).tolist()

    @property
    def shared_key(self) -> Any:
        key = getattr(self._function, "shared_key", None)
        return None if key is None else (type(self), key)

    def __str__(self) -> str:
        return str(self._function)

    def __call__(self, rows):
        if not isinstance(rows, CodedFrame):
            return self._function(rows)
        result = self.compute(rows)
        return self._function(rows.to_frame()) if result is None else result

    def compute(self, rows: CodedFrame):
        """Return the result without a frame, None if some rows need one."""
        firsts = zip(self._parts, self._firsts, strict=False)
        opened = [part.open(rows, first) for part, first in firsts]
        if None in opened:
            return None
        make = SparseResult if sparse.issparse(self._like) else DenseResult
        shape = len(rows), self._firsts[-1]
        result = make(shape, self._n_entries, self._dtype, self._like)
        for start in range(0, len(rows), BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, len(rows))
            found = [compute(start, stop) for compute in opened]
            if None in found:
                return None
            result.add(stop - start, found)
        return result.finish()


def find_coded(transformer, function: Callable, source: Source):
    """Return the rows with codes, and what does with them what ``function`` does.

    None if there are none, or the transformer does more than what is known here: also
    if a few rows are not transformed to the same bits.
    """
    store = source.store.as_codes() if source.n_rows and source.cast is None else None
    if store is None or get_config()["transform_output"] != "default":
        return None
    parts = find_parts(transformer, store.read(0, 0))
    if not parts:
        return None
    coded = Source(store, source.selection, source.order)
    some = coded.select(range(min(_SAMPLED, source.n_rows))).load()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they come with the rows themselves
            like = function(some.to_frame())
    except Exception:  # as well
        return None
    found = CodedTransform(function, parts, like)
    return (coded, found) if _are_same(found.compute(some), like) else None


def _are_same(result, like) -> bool:
    if result is None or result.shape != like.shape or result.dtype != like.dtype:
        return False
    if not sparse.issparse(like):
        return np.array_equal(result, like, equal_nan=True)
    return all(
        np.array_equal(getattr(result, name), getattr(like, name), equal_nan=True)
        for name in ("data", "indices", "indptr")
    )
