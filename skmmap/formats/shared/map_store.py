"""Rows at an offset of a file, which is mapped only while a view of it is in use.

The map is whole, and known here by a weak reference: a loop over chunks uses one map,
nothing stays open after it, and Windows can delete the file.
"""

import errno
import mmap
import os
import weakref
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

import numpy as np

from skmmap._messages import describe_rows
from skmmap.disk import (
    BUFFER,
    MAP_ADVICE,
    FileState,
    Identity,
    allocate,
    counting_files,
    explaining,
    find_memmap,
    is_mapped_from,
    open_regular,
    read_open_state,
    read_state,
)
from skmmap.formats.shared.page_cache import (
    CAN_RELEASE_PAGES,
    expect_no_order,
    leave_cache,
    populate_pages,
    release_pages,
)
from skmmap.formats.shared.strides import find_address, find_extent, find_strides
from skmmap.rows import Store

# Pages of a map count as memory of the process. Where it is not known when rows are no
# longer used, they are released when so many bytes have been read beyond them, half of
# that at a time.
WINDOW_NBYTES = 2**23
_COMPARED = 10  # rows of a given map are compared with its file
# Which rows were written to private pages is noted in blocks of so many bytes.
_NOTED_NBYTES = 2**14


class MapStore(Store):
    """Rows in a file: its path, and their offset, shape, type and strides.

    That is all that is kept and pickled. By ``read_mode`` rows are views of a map
    ("map"), are read into memory ("buffer"), or are read and then dropped from the page
    cache ("uncached").
    """

    read_mode = "map"
    _file: FileState | None = None  # of the file that is mapped
    # The file as it was when a run began, or when these rows were pickled. Writing to
    # it afterwards is an error.
    _run: Identity | None = None
    _is_fixed = False
    # Rows up to which pages were released the last times: pages that were brought by
    # readahead are accessed later, and released one window later.
    _lows = (0, 0, 0)
    _used = (0, 0)  # the rows that were released last

    def __init__(
        self,
        path,
        dtype,
        shape,
        *,
        offset=0,
        order="C",
        mode="r",
        header=b"",
        key="",
        axis=0,
    ):
        self.path = Path(os.path.abspath(path))
        self.key = key  # of one array among several in the file
        self.dtype, self.shape, self.mode = np.dtype(dtype), tuple(shape), mode
        self.offset, self.order, self._closed = offset, order, False
        # Workers map the file much later: another header then means another array.
        self._header = header
        strides = find_strides(self.shape, self.dtype.itemsize, order)
        # Rows are the items of this axis of the array.
        self.shape, self._strides = (_move(axis, sizes) for sizes in (shape, strides))
        self._is_plain = self._find_plain()
        self._held, self._ref = None, _nothing
        self._opened = Identity.read([self.path], is_writer=mode == "r+")
        self._written = set()  # blocks of rows, in private pages
        if mode == "c":
            # What is written to private pages of a map is lost when it is closed.
            self.keep_open()

    @classmethod
    def of(cls, array: np.ndarray, mode: str) -> "MapStore | None":
        """Return the store of a view of a map, None if its file is not known."""
        memmap = find_memmap(array)
        path = getattr(memmap, "filename", None)
        if path is None or memmap.mode == "c" or not os.path.exists(path):
            return None
        if memmap.size and not is_mapped_from(find_address(memmap), path):
            return None
        store = cls(path, array.dtype, array.shape, mode=mode)
        store._strides = array.strides
        store._is_plain = store._find_plain()
        if memmap.mode != "r":
            store._opened = replace(store._opened, is_writer=True)
        # The attribute `offset` of a view is that of its parent, so it is computed from
        # their addresses in memory.
        store.offset = memmap.offset + find_address(array) - find_address(memmap)
        return store if store.shows(array) else None

    def fix(self) -> None:
        """Let any change of the file from now on be an error, also between two runs.

        For formats whose files are written as a whole.
        """
        self._run, self._is_fixed = self._begin(), True

    def shows(self, array: np.ndarray) -> bool:
        """Whether the file is the one of the map, judged by a few rows.

        After ``os.replace`` the path of a map is that of another file.
        """
        try:
            held, last = self.rows, len(array) - 1
            self.check(0, len(array))
            picked = sorted({i * last // (_COMPARED - 1) for i in range(_COMPARED)})
            return last < 0 or held[picked].tobytes() == array[picked].tobytes()
        except (OSError, ValueError):
            return False

    @property
    def where(self) -> str:
        return f"{self.path.name}:{self.key}" if self.key else self.path.name

    @property
    def row_extent(self) -> int:
        return max(self.row_nbytes, abs(self._strides[0]))

    @property
    def is_slow_layout(self) -> bool:
        widest = max(map(abs, self._strides[1:]), default=0)
        return (
            self.n_rows > 1 and widest > abs(self._strides[0]) and self._extent[1] > 0
        )

    @property
    def rows(self) -> np.ndarray:
        """All rows, as a read-only view of the map."""
        self._check_open()
        rows = self._ref()
        if rows is None:
            memmap, self._file = self._open("c" if self.mode == "c" else "r")
            rows = self._view(memmap)
            rows.flags.writeable = False
            self._lows, self._used = (0, 0, 0), (0, 0)
            # NumPy makes it the base of its views, so it lives as long as they do. The
            # map is read-only too: the flag of an array can be set back.
            self._ref = weakref.ref(rows)
        return rows

    @property
    def can_reopen(self) -> bool:
        return self.mode != "c"

    def find_disk_nbytes(self) -> int:
        low, high = self._extent  # rows of a sliding window share their bytes
        return min(self.nbytes, high - low)

    @property
    def files(self) -> dict:
        is_readable = self.mode != "c" and self._is_plain
        return {str(self.path): self.n_rows * self.row_nbytes} if is_readable else {}

    def _find_plain(self) -> bool:
        """Return whether rows lie in the file as they do in memory, one by one."""
        itemsize = self.dtype.itemsize
        return self._strides == find_strides(self.shape, itemsize, "C")

    @property
    def identity(self) -> Identity:
        return self._run or self._opened

    def for_run(self, read_mode: str) -> "MapStore":
        self._check_open()
        store = object.__new__(MapStore)  # copy() would go through __getstate__
        vars(store).update(vars(self))
        # Other layouts need the strides of a map; private pages are in the map only.
        store.read_mode = read_mode if self._is_plain and self.mode != "c" else "map"
        is_mapped = (
            store.read_mode == "map" == self.read_mode and self._ref() is not None
        )
        if not is_mapped:
            store._held, store._ref = None, _nothing
            with open_regular(str(self.path)) as file:
                self._check_file(file, self.offset + self._extent[1])
        store._run = self._run or self._begin()
        return store

    def _begin(self) -> Identity:
        """Return the identity of the file now, which must not change in the run."""
        return self._opened.read_again()

    def read(self, start: int, stop: int) -> np.ndarray:
        if self.read_mode != "map":
            shape = max(0, stop - start), *self.shape[1:]
            out = allocate(shape, self.dtype, BUFFER)
            self.read_into(start, stop, out)
            return out
        rows = self.rows
        self.check(start, stop)
        self._release_behind(start)
        return rows[start:stop]

    def view(self, start: int, stop: int) -> np.ndarray | None:
        return self.rows[start:stop] if self.read_mode == "map" else None

    def read_into(self, start: int, stop: int, out: np.ndarray) -> None:
        """Read from the file: if it is truncated meanwhile, that is an error, no crash.

        It is opened for each piece: nothing stays open, and threads share nothing.
        """
        if self.read_mode == "map" or not out.flags.c_contiguous:
            super().read_into(start, stop, out)
            return
        self._check_open()
        begin, done = self.offset + start * self.row_nbytes, 0
        target = memoryview(out.reshape(-1).view(np.uint8)) if out.nbytes else b""
        with open_regular(str(self.path)) as file:
            if self.read_mode == "uncached":
                expect_no_order(file.fileno())
            header = file.read(len(self._header))
            file.seek(begin)
            while done < len(target) and (n_read := file.readinto(target[done:])):
                done += n_read
            # Afterwards: it can be written again while it is read.
            self._check_state(read_open_state(file), header, start, stop)
            if done < len(target):
                self._raise_truncated(begin + done, start, stop)
            if self.read_mode == "uncached":
                leave_cache(file.fileno(), begin, done, is_last=stop == self.n_rows)

    def check(self, start: int, stop: int) -> None:
        """Raise if the file was truncated: accessing the map would crash (SIGBUS)."""
        memmap = find_memmap(self._ref())
        if memmap is None or not self.row_nbytes:
            return
        # The size of the mapped file: another one may have its name by now.
        size = memmap._mmap.size()
        if size < self._find_end(stop):
            self._raise_truncated(size, start, stop)

    def verify(self) -> None:
        if self._run is None or self.read_mode != "map" or self._ref() is None:
            return
        now = read_state(self.path)
        # A replaced file can still be read through its map.
        if now is not None and now.is_file(self._file):
            self._check_state(now, self._header, 0, self.n_rows)

    def _find_end(self, stop: int) -> int:
        """Return the byte at which the rows before ``stop`` end."""
        if self._is_plain:
            return self.offset + stop * self.row_nbytes
        return self.offset + self._extent[1]

    def _raise_truncated(self, size: int, start: int, stop: int) -> NoReturn:
        raise ValueError(
            f"{str(self.path)!r} is truncated: {describe_rows(start, stop)} end at "
            f"byte {self._find_end(stop):,} of it, and it has {size:,}. Write it again."
        )

    def _release_behind(self, start: int) -> None:
        """Release pages well behind these rows; they stay in the page cache."""
        low, *lows = self._lows
        behind = (start - lows[-1]) * self.row_extent
        # Several threads read a little back and forth.
        if abs(behind) < WINDOW_NBYTES // 2 or not CAN_RELEASE_PAGES:
            return
        # MADV_DONTNEED on a copy-on-write map throws away what was written to it.
        if self.mode != "c":
            is_ahead = behind > 0 and self._is_plain
            # The last half of the window stays: it may still be in use.
            pages = (low, lows[-1]) if is_ahead else None
            release_pages(*self._find_pages(pages))
        self._lows = (*lows, start) if behind > 0 else (start,) * 3

    def _find_pages(self, ends: tuple[int, int] | None) -> tuple[int, int]:
        """Return the addresses of the map at which rows begin and end, None for all."""
        rows, (low, high) = self.rows, self._extent
        if ends is not None:
            low, high = (row * rows.strides[0] for row in ends)
        return find_address(rows) + low, find_address(rows) + high

    def touch(self, start: int, stop: int) -> None:
        if self.read_mode != "map" or not (stop - start) * self.row_nbytes:
            return
        rows = self.rows
        if not self._is_plain:
            self._release_behind(start)
            return
        error = populate_pages(*self._find_pages((start, stop)))
        if error:
            self.check(start, stop)
        if error == errno.EFAULT:  # to access them would crash the process (SIGBUS)
            raise OSError(
                errno.EIO,
                f"{describe_rows(start, stop)} cannot be brought to memory",
                str(self.path),
            )
        if error:
            rows[start:stop].reshape(-1).view(np.uint8)[:: mmap.PAGESIZE].max()

    def release(self, start: int, stop: int) -> None:
        is_shared = self.mode != "c" and self._is_plain and self.read_mode == "map"
        if not is_shared or self._ref() is None or not self.row_nbytes:
            return
        before, end = self._used
        is_next = start == end
        low, high = self._find_pages((before if is_next else start, stop))
        # A fault in the last page, which has rows that are read next, would map pages
        # of used rows around it (fault-around). Some are mapped again nevertheless, and
        # are released now with the next rows.
        if is_next and stop < self.n_rows:
            high -= high % mmap.PAGESIZE
        release_pages(low, high)
        self._used = start, stop

    def take(self, rows: np.ndarray) -> np.ndarray:
        held = self.rows if self.read_mode == "map" else None
        if held is None or not held.flags.c_contiguous:
            return super().take(rows)
        # A map reads only the pages that are accessed: blocks would only add calls.
        out = allocate((len(rows), *self.shape[1:]), self.dtype, BUFFER)
        window = max(1, WINDOW_NBYTES // max(1, self.row_extent))
        cuts = np.flatnonzero(np.diff(rows // window)) + 1
        for i, j in pairwise([0, *cuts.tolist(), len(rows)]):
            if i < j:
                self.check(int(rows[i]), int(rows[j - 1]) + 1)
                self._release_behind(int(rows[i]))
                np.take(held, rows[i:j], axis=0, out=out[i:j], mode="clip")
        self.verify()
        return out

    def write(self, rows, values) -> None:
        if self.key or self._is_fixed:  # such files are written by their library
            super().write(rows, values)
        if self.mode == "r":
            raise ValueError(
                f"{str(self.path)!r} is open for reading only; "
                "open_rows(path, mode='r+') writes to the file, mode='c' to a copy in "
                "memory."
            )
        # A map for writing exists only here.
        memmap = self.rows.base if self.mode == "c" else self._open("r+")[0]
        self._view(memmap)[rows] = values
        if self.mode == "c":
            self._written.update(np.unique(np.asarray(rows) // self._noted).tolist())

    @property
    def _noted(self) -> int:
        """Rows of a block that is noted as written to."""
        return max(1, _NOTED_NBYTES // max(1, self.row_nbytes))

    def is_viewed_by(self, array: np.ndarray) -> bool:
        name = getattr(find_memmap(array), "filename", None)
        return name is not None and self._opened.covers(name)

    def keep_open(self) -> None:
        self._held = self.rows

    def close(self) -> None:
        self._held, self._closed = None, True

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(
                f"The rows of {str(self.path)!r} are closed. Open them again."
            )

    @property
    def _extent(self) -> tuple[int, int]:
        return find_extent(self.shape, self._strides, self.dtype.itemsize)

    def _view(self, memmap: np.ndarray) -> np.ndarray:
        """Return the rows on a map of their bytes."""
        low, _ = self._extent
        return np.ndarray(self.shape, self.dtype, memmap, -low, self._strides)

    def _open(self, mode: str) -> tuple[np.ndarray, FileState]:
        """Return a map of the rows' bytes, and the state of the file."""
        low, high = self._extent
        # A str: NumPy keeps the name of no other kind of path.
        path = str(self.path)
        with counting_files(path):
            return self._map(path, mode, low, high)

    def _map(self, path: str, mode: str, low: int, high: int) -> tuple:
        with open(path, "r+b") if mode == "r+" else open_regular(path) as file:
            state = self._check_file(file, self.offset + high)
            if low == high:
                return np.empty(0, np.uint8), state
            start, shape = self.offset + low, (high - low,)
            try:
                with explaining(high - low, (f"a map of {path}", MAP_ADVICE)):
                    return np.memmap(file, np.uint8, mode, start, shape), state
            except ValueError:
                self._check_file(file, self.offset + high)  # truncated just now
                raise

    def _check_file(self, file, needed: int) -> FileState:
        """Return the state of an open file if it has not changed, or raise."""
        header, state = file.read(len(self._header)), read_open_state(file)
        file.seek(0)
        if state.nbytes < needed and state.is_file(self._find_state()):
            raise ValueError(
                f"{str(self.path)!r} is truncated: shape {self.shape} of {self.dtype} "
                f"needs {needed:,} bytes, and the file has {state.nbytes:,}. Write it "
                "again."
            )
        self._check_state(state, header)
        return state

    def _check_state(self, state, header: bytes, start=0, stop=None) -> None:
        """Raise if a file has changed since it was opened, or since a run began."""
        is_file = state.is_file(self._find_state())
        if is_file and stop is not None and state.nbytes < self._find_end(stop):
            self._raise_truncated(state.nbytes, start, stop)
        if is_file and header != self._header:
            raise ValueError(
                f"{str(self.path)!r} was written again since it was opened, with "
                "another shape or type. Open it again."
            )
        self.identity.check_state(self.path, state, values=self._run is not None)

    def _find_state(self) -> FileState:
        return self.identity.states[str(self.path)]

    def __getstate__(self):
        run = self._run or self._begin()
        state = {"_held": None, "_ref": _nothing, "_file": None, "_written": set()}
        # As before the first read: joblib.Memory compares pickles, so the same rows
        # must give the same one, and files that were written to another one.
        state |= {"_lows": (0, 0, 0), "_used": (0, 0), "_opened": run, "_run": run}
        if self.mode == "c":
            state["_sent"] = [*self._iter_written()]
        return vars(self) | state

    def _iter_written(self):
        """Yield the blocks of rows that were written to private pages, as bytes."""
        for block in sorted(self._written):
            start = block * self._noted
            yield start, self.rows[start : start + self._noted].tobytes()

    def __setstate__(self, state: dict):
        sent = state.pop("_sent", ())
        vars(self).update(state)
        if self.mode == "c":
            self.keep_open()
        for start, data in sent:
            rows = np.frombuffer(data, self.dtype).reshape(-1, *self.shape[1:])
            self.write(np.arange(start, start + len(rows)), rows)


def _move(axis: int, sizes) -> tuple:
    """Return sizes of the axes with that of one first."""
    return (sizes[axis], *sizes[:axis], *sizes[axis + 1 :])


def _nothing() -> None:
    """Stand in for a weak reference to a map that is gone."""
