"""Bytes that fits which run side by side have together."""

import threading
import weakref
from collections import deque
from typing import Any

import numpy as np


class Room:
    """Bytes that tasks take until they end: more than there are only if it is one."""

    def __init__(self, nbytes: int):
        self._nbytes = nbytes
        self.taken: dict[Any, int] = {}
        self.waiting: deque[tuple[Any, int]] = deque()

    def take(self, task: Any, nbytes: int, *, is_least: bool = False) -> bool:
        """Let a task have so many bytes in place of what it had, if there is room."""
        others = sum(taken for other, taken in self.taken.items() if other is not task)
        fits = not others or others + nbytes <= self._nbytes or is_least
        if fits:
            self.taken[task] = nbytes
        return fits

    def grant(self, least: int = 0) -> list[Any]:
        """Return the first ones of those that wait, for which there is room now."""
        granted: list[Any] = []
        while self.waiting:
            task, nbytes = self.waiting[0]
            if not self.take(task, nbytes, is_least=len(granted) < least):
                break
            self.waiting.popleft()
            granted.append(task)
        return granted


class Results:
    """Bytes that arrays of results take as long as they live."""

    def __init__(self, nbytes: int):
        self._nbytes, self._lock = nbytes, threading.Lock()
        self._held: list[weakref.ref] = []

    def take(self, result: np.ndarray) -> bool:
        """Let an array have its bytes if there is room, or if it is the only one."""
        with self._lock:
            alive = [held for ref in self._held if (held := ref()) is not None]
            used = sum(held.nbytes for held in alive)
            if alive and used + result.nbytes > self._nbytes:
                return False
            self._held = [weakref.ref(held) for held in (*alive, result)]
            return True
