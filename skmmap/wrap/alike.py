"""Fitted estimators that have learned the same, and whose results come together."""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, ref


class Alike:
    """Estimators that differ in what they derive from the same learned sums.

    ``compute`` is a function of some of them, the name of a method, and rows; it
    returns the result of each, or None if it has no quicker way than the method.
    """

    MOST = 8  # whose results are held while a chunk is

    def __init__(self, compute: Callable[[list, str, Any], list | None]) -> None:
        self.compute = compute
        self._members: list[ref] = []

    @property
    def is_full(self) -> bool:
        """Whether there are as many as may come together."""
        return len(self._members) >= self.MOST

    def add(self, estimator) -> None:
        """Add a fitted estimator, as long as it exists."""
        self._members.append(ref(estimator))
        _alike[estimator] = self

    def list_members(self) -> list:
        """Return those that exist."""
        members = [member() for member in list(self._members)]
        return [member for member in members if member is not None]


_alike: WeakKeyDictionary[Any, Alike] = WeakKeyDictionary()


def find_alike(estimator) -> Alike | None:
    """Return what was made of an estimator and others, None if it is alone."""
    try:
        return _alike.get(estimator)
    except TypeError:  # it has no hash, or no place for a weak reference
        return None
