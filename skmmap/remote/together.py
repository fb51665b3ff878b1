"""What is asked of many files at the same time, so that they wait together."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

_MOST_THREADS = 16


def at_once(ask: Callable, items: Iterable) -> list:
    """Return what is asked of each item; the error is that of the first that fails."""
    items = list(items)
    if len(items) < 2:
        return list(map(ask, items))
    with ThreadPoolExecutor(min(len(items), _MOST_THREADS)) as pool:
        return list(pool.map(ask, items))
