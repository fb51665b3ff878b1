"""Hidden files: made without following links, and trusted only if they are our own.

They are made with O_EXCL and O_NOFOLLOW. One that was left is used only if it is
regular, has one name, and belongs to this user.
"""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

_OWN = 0o600
_ALL = 0o666  # before the umask
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
# With O_NONBLOCK a pipe that was put there does not block.
_AS_LEFT = _NO_LINKS | getattr(os, "O_NONBLOCK", 0)
_TRIES = 100


def make_hidden(hidden: Path):
    """Return a new file, open to read and write, that nobody else can read yet."""
    return open(
        hidden, "x+b", opener=lambda path, flags: os.open(path, flags | _NO_LINKS, _OWN)
    )


def open_hidden(hidden: Path):
    """Return a file as it was left, open to read and write, if it is our own."""
    check_own(os.lstat(hidden), hidden)
    file = open(  # noqa: SIM115
        hidden, "r+b", opener=lambda path, flags: os.open(path, flags | _AS_LEFT)
    )
    try:
        check_own(os.fstat(file.fileno()), hidden)  # it may be another file now
    except BaseException:
        file.close()
        raise
    return file


def check_own(status: os.stat_result, path: Path, named: str = "hidden file") -> None:
    """Raise unless nobody else can have put that file there."""
    fault = _find_fault(status)
    if fault:
        raise PermissionError(
            f"The {named} {path} {fault}, so its contents cannot be trusted. "
            "Delete it and run again."
        )


def _find_fault(status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return "is a link"
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_nlink > 1:
        return "has more than one hard link"
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        return "belongs to another user"
    return ""


def open_locked(hidden: Path, path: Path):
    """Open a hidden file that nobody else is writing, new or as it was left."""
    for _ in range(_TRIES):
        try:
            is_there = os.path.lexists(hidden)
            file = (open_hidden if is_there else make_hidden)(hidden)
        except (FileExistsError, FileNotFoundError):
            if not hidden.parent.exists():
                raise
            continue  # another process was faster
        if not _lock(file):
            file.close()
            break
        with suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), os.lstat(hidden)):
                return file
        file.close()  # it was renamed meanwhile
    raise BlockingIOError(
        f"Another run is writing the same result to {path}. Wait until it ends."
    )


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


def find_new_mode(folder: Path, *, of_folder: bool = False) -> int | None:
    """Return the mode that a new file, or folder, in a folder gets; None on Windows.

    One is made for it: the umask can only be read by setting it, for all threads, and
    folders may have default ACLs.
    """
    if os.name == "nt":
        return None
    probe = folder / f".skmmap_{secrets.token_hex(8)}"
    if of_folder:
        os.mkdir(probe)
        remove = os.rmdir
    else:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS
        os.close(os.open(probe, flags, _ALL))
        remove = os.unlink
    try:
        return stat.S_IMODE(os.lstat(probe).st_mode)
    finally:
        remove(probe)


def copy_access(file, place: Path, new_mode: int | None, *, is_over: bool) -> None:
    """Give a file the mode and group of the one at ``place``, which it will replace.

    If there is none, only this user can read it until it ``is_over``; then it gets
    ``new_mode``.
    """
    mode = _OWN if not is_over else new_mode
    with suppress(FileNotFoundError):
        status = os.stat(place)
        mode = stat.S_IMODE(status.st_mode)
        if os.name != "nt" and not _copy_group(file, status.st_gid):
            mode &= ~stat.S_IRWXG
        if not is_over:  # workers open it by its path
            mode = mode & 0o777 | _OWN
    if mode is not None:
        # Systems without fchmod have no links to follow.
        change = getattr(os, "fchmod", None)
        change(file.fileno(), mode) if change else os.chmod(file.name, mode)


def _copy_group(file, group: int) -> bool:
    """Give a file the group; return whether it has it."""
    if os.fstat(file.fileno()).st_gid != group:
        with suppress(OSError):
            os.fchown(file.fileno(), -1, group)
    return os.fstat(file.fileno()).st_gid == group
