#!/usr/bin/env bash
# netCDF4 1.7.5.1.post1: 255 in a variable of unsigned bytes, and -127 in one of signed
# bytes, come back as missing, though they were written and no attribute says that
# anything is missing.
#
# 255 and -127 are what the netCDF library fills new bytes with, and netCDF4 takes them for
# missing in every variable, images of all 256 values included; xarray returns the numbers.
# A mean of slices leaves the brightest pixels out, and np.asarray brings them back without
# a word. variable.set_auto_mask(False) returns what is there. Reported in 2013 as
# https://github.com/Unidata/netcdf4-python/issues/209.
#
# Output seen on 2026-11-27:
#   u1: written [  0 255 255   1], netCDF4 [0 -- -- 1], mean 0.5; xarray [  0 255 255   1]
#   i1: written [   0 -127 -127    1], netCDF4 [0 -- -- 1], mean 0.5; xarray [   0 -127 -127    1]
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q netCDF4==1.7.5.1.post1 numpy==2.4.6 xarray==2026.9.0
cd "$folder"
venv/bin/python - <<'PY'
import netCDF4
import numpy as np
import xarray

for dtype, value in [("u1", 255), ("i1", -127)]:
    written = np.array([0, value, value, 1], dtype)
    with netCDF4.Dataset("x.nc", "w") as file:
        file.createDimension("row", len(written))
        file.createVariable("x", dtype, ("row",))[:] = written
    with netCDF4.Dataset("x.nc") as file:
        assert not file["x"].ncattrs()
        shown = file["x"][:]
        file["x"].set_auto_mask(False)
        assert np.array_equal(file["x"][:], written)
    with xarray.open_dataset("x.nc") as file:
        plain = file["x"].values
    said = f"written {str(written)}, netCDF4 {shown}, mean {shown.mean()}"
    print(f"{dtype}: {said}; xarray {plain}")
    assert shown.mask.tolist() == [False, True, True, False] and shown.mean() == 0.5
    assert np.array_equal(plain, written)
PY
