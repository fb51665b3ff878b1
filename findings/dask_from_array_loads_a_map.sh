#!/usr/bin/env bash
# dask 2026.8.0: dask.array.from_array(np.load(path, mmap_mode="r")) copies the whole file
# into memory, before anything is computed.
#
# It is the usual way to have an array on disk in blocks, and nothing in its documentation
# says so. It calls copy() on whatever has it; the copy of a map is of the class of maps,
# but its values are in memory, and it has forgotten its file.
#
# Output seen on 2026-11-27:
#   memory taken by from_array: 200 MB of a file of 200 MB
#   in the graph: memmap of None, 200 MB
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q dask==2026.8.0 numpy==2.4.0
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import tracemalloc

import dask.array as da
import numpy as np

MB = 10**6
np.save("X.npy", np.zeros((1_000_000, 25)))
rows = np.load("X.npy", mmap_mode="r")

tracemalloc.start()
array = da.from_array(rows, chunks=(10_000, 25))
taken = round(tracemalloc.get_traced_memory()[0] / MB)
print(f"memory taken by from_array: {taken} MB of a file of {rows.nbytes // MB} MB")
(kept,) = (v for v in dict(array.dask).values() if isinstance(v, np.ndarray))
print(f"in the graph: {type(kept).__name__} of {kept.filename}, {kept.nbytes // MB} MB")
assert taken >= 200
assert kept.filename is None
PY
