"""Paths and patterns: what ``~``, brackets and suffixes mean, wherever one is given."""

import os
import re
from glob import escape, glob, has_magic
from pathlib import Path

NPY = (".npy",)
_PROTOCOL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:")  # a drive has one letter


def is_path(value) -> bool:
    """Whether ``value`` is a path, and not rows."""
    return isinstance(value, str | bytes | os.PathLike)


def to_path(value) -> Path:
    """Return the path, with ``~`` for the home folder where no file has that name."""
    name = os.fsdecode(value)
    if not name:  # pathlib makes "." of it
        raise FileNotFoundError(
            f"The path {value!r} is empty. Give the name of a file, or '.' for the "
            "current folder."
        )
    return Path(name if os.path.exists(name) else os.path.expanduser(name))


def is_pattern(path: Path) -> bool:
    """Whether ``path`` is a pattern; a name that exists is none."""
    return has_magic(str(path)) and not os.path.exists(path)


def find_paths(pattern: Path, name: str) -> list[Path]:
    """Return the files that a pattern finds, X_2 before X_10."""
    paths = sorted(glob(_escape_folders(pattern), recursive=True), key=by_numbers)
    if not paths:
        raise FileNotFoundError(f"{name}={str(pattern)!r} matches no file.")
    return [Path(path) for path in paths]


def _escape_folders(pattern: Path) -> str:
    """Return the pattern, in which folders that exist stand for themselves."""
    parts = pattern.parts
    ends = range(len(parts), 0, -1)
    known = next((n for n in ends if os.path.exists(Path(*parts[:n]))), 0)
    return os.path.join(escape(str(Path(*parts[:known]))), *parts[known:])


def by_numbers(path: str) -> tuple:
    """Return a sorting key: X_2 comes before X_10."""
    parts = re.split(r"(\d+)", path)
    return [int(part) if part.isdecimal() else part for part in parts], path


def looks_like_url(path: Path) -> bool:
    """Whether a path was made of a URL, of which it keeps one of two slashes."""
    return any(_PROTOCOL.fullmatch(part) for part in path.parts)


def find_suffix(path) -> str:
    """Return the suffix of a path, in small letters."""
    return Path(os.fsdecode(path)).suffix.lower()
