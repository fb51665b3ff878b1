"""Files from which pyarrow reads: on a disk, or behind a URL."""

from skmmap.remote import RemotePath


def open_native(arrow, path):
    """Return a file that pyarrow reads from, which is to be closed."""
    return path.open() if isinstance(path, RemotePath) else arrow.OSFile(str(path))
