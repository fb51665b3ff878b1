"""Attributes that change or hide values in HDF5 and zarr: the CF conventions.

h5py and zarr return what is stored. netCDF4, xarray and HDF-EOS know more of it:
https://cfconventions.org/cf-conventions/cf-conventions.html#missing-data.
"""

import binascii
from base64 import b64decode

import numpy as np

_CHANGES = "scale_factor", "add_offset", "_Unsigned"
_MISSING = "_FillValue", "missing_value"
# Fill values that netCDF writes without an attribute that names them:
# https://docs.unidata.ucar.edu/netcdf-c/current/netcdf_8h.html. Those of bytes are
# left out: images have all values (github.com/Unidata/netcdf4-python/issues/209).
_DEFAULTS = {
    "f4": 9.969209968386869e36,
    "f8": 9.969209968386869e36,
    "i2": -(2**15) + 1,
    "u2": 2**16 - 1,
    "i4": -(2**31) + 1,
    "u4": 2**32 - 1,
    "i8": -(2**63) + 2,
    "u8": 2**64 - 2,
}


def find_fills(array, where: str) -> list:
    """Return the values that stand for missing ones, or raise for other changes.

    ``array`` is an HDF5 dataset or a zarr array in a file that was named. Who gives the
    dataset itself has slices as h5py returns them.
    """
    changes = [name for name in _CHANGES if name in array.attrs]
    if changes:
        raise ValueError(
            f"{where!r} has the attribute {changes[0]}, which changes its values, and "
            "is read as it is stored. Give the variable of netCDF4 or xarray: "
            "xarray.open_dataset(path)[name]."
        )
    if array.dtype.base.kind not in "fiu":
        return []
    said = [np.ravel(value) for value in _iter_missing(array)]
    numbers = [
        value for values in said if values.dtype.kind in "fiu" for value in values
    ]
    default = _find_default(array)
    numbers += [] if default is None else [default]
    return [value for value in numbers if value == value]  # NaN is missing anyway


def _iter_missing(array):
    """Yield what attributes name, and what xarray writes instead of them to zarr.

    In zarr's format 3 that is a text, in format 2 the fill value of zarr itself:
    https://docs.xarray.dev/en/stable/internals/zarr-encoding-spec.html.
    """
    for name in _MISSING:
        if name in array.attrs:
            yield _decode(array.attrs[name], array.dtype)
    zarr_format = getattr(getattr(array, "metadata", None), "zarr_format", None)
    if zarr_format == 2 and "_ARRAY_DIMENSIONS" in array.attrs:
        yield np.nan if array.fill_value is None else array.fill_value


def _decode(value, dtype: np.dtype):
    """Return the float that a text stands for, if it is one of xarray's."""
    if not (isinstance(value, str) and dtype.kind == "f"):
        return value
    try:
        return np.frombuffer(b64decode(value, validate=True), "<f8")
    except (binascii.Error, ValueError):  # of another length
        return value


def _find_default(array):
    """Return the default fill value of netCDF, None in files of other programs."""
    is_netcdf = "_NCProperties" in getattr(array, "file", array).attrs
    default = _DEFAULTS.get(array.dtype.str[1:]) if is_netcdf else None
    if default is None or "_FillValue" in array.attrs:
        return None
    return array.fillvalue if array.fillvalue == array.dtype.type(default) else None


def hide_fills(rows: np.ndarray, fills: list) -> np.ndarray:
    """Return rows with a mask where values are missing."""
    mask = np.zeros(rows.shape, bool)
    for value in fills:
        mask |= rows == value
    return np.ma.array(rows, mask=mask)
