"""The memory that is free on this machine, and in the control groups of the process."""

import mmap
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress


def find_free_memory() -> int | None:
    """Return the bytes of free memory, None if unknown.

    The page cache counts as free, on the machine and in every control group. The
    address space that ``ulimit -v`` leaves is a limit too.
    """
    if sys.platform != "linux":
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        except (AttributeError, OSError, ValueError):
            return None
    try:
        free = [_find_available(_read("/proc/meminfo"))]
        free += _iter_group_memory(_read("/proc/self/cgroup"))
    except (OSError, TypeError, ValueError):
        return None
    with suppress(OSError):  # not every system shows its limits
        free += _iter_addresses()
    return min(free)


def find_free_for(nbytes: int) -> int | None:
    """Return the free bytes for a run that needs ``nbytes``, None if there is no doubt.

    A little is not worth the files that have to be read to know it. Some is reserved,
    for what is imported and allocated besides: results, stacks of threads.
    """
    if nbytes < _LITTLE or sys.platform != "linux":  # elsewhere it is not known
        return None
    free = find_free_memory()
    return None if free is None else max(0, free - _RESERVED)


_LITTLE = _RESERVED = 2**24


def _iter_addresses(folder="/proc/self") -> Iterator[int]:
    """Yield the bytes of address space that are left, if it is limited."""
    limits = _read(f"{folder}/limits")
    if limit := re.search(r"^Max address space +(\d+)", limits, re.MULTILINE):
        n_pages = int(_read(f"{folder}/statm").split()[0])
        yield max(0, int(limit[1]) - n_pages * mmap.PAGESIZE)


def _iter_group_memory(groups: str, root="/sys/fs/cgroup"):
    """Yield the free bytes of the control groups that limit this process."""
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = f"{root}/memory" if controllers else str(root)
        parts = [part for part in path.split("/") if part]
        names = _V1 if controllers else _V2
        for depth in range(len(parts), -1, -1):
            group = "/".join([top, *parts[:depth]])
            if (free := _find_group_memory(group, *names)) is not None:
                yield free


_V1 = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"
_V2 = "memory.max", "memory.current", ""
# What the system can take back. "file" and "cache" count shared memory too (tmpfs):
# https://docs.kernel.org/admin-guide/cgroup-v2.html
_CACHED = "inactive_file", "active_file"


_UNLIMITED = 2**60  # version 1 has a number for it


def _find_group_memory(group, limit: str, usage: str, prefix: str) -> int | None:
    """Return the free bytes of one control group, None without a limit."""
    try:
        most = _read(f"{group}/{limit}").strip()
        if most == "max" or int(most) > _UNLIMITED:
            return None
        used, stat = int(_read(f"{group}/{usage}")), _read(f"{group}/memory.stat")
        cached = sum(_find_number(prefix + name, stat) for name in _CACHED)
    except (OSError, ValueError):
        return None
    return max(0, int(most) - used + cached)


def _find_number(name: str, table: str) -> int:
    found = re.search(rf"^{name} (\d+)", table, re.MULTILINE)
    return 0 if found is None else int(found[1])


def _find_available(table: str) -> int:
    return 1024 * int(re.search(r"^MemAvailable: +(\d+)", table, re.MULTILINE)[1])


def _read(path: str) -> str:
    """Return the text of a small file; pathlib takes much longer."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, _NBYTES).decode()
    finally:
        os.close(file)


_NBYTES = 2**16
