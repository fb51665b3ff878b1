"""What a path names: a file, those that a pattern finds, and of which format they are.

Every door asks here, so that ``~``, brackets and suffixes mean the same in all of them.
"""

import os
import re
from glob import escape, glob, has_magic
from pathlib import Path

from skmmap.disk.regular import (
    check_inside,
    check_regular,
    open_regular,
)

NPY = (".npy",)
HDF = ".h5", ".hdf5", ".hdf", ".h5ad", ".nc", ".nc4", ".mat", ".he5", ".loom"
PARQUET = ".parquet", ".pq"
ARROW = ".arrow", ".feather"
ZARR = (".zarr",)
TABLES = ".csv", ".tsv", ".json", ".jsonl", ".ndjson"  # which have to be parsed
SUFFIXES = dict.fromkeys(NPY, "npy") | dict.fromkeys(HDF, "hdf")
SUFFIXES |= dict.fromkeys(PARQUET, "parquet") | dict.fromkeys(ARROW, "arrow")
SUFFIXES |= dict.fromkeys(ZARR, "zarr")

_MAGIC = {b"\x93NUMPY": "npy", b"PAR1": "parquet", b"ARROW1": "arrow"}
_HDF_MAGIC = b"\x89HDF\r\n\x1a\n"
# A user block may lie before it: https://support.hdfgroup.org/documentation/hdf5/
# latest/_f_m_t3.html, "the superblock may begin at certain predefined offsets".
_FIRST_BLOCK = 512
_ZARR_FILES = "zarr.json", ".zarray", ".zgroup"
_ZARR_METADATA = *_ZARR_FILES, ".zattrs", ".zmetadata"
_CSR_FILES = ("indptr.npy",)


def is_path(value) -> bool:
    """Whether ``value`` is a path, and not rows."""
    return isinstance(value, str | bytes | os.PathLike)


def to_path(value) -> Path:
    """Return the path, with ``~`` for the home folder where no file has that name."""
    name = os.fsdecode(value)
    if not name:  # of which pathlib makes the folder that the process is in
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
    paths = sorted(glob(_escape_folders(pattern), recursive=True), key=_by_numbers)
    if not paths:
        raise FileNotFoundError(f"{name}={str(pattern)!r} matches no file.")
    return [Path(path) for path in paths]


def _escape_folders(pattern: Path) -> str:
    """Return the pattern, in which folders that exist stand for themselves."""
    parts = pattern.parts
    ends = range(len(parts), 0, -1)
    known = next((n for n in ends if os.path.exists(Path(*parts[:n]))), 0)
    return os.path.join(escape(str(Path(*parts[:known]))), *parts[known:])


def _by_numbers(path: str) -> tuple:
    parts = re.split(r"(\d+)", path)
    return [int(part) if part.isdecimal() else part for part in parts], path


def find_suffix(path) -> str:
    """Return the suffix of a path, in small letters."""
    return Path(path).suffix.lower()


def find_format(path: Path) -> str:
    """Return the format of a file by its first bytes, else by its name, "" if unknown.

    Names are for what does not exist or is damaged.
    """
    if os.path.isdir(path):
        if find_suffix(path) in ZARR or _has_any(path, _ZARR_FILES):
            _check_zarr(path)
            return "zarr"
        has_parts = not _has_any(path, _CSR_FILES) and _list_parts(path)
        return "parquet" if has_parts else ""
    found = _read_format(path) if os.path.isfile(path) else ""
    return found or SUFFIXES.get(find_suffix(path), "")


def find_parts(folder: Path) -> list[Path]:
    """Return the Parquet or Arrow files in a folder, part-2 before part-10."""
    parts = _list_parts(folder)
    for part in parts:
        if part.is_dir():
            raise ValueError(
                f"{str(folder)!r} is partitioned by folders such as {part.name!r}, "
                "whose values are in no file. Give one of these folders; or, for all "
                f"rows without that column, {str(folder / '**' / '*.parquet')!r}."
            )
        check_regular(part)
    return [Path(path) for path in sorted(map(str, parts), key=_by_numbers)]


def _list_parts(folder: Path) -> list[Path]:
    """Return the parts in a folder, and its partitions.

    Spark, dask and pyarrow begin the names of what else they write with "_" or ".".
    """
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if _is_part(entry)]


def _is_part(entry: os.DirEntry) -> bool:
    if entry.name.startswith((".", "_")):
        return False
    if find_suffix(entry.name) in PARQUET + ARROW:
        return not entry.is_dir()
    return "=" in entry.name and entry.is_dir()


def _check_zarr(folder: Path) -> None:
    """Raise if the library would open metadata that are no regular file.

    They are in all groups and arrays below the folder, and not among the chunks.
    """
    check_inside(folder, _ZARR_METADATA)
    if (folder / ".zarray").exists():  # chunks may lie beside it, a million
        return
    with os.scandir(folder) as entries:
        inner = [Path(entry.path) for entry in entries if entry.is_dir()]
    for below in inner:
        if any(os.path.lexists(below / name) for name in _ZARR_FILES):
            _check_zarr(below)


def _has_any(folder: Path, names) -> bool:
    return any(os.path.isfile(folder / name) for name in names)


def _read_format(path: Path) -> str:
    with open_regular(path) as file:
        first, size = file.read(len(_HDF_MAGIC)), os.fstat(file.fileno()).st_size
        for magic, name in _MAGIC.items():
            if first.startswith(magic):
                return name
        offset = 0
        while first != _HDF_MAGIC and offset + len(_HDF_MAGIC) <= size:
            offset = 2 * offset or _FIRST_BLOCK
            file.seek(offset)
            first = file.read(len(_HDF_MAGIC))
        return "hdf" if first == _HDF_MAGIC else ""


def names_rows(text: str) -> bool:
    """Whether a text among others is the path of a file of rows, rather than text.

    Files of tables are meant as rows as well, and opening one says what to do with it.
    """
    if not text:  # a label or sentence that is missing
        return False
    path = to_path(text)
    if find_suffix(path.name.lower().removesuffix(".gz")) in TABLES and path.is_file():
        return True
    return bool(find_format(path)) or _has_any(path, _CSR_FILES)
