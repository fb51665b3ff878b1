#!/usr/bin/env bash
# zarr 3.1.6: an array that is open goes on reading a folder in which another array has been
# written meanwhile, and hands out its bytes as numbers of the old type.
#
# The array is float64 when it is opened. The folder is removed, and an int64 array of
# another shape is written in its place, as a job does that writes its results again. One
# would expect an error (h5py and an open file would still see the old data): the values are
# those whose bits are the integers, under the old shape and type; behind the new array's
# end they are the fill value. The metadata is read when an array is opened, never again.
#
# Output seen on 2026-11-27:
#   float64 (6,) [4.9e-324 9.9e-324 1.5e-323 2.0e-323 0.0e+000 0.0e+000]
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q zarr==3.1.6 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import shutil

import numpy as np
import zarr

array = zarr.create_array("x.zarr", shape=(6,), chunks=(2,), dtype="f8")
array[:] = [1.5, 2.5, 3.5, 4.5, 5.5, 6.5]
opened = zarr.open_array("x.zarr", mode="r")
shutil.rmtree("x.zarr")
zarr.create_array("x.zarr", shape=(4,), chunks=(2,), dtype="i8")[:] = [1, 2, 3, 4]
values = opened[:]
print(values.dtype, values.shape, values)
assert (values.dtype, values.shape) == (np.float64, (6,))
assert values[:4].view(np.int64).tolist() == [1, 2, 3, 4]
assert values[4:].tolist() == [0, 0]
PY
