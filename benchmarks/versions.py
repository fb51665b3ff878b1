"""Measure this checkout against another one, such as that of an earlier commit.

    git worktree add ../before 99e10ff
    python benchmarks/versions.py ../before

The cases of overhead.py, as a user would write them ("auto"), and small fits, in two
processes that take turns: A, B, B, A in each round. Prints ratios, this one over the
other one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

_ROOT = Path(__file__).resolve().parents[1]
_SMALL_ROWS, _SMALL_TIMES = 500, 40


def main() -> None:
    options = parse_options()
    if options.folder:
        serve(options.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        from data import write_data

        write_data(folder, options.rows)
        with Version(_ROOT, folder) as this, Version(options.other, folder) as other:
            print("| case | this / other: median (quartiles) | of the least | CPU |")
            print("|---|--:|--:|--:|")
            for name in this.cases:
                if any(part in name for part in options.only):
                    rounds = [
                        run_round(this, other, name) for _ in range(options.repeats)
                    ]
                    print(make_row(name, np.array(rounds)), flush=True)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("other", nargs="?", type=Path, help="folder of the other checkout")
    add("--rows", type=int, default=400_000, help="rows of 100 float32 in X")
    add("--repeats", type=int, default=7, help="rounds")
    add("--only", nargs="+", default=[""], help="parts of the names of cases to run")
    add("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.other is None and options.folder is None:
        parser.error("name the folder of the other checkout")
    return options


class Version:
    """A process that has one checkout's skmmap, and runs cases when asked to."""

    def __init__(self, root: Path, folder: str):
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--folder", folder],
            env=os.environ | threads | {"PYTHONPATH": str(root.resolve())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.cases = self._read()

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("A measured process ended; its error is above.")
        return json.loads(line)

    def run(self, name: str) -> tuple[float, float]:
        """Return the seconds by the clock, and of the processor."""
        self._process.stdin.write(name + "\n")
        self._process.stdin.flush()
        return self._read()

    def __enter__(self) -> "Version":
        return self

    def __exit__(self, *error) -> None:
        self._process.stdin.close()
        self._process.wait()


def run_round(this: Version, other: Version, name: str) -> list:
    """Return the seconds of both, each run twice: A, B, B, A."""
    times = [version.run(name) for version in (this, other, other, this)]
    return [np.add(times[0], times[3]), np.add(times[1], times[2])]


def make_row(name: str, rounds: np.ndarray) -> str:
    wall, cpu = (rounds[:, 0, i] / rounds[:, 1, i] for i in (0, 1))
    low, median, high = np.quantile(wall, [0.25, 0.5, 0.75])
    least = rounds[:, 0, 0].min() / rounds[:, 1, 0].min()
    return (
        f"| `{name}` | {median:.3f} ({low:.3f} to {high:.3f}) of {len(rounds)} "
        f"| {least:.3f} | {np.median(cpu):.3f} |"
    )


def serve(folder: str) -> None:
    """Run the cases that come line by line, and answer with their times."""
    import warnings

    from clock import measure_time

    warnings.simplefilter("ignore")
    runs = make_runs(folder)
    print(json.dumps(list(runs)), flush=True)
    for line in sys.stdin:
        print(json.dumps(measure_time(runs[line.strip()])), flush=True)


def make_runs(folder: str) -> dict:
    """Return what is measured, by name."""
    import cases
    from data import open_maps

    runs = {}
    for case in cases.CASES:
        ways, _ = cases.make_ways(case, folder)
        runs[f"{case.name}, written out"] = lambda case=case, run=ways["chunked"]: run(
            *open_maps(case, folder)
        )
    return runs | make_auto_runs(folder) | make_small_runs()


def make_auto_runs(folder: str) -> dict:
    """Return fits with everything left to "auto"; of SGD three epochs."""
    import cases
    from data import open_maps

    from skmmap import ChunkedFit

    def fit(case):
        model = case.make()
        if case.name.startswith("SGD"):
            model.set_params(max_iter=3, tol=None)
        return ChunkedFit(model).fit(*open_maps(case, folder))

    kinds = "SGDClassifier", "GaussianNB", "StandardScaler", "MiniBatchKMeans"
    fits = [c for c in cases.CASES if c.method == "fit" and c.name.startswith(kinds)]
    return {f"{case.name}, auto": lambda case=case: fit(case) for case in fits}


def make_small_runs() -> dict:
    """Return fits and a prediction of few rows, where fixed costs are all there is."""
    from sklearn.linear_model import SGDClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.preprocessing import StandardScaler

    from skmmap import ChunkedFit

    X = np.random.default_rng(0).normal(size=(_SMALL_ROWS, 2))
    y = (X[:, 0] > 0).astype(int)
    five = SGDClassifier(random_state=0, max_iter=5, tol=None)
    models = {"SGDClassifier": five, "GaussianNB": GaussianNB()}
    models["StandardScaler"] = StandardScaler()

    def fit(model):
        for _ in range(_SMALL_TIMES):
            ChunkedFit(model).fit(X, y)

    fitted = ChunkedFit(GaussianNB()).fit(X, y)

    def predict():
        for _ in range(_SMALL_TIMES):
            fitted.predict(X[:1])

    runs = {
        f"{name}.fit, {_SMALL_ROWS} rows": lambda model=model: fit(model)
        for name, model in models.items()
    }
    return runs | {"GaussianNB.predict, 1 row": predict}


if __name__ == "__main__":
    main()
