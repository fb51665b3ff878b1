"""NumPy's ``.npy`` files, of which nothing is ever unpickled."""

import os
from pathlib import Path

from skmmap.disk import MAGIC, NPY, open_regular, read_header
from skmmap.formats.shared import ArrayInfo, Format, MapStore, refuse_unknown

FORMAT = Format(suffixes=NPY, options=("mode",))


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is a file that begins with the magic number."""
    return first.startswith(MAGIC)


def list_arrays(source) -> list[ArrayInfo]:
    """Return the one array in the file."""
    return [ArrayInfo.of(open_store(source, "source"))]


def open_store(source, name: str, *, mode: str = "r") -> MapStore:
    """Return the store of the array in a file."""
    path, named = Path(source), f"{name}={os.fspath(source)!r}"
    with open_regular(path, named) as file:
        if file.read(len(MAGIC)) != MAGIC:
            refuse_unknown(path, name)
        file.seek(0)
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
