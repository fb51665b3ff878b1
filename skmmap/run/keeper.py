"""What keeps the state of tasks that run side by side: nothing, by default."""

from collections.abc import Callable
from typing import Any


class Keeper:
    """Keeps nothing of tasks."""

    def wrap(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Return what the next task calls in place of its function."""
        return function

    def asks_for_rest(self) -> bool:
        """Return whether state is to be kept; all tasks have begun."""
        return False

    def keep(self) -> None:
        """Keep the state of all tasks, none of which runs at this moment.

        What it raises ends all of them.
        """

    def settle_threads(self, *, is_free: bool) -> bool:
        """Return whether BLAS and OpenMP are free to use all cores."""
        return is_free
