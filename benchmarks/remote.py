"""Measure passes over rows behind a web server that waits before each answer.

    python benchmarks/remote.py
    python benchmarks/remote.py --quick
    python benchmarks/remote.py --obstore --kinds npy   # beside fsspec's own requests

The server runs on the same machine, in a process of its own.
docs/measured/remote.md says what the columns mean.
"""

import argparse
import io
import multiprocessing
import sys
import time
from functools import partial
from pathlib import Path

import measure
import numpy as np

from skmmap import open_rows

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

N_FEATURES = 100
CHUNK = 5_000
_LATENCIES = [1, 3, 10, 30, 100]  # milliseconds
_HEAD = """\
| file | latency, ms | a download at once, MB/s | in order | fsspec's `open()` \
| shuffled, first epoch | second epoch |
|---|--:|--:|--:|--:|--:|--:|"""
_OBSTORE_HEAD = """\
| file | latency, ms | in order, MB/s | through obstore | shuffled | through obstore |
|---|--:|--:|--:|--:|--:|"""


def main() -> None:
    options = parse_options()
    quick = " A quick run: the figures are noise." if options.quick else ""
    print(
        f"{measure.describe_machine()}. {options.rows:,} rows of {N_FEATURES} float32,"
    )
    print(f"medians of {options.repeats} rounds, MB/s.{quick}\n")
    print(_OBSTORE_HEAD if options.obstore else _HEAD)
    for kind in options.kinds:
        for latency in options.latencies:
            print(measure_kind(kind, latency, options), flush=True)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--rows", type=int, default=500_000, help="rows of 100 float32")
    add("--repeats", type=int, default=5, help="rounds of each line")
    add("--latencies", type=float, nargs="+", default=_LATENCIES, help="milliseconds")
    add("--kinds", nargs="+", default=["npy", "parquet"])
    add("--obstore", action="store_true", help="requests of obstore beside fsspec's")
    add("--quick", action="store_true", help="see that it runs; figures are noise")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.repeats, options.latencies = 20_000, 1, [1, 10]
    return options


def serve(kind: str, n_rows: int, latency: float, connection) -> None:
    """Serve one file until the connection ends."""
    from range_server import serving

    with serving(latency=latency / 1000) as server:
        server.files["X"] = make_file(kind, n_rows)
        connection.send((f"{server.url}/X", len(server.files["X"])))
        connection.recv()


def make_file(kind: str, n_rows: int) -> bytes:
    X = np.random.default_rng(0).normal(size=(n_rows, N_FEATURES)).astype("f4")
    file = io.BytesIO()
    if kind == "npy":
        np.save(file, X)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({f"c{i}": X[:, i] for i in range(N_FEATURES)})
        pq.write_table(table, file, row_group_size=20_000, compression="NONE")
    return file.getvalue()


def measure_kind(kind: str, latency: float, options) -> str:
    """Return a line: passes over one kind of file with one latency."""
    ours, theirs = multiprocessing.Pipe()
    given = (kind, options.rows, latency, theirs)
    process = multiprocessing.get_context("spawn").Process(target=serve, args=given)
    process.start()
    url, nbytes = ours.recv()
    ways = {"download": download, "order": in_order, "plain": plain}
    ways |= {"shuffled": shuffled, "again": again}
    if options.obstore:
        order, mixed = in_order, in_blocks
        ways = {"order": order, "order, obstore": partial(through_obstore, order)}
        ways |= {"mixed": mixed, "mixed, obstore": partial(through_obstore, mixed)}
    times: dict = {name: [] for name in ways}
    for _ in range(options.repeats):
        for name, way in ways.items():
            times[name].append(way(url, kind))
    ours.send(None)
    process.join()
    said = [f"{nbytes / np.median(times[name]) / 1e6:,.0f}" for name in ways]
    return f"| {kind} | {latency:g} | {' | '.join(said)} |"


def clock(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def download(url: str, kind: str) -> float:
    import fsspec

    system, path = fsspec.core.url_to_fs(url)
    return clock(partial(system.cat_file, path))


def plain(url: str, kind: str) -> float:
    """Read by the file object of fsspec, as libraries do that take one."""
    import fsspec

    def read():
        with fsspec.open(url, "rb").open() as file:
            if kind == "npy":
                nbytes = CHUNK * N_FEATURES * 4
                while file.read(nbytes):
                    pass
            else:
                import pyarrow.parquet as pq

                for _ in pq.ParquetFile(file).iter_batches(CHUNK):
                    pass

    return clock(read)


def in_order(url: str, kind: str) -> float:
    return clock(partial(read_in_order, open_it(url, kind, None)))


def in_blocks(url: str, kind: str) -> float:
    return clock(partial(read_shuffled, open_it(url, kind, None)))


def through_obstore(way, url: str, kind: str) -> float:
    """Read in this way through obstore, which is a file system of fsspec too."""
    import fsspec
    from obstore.fsspec import register

    usual = fsspec.get_filesystem_class("http")
    register("http")
    try:
        return way(url, kind)
    finally:
        fsspec.register_implementation("http", usual, clobber=True)


def open_it(url: str, kind: str, cache):
    given: dict = {"cache": cache}
    if kind == "parquet":
        given["as_frame"] = False
    if _is_obstore():
        given["storage_options"] = {"client_options": {"allow_http": True}}
    return open_rows(url, **given)


def _is_obstore() -> bool:
    import fsspec

    return fsspec.get_filesystem_class("http").__module__.startswith("obstore")


def read_in_order(rows) -> None:
    for start in range(0, len(rows), CHUNK):
        rows.read(start, start + CHUNK)


def read_shuffled(rows) -> None:
    """Read buffers of 32 blocks from anywhere, as a shuffled fit does."""
    from skmmap.rows import find_source

    source = find_source(rows)
    block = 500
    starts = np.random.default_rng(0).permutation(len(rows) // block) * block
    for first in range(0, len(starts), 32):
        blocks = [(int(s), int(s) + block) for s in sorted(starts[first : first + 32])]
        source.read_mixed(blocks, None)


def shuffled(url: str, kind: str) -> float:
    global _rows
    _rows = open_it(url, kind, "auto")
    return clock(partial(read_shuffled, _rows))


def again(url: str, kind: str) -> float:
    """Read the same once more, which is on disk by then."""
    return clock(partial(read_shuffled, _rows))


if __name__ == "__main__":
    main()
