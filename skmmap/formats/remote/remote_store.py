"""Rows of `.npy` and raw objects behind URLs."""

import io
from math import prod

import numpy as np

from skmmap.disk import BUFFER, MAGIC, Identity, allocate, read_header
from skmmap.formats.shared import check_dtype, check_shape
from skmmap.remote import RemoteFile, open_cache, say_url
from skmmap.rows import Store

_HEADER_NBYTES, _MOST_NBYTES = 2**12, 2**19  # of what may be a header
TAKEN = "dtype", "shape", "offset", "storage_options", "cache"


def open_remote(url: str, name: str, options: dict) -> "RemoteStore":
    """Return the store of a `.npy` object, or of a raw one if its type is given."""
    file = RemoteFile(url, options["storage_options"], open_cache(options["cache"]))
    begin = file.request(0, min(file.size, _HEADER_NBYTES)) if file.size else b""
    named = f"{name}={say_url(url)!r}"
    if begin.startswith(MAGIC):
        begin = _complete_header(file, begin)
        return _open_npy(file, begin, named, options)
    if options["dtype"] is not None:
        return _open_raw(file, named, options)
    raise ValueError(
        f"{named} is not a .npy file. Behind URLs, .npy files are read, and raw ones "
        "with dtype= and shape=. Download other files, and open them."
    )


def _complete_header(file: RemoteFile, begin: bytes) -> bytes:
    """Return the begin of an object with the whole header, as long as that says."""
    at, width = len(MAGIC) + 2, 2 if begin[len(MAGIC) : len(MAGIC) + 1] == b"\1" else 4
    needed = at + width + int.from_bytes(begin[at : at + width], "little")
    if needed <= len(begin):
        return begin
    return file.request(0, min(file.size, needed, _MOST_NBYTES))


def _open_npy(file: RemoteFile, begin: bytes, named: str, options) -> "RemoteStore":
    for option in ("dtype", "shape"):
        if options[option] is not None:
            raise ValueError(
                f"{option} has no meaning for {named}, a .npy file; got "
                f"{options[option]!r}."
            )
    header = read_header(io.BytesIO(begin), named)
    shape, order, dtype, offset = header
    if dtype.hasobject:
        raise ValueError(
            f"{named} holds pickled Python objects, which are never loaded: they could "
            "run any code. Save plain numbers or strings."
        )
    if not shape:
        raise ValueError(f"{named} holds a single value, which has no rows.")
    if order == "F" and len(shape) > 1 and max(shape[1:]) > 1:
        raise ValueError(
            f"{named} is stored column by column (Fortran order): each chunk of rows "
            "would read the whole file. Save it in C order: np.save(path, "
            "np.ascontiguousarray(X))."
        )
    if file.size < header.end:
        raise ValueError(
            f"{named} is truncated: its header says shape {shape} and {header.end:,} "
            f"bytes, and the file has {file.size:,}. Write it again."
        )
    return RemoteStore(file, dtype, shape, offset)


def _open_raw(file: RemoteFile, named: str, options: dict) -> "RemoteStore":
    dtype, offset = check_dtype(options["dtype"]), options["offset"]
    if not 0 <= offset <= file.size:
        raise ValueError(
            f"offset must be from 0 to the {file.size:,} bytes of {named}; got "
            f"{offset!r}."
        )
    shape = (-1,) if options["shape"] is None else options["shape"]
    shape = check_shape(shape, least=-1)
    row_nbytes, left = prod(shape[1:]) * dtype.itemsize, file.size - offset
    if shape[0] == -1:
        if not row_nbytes or left % row_nbytes:
            raise ValueError(
                f"{named} has {left:,} bytes of data, not a whole number of rows of "
                f"{row_nbytes:,} bytes; check dtype={dtype}, shape and offset."
            )
        shape = (left // row_nbytes, *shape[1:])
    if left < shape[0] * row_nbytes:
        raise ValueError(
            f"{named} is too short: shape={shape} of {dtype} from offset={offset:,} "
            f"needs {offset + shape[0] * row_nbytes:,} bytes, and it has {file.size:,}."
        )
    return RemoteStore(file, dtype, shape, offset)


class RemoteStore(Store):
    """Rows that lie one after the other in an object."""

    can_reopen = True
    _closed = False

    def __init__(self, file: RemoteFile, dtype: np.dtype, shape: tuple, offset: int):
        self._file, self.dtype, self.shape, self._offset = file, dtype, shape, offset

    @property
    def where(self) -> str:
        return self._file.where

    @property
    def identity(self) -> Identity:
        return Identity(facts=(self._file.where, self._file.size, self._file.identity))

    def for_run(self, read_mode: str) -> "RemoteStore":
        self._check_open()
        self._file.check()
        return self

    def finish(self) -> None:
        self._file.check()

    def read(self, start: int, stop: int) -> np.ndarray:
        out = allocate((max(0, stop - start), *self.shape[1:]), self.dtype, BUFFER)
        self.read_into(start, stop, out)
        return out

    def read_into(self, start: int, stop: int, out: np.ndarray) -> None:
        self._check_open()
        if not out.flags.c_contiguous or out.dtype != self.dtype:
            super().read_into(start, stop, out)
        elif out.nbytes:
            target = memoryview(out.reshape(-1).view(np.uint8))
            self._file.read_into(self._offset + start * self.row_nbytes, target)

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(f"The rows of {self.where!r} are closed. Open them again.")

    def close(self) -> None:
        self._closed = True

    def __getstate__(self) -> dict:
        self._file.check()
        return vars(self)
