"""Advice to the operating system about pages of files, where it takes any."""

import ctypes
import errno
import mmap
import os
import sys
from collections.abc import Callable

_FADVISE = getattr(os, "posix_fadvise", None)


def _find_madvise() -> Callable | None:
    """Return the system's function: Python's keeps the GIL, and other threads wait."""
    if sys.platform != "linux":
        return None  # macOS keeps the pages of files, and Windows has no such advice
    try:
        madvise = ctypes.CDLL(None, use_errno=True).madvise
    except (AttributeError, OSError):
        return None
    madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    return madvise


_MADVISE = _find_madvise()
CAN_RELEASE_PAGES = _MADVISE is not None
# https://man7.org/linux/man-pages/man2/madvise.2.html; the second is of Linux 5.14.
_DO_NOT_NEED, _POPULATE_READ = 4, 22

# Of files that are to leave the page cache, so many bytes may be in it, and other
# threads read so many pieces near this one.
_CACHED_NBYTES, _NEAR = 2**22, 8


def release_pages(begin: int, end: int) -> None:
    """Unmap the pages from one address to another; they stay in the page cache."""
    _advise(begin, end, _DO_NOT_NEED)


def populate_pages(begin: int, end: int) -> int:
    """Have pages of a map brought to memory; return the system's error, 0 if none."""
    # It fails for a truncated file, where touching the pages would crash the process,
    # and takes a fifth of the time of touching each.
    return _advise(begin, end, _POPULATE_READ)


def _advise(begin: int, end: int, advice: int) -> int:
    if begin >= end or _MADVISE is None:
        return errno.ENOSYS
    begin -= begin % mmap.PAGESIZE
    return ctypes.get_errno() if _MADVISE(begin, end - begin, advice) else 0


def expect_no_order(file: int) -> None:
    """Say that a file is not read in sequence.

    Otherwise the system reads ahead, and keeps pages that nobody releases.
    """
    if _FADVISE is not None:
        _FADVISE(file, 0, 0, os.POSIX_FADV_RANDOM)


def leave_cache(file: int, begin: int, nbytes: int, *, is_last: bool) -> None:
    """Have the page cache drop what was read.

    The pages that it keeps together can be larger than this piece, and other threads
    read its neighbours: from time to time, what lies well behind is dropped again.
    """
    if _FADVISE is None:
        return
    end = begin + nbytes
    _FADVISE(file, begin, nbytes, os.POSIX_FADV_DONTNEED)
    behind = max(0, begin - _NEAR * nbytes)
    if begin // _CACHED_NBYTES != end // _CACHED_NBYTES and behind:
        first = max(0, behind - _CACHED_NBYTES)
        _FADVISE(file, first, behind - first, os.POSIX_FADV_DONTNEED)
    if is_last:
        _FADVISE(file, 0, 0, os.POSIX_FADV_DONTNEED)
