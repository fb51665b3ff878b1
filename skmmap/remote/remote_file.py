"""A file behind a URL, of which ranges are read."""

import importlib
import os
import weakref
from collections import OrderedDict
from contextlib import suppress
from threading import RLock
from typing import Any, NamedTuple

import numpy as np

from skmmap.remote.disk_cache import open_cache
from skmmap.remote.requests import BATCH_NBYTES, fetch, repeat
from skmmap.remote.urls import hide_secrets, say_url

# What is fetched beyond a read that goes on where the last one ended.
_AHEAD_NBYTES = BATCH_NBYTES // 2
_TAGS = "ETag", "etag", "e_tag", "md5Hash", "Last-Modified", "LastModified", "mtime"
_MORE_TAGS = "modified", "last_modified", "created", "updated", "generation"
# Of a file from this size on, a web server is asked whether it has ranges at all: one
# that has none sends the whole file where a few bytes are asked for.
_PROBED_NBYTES = 2**25

# Files that hold what was read ahead, each up to 16 MB: a pass over many shards would
# leave as much behind in each of them.
_MOST_AHEAD = 4
_ahead: OrderedDict = OrderedDict()


class RemoteState(NamedTuple):
    """The size of a remote file, and what changes when it is written again."""

    nbytes: int
    tag: str


def import_fsspec(url: str):
    """Return fsspec, or say how to install it."""
    try:
        return importlib.import_module("fsspec")
    except ImportError as error:
        raise ImportError(
            f"{say_url(url)!r} is read through fsspec, which is not installed: pip "
            "install 'skmmap[remote]'."
        ) from error


def open_system(url: str, options: dict) -> tuple:
    """Return the file system of a URL, and the path that it has there."""
    try:
        return import_fsspec(url).core.url_to_fs(url, **options)
    except (ImportError, ValueError) as error:
        if "skmmap" in str(error):  # says how to install fsspec
            raise
        kind = ImportError if isinstance(error, ImportError) else ValueError
        said = hide_secrets(str(error), url)
        raise kind(f"{say_url(url)!r} cannot be opened: {said}.") from error


class RemoteFile:
    """A file behind a URL; what is read is kept on disk, as far as a limit allows.

    ``limit`` are the bytes that may be kept, None for `find_limit`.
    """

    def __init__(self, url: str, options: dict | None = None, limit: int | None = None):
        self.url, self._options, self._limit = url, dict(options or {}), limit
        self._is_checked = True
        self._forget()
        info = self._ask()
        self.state = _find_state(info)
        self.is_folder = info.get("type") == "directory"
        # Web servers show a folder as a page.
        self.may_be_folder = self.is_folder or info.get("mimetype") == "text/html"
        if self.state.nbytes is None:
            raise ValueError(
                f"{say_url(url)!r} does not say how many bytes it has, so that ranges "
                "of it cannot be read. Download it."
            )
        self._check_ranges(info)

    def _forget(self) -> None:
        """Forget what is of this process."""
        self._lock, self._process = RLock(), os.getpid()
        self._system = self._path = self._cache = None
        self._window, self._next = _NOTHING, -1

    @property
    def where(self) -> str:
        return say_url(self.url)

    def _renew(self) -> None:
        """Forget connections and locks of the process that was forked."""
        if self._process != os.getpid():
            self._forget()

    def _open(self) -> None:
        self._renew()
        if self._system is None:
            self._system, self._path = open_system(self.url, self._options)

    def read_state(self) -> RemoteState:
        """Ask for size and tag; raise if there is no such file."""
        return _find_state(self._ask())

    def _ask(self) -> dict:
        """Return what the file system says of the file."""
        self._open()

        def ask():
            self._system.invalidate_cache()
            return self._system.info(self._path)

        return repeat(ask, self.url, "opened")

    def _check_ranges(self, info: dict) -> None:
        """Raise if a web server sends whole files, without reading one of them."""
        has_ranges, size = info.get("partial", True), self.state.nbytes
        if has_ranges and size >= _PROBED_NBYTES and "http" in self._system.protocol:
            with suppress(OSError, RuntimeError):  # a read will meet with it too
                has_ranges = self._has_ranges()
        if not has_ranges:
            raise OSError(
                f"{self.where!r}: the server ignores ranges, and sends whole files of "
                f"{size:,} bytes. Download the file."
            )

    def _has_ranges(self) -> bool:
        size = self.state.nbytes
        with self._system.open(self._path, size=size, cache_type="none") as file:
            file.seek(1)
            try:
                file.read(1)
            except ValueError:
                return False
        return True

    def check(self) -> None:
        """Raise if the file is another one by now."""
        now = self.read_state()
        if now != self.state:
            raise ValueError(
                f"{self.where!r} was written again since it was opened: it had "
                f"{self.state.nbytes:,} bytes and {self.state.tag or 'no tag'}, and "
                f"has {now.nbytes:,} and {now.tag or 'no tag'}. Open it again."
            )
        self._is_checked = True

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the bytes of a range."""
        return self.read_many([(start, stop)])[0]

    def read_many(self, ranges: list) -> list[np.ndarray]:
        """Return the bytes of some ranges, all of which are asked for together."""
        outs = [np.empty(stop - start, np.uint8) for start, stop in ranges]
        if not outs:
            return []
        self._renew()
        with self._lock:
            self._open()
            if not self._is_checked:
                self.check()
            if self._cache is None:
                self._cache = open_cache(self.state.nbytes, self._limit)
            try:
                self._read_into(ranges, outs)
            except (OSError, ValueError):
                self.check()  # the reason may be that it was replaced
                raise
        return outs

    def _read_into(self, ranges: list, outs: list) -> None:
        stop = ranges[-1][1]
        if len(ranges) == 1 and ranges[0][0] == self._next:
            stop = min(stop + _AHEAD_NBYTES, self.state.nbytes)
        self._next = ranges[-1][1]
        self._keep(ranges, stop)
        end = self._cache.end  # after it was written to: the disk may be full
        rest = []
        for (begin, until), out in zip(ranges, outs, strict=True):
            n_kept = max(0, min(until, end) - begin)
            if n_kept:
                self._cache.read_into(begin, out[:n_kept])
            if begin + n_kept < until:
                rest.append((begin + n_kept, out[n_kept:]))
        self._fetch(rest, stop)

    def _keep(self, ranges: list, stop: int) -> None:
        """Fetch the blocks of ranges that can be kept, and are not yet."""
        cache, wanted = self._cache, set()
        for number, (begin, until) in enumerate(ranges, start=1):
            until = max(until, stop) if number == len(ranges) else until
            wanted.update(cache.list_missing(begin, until))
        places: list = []
        for block in sorted(wanted):
            start, end = cache.find_place(block)
            if places and places[-1][1] == start:
                places[-1] = places[-1][0], end
            else:
                places.append((start, end))
        for _, start, data in fetch(self._system, self._path, self.url, places):
            if cache.end:
                cache.write(start, data)

    def _fetch(self, rest: list, stop: int) -> None:
        """Fill arrays with the bytes that begin somewhere in the file."""
        begin, window = self._window
        left = []
        for start, out in rest:
            inside = window[start - begin : start - begin + len(out)]
            if start >= begin and len(inside) == len(out):
                out[:] = inside
                if start + len(out) == begin + len(window):  # all of it was read
                    self._window = _NOTHING
            else:
                left.append((start, out))
        if len(left) == 1 and stop > left[0][0] + len(left[0][1]):
            # Read in turn: what follows is fetched in the same time.
            (start, out), buffer = left[0], np.empty(stop - left[0][0], np.uint8)
            self._fill([(start, buffer)])
            self._keep_ahead(start, buffer)
            out[:], left = buffer[: len(out)], []
        self._fill(left)

    def _keep_ahead(self, start: int, buffer: np.ndarray) -> None:
        """Keep what was read ahead, and nothing of files that were read long ago."""
        _ahead.pop(id(self), None)
        _ahead[id(self)] = weakref.ref(self)
        while len(_ahead) > _MOST_AHEAD:
            if (file := _ahead.popitem(last=False)[1]()) is not None:
                file._window = _NOTHING
        self._window = start, buffer

    def _fill(self, wanted: list) -> None:
        ranges = [(start, start + len(out)) for start, out in wanted]
        for number, start, data in fetch(self._system, self._path, self.url, ranges):
            begin, out = wanted[number]
            place = out[start - begin : start - begin + len(data)]
            place[:] = np.frombuffer(data, np.uint8)

    def close(self) -> None:
        """Remove what is kept."""
        with self._lock:
            if self._cache is not None:
                self._cache.close()
            self._cache, self._window = None, _NOTHING

    def __getstate__(self) -> dict:
        # Workers read rows once, and each would have a cache of its own.
        names = "url", "_options", "state", "is_folder", "may_be_folder"
        state = {name: vars(self)[name] for name in names}
        return state | {"_limit": 0, "_is_checked": False}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._forget()


_NOTHING: tuple[int, Any] = (0, b"")


def _find_state(info: dict) -> RemoteState:
    found = [f"{k}={info[k]}" for k in (*_TAGS, *_MORE_TAGS) if info.get(k)]
    return RemoteState(info.get("size"), "; ".join(found))
