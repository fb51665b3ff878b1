"""Measure Rows against plain maps: in sequence, shuffled, and the selecting itself.

    python benchmarks/rows.py
    python benchmarks/rows.py --quick

See docs/measured/rows.md for what the columns mean.
"""

import argparse
import os
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import measure
import numpy as np
from memory import one_thread
from numpy.lib.format import open_memmap
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from skmmap import ChunkedFit, open_rows
from skmmap.read import Table
from skmmap.rows.rows import find_source

SEQUENTIAL, SHUFFLED = 1.03, 1.3  # the goals

_N_SHARDS = 10
_CHUNK_ROWS = 40_000  # chunk_size="auto" for rows of 100 float32
_BLOCK_ROWS = 50_000
_SELECT_FROM = 10_000_000
_ESTIMATORS = SGDClassifier(random_state=0), StandardScaler()
# Columns, their type, and the rows for each one of --rows.
_LAYOUTS = {
    "100 float32": (100, np.float32, 1),
    "784 uint8": (784, np.uint8, 0.5),
    "10 float32": (10, np.float32, 4),
}

_PAIRS = """\
| Rows / map | rows in a chunk | median (quartiles) of rounds | goal | CPU time \
| map / itself: quartiles | ms: Rows | map |
|---|--:|--:|:-:|--:|--:|--:|--:|"""

_SHUFFLED = """\
| selection of | cache | Rows / whole: median (quartiles) of rounds | at most 1.3 \
| CPU time | `X_mm[index]` / whole | ms: Rows | whole | `X_mm[index]` |
|---|:-:|--:|:-:|--:|--:|--:|--:|--:|"""

_FITTED = """\
| `ChunkedFit.fit` of a random third | cache | third / whole: median (quartiles) of \
rounds | at most 1.3 | ms: third | whole |
|---|:-:|--:|:-:|--:|--:|"""

_SELECTED = """\
| `rows[index]` of 10,000,000 | ms | kept, bytes | pickled, bytes | file order, ms |
|---|--:|--:|--:|--:|"""


@dataclass(frozen=True)
class Pair:
    """Two ways to do the same, each a function without arguments."""

    name: str
    chunk: int
    rows: Callable
    plain: Callable


def main() -> None:
    options = parse_options()
    quick = " A quick run: the figures are noise." if options.quick else ""
    with tempfile.TemporaryDirectory() as folder, one_thread():
        paths = write_files(Path(folder), options.rows)
        print(f"{measure.describe_machine()}. X: {options.rows:,} rows.{quick}\n")
        print(_PAIRS)
        for pair in make_pairs(paths):
            ways = {"rows": pair.rows, "again": pair.plain, "plain": pair.plain}
            print(make_pair_row(pair, run_rounds(ways, options.repeats)), flush=True)
        print(f"\n{_SHUFFLED}")
        for layout in _LAYOUTS:
            compare_shuffled(paths[layout], layout, options.repeats)
        print(f"\n{_FITTED}")
        for layout in _LAYOUTS:
            for estimator in (*_ESTIMATORS, GaussianNB()):
                compare_fits(paths[layout], layout, estimator, options.repeats)
        print(f"\n{_SELECTED}")
        measure_selecting(Path(folder), options.quick)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--rows", type=int, default=1_000_000, help="rows of 100 float32 in X")
    add("--repeats", type=int, default=21, help="rounds")
    add("--quick", action="store_true", help="see that it runs; figures are noise")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.repeats = 100_000, 3
    return options


def write_files(folder: Path, n_rows: int) -> dict:
    """Stream the files to disk, down to it, so that they can leave the page cache."""
    paths = {"shards": [folder / f"X_{number}.npy" for number in range(_N_SHARDS)]}
    for path in paths["shards"]:
        write_file(path, n_rows // _N_SHARDS, 100, np.float32)
    for name, (n_columns, dtype, factor) in _LAYOUTS.items():
        paths[name] = folder / f"{name}.npy"
        write_file(paths[name], int(n_rows * factor), n_columns, dtype)
    paths["y"] = folder / "y.npy"
    np.save(paths["y"], np.arange(n_rows) % 2)
    return paths


def write_file(path, n_rows: int, n_columns: int, dtype) -> None:
    rng = np.random.default_rng(0)
    block = (100 * rng.random((_BLOCK_ROWS, n_columns), np.float32)).astype(dtype)
    X = open_memmap(path, "w+", dtype, (n_rows, n_columns))
    for rows in gen_batches(n_rows, _BLOCK_ROWS):
        X[rows] = block[: rows.stop - rows.start]
    X.flush()


def touch(chunk) -> None:
    """Touch every value, as fast as memory can bring them."""
    np.add.reduce(chunk.view(np.uint64), axis=None)


def read_rows(source, size: int) -> None:
    rows = open_rows(source)
    for piece in gen_batches(len(rows), size):
        chunk = rows.read(piece.start, piece.stop)
        touch(chunk)


def read_map(path, size: int) -> None:
    X = np.load(path, mmap_mode="r")
    for piece in gen_batches(len(X), size):
        touch(X[piece])


def read_maps(paths, size: int) -> None:
    for path in paths:
        read_map(path, size)


def read_in_file_order(rows, size: int) -> None:
    """Read a selection as ChunkedFit does, finding the order of the file included."""
    table = Table(find_source(rows)).in_file_order()
    pieces = ((piece.start, piece.stop) for piece in gen_batches(len(rows), size))
    for chunk in table.iter_chunks(pieces):
        touch(chunk.X)


def read_as_selected(path, index, size: int) -> None:
    """Read a selection of a map as one would otherwise, chunk by chunk."""
    X = np.load(path, mmap_mode="r")
    for piece in gen_batches(len(index), size):
        touch(X[index[piece]])


def open_map(path):
    return np.load(path, mmap_mode="r")


def in_file_order(estimator) -> ChunkedFit:
    return ChunkedFit(estimator, max_epochs=1, shuffle=False)


def make_pairs(paths):
    """Yield what is read from the first to the last row."""
    path, shards = paths["100 float32"], paths["shards"]
    for size in (100, 1_000, 10_000, 65_536):
        yield Pair(
            "read",
            size,
            lambda s=size: read_rows(path, s),
            lambda s=size: read_map(path, s),
        )
    for size in (1_000, 10_000):
        yield Pair(
            f"read {_N_SHARDS} shards",
            size,
            lambda s=size: read_rows(shards, s),
            lambda s=size: read_maps(shards, s),
        )
    for estimator in _ESTIMATORS:
        yield Pair(
            f"`ChunkedFit({type(estimator).__name__}()).fit`",
            _CHUNK_ROWS,
            lambda e=estimator: in_file_order(e).fit(
                *map(open_rows, (path, paths["y"]))
            ),
            lambda e=estimator: in_file_order(e).fit(
                *map(open_map, (path, paths["y"]))
            ),
        )


def run_rounds(
    ways: dict, repeats: int, before=lambda: None, clock=measure.measure_time
) -> dict:
    """Return the times of every way; each round goes through them the other way."""
    times = {way: [] for way in ways}
    for run in ways.values():
        run()
    for number in range(repeats):
        for way in list(ways)[:: -1 if number % 2 else 1]:
            before()
            times[way].append(clock(ways[way]))
    return times


def find_ratios(times: dict, over: str, under: str, clock: str = "wall"):
    """Return the ratio of two ways in each round, sorted."""
    pairs = zip(times[over], times[under], strict=True)
    return np.sort([getattr(a, clock) / getattr(b, clock) for a, b in pairs])


def say_ratio(ratios) -> str:
    low, median, high = measure.find_quartiles(ratios)
    return f"{median:.3f} ({low:.3f} to {high:.3f}) of {len(ratios)}"


def judge(ratios, goal: float) -> str:
    """Say whether the goal is met, from the interval that the median is in."""
    low, high = measure.find_interval(ratios)
    if high <= goal:
        return "met"
    return "**missed**" if low > goal else f"undecided: {low:.3f} to {high:.3f}"


def say_ms(times: list) -> str:
    return f"{1e3 * np.median([time.wall for time in times]):,.0f}"


def make_pair_row(pair: Pair, times: dict) -> str:
    ratios = find_ratios(times, "rows", "plain")
    low, _, high = measure.find_quartiles(find_ratios(times, "again", "plain"))
    cells = [
        pair.name,
        f"{pair.chunk:,}",
        say_ratio(ratios),
        judge(ratios, SEQUENTIAL),
        f"{np.median(find_ratios(times, 'rows', 'plain', 'cpu')):.3f}",
        f"{low:.3f} to {high:.3f}",
        say_ms(times["rows"]),
        say_ms(times["plain"]),
    ]
    return f"| {' | '.join(cells)} |"


def compare_shuffled(path, layout: str, repeats: int) -> None:
    """Print rows for parts of a permutation, from the page cache and from the disk."""
    index = np.random.default_rng(0).permutation(len(open_map(path)))
    for name, share in {"a third": 3, "10 %": 10, "1 %": 100}.items():
        picked = index[: len(index) // share]
        rows = open_rows(path)[picked]
        ways = {
            "rows": lambda r=rows: read_in_file_order(r, _CHUNK_ROWS),
            "whole": lambda: read_map(path, _CHUNK_ROWS),
            "naive": lambda p=picked: read_as_selected(path, p, _CHUNK_ROWS),
        }
        print(make_shuffled_row(f"{name}, {layout}", "warm", run_rounds(ways, repeats)))
        if share != 10:
            cold = run_rounds(ways, repeats, lambda: drop_cache(path))
            print(make_shuffled_row(f"{name}, {layout}", "cold", cold), flush=True)


def compare_fits(path, layout: str, estimator, repeats: int) -> None:
    """Print what it takes to train on a third, against training on all in order."""
    X = open_rows(path)
    y = np.arange(len(X)) % 2
    index = np.random.default_rng(0).permutation(len(X))[: len(X) // 3]
    ways = {
        "third": lambda: in_file_order(estimator).fit(X[index], y[index]),
        "whole": lambda: in_file_order(estimator).fit(X, y),
    }
    name = f"{type(estimator).__name__}, {layout}"
    print(make_fit_row(name, "warm", run_rounds(ways, repeats)))
    cold = run_rounds(ways, repeats, lambda: drop_cache(path))
    print(make_fit_row(name, "cold", cold), flush=True)


def make_fit_row(name: str, cache: str, times: dict) -> str:
    ratios = find_ratios(times, "third", "whole")
    cells = [
        name,
        cache,
        say_ratio(ratios),
        judge(ratios, SHUFFLED),
        say_ms(times["third"]),
        say_ms(times["whole"]),
    ]
    return f"| {' | '.join(cells)} |"


def drop_cache(path) -> None:
    """Ask the system to forget the pages of a file, which nobody has mapped."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def make_shuffled_row(name: str, cache: str, times: dict) -> str:
    ratios = find_ratios(times, "rows", "whole")
    cells = [
        name,
        cache,
        say_ratio(ratios),
        judge(ratios, SHUFFLED),
        f"{np.median(find_ratios(times, 'rows', 'whole', 'cpu')):.2f}",
        f"{np.median(find_ratios(times, 'naive', 'whole')):.2f}",
        *(say_ms(times[way]) for way in ("rows", "whole", "naive")),
    ]
    return f"| {' | '.join(cells)} |"


def measure_selecting(folder: Path, quick: bool) -> None:
    """Print what the folds of ten million rows take."""
    n_rows = _SELECT_FROM // (100 if quick else 1)
    with open(folder / "X.bin", "wb") as file:
        file.truncate(n_rows)
    rows = open_rows(folder / "X.bin", dtype=np.uint8)
    splitters = {
        "KFold(5)": KFold(5),
        "KFold(5, shuffle=True)": KFold(5, shuffle=True, random_state=0),
        "ShuffleSplit(test_size=0.25)": ShuffleSplit(test_size=0.25, random_state=0),
    }
    for name, cv in splitters.items():
        train, _ = next(cv.split(rows))
        print(make_selecting_row(name, rows, train))


def make_selecting_row(name: str, rows, train) -> str:
    select = [measure.measure_time(lambda: rows[train]) for _ in range(7)]
    picked = rows[train]
    source = find_source(picked)
    order = [measure.measure_time(source.find_file_order) for _ in range(5)]
    kept = getattr(source.selection, "nbytes", 0)  # a range has none
    pickled = len(pickle.dumps(picked))
    cells = [f"`{name}`", say_ms(select), f"{kept:,}", f"{pickled:,}", say_ms(order)]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
