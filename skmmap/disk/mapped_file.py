"""The name of the file that is mapped at an address, where the system tells it."""

import ctypes
import os
import struct
from contextlib import suppress

try:
    from fcntl import ioctl
except ImportError:  # Windows
    ioctl = None

# PROCMAP_QUERY of Linux 6.11 and its struct procmap_query: see linux/fs.h and
# https://docs.kernel.org/filesystems/proc.html. Before, all mappings have to be read,
# thousands of lines with scikit-learn.
_PROCMAP_QUERY = 0xC0686611
_QUERY = struct.Struct("=9Q4I2Q")
_NAME_NBYTES = 4096  # PATH_MAX


def read_mapped_name(address: int) -> bytes | None:
    """Return the name, with " (deleted)" after it if no file has it any more.

    Memory of no file has none, or one in brackets. None if the system does not tell.
    """
    try:
        with open("/proc/self/maps", "rb", buffering=0) as maps:
            if ioctl is not None:
                with suppress(OSError):
                    return _ask(maps, address)
        return _search(address)
    except OSError:
        return None


def _ask(maps, address: int) -> bytes:
    name = ctypes.create_string_buffer(_NAME_NBYTES)
    zeros, place = [0] * 8, ctypes.addressof(name)
    sizes = 0, address, *zeros, _NAME_NBYTES, 0, place, 0
    ioctl(maps, _PROCMAP_QUERY, bytearray(_QUERY.pack(_QUERY.size, *sizes)))
    return name.value


def _search(address: int) -> bytes:
    # Line by line: it can be a megabyte.
    with open("/proc/self/maps", "rb") as maps:
        for line in maps:
            ends = line.split(maxsplit=1)[0].split(b"-")
            start, stop = (int(end, 16) for end in ends)
            if start <= address < stop:
                *_, name = [*line.split(maxsplit=5), b""][:6]
                return name.rstrip(b"\n")
    return b""


def is_mapped_from(address: int, path) -> bool:
    """Whether a file that is mapped there still has that name, as far as is known."""
    name = read_mapped_name(address)
    return name is None or name == os.fsencode(os.path.realpath(path))
