"""Rows of ``.npy`` files."""

import os
from pathlib import Path

from skmmap.disk import (
    MAGIC,
    open_regular,
    read_header,
)
from skmmap.formats.files.map_store import MapStore
from skmmap.formats.files.unknown_files import (
    SAMPLE_NBYTES,
    is_npz,
    say_unknown,
)


def open_npy(path, name: str, mode: str = "r") -> MapStore:
    """Address the rows of a ``.npy`` file; nothing is ever unpickled."""
    path, named = Path(path), f"{name}={os.fspath(path)!r}"
    with open_regular(path, named) as file:
        _check_magic(file, path, name)
        header, size = read_header(file, named), os.fstat(file.fileno()).st_size
        file.seek(0)
        begin = file.read(header.n_bytes)
    shape, order, dtype, offset = header
    if dtype.hasobject:
        raise ValueError(
            f"{named} holds pickled Python objects, which are never "
            "loaded: they could run any code. Save plain numbers or strings, for "
            "example np.save(path, array.astype(str))."
        )
    if size < header.end:
        raise ValueError(
            f"{named} is truncated: its header says shape {shape} and "
            f"{header.end:,} bytes, and the file has {size:,}. Write it again."
        )
    if not shape:
        raise ValueError(f"{named} holds a single value, which has no rows.")
    return MapStore(
        path, dtype, shape, offset=offset, order=order, mode=mode, header=begin
    )


def _check_magic(file, path: Path, name: str) -> None:
    """Raise unless a file begins as ``.npy`` files do."""
    first = file.read(SAMPLE_NBYTES)
    file.seek(0)
    if first.startswith(b"PK") and is_npz(path):
        raise ValueError(NPZ.format(name=name, path=path))
    if not first.startswith(MAGIC):
        raise ValueError(say_unknown(path, first, name))


NPZ = (
    "{name} is {path}: numpy reads an .npz archive whole into memory, whatever "
    "mmap_mode says. Save each of its arrays once as .npy with np.save(path, array)."
)
