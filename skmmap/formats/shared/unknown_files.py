"""Files of no format that can be opened: what they look like, and what to do."""

import os
import zipfile
from pathlib import Path
from typing import NoReturn

from skmmap.disk import open_regular
from skmmap.formats.shared.csv_sample import (
    find_csv_suffix,
    is_csv_name,
    say_csv,
    say_lines,
)

SAMPLE_NBYTES = 4_096  # of a file tell what it is

_FORMATS = (
    "supported are .npy, HDF5, zarr, Parquet, Arrow, ORC, safetensors, FITS, NIfTI and "
    "PLINK files, and raw binary with dtype and shape"
)
_LINES = ".jsonl", ".ndjson"
_JSON = ".json", *_LINES
_ROWS = 'Read it row by row: skmmap.convert(rows, "{to}") takes a generator of rows.'
_UNPACK = "Unpack it first."
_SAVE = "Load it, and save the array once with np.save(path, array)."
_OPEN = "Open it with xarray or netCDF4, and give the variable instead of the path."
# https://en.wikipedia.org/wiki/List_of_file_signatures, and the formats' own pages.
_SIGNATURES = {
    b"CDF": ("a netCDF 3 file", _OPEN),
    b"MATLAB 5.0": ("a MATLAB file of version 5 to 7", _SAVE),
    b"SQLite format 3": ("an SQLite database", _ROWS),
    b"Obj\x01": ("an Avro file", _ROWS),
    b"\x1f\x8b": ("a file packed by gzip", _UNPACK),
    b"BZh": ("a file packed by bzip2", _UNPACK),
    b"\xfd7zXZ": ("a file packed by xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("a file packed by zstd", _UNPACK),
    b"\x80\x02": ("a pickle, which is never loaded", _SAVE),
    b"\x80\x03": ("a pickle, which is never loaded", _SAVE),
    b"\x80\x04": ("a pickle, which is never loaded", _SAVE),
    b"\x80\x05": ("a pickle, which is never loaded", _SAVE),
    b"\x89PNG": ("a PNG image", _ROWS),
    b"\xff\xd8\xff": ("a JPEG image", _ROWS),
}

NPZ = (
    "{name} is {path}: numpy reads an .npz archive whole into memory, whatever "
    "mmap_mode says. Save each of its arrays once as .npy with np.save(path, array)."
)
_IN_ZIP = {
    "workbook.xml": ("an Excel workbook", _ROWS),
    "data.pkl": ("a file of PyTorch", _SAVE),
}


def read_first(path) -> bytes:
    """Return the first bytes of a regular file, none of anything else."""
    if not os.path.isfile(path):
        return b""
    with open_regular(path) as file:
        return file.read(SAMPLE_NBYTES)


def may_be_parsed(path: Path) -> bool:
    """Whether a file is a table of text by its name, which `convert` parses."""
    is_text = is_csv_name(path) or find_csv_suffix(path) in _JSON
    return is_text and path.is_file()


def refuse_unknown(path: Path, name: str) -> NoReturn:
    """Raise for a file of no format that can be opened.

    ``name`` is the parameter that the path was given for.
    """
    with open_regular(path, f"{name}={str(path)!r}") as file:
        first = file.read(SAMPLE_NBYTES)
    if first.startswith(b"PK") and _is_npz(path):
        raise ValueError(NPZ.format(name=name, path=path))
    raise ValueError(say_unknown(path, first, name))


def say_unknown(path: Path, first: bytes, name: str) -> str:
    """Say what a file seems to be by its name and first bytes, and what to do.

    ``name`` is the parameter that the path was given for.
    """
    named, to = f"{name}={str(path)!r}", _name_result(name)
    if is_csv_name(path):
        return f"{named} is CSV, which must be parsed first: {say_csv(path, to)}"
    if first.startswith(b"PK"):
        what, todo = _look_into(path)
    else:
        what, todo = _look_at(first, find_csv_suffix(path))
    if what == "JSON" and find_csv_suffix(path) in _LINES:
        return f"{named} looks like {what}; {_FORMATS}. {say_lines(path)}"
    return f"{named} looks like {what}; {_FORMATS}. {todo.format(to=to)}"


def _name_result(name: str) -> str:
    return f"{'X' if name in ('source', 'path') else name}.npy"


def _look_at(first: bytes, suffix: str) -> tuple[str, str]:
    """Return what a file looks like, and what to do with it."""
    for begin, found in _SIGNATURES.items():
        if first.startswith(begin):
            return found
    if not first:
        return "an empty file", "Write it again."
    if suffix == ".npy":
        return "text" if _is_text(first) else "binary data", _SAVE
    if not _is_text(first):
        return "binary data", "If it is raw, open_rows(path, dtype=..., shape=...)."
    if suffix in _JSON or first.lstrip()[:1] == b"{":
        return "JSON", _ROWS
    if b"," in first.partition(b"\n")[0]:
        return "text with commas", "If it is CSV, name it .csv, for skmmap.convert."
    return "text", _ROWS


def _is_text(first: bytes) -> bool:
    try:
        text = first.decode()
    except UnicodeDecodeError as error:
        if error.start < len(first) - 3:  # else the sample ends within a character
            return False
        text = first[: error.start].decode()
    return all(letter.isprintable() or letter.isspace() for letter in text)


def _look_into(path: Path) -> tuple[str, str]:
    """Return what a zip archive seems to be."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.rpartition("/")[2] for name in archive.namelist()]
    except (zipfile.BadZipFile, ValueError):
        return "a damaged zip archive", "Write it again."
    if {"zarr.json", ".zarray", ".zgroup"} & set(names):
        todo = 'Give what zarr.open(zarr.storage.ZipStore(path, mode="r")) returns'
        return "a zarr store in a zip archive", f"{todo}, or an array in that."
    for name, found in _IN_ZIP.items():
        if name in names:
            return found
    return "a zip archive", _UNPACK


def _is_npz(path: Path) -> bool:
    """Whether a file is an archive of ``.npy`` files."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError):
        return False
    return all(name.endswith(".npy") for name in names)
