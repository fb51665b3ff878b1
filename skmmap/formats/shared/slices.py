"""What slices of third-party objects return: checked, and without masks.

The type is that of the first slice, and a later slice that it cannot hold is an error.
What an object says of itself can be the stored type, before values are scaled or made
unsigned (netCDF4 says int16 for slices of uint16 or float64), or what dask was told.
"""

from math import prod

import numpy as np
from scipy import sparse

from skmmap._messages import describe_rows
from skmmap.rows import Store, check_slice, to_csr


def choose_type(said, found: np.dtype) -> np.dtype:
    """Return the type of a slice; strings are as long as the container says."""
    is_text = isinstance(said, np.dtype) and found.kind == said.kind in "SU"
    return said if is_text and said.itemsize > found.itemsize else found


def check_type(store: Store, dtype: np.dtype, start: int, stop: int) -> None:
    """Raise unless the type of the store can hold all values of ``dtype``."""
    if not np.can_cast(dtype, store.dtype, "safe"):
        raise ValueError(
            f"{store.where} is of {store.dtype} in its first rows, and "
            f"{describe_rows(start, stop)} of it are of {dtype}, whose values it may "
            "not hold. Write it again with values of one type."
        )


def fill_missing(rows, where: str, start: int, *, is_stored: bool = False):
    """Return rows without a mask, with NaN for what is missing, or raise.

    ``is_stored`` says that a value in the file stands for a missing one.
    """
    if not isinstance(rows, np.ma.MaskedArray):
        return rows
    is_missing = np.ma.getmaskarray(rows)
    if is_missing.dtype.names:  # a field may be missing without the others
        is_missing = is_missing.reshape(-1).view(bool).reshape(len(rows), -1)
    if not is_missing.any():
        return rows.data
    if rows.dtype.kind in _MISSING:
        return rows.filled(_MISSING[rows.dtype.kind])
    width = prod(is_missing.shape[1:])
    first = start + int(is_missing.reshape(len(rows), width).any(axis=1).argmax())
    stored, raw = "", ""
    if is_stored:
        stored = f" (stored as {rows.data[np.ma.getmaskarray(rows)][0]})"
        raw = "; or give the open dataset, whose values are taken as they are stored"
    raise ValueError(
        f"{where} has a missing value{stored} in row {first:,}, and {rows.dtype} has "
        "no NaN for it. Write the rows with a value for what is missing, such as "
        f"np.ma.filled(rows, -1), or as floats{raw}."
    )


_MISSING = {
    "f": np.nan,
    "c": np.nan,
    "m": np.timedelta64("NaT"),
    "M": np.datetime64("NaT"),
}


def is_masked(array) -> bool:
    """Whether an array has a mask, which NumPy's functions would drop."""
    return np.ma.getmask(array) is not np.ma.nomask


def is_sparse(rows) -> bool:
    """Whether rows are sparse: of SciPy's, or an array of sparse's."""
    return sparse.issparse(rows) or hasattr(rows, "to_scipy_sparse")


def to_rows(rows, where: str):
    """Return sparse rows as a CSR matrix or array of SciPy, checked."""
    rows = rows if sparse.issparse(rows) else rows.to_scipy_sparse()
    rows = to_csr(rows, where)
    check_slice(rows, 0, rows.shape[0], where)
    return rows
