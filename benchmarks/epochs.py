"""Measure fits of several epochs on rows that fit in memory against ``fit`` in memory.

    python benchmarks/epochs.py
    python benchmarks/epochs.py --quick

See docs/measured/epochs.md for what the columns mean.
"""

import argparse
import tempfile
import warnings
from pathlib import Path

import measure
import numpy as np
from clock import measure_time
from memory import one_thread
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV

from skmmap import ChunkedFit

_ALPHAS = np.logspace(-6, -2, 8)
_HEADER = """\
| fit | ratio of | goal | minimum | median | maximum | seconds in memory |
|---|---|--:|--:|--:|--:|--:|"""
_WAITING = """\
| fit | goal | waiting for rows: all epochs | after the first |
|---|--:|--:|--:|"""


def main() -> None:
    options = parse_options()
    quick = " A quick run: the figures are noise." if options.quick else ""
    print(
        f"{measure.describe_machine()}. {options.repeats} rounds.{quick}\n\n{_HEADER}"
    )
    share = 0.01 if options.quick else 1
    waiting = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, one_thread():
        warnings.simplefilter("ignore", ConvergenceWarning)
        X, y, path = write_rows(folder, int(400_000 * share), 100)
        for name, sgd in make_fits().items():
            waiting += compare_fits(name, sgd, X, y, path, options.repeats)
        X, y, path = write_rows(folder, int(40_000 * share), 50)
        compare_searches(X, y, path, options.repeats)
    print(f"\n{_WAITING}", *waiting, sep="\n")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--repeats", type=int, default=7, help="rounds")
    add("--folder", help="where the files are written")
    add("--quick", action="store_true", help="see that it runs; figures are noise")
    options = parser.parse_args()
    if options.quick:
        options.repeats = 1
    return options


def make_fits() -> dict:
    return {
        "20 epochs": SGDClassifier(max_iter=20, tol=None, random_state=0),
        "to convergence": SGDClassifier(random_state=0),
    }


def write_rows(folder, n_rows: int, n_columns: int) -> tuple:
    """Return rows in memory, their labels, and the file of the rows."""
    rng, path = np.random.default_rng(0), Path(folder) / "X.npy"
    X = rng.standard_normal((n_rows, n_columns), dtype=np.float32)
    noise = np.sqrt(n_columns) * rng.standard_normal(n_rows)
    y = (X @ rng.standard_normal(n_columns) + noise > 0).astype(np.int64)
    np.save(path, X)
    return X, y, path


def compare_fits(name: str, sgd, X, y, path, repeats: int) -> list[str]:
    """Print the ratios of a fit, and return the row of its waiting."""
    model, shares = ChunkedFit(sgd), []

    def fit():
        model.fit(np.load(path, mmap_mode="r"), y)
        shares.append([find_share(model.history_, first) for first in (0, 1)])

    name = f"SGD, {len(X):,} x {X.shape[1]}, {name}"
    print_ratios(name, fit, lambda: sgd.fit(X, y), {"wall": 0.95}, repeats)
    whole, later = (f"{100 * share:.2f} %" for share in np.median(shares, axis=0))
    return [f"| {name} | 1 % | {whole} | {later} |"]


def find_share(history: dict, first: int) -> float:
    """Return the part of the time from an epoch on that was spent waiting."""
    return sum(history["read_seconds"][first:]) / sum(history["seconds"][first:])


def compare_searches(X, y, path, repeats: int) -> None:
    """Print the ratios of a search over candidates that stop early."""
    sgd = SGDClassifier(early_stopping=True, random_state=0)
    ours = GridSearchCV(ChunkedFit(sgd), {"estimator__alpha": _ALPHAS}, cv=3)
    bare = GridSearchCV(sgd, {"alpha": _ALPHAS}, cv=3)
    print_ratios(
        f"GridSearchCV, {len(X):,} x {X.shape[1]}",
        lambda: ours.fit(np.load(path, mmap_mode="r"), y),
        lambda: bare.fit(X, y),
        {"cpu": 1.2},
        repeats,
    )


def print_ratios(name: str, fit, fit_bare, goals: dict, repeats: int) -> None:
    """Print how long a fit takes, as a multiple of another one in the same round."""
    fit_bare(), fit()  # not measured: the first ones import
    rounds = []
    for number in range(repeats):
        ways = {"bare": fit_bare, "ours": fit}
        order = ("bare", "ours") if number % 2 else ("ours", "bare")
        rounds.append({way: measure_time(ways[way]) for way in order})
    for clock in ("wall", "cpu"):
        ratios = [getattr(t["ours"], clock) / getattr(t["bare"], clock) for t in rounds]
        seconds = min(getattr(times["bare"], clock) for times in rounds)
        found = (f"{find(ratios):.2f}" for find in (np.min, np.median, np.max))
        goal = f"{goals[clock]:.2f}" if clock in goals else ""
        cells = [name, clock, goal, *found, f"{seconds:.2f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
