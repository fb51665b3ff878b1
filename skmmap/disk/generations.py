"""A file that is written again and again: the last two of its versions are kept.

Each is written under a hidden name, brought to the disk, and renamed. It ends with a
digest, so that one that was torn or altered is found, and the version before it used.

The file is: a magic line, sections of bytes, a JSON object that describes them, where
that begins, and the SHA-256 of all before.
"""

import errno
import hashlib
import io
import json
import os
import stat
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from weakref import WeakSet

from skmmap.disk.hidden import check_own, open_locked
from skmmap.disk.regular import open_regular
from skmmap.disk.unfinished import Unfinished, check_place

_MAGIC = b"skmmap checkpoint\n"
_PLACE = struct.Struct("<Q")  # where the description begins
_DIGEST_NBYTES = hashlib.sha256().digest_size
_PIECE = 2**20
_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_locks: WeakSet = WeakSet()  # of this process


class Version(NamedTuple):
    """A version of the file, whose digest is right."""

    path: Path
    about: dict[str, Any]
    sections: dict[str, tuple[int, int]]  # where each begins, and its length

    def read(self, name: str, load: Callable[[BinaryIO], Any]) -> Any:
        """Return what ``load`` makes of a section."""
        with open_trusted(self.path) as file:
            file.seek(self.sections[name][0])
            return load(file)


def find_previous(path: Path) -> Path:
    """Return where the version before is kept."""
    return path.with_name(f"{path.name}.previous")


class DamagedError(ValueError):
    """A version that is not what was written."""


class Generations:
    """The versions of a file, which nobody else can write while this is open."""

    def __init__(self, path: Path):
        self.path = path.absolute()
        self.before = find_previous(self.path)
        check_place(self.path)
        self._lock = self._open_lock()
        _locks.add(self._lock)
        self._is_whole = False  # what is at the path

    def _open_lock(self):
        lock = self.path.with_name(f".{self.path.name}.lock")
        try:
            return open_locked(lock, self.path)
        except BlockingIOError:
            raise BlockingIOError(
                errno.EAGAIN,
                f"Another process or thread is running with the checkpoint "
                f"{self.path}. Wait until it ends, or give another path.",
            ) from None

    def find(self) -> tuple[Version | None, list[str]]:
        """Return the last version that is whole, and what is wrong with later ones."""
        faults = []
        for path in (self.path, self.before):
            try:
                version = read_version(path)
                self._is_whole = path == self.path
                return version, faults
            except FileNotFoundError:
                faults.append(f"{path} is missing")
            except DamagedError as error:
                faults.append(str(error))
        is_new = all(not os.path.lexists(path) for path in (self.path, self.before))
        return None, [] if is_new else faults

    def write(self, about: dict, sections: dict[str, Callable[[BinaryIO], None]]):
        """Write a version; a function for each section writes it to the file."""
        # A new file: who has opened what was left could write to it in its place.
        out = Unfinished(self.path)
        try:
            writer = _Digesting(out)
            writer.write(_MAGIC)
            places = {}
            for name, write in sections.items():
                start = writer.n_bytes
                write(writer)
                places[name] = start, writer.n_bytes - start
            start = writer.n_bytes
            writer.write(json.dumps({"about": about, "sections": places}).encode())
            writer.write(_PLACE.pack(start))
            out.write(writer.digest)
            out.sync()
            self._put(out)
        except BaseException:
            out.discard()
            raise

    def _put(self, out: Unfinished) -> None:
        """Let a version take its place, and keep the one before it if that is whole."""
        if self._is_whole:
            with suppress(FileNotFoundError):
                os.replace(self.path, self.before)
        try:
            out.put()
        except BaseException:
            if self._is_whole and not os.path.lexists(self.path):
                with suppress(OSError):
                    os.replace(self.before, self.path)
            raise
        self._is_whole = True

    def close(self) -> None:
        """Let others write the file."""
        # While it is still locked: a process that opens it before it is closed looks
        # whether it has the lock of the file that is there.
        with suppress(OSError):
            os.unlink(self._lock.name)
        self._lock.close()


def _leave_locks() -> None:
    """Keep no lock in a fork, such as a worker, which may outlive a killed process."""
    for lock in _locks:
        lock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_locks)


class _Digesting:
    """A file to write to, with the digest of all that was written."""

    def __init__(self, out: Unfinished):
        self._out, self._sum, self.n_bytes = out, hashlib.sha256(), 0

    def write(self, data) -> int:
        data = memoryview(data).cast("B")
        self._sum.update(data)
        self._out.write(data)
        self.n_bytes += data.nbytes
        return data.nbytes

    @property
    def digest(self) -> bytes:
        return self._sum.digest()


def open_trusted(path: Path) -> BinaryIO:
    """Open a file that nobody else can have written."""
    check_trusted(os.lstat(path), path)
    file = open_regular(path)
    try:
        check_trusted(os.fstat(file.fileno()), path)
    except BaseException:
        file.close()
        raise
    return io.BufferedReader(file)


def check_trusted(status: os.stat_result, path: Path) -> None:
    """Raise if another user can have written the file: what is in it is run."""
    check_own(status, path, "file")
    if os.name != "nt" and status.st_mode & _OTHERS:
        raise PermissionError(
            f"The file {path} can be written by other users (mode "
            f"{stat.S_IMODE(status.st_mode):o}), so its contents cannot be trusted. If "
            f"nobody has: chmod 600 {path}; otherwise delete it and run again."
        )


def is_checkpoint(path: Path) -> bool:
    """Whether a file begins as all that are written here."""
    with suppress(OSError, ValueError), open_regular(path) as file:
        return file.read(len(_MAGIC)) == _MAGIC
    return False


def read_version(path: Path) -> Version:
    """Return what is in a file; raise if it is damaged or something else."""
    with open_trusted(path) as file:
        head, n_bytes = file.read(len(_MAGIC)), os.fstat(file.fileno()).st_size
        if not _is_head(head):
            raise ValueError(
                f"{path} is no checkpoint, and is left as it is. Give another path."
            )
        end = n_bytes - _DIGEST_NBYTES
        if end < len(_MAGIC) + _PLACE.size or _find_digest(file, end) != file.read():
            raise DamagedError(f"{path} ({n_bytes:,} bytes) is damaged")
        file.seek(end - _PLACE.size)
        (start,) = _PLACE.unpack(file.read(_PLACE.size))
        file.seek(start)
        said = json.loads(file.read(end - _PLACE.size - start))
        places = {name: tuple(place) for name, place in said["sections"].items()}
        return Version(path, said["about"], places)


def _is_head(head: bytes) -> bool:
    """Whether a file began with the magic line, before it was damaged.

    A file of something else is not taken for it, and so it is never written over.
    """
    n_right = sum(one == other for one, other in zip(head, _MAGIC, strict=False))
    return 2 * n_right >= len(head) or not head.strip(b"\0")


def _find_digest(file: BinaryIO, end: int) -> bytes:
    """Return the digest of what is before ``end``, where the file is left."""
    file.seek(0)
    total, left = hashlib.sha256(), end
    while left and (piece := file.read(min(_PIECE, left))):
        total.update(piece)
        left -= len(piece)
    return total.digest()
