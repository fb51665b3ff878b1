"""A remote file as a file object, for libraries that read one."""

import io
from collections import OrderedDict

import numpy as np

from skmmap.remote.remote_file import RemoteFile

_LEAST_NBYTES = 2**20  # of a request
_MOST_HELD = 16
END_NBYTES = 2**18  # with the footer of most files
MOST_ENDS_NBYTES = 2**24

_ends: OrderedDict = OrderedDict()  # of the files that were read last


class RemoteReader(io.RawIOBase):
    """A file object that fetches a megabyte at least, and keeps the last few pieces."""

    def __init__(self, file: RemoteFile):
        super().__init__()
        self._file, self._size, self._at = file, file.state.nbytes, 0
        self._held: OrderedDict = OrderedDict()
        self._announced: list = []

    def announce(self, ranges: list) -> None:
        """Fetch ranges that are about to be read, all of them at once."""
        ranges = _join(ranges)
        parts = self._file.read_many(ranges)
        starts = (start for start, _ in ranges)
        self._announced = list(zip(starts, parts, strict=True))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def size(self) -> int:
        return self._size

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer) -> int:
        out = np.frombuffer(buffer, np.uint8)
        stop = min(self._at + len(out), self._size)
        n_bytes = max(0, stop - self._at)
        if n_bytes:
            out[:n_bytes] = self._find(self._at, stop)
        self._at += n_bytes
        return n_bytes

    def _find(self, start: int, stop: int) -> np.ndarray:
        for begin, part in [*self._announced, *self._held.items()]:
            if begin <= start and stop <= begin + len(part):
                return part[start - begin : stop - begin]
        if stop - start >= _LEAST_NBYTES:
            return self._file.read(start, stop)
        is_end = start >= (begin := max(0, self._size - END_NBYTES))
        if is_end and self._file.state.tag:  # without it, it may be of an older one
            return read_end(self._file)[start - begin : stop - begin]
        end = min(start + _LEAST_NBYTES, self._size)
        part = self._held[start] = self._file.read(start, end)
        if len(self._held) > _MOST_HELD:
            self._held.popitem(last=False)
        return part[: stop - start]

    def close(self) -> None:
        self._held, self._announced = OrderedDict(), []
        super().close()


def read_end(file: RemoteFile) -> np.ndarray:
    """Return the end of a file, where Parquet has what each opening asks for."""
    key = file.url, file.state
    end = _ends.pop(key, None)
    if end is None:
        size = file.state.nbytes
        end = file.read(max(0, size - END_NBYTES), size)
    _ends[key] = end  # as the newest
    while sum(map(len, list(_ends.values()))) > MOST_ENDS_NBYTES:
        _ends.popitem(last=False)
    return end


def _join(ranges: list) -> list:
    """Return ranges that overlap or touch as one, in the order of the file."""
    joined: list = []
    for start, stop in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        else:
            joined.append((start, stop))
    return joined
