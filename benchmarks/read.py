"""Measure how rows are brought: against the loop, the limits, memory and dask-ml.

    python benchmarks/read.py --markdown read.md --picture read.png
    python benchmarks/read.py --quick

See docs/measured/reading.md for what the columns mean.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import alike
import cases
import measure
import numpy as np
import read_tables as tables
from cgroup import NoLimitError, limit_memory
from data import N_FEATURES, write_data
from overhead import Report
from read_runs import DASK_WAYS, Starter, find_chunk_size, forget
from rows import find_ratios, run_rounds

# The goals: at most so much of the time, or of the memory, of something else.
WARM, COLD, LOOP, ALIKE, DASK, DASK_MEMORY = 1.02, 1.05, 1.02, 1 / 1.5, 1 / 2, 1 / 3

_ROW_BYTES = 4 * N_FEATURES
_SPARE_BYTES = 256_000_000
_COLD_WAYS = ("chunked", "loop", "again", "compute", "read")
_WAYS = {
    "warm": (*_COLD_WAYS, "touch", "whole", *DASK_WAYS),
    "cold": (*_COLD_WAYS, "whole", *DASK_WAYS),
    "limited": (*_COLD_WAYS, *DASK_WAYS),
    "alike": _COLD_WAYS,
}
_TITLES = {
    "warm": "Page cache warm",
    "cold": "Cold: the pages are dropped before each run",
    "limited": "Data four times the memory that is allowed",
    "alike": "Cold, where disk and compute take alike",
    "memory": "Peak memory, page cache warm",
}


def main() -> None:
    options = parse_options()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        bench = Bench(options, Path(folder))
        for section in options.sections:
            bench.say(f"\n**{_TITLES[section]}**\n")
            getattr(bench, f"measure_{section}")()
            bench.say_notes()
    ratios = [asdict(ratio) for ratio in bench.ratios]
    if options.results:
        options.results.write_text(json.dumps(ratios, indent=1))
    if options.picture:
        options.draw(ratios, measure.describe_machine(), options.picture)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--rows", type=int, default=2_000_000, help="rows of 100 float32 in X")
    add("--rounds", type=int, default=11, help="rounds of each table")
    add("--only", nargs="+", default=[""], help="parts of the names of estimators")
    add("--sections", nargs="+", choices=_TITLES, default=list(_TITLES))
    add("--read", help="ChunkedFit's parameter of that name")
    add("--dask-python", default=sys.executable, help="an interpreter with dask-ml")
    add("--folder", help="where the files are written")
    add("--markdown", type=Path, help="also write the tables to this file")
    add("--picture", type=Path, help="also draw the ratios to this file")
    add("--results", type=Path, help="also write the ratios to this file, as JSON")
    add("--quick", action="store_true", help="see that it runs; figures are noise")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.rounds = 100_000, 2
    if options.picture:
        from read_picture import draw  # that matplotlib is missing shows at once

        options.draw = draw
    return options


class Bench:
    """The sections: each says its table, and keeps the ratios for the picture."""

    def __init__(self, options, folder: Path):
        self.options, self.folder, self.ratios = options, folder, []
        self.notes = []
        self.say = Report(options.markdown).say
        write_data(folder, options.rows)
        self.starter = Starter(options.read, options.dask_python)
        self.starter.no_dask = self.starter.find_no_dask(folder)
        self.cases = [
            case
            for case in cases.CASES
            if case.method == "fit" and any(part in case.name for part in options.only)
        ]
        self._describe_run()

    def _describe_run(self) -> None:
        options = self.options
        quick = " A quick run: the figures are noise." if options.quick else ""
        read = f" `read={options.read!r}`." if options.read else ""
        self.say(
            f"{measure.describe_machine()}. X: {options.rows:,} rows of {N_FEATURES} "
            f"float32, {options.rows * _ROW_BYTES / 1e6:,.0f} MB; BLAS and OpenMP on "
            f"one thread.{read}{quick}"
        )
        if self.starter.no_dask:
            self.say(f"\ndask-ml is skipped: {self.starter.no_dask}")

    def say_notes(self) -> None:
        """Say below a table what happened while it was made."""
        for note in self.notes:
            self.say(f"\n{note}")
        self.notes.clear()

    def measure_warm(self) -> None:
        self._compare_all("warm", self.cases, self.folder, WARM)

    def measure_cold(self) -> None:
        self._compare_all("cold", self._few_cases(2), self.folder, COLD)

    def measure_limited(self) -> None:
        """Measure on files of four times what a control group may have."""
        bases = self.starter.measure_bases(self.folder)
        spare = _SPARE_BYTES // (4 if self.options.quick else 1)
        limit = max(self.options.rows * _ROW_BYTES // 4, max(bases) + spare)
        try:
            with limit_memory(limit, "try"):
                pass
        except (NoLimitError, OSError) as error:
            return self.say(f"skipped: {error}")
        self._measure_within(limit, bases)

    def _measure_within(self, limit: int, bases: list) -> None:
        n_rows = -(-4 * limit // _ROW_BYTES)
        taken = " or ".join(f"{base / 1e6:,.0f}" for base in bases)
        self.say(
            f"{n_rows:,} rows, {n_rows * _ROW_BYTES / 1e6:,.0f} MB, in control groups "
            f"of {limit / 1e6:,.0f} MB, of which a process takes {taken} MB "
            "(ChunkedFit's, then dask-ml's) before it opens the data. *compute* runs "
            "outside of them.\n"
        )
        folder = self.folder / "limited"
        write_data(folder, n_rows, shares=[1])
        whole = [replace(case, share=1) for case in self._few_cases()]
        self._compare_all("limited", whole, folder, COLD, limit=limit)

    def _few_cases(self, n_cases: int = 1) -> list:
        """Return all cases, or as many of them where it must be quick."""
        return self.cases[: n_cases if self.options.quick else None]

    def measure_alike(self) -> None:
        """Measure an estimator that takes as long as the disk does just now."""
        passes = self._find_passes()
        case = cases.Case(lambda: alike.Busy(passes))
        self._compare_all("alike", [case], self.folder, COLD, loop=ALIKE)

    def _find_passes(self) -> float:
        """Return how often `Busy` must pass over a chunk while it is read."""
        case = cases.Case(lambda: alike.Busy(2.0))
        ways = "compute", "read"
        with self.starter.open_team() as team:
            runs = team.make_runs(ways, case, self.folder)
            times = run_rounds(runs, 5, partial(forget, case, self.folder), call)
        return 2.0 / float(np.median(find_ratios(times, "compute", "read")))

    def _compare_all(
        self, section: str, chosen, folder, goal: float, *, loop=LOOP, limit=None
    ) -> None:
        goals = {"limit": goal, "loop": loop, "dask": DASK}
        self.say(tables.make_head(*goals.values()))
        with self.starter.open_team(limit) as team:
            for case in chosen:
                times = self._measure(team, section, case, folder)
                most = tables.find_limit(times, section)
                name, size = find_name(case), find_chunk_size(case, folder)
                self.say(tables.make_row(name, size, times, most, goals))
                name = name.partition(",")[0]  # one row of the picture for all shares
                self.ratios += tables.iter_ratios(section, name, times, most, goals)

    def _measure(self, team, section: str, case, folder) -> dict:
        """Return the times of all ways of a case, which take turns."""
        runs = team.make_runs(_WAYS[section], case, folder)
        before = partial(forget, case, folder)
        if section == "limited":
            for way, reason in team.try_dask(runs):
                say = f"{tables.NAMES[way]}: {reason}, at {find_name(case)}."
                self.notes.append(say)
        elif section == "warm":
            before = do_nothing
        return run_rounds(runs, self.options.rounds, before, call)

    def measure_memory(self) -> None:
        """Say the peaks of each way in fresh processes."""
        if sys.platform != "linux":
            return self.say("skipped: the system does not tell")
        self.say(tables.make_memory_head(DASK_MEMORY))
        for case in self._few_cases():
            ways = tables.MEMORY_WAYS[: 2 if self.starter.no_dask else None]
            peaks = {way: self._measure_peak(case, way) for way in ways}
            self.say(tables.make_memory_row(find_name(case), peaks, DASK_MEMORY))

    def _measure_peak(self, case, way: str):
        """Return the largest growth of both kinds of memory, of three processes."""
        n_runs = 1 if self.options.quick else 3
        measure_once = self.starter.measure_peak
        return np.max(
            [measure_once(case, self.folder, way) for _ in range(n_runs)], axis=0
        )


def find_name(case) -> str:
    share = f", 1/{case.share} of X" if case.share > 1 else ""
    return case.name.removesuffix(".fit") + share


def do_nothing() -> None:
    pass


def call(run):
    """Be the clock of runs that bring their own times."""
    return run()


if __name__ == "__main__":
    main()
