"""A path behind a URL, where code expects the path of a file."""

from pathlib import PurePosixPath

from skmmap.remote.reader import END_NBYTES, MOST_ENDS_NBYTES, RemoteReader, read_end
from skmmap.remote.remote_file import RemoteFile
from skmmap.remote.together import at_once
from skmmap.remote.urls import find_path, say_url

_FIRST = 2**12  # bytes that tell the format, and have most headers
_MOST_ENDS = MOST_ENDS_NBYTES // END_NBYTES


class RemotePath:
    """A remote file by its URL; equal ones have the same."""

    def __init__(self, url: str, options: dict | None = None, limit: int | None = None):
        self.url, self.file = url, RemoteFile(url, options, limit)
        self._first = b""

    @property
    def name(self) -> str:
        return find_path(self.url).name

    @property
    def parts(self) -> tuple:
        return find_path(self.url).parts

    @property
    def suffix(self) -> str:
        return find_path(self.url).suffix.lower()

    def relative_to(self, root: "RemotePath") -> PurePosixPath:
        """Return the path inside of another one."""
        return find_path(self.url).relative_to(find_path(root.url))

    def read_first(self, n_bytes: int) -> bytes:
        """Return the first bytes; some are kept, as each opening asks for them."""
        size = self.file.state.nbytes
        if min(n_bytes, size) <= len(self._first):
            return self._first[:n_bytes]
        first = self.file.read(0, min(max(n_bytes, _FIRST), size)).tobytes()
        self._first = first[:_FIRST]
        return first[:n_bytes]

    def open(self) -> RemoteReader:
        """Return a file object."""
        return RemoteReader(self.file)

    def __getstate__(self) -> dict:
        return vars(self) | {"_first": b""}

    def __str__(self) -> str:
        return say_url(self.url)

    def __repr__(self) -> str:
        return repr(str(self))

    def __eq__(self, other) -> bool:
        return isinstance(other, RemotePath) and self.url == other.url

    def __hash__(self) -> int:
        return hash(self.url)


def fetch_ends(paths: list) -> None:
    """Fetch what is read of each of several tables when they are opened."""
    at_once(lambda path: path.read_first(_FIRST), paths)
    known = [path.file for path in paths[:_MOST_ENDS] if path.file.state.tag]
    at_once(read_end, known)
