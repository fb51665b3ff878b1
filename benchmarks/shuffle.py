"""Measure a shuffled epoch against one in file order, from the disk and from memory.

    python benchmarks/shuffle.py
    python benchmarks/shuffle.py --quick

See docs/measured/shuffling.md for what the columns mean.
"""

import argparse
import os
import tempfile
from pathlib import Path

import measure
import numpy as np
from memory import one_thread
from rows import (
    drop_cache,
    find_ratios,
    judge,
    run_rounds,
    say_ms,
    say_ratio,
    touch,
    write_file,
)
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier

from skmmap import ChunkedFit, open_rows
from skmmap.order.chunk_size import find_buffer_rows
from skmmap.order.schedule import BlockOrder, FileOrder, find_slices
from skmmap.read import open_table
from skmmap.read.read_path import Reading
from skmmap.rows.rows import find_source

GOAL = 1.15

_LIMIT = "512MB"
_CHUNK_ROWS = 40_000
# Columns, their type, and their share of --rows.
_LAYOUTS = {
    "100 float32": (100, np.float32, 1),
    "784 uint8": (784, np.uint8, 0.5),
    "10 float32": (10, np.float32, 4),
}
_ESTIMATORS = {
    "SGDClassifier": SGDClassifier(random_state=0),
    "MLPClassifier": MLPClassifier(20, random_state=0),
}

_HEADER = """\
| an epoch of | rows | cache | shuffled / file order: median (quartiles) of rounds \
| at most 1.15 | CPU time | ms: shuffled | file order |
|---|---|:-:|--:|:-:|--:|--:|--:|"""


def main() -> None:
    options = parse_options()
    quick = " A quick run: the figures are noise." if options.quick else ""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, one_thread():
        print(f"{measure.describe_machine()}. {options.rows:,} rows.{quick}\n")
        print(_HEADER)
        for layout, (n_columns, dtype, share) in _LAYOUTS.items():
            path = Path(folder) / "X.npy"
            write_file(path, int(options.rows * share), n_columns, dtype)
            compare(path, layout, options.repeats)
            os.unlink(path)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--rows", type=int, default=5_000_000, help="rows of 100 float32 in X")
    add("--repeats", type=int, default=7, help="rounds")
    add("--folder", help="where the files are written")
    add("--quick", action="store_true", help="see that it runs; figures are noise")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.repeats = 200_000, 3
    return options


def compare(path, layout: str, repeats: int) -> None:
    """Print what an epoch takes with nothing done to the rows, and in training."""
    X = open_rows(path)
    y = np.arange(len(X)) % 2
    ways = {
        "reading": {
            "shuffled": lambda: read(X, make_order(X)),
            "in order": lambda: read(X, FileOrder(len(X), _CHUNK_ROWS)),
        }
    }
    for name, estimator in _ESTIMATORS.items():
        ways[name] = {
            "shuffled": lambda e=estimator: train(e, X, y, shuffle=True),
            "in order": lambda e=estimator: train(e, X, y, shuffle=False),
        }
    for name, pair in ways.items():
        for cache in ("cold", "warm"):
            before = (lambda: drop_cache(path)) if cache == "cold" else lambda: None
            times = run_rounds(pair, repeats, before)
            print(make_row(name, layout, cache, times), flush=True)


def make_order(X) -> BlockOrder:
    """Return the order in which ChunkedFit reads rows of such a size."""
    row_nbytes = find_source(X).row_nbytes
    buffer_rows = find_buffer_rows(_LIMIT, row_nbytes, _CHUNK_ROWS)
    slices = find_slices(buffer_rows, row_nbytes, len(X), 2)
    return BlockOrder(len(X), _CHUNK_ROWS, 1, 0, buffer_rows, slices)


def read(X, schedule) -> None:
    """Touch every value of an epoch, as fast as memory can bring them."""
    reading = Reading("auto", is_mixed=isinstance(schedule, BlockOrder))
    table = open_table(find_source(X), reading=reading)
    for chunk in table.iter_buffers(schedule.iter_buffers(0, table.group_rows)):
        touch(chunk.X)


def train(estimator, X, y, *, shuffle: bool) -> None:
    ChunkedFit(estimator, chunk_size=_CHUNK_ROWS, max_epochs=1, shuffle=shuffle).fit(
        X, y
    )


def make_row(name: str, layout: str, cache: str, times: dict) -> str:
    ratios = find_ratios(times, "shuffled", "in order")
    cells = [
        name,
        layout,
        cache,
        say_ratio(ratios),
        judge(ratios, GOAL),
        f"{np.median(find_ratios(times, 'shuffled', 'in order', 'cpu')):.2f}",
        say_ms(times["shuffled"]),
        say_ms(times["in order"]),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
