"""What a fit needs of memory, and what it does without where less is free."""

from skmmap.learn.plan import Plan
from skmmap.order import ORDER_NBYTES
from skmmap.read import choose_way


def find_fit_parts(plan: Plan, *, keeps_rows: bool, reads_ahead: bool) -> dict:
    """Return the bytes that a fit adds to the process, by what they are for."""
    table, schedule = plan.table, plan.schedule
    rows, n_chunks = min(schedule.chunk_size, schedule.n_rows), len(schedule)
    need = table.find_need(rows)
    chunks = need.find_parts(reads_ahead=reads_ahead and n_chunks > 1)
    if keeps_rows:
        parts = {"rows that are kept": schedule.n_rows * table.row_nbytes} | chunks
    elif plan.is_shuffled and not table.is_held:
        number = min(1 + reads_ahead, schedule.n_buffers)
        parts = {_BUFFERS[number]: number * _find_buffer_nbytes(plan)}
        parts |= need.find_working()
    else:
        parts = chunks
    if plan.keeps_held_out:
        table = plan.validation
        parts["held-out rows"] = table.X.n_rows * table.row_nbytes
    return parts


def _find_buffer_nbytes(plan: Plan) -> int:
    schedule = plan.schedule
    rows = -(-schedule.n_rows // schedule.n_buffers)
    return rows * (plan.table.row_nbytes + ORDER_NBYTES)


_BUFFERS = {1: "a shuffled buffer", 2: "a shuffled buffer and the next one"}


def fit_plan(plan: Plan) -> Plan:
    """Return the plan, without what the run can do without if memory is not free.

    Raise a MemoryError if it is not enough nevertheless. Results do not depend on it.
    """
    ways = []
    for keeps_rows in (True, False)[not plan.keeps_rows :]:
        for reads_ahead in (True, False):
            how = {"keeps_rows": keeps_rows, "reads_ahead": reads_ahead}
            ways.append((how, find_fit_parts(plan, **how)))
    how = choose_way(ways, "fit", plan.table.reading.memory_limit)
    table = plan.table.reads(ahead=how["reads_ahead"])
    return plan._replace(table=table, keeps_rows=how["keeps_rows"])
