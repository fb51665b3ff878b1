"""Measure rows of a query against the same query that is collected: time and memory.

    python benchmarks/streams.py
    python benchmarks/streams.py --rows 200000 --repeats 1

A Parquet table of six numbers and two texts, of which one column more is computed: by
polars and by DuckDB, collected as the library does it, and by `open_rows`. Then one
pass over its rows by 20,000, and a fit of SGDClassifier on four of its numbers in five
shuffled epochs: from the temporary file of `open_rows`, and from a Parquet file of the
same rows. Each figure is of a process of its own; the ways take turns in each round.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from measure import describe_machine, find_quartiles

QUERIES = {
    "polars": "polars.scan_parquet(path).with_columns(s=polars.col.x0 + polars.col.x1)",
    "duckdb": "duckdb.sql(f\"SELECT *, x0 + x1 AS s FROM '{path}'\")",
}
COLLECT = {"polars": "query.collect()", "duckdb": "query.to_arrow_table()"}
NUMBERS = ["x0", "x1", "x2", "x3"]


def write_table(path: Path, n_rows: int) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=n_rows) for name in NUMBERS}
    columns["age"] = rng.integers(0, 90, n_rows)
    columns["n"] = pa.array(
        rng.integers(0, 10**6, n_rows), mask=rng.random(n_rows) < 0.1
    )
    columns["kind"] = rng.choice(["oak", "ash", "elm", "beech"], n_rows)
    columns["id"] = np.char.add("tree ", rng.integers(0, 10**7, n_rows).astype(str))
    parquet.write_table(pa.table(columns), path, row_group_size=100_000)


def read_anonymous() -> float:
    with open("/proc/self/status") as file:
        found = next(line for line in file if line.startswith("RssAnon"))
    return int(found.split()[1]) / 1e3


def measure(call) -> dict:
    """Return seconds, and by how many MB anonymous memory grew at most."""
    before, peak, is_over = read_anonymous(), [0.0], threading.Event()

    def watch():
        while not is_over.wait(0.002):
            peak[0] = max(peak[0], read_anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    kept = call()
    seconds = time.perf_counter() - began
    peak[0] = max(peak[0], read_anonymous())
    is_over.set()
    watcher.join()
    del kept
    return {"seconds": seconds, "MB": peak[0] - before}


def run_query(library: str, way: str, path: str) -> dict:
    module = __import__(library)
    from skmmap import open_rows

    open_rows(np.ones((2, 2)))  # what is imported then
    query = eval(QUERIES[library], {library: module, "path": path})
    if way == "collected":
        return measure(lambda: eval(COLLECT[library], {"query": query}))
    return measure(lambda: open_rows(query))


def run_reading(way: str, path: str) -> dict:
    import polars
    from sklearn.linear_model import SGDClassifier

    from skmmap import ChunkedFit, open_rows

    table = open_rows(polars.scan_parquet(path) if way == "temporary file" else path)
    X, y = (
        open_rows(table, columns=NUMBERS),
        open_rows(table, columns="age").read() > 45,
    )
    model = ChunkedFit(
        SGDClassifier(max_iter=5, tol=None), random_state=0, memory_limit="16MB"
    )

    def read_all():
        for start in range(0, len(table), 20_000):
            table.read(start, start + 20_000)

    passed = measure(read_all)["seconds"]
    return {"pass": passed, "fit": measure(lambda: model.fit(X, y))["seconds"]}


WAYS = {
    **{f"{lib}, collected": (run_query, lib, "collected") for lib in QUERIES},
    **{f"{lib}, open_rows": (run_query, lib, "open_rows") for lib in QUERIES},
    "temporary file": (run_reading, "temporary file"),
    "Parquet file": (run_reading, "Parquet file"),
}


def run_way(name: str, path: Path) -> dict:
    command = [sys.executable, __file__, "--way", name, "--path", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def run(n_rows: int, repeats: int) -> None:
    print(describe_machine())
    found: dict = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        write_table(path, n_rows)
        print(f"{n_rows:,} rows, {path.stat().st_size / 1e6:.0f} MB as Parquet")
        for number in range(repeats):
            for name in sorted(WAYS, reverse=number % 2):
                found[name].append(run_way(name, path))
    for lib in QUERIES:
        say(f"{lib}, open_rows", f"{lib}, collected", found)
    say("temporary file", "Parquet file", found)


def say(name: str, base: str, found: dict) -> None:
    for key in found[name][0]:
        ours, theirs = (
            np.array([each[key] for each in found[n]]) for n in (name, base)
        )
        low, middle, high = find_quartiles(ours / theirs)
        print(
            f"{key}: {name} {np.median(ours):.2f}, {base} {np.median(theirs):.2f}; "
            f"ratio {middle:.2f} ({low:.2f} to {high:.2f})"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        function, *arguments = WAYS[given.way]
        print(json.dumps(function(*arguments, given.path)))
    else:
        run(given.rows, given.repeats)
