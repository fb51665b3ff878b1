"""Rows that a third-party library reads, one thread at a time."""

import importlib
import os
from threading import RLock

import numpy as np

from skmmap._messages import describe_rows
from skmmap.disk import Identity
from skmmap.formats.shared.closable import ClosableStore
from skmmap.formats.shared.slices import check_type, fill_missing
from skmmap.rows import check_read

# These libraries may keep a state for each file, and need not be thread-safe.
_lock = RLock()


def _renew_lock() -> None:
    global _lock
    _lock = RLock()


if hasattr(os, "register_at_fork"):
    # In a child, the thread that held it does not exist.
    os.register_at_fork(after_in_child=_renew_lock)


class ContainerStore(ClosableStore):
    """Rows that a third-party library reads."""

    is_parallel = False
    # The files when they were opened, and when a run began or these rows were pickled:
    # writing to them afterwards is an error.
    _opened, _run = Identity(), None
    _held = ()  # open files, whose old content is read if they are replaced

    @property
    def can_reopen(self) -> bool:
        return self.on_disk

    def read(self, start: int, stop: int):
        with _lock:
            self._check_open()
            if start >= stop:
                return self._make_empty()
            try:
                rows = self._bring(start, stop)
            except Exception as error:
                self._check_files(cause=error)  # a changed file may be the reason
                if self.where not in str(error):  # the library's own words
                    rows = describe_rows(start, stop)
                    error.add_note(f"while reading {rows} of {self.where!r}")
                raise
            self._check_files()  # afterwards: it may be written during the read
            return rows

    def _bring(self, start: int, stop: int):
        """Return rows as the store has them."""
        rows = fill_missing(self._read(start, stop), self.where, start)
        return self._settle(rows, start, stop)

    def in_turn(self):
        return _lock

    def read_runs(self, runs: list[tuple[int, int]]) -> list:
        # Or threads that read two buffers decode the same rows again and again.
        with self.in_turn(), self.open_once():
            return super().read_runs(runs)

    def take(self, rows: np.ndarray):
        with self.in_turn(), self.open_once():
            return super().take(rows)

    def _make_empty(self):
        """Return no rows: not every library has empty slices."""
        return np.empty((0, *self.shape[1:]), self.dtype)

    def _settle(self, rows, start: int, stop: int):
        """Return rows as an array of the store's type, or raise."""
        rows = np.asarray(rows)
        check_read(self, rows, start, stop)
        check_type(self, rows.dtype, start, stop)
        return np.ascontiguousarray(rows, self.dtype)

    @property
    def identity(self) -> Identity:
        return self._run or self._opened

    def for_run(self, read_mode: str) -> "ContainerStore":
        if self._run is not None or not self._opened.is_watched:
            return self
        store = object.__new__(type(self))
        vars(store).update(vars(self))
        with _lock:
            self._check_files()
            store._run = self._begin()
        return store

    def _begin(self) -> Identity:
        """Return the identity of the files now, which must not change in the run."""
        return self._opened.read_again()

    def _check_files(self, cause: Exception | None = None) -> None:
        """Raise if the files are not those that were opened."""
        try:
            self.identity.check(values=self._run is not None, held=self._held)
        except ValueError as error:
            raise error from cause

    def _read(self, start: int, stop: int):
        raise NotImplementedError


def cut_blocks(rows: np.ndarray, cuts: np.ndarray):
    """Yield the same as `Store._iter_blocks`, for blocks that begin at ``cuts``."""
    if not len(rows):
        return
    for i, j in zip(np.r_[0, cuts], np.r_[cuts, len(rows)], strict=True):
        start, stop = int(rows[i]), int(rows[j - 1]) + 1
        yield (start, stop), rows[i:j] - start, slice(i, j)


def to_plain(dtype) -> np.dtype:
    """Return ``dtype`` in native byte order, without metadata of the library."""
    plain = dtype if dtype.names or dtype.subdtype else np.dtype(dtype.str)
    return plain.newbyteorder("=")


def import_library(name: str, reads: str, extra: str, path):
    """Return the library that reads such files, or say how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(
            f"open_rows({str(path)!r}) reads {reads} through {package}, which is not "
            f"installed: pip install 'skmmap[{extra}]'."
        ) from error
