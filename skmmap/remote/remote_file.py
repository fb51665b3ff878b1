"""A file behind a URL, of which ranges are read."""

import importlib
import os
from threading import RLock
from typing import NamedTuple

import numpy as np

from skmmap.remote.disk_cache import DiskCache, find_limit
from skmmap.remote.requests import BATCH_NBYTES, fetch, may_pass
from skmmap.remote.urls import say_text, say_url

# What is fetched beyond a read that goes on where the last one ended.
_AHEAD_NBYTES = BATCH_NBYTES // 2
_TAGS = "ETag", "etag", "e_tag", "md5Hash", "Last-Modified", "LastModified", "mtime"
_MORE_TAGS = "modified", "last_modified", "created", "updated", "generation"


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
    except ImportError as error:
        if getattr(error, "name", None) == "fsspec" or "skmmap" in str(error):
            raise
        raise ImportError(f"{say_url(url)!r} cannot be opened: {error}.") from error
    except ValueError as error:
        raise ValueError(f"{say_url(url)!r} cannot be opened: {error}.") from error


class RemoteFile:
    """A file behind a URL; what is read is kept on disk, as far as a limit allows.

    ``limit`` are the bytes that may be kept, None for `find_limit`.
    """

    def __init__(self, url: str, options: dict | None = None, limit: int | None = None):
        self.url, self._options, self._limit = url, dict(options or {}), limit
        self._forget()
        self.state = self.read_state()
        if self.state.nbytes is None:
            raise ValueError(
                f"{say_url(url)!r} does not say how many bytes it has, so that ranges "
                "of it cannot be read. Download it."
            )

    def _forget(self) -> None:
        """Forget what is of this process."""
        self._lock, self._process = RLock(), os.getpid()
        self._system = self._path = self._cache = None
        self._window, self._next = (0, b""), -1

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
        self._open()
        for attempt in range(3):
            try:
                self._system.invalidate_cache()
                info = self._system.info(self._path)
                break
            except Exception as error:
                if attempt == 2 or not may_pass(error):
                    kind = type(error) if isinstance(error, OSError) else OSError
                    said = f"{self.where!r} cannot be opened: {self._say(error)}."
                    cause = error if self.where == self.url else None  # has secrets
                    raise _reword(kind, said) from cause
        found = [f"{k}={info[k]}" for k in (*_TAGS, *_MORE_TAGS) if info.get(k)]
        return RemoteState(info.get("size"), "; ".join(found))

    def _say(self, error: Exception) -> str:
        """Return why there is no such file; of http, its text is the URL alone."""
        cause, said = error.__cause__, say_text(error).rstrip(".")
        if said not in self.where:
            return said
        if status := getattr(cause, "status", None):
            return f"the server answers {status}"
        return "there is no such file" if cause is None else say_text(cause)

    def check(self) -> None:
        """Raise if the file is another one by now."""
        now = self.read_state()
        if now != self.state:
            raise ValueError(
                f"{self.where!r} was written again since it was opened: it had "
                f"{self.state.nbytes:,} bytes and {self.state.tag or 'no tag'}, and "
                f"has {now.nbytes:,} and {now.tag or 'no tag'}. Open it again."
            )

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the bytes of a range."""
        return self.read_many([(start, stop)])[0]

    def read_many(self, ranges: list) -> list[np.ndarray]:
        """Return the bytes of some ranges, all of which are asked for together."""
        outs = [np.empty(stop - start, np.uint8) for start, stop in ranges]
        self._renew()
        with self._lock:
            self._open()
            if self._cache is None:
                limit = find_limit() if self._limit is None else self._limit
                self._cache = DiskCache(self.state.nbytes, limit)
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
            else:
                left.append((start, out))
        if len(left) == 1 and stop > left[0][0] + len(left[0][1]):
            # Read in turn: what follows is fetched in the same time.
            (start, out), buffer = left[0], np.empty(stop - left[0][0], np.uint8)
            self._fill([(start, buffer)])
            self._window, left = (start, buffer), []
            out[:] = buffer[: len(out)]
        self._fill(left)

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
            self._cache, self._window = None, (0, b"")

    def __getstate__(self) -> dict:
        # Workers read rows once, and each would have a cache of its own.
        state = {"url": self.url, "_options": self._options, "state": self.state}
        return state | {"_limit": 0}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._forget()


def _reword(kind: type, text: str) -> OSError:
    return (kind if kind in (FileNotFoundError, PermissionError) else OSError)(text)
