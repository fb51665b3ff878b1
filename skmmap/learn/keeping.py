"""Which rows a fit reads once, and keeps in memory: they would be read again."""

from skmmap.order import (
    HELD_OUT_SHARE,
    ORDER_NBYTES,
    BlockOrder,
    FileOrder,
    GivenOrder,
    can_keep,
    find_buffer_rows,
    find_room,
    parse_size,
)
from skmmap.read import NO_CACHE, RowCache, Table, find_cache, find_picked_cache
from skmmap.rows import Source
from skmmap.run import find_sharing


def keeps_rows(wrapper, table: Table, schedule: FileOrder, n_epochs: int) -> bool:
    """Return whether all rows are read once, and stay in memory."""
    nbytes, limit = table.unheld_nbytes, wrapper.memory_limit
    is_shuffled = isinstance(schedule, BlockOrder)
    if find_sharing().is_shared:  # each of several fits would keep rows of its own
        return False
    if not nbytes or not _is_worth_loading(table, is_shuffled):
        return False
    if not _is_read_again(table, schedule, n_epochs):
        return False
    if schedule.n_rows * n_epochs < table.X.n_rows:  # most are never learned
        return False
    if is_shuffled:
        nbytes += ORDER_NBYTES * min(schedule.n_rows, schedule.buffer_rows)
    if not table.is_array:  # which is read in one piece
        rows = find_buffer_rows(limit, table.row_nbytes, schedule.chunk_size)
        return table.X.n_rows <= rows
    return can_keep(limit, nbytes, _find_chunk_nbytes(table, schedule))


def _is_worth_loading(table: Table, is_shuffled: bool) -> bool:
    """Whether reading rows again would cost more than to have them in memory.

    Objects of the user's own classes may return other rows each time, such as
    augmented images, and are always read.
    """
    stores = [source.store for source in table.sources]
    takes_time = any(store.on_disk or store.is_decoded for store in stores)
    return table.is_parallel and (is_shuffled or (takes_time and not table.is_viewed))


def _is_read_again(table: Table, schedule: FileOrder, n_epochs: int) -> bool:
    """Whether rows are read in several epochs, or decoded for several blocks of one."""
    if n_epochs > 1:
        return True
    if not isinstance(schedule, BlockOrder) or schedule.n_buffers == 1:
        return False
    decoded = [source for source in table.sources if source.store.is_decoded]
    block_rows = schedule.n_rows / schedule.n_reads
    return any(_is_decoded_beyond(source, block_rows) for source in decoded)


def _is_decoded_beyond(source: Source, block_rows: float) -> bool:
    """Whether the rows that are decoded together are more than those of a block.

    Units are never asked for one by one: there may be one for each row. Those that are
    smaller than a block are joined to a quarter more than it at most.
    """
    units = source.find_units(max(1, int(block_rows / 4)))
    return source.n_rows > 1.25 * block_rows * len(units)


def find_row_cache(
    wrapper, table: Table, schedule: FileOrder, n_epochs: int
) -> RowCache:
    """Return which rows stay in memory beside the buffers, if all of them cannot."""
    limit = wrapper.memory_limit
    if not schedule.n_rows or find_sharing().is_shared:
        return NO_CACHE
    if isinstance(schedule, GivenOrder):
        room = find_room(limit, 2 * find_buffer_nbytes(table, schedule))
        picked = schedule.find_repeated(room // max(1, table.row_nbytes))
        if len(picked):
            return find_picked_cache(table, room, picked)
    if not _is_read_again(table, schedule, n_epochs):
        return NO_CACHE
    if isinstance(schedule, BlockOrder):
        used = 2 * find_buffer_nbytes(table, schedule)
    else:
        used = 2 * _find_chunk_nbytes(table, schedule)
    return find_cache(table, find_room(limit, used))


def find_buffer_nbytes(table: Table, schedule: BlockOrder) -> int:
    """Return the bytes of the rows of a shuffled buffer, and of their order."""
    return schedule.rows_per_buffer * (table.row_nbytes + ORDER_NBYTES)


def _find_chunk_nbytes(table: Table, schedule: FileOrder) -> int:
    return min(schedule.chunk_size, schedule.n_rows) * table.row_nbytes


def keeps_held_out(wrapper, table: Table | None, n_epochs: int) -> bool:
    """Return whether the rows to score each epoch on stay in memory."""
    if table is None or not _may_keep_held_out(wrapper, n_epochs):
        return False
    fits = table.unheld_nbytes <= _find_held_out_room(wrapper)
    return fits and not table.is_viewed and table.is_parallel


def find_held_out_cache(wrapper, table: Table | None, n_epochs: int) -> RowCache:
    """Return which rows to score each epoch on stay in memory, if all cannot."""
    if table is None or not _may_keep_held_out(wrapper, n_epochs):
        return NO_CACHE
    return find_cache(table, _find_held_out_room(wrapper))


def _may_keep_held_out(wrapper, n_epochs: int) -> bool:
    return n_epochs > 1 and wrapper.n_jobs in (None, 1)


def _find_held_out_room(wrapper) -> int:
    return parse_size(wrapper.memory_limit, "memory_limit") // HELD_OUT_SHARE
