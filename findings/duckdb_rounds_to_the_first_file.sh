#!/usr/bin/env bash
# DuckDB 2.0.1: of several Parquet files, the first one says of which types the columns are,
# and numbers of the others are rounded to these without a word.
#
# part-0 holds the integer 1, part-1 the float 1.7. One would expect an error, or 1.7: the
# query gives 2. A column that only part-1 has is left out. Which file is the first is a
# matter of names, so a float column of which one part happens to hold whole numbers is
# enough. With union_by_name=true the same files give 1.7, and the column.
#
# Output seen on 2026-11-27:
#   by default:         [(1, 10), (2, 20)] of INTEGER, INTEGER
#   union_by_name=true: [(1.0, 10, None), (1.7, 20, 5)] of DOUBLE, INTEGER, INTEGER
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q duckdb==2.0.1
cd "$folder"
venv/bin/python - <<'PY'
import duckdb

duckdb.sql("COPY (SELECT 1 AS x, 10 AS y) TO 'part-0.parquet'")
duckdb.sql("COPY (SELECT 1.7::DOUBLE AS x, 20 AS y, 5 AS late) TO 'part-1.parquet'")
default = duckdb.sql("SELECT * FROM read_parquet('part-*.parquet')")
by_name = duckdb.sql("SELECT * FROM read_parquet('part-*.parquet', union_by_name=true)")
for name, rows in {"by default:": default, "union_by_name=true:": by_name}.items():
    print(f"{name:<19} {rows.fetchall()} of {', '.join(map(str, rows.types))}")
assert default.fetchall() == [(1, 10), (2, 20)]
assert by_name.fetchall() == [(1.0, 10, None), (1.7, 20, 5)]
PY
