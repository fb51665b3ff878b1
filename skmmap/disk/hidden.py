"""Hidden files: made without following links, and trusted only if they are our own.

They are made with O_EXCL and O_NOFOLLOW. One that was left is used only if it is
regular, has one name, and belongs to this user.
"""

import hashlib
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

_OWN = 0o600
_OWN_FOLDER = 0o700
_ALL = 0o666  # before the umask
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
# With O_NONBLOCK a pipe that was put there does not block.
_AS_LEFT = _NO_LINKS | getattr(os, "O_NONBLOCK", 0)
_TRIES = 100
_DIGITS = 16


def name_hidden(place: Path, key: str = "") -> Path:
    """Return where a file is written until it takes its place, another for each key.

    It is the same in each run, so that the next one uses what a killed one has left.
    """
    digest = hashlib.sha256(os.fsencode(place.name)).hexdigest()[:_DIGITS]
    return place.with_name(f".skmmap_{digest}" + (f"_{key}" if key else ""))


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


def open_locked(hidden: Path, path: Path, *, anew: bool = False):
    """Open a hidden file that nobody else is writing, new or as it was left.

    With ``anew`` what was left is deleted: who has opened it could go on reading and
    writing it. It is an error then if the system has no locks.
    """
    for _ in range(_TRIES):
        try:
            is_there = os.path.lexists(hidden)
            file = (open_hidden if is_there else make_hidden)(hidden)
        except (FileExistsError, FileNotFoundError):
            if not hidden.parent.exists():
                raise
            continue  # another process was faster
        is_locked = _lock(file)
        if is_locked is None and anew:
            file.close()
            if not is_there:
                os.unlink(hidden)
            break
        if is_locked is False:
            file.close()
            break
        with suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), os.lstat(hidden)):
                if not (anew and is_there):
                    return file
                os.unlink(hidden)
        file.close()  # or it was renamed meanwhile
    raise BlockingIOError(
        f"Another run is writing the same result to {path}. Wait until it ends."
    )


def _lock(file) -> bool | None:
    """Lock a file until it is closed; return whether nobody else has it locked.

    None says that the system has no locks: Windows, and some file systems.
    """
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True


def remove_left(place: Path, hidden: Path) -> None:
    """Delete what killed runs have left for this place, but for one file."""
    common = name_hidden(place).name
    names: list[str] = []
    with suppress(OSError), os.scandir(place.parent) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(common)]
    for name in names:
        if name != hidden.name:
            _remove(place.with_name(name))


def _remove(left: Path) -> None:
    """Delete a hidden file that is our own, if nobody is writing it."""
    with suppress(OSError), open_hidden(left) as file:
        if _lock(file):
            os.unlink(left)


def make_hidden_folder(place: Path) -> tuple[Path, int | None]:
    """Return an empty hidden folder, and the number by which it is open and locked.

    It is the one that a killed run has left, if nobody is using it. Without locks it is
    another one each time, and there is no number.
    """
    hidden = name_hidden(place)
    with suppress(OSError):
        if (number := _take_folder(hidden)) is not None:
            return hidden, number
    hidden = place.with_name(f".skmmap_{secrets.token_hex(8)}")
    os.mkdir(hidden, _OWN_FOLDER)
    return hidden, None


def _take_folder(hidden: Path) -> int | None:
    """Return a number of the folder, None if it is in use, or not our own."""
    if not hasattr(os, "O_DIRECTORY"):
        return None
    is_new = not os.path.lexists(hidden)
    if is_new:
        os.mkdir(hidden, _OWN_FOLDER)
    number = os.open(hidden, os.O_RDONLY | os.O_DIRECTORY | _NO_LINKS)
    try:
        is_locked, status = _lock(number), os.fstat(number)
        is_own = is_locked and status.st_uid == os.geteuid()
        if is_own and os.path.samestat(status, os.lstat(hidden)):
            os.fchmod(number, _OWN_FOLDER)
            for name in os.listdir(hidden):
                os.unlink(hidden / name)
            return number
    except BaseException:
        os.close(number)
        raise
    os.close(number)
    if is_new and is_locked is None:
        os.rmdir(hidden)
    return None


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
