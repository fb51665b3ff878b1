"""Files of safetensors: a header of JSON, and arrays that lie one after the other.

The format is described at https://huggingface.co/docs/safetensors. It is read here
without the library, which has no way to read some rows of BF16 as NumPy's floats.
"""

import json
import os
import struct
from itertools import pairwise
from math import prod
from pathlib import Path

import numpy as np

from skmmap.disk import open_regular
from skmmap.formats.shared import ArrayInfo, Format, MapStore, find_key

FORMAT = Format(suffixes=(".safetensors",), options=("key",))

_SIZE = struct.Struct("<Q")  # bytes of the header that follows
_MOST_NBYTES = 100_000_000  # of a header: the library has the same limit
_TYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
    "C64": "<c8",
}


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is a file that begins with the size of a header, and the header."""
    size = first[: _SIZE.size]
    begins = first[_SIZE.size : _SIZE.size + 2] in (b'{"', b"{}")
    return begins and 2 <= _SIZE.unpack(size)[0] <= _MOST_NBYTES


def list_arrays(source) -> list[ArrayInfo]:
    """Return the arrays in the file, by name."""
    header, _ = _read_header(Path(source), "source")
    named = sorted(header.items())
    return [
        ArrayInfo(name, tuple(entry["shape"]), _find_type(entry) or entry["dtype"])
        for name, entry in named
    ]


def open_store(source, name: str, *, key: str | None = None) -> MapStore:
    """Return the store of an array in the file."""
    path = Path(source)
    header, begin = _read_header(path, name)
    shapes = {tensor: tuple(entry["shape"]) for tensor, entry in header.items()}
    key = find_key(shapes, key, path.name, "tensor")
    entry, dtype = header[key], _find_type(header[key])
    if dtype is None:
        raise ValueError(
            f"{name}={str(path)!r}: {key!r} is of type {entry['dtype']}, which NumPy "
            "does not have. Save it once as float32, for example "
            "tensor.to(torch.float32)."
        )
    if not entry["shape"]:
        raise ValueError(
            f"{name}={str(path)!r}: {key!r} is a single value, which has no rows."
        )
    offset = len(begin) + entry["data_offsets"][0]
    return MapStore(path, dtype, entry["shape"], offset=offset, header=begin, key=key)


def _find_type(entry: dict) -> np.dtype | None:
    """Return NumPy's type of an array, None if it has no such type."""
    name = _TYPES.get(entry["dtype"])
    return None if name is None else np.dtype(name)


def _read_header(path: Path, name: str) -> tuple[dict, bytes]:
    """Return what the header says of each array, and all bytes before the arrays."""
    named = f"{name}={os.fspath(path)!r}"
    with open_regular(path, named) as file:
        size = os.fstat(file.fileno()).st_size
        first = file.read(_SIZE.size)
        (n_bytes,) = _SIZE.unpack(first) if len(first) == _SIZE.size else (0,)
        if not 2 <= n_bytes <= min(_MOST_NBYTES, size - _SIZE.size):
            raise ValueError(
                f"{named} is no safetensors file, or truncated: it has {size:,} bytes, "
                f"and a header of {n_bytes:,} is to begin at byte 8. Write it again."
            )
        begin = first + file.read(n_bytes)
    try:
        header = json.loads(begin[_SIZE.size :])
        header.pop("__metadata__", None)
        entries = {tensor: _check(entry) for tensor, entry in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{named} has a damaged header: {error}. Write it again."
        ) from error
    _check_places(entries, size - len(begin), named)
    return entries, begin


def _check(entry: dict) -> dict:
    """Return an entry of the header if it is one."""
    (begin, end), shape = entry["data_offsets"], entry["shape"]
    numbers = [begin, end, *shape]
    if not all(type(n) is int and n >= 0 for n in numbers):
        raise ValueError(f"{numbers} are not integers of at least 0")
    if not isinstance(entry["dtype"], str):
        raise ValueError(f"the type {entry['dtype']!r} is no name")
    dtype = _find_type(entry)
    if dtype is not None and prod(shape) * dtype.itemsize != end - begin:
        raise ValueError(
            f"shape {shape} of {dtype} does not take {end - begin:,} bytes"
        )
    return entry


def _check_places(entries: dict, size: int, named: str) -> None:
    """Raise unless the arrays fill the rest of the file, one after the other."""
    places = sorted(tuple(entry["data_offsets"]) for entry in entries.values())
    edges = [(0, 0), *places, (size, size)]
    if any(end != begin for (_, end), (begin, _) in pairwise(edges)):
        needed = places[-1][1] if places else 0
        raise ValueError(
            f"{named} is truncated or damaged: its header says {needed:,} bytes of "
            f"arrays without gaps, and {size:,} follow it. Write it again."
        )
