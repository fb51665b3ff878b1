"""Whether what a run needs is free: before the first row is read."""

from skmmap._messages import say_size
from skmmap.read.free_memory import find_free_for
from skmmap.read.table import Table


def fit_memory(table: Table, chunk_rows: int, method: str) -> Table:
    """Return the table, which reads ahead if there is memory for it.

    Raise a MemoryError if there is not even enough for chunks of so many rows.
    """
    need = table.find_need(chunk_rows)
    ways = [(ahead, need.find_parts(reads_ahead=ahead)) for ahead in (True, False)]
    ahead = choose_way(ways, method, table.reading.memory_limit)
    return table.reads(ahead=ahead and table.reading.reads_ahead)


def choose_way(ways: list, method: str, memory_limit: int):
    """Return the first of ``ways`` for which enough memory is free.

    Each is a pair of what is returned and of the bytes that it needs, by what they are
    for. Raise a MemoryError if memory is not enough for the last one.
    """
    free = find_free_for(max(sum(parts.values()) for _, parts in ways))
    for way, parts in ways:
        if free is None or sum(parts.values()) <= free:
            return way
    advice = _say_advice(memory_limit, free)
    raise MemoryError(
        f"{method} needs {say_size(sum(parts.values()))} of memory, and "
        f"{say_size(free)} are free: {say_parts(parts)}. {advice}"
    )


def _say_advice(memory_limit: int, free: int) -> str:
    megabytes = free // 10**6
    if memory_limit <= free or not megabytes:
        return "Set a smaller chunk_size."
    # All needs of "auto" chunks and buffers together are less than the limit.
    return (
        f"Set memory_limit='{megabytes}MB' (it is {say_size(memory_limit)}), and a "
        "smaller chunk_size if it is not 'auto'."
    )


def say_parts(parts: dict[str, int]) -> str:
    """Return what memory is for, in words."""
    return ", ".join(f"{say_size(nbytes)} for {name}" for name, nbytes in parts.items())
