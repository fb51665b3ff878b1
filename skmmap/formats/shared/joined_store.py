"""Rows that are computed from those of several stores."""

from contextlib import AbstractContextManager, ExitStack, contextmanager
from copy import copy

import numpy as np

from skmmap.disk import Identity
from skmmap.rows import Store


class JoinedStore(Store):
    """Rows that are computed from several stores, the parts."""

    _parts: tuple = ()

    @property
    def memory_nbytes(self) -> int:
        return sum(part.memory_nbytes for part in self._parts)

    def find_disk_nbytes(self) -> int | None:
        parts = [part.find_disk_nbytes() for part in self._parts]
        return None if None in parts else sum(parts)

    @property
    def identity(self) -> Identity:
        return sum((part.identity for part in self._parts), Identity())

    def in_turn(self) -> AbstractContextManager:
        # Another thread would read other pieces of the parts in between.
        return self._parts[0].in_turn()

    def read_runs(self, runs: list[tuple[int, int]]) -> list:
        with self.in_turn(), self.open_once():
            return super().read_runs(runs)

    @contextmanager
    def open_once(self):
        with ExitStack() as stack:
            for part in self._parts:
                stack.enter_context(part.open_once())
            yield

    def verify(self) -> None:
        for part in self._parts:
            part.verify()

    def finish(self) -> None:
        for part in self._parts:
            part.finish()

    def sync(self) -> None:
        for part in self._parts:
            part.sync()

    def is_viewed_by(self, array: np.ndarray) -> bool:
        return any(part.is_viewed_by(array) for part in self._parts)

    def for_run(self, read_mode: str) -> "JoinedStore":
        store = copy(self)
        store._parts = tuple(part.for_run(read_mode) for part in self._parts)
        return store

    def keep_open(self) -> None:
        for part in self._parts:
            part.keep_open()

    def close(self) -> None:
        for part in self._parts:
            part.close()
