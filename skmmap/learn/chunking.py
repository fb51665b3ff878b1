"""The chunks that an estimator learns from, and their order."""

from functools import partial
from typing import Any

from sklearn.exceptions import EfficiencyWarning

from skmmap._messages import say_count, warn
from skmmap.estimators import Learning, find_cost, find_learning, is_loop
from skmmap.learn.class_sampling import find_given
from skmmap.order import (
    BlockOrder,
    ChunkOrder,
    FileOrder,
    GivenOrder,
    Order,
    OrderRows,
    SharedOrder,
    find_block_rows,
    find_buffer_rows,
    find_chunk_rows,
    find_slices,
    parse_size,
)
from skmmap.read import Labels, Table
from skmmap.rows import Source
from skmmap.wrap import find_last_step, is_one_of, uses_target

_SLOW = (
    "X is stored column by column (Fortran order), so each chunk of rows reads "
    "from the whole file. Writing it by rows once will make every pass faster: "
    "skmmap.convert(X, 'X_rows.npy')."
)
# Labels count as sorted if the means of hundredths of the file explain a fifth of their
# variance.
_SORTED = 0.2
# Of a limit below this an "auto" chunk has less than 64 kB: the fixed cost of a call is
# then more than that of its rows, for most estimators (order/chunk_table).
_SMALL_LIMIT = 10**6


def make_schedule(
    wrapper,
    X,
    *,
    learning: Learning | None = None,
    min_rows: int = 1,
    dense: bool = False,
) -> FileOrder:
    """Return the chunks in which X is read, the first one of ``min_rows`` at least.

    With ``learning`` they are what the estimator learns from; without, what a fitted
    one is given.
    """
    chunk_rows = _find_chunk_rows(wrapper, X, learning, min_rows, dense)
    if chunk_rows < min_rows and chunk_rows < X.n_rows:
        raise ValueError(
            f"chunk_size={wrapper.chunk_size!r} is {chunk_rows:,} rows, and "
            f"{type(wrapper.estimator).__name__} needs at least {min_rows:,} in a "
            "chunk."
        )
    _warn_if_small(wrapper, X, chunk_rows, learning, min_rows, dense)
    if X.store.is_slow_layout and chunk_rows < X.n_rows:
        warn(_SLOW, EfficiencyWarning)
    # The loop keeps a short last chunk: many estimators need ``min_rows`` only once.
    return FileOrder(X.n_rows, chunk_rows, 1 if is_loop(wrapper) else min_rows)


def _warn_if_small(wrapper, X, chunk_rows: int, learning, min_rows, dense) -> None:
    """Warn of a memory limit for which the fixed cost of calls dominates."""
    limit = parse_size(wrapper.memory_limit, "memory_limit")
    is_auto = isinstance(wrapper.chunk_size, str) and wrapper.chunk_size == "auto"
    if not is_auto or limit >= _SMALL_LIMIT or chunk_rows >= X.n_rows:
        return
    how = learning, min_rows, dense, _SMALL_LIMIT
    rows = min(_find_chunk_rows(wrapper, X, *how), X.n_rows)
    nbytes = 8 * X.shape[1] if dense else max(8 * X.row_values, X.row_nbytes)
    if rows > chunk_rows:
        warn(
            f"memory_limit={wrapper.memory_limit!r} makes chunks of "
            f"{say_count(chunk_rows, 'row')}, since a chunk takes a sixteenth of it, "
            f"and a row {nbytes:,} bytes. So many calls are slow, and an estimator may "
            "learn less well. Raise memory_limit to at least "
            f"'1MB' (chunks of {say_count(rows, 'row')}; the default is '512MB'), or "
            "set chunk_size.",
            EfficiencyWarning,
        )


def _find_chunk_rows(
    wrapper,
    X,
    learning: Learning | None,
    min_rows: int,
    dense: bool,
    memory_limit: int | str | None = None,
) -> int:
    """Return the rows of a chunk: the batch size of ``fit``, or a fast number."""
    # Costs were measured with dense rows; sparse ones use other code of the estimator.
    is_sparse = X.store.is_sparse and not dense
    find_rows = partial(
        find_chunk_rows,
        row_values=X.shape[1] if dense else _find_row_values(wrapper, X, learning),
        row_nbytes=8 * X.shape[1] if dense else X.row_nbytes,
        memory_limit=wrapper.memory_limit if memory_limit is None else memory_limit,
        min_rows=min_rows,
        n_rows=X.n_rows,
        cost=None if is_sparse else find_cost(wrapper.estimator),
    )
    batch_rows = None if learning is None else learning.find_batch_rows(X.shape)
    is_auto = isinstance(wrapper.chunk_size, str) and wrapper.chunk_size == "auto"
    if is_auto and batch_rows is not None:
        rows = find_rows("auto")
        if learning.entry.splits_chunks:
            return batch_rows * max(1, rows // batch_rows)
        return min(max(batch_rows, min_rows), rows)
    rows = find_rows(wrapper.chunk_size)
    has_equal_steps = learning is not None and learning.entry.equal_steps
    if has_equal_steps and not is_loop(wrapper):
        return _share_out_tail(rows, X.n_rows)
    return rows


def _find_row_values(wrapper, X, learning: Learning | None) -> int:
    """Return the values of a row, between the steps of a fitted pipeline if more."""
    widest = 0 if learning else vars(wrapper).get("_widest_row", 0)
    return max(X.row_values, widest)


def _share_out_tail(chunk_rows: int, n_rows: int) -> int:
    """Return slightly fewer rows if the last chunk would be short.

    Each chunk is a step of the same weight, so that rows of a short chunk would have
    more weight than others.
    """
    if not (chunk_rows < n_rows and 0 < n_rows % chunk_rows < chunk_rows / 2):
        return chunk_rows
    n_chunks = -(-n_rows // chunk_rows)
    return -(-n_rows // n_chunks)


# Orders in which rows are shuffled in buffers.
MIXED = "blocks", "shared", "given"


def find_last_learner(estimator) -> Any:
    """Return the last step of an estimator, inside of what transforms its target."""
    last = find_last_step(estimator)
    while is_one_of(last, "TransformedTargetRegressor"):
        last = find_last_step(last.regressor)
    return last


def is_shuffled(wrapper, y) -> bool:
    """Return whether rows are shuffled where the last step of the estimator learns."""
    last = find_last_learner(wrapper.estimator)
    if not hasattr(last, "partial_fit"):  # it learns from sums, in file order
        return False
    learning = find_learning(last, uses_target=uses_target(last, y))
    return find_shuffle(wrapper, learning) in MIXED


def find_shuffle(wrapper, learning: Learning) -> str:
    """Return what is shuffled: one of MIXED, "chunks", or "" for file order."""
    shuffle = wrapper.shuffle
    if wrapper.sampling is not None or isinstance(shuffle, Order):
        return "given"
    if isinstance(shuffle, str) and shuffle == "auto":
        shuffle = learning.is_shuffled
    if isinstance(shuffle, str):
        return shuffle
    return "blocks" if shuffle else ""


def find_ordered(shuffle: str, X: Source) -> Source:
    """Return the rows over which an order is drawn: those of X, or all of its store."""
    shared = _find_shared(shuffle, X)
    return X if shared is None else shared.whole


def _find_shared(shuffle: str, X: Source) -> Source | None:
    """Return X as rows of the store whose order it shares, None if it has its own.

    What is in memory has no store that selections could share: other processes get
    the selected rows alone, and results would depend on where they are computed. Rows
    that were loaded from a file are those of the file, for the same reason.
    """
    if shuffle != "shared":
        return None
    rows = X.origin
    has_own = rows.has_all or rows.is_sent_alone
    is_moved = rows is not X and rows.find_file_order() is not None
    return None if has_own or is_moved else rows


def shuffle_chunks(
    wrapper, shuffle: str, chunks: FileOrder, table: Table, labels, seed: int
) -> FileOrder:
    """Return the schedule in which the rows are learned.

    ``chunks`` are those of the rows over which the order is drawn.
    """
    shape = chunks.n_rows, chunks.chunk_size
    if shuffle == "chunks":
        return ChunkOrder(*shape, chunks.min_rows, seed)
    if not shuffle:
        return chunks
    nbytes = table.row_nbytes
    buffer_rows = find_buffer_rows(wrapper.memory_limit, nbytes, chunks.chunk_size)
    if shuffle == "given":
        order, y = find_given(wrapper, table, labels)
        block = find_block_rows(nbytes)
        about = OrderRows(*shape, buffer_rows, block, seed, y)
        return GivenOrder(order, about, chunks.min_rows)
    n_classes = _count_classes(labels)
    shared = _find_shared(shuffle, table.X)
    if shared is not None:  # the same for most selections that lack a rare class
        n_classes = 1 << (n_classes - 1).bit_length()
    slices = find_slices(buffer_rows, nbytes, chunks.n_rows, n_classes)
    if shared is None:
        return BlockOrder(*shape, chunks.min_rows, seed, buffer_rows, slices)
    # What the estimator needs is no part of the parent, which all of them share.
    parent = BlockOrder(*shape, 1, seed, buffer_rows, slices)
    _check_share(wrapper, parent, shared.n_rows, chunks.min_rows)
    return SharedOrder(parent, shared.selection, chunks.min_rows)


def _check_share(wrapper, parent: BlockOrder, n_rows: int, min_rows: int) -> None:
    """Raise if buffers have too few rows of the selection for a chunk."""
    mean = n_rows // parent.n_buffers
    if mean < min_rows and parent.n_buffers > 1:
        raise ValueError(
            f"With shuffle='shared', each of {parent.n_buffers:,} shuffled buffers of "
            f"the store has about {mean:,} of the {n_rows:,} selected rows, and "
            f"{type(wrapper.estimator).__name__} needs at least {min_rows:,} in a "
            f"chunk. Raise memory_limit={wrapper.memory_limit!r}, which makes buffers "
            "larger, or use shuffle='blocks'."
        )


def _count_classes(labels: Labels | None) -> int:
    if labels is None:
        return 1
    if isinstance(labels.classes, list):
        return max(map(len, labels.classes))
    return len(labels.classes)


def warn_if_sorted(wrapper, learning: Learning, schedule, labels) -> None:
    """Warn of sorted labels that are learned in file order."""
    if labels is None or isinstance(schedule, BlockOrder):
        return
    if learning.shuffle is False or len(schedule) == 1 or labels.sortedness < _SORTED:
        return
    is_own = isinstance(wrapper.shuffle, str) and wrapper.shuffle == "auto"
    asked = "its own shuffle=False" if is_own else f"shuffle={wrapper.shuffle!r}"
    warn(
        f"The labels are sorted: {100 * labels.sortedness:.0f} % of their variance is "
        "between hundredths of the file (0 % in random order), and "
        f"{type(wrapper.estimator).__name__} learns them in file order with "
        f"{asked}. Use shuffle='blocks', which shuffles rows at the cost of a scan.",
        UserWarning,
    )
