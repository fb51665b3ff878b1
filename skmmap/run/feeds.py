"""Iterators of chunks, of which several fits get the same items at the same time."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import copy
from typing import Any

from skmmap.run.sharing import NOT_YET


class Feed:
    """An iterator, of which all members get the same items at the same time."""

    def __init__(
        self, key, make: Callable[[], Iterator], nbytes: int, *, is_joint: bool
    ):
        self.key, self._make = key, make
        self.nbytes, self.is_joint = nbytes, is_joint
        self.members: set[Any] = set()
        self.waiting: list[Any] = []
        self.is_open = False
        self.n_given = 0
        self._items: Iterator | None = None
        self._failed: Exception | None = None

    @property
    def is_ready(self) -> bool:
        """Whether all members wait for the next item, and it may be read."""
        if not self.is_open or not len(self.waiting) == len(self.members) > 0:
            return False
        may_go = getattr(self._items, "may_go", None)
        return may_go is None or may_go()

    def open(self) -> None:
        """Make the iterator; its error is given to the members."""
        self.is_open = True
        try:
            self._items = self._make()
        except Exception as error:
            self._failed = error

    def advance(self) -> tuple:
        """Return the next item in a list, None at the end; and an error, or None."""
        if self._failed is not None:
            return None, self._failed
        try:
            item = next(self._items, None)
        except Exception as error:
            return None, error
        return (item if item is None or item is NOT_YET else [item]), None

    def give(self, item: list | None, error: BaseException | None) -> list[Any]:
        """Give the next item to all members; return them."""
        members, self.waiting = self.waiting, []
        self.n_given += 1
        for task in members:
            own = None if item is None else list(item)
            task.item = own, _copy_error(error)
        return members

    def close(self) -> None:
        if self._items is not None:
            self._items.close()


def _copy_error(error: BaseException | None) -> BaseException | None:
    """Return a copy, since each task adds notes of its own."""
    if error is None:
        return None
    with suppress(Exception):
        copied = copy(error)
        copied.__traceback__, copied.__cause__ = error.__traceback__, error.__cause__
        if hasattr(error, "__notes__"):
            copied.__notes__ = list(error.__notes__)
        return copied
    return error
