"""A path behind a URL, where code expects the path of a file."""

from pathlib import PurePosixPath

from skmmap.remote.reader import RemoteReader
from skmmap.remote.remote_file import RemoteFile
from skmmap.remote.urls import find_name, find_url_suffix, say_url

_FIRST = 16  # bytes that tell the format


class RemotePath:
    """A remote file by its URL; equal ones have the same."""

    def __init__(self, url: str, options: dict | None = None, limit: int | None = None):
        self.url, self.file = url, RemoteFile(url, options, limit)
        self._first = b""

    @property
    def name(self) -> str:
        return find_name(self.url)

    @property
    def parts(self) -> tuple:
        return PurePosixPath(say_url(self.url)).parts

    @property
    def suffix(self) -> str:
        return find_url_suffix(self.url)

    def relative_to(self, root: "RemotePath") -> PurePosixPath:
        """Return the path inside of another one."""
        return PurePosixPath(say_url(self.url)).relative_to(say_url(root.url))

    def read_first(self, n_bytes: int) -> bytes:
        """Return the first bytes; a few are kept, as each opening asks for them."""
        n_bytes = min(n_bytes, self.file.state.nbytes)
        if n_bytes > len(self._first):
            first = self.file.read(0, n_bytes).tobytes()
            self._first = first[:_FIRST]
            return first
        return self._first[:n_bytes]

    def open(self) -> RemoteReader:
        """Return a file object."""
        return RemoteReader(self.file)

    def __str__(self) -> str:
        return say_url(self.url)

    def __repr__(self) -> str:
        return repr(str(self))

    def __eq__(self, other) -> bool:
        return isinstance(other, RemotePath) and self.url == other.url

    def __hash__(self) -> int:
        return hash(self.url)
