"""Rows that can be closed, and are not read after that."""

from skmmap.rows import Store


class ClosableStore(Store):
    """Rows that can be closed."""

    _closed = False

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(f"The rows of {self.where!r} are closed. Open them again.")

    def keep_open(self) -> None:
        self._check_open()

    def close(self) -> None:
        self._closed = True
