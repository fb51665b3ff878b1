"""Reads the next buffer in threads while the estimator works on this one."""

import mmap
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from contextvars import copy_context
from functools import partial
from itertools import islice
from math import prod
from queue import SimpleQueue

import numpy as np

from skmmap.disk import BUFFER, explaining

_IN_PAGES = 2**20  # from this size on, memory is allocated and freed in whole pages
# Bytes per second from which on pages of a map come from the page cache, not a disk.
_AT_HAND = 4e9
_KEPT = 4  # buffers: as many as are in use at once, and one more


class Memory:
    """Memory that is reused once nobody refers to it.

    Python's count of references says so, since views of NumPy refer to the array that
    owns the memory. An estimator that keeps a view keeps that memory unchanged: it is
    not reused, and other memory is allocated.
    """

    def __init__(self):
        self._kept, self._known, self._lock = [], {}, threading.Lock()

    def take(self, shape: tuple, dtype: np.dtype) -> np.ndarray:
        """Return an array with arbitrary values."""
        with self._lock:
            return self._take(shape, dtype)

    def _take(self, shape: tuple, dtype: np.dtype) -> np.ndarray:
        nbytes = prod(shape) * dtype.itemsize
        if dtype.hasobject or dtype.kind == "T":
            return np.empty(shape, dtype)
        kept = self._kept
        for i in range(len(kept)):
            if kept[i].nbytes >= nbytes and _count_users(kept, i) == _NO_USERS:
                return np.ndarray(shape, dtype, kept[i])
        # Idle memory is too small here, and is freed.
        busy = [i for i in range(len(kept)) if _count_users(kept, i) > _NO_USERS]
        self._kept = [kept[i] for i in busy[-_KEPT + 1 :]]
        del kept
        self._kept.append(_take_memory(nbytes))
        self._known = {
            key: ref for key, ref in self._known.items() if ref() is not None
        }
        self._known[id(self._kept[-1])] = weakref.ref(self._kept[-1])
        return np.ndarray(shape, dtype, self._kept[-1])

    def free(self) -> None:
        """Keep no memory for later."""
        self._kept = []

    def holds(self, array: np.ndarray) -> bool:
        """Whether ``array`` is a view of this memory."""
        while isinstance(array.base, np.ndarray):
            array = array.base
        known = self._known.get(id(array))
        return known is not None and known() is array


def _take_memory(nbytes: int) -> np.ndarray:
    if nbytes < _IN_PAGES:
        return np.empty(max(1, nbytes), np.uint8)
    # Aligned to pages, and returned to the system as soon as it is freed.
    with explaining(nbytes, BUFFER):
        return np.frombuffer(mmap.mmap(-1, nbytes, **_PRIVATE), np.uint8)


# By default it would be shared memory, which is counted and limited separately.
_FLAGS = [getattr(mmap, name, None) for name in ("MAP_PRIVATE", "MAP_ANONYMOUS")]
_PRIVATE = {} if None in _FLAGS else {"flags": sum(_FLAGS)}


def _count_users(arrays: list, number: int) -> int:
    return sys.getrefcount(arrays[number])


_NO_USERS = _count_users([np.empty(1)], 0)


class Load:
    """A buffer to be read: tasks that can run in any order, on any thread.

    ``n_mapped`` are the bytes of a map whose pages they bring, if they copy nothing.
    """

    def __init__(self, content, tasks: list[Callable], n_mapped: int = 0):
        self.content, self.tasks, self.n_mapped = content, tasks, n_mapped
        self._n_left, self._failed = len(tasks), []
        if tasks:
            self._done, self._lock = threading.Event(), threading.Lock()

    def run(self) -> None:
        """Run all tasks now."""
        for task in self.tasks:
            task()

    def run_task(self, task: Callable) -> None:
        """Run one of the tasks; an error is kept for the consumer."""
        try:
            task()
        except BaseException as error:
            self._failed.append(error)
        with self._lock:
            self._n_left -= 1
            if not self._n_left:
                self._done.set()

    def wait(self) -> None:
        """Wait until all tasks have run, and raise the first error."""
        if self.tasks:
            self._done.wait()
        self.check()

    def check(self) -> None:
        """Raise the first error so far."""
        if self._failed:
            raise self._failed[0]


class Readers:
    """Threads that run the tasks of loads in the order in which they come."""

    def __init__(self):
        self._tasks, self._is_over = SimpleQueue(), threading.Event()
        self._threads = []
        # Threads end with this object, however that ends: they would wait forever.
        weakref.finalize(self, self._tasks.put, None)

    def open(self, number: int) -> None:
        """Start ``number`` threads, or fewer if the system allows no more."""
        for i in range(number):
            thread = threading.Thread(
                target=_work,
                args=(self._tasks, self._is_over),
                name=f"skmmap-reader-{i}",
                daemon=True,
            )
            # Before it starts, so that Ctrl-C in between leaves no thread behind.
            self._threads.append(thread)
            try:
                thread.start()
            except RuntimeError:  # no memory for its stack
                self._threads.pop()
                break

    def start(self, load: Load | None) -> None:
        """Have the tasks of a load run; without threads, run them now."""
        if load is None:
            return
        for task in load.tasks:
            if self._threads:
                # In the context of the caller, such as its numpy.errstate.
                self._tasks.put((load, partial(copy_context().run, task)))
            else:
                load.run_task(task)

    def close(self) -> None:
        """Skip tasks that have not begun, and wait for the others."""
        self._tasks.put(None)
        self._is_over.set()
        for thread in self._threads:
            with suppress(RuntimeError):  # of a thread that has not started
                thread.join()


def _work(tasks: SimpleQueue, is_over: threading.Event) -> None:
    while (item := tasks.get()) is not None:
        load, task = item
        if not is_over.is_set():
            load.run_task(task)
        del item, load, task  # or their memory would count as in use
    tasks.put(None)  # for the next thread


def bring(
    loads: Iterable[Load], n_readers: int, *, reads_ahead: bool = True
) -> Iterator[tuple]:
    """Yield the content of each load once it is read, and a function to call at times.

    That function raises an error of the next load, so that the consumer need not
    finish this one first. The threads end with the iterator; there are none for a
    single load, without tasks, unless it ``reads_ahead``, and while maps have their
    pages at hand.
    """
    loads = iter(loads)
    head = list(islice(loads, 2 if reads_ahead else 0))
    if len(head) < 2 or not any(load.tasks for load in head):
        yield from _bring_in_turn(head, loads)
        return
    yield from _bring_at_hand(head, loads)
    if not head:
        return
    with closing(Readers()) as readers:
        readers.open(n_readers)
        first, second = head if len(head) > 1 else (*head, None)
        head.clear()
        readers.start(first)
        while first is not None:
            # One load ahead, never more: nothing has to be stopped or counted, and a
            # slow consumer holds two.
            readers.start(second)
            first.wait()
            content, check = first.content, second.check if second else _nothing
            first = None
            yield content, check
            del content, check
            first, second = second, next(loads, None) if second else None


def _bring_in_turn(head: list, loads: Iterator[Load]) -> Iterator[tuple]:
    while load := head.pop(0) if head else next(loads, None):
        load.run()
        content, load = load.content, None
        yield content, _nothing
        del content


def _bring_at_hand(head: list, loads: Iterator[Load]) -> Iterator[tuple]:
    """Yield loads in turn, up to the first one that does not come from the page cache.

    Pages of a map that are at hand come sooner than another thread does, which would
    share the lock of the process's pages with the estimator. ``head`` has the loads
    that are left.
    """
    n_mapped, seconds = 1, 0.0
    while head and head[0].n_mapped and n_mapped >= _AT_HAND * seconds:
        load, began = head.pop(0), time.perf_counter()
        load.run()
        n_mapped, seconds = load.n_mapped, time.perf_counter() - began
        head.extend(islice(loads, 1))
        content, load = load.content, None
        yield content, _nothing
        del content


def run_all(tasks: list[Callable], n_readers: int) -> None:
    """Run tasks by so many threads, if there are several, and wait for them."""
    with closing(Readers()) as readers:
        if len(tasks) > 1:
            readers.open(n_readers)
        load = Load(None, tasks)
        readers.start(load)
        load.wait()


def iter_ahead(items: Iterator) -> Iterator:
    """Yield the items of an iterator; a thread makes the next one meanwhile."""

    def make(made: list) -> None:
        made.extend(islice(items, 1))

    loads = (Load(made, [partial(make, made)]) for made in iter(list, None))
    with closing(bring(loads, 1)) as ready:
        for made, _ in ready:
            if not made:
                return
            yield made.pop()


def _nothing() -> None:
    """Nothing can have failed."""
