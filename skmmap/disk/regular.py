"""Only regular files are opened: reading a pipe or a device may block for ever.

``stat`` comes first, and the open does not wait, since the file may change in between.
"""

import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# With O_NONBLOCK a pipe without a writer is opened at once, and then refused.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def check_regular(path, named: str = "") -> os.stat_result:
    """Return the result of ``stat``, links followed, if it is a regular file.

    ``named`` is what the message calls it. Nothing is opened: a device may begin to
    work when it is.
    """
    status = os.stat(path)
    _check_status(status, path, named)
    return status


def open_regular(path, named: str = ""):
    """Return the regular file at ``path``, open for reading without a buffer."""
    check_regular(path, named)
    file = open(path, "rb", buffering=0, opener=_open)  # noqa: SIM115
    try:
        _check_status(os.fstat(file.fileno()), path, named)  # it may have changed
    except BaseException:
        file.close()
        raise
    return file


def _open(path, flags: int) -> int:
    return os.open(path, flags | _READ)


def _check_status(status: os.stat_result, path, named: str) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    named = named or repr(os.fspath(path))
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{named} is a folder. Give a file in it.")
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
    raise ValueError(
        f"{named} is {kind}; only regular files are read and written. Write what "
        "comes from it to a file, and give that."
    )


def check_inside(folder: Path, names, named: str = "") -> None:
    """Raise if one of the files of these names in a folder is no regular one."""
    for name in names:
        if os.path.lexists(folder / name):
            check_regular(folder / name, named)
