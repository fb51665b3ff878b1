"""A file under a hidden name, which takes its place only when it is whole."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from skmmap._paths import NPY, find_suffix, is_path, to_path


class Unfinished:
    """A file that is being written; nothing is at its place until `commit`."""

    def __init__(self, path: Path, *, key: str = ""):
        self._place = _follow(path)
        # Not *.npy, which would be found by who looks for such files.
        name = f".skmmap_{key or secrets.token_hex(8)}"
        self.hidden = self._place.with_name(name)
        opened = _open_locked(self.hidden, path) if key else None
        self._file = opened or open(self.hidden, "xb")  # noqa: SIM115

    def write(self, data) -> None:
        self._file.write(data)

    def write_at(self, place: int, data) -> None:
        self._file.seek(place)
        self._file.write(data)

    def read_at(self, place: int, n_bytes: int) -> bytes:
        """Return what is there, as zeros what is not."""
        self._file.seek(place)
        return self._file.read(n_bytes).ljust(n_bytes, b"\0")

    def read(self, reader, *args):
        """Return what a function reads from the beginning."""
        self._file.seek(0)
        return reader(self._file, *args)

    @property
    def size(self) -> int:
        self._file.flush()
        return os.fstat(self._file.fileno()).st_size

    def allocate(self, n_bytes: int) -> None:
        """Take the room on the disk, or raise."""
        self._file.flush()
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._file.fileno(), 0, n_bytes)
        else:
            self._file.truncate(n_bytes)

    def truncate(self, n_bytes: int = 0) -> None:
        self._file.truncate(n_bytes)

    def flush(self) -> None:
        """Leave what was written to the system, which outlives the process."""
        self._file.flush()

    def sync(self) -> None:
        """Wait until all is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Leave the hidden file to who goes on with it."""
        self._file.close()

    def commit(self, header: bytes) -> None:
        """Write the header anew, and let the file take its place."""
        self._file.seek(0)
        self._file.write(header)
        self.sync()
        if os.name == "nt":  # which renames no open file
            self._file.close()
        self.copy_mode()
        os.replace(self.hidden, self._place)
        self._file.close()
        _sync_folder(self._place.parent)

    def discard(self) -> None:
        # Closing the buffered file would write its rest, and fail once more. While it
        # is open it is locked, and not gone on with; Windows deletes no open file.
        steps = [self.hidden.unlink, self._file.raw.close]
        for step in steps if os.name != "nt" else reversed(steps):
            with suppress(OSError):
                step()

    def copy_mode(self) -> None:
        """Let nobody read who could not read the file that will be replaced."""
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(os.stat(self._place).st_mode)
            if mode != stat.S_IMODE(os.stat(self.hidden).st_mode):
                os.chmod(self.hidden, mode)


def _sync_folder(folder: Path) -> None:
    """Let the new name reach the disk, where the system can wait for that."""
    if os.name == "nt":
        return
    # The file is there, whole, even on a file system that refuses this.
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _follow(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _open_locked(hidden: Path, path: Path):
    """Open a hidden file that nobody else is writing, new or as it was left."""
    while True:
        try:
            file = open(hidden, "r+b" if hidden.exists() else "x+b")  # noqa: SIM115
        except (FileExistsError, FileNotFoundError):
            if not hidden.parent.exists():
                raise
            continue  # somebody was faster
        if not _lock(file):
            file.close()
            raise BlockingIOError(
                f"Another run is writing the same to {path}. Wait until it is over."
            )
        with suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(hidden)):
                return file
        file.close()  # it has taken its place meanwhile


def _lock(file) -> bool:
    """Lock a file until it is closed; return whether nobody else has it locked."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        pass  # neither Windows nor all file systems have it
    return True


def check_path(path, name: str = "path") -> Path:
    """Return ``path`` as an absolute one, if a file can be put there."""
    if not is_path(path):
        raise TypeError(
            f"{name} must be a str or a pathlib.Path; got {type(path).__name__}."
        )
    path = to_path(path)
    if find_suffix(path) not in NPY:
        named = str(path)
        raise ValueError(
            f"{name} must end in '.npy'; got {named!r}. Write {named + '.npy'!r}."
        )
    path = path.absolute()
    check_place(_follow(path))
    return path


def check_place(place: Path) -> None:
    if not place.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {place.parent} for {place.name}. Make it first, or "
            "choose another path."
        )
    if place.is_dir():
        raise IsADirectoryError(f"{place} is a folder. Choose another path.")
    # Replacing a file asks the folder only, and would go through.
    if place.exists() and not os.access(place, os.W_OK):
        raise PermissionError(
            f"{place} may not be written to. Make it writable, or choose another path."
        )
