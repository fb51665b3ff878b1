#!/usr/bin/env bash
# anndata 0.12.19 with h5py 3.16.0: write_h5ad stores the arrays of a sparse matrix in chunks, though
# nothing is compressed and no chunks were asked for.
#
# h5py's create_dataset(name, data=array) writes one piece, whose offset in the file is
# known, so that it can be mapped. anndata gives maxshape=(None,) to the three arrays, to
# append to them later, and HDF5 can only make arrays larger that are chunked. A million
# values lie in pieces of 7,813 of them, 31 kB each: no map, and a lookup for each piece.
# Dense arrays of the same file are in one piece.
#
# Output seen on 2026-11-29:
#   X/data:       chunks (7813,), offset None
#   X/indices:    chunks (7813,), offset None
#   layers/dense: chunks None, offset known
#   bytes are in the file as they are: True
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q anndata==0.12.19 h5py==3.16.0 numpy==2.4.6 scipy==1.17.1 pandas==2.3.3
cd "$folder"
venv/bin/python - <<'PY'
import anndata
import h5py
import numpy as np
from scipy import sparse

n_rows, n_columns = 10_000, 100
values = np.arange(1, n_rows * n_columns + 1, dtype=np.float32)
dense = values.reshape(n_rows, n_columns)
data = anndata.AnnData(X=sparse.csr_matrix(dense), layers={"dense": dense})
data.write_h5ad("a.h5ad")

with h5py.File("a.h5ad") as file:
    for name in "X/data", "X/indices", "layers/dense":
        stored = file[name]
        offset = stored.id.get_offset()
        known = None if offset is None else "known"
        print(f"{name + ':':<13} chunks {stored.chunks}, offset {known}")
        is_sparse = name.startswith("X/")
        assert (stored.chunks is not None) == (offset is None) == is_sparse
        assert stored.compression is None
    chunk = file["X/data"].chunks[0]
    place = file["X/data"].id.get_chunk_info(1).byte_offset
with open("a.h5ad", "rb") as file:
    file.seek(place)
    is_plain = file.read(4 * chunk) == values[chunk : 2 * chunk].tobytes()
print("bytes are in the file as they are:", is_plain)
assert is_plain
PY
