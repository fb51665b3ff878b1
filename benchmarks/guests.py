"""Measure boosters on rows on disk: by ChunkedFit, by hand, and in memory.

    python benchmarks/guests.py
    python benchmarks/guests.py --quick

A file of float32 and labels, of which each way trains the same trees: ChunkedFit; the
external memory of the library with a loop over slices of a map, as its documentation
has it; and ``fit`` of the estimator on the loaded array. Each figure is of a process of
its own, and the ways take turns in each round. Memory is the growth of anonymous memory
after imports and a fit of a few rows; the array in memory counts.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import describe_machine, find_quartiles
from streams import measure

ROWS_OF_CHUNK = 50_000
TREES = 20


def write_rows(folder: Path, n_rows: int, n_columns: int) -> None:
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(
        folder / "X.npy", "w+", np.float32, (n_rows, n_columns)
    )
    y, weights = np.empty(n_rows, np.int8), rng.normal(size=n_columns)
    for start in range(0, n_rows, ROWS_OF_CHUNK):
        part = rng.standard_normal((min(ROWS_OF_CHUNK, n_rows - start), n_columns))
        X[start : start + len(part)] = part
        y[start : start + len(part)] = part @ weights > part[:, 0] ** 2
    np.save(folder / "y.npy", y)


def make_xgboost(n_trees: int):
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=n_trees, n_jobs=1)


def make_lightgbm(n_trees: int):
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=n_trees, n_jobs=1, verbose=-1)


def train_chunked(make, X, y, n_trees: int):
    from skmmap import ChunkedFit

    model = ChunkedFit(make(n_trees), chunk_size=ROWS_OF_CHUNK, memory_limit="4GB")
    return model.fit(X, y).estimator_


def train_xgboost_by_hand(X, y, n_trees: int):
    import xgboost

    class Slices(xgboost.DataIter):
        def __init__(self, folder):
            super().__init__(cache_prefix=f"{folder}/cache")
            self.start = 0

        def reset(self):
            self.start = 0

        def next(self, input_data):
            part = slice(self.start, self.start + ROWS_OF_CHUNK)
            self.start = part.stop
            if part.start < len(X):
                input_data(data=X[part], label=y[part])
            return part.start < len(X)

    params = make_xgboost(n_trees).get_xgb_params()
    with tempfile.TemporaryDirectory() as folder:
        matrix = xgboost.ExtMemQuantileDMatrix(Slices(folder), nthread=1, max_bin=256)
        model = xgboost.train(params, matrix, n_trees)
        del matrix
    return model


def train_lightgbm_by_hand(X, y, n_trees: int):
    import lightgbm

    class Slices(lightgbm.Sequence):
        batch_size = ROWS_OF_CHUNK

        def __len__(self):
            return len(X)

        def __getitem__(self, key):
            return np.asarray(X[key], dtype=np.float64)

    params = {"objective": "binary", "verbose": -1, "num_threads": 1}
    return lightgbm.train(params, lightgbm.Dataset(Slices(), y), n_trees)


LIBRARIES = {
    "xgboost": (make_xgboost, train_xgboost_by_hand),
    "lightgbm": (make_lightgbm, train_lightgbm_by_hand),
}
WAYS = "ChunkedFit", "by hand", "in memory"


def run_way(library: str, way: str, folder: Path) -> dict:
    """Return what a way took in this process."""
    make, by_hand = LIBRARIES[library]
    X, y = np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "y.npy")
    if way == "ChunkedFit":

        def train(X, y, n_trees):
            return train_chunked(make, X, y, n_trees)
    elif way == "by hand":
        train = by_hand
    else:

        def train(X, y, n_trees):
            return make(n_trees).fit(np.array(X), y)

    train(X[:3_000], y[:3_000], 2)  # what is imported and started then
    began = time.process_time()
    models = []
    taken = measure(lambda: models.append(train(X, y, TREES)))
    taken["cpu"] = time.process_time() - began
    return taken | {"trees": count_trees(models[0])}


def count_trees(model) -> int:
    model = model.get_booster() if hasattr(model, "get_booster") else model
    model = getattr(model, "booster_", model)
    boosted = getattr(model, "num_boosted_rounds", None) or model.num_trees
    return boosted()


def call_way(library: str, way: str, folder: Path) -> dict:
    command = [sys.executable, __file__, "--way", way, "--library", library]
    command += ["--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def run(n_rows: int, n_columns: int, repeats: int) -> None:
    print(describe_machine())
    found: dict = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder, n_rows, n_columns)
        nbytes = (folder / "X.npy").stat().st_size
        print(f"{n_rows:,} x {n_columns} float32, {nbytes / 1e6:.0f} MB")
        for number in range(repeats):
            for library in LIBRARIES:
                for way in sorted(WAYS, reverse=number % 2):
                    taken = call_way(library, way, folder)
                    assert taken.pop("trees") == TREES
                    found.setdefault((library, way), []).append(taken)
    say(found)


def say(found: dict) -> None:
    """Print a table, with ratios to the loop by hand in the same round."""
    for library, way in found:
        cells = [library, way]
        for key in "seconds", "cpu", "MB":
            ours, hand = (
                np.array([each[key] for each in found[library, which]])
                for which in (way, "by hand")
            )
            low, middle, high = find_quartiles(ours / hand)
            ratio = f"{middle:.2f} ({low:.2f} to {high:.2f})"
            cells.append(f"{np.median(ours):,.3g}, {ratio}")
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="few rows, once")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--library", choices=LIBRARIES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(run_way(given.library, given.way, given.folder)))
    elif given.quick:
        run(20_000, 10, 1)
    else:
        run(given.rows, given.columns, given.repeats)
