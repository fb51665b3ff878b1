"""Measure ChunkedSearchCV against GridSearchCV over the same ChunkedFit (Linux).

    python benchmarks/search.py
    python benchmarks/search.py --only sgd limit
    python benchmarks/search.py --quick

Each run is a fresh process, and ways take turns. See docs/measured/search.md for what
the columns mean.
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

import measure
import numpy as np
from search_runs import run
from search_ways import CASES, FILES, N_CANDIDATES

MB = 10**6
_N_ROWS, _N_COLUMNS = 400_000, 100
_QUICK = "uncached", "bayes"
_NAMES = {
    "grid": "`GridSearchCV(ChunkedFit)`",
    "ours": "`ChunkedSearchCV`",
    "memory": "`GridSearchCV` in memory",
    "fit": "one fit of `ChunkedFit`",
}
_TIMES = """
| search | way | ratio of | goal | minimum | median | maximum | seconds |
|---|---|---|--:|--:|--:|--:|--:|"""
_PEAKS = """
| search | way | bare process, MB | peak MB: median (maximum) | goal | mapped MB |
|---|---|--:|--:|--:|--:|"""
_BYTES = """
| search | way | MB read by calls | times those of one fit | goal |
|---|---|--:|--:|--:|"""


def main() -> None:
    options = parse_options()
    if sys.platform != "linux":
        sys.exit("Memory, time and bytes of other processes are known on Linux only.")
    quick = " A quick run: the figures are noise." if options.quick else ""
    print(
        f"{measure.describe_machine()}. {options.repeats} rounds, {options.rows:,} x "
        f"{_N_COLUMNS} float32, {options.candidates} candidates, "
        f"`n_jobs={options.jobs}`.{quick}"
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # which cleans up
    rounds = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        write_rows(Path(folder), options.rows)
        print(_TIMES, flush=True)
        for case in options.only:
            rounds[case] = measure_rounds(case, folder, options)
            print_rows(iter_times, {case: rounds[case]})
    print(_PEAKS)
    print_rows(iter_peaks, rounds)
    print(_BYTES)
    print_rows(iter_bytes, rounds)


def print_rows(make, rounds: dict) -> None:
    for case, runs in rounds.items():
        for cells in make(CASES[case], runs):
            print(f"| {CASES[case].name} | {' | '.join(cells)} |", flush=True)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--only", nargs="+", choices=CASES, help="which searches")
    add("--repeats", type=int, default=5, help="rounds")
    add("--rows", type=int, default=_N_ROWS, help="of the file")
    add("--jobs", type=int, help="n_jobs of each search; 2")
    add("--candidates", type=int, default=N_CANDIDATES, help="8 at most")
    add("--folder", help="where the files are written")
    add("--quick", action="store_true", help="see that it runs; figures are noise")
    options = parser.parse_args()
    if options.quick:
        options.repeats, options.rows, options.candidates = 1, 3_000, 2
    # Each run with two jobs starts two more processes, which takes seconds.
    options.jobs = options.jobs or (1 if options.quick else 2)
    options.only = options.only or (_QUICK if options.quick else list(CASES))
    return options


def write_rows(folder: Path, n_rows: int) -> None:
    """Write rows, and labels of two classes and of ten."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, _N_COLUMNS), dtype=np.float32)
    slopes = rng.standard_normal((_N_COLUMNS, 10))
    noise = np.sqrt(_N_COLUMNS) * rng.standard_normal((n_rows, 10))
    values = X @ slopes + noise
    arrays = X, (values[:, 0] > 0).astype(np.int64), values.argmax(axis=1)
    for name, array in zip(FILES, arrays, strict=True):
        np.save(folder / name, array)


def measure_rounds(case: str, folder, options) -> list[dict]:
    """Return what each way took in each round, and raise if scores differ."""
    given = {"n_jobs": options.jobs, "n_candidates": options.candidates}
    rounds = []
    for number in range(options.repeats):
        ways = CASES[case].ways[:: -1 if number % 2 else 1]
        runs = {way: run(case, way, folder, **given) for way in ways}
        if runs["ours"].found != runs["grid"].found:
            raise AssertionError(f"{case}: the scores are not those of GridSearchCV.")
        rounds.append(runs)
    return rounds


def iter_times(case, rounds: list):
    """Yield ratios to GridSearchCV of the same round, and its least seconds."""
    for way in case.ways[1:]:
        for clock in ("wall", "cpu"):
            ratios = [
                getattr(runs[way], clock) / getattr(runs["grid"], clock)
                for runs in rounds
            ]
            is_ours = way == "ours" and clock == "wall"
            goal = f"{case.goals['wall']:.2f}" if is_ours else ""
            found = [f"{find(ratios):.2f}" for find in (np.min, np.median, np.max)]
            seconds = min(getattr(runs["grid"], clock) for runs in rounds)
            yield [_NAMES[way], clock, goal, *found, f"{seconds:.2f}"]


def iter_peaks(case, rounds: list):
    """Yield anonymous memory; the goal is that of one fit and of all models."""
    fit = np.median([runs["fit"].peak for runs in rounds])
    models = rounds[0]["fit"].found
    for way in case.ways:
        peaks = [runs[way].peak / MB for runs in rounds]
        bare, mapped = (
            f"{np.median([getattr(runs[way], name) for runs in rounds]) / MB:,.0f}"
            for name in ("bare", "mapped")
        )
        goal = ""
        if way == "ours":
            goal = f"{(fit + models) / MB:,.0f}"
            goal += f", {case.goals['MB']}" if "MB" in case.goals else ""
        peak = f"{np.median(peaks):,.0f} ({max(peaks):,.0f})"
        yield [_NAMES[way], bare, peak, goal, mapped]


def iter_bytes(case, rounds: list):
    """Yield bytes read, where no map is read."""
    if "bytes" not in case.goals:
        return
    for way in case.ways:
        nbytes = np.median([runs[way].nbytes for runs in rounds])
        ratios = [runs[way].nbytes / runs["fit"].nbytes for runs in rounds]
        goal = f"{case.goals['bytes']:.2f}" if way == "ours" else ""
        yield [_NAMES[way], f"{nbytes / MB:,.0f}", f"{np.median(ratios):.2f}", goal]


if __name__ == "__main__":
    main()
