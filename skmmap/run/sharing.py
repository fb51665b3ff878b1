"""What fits that run side by side read once: chunks, and all else that is the same."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

# An item of an iterator that cannot go on before others that read with it have done so.
NOT_YET: Any = object()


class Sharing:
    """The sharing of a fit that runs by itself: there is none."""

    is_shared = False
    history: dict | None = None  # that was recorded last
    fits: Any = None  # what is kept of the fits of a task, for one that goes on

    def iter_items(
        self, key, make: Callable[[], Iterator], nbytes: int, *, is_joint: bool = False
    ) -> Iterator:
        """Yield the items of ``make()``, an iterator that is closed at the end.

        Fits that ask with the same ``key`` at the same time get the same items. What
        the iterator holds takes ``nbytes``. It ``is_joint`` if less is read where it
        goes through the rows at the same time as those of other keys.
        """
        return make()

    def remember(self, key, make: Callable[[], Any], known: dict | None = None) -> Any:
        """Return ``make()``, which is called once for a key.

        What is ``known`` is kept in that dict, or until all fits are over.
        """
        return make()

    def claim(self, key) -> bool:
        """Whether this fit is to make what has the key; then it calls `settle`."""
        return True

    def settle(self, key, *made) -> None:
        """Give to others what was made, or let one of them make it."""

    def find(self, key) -> tuple | None:
        """Return what another fit has made, in a tuple; None if there is nothing."""

    def wait_for(self, key) -> None:
        """Wait for the fit that makes it; this one must be making nothing."""

    def gather(self, key, item: Any) -> list:
        """Return the items of all fits that wait with this key when no fit runs."""
        return [item]

    def compute(self, function: Callable[..., Any], /, *given, **named) -> Any:
        """Return what the function returns; it asks for no rows."""
        return function(*given, **named)

    def hold_model(self, find_nbytes: Callable[[], int]) -> None:
        """Wait until there is room for a model of so many bytes."""

    def has_room_for(self, result: Any) -> bool:
        """Whether there is room for a new array, which it then takes as it lives."""
        return True

    def record(self, history: dict | None) -> None:
        """Keep what a fit has recorded for each epoch, in place of one before it."""


class Remembering(Sharing):
    """The sharing of fits that are planned one after the other."""

    def __init__(self) -> None:
        self._known: dict = {}

    def remember(self, key, make, known=None):
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]


_ALONE = Sharing()
_sharing: ContextVar[Sharing] = ContextVar("sharing", default=_ALONE)


def find_sharing() -> Sharing:
    """Return what the fit of this thread shares with others."""
    return _sharing.get()


@contextmanager
def using_sharing(sharing: Sharing) -> Iterator[None]:
    """Share what is read inside."""
    token = _sharing.set(sharing)
    try:
        yield
    finally:
        _sharing.reset(token)
