"""The rows of one call to an estimator."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Chunk(NamedTuple):
    """The rows of one call to the estimator.

    ``start`` and ``stop`` count rows in the order of reading. ``find_rows`` returns
    where they lie; it is None where that is the same. ``is_finite`` says that no value
    of X is NaN or infinite; False, that it is not known. ``results`` are what several
    fits have computed together of a chunk that they share.
    """

    start: int
    stop: int
    X: Any
    y: Any
    params: dict
    find_rows: Callable | None = None
    is_finite: bool = False
    results: dict | None = None

    @property
    def n_rows(self) -> int:
        return self.stop - self.start

    def with_params(self, more: dict) -> "Chunk":
        """Return the chunk with further parameters."""
        return self._replace(params=self.params | more)
