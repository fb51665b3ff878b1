"""Bytes that fits which run side by side have together."""

from collections import deque
from typing import Any


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
