"""Checks of the arrays of sparse matrices, before compiled code uses them as indices.

Neither SciPy nor scikit-learn checks them: a wrong index reads or writes any memory.
"""

import numpy as np

from skmmap._messages import describe_rows


def check_ends(indptr, start: int, n_values: int, where: str, todo: str) -> tuple:
    """Return where the values of rows from ``start`` on begin and end, or raise.

    ``indptr`` is the part of the stored array for these rows, ``n_values`` the number
    of values of the matrix; ``todo`` ends the message.
    """
    fault = _find_fault(indptr, start, n_values)
    if fault:
        _raise(where, fault, start, start + max(1, len(indptr) - 1), todo)
    return int(indptr[0]), int(indptr[-1])


def _find_fault(indptr: np.ndarray, start: int, n_values: int) -> str:
    if not len(indptr):
        return "an indptr that is too short"
    # Compared, not subtracted: differences overflow, of unsigned types always.
    if np.any(indptr[:-1] > indptr[1:]):
        return "a descending indptr"
    first, last = int(indptr[0]), int(indptr[-1])
    if start == 0 and first:
        return f"an indptr that begins at {first:,}, not at 0,"
    if first < 0 or last > n_values:
        return f"an indptr from {first:,} to {last:,}, for {n_values:,} values,"
    return ""


def check_indices(indices, n: int, start: int, stop: int, where: str, todo: str):
    """Return the columns of the values in some rows, if there are ``n`` or more."""
    if not _are_below(indices, n):
        _raise(where, f"an index outside of its {n:,} columns", start, stop, todo)
    return indices


def _are_below(indices: np.ndarray, n: int) -> bool:
    """Whether all numbers are from 0 to below ``n``."""
    if not len(indices):
        return True
    if indices.dtype.kind == "i" and n <= np.iinfo(indices.dtype).max:
        # As unsigned, negative numbers are the largest: one maximum checks both ends.
        return int(indices.view(indices.dtype.str.replace("i", "u")).max()) < n
    return int(indices.min()) >= 0 and int(indices.max()) < n


def _raise(where: str, fault: str, start: int, stop: int, todo: str):
    raise ValueError(f"{where} has {fault} in {describe_rows(start, stop)}. {todo}")


_AGAIN = "Build the matrix again; its check_format method says what is wrong."


def check_slice(matrix, start: int, stop: int, where: str) -> None:
    """Raise unless some rows of a CSR matrix in memory can be sliced."""
    indptr, n_values = matrix.indptr, min(len(matrix.indices), len(matrix.data))
    ends = indptr[start : stop + 1] if len(indptr) > stop else indptr[:0]
    first, last = check_ends(ends, start, n_values, where, _AGAIN)
    check_indices(
        matrix.indices[first:last], matrix.shape[1], start, stop, where, _AGAIN
    )


def to_csr(matrix, where: str):
    """Return a sparse matrix as CSR, if its indices are valid."""
    if matrix.format == "coo":
        lengths = zip(matrix.coords, matrix.shape, strict=True)
        is_sound = all(_are_below(along, n) for along, n in lengths)
    elif matrix.format in ("csc", "bsr"):
        is_sound = _is_sound(matrix)
    else:
        is_sound = True
    if not is_sound:
        raise ValueError(f"{where} has indices outside of its shape. {_AGAIN}")
    return matrix.tocsr()


def _is_sound(matrix) -> bool:
    """Whether the indices of a CSC or BSR matrix are within its shape."""
    n_rows, n_columns = matrix.shape
    if matrix.format == "bsr":
        outer, inner = n_rows // matrix.blocksize[0], n_columns // matrix.blocksize[1]
    else:
        outer, inner = n_columns, n_rows
    n_values = min(len(matrix.indices), len(matrix.data))
    if len(matrix.indptr) != outer + 1 or _find_fault(matrix.indptr, 0, n_values):
        return False
    return _are_below(matrix.indices[: int(matrix.indptr[-1])], inner)
