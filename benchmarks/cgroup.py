"""A limit on memory, page cache included: a control group of Linux."""

import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


class NoLimitError(RuntimeError):
    """Memory cannot be limited here; the text says why."""


@contextmanager
def limit_memory(n_bytes: int, name: str):
    """Yield the folder of a new group whose processes have ``n_bytes`` together.

    The processes must have ended before it is left.
    """
    group = _make_group(f"skmmap-{os.getpid()}-{name}")
    try:
        _write_limit(group, n_bytes)
        yield group
    finally:
        _remove(group)


def _make_group(name: str) -> Path:
    """Create a group that can be limited, below the root or this process's own."""
    reasons = []
    for parent in _iter_parents():
        try:
            return _make_below(parent, name)
        except OSError as error:
            reasons.append(f"{parent}: {error.strerror}")
    raise NoLimitError("; ".join(reasons) or "no control groups of memory are mounted")


def _iter_parents():
    """Yield where a group may be created, in version 1 or 2 of control groups."""
    root, controllers = _ROOT / "memory", "memory"
    if (_ROOT / "cgroup.controllers").exists():
        root, controllers = _ROOT, ""
    if not root.exists():
        return
    yield root
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controllers in names.split(",") and path != "/":
            yield root / path.lstrip("/")


def _make_below(parent: Path, name: str) -> Path:
    if (parent / "cgroup.subtree_control").exists():
        (parent / "cgroup.subtree_control").write_text("+memory")
    group = parent / name
    group.mkdir()
    return group


def _write_limit(group: Path, n_bytes: int) -> None:
    first, swap, also = "memory.max", "memory.swap.max", 0
    if not (group / first).exists():
        first, swap, also = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", None
    (group / first).write_text(str(n_bytes))
    with suppress(OSError):  # there is no such file where swap is not counted
        (group / swap).write_text(str(n_bytes if also is None else also))


def _remove(group: Path) -> None:
    for _ in range(50):  # a process that has just ended may still be counted
        with suppress(OSError):
            return group.rmdir()
        time.sleep(0.1)
