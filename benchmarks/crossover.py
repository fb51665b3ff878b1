"""Measure below how many rows the bare estimator is faster than ChunkedFit.

    python benchmarks/crossover.py
    python benchmarks/crossover.py --quick

See docs/measured/arrival.md for what the columns mean.
"""

import argparse
import tempfile
import warnings
from functools import partial
from pathlib import Path

import measure
import numpy as np
from clock import measure_time
from memory import one_thread
from sklearn.base import clone
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit

N_FEATURES = 20
_ROWS = [500, 2_000, 5_000, 20_000, 50_000, 100_000, 300_000, 1_000_000]
_ESTIMATORS = {
    "`SGDClassifier`, 5 epochs": SGDClassifier(max_iter=5, tol=None, random_state=0),
    "`GaussianNB`": GaussianNB(),
    "`StandardScaler`": StandardScaler(),
}
_LEAST_SECONDS = 0.02  # of the runs of one way in a round
# A ratio this near to one is no reason to prefer either.
_ALIKE = 1.1


def main() -> None:
    options = parse_options()
    quick = " A quick run: the figures are noise." if options.quick else ""
    print(f"{measure.describe_machine()}. {options.repeats} rounds.{quick}\n")
    print(make_head())
    ratios = {name: [] for name in _ESTIMATORS}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, one_thread():
        warnings.simplefilter("ignore")
        for n_rows in options.rows:
            write_rows(Path(folder), n_rows)
            cells = [f"{n_rows:,}"]
            for name, estimator in _ESTIMATORS.items():
                times = measure_ways(Path(folder), estimator, options.repeats)
                ratios[name].append(np.median(times[:, 1] / times[:, 0]))
                cells += make_cells(times)
            print(f"| {' | '.join(cells)} |", flush=True)
    print(f"\n{make_crossovers(options.rows, ratios)}")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--rows", type=int, nargs="+", default=_ROWS, help=f"of {N_FEATURES} float32")
    add("--repeats", type=int, default=5, help="rounds")
    add("--folder", help="where the files are written")
    add("--quick", action="store_true", help="see that it runs; figures are noise")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.repeats = _ROWS[:1], 1
    return options


def write_rows(folder: Path, n_rows: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, N_FEATURES), dtype=np.float32)
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", (X[:, 0] > X[:, 1]).astype(np.int64))


def fit(folder: Path, estimator, mmap_mode: str | None) -> None:
    """Open the files and fit: loaded, or mapped and chunk by chunk."""
    X, y = (np.load(folder / f"{name}.npy", mmap_mode=mmap_mode) for name in "Xy")
    fresh = clone(estimator)
    (ChunkedFit(fresh) if mmap_mode else fresh).fit(X, y)


def measure_ways(folder: Path, estimator, repeats: int) -> np.ndarray:
    """Return the seconds of one fit, bare and by ChunkedFit, by round.

    Every second round begins with the other way.
    """
    ways = [partial(fit, folder, estimator, mode) for mode in (None, "r")]
    ways[1]()  # imports
    calls = int(_LEAST_SECONDS / measure_time(ways[0]).wall) + 1

    def run(way):
        for _ in range(calls):
            way()

    times = np.empty((repeats, 2))
    for number in range(repeats):
        for way in (0, 1) if number % 2 else (1, 0):
            times[number, way] = measure_time(partial(run, ways[way])).wall / calls
    return times


def make_head() -> str:
    names = [f"{name}: bare, ms | ChunkedFit / bare" for name in _ESTIMATORS]
    line = "|--:" * (1 + 2 * len(names))
    return f"| rows | {' | '.join(names)} |\n{line}|"


def make_cells(times: np.ndarray) -> list[str]:
    """Return the least time of the bare fit; median and quartiles of the ratios."""
    low, middle, high = measure.find_quartiles(times[:, 1] / times[:, 0])
    return [
        f"{1e3 * times[:, 0].min():,.1f}",
        f"{middle:.2f} ({low:.2f} to {high:.2f})",
    ]


def make_crossovers(rows: list, ratios: dict) -> str:
    """Return a sentence for each estimator, from its ratio for each number of rows."""
    return "\n".join(f"- {name}: {find(rows, r)}." for name, r in ratios.items())


def find(rows: list, ratios: list) -> str:
    """Say from which number of rows on the ratio is not much above one.

    It falls as rows become more; what rises in between is noise.
    """
    fall = IsotonicRegression(increasing=False)
    over = fall.fit_transform(np.log(rows), np.log(ratios)) - np.log(_ALIKE)
    slower = np.flatnonzero(over > 0)
    if not len(slower):
        return f"as fast from {rows[0]:,} rows on"
    if slower[-1] == len(rows) - 1:
        return f"the bare estimator was faster up to {rows[-1]:,} rows"
    near = slice(slower[-1], slower[-1] + 2)
    crossed = float(np.exp(np.interp(0, -over[near], np.log(rows[near]))))
    return (
        f"the bare estimator was faster below about {float(f'{crossed:.1e}'):,.0f} rows"
    )


if __name__ == "__main__":
    main()
