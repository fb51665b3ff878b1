#!/usr/bin/env bash
# joblib 1.6.0 with NumPy 2.4.6: a memory map that was opened with mmap_mode="c" reaches
# worker processes without what was written to it.
#
# Copy-on-write maps are how one changes an array that lies on the disk without changing the
# file, for example to clean labels. joblib sends maps to its workers as the address of their
# file, which is right for "r" and "r+". It does so for "c" as well, and there the changes
# are in the memory of this process only. One would expect the worker to see the array, as
# it does when the array is small and in memory, and as threads and pickle.dumps do: it sees
# the old values, and nothing is said.
#
# Output seen on 2026-11-27:
#   here 10.0 threads 10.0 processes 0.0
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q joblib==1.6.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import joblib
import numpy as np

np.save("x.npy", np.zeros(10))
x = np.load("x.npy", mmap_mode="c")
x[:] = 1
sums = {
    kind: joblib.Parallel(n_jobs=2, prefer=kind)([joblib.delayed(np.sum)(x)])[0]
    for kind in ("threads", "processes")
}
print("here", float(x.sum()), *(f"{kind} {value}" for kind, value in sums.items()))
assert x.sum() == 10
assert sums == {"threads": 10, "processes": 0}
PY
