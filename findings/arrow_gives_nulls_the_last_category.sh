#!/usr/bin/env bash
# pyarrow 26.0.1: to_numpy() of a column of categories has the last category wherever a
# value is missing. to_numpy() of the same values as an array, not as a column, has None.
#
# A categorical column of pandas in a Parquet file comes back as such a column, and
# table["y"].to_numpy() looks like the way to get labels. No warning is given: a missing
# label becomes a label. Of numbers the last one appears instead of NaN. The code of a
# null is -1, which NumPy counts from the end. to_pylist() and to_pandas() are right;
# cast the column to the type of its values before to_numpy().
#
# Reported for arrays, and mended for these alone:
# https://github.com/apache/arrow/pull/10101 (ARROW-9594)
#
# Output seen on 2026-11-29:
#   dictionary<values=string, indices=int8, ordered=0>, 1 null
#   to_pylist: ['oak', None, 'ash', 'elm']
#   column.to_numpy: ['oak', 'oak', 'ash', 'elm']
#   np.asarray(column): ['oak', 'oak', 'ash', 'elm']
#   array.to_numpy: ['oak', None, 'ash', 'elm']
#   cast first: ['oak', None, 'ash', 'elm']
#   numbers: [5, 7, 7]
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyarrow==26.0.1 pandas==3.0.1 numpy==2.4.1
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

kinds = pd.Categorical(["oak", None, "ash", "elm"], ["ash", "elm", "oak"])
pd.DataFrame({"y": kinds}).to_parquet("t.parquet")
column = pq.read_table("t.parquet")["y"]
values = column.to_pylist()
print(f"{column.type}, {column.null_count} null")
print("to_pylist:", values)
print("column.to_numpy:", column.to_numpy().tolist())
print("np.asarray(column):", np.asarray(column).tolist())
array = column.combine_chunks().to_numpy(zero_copy_only=False)
print("array.to_numpy:", array.tolist())
cast = column.cast(pa.string()).to_numpy()
print("cast first:", cast.tolist())
numbers = pa.chunked_array([pa.array([5, None, 7]).dictionary_encode()]).to_numpy()
print("numbers:", numbers.tolist())
assert array.tolist() == cast.tolist() == values
assert column.to_numpy().tolist() == ["oak", "oak", "ash", "elm"]
assert numbers.tolist() == [5, 7, 7]
PY
