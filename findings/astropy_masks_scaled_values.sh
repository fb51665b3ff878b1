#!/usr/bin/env bash
# astropy 8.0.2: Table.read takes TNULL for a scaled value: the missing number is shown, and
# a value that happens to be equal to TNULL after scaling is masked. And BLANK = 0 in the
# header of an image is ignored, while any other BLANK gives NaN.
#
# TNULLn and BLANK are integers as they are stored, before TSCALn and TZEROn (FITS standard
# 4.0, sections 7.3.2 and 4.4.2.5). Here 4 is missing: 2, 4, 8 with TSCAL1 = 0.5 are 1.0,
# missing, 4.0. Compare what is stored instead: hdu.data.view(numpy.ndarray) has it, in
# big-endian order; and for images, fits.open(..., do_not_scale_image_data=True).
#
# Output seen on 2026-11-29:
#   stored 2, 4, 8, TNULL 4, TSCAL 0.5: shown [1.0, 2.0, None]
#   stored 0, 1, 2, BLANK 1: [0.0, nan, 2.0]
#   stored 0, 1, 2, BLANK 0: [0.0, 1.0, 2.0]
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q astropy==8.0.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import numpy as np
from astropy.io import fits
from astropy.table import Table

column = fits.Column("a", "J", array=[2, 4, 8])
fits.BinTableHDU.from_columns([column]).writeto("table.fits")
with fits.open("table.fits", mode="update") as hdus:  # values stay as they are
    hdus[1].header.update({"TNULL1": 4, "TSCAL1": 0.5})
with fits.open("table.fits") as hdus:
    assert hdus[1].data.view(np.ndarray)["a"].tolist() == [2, 4, 8]
shown = Table.read("table.fits")["a"].tolist()
print("stored 2, 4, 8, TNULL 4, TSCAL 0.5: shown", shown)
assert shown == [1.0, 2.0, None]

for blank, is_missing in [(1, True), (0, False)]:
    fits.PrimaryHDU(np.array([0, 1, 2], "i2")).writeto("image.fits", overwrite=True)
    with fits.open("image.fits", "update", do_not_scale_image_data=True) as hdus:
        hdus[0].header["BLANK"] = blank
    values = fits.getdata("image.fits").tolist()
    print(f"stored 0, 1, 2, BLANK {blank}:", values)
    assert np.isnan(values[blank]) == is_missing
PY
