#!/usr/bin/env bash
# netCDF4 1.7.5.1.post1: variable.dtype is not the type of variable[:] where the attribute _Unsigned
# says that integers have no sign, though nothing is scaled and nothing is masked.
#
# Classic netCDF files have no unsigned integers, and mark them so. dtype is int16, slices
# are uint16; an array made by np.empty(shape, variable.dtype) and filled from slices, as
# one reads a large variable piece by piece, holds -25536 for 40000, without an error.
# The same goes for scale_factor and add_offset, which are better known: dtype is int16 and
# slices are float64. Read the type from a slice: variable[:0].dtype.
#
# Output seen on 2026-11-27:
#   unsigned: dtype int16, slices uint16: 40000 is filled in as -25536
#   scaled:   dtype int16, slices float64: 0.5 is filled in as 0
#   of an empty slice: uint16, float64
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q netCDF4==1.7.5.1.post1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import netCDF4
import numpy as np

with netCDF4.Dataset("x.nc", "w", format="NETCDF3_CLASSIC") as file:
    file.createDimension("row", 2)
    for name, attribute, value in [
        ("unsigned", "_Unsigned", "true"),
        ("scaled", "scale_factor", 0.5),
    ]:
        variable = file.createVariable(name, "i2", ("row",))
        variable.set_auto_maskandscale(False)
        variable[:] = np.array([40_000, 1], np.uint16).view(np.int16)
        variable.setncattr(attribute, value)

with netCDF4.Dataset("x.nc") as file:
    for name, row, lost in [("unsigned", 0, -25_536), ("scaled", 1, 0)]:
        variable = file[name]
        filled = np.empty(variable.shape, variable.dtype)
        filled[:] = variable[:]
        shown, said = variable[:], f"{name + ':':<9} dtype {variable.dtype}, slices "
        print(f"{said}{shown.dtype}: {shown[row]} is filled in as {filled[row]}")
        assert variable.dtype == np.int16 != shown.dtype
        assert filled[row] == lost != shown[row]
    types = file["unsigned"][:0].dtype, file["scaled"][:0].dtype
    print("of an empty slice:", *(f"{types[0]},", types[1]))
    assert types == (np.uint16, np.float64)
PY
