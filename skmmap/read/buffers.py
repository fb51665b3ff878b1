"""Brings the rows of buffers: views of maps, or copies in memory that is reused."""

from collections.abc import Iterable
from functools import partial
from threading import Event
from typing import NamedTuple

import numpy as np

from skmmap.order import Buffer
from skmmap.read.fill import collect, iter_filling, iter_pieces, lock_array
from skmmap.read.read_path import Reading
from skmmap.read.readahead import Load, Memory, run_all
from skmmap.rows import Source, to_native


class Brought(NamedTuple):
    """A buffer, its rows by the id of their source, and the sources that are mapped."""

    buffer: Buffer
    rows: dict
    mapped: list


class BufferReader:
    """Brings rows of several sources, as ``reading`` says, for one thread."""

    def __init__(self, sources: list[Source], reading: Reading):
        self._sources, self._reading = sources, reading
        self._memory = [Memory() for _ in sources]

    def holds(self, array: np.ndarray) -> bool:
        """Whether ``array`` is a view of what rows were read into."""
        return any(memory.holds(array) for memory in self._memory)

    def free(self) -> None:
        """Keep no memory for later."""
        for memory in self._memory:
            memory.free()

    def prepare(self, buffer: Buffer, stopped: Event) -> Load:
        """Return the tasks that bring the rows of a buffer, and where these will be."""
        brought, tasks, copies = Brought(buffer, {}, []), [], False
        for source, memory in zip(self._sources, self._memory, strict=True):
            view = None
            if buffer.places is None and source.store.is_array:
                view = source.view(*buffer.blocks[0])
            if view is None:
                filling = self._fill(source, memory, brought)
                tasks += _arrange(source, filling, stopped)
                copies = True
                continue
            brought.rows[id(source)] = view
            if source.store.on_disk:
                # Waiting for the disk is then done by a reader, not inside of the
                # estimator, and a truncated file raises instead of a crash (SIGBUS).
                brought.mapped.append(source)
                nbytes = self._reading.piece_nbytes
                tasks += iter_pieces(source, buffer.blocks, nbytes, source.touch)
        n_mapped = buffer.n_rows * sum(each.row_nbytes for each in brought.mapped)
        return Load(brought, tasks, 0 if copies else n_mapped)

    def load(self, n_rows: int) -> dict:
        """Return all rows of the sources that are not held, by the id of these."""
        stopped, whole = Event(), Buffer([(0, n_rows)], [(0, n_rows)])
        brought, tasks = Brought(whole, {}, []), []
        for source, memory in zip(self._sources, self._memory, strict=True):
            if not source.is_held:
                filling = self._fill(source, memory, brought)
                tasks += _arrange(source, filling, stopped)
        try:
            run_all(tasks, self._reading.n_readers)
        finally:
            stopped.set()
        return brought.rows

    def pick(self, picked: np.ndarray) -> dict:
        """Return rows of sources that are held, by the id of these."""
        rows = {}
        for source, memory in zip(self._sources, self._memory, strict=True):
            if not source.store.is_array:
                rows[id(source)] = source.gather(picked, None)
                continue
            out = memory.take((len(picked), *source.shape[1:]), source.dtype)
            rows[id(source)] = lock_array(source.gather(picked, out))
        return rows

    def pick_from(self, rows: dict, picked: np.ndarray) -> dict:
        """Return some of the rows of each source, which are given by its id."""
        found = {}
        for source, memory in zip(self._sources, self._memory, strict=True):
            given = rows[id(source)]
            if not source.store.is_array:
                found[id(source)] = source.store.pick(given, picked)
                continue
            out = memory.take((len(picked), *given.shape[1:]), given.dtype)
            if given.dtype.kind in "OTV":
                out[...] = given[picked]
            else:
                np.take(given, picked, axis=0, out=out, mode="clip")
            found[id(source)] = lock_array(out)
        return found

    def _fill(self, source: Source, memory: Memory, brought: Brought) -> Iterable:
        """Return the tasks that copy the rows of a source into memory."""
        buffer, rows = brought.buffer, brought.rows
        if not source.store.is_array:
            return [partial(collect, source, buffer, rows)]
        shape = buffer.n_rows, *source.shape[1:]
        out = memory.take(shape, to_native(source.dtype))
        rows[id(source)] = lock_array(out)
        return iter_filling(source, buffer, self._reading.piece_nbytes, out)


def _arrange(source: Source, tasks: Iterable, stopped: Event) -> list:
    """Return the tasks for threads: one for libraries that need one at a time.

    Objects of the user's own classes may be bound to the thread that made them, so they
    are read here and now.
    """
    if source.store.is_parallel:
        return list(tasks)

    def run() -> None:
        for task in tasks:
            if not stopped.is_set():
                task()

    def run_in_turn() -> None:
        with source.store.in_turn(), source.store.open_once():
            run()

    if not source.store.is_thread_bound:
        return [run_in_turn if source.store.is_array else run]
    run()
    return []
