"""Blocks of remote objects in files of a folder, below a limit of their sizes.

A block is written to a new file, which then takes its name: it is there whole or not at
all, whichever processes use the folder. What was used last is kept longest.
"""

import os
import re
import shutil
import tempfile
import threading
import weakref
from contextlib import suppress
from pathlib import Path

from skmmap._messages import say_size

_LEAST = 2**27  # what is read ahead must stay until it is used
_MOST = 10 * 10**9
_FREE_SHARE = 4  # by default at most one part in so many of what is free
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = re.compile(r"\s*([0-9.]+)\s*([KMGT]?B)\s*", re.IGNORECASE)
# Other processes may have added as much of the limit before files are counted again.
_COUNTED_SHARE = 16


class BlockCache:
    """Blocks by key and number; the folder is removed at the end if it is temporary."""

    def __init__(self, folder, limit: int, *, is_temporary: bool):
        self.folder, self.limit, self.is_temporary = str(folder), limit, is_temporary
        self._lock, self._known, self._added = threading.Lock(), None, 0
        if is_temporary:
            weakref.finalize(self, _remove, self.folder, os.getpid())

    def read_into(self, key: str, number: int, begin: int, out: memoryview) -> bool:
        """Read bytes of a block from ``begin`` on; return whether they were there."""
        path = self._find_path(key, number)
        try:
            with open(path, "rb") as file:
                file.seek(begin)
                is_there = file.readinto(out) == len(out)
        except FileNotFoundError:
            return False
        with suppress(OSError):
            os.utime(path)  # it was used
        return is_there

    def has(self, key: str, number: int) -> bool:
        return os.path.exists(self._find_path(key, number))

    def put(self, key: str, number: int, data: bytes) -> bool:
        """Write a block; return whether there was room for it."""
        path = self._find_path(key, number)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with self._lock:
                self._make_room(len(data))
            handle, name = tempfile.mkstemp(dir=os.path.dirname(path))
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.replace(name, path)
            except BaseException:
                os.unlink(name)
                raise
        except OSError:  # the disk is full
            return False
        return True

    def _find_path(self, key: str, number: int) -> str:
        return os.path.join(self.folder, key, str(number))

    def _make_room(self, nbytes: int) -> None:
        self._added += nbytes
        is_old = self._added > self.limit // _COUNTED_SHARE
        if self._known is None or is_old or self._known + self._added > self.limit:
            self._known, self._added = self._trim(nbytes), nbytes

    def _trim(self, nbytes: int) -> int:
        """Remove what was not used for longest; return the bytes that are left."""
        found = sorted(_iter_files(self.folder))
        total = sum(size for _, size, _ in found)
        if total + nbytes <= self.limit:
            return total
        for _, size, path in found:
            with suppress(FileNotFoundError):  # removed by another process
                os.unlink(path)
            total -= size
            if total + nbytes <= self.limit - self.limit // _COUNTED_SHARE:
                break
        return total

    def __reduce__(self):
        return _open_again, (self.folder, self.limit, self.is_temporary)


def _iter_files(folder: str):
    for at, _, names in os.walk(folder):
        for path in (os.path.join(at, name) for name in names):
            with suppress(FileNotFoundError):
                status = os.stat(path)
                yield status.st_mtime_ns, status.st_size, path


def _remove(folder: str, process: int) -> None:
    if os.getpid() == process:  # a forked child leaves it to its parent
        shutil.rmtree(folder, ignore_errors=True)


_own: dict = {}  # the cache of this process, by its number


def open_cache(given) -> BlockCache:
    """Return the cache that ``cache`` of `open_rows` says."""
    if given is None:
        process = os.getpid()
        if process not in _own:
            _own[process] = _make_temporary(_find_limit(tempfile.gettempdir()))
        return _own[process]
    folder, size = given if isinstance(given, tuple) else (given, None)
    if size is None and (limit := _parse(folder)) is not None:
        return _make_temporary(_check_limit(limit, given))
    folder = Path(os.path.abspath(os.path.expanduser(os.fspath(folder))))
    folder.mkdir(parents=True, exist_ok=True)
    limit = _find_limit(folder) if size is None else _parse(size)
    return BlockCache(folder, _check_limit(limit, given), is_temporary=False)


def _make_temporary(limit: int) -> BlockCache:
    return BlockCache(tempfile.mkdtemp(prefix="skmmap_"), limit, is_temporary=True)


def _find_limit(folder) -> int:
    free = shutil.disk_usage(folder).free
    return max(_LEAST, min(_MOST, free // _FREE_SHARE))


def _parse(size) -> int | None:
    """Return a size in bytes, None if this is none."""
    if isinstance(size, int):
        return size
    found = _SIZE.fullmatch(size) if isinstance(size, str) else None
    return int(float(found[1]) * _UNITS[found[2].upper()]) if found else None


def _check_limit(limit: int | None, given) -> int:
    if limit is None or limit < _LEAST:
        raise ValueError(
            f"cache must be a size such as '10GB', of at least {say_size(_LEAST)}, a "
            f"folder, or a tuple of both; got {given!r}."
        )
    return limit


def _open_again(folder: str, limit: int, is_temporary: bool) -> BlockCache:
    """Return the cache in another process, or this one's own if it is gone."""
    if is_temporary and not os.path.isdir(folder):
        return open_cache(None)
    return BlockCache(folder, limit, is_temporary=False)
