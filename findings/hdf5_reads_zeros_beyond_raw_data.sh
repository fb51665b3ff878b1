#!/usr/bin/env bash
# h5py 3.16.0 (HDF5 2.0.0): a dataset whose raw data lie in a file of their own, which has been
# cut short, reads as zeros from there on.
#
# HDF5 can name a file that has been there before as the data of a dataset (external
# storage), which is how existing binary files get an HDF5 face without being copied. One
# would expect what h5py does when the HDF5 file itself is cut ("truncated file") or when the
# raw file is missing ("unable to open external raw data file"): an error. A copy that was
# interrupted trains on zeros instead.
#
# Output seen on 2026-11-27:
#   [5. 5. 5. 0. 0. 0.]
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q h5py==3.16.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import os

import h5py
import numpy as np

np.full(6, 5.0).tofile("x.bin")
with h5py.File("x.h5", "w") as file:
    file.create_dataset("x", (6,), "f8", external=[("x.bin", 0, 48)])
os.truncate("x.bin", 24)
with h5py.File("x.h5", "r") as file:
    values = file["x"][:]
print(values)
assert values.tolist() == [5, 5, 5, 0, 0, 0]
PY
