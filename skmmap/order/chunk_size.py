"""Rows of a chunk and of a shuffled buffer: sizes in, sizes out."""

import re
from functools import lru_cache
from math import ceil
from numbers import Integral
from typing import NamedTuple

from skmmap.order.memory import (
    AUTO_SHARE,
    BUFFER_SHARE,
    CHUNKS_HELD,
    GATHERED_CHUNKS,
    KEPT_AND_CHUNKS,
    KEPT_SHARE,
)

_UNITS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_SIZE = r"(?i)\s*(\d+(?:\.\d+)?)\s*([KMGT]?I?B)\s*"

# More rows than this only where the calls of fewer are known to cost time.
_MAX_AUTO_ROWS = 65_536
_FLAT = 0.02

_PLACE_NBYTES = 8
# More would only make shuffling slow.
_MAX_BUFFER_ROWS = 2**20


class Cost(NamedTuple):
    """What a call of ``partial_fit`` costs an estimator, and each row in it.

    Both are straight lines in the values of a row. ``most_values`` in a call are where
    more were measured to be slower, as they no longer stay in the processor's cache,
    and ``least_rows`` where fewer were; None where more rows are never slower.
    """

    call_us: float
    call_value_us: float
    row_ns: float
    value_ns: float
    most_values: int | None = None
    least_rows: int = 1

    def find_call_share(self, rows: int, row_values: int) -> float:
        """Return the part of a call's time that does not depend on its rows."""
        call = 1000 * (self.call_us + self.call_value_us * row_values)
        return call / (call + rows * (self.row_ns + self.value_ns * row_values))

    def find_flat_rows(self, row_values: int) -> int:
        """Return the rows from which on calls take 2 % of the time at most."""
        call = 1000 * (self.call_us + self.call_value_us * row_values)
        return ceil((1 / _FLAT - 1) * call / (self.row_ns + self.value_ns * row_values))

    def find_most_rows(self, row_values: int) -> int | None:
        """Return the rows from which on more of them are slower, None if none are."""
        if self.most_values is None:
            return None
        return max(self.least_rows, self.most_values // max(1, row_values))


def parse_size(size, name: str) -> int:
    """Return the bytes that ``size`` says: an int, or a text such as "64MB".

    >>> parse_size("64MB", "memory_limit"), parse_size("1.5 GiB", "memory_limit")
    (64000000, 1610612736)
    """
    if isinstance(size, Integral) and not isinstance(size, bool) and size > 0:
        return int(size)
    n_bytes = _parse_text(size) if isinstance(size, str) else 0
    if n_bytes < 1:
        raise ValueError(
            f"{name} must be a number of bytes or a size such as '512MB' or "
            f"'2GiB'; got {size!r}."
        )
    return n_bytes


@lru_cache  # a call asks for its memory limit several times
def _parse_text(size: str) -> int:
    match = re.fullmatch(_SIZE, size)
    return int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0


def find_chunk_rows(
    chunk_size,
    *,
    row_values: int,
    row_nbytes: int,
    memory_limit,
    n_rows: int,
    min_rows: int = 1,
    cost: Cost | None = None,
) -> int:
    """Return the rows of a chunk: a function of sizes alone, never of the machine.

    ``row_values`` counts the numbers in a row, ``row_nbytes`` their bytes as
    stored; ``min_rows`` is the least that the estimator can work with, ``cost`` what is
    known of its speed. Of ``n_rows`` depends only what is refused: a chunk never has
    more rows than there are.
    """
    limit = parse_size(memory_limit, "memory_limit")
    row_nbytes = max(1, row_nbytes)
    most = limit // (CHUNKS_HELD * row_nbytes)
    if most < min_rows:
        raise ValueError(
            f"memory_limit={memory_limit!r} is too small: {CHUNKS_HELD} chunks of at "
            f"least {min_rows:,} x {row_nbytes:,} bytes need "
            f"{CHUNKS_HELD * min_rows * row_nbytes:,} bytes."
        )
    if isinstance(chunk_size, str) and chunk_size == "auto":
        row_working = max(8 * row_values, row_nbytes)
        flat = 0 if cost is None else cost.find_flat_rows(row_values)
        most = max(flat, _MAX_AUTO_ROWS)
        rows = min(limit // (AUTO_SHARE * row_working), most)
        fast = None if cost is None else cost.find_most_rows(row_values)
        return max(rows if fast is None else min(rows, fast), min_rows, 1)
    rows = _check_rows(chunk_size, row_nbytes)
    if min(rows, n_rows) > most:
        raise ValueError(
            f"chunk_size={chunk_size!r} is {rows:,} rows of {row_nbytes:,} bytes, and "
            f"{CHUNKS_HELD} such chunks are more than memory_limit={memory_limit!r}. "
            f"Use at most {most:,} rows, or raise memory_limit to "
            f"{CHUNKS_HELD * rows * row_nbytes:,} bytes."
        )
    return rows


def _check_rows(chunk_size, row_nbytes: int) -> int:
    """Return the rows that an int or a size such as "64MB" stands for."""
    if isinstance(chunk_size, str) and re.fullmatch(_SIZE, chunk_size):
        return max(1, parse_size(chunk_size, "chunk_size") // row_nbytes)
    if isinstance(chunk_size, Integral) and not isinstance(chunk_size, bool):
        if chunk_size >= 1:
            return int(chunk_size)
        raise ValueError(
            f"chunk_size must be an integer of at least 1; got {chunk_size!r}."
        )
    raise ValueError(
        "chunk_size must be an integer of at least 1, a size such as '64MB', or "
        f"'auto'; got {chunk_size!r}."
    )


def can_keep(memory_limit, nbytes: int, chunk_nbytes: int) -> bool:
    """Return whether rows of so many bytes can stay in memory for all epochs.

    >>> can_keep("80MB", 40_000_000, 5_000_000), can_keep("80MB", 40_000_001, 1)
    (True, False)
    """
    limit = parse_size(memory_limit, "memory_limit")
    together = nbytes + GATHERED_CHUNKS * chunk_nbytes
    return nbytes <= limit / KEPT_SHARE and together <= limit * KEPT_AND_CHUNKS


def find_room(memory_limit, used_nbytes: int) -> int:
    """Return the bytes for rows that are kept where not all of them can be.

    ``used_nbytes`` are those of two buffers, or two chunks, that others are read into.

    >>> find_room("80MB", 20_000_000), find_room("80MB", 1), find_room("80MB", 10**9)
    (30000000, 40000000, 0)
    """
    limit = parse_size(memory_limit, "memory_limit")
    together = int(limit * KEPT_AND_CHUNKS) - used_nbytes
    return max(0, min(limit // KEPT_SHARE, together))


def find_buffer_rows(memory_limit, row_nbytes: int, chunk_rows: int) -> int:
    """Return the rows of a shuffled buffer: whole chunks, at least one.

    >>> find_buffer_rows("80MB", 1_000, 3_000)
    9000
    """
    limit = parse_size(memory_limit, "memory_limit")
    # Of shorter rows their places, numbers of 8 bytes, would take more than they do.
    nbytes = max(_PLACE_NBYTES, row_nbytes)
    rows = min(limit // (BUFFER_SHARE * nbytes), _MAX_BUFFER_ROWS)
    return chunk_rows * max(1, rows // chunk_rows)
