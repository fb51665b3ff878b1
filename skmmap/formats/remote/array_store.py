"""Rows that lie one after the other in a remote file."""

import io
from copy import copy

import numpy as np

from skmmap.disk import Identity, read_header
from skmmap.formats.shared import ClosableStore, check_dtype, check_shape
from skmmap.remote import RemotePath
from skmmap.rows import check_read

_HEADER_NBYTES = 2**12  # of most files
_MOST_NBYTES = 2**19  # of a header
_TAKEN_NBYTES = 2**25  # of blocks that are in memory while rows are picked


class RemoteStore(ClosableStore):
    """Rows of an array in a remote file, of which ranges are read."""

    can_reopen = is_decoded = True

    def __init__(self, path: RemotePath, dtype, shape, offset: int = 0):
        self._path, self.offset = path, offset
        self.dtype, self.shape = np.dtype(dtype), tuple(shape)

    @property
    def where(self) -> str:
        return self._path.name

    @property
    def identity(self) -> Identity:
        state = self._path.file.state
        return Identity(facts=((str(self._path), *state),), is_known=bool(state.tag))

    def for_run(self, read_mode: str) -> "RemoteStore":
        self._check_open()
        self._path.file.check()
        return copy(self)

    def finish(self) -> None:
        self._path.file.check()

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.read_runs([(start, stop)])[0]

    def read_runs(self, runs: list[tuple[int, int]]) -> list:
        self._check_open()
        row = self.row_nbytes
        places = [
            (self.offset + start * row, self.offset + max(start, stop) * row)
            for start, stop in runs
        ]
        parts = []
        for data, run in zip(self._path.file.read_many(places), runs, strict=True):
            n_rows = max(0, run[1] - run[0])
            rows = data.view(self.dtype).reshape(n_rows, *self.shape[1:])
            check_read(self, rows, run[0], run[0] + n_rows)
            parts.append(rows)
        return parts

    def take(self, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        held: list = []
        nbytes = 0
        for block in self._iter_blocks(rows):
            (start, stop), *_ = block
            held.append(block)
            nbytes += (stop - start) * self.row_nbytes
            if nbytes > _TAKEN_NBYTES:
                self._take_blocks(held, out)
                held, nbytes = [], 0
        self._take_blocks(held, out)
        return out

    def _take_blocks(self, blocks: list, out: np.ndarray) -> None:
        parts = self.read_runs([run for run, *_ in blocks])
        for part, (_, at, place) in zip(parts, blocks, strict=True):
            out[place] = part[at]

    def close(self) -> None:
        super().close()
        self._path.file.close()


def open_npy(path: RemotePath, name: str) -> RemoteStore:
    """Return the store of the array in a remote ``.npy`` file."""
    named, size = f"{name}={str(path)!r}", path.file.state.nbytes
    begin = path.read_first(_HEADER_NBYTES)
    if (end := _find_header_end(begin)) > len(begin):  # a type with many fields
        begin = path.read_first(min(end, _MOST_NBYTES))
    header = read_header(io.BytesIO(begin), named)
    shape, order, dtype, offset = header
    if dtype.hasobject:
        raise ValueError(
            f"{named} holds pickled Python objects, which are never loaded: they could "
            "run any code. Save plain numbers or strings."
        )
    if not shape:
        raise ValueError(f"{named} holds a single value, which has no rows.")
    if order == "F" and len(shape) > 1:
        raise ValueError(
            f"{named} is in Fortran order: each row is spread over the whole file. "
            "Write it once more in C order, or download it."
        )
    if size < header.end:
        raise ValueError(
            f"{named} is truncated: its header says shape {shape} and {header.end:,} "
            f"bytes, and the file has {size:,}. Write it again."
        )
    return RemoteStore(path, dtype, shape, offset)


def _find_header_end(begin: bytes) -> int:
    """Return where the header ends, of which the first versions say it in two bytes."""
    n_bytes = 4 if begin[6:7] > b"\1" else 2
    return 8 + n_bytes + int.from_bytes(begin[8 : 8 + n_bytes], "little")


def open_raw(path: RemotePath, name: str, dtype, shape, offset: int) -> RemoteStore:
    """Return the store of a remote file without a header."""
    dtype, size = check_dtype(dtype), path.file.state.nbytes
    if not 0 <= offset <= size:
        raise ValueError(
            f"offset must be from 0 to the {size:,} bytes of {str(path)!r}; got "
            f"{offset!r}."
        )
    sizes = (-1,) if shape is None else check_shape(shape, least=-1)
    row_nbytes = int(np.prod(sizes[1:], dtype=np.int64)) * dtype.itemsize
    n_rows, rest = divmod(size - offset, max(1, row_nbytes))
    if sizes[0] == -1 and (rest or not row_nbytes):
        raise ValueError(
            f"{str(path)!r} has {size - offset:,} bytes of data, not a whole number of "
            f"rows of {row_nbytes:,} bytes; check dtype={dtype}, shape and offset."
        )
    if sizes[0] > n_rows:
        raise ValueError(
            f"{str(path)!r} is too short: shape={shape} of {dtype} from "
            f"offset={offset:,} needs {offset + sizes[0] * row_nbytes:,} bytes, and "
            f"the file has {size:,}."
        )
    sizes = (n_rows if sizes[0] == -1 else sizes[0], *sizes[1:])
    return RemoteStore(path, dtype, sizes, offset)
