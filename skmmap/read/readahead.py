"""Brings what comes next while somebody works on what is there."""

import mmap
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from contextvars import copy_context
from functools import partial
from itertools import islice
from math import prod
from queue import SimpleQueue

import numpy as np

from skmmap.disk import (
    BUFFER,
    explaining,
)

_IN_PAGES = 2**20  # from so many bytes on, memory is taken and given back in pages
_KEPT = 4  # as many as are in use at once, and one more


class Memory:
    """Memory that is used again once nobody looks at it.

    Whoever keeps a view of what is in it keeps it as it is: it is left to him, and
    other memory is taken.
    """

    def __init__(self):
        self._kept, self._known = [], {}

    def take(self, shape: tuple, dtype: np.dtype) -> np.ndarray:
        """Return an array of any content."""
        nbytes = prod(shape) * dtype.itemsize
        if dtype.hasobject or dtype.kind == "T":
            return np.empty(shape, dtype)
        kept = self._kept
        for i in range(len(kept)):
            if kept[i].nbytes >= nbytes and _count_users(kept, i) == _NO_USERS:
                return np.ndarray(shape, dtype, kept[i])
        # What is idle is too small, and would be held for nothing.
        busy = [i for i in range(len(kept)) if _count_users(kept, i) > _NO_USERS]
        self._kept = [kept[i] for i in busy[-_KEPT + 1 :]]
        del kept
        self._kept.append(_take_memory(nbytes))
        self._known = {
            key: ref for key, ref in self._known.items() if ref() is not None
        }
        self._known[id(self._kept[-1])] = weakref.ref(self._kept[-1])
        return np.ndarray(shape, dtype, self._kept[-1])

    def holds(self, array: np.ndarray) -> bool:
        """Whether ``array`` is a view of this memory."""
        while isinstance(array.base, np.ndarray):
            array = array.base
        known = self._known.get(id(array))
        return known is not None and known() is array


def _take_memory(nbytes: int) -> np.ndarray:
    if nbytes < _IN_PAGES:
        return np.empty(max(1, nbytes), np.uint8)
    # Aligned to pages, and given back to the system as soon as nobody has it.
    with explaining(nbytes, BUFFER):
        return np.frombuffer(mmap.mmap(-1, nbytes, **_PRIVATE), np.uint8)


# Shared memory, which it would be otherwise, is counted and limited apart.
_FLAGS = [getattr(mmap, name, None) for name in ("MAP_PRIVATE", "MAP_ANONYMOUS")]
_PRIVATE = {} if None in _FLAGS else {"flags": sum(_FLAGS)}


def _count_users(arrays: list, number: int) -> int:
    return sys.getrefcount(arrays[number])


_NO_USERS = _count_users([np.empty(1)], 0)


class Load:
    """Something to bring: tasks that can run in any order, on any thread."""

    def __init__(self, content, tasks: list[Callable]):
        self.content, self.tasks = content, tasks
        self._n_left, self._done, self._failed = len(tasks), threading.Event(), []
        self._lock = threading.Lock()

    def run(self) -> None:
        """Bring it now."""
        for task in self.tasks:
            task()

    def run_task(self, task: Callable) -> None:
        """Run one of the tasks; what it raises is kept for the consumer."""
        try:
            task()
        except BaseException as error:
            self._failed.append(error)
        with self._lock:
            self._n_left -= 1
            if not self._n_left:
                self._done.set()

    def wait(self) -> None:
        """Wait until all tasks have run, and raise what one has raised."""
        if self.tasks:
            self._done.wait()
        self.check()

    def check(self) -> None:
        """Raise what a task has raised until now."""
        if self._failed:
            raise self._failed[0]


class Readers:
    """Threads that run the tasks of loads, first come first served, until the end."""

    def __init__(self):
        self._tasks, self._is_over = SimpleQueue(), threading.Event()
        self._threads = []
        # However this ends: nobody waits for what nobody can start.
        weakref.finalize(self, self._tasks.put, None)

    def open(self, number: int) -> None:
        """Start so many threads, or fewer where the system does not allow as many."""
        for i in range(number):
            thread = threading.Thread(
                target=_work,
                args=(self._tasks, self._is_over),
                name=f"skmmap-reader-{i}",
                daemon=True,
            )
            # Before it starts: whoever interrupts that leaves none behind.
            self._threads.append(thread)
            try:
                thread.start()
            except RuntimeError:  # where memory for its stack is not to be had
                self._threads.pop()
                break

    def start(self, load: Load | None) -> None:
        """Have a load brought; without threads, now."""
        if load is None:
            return
        for task in load.tasks:
            if self._threads:
                # With what holds here, such as numpy.errstate.
                self._tasks.put((load, partial(copy_context().run, task)))
            else:
                load.run_task(task)

    def close(self) -> None:
        """Leave out what has not begun, and wait for the rest."""
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
        del item, load, task  # or memory would look as if it were in use
    tasks.put(None)  # for the next thread


def bring(loads: Iterable[Load], n_readers: int) -> Iterator[tuple]:
    """Yield each content once it is there, and a function to call now and then.

    That function raises what bringing the next one has raised meanwhile. The threads
    end with the iterator; where there is one load, or nothing to do, there are none.
    """
    loads = iter(loads)
    head = list(islice(loads, 2))
    if len(head) < 2 or not any(load.tasks for load in head):
        yield from _bring_in_turn(head, loads)
        return
    with closing(Readers()) as readers:
        readers.open(n_readers)
        first, second = head
        head.clear()
        readers.start(first)
        while first is not None:
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


def _nothing() -> None:
    """Nothing can have failed."""
