"""An object behind a URL, of which ranges are read through a cache of blocks.

What waits for the network is hidden by requests side by side: at most `_N_REQUESTS` of
`BLOCK_NBYTES` each are in memory, in a process, whatever reads them.
"""

import hashlib
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from skmmap.remote.block_cache import BlockCache
from skmmap.remote.retries import with_retries
from skmmap.remote.urls import open_file_system, say_url

BLOCK_NBYTES = 2**22
_N_REQUESTS = 8
_pools: dict = {}  # of threads, by the process: they do not survive a fork


def _find_pool() -> ThreadPoolExecutor:
    process = os.getpid()
    if process not in _pools:
        _pools[process] = ThreadPoolExecutor(_N_REQUESTS, "skmmap-remote")
    return _pools[process]


class RemoteFile:
    """The size and identity of an object when it was opened, and ranges of it."""

    def __init__(self, url: str, storage_options: dict | None, cache: BlockCache):
        self.url, self._options, self._cache = url, storage_options, cache
        self._begin()
        self.size, self.identity = self._ask()
        _check_ranges(self._system, self._path, self.size, self.where)
        said = repr((say_url(url), self.identity, self.size, BLOCK_NBYTES))
        self._key = hashlib.sha256(said.encode()).hexdigest()[:32]

    def _begin(self) -> None:
        self._system, self._path = open_file_system(self.url, self._options)
        self._process, self._lock = os.getpid(), threading.Lock()
        self._coming: dict[int, Future] = {}
        self._next, self._reads_ahead = 0, True

    @property
    def where(self) -> str:
        return say_url(self.url)

    def _ask(self) -> tuple[int, str]:
        """Return size and identity of the object now."""
        self._system.invalidate_cache()  # of listings
        info = with_retries(lambda: self._system.info(self._path))
        if info.get("size") is None:
            raise ValueError(
                f"{self.where!r} has no known size. Download it, and open the file."
            )
        names = "ETag", "etag", "md5Hash", "Last-Modified", "LastModified"
        names += "last_modified", "updated", "mtime", "created"
        known = {n: str(info[n]) for n in names if info.get(n)}
        return int(info["size"]), repr(sorted(known.items()))

    def check(self) -> None:
        """Raise if the object is not the one that was opened."""
        if self._ask() != (self.size, self.identity):
            raise ValueError(
                f"{self.where!r} was written again since it was opened. Open it again."
            )

    def request(self, start: int, stop: int) -> bytes:
        """Return bytes from the network, as many as were asked for."""
        data = with_retries(
            lambda: self._system.cat_file(self._path, start=start, end=stop)
        )
        if len(data) != stop - start:
            self.check()
            raise ValueError(
                f"{self.where!r} gave {len(data):,} bytes of the {stop - start:,} from "
                f"byte {start:,} on. Download it, and open the file."
            )
        return data

    def read_into(self, start: int, out: memoryview) -> None:
        """Read bytes from ``start`` on until ``out`` is full."""
        if self._process != os.getpid():  # it was forked
            self._begin()
        stop = start + len(out)
        if stop > self.size:
            raise ValueError(
                f"{self.where!r} is truncated: bytes up to {stop:,} are needed, and it "
                f"has {self.size:,}. Write it again."
            )
        if start == stop:
            return
        numbers = range(start // BLOCK_NBYTES, -(-stop // BLOCK_NBYTES))
        for number in self._list_ahead(numbers):
            self._request(number)
        for number in numbers:
            if number + _N_REQUESTS in numbers:
                self._request(number + _N_REQUESTS)
            low, high = number * BLOCK_NBYTES, (number + 1) * BLOCK_NBYTES
            begin, end = max(low, start), min(high, stop)
            self._copy(number, begin - low, out[begin - start : end - start])

    def _list_ahead(self, numbers: range) -> list[int]:
        """Return blocks to request now: these, and if they come in turn some more."""
        with self._lock:
            # Threads read a little back and forth.
            is_next = abs(numbers[0] - self._next) <= _N_REQUESTS
            self._next = max(numbers[-1] + 1, self._next if is_next else 0)
        is_whole = is_next and self._reads_ahead and len(numbers) <= _N_REQUESTS
        end = (
            numbers[-1] + 1 + _N_REQUESTS if is_whole else numbers[:_N_REQUESTS][-1] + 1
        )
        return [*range(numbers[0], min(end, -(-self.size // BLOCK_NBYTES)))]

    def _request(self, number: int) -> None:
        with self._lock:
            if number in self._coming or self._cache.has(self._key, number):
                return
            self._coming[number] = _find_pool().submit(self._fetch, number)

    def _copy(self, number: int, begin: int, out: memoryview) -> None:
        """Copy bytes of a block, which is waited for or fetched."""
        with self._lock:
            coming = self._coming.get(number)
        if coming is None and self._cache.read_into(self._key, number, begin, out):
            return
        if coming is None:
            with self._lock:
                coming = self._coming.get(number)
                if coming is None:
                    coming = _find_pool().submit(self._fetch, number)
                    self._coming[number] = coming
        out[:] = memoryview(coming.result())[begin : begin + len(out)]

    def _fetch(self, number: int) -> bytes:
        """Return a block from the network, and put it into the cache."""
        try:
            start = number * BLOCK_NBYTES
            stop = min(self.size, start + BLOCK_NBYTES)
            data = self.request(start, stop)
            if not self._cache.put(self._key, number, data):
                self._reads_ahead = False  # what is read ahead would be lost
            return data
        finally:
            with self._lock:
                self._coming.pop(number, None)

    def __getstate__(self) -> dict:
        names = "url", "_options", "_cache", "size", "identity", "_key"
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._begin()


def _check_ranges(system, path: str, size: int, where: str) -> None:
    """Raise if a web server sends whole files: each request would take all memory."""
    protocol = system.protocol
    names = {protocol} if isinstance(protocol, str) else {*protocol}
    if size < 2 or not names & {"http", "https"}:
        return

    def ask() -> None:
        # Such a file reads no more than the headers of an answer that begins elsewhere.
        with system.open(path, cache_type="none", block_size=1, size=size) as file:
            file.seek(size - 1)
            file.read(1)

    try:
        with_retries(ask)
    except ValueError as error:
        raise ValueError(
            f"The server of {where!r} does not send ranges of bytes. Download the "
            "file once, and open that."
        ) from error
