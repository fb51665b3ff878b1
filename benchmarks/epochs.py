"""Measure fits of several epochs on rows that fit in memory against ``fit`` in memory.

Where a part of the rows fits, they are measured against the same fit that keeps none.

    python benchmarks/epochs.py
    python benchmarks/epochs.py --quick

See docs/measured/epochs.md for what the columns mean.
"""

import argparse
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

import h5py
import measure
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from clock import measure_time
from memory import one_thread
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, train_test_split

from skmmap import ChunkedFit
from skmmap.learn import plan
from skmmap.read import NO_CACHE

_ALPHAS = np.logspace(-6, -2, 8)
_HEADER = """\
| fit | ratio of | goal | minimum | median | maximum | seconds in memory |
|---|---|--:|--:|--:|--:|--:|"""
_WAITING = """\
| fit | goal | waiting for rows: all epochs | after the first |
|---|--:|--:|--:|"""
_PARTS = """
| rows | share kept | ratio to none kept | minimum | median | maximum | \
seconds, none kept |
|---|--:|---|--:|--:|--:|--:|"""
_N_ROWS, _N_COLUMNS = 30_000, 100


def main() -> None:
    options = parse_options()
    quick = " A quick run: the figures are noise." if options.quick else ""
    print(f"{measure.describe_machine()}. {options.repeats} rounds.{quick}\n")
    share = 0.01 if options.quick else 1
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, one_thread():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if not options.parts:
            compare_whole(folder, share, options.repeats)
        print(_PARTS)
        compare_parts(folder, int(_N_ROWS * max(share, 0.5)), options.repeats)


def compare_whole(folder, share: float, repeats: int) -> None:
    """Print the ratios of fits that keep all rows."""
    print(_HEADER)
    X, y, path = write_rows(folder, int(400_000 * share), 100)
    waiting = []
    for name, sgd in make_fits().items():
        waiting += compare_fits(name, sgd, X, y, path, repeats)
    X, y, path = write_rows(folder, int(40_000 * share), 50)
    compare_searches(X, y, path, repeats)
    print(f"\n{_WAITING}", *waiting, sep="\n")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--repeats", type=int, default=7, help="rounds")
    add("--folder", help="where the files are written")
    add("--parts", action="store_true", help="only where a part of the rows is kept")
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


class Loop(SGDClassifier):
    """Stops early as ``fit`` does, but calls ``partial_fit`` once for each epoch."""

    def fit(self, X, y):
        X, X_held_out, y, y_held_out = train_test_split(
            X, y, test_size=self.validation_fraction, stratify=y, random_state=0
        )
        best, n_bad, classes = -np.inf, 0, np.unique(y)
        for _ in range(self.max_iter):
            self.partial_fit(X, y, classes)
            score = self.score(X_held_out, y_held_out)
            n_bad = n_bad + 1 if score < best + self.tol else 0
            best = max(best, score)
            if n_bad == self.n_iter_no_change:
                break
        return self


def compare_searches(X, y, path, repeats: int) -> None:
    """Print the ratios of searches over candidates that stop early."""
    sgd = SGDClassifier(early_stopping=True, random_state=0)
    ours = GridSearchCV(ChunkedFit(sgd), {"estimator__alpha": _ALPHAS}, cv=3)
    bare = GridSearchCV(sgd, {"alpha": _ALPHAS}, cv=3)
    # partial_fit refuses early_stopping=True.
    loop = GridSearchCV(Loop(random_state=0), {"alpha": _ALPHAS}, cv=3)
    name = f"GridSearchCV, {len(X):,} x {X.shape[1]}"
    fits = {
        name: lambda: ours.fit(np.load(path, mmap_mode="r"), y),
        f"{name}, loop in memory": lambda: loop.fit(X, y),
    }
    for name, fit in fits.items():
        print_ratios(name, fit, lambda: bare.fit(X, y), {"cpu": 1.2}, repeats)


def print_ratios(name: str, fit, fit_bare, goals: dict, repeats: int) -> None:
    """Print how long a fit takes, as a multiple of another one in the same round."""
    rounds = measure_rounds(fit, fit_bare, repeats)
    for clock in ("wall", "cpu"):
        goal = f"{goals[clock]:.2f}" if clock in goals else ""
        print_row(name, clock, goal, *find_cells(rounds, clock))


def measure_rounds(fit, other, repeats: int) -> list[dict]:
    """Return the times of a fit and of another one, which take turns."""
    other(), fit()  # not measured: the first ones import
    rounds = []
    for number in range(repeats):
        ways = {"other": other, "ours": fit}
        order = ("other", "ours") if number % 2 else ("ours", "other")
        rounds.append({way: measure_time(ways[way]) for way in order})
    return rounds


def find_cells(rounds: list, clock: str) -> list[str]:
    """Return the least, median and largest ratio, and seconds of the other fit."""
    ratios = [getattr(t["ours"], clock) / getattr(t["other"], clock) for t in rounds]
    seconds = min(getattr(times["other"], clock) for times in rounds)
    found = [f"{find(ratios):.2f}" for find in (np.min, np.median, np.max)]
    return [*found, f"{seconds:.2f}"]


def print_row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def compare_parts(folder, n_rows: int, repeats: int) -> None:
    """Print the ratios of fits that keep a part of the rows to such that keep none."""
    X, y, path = write_rows(folder, n_rows, _N_COLUMNS)
    paths = write_compressed(X, path.parent)
    sgd = SGDClassifier(max_iter=4, tol=None, random_state=0)
    # All rows take twice the half of it that could keep them.
    model = ChunkedFit(sgd, memory_limit=X.nbytes)
    for kind, path in paths.items():
        for shuffle in (True, False):
            model.set_params(shuffle=shuffle)
            said = model.explain(path, y).sections["reads"]
            share = said.partition("keeps ")[2].partition(" of ")[0]

            def fit(path=path):
                model.fit(path, y)

            def fit_without(fit=fit):
                with keeping_none():
                    fit()

            name = f"{kind}, {'shuffled' if shuffle else 'in file order'}"
            rounds = measure_rounds(fit, fit_without, repeats)
            for clock in ("wall", "cpu"):
                print_row(name, share, clock, *find_cells(rounds, clock))


def write_compressed(X, folder: Path) -> dict:
    """Return the rows in compressed files, by their names."""
    columns = {f"c{number}": column for number, column in enumerate(X.T)}
    pq.write_table(pa.table(columns), folder / "X.parquet", row_group_size=len(X) // 20)
    with h5py.File(folder / "X.h5", "w") as file:
        chunks = 1_000, X.shape[1]
        file.create_dataset("X", data=X, chunks=chunks, compression="gzip")
    return {"Parquet": folder / "X.parquet", "HDF5, gzip": folder / "X.h5"}


@contextmanager
def keeping_none():
    """Let fits keep no part of the rows."""
    find_cache = plan.find_row_cache
    plan.find_row_cache = lambda *args: NO_CACHE
    try:
        yield
    finally:
        plan.find_row_cache = find_cache


if __name__ == "__main__":
    main()
