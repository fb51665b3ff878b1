"""Arrays in MATLAB's files of version 7.3, which are HDF5 with the axes reversed.

https://www.mathworks.com/help/matlab/import_export/mat-file-versions.html. What an
array is, an attribute says; some are encoded as others.
"""

import os

import numpy as np

from skmmap.formats.shared import MapStore, read_first

_NUMBERS = (
    "double",
    "single",
    *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)),
)
_ENCODED = {"logical": np.dtype(bool), "char": np.dtype("u2")}
_HEADER_NBYTES = 1024
_OLD = b"MATLAB 5.0"


def find_class(node) -> str | None:
    """Return MATLAB's class of a dataset or group, None if it is not MATLAB's."""
    said = node.attrs.get("MATLAB_class")
    return said.decode() if isinstance(said, bytes) else said


def check_class(dataset, where: str) -> None:
    """Raise for an array of MATLAB that makes no rows."""
    name = find_class(dataset)
    if dataset.attrs.get("MATLAB_empty"):
        shape = tuple(int(n) for n in np.ravel(dataset[()]))
        raise ValueError(f"{where!r} has no rows or no columns: its shape is {shape}.")
    if name not in (*_NUMBERS, *_ENCODED):
        raise ValueError(
            f"{where!r} is a {name} of MATLAB, which is no array of numbers or text. "
            "Save what is in it as variables of their own: X = cell2mat(c); "
            "save('X.mat', 'X', '-v7.3')."
        )
    if dataset.dtype.names:
        raise ValueError(
            f"{where!r} holds complex numbers of MATLAB. Save real(X) and imag(X)."
        )


def find_kind(dataset) -> tuple[tuple, np.dtype]:
    """Return shape and type as MATLAB has them; rows of characters are texts."""
    name, shape = find_class(dataset), tuple(dataset.shape[::-1])
    if name == "char":
        return shape[:1], np.dtype(f"U{max(1, int(np.prod(shape[1:])))}")
    return shape, _ENCODED.get(name, dataset.dtype.newbyteorder("="))


def to_rows(stored: np.ndarray, name: str) -> np.ndarray:
    """Return a part of a dataset, all of it on each axis but the last, as rows."""
    rows = stored.T
    if name == "logical":
        return rows != 0
    if name != "char":
        return rows
    # The units of UTF-16, filled up with blanks, which MATLAB's cellstr removes.
    lines = np.ascontiguousarray(rows, "<u2").reshape(len(rows), -1)
    texts = [line.tobytes().decode("utf-16-le").rstrip(" \0") for line in lines]
    return np.array(texts, f"U{max(1, lines.shape[1])}")


def find_offset(dataset) -> int | None:
    """Return where numbers lie in their file, in one piece, None if they do not."""
    is_there = (
        dataset.chunks is None and not dataset.is_virtual and not dataset.external
    )
    is_number = find_class(dataset) in _NUMBERS and dataset.size
    is_file = is_there and dataset.file.driver == "sec2"
    return dataset.id.get_offset() if is_file and is_number else None


class MatlabMap(MapStore):
    """Rows of numbers that lie in their file in one piece."""

    def __init__(self, path, dtype, shape, offset: int):
        with open(path, "rb") as file:
            header = file.read(_HEADER_NBYTES)  # which changes with the variables
        super().__init__(path, dtype, shape, offset=offset, order="F", header=header)

    def write(self, rows, values) -> None:
        raise ValueError(f"{self.where} is read only.")


def check_version(path) -> None:
    """Raise for a MATLAB file that is no HDF5 file."""
    if not read_first(path).startswith(_OLD):
        return
    raise ValueError(
        f"{os.fspath(path)!r} is a MATLAB file of version 5 to 7, which can only be "
        "read whole. In MATLAB save(path, 'X', '-v7.3') writes one that can be "
        "read by rows; in Python "
        f"np.save('X.npy', scipy.io.loadmat({os.path.basename(path)!r})['X']) saves an "
        "array that fits in memory."
    )


def refuse_sparse(where: str) -> None:
    """Raise for a sparse matrix of MATLAB."""
    raise ValueError(
        f"{where!r} is a sparse matrix of MATLAB, stored by columns: rows of it cannot "
        "be read without the rest. Write it once as CSR: "
        "scipy.sparse.csc_array((data, ir, jc)).tocsr(), of which np.save writes data, "
        "indices and indptr to one folder."
    )
