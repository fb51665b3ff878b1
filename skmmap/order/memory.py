"""What of ``memory_limit`` goes where, and what a run needs: sizes in, sizes out.

The shares decide chunks and buffers, and so results: they follow from ``memory_limit``
alone. What is free on the machine decides only what changes no result: whether rows are
kept or read ahead, and how many jobs run.

In sixteenths of the limit a shuffled fit has 4 for two buffers, or 8 for rows that are
kept instead, at most 4 for two chunks and what the estimator makes of one, 1 for held
out rows, 1 for a copy of the estimator and half of one for its sample. Where a part of
the rows is kept, it has 6 beside two buffers, whose chunks are views: the estimator
makes 2 of one. Jobs have 14 together, and 1 for results on their way, 1 for pieces that
are read.
"""

from typing import NamedTuple

# Parts of the limit: one n-th of it.
AUTO_SHARE = 16  # a chunk as float64, by "auto"
BUFFER_SHARE = 8  # a shuffled buffer; the one that is read next has as much
# Rows that are kept in memory for all epochs need no buffer: the room of two of them, a
# quarter of the limit, and as much again are theirs. Besides, there are two chunks, one
# of which is gathered while the estimator works on the other, and what the estimator
# makes of it: three eighths, as without kept rows.
KEPT_SHARE = 2
KEPT_AND_CHUNKS = 5 / 8
GATHERED_CHUNKS = 2
HELD_OUT_SHARE = 16  # held-out rows that are kept
COPY_SHARE = 16  # the copy of an estimator that Ctrl-C goes back to
SAMPLE_SHARE = 32  # the sample of rows that a stopping rule looks at
RESULTS_SHARE = 16  # results on their way from jobs
PIECE_SHARE = 128  # one read; four are read at a time
_JOBS_SHARE = 7 / 8

CHUNKS_HELD = 3  # at most: in use, read next, and one that the estimator has kept

# What estimators allocate on a chunk, in its size as float64: 0 to 1.6 in scikit-learn
# (BernoulliNB), but 3 in IncrementalPCA (its SVD). Measured with tracemalloc.
_WORKING_COPIES = 2
# Of a buffer's row: its place, and its position in the file.
ORDER_NBYTES = 16
# A worker process has its own imports; it is measured at 60 to 90 MB.
_PROCESS_NBYTES = 80 * 10**6


class ChunkNeed(NamedTuple):
    """Bytes that one job needs for its chunks.

    ``stored`` are those of a chunk as it is read, ``working`` those as float64.
    """

    stored: int
    working: int

    def find_parts(self, *, reads_ahead: bool = True) -> dict[str, int]:
        """Return the bytes, and what they are for."""
        return self.find_stored(reads_ahead=reads_ahead) | self.find_working()

    def find_stored(self, *, reads_ahead: bool) -> dict[str, int]:
        """Return the bytes of the chunks as they are read."""
        read = "two chunks" if reads_ahead else "a chunk"
        return {read: (1 + reads_ahead) * self.stored}

    def find_working(self) -> dict[str, int]:
        """Return the bytes that the estimator allocates on a chunk."""
        return {"two copies of a chunk as float64": _WORKING_COPIES * self.working}

    def find_nbytes(self, *, reads_ahead: bool = True) -> int:
        """Return the bytes together, 1 at least."""
        return max(1, sum(self.find_parts(reads_ahead=reads_ahead).values()))


def fit_jobs(
    number: int,
    need: ChunkNeed,
    limit: int,
    free: int | None,
    *,
    has_memory=True,
    held: int = 0,
) -> tuple[int, bool]:
    """Return how many jobs fit, and whether they read ahead, which is given up first.

    Of ``free`` bytes, None if they are not known, jobs that do not share the memory of
    this process need some for themselves. Each keeps ``held`` bytes of all its chunks,
    and the results of those before have as much together.

    >>> fit_jobs(8, ChunkNeed(8, 16), limit=256, free=None)
    (5, False)
    >>> fit_jobs(2, ChunkNeed(8, 16), limit=256, free=50)
    (1, True)
    >>> fit_jobs(8, ChunkNeed(8, 16), limit=256, free=None, held=40)
    (2, True)
    """
    fitting = {}
    for reads_ahead in (True, False):
        nbytes = need.find_nbytes(reads_ahead=reads_ahead)
        nbytes += find_held(held, has_memory=has_memory)
        most = [number, (int(_JOBS_SHARE * limit) - held) // nbytes]
        if free is not None:
            own = 0 if has_memory else _PROCESS_NBYTES
            most.append((free - held) // (nbytes + own))
        fitting[reads_ahead] = max(1, *[min(most)])
    reads_ahead = fitting[True] >= fitting[False]
    return fitting[reads_ahead], reads_ahead


def find_wave(number: int, nbytes: int, held: int, limit: int) -> int:
    """Return how many results may be kept at a time, those on their way included.

    A ``number`` of jobs need ``nbytes`` each for their chunks, and results have
    ``held``. It is a multiple of the jobs, which wait for one another after so many.

    >>> find_wave(2, nbytes=30, held=30, limit=256)
    4
    """
    room = int(_JOBS_SHARE * limit) - held - number * nbytes
    return max(1, room // held // number) * number


def find_held(held: int, *, has_memory: bool) -> int:
    """Return the bytes of what a job keeps: other processes send a copy of it."""
    return held if has_memory else 2 * held
