"""A file under a hidden name, which is renamed when it is complete and on the disk.

The hidden name is the same in each run that writes a file to this place, as long as no
other one is writing there. So a killed run leaves one hidden file, which the next uses.
"""

import errno
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from skmmap.disk.hidden import (
    copy_access,
    find_new_mode,
    make_hidden,
    name_hidden,
    open_locked,
    remove_left,
)
from skmmap.disk.paths import NPY, find_suffix, is_path, looks_like_url, to_path
from skmmap.disk.regular import check_regular


class Unfinished:
    """A file that is being written; nothing is at its place until `commit`.

    One with a ``key`` has what an earlier run with that key has left; what runs with
    other keys have left is deleted. With ``resume``, a file of another user is an
    error; otherwise it is left alone.
    """

    def __init__(self, path: Path, *, key: str = "", resume: bool = False):
        self._place, self.is_put = _follow(path), False
        self._file = self._open(path, key, resume)
        if self._file is None:
            # Not *.npy, which patterns would find.
            self.hidden = self._place.with_name(f".skmmap_{secrets.token_hex(8)}")
            self._file = make_hidden(self.hidden)
        try:
            copy_access(self._file, self._place, None, is_over=False)
        except BaseException:
            self.discard()
            raise

    def _open(self, path: Path, key: str, resume: bool):
        """Return the file that all runs have, None if this one cannot have it."""
        self.hidden = name_hidden(self._place, key)
        try:
            file = open_locked(self.hidden, path, anew=not key)
        except BlockingIOError:
            if key:
                raise
            return None
        except PermissionError:
            if resume:
                raise
            return None
        if key:
            remove_left(self._place, self.hidden)
        return file

    def write(self, data) -> None:
        self._file.write(data)

    def write_at(self, place: int, data) -> None:
        self._file.seek(place)
        self._file.write(data)

    def go_to(self, place: int) -> None:
        """Let the next `write` begin at a place."""
        self._file.seek(place)

    def read_at(self, place: int, n_bytes: int) -> bytes:
        """Return the bytes at a place, zeros beyond the end."""
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
        take_room(self._file, n_bytes)

    def truncate(self, n_bytes: int = 0) -> None:
        self._file.truncate(n_bytes)

    def flush(self) -> None:
        """Hand what was written to the system, so that it survives the process."""
        self._file.flush()

    def sync(self) -> None:
        """Wait until all is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the hidden file, to be resumed."""
        with suppress(OSError):  # what was not written on a full disk fails once more
            self._file.close()

    def commit(self, header: bytes = b"") -> None:
        """Write the header anew, and let the file take its place."""
        self.finish(header)
        self.put()

    def finish(self, header: bytes) -> None:
        """Write the header anew, and wait until all is on the disk."""
        self._file.seek(0)
        self._file.write(header)
        self.sync()
        # Not before: what a killed process leaves would be this file and the probe.
        new_mode = find_new_mode(self._place.parent)
        copy_access(self._file, self._place, new_mode, is_over=True)

    def put(self) -> None:
        """Let the file take its place."""
        if os.name == "nt":  # cannot rename an open file
            self._file.close()
        os.replace(self.hidden, self._place)
        self.is_put = True
        self._file.close()
        _sync_folder(self._place.parent)

    def discard(self) -> None:
        # Closing the buffered file would write its rest, and fail once more. While it
        # is open it is locked and cannot be resumed; Windows deletes no open file.
        # The hidden name of one that is put may be that of another run by now.
        unlink = [] if self.is_put else [self.hidden.unlink]
        steps = [*unlink, self._file.raw.close]
        for step in steps if os.name != "nt" else reversed(steps):
            with suppress(OSError):
                step()


@contextmanager
def all_or_none(files: list[Unfinished]) -> Iterator[None]:
    """Let several files take their places inside; put the old ones back if that fails.

    No system renames two files at once. The old ones are moved away before the first
    new one comes: if the process is killed in between, files are missing, which is an
    error later. A new X beside an old y would not be noticed.
    """
    places = [file._place for file in files]
    backups = [
        place.with_name(f".skmmap_{secrets.token_hex(8)}.old") for place in places
    ]
    try:
        for place, backup in zip(places, backups, strict=True):
            with suppress(FileNotFoundError):
                os.replace(place, backup)
        for folder in {place.parent for place in places}:
            _sync_folder(folder)
        yield
    except BaseException:
        _put_back(files, backups)
        raise
    for backup in backups:
        with suppress(OSError):
            os.unlink(backup)


def _put_back(files: list[Unfinished], backups: list[Path]) -> None:
    """Remove the new files that are in their places, then put back the old ones."""
    for file in files:
        if file.is_put:
            with suppress(OSError):
                os.unlink(file._place)
    for file, backup in zip(files, backups, strict=True):
        with suppress(FileNotFoundError):
            os.replace(backup, file._place)


def take_room(file, n_bytes: int) -> None:
    """Make an open file so long, with room on the disk for all of it, or raise.

    Otherwise writing to a map of it would crash (SIGBUS) when the disk is full.
    """
    if n_bytes > sys.maxsize:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    if hasattr(os, "posix_fallocate") and n_bytes:
        try:
            os.posix_fallocate(file.fileno(), 0, n_bytes)
            return
        except OSError as error:  # not supported by the file system
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
    free = shutil.disk_usage(os.path.dirname(file.name)).free
    if free + os.fstat(file.fileno()).st_size < n_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    file.truncate(n_bytes)


def create(path: Path, header: bytes, n_bytes: int) -> None:
    """Write a file of zeros behind a header, whole or not at all."""
    check_place(_follow(path))
    try:
        out = Unfinished(path)
        try:
            out.allocate(n_bytes)
            out.commit(header)
        except BaseException:
            out.discard()
            raise
    except OSError as error:
        left = "no file was left there"
        if os.path.lexists(path):
            left = "the file that was there before is unchanged"
        raise OSError(
            error.errno,
            f"{path} of {n_bytes:,} bytes cannot be created: "
            f"{error.strerror or error}; {left}. Make room, or choose "
            "a path on another disk.",
        ) from error


def _sync_folder(folder: Path) -> None:
    """Wait until the new name is on the disk, if the system can."""
    if os.name == "nt":
        return
    # The file is complete even on a file system that refuses this.
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _follow(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def check_path(path, name: str = "path", suffixes: tuple = NPY) -> Path:
    """Return ``path`` as an absolute one, if a file can be put there."""
    if not is_path(path):
        raise TypeError(
            f"{name} must be a str or a pathlib.Path; got {type(path).__name__}."
        )
    path = to_path(path)
    if find_suffix(path) not in suffixes:
        named = str(path)
        raise ValueError(
            f"{name} must end in '.npy'; got {named!r}. Write {named + '.npy'!r}."
        )
    path = path.absolute()
    check_place(_follow(path))
    return path


def check_place(place: Path) -> None:
    if not place.parent.is_dir():
        todo = "Create it first, or choose another path."
        if looks_like_url(place):
            todo = "Files are written to disks only: upload it from there to a URL."
        raise FileNotFoundError(
            f"There is no folder {place.parent} for {place.name}. {todo}"
        )
    if place.is_dir():
        raise IsADirectoryError(f"{place} is a folder. Choose another path.")
    if place.exists():
        check_regular(place)
    # Renaming asks for permission on the folder only.
    if place.exists() and not os.access(place, os.W_OK):
        raise PermissionError(
            f"{place} is not writable. Change that, or choose another path."
        )
