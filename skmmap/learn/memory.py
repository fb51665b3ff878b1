"""What a fit needs of memory, and what it does without where less is free."""

from skmmap.learn.keeping import find_buffer_nbytes
from skmmap.learn.plan import Plan
from skmmap.order import GivenOrder
from skmmap.read import NO_CACHE, RowCache, choose_way


def find_fit_parts(
    plan: Plan, *, keeps_rows: bool, reads_ahead: bool, row_cache=NO_CACHE
) -> dict:
    """Return the bytes that a fit adds to the process, by what they are for."""
    need = plan.table.find_need(min(plan.schedule.chunk_size, plan.schedule.n_rows))
    held = _find_held(plan, need, keeps_rows, reads_ahead, row_cache)
    parts = held | need.find_working()
    if isinstance(plan.schedule, GivenOrder) and plan.schedule.about.y is not None:
        parts["y of all rows"] = plan.schedule.about.y.nbytes
    held_out, cached = plan.validation, plan.held_out_cache.nbytes
    if plan.keeps_held_out:
        parts["held-out rows"] = held_out.X.n_rows * held_out.row_nbytes
    elif cached:
        parts["held-out rows that are kept"] = cached
    return parts


def _find_held(
    plan: Plan, need, keeps_rows: bool, reads_ahead: bool, row_cache: RowCache
) -> dict:
    """Return the bytes of rows, by what they are for."""
    table, schedule = plan.table, plan.schedule
    kept = table.X.n_rows * table.row_nbytes if keeps_rows else row_cache.nbytes
    parts = {"rows that are kept": kept} if kept else {}
    if keeps_rows or not plan.is_shuffled or table.is_held:
        is_ahead = reads_ahead and len(schedule) > 1
        return parts | need.find_stored(reads_ahead=is_ahead)
    number = min(1 + reads_ahead, schedule.n_buffers)
    return parts | {_BUFFERS[number]: number * find_buffer_nbytes(table, schedule)}


_BUFFERS = {1: "a shuffled buffer", 2: "a shuffled buffer and the next one"}


def find_limit_beside(plan: Plan) -> int:
    """Return the memory limit for what runs while a fit holds its rows."""
    need = plan.table.find_need(min(plan.schedule.chunk_size, plan.schedule.n_rows))
    held = _find_held(plan, need, plan.keeps_rows, True, plan.row_cache)
    return max(1, plan.table.reading.memory_limit - sum(held.values()))


def fit_plan(plan: Plan) -> Plan:
    """Return the plan, without what the run can do without if memory is not free.

    Raise a MemoryError if it is not enough nevertheless. Results do not depend on it.
    """
    hows = list(_iter_hows(plan))
    ways = [(how, find_fit_parts(plan, **how)) for how in hows]
    how = choose_way(ways, "fit", plan.table.reading.memory_limit)
    table = plan.table.reads(ahead=how.pop("reads_ahead"))
    return plan._replace(table=table, **how)


def _iter_hows(plan: Plan):
    """Yield the ways to run a fit, in the order in which they are tried."""
    if plan.keeps_rows:
        for reads_ahead in (True, False):
            yield _make_how(reads_ahead=reads_ahead, keeps_rows=True)
    room = plan.row_cache.room
    for share in _SHARES if plan.row_cache.units else ():
        yield _make_how(row_cache=plan.row_cache.limit(plan.table, room // share))
    for reads_ahead in (True, False):
        yield _make_how(reads_ahead=reads_ahead)


_SHARES = 1, 2, 4  # of the room for a part of the rows


def _make_how(*, keeps_rows=False, reads_ahead=True, row_cache=NO_CACHE) -> dict:
    how = {"keeps_rows": keeps_rows, "reads_ahead": reads_ahead}
    return how | {"row_cache": row_cache}
