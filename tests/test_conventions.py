"""Attributes that say what stored values are: opened by a path, they count."""

import pickle

import h5py
import numpy as np
import pytest
import zarr
from helpers import raises
from sklearn.linear_model import SGDRegressor
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, open_rows

VALUES = np.arange(60, dtype="f4").reshape(20, 3)


def write_hdf(path, values=VALUES, root=(), **attributes):
    with h5py.File(path, "w") as file:
        file["X"] = values
        file["X"].attrs.update(attributes)
        file.attrs.update(dict.fromkeys(root, "version=2"))
    return path


def write_zarr(path, values=VALUES, zarr_format=3, fill_value=0, **attributes):
    group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
    array = group.create_array(
        "X", shape=values.shape, dtype=values.dtype, fill_value=fill_value
    )
    array[:] = values
    array.attrs.update(attributes)
    return path


WRITERS = {"a.h5": write_hdf, "a.he5": write_hdf, "a.zarr": write_zarr}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("attribute", ["_FillValue", "missing_value"])
def test_missing_values_are_nan(name, attribute, tmp_path):
    path = WRITERS[name](tmp_path / name, **{attribute: 7.0})
    rows = open_rows(path, key="X")
    expected = np.where(VALUES == 7, np.nan, VALUES)
    np.testing.assert_array_equal(np.asarray(rows), expected)
    again = pickle.loads(pickle.dumps(rows[[2, 1]]))
    np.testing.assert_array_equal(again.read(), expected[[2, 1]])
    with rows:
        np.testing.assert_array_equal(rows.read(2, 4), expected[2:4])
    with pytest.raises(ValueError, match="NaN"):
        ChunkedFit(SGDRegressor()).fit(open_rows(path, key="X"), np.arange(20.0))


@pytest.mark.parametrize("name", WRITERS)
def test_missing_integers_are_refused(name, tmp_path):
    path = WRITERS[name](tmp_path / name, VALUES.astype("i4"), _FillValue=31)
    rows = open_rows(path, key="X")
    assert np.array_equal(rows.read(0, 10), VALUES[:10])
    where = f"{name}:/X"
    text = (
        f"{where} has a missing value (stored as 31) in row 10, and int32 has no NaN "
        "for it. Write the rows with a value for what is missing, such as "
        "np.ma.filled(rows, -1), or as floats; or give the open dataset, whose values "
        "are taken as they are stored."
    )
    with raises(ValueError, text):
        ChunkedFit(StandardScaler()).fit(rows)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_as_xarray_writes_it(zarr_format, dtype, tmp_path):
    """A float is written as a text, or as the fill value of zarr."""
    xr = pytest.importorskip("xarray")
    values = np.where(VALUES == 7, np.nan, VALUES)
    encoding = {"X": {"_FillValue": -9.0 if dtype != "i2" else -9, "dtype": dtype}}
    xr.Dataset({"X": (("row", "column"), values)}).to_zarr(
        tmp_path / "a.zarr",
        zarr_format=zarr_format,
        consolidated=False,
        encoding=encoding,
    )
    rows = open_rows(tmp_path / "a.zarr", key="X")
    if dtype == "i2":
        with pytest.raises(ValueError, match=r"\(stored as -9\) in row 2, and int16"):
            rows.read()
    else:
        np.testing.assert_array_equal(rows.read(), values)
    given = open_rows(zarr.open(str(tmp_path / "a.zarr"))["X"])
    assert given.read()[2, 1] == -9


@pytest.mark.parametrize("fill", [None, 31.0])
def test_only_xarrays_fill_value_of_zarr_is_missing(fill, tmp_path):
    path = write_zarr(tmp_path / "a.zarr", zarr_format=2, fill_value=fill)
    assert np.array_equal(np.asarray(open_rows(path, key="X")), VALUES)
    zarr.open(str(path))["X"].attrs["_ARRAY_DIMENSIONS"] = ["row", "column"]
    expected = VALUES if fill is None else np.where(VALUES == 31, np.nan, VALUES)
    np.testing.assert_array_equal(np.asarray(open_rows(path, key="X")), expected)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("attribute", ["scale_factor", "add_offset", "_Unsigned"])
def test_scales_are_refused(name, attribute, tmp_path):
    path = WRITERS[name](tmp_path / name, **{attribute: "true"})
    said = (
        f"'{name}:/X' has the attribute {attribute}, which changes its values, and is "
        "read as it is stored. Give the variable of netCDF4 or xarray: "
        "xarray.open_dataset(path)[name]."
    )
    with raises(ValueError, said):
        open_rows(path, key="X")


def test_a_dataset_that_is_given_is_what_its_slices_are(tmp_path):
    write_hdf(tmp_path / "a.h5", _FillValue=7.0, scale_factor=2.0)
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(np.asarray(open_rows(file["X"])), VALUES)
    write_zarr(tmp_path / "a.zarr", _FillValue=7.0)
    array = zarr.open(str(tmp_path / "a.zarr"))["X"]
    assert np.array_equal(np.asarray(open_rows(array)), VALUES)


@pytest.mark.parametrize("value", [np.nan, "none", "AAAA", "é", b"none"])
@pytest.mark.parametrize("name", ["a.h5", "a.zarr"])
def test_attributes_that_say_nothing(name, value, tmp_path):
    if name == "a.zarr" and isinstance(value, bytes):
        return  # which JSON has not
    path = WRITERS[name](tmp_path / name, _FillValue=value)
    assert np.array_equal(np.asarray(open_rows(path)), VALUES)


def test_the_fill_value_of_netcdf_counts_in_its_files_only(tmp_path):
    values = np.full((4, 2), np.float32(9.969209968386869e36))
    values[1:] = 1
    for root, first in [((), values[0]), (("_NCProperties",), [np.nan] * 2)]:
        with h5py.File(tmp_path / "a.nc", "w") as file:
            file.create_dataset("X", data=values, fillvalue=values[0, 0])
            file.attrs.update(dict.fromkeys(root, "version=2"))
        rows = np.asarray(open_rows(tmp_path / "a.nc"))
        np.testing.assert_array_equal(rows, [first, *values[1:]])
    with h5py.File(tmp_path / "a.nc", "w") as file:  # 0 is h5py's, not netCDF's
        file["X"] = np.zeros((4, 2), "f4")
        file.attrs["_NCProperties"] = "version=2"
    assert not np.isnan(np.asarray(open_rows(tmp_path / "a.nc"))).any()


@pytest.mark.parametrize(
    "dtype", ["f4", "f8", "i2", "u2", "i4", "u4", "i8", "u8", "i1"]
)
def test_files_of_netcdf4_are_what_netcdf4_returns(dtype, tmp_path):
    netCDF4 = pytest.importorskip("netCDF4")
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("row", 5)
        file.createVariable("X", dtype, ("row",))[:3] = [1, 2, 3]
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        returned = file["X"][:]
    rows = open_rows(tmp_path / "a.nc", key="X")
    assert np.array_equal(rows.read(0, 3), returned[:3])
    if np.dtype(dtype).kind == "f":
        assert np.isnan(rows.read(3, 5)).all() == returned[3:].mask.all()
    elif dtype == "i1":  # as xarray: of bytes, all values are values
        assert np.array_equal(rows.read(), returned.data)
    else:
        with pytest.raises(ValueError, match="in row 3, and"):
            rows.read()


@pytest.mark.parametrize("dtype", ["(3,)f4", "(3,)>i2", "(2, 1)f8"])
def test_types_that_are_arrays_are_dimensions(tmp_path, dtype):
    """As in slices of h5py."""
    shape = (5, *np.dtype(dtype).shape)
    values = np.arange(np.prod(shape)).reshape(shape)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("X", (5,), dtype)[...] = values
        assert file["X"][:].shape == shape
        given = open_rows(file["X"])
        assert np.array_equal(given.read(), values)
    rows = pickle.loads(pickle.dumps(open_rows(tmp_path / "a.h5")))
    for found in (given, rows):
        assert found.shape == shape
        assert found.dtype == np.dtype(dtype).base.str[1:]
    assert np.array_equal(rows.read(1, 3), values[1:3])
