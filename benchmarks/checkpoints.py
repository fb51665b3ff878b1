"""Measure what ``checkpoint=`` costs: runs with and without, each write, and the key.

    python benchmarks/checkpoints.py
    python benchmarks/checkpoints.py --quick

See docs/measured/checkpoints.md.
"""

import argparse
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import measure
import numpy as np
from clock import measure_time
from memory import one_thread
from sklearn.decomposition import IncrementalPCA
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from skmmap import Checkpoint, ChunkedFit
from skmmap.checkpoints.journal import KeptJournal
from skmmap.checkpoints.kept_run import _SHARE
from skmmap.checkpoints.key import describe_data

CADENCES = 1, 5
HOUR, CADENCE = 3_600, 60
_N_FEATURES = 100


def main() -> None:
    options = parse_options()
    warnings.simplefilter("ignore")
    print(f"{measure.describe_machine()}.\n")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, one_thread():
        print_runs(Path(folder), options)
        print_writes(Path(folder), options)
        print_keys(Path(folder), options)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--seconds", type=float, default=30, help="for each run (default: 30)")
    add("--rounds", type=int, default=5, help="of runs that alternate (default: 5)")
    add("--folder", help="for the files: on the disk that is measured")
    add("--quick", action="store_true", help="see that it runs; figures are noise")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds = 2, 1
    return options


@contextmanager
def timing(name: str):
    """Collect the durations of the calls of a method of the journal."""
    real, times = getattr(KeptJournal, name), []

    def timed(*args, **kwargs):
        began = time.perf_counter()
        try:
            return real(*args, **kwargs)
        finally:
            times.append(time.perf_counter() - began)

    with mock.patch.object(KeptJournal, name, timed):
        yield times


# Whole runs


def print_runs(folder: Path, options) -> None:
    """Print how long runs take with a checkpoint, against those without."""
    model = make_run(folder, options.seconds)
    rng = np.random.default_rng(0)
    ways = [None, None, *CADENCES]
    rounds = []
    for _ in range(options.rounds):
        taken = {}
        for place in rng.permutation(len(ways)):
            path = folder / f"{len(rounds)}_{place}.ckpt"
            taken[place] = run_once(model, folder, path, ways[place])
        rounds.append(taken)
    print(
        "| a write every | seconds of a run | with / without: median (quartiles) | "
        "CPU time | writes | seconds in them and in looking at the clock | share |\n"
        "|---|--:|--:|--:|--:|--:|--:|"
    )
    for place in range(1, len(ways)):
        print(make_row(ways[place], place, rounds))


def make_run(folder: Path, seconds: float) -> ChunkedFit:
    """Write rows, and return a wrapper whose fit takes about so long."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200_000, _N_FEATURES), dtype=np.float32)
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", rng.integers(0, 10, len(X)))
    model = ChunkedFit(SGDClassifier(tol=None), random_state=0, max_epochs=1)
    took = measure_time(lambda: fit(model, folder)).wall
    return model.set_params(max_epochs=max(1, round(seconds / took)))


def fit(model: ChunkedFit, folder: Path) -> None:
    X, y = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in "Xy")
    model.fit(X, y)


def run_once(model, folder: Path, path: Path, cadence):
    """Return the time of a run, the writes, and the seconds of the journal."""
    kept = None if cadence is None else Checkpoint(path, seconds=cadence)
    model.set_params(checkpoint=kept)
    with timing("after_chunk") as calls, timing("_write") as writes:
        took = measure_time(lambda: fit(model, folder))
    # The first write and the last are outside of the calls after chunks.
    outside = writes[:1] + writes[-1:]
    return took, len(writes), sum(calls) + sum(outside)


def make_row(cadence, place: int, rounds: list) -> str:
    ratios = {
        clock: np.array(
            [getattr(r[place][0], clock) / getattr(r[0][0], clock) for r in rounds]
        )
        for clock in ("wall", "cpu")
    }
    low, median, high = measure.find_quartiles(ratios["wall"])
    walls = [taken[place][0].wall for taken in rounds]
    n_writes = np.median([taken[place][1] for taken in rounds])
    inside = np.median([taken[place][2] for taken in rounds])
    cells = [
        "never" if cadence is None else f"{cadence} s",
        f"{np.median(walls):.1f}",
        f"{median:.3f} ({low:.3f} to {high:.3f})",
        f"{np.median(ratios['cpu']):.3f}",
        f"{n_writes:.0f}",
        f"{inside:.3f}",
        f"{100 * inside / np.median(walls):.2f} %",
    ]
    return f"| {' | '.join(cells)} |"


# Writes


def make_estimators(*, quick: bool) -> dict:
    """Return estimators, with the numbers of features and classes."""
    wide = (50, 40) if quick else (2_900, 2_400)
    many = 100 if quick else 1_000
    return {
        "`StandardScaler`, 1,000 features": (StandardScaler(), 1_000, 2),
        "`SGDClassifier`, 10 classes": (SGDClassifier(), 1_000, 10),
        f"`SGDClassifier`, {many:,} classes": (SGDClassifier(), 1_000, many),
        "`IncrementalPCA(50)`": (IncrementalPCA(50), 1_000, 2),
        f"`MLPClassifier({wide})`": (MLPClassifier(wide), 1_000, 2),
    }


def print_writes(folder: Path, options) -> None:
    print(
        "\n| estimator | file | ms for a write: median (quartiles) | writes in an hour "
        "| share of an hour |\n|---|--:|--:|--:|--:|"
    )
    cases = make_estimators(quick=options.quick)
    for number, (name, (estimator, *sizes)) in enumerate(cases.items()):
        path = folder / f"{number}.ckpt"
        times, n_bytes = measure_writes(estimator, *sizes, path)
        low, took, high = measure.find_quartiles(times)
        # The first write, before any chunk, holds no estimator; the last one does.
        n_writes = int(HOUR // (took + max(CADENCE, took / _SHARE))) + 1
        cells = [
            name,
            f"{n_bytes / 1e6:,.2f} MB",
            f"{1e3 * took:,.1f} ({1e3 * low:,.1f} to {1e3 * high:,.1f})",
            n_writes,
            f"{100 * n_writes * took / HOUR:.3f} %",
        ]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
        path.unlink()
        path.with_name(f"{path.name}.previous").unlink()


def measure_writes(estimator, n_features: int, n_classes: int, path: Path) -> tuple:
    """Return the times of writes after each chunk, and the size of the file."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((max(1_000, 2 * n_classes), n_features))
    y = np.arange(len(X)) % n_classes
    kept = Checkpoint(path, seconds=0)
    params = {"max_epochs": 1, "random_state": 0, "checkpoint": kept}
    model = ChunkedFit(estimator, chunk_size=len(X) // 8, **params)
    with timing("_write") as times:
        model.fit(X, y)
    previous = path.with_name(f"{path.name}.previous")  # the last one with all state
    return times[1:-1], previous.stat().st_size


# The key


def print_keys(folder: Path, options) -> None:
    print("\n| once in a fit | ms: least of 5 |\n|---|--:|")
    n_rows, n_shards = (10**5, 10) if options.quick else (10**7, 1_000)
    y = np.arange(n_rows) % 10
    shards = folder / "shards"
    shards.mkdir()
    for number in range(n_shards):
        np.save(shards / f"{number}.npy", np.zeros((10, 4), np.float32))
    pattern = str(shards / "*.npy")
    keys = {
        f"digest of y of {n_rows:,} int64 in memory": lambda: describe_data(y, "y"),
        f"opening {n_shards:,} shards, and their states": (
            lambda: describe_data(pattern, "X")
        ),
        "one file": lambda: describe_data(str(folder / "X.npy"), "X"),
    }
    for name, find in keys.items():
        least = min(measure_time(find).wall for _ in range(5))
        print(f"| {name} | {1e3 * least:,.2f} |", flush=True)


if __name__ == "__main__":
    main()
