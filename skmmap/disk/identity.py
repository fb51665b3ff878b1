"""Whether data are the same: device, inode, size and times of the files they are in.

Resuming, pickled rows, runs, ``joblib.Memory`` and the check of ``out=`` all ask here.
Opening notes which file it is; a run and a pickle also note when it was written to,
and from then on another time is an error. Between two runs the user may change values
in place. What cannot be changed in place (Parquet, Arrow, zip) is compared from its
opening on. Files are compared after a read: before it, they could change in between.
"""

import errno
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

# Files get their times from a clock that moves on so often (Linux: up to 10 ms); of
# file systems that count seconds, FAT counts every other one.
_TICK, _COARSE_TICK = 12_000_000, 2_000_000_000
_SECOND = 10**9


class FileState(NamedTuple):
    """The result of ``stat`` for a file; times are in nanoseconds."""

    device: int
    inode: int
    nbytes: int
    modified: int
    # The time of the inode. Nobody can set it back, but a new hard link changes it too:
    # it is for fingerprints only, which may differ without need.
    changed: int

    def is_file(self, other: "FileState") -> bool:
        """Whether it is the same file, whatever was written to it.

        On another device it is seen from another machine, or was moved. Not all network
        file systems keep inodes there, so names, sizes and times have to do.
        """
        return self.device != other.device or self.inode == other.inode

    def is_same(self, other: "FileState") -> bool:
        """Whether nothing was written to it either."""
        return self.is_file(other) and self[2:4] == other[2:4]


def read_state(path) -> FileState | None:
    """Return the state of the file at ``path``, None if there is none."""
    try:
        return _to_state(os.stat(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_open_state(file) -> FileState:
    """Return the state of an open file."""
    return _to_state(os.fstat(file.fileno()))


def _to_state(status: os.stat_result) -> FileState:
    return FileState(
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


@dataclass(repr=False)
class Identity:
    """The files that rows come from, and how they were when the rows were found there.

    ``facts`` tell more about the content: the metadata and a digest of the files of a
    zarr array, the schemas and row groups of Parquet. With ``is_writer`` somebody may
    change values at any time, so they are not compared. Without ``is_known`` there may
    be other files, as behind lazy containers, and nothing can be said of these. With
    ``has_code`` a function or a query computes the rows, and another run may have
    another one.
    """

    states: dict = field(default_factory=dict)
    facts: tuple = ()
    is_writer: bool = False
    is_known: bool = True
    has_code: bool = False

    @property
    def is_watched(self) -> bool:
        """Whether it is known during a run that a file is written to."""
        return bool(self.states or self.facts)

    @classmethod
    def read(cls, paths: Iterable, facts: tuple = (), **options) -> "Identity":
        """Return the identity of these files as they are now."""
        paths = [os.path.abspath(path) for path in paths]
        return cls({path: read_state(path) for path in paths}, facts, **options)

    @classmethod
    def of_arrays(cls, arrays: Iterable, **options) -> "Identity":
        """Return the files of which arrays are views, as far as they are named."""
        maps = map(find_memmap, arrays)
        names = {getattr(memmap, "filename", None) for memmap in maps}
        return cls({os.path.abspath(name): None for name in names if name}, **options)

    def __add__(self, other: "Identity") -> "Identity":
        return Identity(
            self.states | other.states,
            self.facts + other.facts,
            self.is_writer or other.is_writer,
            self.is_known and other.is_known,
            self.has_code or other.has_code,
        )

    def read_again(self) -> "Identity":
        """Return what it is now; files that are others by now stay what they were.

        Whatever is written to them from now on can be told from it by its time.
        """
        for path in self.states:
            await_tick(path)
        states = {}
        for path, before in self.states.items():
            now = read_state(path)
            is_other = now is None or (before and not now.is_file(before))
            states[path] = before if is_other else now
        return replace(self, states=states)

    def check(self, *, values: bool, held: Iterable = ()) -> None:
        """Raise if a file is another one; with ``values`` also if it was written to.

        Of files that are ``held``, the old ones are read when they were replaced.
        """
        for path, before in self.states.items():
            now = read_state(path)
            is_other = now is None or (before is not None and not now.is_file(before))
            if not (is_other and path in held):
                self.check_state(path, now, values=values)

    def check_state(self, path, now: FileState | None, *, values: bool = True) -> None:
        """Raise if a file is not what it was."""
        before = self.states[str(path)]
        if now is None and before is not None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        if before is None or now is None:
            is_file = is_same = before is now
        else:
            is_file, is_same = now.is_file(before), now.is_same(before)
        if is_file and (is_same or self.is_writer or not values):
            return
        how = "written again" if is_file or before is None else "replaced"
        raise ValueError(f"{str(path)!r} was {how} since it was opened. Open it again.")

    def is_unchanged(self) -> bool:
        """Whether there are files, all of them, and nothing was written to any."""
        states = [(read_state(path), before) for path, before in self.states.items()]
        same = (now and old and now.is_same(old) for now, old in states)
        return bool(states) and all(same)

    def covers(self, path) -> bool:
        """Whether ``path`` names one of the files, or is in one of the folders."""
        return any(_is_at(path, place) for place in self.states)

    def sync(self) -> None:
        """Write what was changed through shared maps to the files.

        Until then another change of a page that is dirty already changes no time of
        the file (on tmpfs it never does).
        """
        for path in self.states:
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    _sync(file.fileno())


def _sync(file: int) -> None:
    try:
        os.fsync(file)
    except OSError:  # some systems want it to be open for writing
        return


def await_tick(path) -> bool:
    """Wait until the clock of the file system has moved on; return whether it had to.

    Otherwise a second write could get the same time as the first.
    """
    state = read_state(path)
    if state is None:
        return False
    tick = _TICK if state.modified % _SECOND else _COARSE_TICK
    left = state.modified + tick - time.time_ns()
    if not 0 < left <= tick:
        return False
    time.sleep(left / _SECOND)
    return True


def _is_at(path, place) -> bool:
    real, place = Path(os.path.realpath(path)), Path(os.path.realpath(place))
    if real == place or (place.is_dir() and real.is_relative_to(place)):
        return True
    return real.exists() and place.exists() and os.path.samefile(real, place)


def find_memmap(array) -> np.memmap | None:
    """Return the map itself that ``array`` is a view of, None if it is of none.

    Between two arrays there can be other objects: NumPy puts one under what
    ``sliding_window_view`` and ``as_strided`` return.
    """
    found = None
    while array is not None:
        found = array if isinstance(array, np.memmap) else found
        is_buffer = isinstance(array, memoryview)
        below = array.obj if is_buffer else getattr(array, "base", None)
        array = None if below is array else below  # types of NumPy's are their own
    return found
