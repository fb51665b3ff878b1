#!/usr/bin/env bash
# astropy 8.0.2 reads all rows but the first from other places where TDIM of the last column
# of a binary table has fewer values than are stored. There is no error and no warning.
#
# The FITS standard (4.0, section 7.3.2) says that TDIM may be smaller than the repeat count
# in TFORM; what is stored beyond has no meaning. In other columns astropy skips it. Its
# type of a row ends with the values of the last column, so that rows are 24 bytes here where
# the header says NAXIS1 = 32, and row 2 begins in what is left of row 1. Writing a column
# that nobody needs behind it helps, or reading the bytes of rows by NAXIS1.
#
# Output seen on 2026-11-29:
#   NAXIS1: 32, bytes of a row in astropy's type: 24
#   stored:                   [[0, 1, 2, 3, 4, 5], [8, 9, 10, 11, 12, 13], [16, 17, 18, 19, 20, 21]]
#   read as the last column:  [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11], [12, 13, 14, 15, 16, 17]]
#   read as the first of two: [[0, 1, 2, 3, 4, 5], [8, 9, 10, 11, 12, 13], [16, 17, 18, 19, 20, 21]]
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q astropy==8.0.2 numpy==2.4.6
cd "$folder"
venv/bin/python -W error - <<'PY'
import numpy as np
from astropy.io import fits

values = np.arange(3 * 8).reshape(3, 8)
column = fits.Column("a", "8J", array=values)
other = fits.Column("b", "J", array=[1, 2, 3])
read = []
for columns in ([column], [column, other]):
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header["TDIM1"] = "(2,3)"
    hdu.writeto("x.fits", overwrite=True)
    with fits.open("x.fits") as hdus:
        data, header = hdus[1].data, hdus[1].header
        assert (header["TFORM1"], header["TDIM1"]) == ("8J", "(2,3)")
        assert data["a"].shape == (3, 3, 2)
        read.append(data["a"].reshape(3, 6).tolist())
        if len(columns) == 1:
            sizes = header["NAXIS1"], data.dtype.itemsize
        del data

print(f"NAXIS1: {sizes[0]}, bytes of a row in astropy's type: {sizes[1]}")
assert sizes == (32, 24)
stored = values[:, :6].tolist()
print("stored:                  ", stored)
print("read as the last column: ", read[0])
print("read as the first of two:", read[1])
assert read[0] == np.arange(18).reshape(3, 6).tolist() != stored
assert read[1] == stored
PY
