"""Measure ChunkedFit of a pipeline against the loops by hand, and against its own fit.

    python benchmarks/pipelines.py
    python benchmarks/pipelines.py --quick

The pipeline scales rows and learns ten classes from them, in one epoch. The loop makes
two passes over the map; the other contender loads the file and calls ``Pipeline.fit``.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
from clock import measure_time
from measure import describe_machine, find_quartiles
from memory import one_thread, read_memory
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from skmmap import ChunkedFit

N_CLASSES, N_FEATURES = 10, 100
_BLOCK_ROWS = 50_000
_LOOP_ROWS = 10_000
_SAMPLE_SECONDS = 0.001


class Scenario(NamedTuple):
    """What is learned: how it is written, opened, and trained in several ways."""

    name: str
    n_rows: int
    write: Callable
    ways: dict[str, Callable]
    open: Callable


def run(scenario: Scenario) -> None:
    options = parse_options(scenario.n_rows)
    with tempfile.TemporaryDirectory() as folder, one_thread():
        scenario.write(Path(folder), options.rows)
        print(f"{describe_machine()}. {options.rows:,} rows of {scenario.name}.\n")
        peaks = {name: measure_peak(scenario, name, folder) for name in scenario.ways}
        times = measure_times(scenario, folder, options.repeats)
        loop = times["loop"]
        print("| way | wall / loop: quartiles | CPU / loop: median | peak MB |")
        print("|---|--:|--:|--:|")
        for name, taken in times.items():
            wall, cpu = np.moveaxis(np.array(taken) / loop, -1, 0)
            low, median, high = find_quartiles(wall)
            print(
                f"| {name} | {median:.2f} ({low:.2f} to {high:.2f}) "
                f"| {np.median(cpu):.2f} | {peaks[name] / 1e6:,.0f} |"
            )
        print(f"\nThe loop took {np.median(np.array(loop)[:, 0]):.2f} s.")


def parse_options(n_rows: int):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--rows", type=int, default=n_rows, help="rows of X")
    add("--repeats", type=int, default=7, help="rounds, in which all take turns")
    add("--quick", action="store_true", help="see that it runs; figures are noise")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.repeats = 20_000, 1
    return options


def write_rows(folder: Path, n_rows: int) -> None:
    rng = np.random.default_rng(0)
    slopes = rng.standard_normal((N_FEATURES, N_CLASSES))
    X = np.lib.format.open_memmap(
        folder / "X.npy", "w+", np.float32, (n_rows, N_FEATURES)
    )
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.int64, (n_rows,))
    for rows in gen_batches(n_rows, _BLOCK_ROWS):
        X[rows] = rng.normal(3, 2, (rows.stop - rows.start, N_FEATURES))
        y[rows] = ((X[rows] - 3) @ slopes).argmax(axis=1)


def make_last() -> SGDClassifier:
    return SGDClassifier(max_iter=1, tol=None, random_state=0)


def run_loop(X, y):
    """Scale and learn slice by slice, as one writes it by hand."""
    scaler, model = StandardScaler(), make_last()
    for rows in gen_batches(len(X), _LOOP_ROWS):
        scaler.partial_fit(X[rows])
    for rows in gen_batches(len(X), _LOOP_ROWS):
        model.partial_fit(scaler.transform(X[rows]), y[rows], np.arange(N_CLASSES))
    return model


def run_chunked(X, y, **params):
    pipeline = make_pipeline(StandardScaler(), make_last())
    return ChunkedFit(pipeline, random_state=0, **params).fit(X, y)


def run_in_memory(X, y):
    return make_pipeline(StandardScaler(), make_last()).fit(np.array(X), np.array(y))


WAYS = {
    "loop": run_loop,
    "ChunkedFit, in file order": lambda X, y: run_chunked(X, y, shuffle=False),
    "ChunkedFit": run_chunked,
    "ChunkedFit, n_jobs=2": lambda X, y: run_chunked(X, y, n_jobs=2),
    "Pipeline.fit, with loading": run_in_memory,
}


def open_maps(folder, n_rows=None):
    paths = Path(folder) / "X.npy", Path(folder) / "y.npy"
    return [np.load(path, mmap_mode="r")[:n_rows] for path in paths]


def measure_times(scenario: Scenario, folder, repeats: int) -> dict:
    """Return wall and CPU times of each way, which take turns in random order."""
    times: dict = {name: [] for name in scenario.ways}
    rng = np.random.default_rng(0)
    for _ in range(repeats):
        for name in rng.permutation(list(scenario.ways)):
            way, given = scenario.ways[name], scenario.open(folder)
            times[name].append(measure_time(partial(way, *given)))
    return times


def measure_peak(scenario: Scenario, name: str, folder) -> float:
    """Return the growth of anonymous memory of a fresh process, in bytes."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(
        target=_run_child, args=(scenario.write.__module__, name, folder, there)
    )
    child.start()
    there.close()
    here.recv()
    before = peak = read_memory(child.pid)[0]
    here.send("go")
    while child.is_alive():
        peak = max(peak, read_memory(child.pid)[0])
        time.sleep(_SAMPLE_SECONDS)
    return peak - before


def _run_child(module: str, name: str, folder, connection) -> None:
    # Functions of a script that is run are in a module of another name here.
    module = "__mp_main__" if module == "__main__" else module
    scenario = import_module(module).SCENARIO
    with one_thread():
        # What is loaded once only is loaded before.
        scenario.ways[name](*scenario.open(folder, 2_000))
        connection.send("ready")
        connection.recv()
        scenario.ways[name](*scenario.open(folder))


SCENARIO = Scenario(f"{N_FEATURES} float32", 1_000_000, write_rows, WAYS, open_maps)

if __name__ == "__main__":
    run(SCENARIO)
