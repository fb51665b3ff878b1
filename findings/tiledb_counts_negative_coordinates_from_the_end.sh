#!/usr/bin/env bash
# tiledb 0.36.1 for Python: coordinates below zero in a slice of an array count from the end of
# its domain, although the domain has cells at these coordinates.
#
# Indices of TileDB are coordinates: of a domain from 5 to 104, A[5:8] are the first three
# cells, and A[0] is an error. So A[-2] of a domain from -3 to 6 should be the cell at -2. It
# is the one at 5, without an error. multi_index takes coordinates as they are, and both ends
# of its slices are included.
#
# Output seen on 2026-11-29, each cell holds its coordinate:
#   domain -3 to 6: A[-2] = 5.0, A[-3:-1] = [4.0], multi_index[-3:-2] = [-3.0, -2.0]
#   domain 5 to 14: A[5:8] = [5.0, 6.0, 7.0]
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tiledb==0.36.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import numpy as np
import tiledb


def write(path, first, last):
    dimension = tiledb.Dim("row", domain=(first, last), tile=5, dtype=np.int64)
    attribute = tiledb.Attr("a", dtype=np.float64)
    schema = tiledb.ArraySchema(tiledb.Domain(dimension), attrs=[attribute])
    tiledb.Array.create(path, schema)
    with tiledb.open(path, "w") as array:
        array[:] = np.arange(first, last + 1, dtype=float)


def values(read):
    return np.asarray(read["a"] if isinstance(read, dict) else read).tolist()


write("below", -3, 6)
write("above", 5, 14)
with tiledb.open("below") as array:
    one, some = values(array[-2]), values(array[-3:-1])
    exact = values(array.multi_index[-3:-2])
with tiledb.open("above") as array:
    plain = values(array[5:8])
print(f"domain -3 to 6: A[-2] = {one}, A[-3:-1] = {some}, multi_index[-3:-2] = {exact}")
print(f"domain 5 to 14: A[5:8] = {plain}")
assert (one, some, exact) == (5.0, [4.0], [-3.0, -2.0])
assert plain == [5.0, 6.0, 7.0]
PY
