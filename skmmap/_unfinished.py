"""A file under a hidden name, which takes its place only when it is whole."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path


class Unfinished:
    """A file that is being written; nothing is at its place until `commit`."""

    def __init__(self, path: Path):
        self._place = _follow(path)
        # Not *.npy, which would be found by who looks for such files.
        self._hidden = self._place.with_name(f".skmmap_{secrets.token_hex(8)}")
        self._file = open(self._hidden, "xb")  # noqa: SIM115

    def write(self, data) -> None:
        self._file.write(data)

    def commit(self, header: bytes) -> None:
        """Write the header anew, and let the file take its place."""
        self._file.seek(0)
        self._file.write(header)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()  # Windows renames no open file.
        self.copy_mode()
        os.replace(self._hidden, self._place)
        _sync_folder(self._place.parent)

    def discard(self) -> None:
        with suppress(OSError):
            # Closing the buffered file would write its rest, and fail once more.
            self._file.raw.close()
        with suppress(OSError):
            os.unlink(self._hidden)

    def copy_mode(self) -> None:
        """Let nobody read who could not read the file that will be replaced."""
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(os.stat(self._place).st_mode)
            if mode != stat.S_IMODE(os.stat(self._hidden).st_mode):
                os.chmod(self._hidden, mode)


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


def check_path(path) -> Path:
    """Return ``path`` as an absolute one, if a file can be put there."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"path must be a str or a pathlib.Path; got {type(path).__name__}."
        )
    if Path(path).suffix != ".npy":
        named = os.fspath(path)
        raise ValueError(
            f"path must end in '.npy'; got {named!r}. Write {named + '.npy'!r}."
        )
    path = Path(path).absolute()
    _check_place(_follow(path))
    return path


def _check_place(place: Path) -> None:
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
