"""Rows as a matrix of XGBoost that lies on disk.

``ExtMemQuantileDMatrix`` makes several passes over the rows while it is built, and
writes their bins to files, from which each tree is then trained.
https://xgboost.readthedocs.io/en/stable/tutorials/external_memory.html
"""

import atexit
import errno
import os
import shutil
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skmmap.boosters.libraries import import_booster, join_classes
from skmmap.boosters.pieces import Pieces

# Bytes of a value in its files: measured at 2.2 to 2.6.
_CACHE_NBYTES = 2.6
_BY_ROW = "label", "weight", "base_margin", "qid"


def make_matrix(pieces: Pieces, fields: dict, **options):
    """Return an ``ExtMemQuantileDMatrix`` of the rows; ``fields`` go with them.

    Its files are in a temporary folder that is removed with it. Fields with a value
    for each row are arrays, and None is left out.
    """
    xgboost = import_booster("xgboost", "ExtMemQuantileDMatrix")
    given = {name: value for name, value in fields.items() if value is not None}
    if pieces.names is not None:
        given.setdefault("feature_names", pieces.names)
    folder = tempfile.mkdtemp(prefix="skmmap_xgboost_")
    iterator = matrix = None
    try:
        _check_disk(pieces, folder)
        prefix = os.path.join(folder, "rows")
        iterator = join_classes(RowIterator, xgboost.DataIter)(pieces, given, prefix)
        kind = join_classes(RowMatrix, xgboost.ExtMemQuantileDMatrix)
        with iterator.told_of_lost():
            matrix = kind(iterator, folder, **options)
        iterator.check()
    except BaseException as error:
        if matrix is not None:  # which has the files open
            matrix.close()
        shutil.rmtree(folder, ignore_errors=True)
        stopped = iterator and iterator.stopped
        if stopped is not None and stopped is not error:
            raise stopped from None
        raise
    finally:
        if iterator is not None:
            iterator.end()
    return matrix


def find_cache_nbytes(pieces: Pieces) -> int:
    """Return the bytes of the files of a matrix, at most."""
    return round(_CACHE_NBYTES * pieces.shape[0] * pieces.shape[1])


def _check_disk(pieces: Pieces, folder: str) -> None:
    needed, free = find_cache_nbytes(pieces), shutil.disk_usage(folder).free
    if not pieces.is_sparse and needed > free:
        raise OSError(
            errno.ENOSPC,
            f"XGBoost writes up to {needed:,} bytes of binned rows to temporary files, "
            f"and {free:,} are free in {tempfile.gettempdir()}. Name another folder "
            "in the environment variable TMPDIR",
        )


_alive: weakref.WeakSet[Any] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for matrix in list(_alive):
        matrix.close()


class RowMatrix:
    """The matrix, and the folder of its files."""

    def __init__(self, iterator, folder: str, **options):
        self._folder, self._process = folder, os.getpid()
        super().__init__(iterator, **options)
        _alive.add(self)

    def close(self) -> None:
        """Free the rows, and remove the files."""
        super().__del__()
        if os.getpid() == self._process:  # and no child that was forked
            shutil.rmtree(self._folder, ignore_errors=True)

    def __del__(self):
        # Not by a weak reference: where there is a cycle, it would be told before
        # XGBoost has removed its own files, which warns then.
        self.close()


class RowIterator:
    """Gives one piece after the other, as often as it is asked to begin again."""

    def __init__(self, pieces: Pieces, fields: dict, prefix: str):
        super().__init__(cache_prefix=prefix)
        self._pieces, self._fields = pieces, fields
        self._iterator, self._start = None, 0
        self.stopped: BaseException | None = None

    def reset(self) -> None:
        self.end()

    def next(self, input_data) -> bool:
        # What is raised in a callback of C is printed and forgotten, but for subclasses
        # of Exception: after Ctrl-C the rows would end too early.
        try:
            return self._give(input_data)
        except BaseException as error:
            self.stopped = self.stopped or error
            return False

    def _give(self, input_data) -> bool:
        self.check()
        if self._iterator is None:
            self._iterator, self._start = self._pieces.iter_pieces(), 0
        piece = next(self._iterator, None)
        if piece is None:
            return False
        start, stop = self._start, self._start + piece.shape[0]
        self._start = stop
        given = {
            name: value[start:stop] if name in _BY_ROW else value
            for name, value in self._fields.items()
        }
        input_data(data=piece, **given)
        return True

    @contextmanager
    def told_of_lost(self) -> Iterator[None]:
        """Keep what is raised in a callback before `next` can catch it.

        Ctrl-C while C++ works is raised at the first instruction of Python, which is
        one of XGBoost's callback. Signals are handled in the main thread alone.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        tell = sys.unraisablehook

        def keep(lost) -> None:
            frame = lost.exc_traceback and lost.exc_traceback.tb_frame
            if frame and frame.f_locals.get("self") is self:
                self.stopped = self.stopped or lost.exc_value
            else:
                tell(lost)

        sys.unraisablehook = keep
        try:
            yield
        finally:
            sys.unraisablehook = tell

    def check(self) -> None:
        """Raise what has stopped a pass."""
        if self.stopped is not None:
            raise self.stopped

    def end(self) -> None:
        """End the pass that is being made, if there is one."""
        iterator, self._iterator = self._iterator, None
        if iterator is not None:
            iterator.close()
