#!/usr/bin/env bash
# DuckDB 2.0.1: Ctrl-C during a query raises a RuntimeError, not KeyboardInterrupt.
#
# Whoever presses Ctrl-C expects KeyboardInterrupt, which "except Exception" does not
# catch: a script that notes the errors of its queries and goes on cannot be stopped. DuckDB
# raises RuntimeError('Query interrupted'), without a KeyboardInterrupt as its cause, from
# whatever method runs the query. con.interrupt() of another thread is told apart: that
# raises InterruptException. When the error comes differs from run to run: at once, or at
# the end of the query (seen: 1 s and 29 s of the same query on busy cores).
#
# Output seen on 2026-11-28:
#   fetchall, Ctrl-C:           RuntimeError('Query interrupted'), cause None
#   to_arrow_reader, Ctrl-C:    RuntimeError('Query interrupted'), cause None
#   __arrow_c_stream__, Ctrl-C: RuntimeError('Query interrupted'), cause None
#   fetchall, con.interrupt():  InterruptException('INTERRUPT Error: Interrupted!'), cause None
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q duckdb==2.0.1 pyarrow==26.0.1
cd "$folder"
venv/bin/python - <<'PY'
import os
import signal
from threading import Timer

import duckdb
import pyarrow as pa

con = duckdb.connect()
con.sql("SET threads = 2")
N = 20_000
QUERY = f"SELECT a.range, sum(b.range) FROM range({N}) a, range({N}) b GROUP BY 1"


def press():
    os.kill(os.getpid(), signal.SIGINT)


WAYS = {
    "fetchall, Ctrl-C": (lambda relation: relation.fetchall(), press),
    "to_arrow_reader, Ctrl-C": (lambda relation: relation.to_arrow_reader(), press),
    "__arrow_c_stream__, Ctrl-C": (pa.RecordBatchReader.from_stream, press),
    "fetchall, con.interrupt()": (lambda relation: relation.fetchall(), con.interrupt),
}
for name, (read, stop) in WAYS.items():
    timer = Timer(0.5, stop)
    timer.start()
    try:
        read(con.sql(QUERY))
    except BaseException as error:
        print(f"{name + ':':<27} {error!r}, cause {error.__cause__!r}")
        expected = RuntimeError if stop is press else duckdb.InterruptException
        assert type(error) is expected
    else:
        raise AssertionError(f"{name}: the query ended before it was interrupted")
    timer.join()
PY
