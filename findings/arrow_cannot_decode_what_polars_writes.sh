#!/usr/bin/env bash
# polars 2.1.0 and pyarrow 26.0.1: strings and categories of write_ipc() are read by
# pyarrow, and then almost nothing can be done with them.
#
# Arrow IPC is what the two libraries share, and pyarrow reads the file: the columns are of
# the types string_view and dictionary<values=string_view>. But its functions have no
# kernel for these: no length of a string, no take, and a category does not become the
# string that it stands for, by cast or by dictionary_decode. What works is a cast of the
# strings, of the dictionary too, to large_string before anything else.
# write_ipc(compat_level=pl.CompatLevel.oldest()) writes large_string.
#
# Output seen on 2026-11-27:
#   text: string_view, category: dictionary<values=string_view, indices=uint32, ordered=0>
#   length of text: ArrowNotImplementedError
#   take from text: ArrowNotImplementedError
#   cast of category to string: ArrowNotImplementedError
#   category, its dictionary cast first: ['x', 'yy', 'x']
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q polars==2.1.0 pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import polars as pl
import pyarrow as pa
from pyarrow import compute

frame = pl.DataFrame({"text": ["a", "bbb", None], "category": ["x", "yy", "x"]})
frame.with_columns(pl.col("category").cast(pl.Categorical)).write_ipc("t.arrow")
table = pa.ipc.open_file("t.arrow").read_all()
text, category = (table.column(name).chunk(0) for name in ("text", "category"))
print(f"text: {text.type}, category: {category.type}")
CALLS = {
    "length of text": lambda: compute.utf8_length(text),
    "take from text": lambda: text.take(pa.array([0])),
    "cast of category to string": lambda: category.cast(pa.large_string()),
}
for name, call in CALLS.items():
    try:
        seen = call()
    except pa.ArrowNotImplementedError as error:
        print(f"{name}: {type(error).__name__}")
    else:
        raise SystemExit(f"{name} works: {seen}")
decoded = category.dictionary.cast(pa.large_string()).take(category.indices).to_pylist()
print(f"category, its dictionary cast first: {decoded}")
assert decoded == ["x", "yy", "x"]
PY
