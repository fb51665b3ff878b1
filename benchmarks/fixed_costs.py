"""Measure what a call costs that has nearly nothing to do, and what an import costs.

    python benchmarks/fixed_costs.py
    python benchmarks/fixed_costs.py --quick

See docs/measured/fixed_costs.md for what the columns mean.
"""

import argparse
import subprocess
import sys
import tempfile
import warnings
from functools import partial
from pathlib import Path

import measure
import numpy as np
from memory import one_thread
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit

N_ROWS, N_FEATURES = 500, 2
_CALLS = 10  # in a round, since the clock of the CPU has coarse ticks

_FITS = {
    "`SGDClassifier(max_iter=5, tol=None).fit`": SGDClassifier(
        max_iter=5, tol=None, random_state=0
    ),
    "`SGDClassifier(max_iter=5).fit`": SGDClassifier(max_iter=5, random_state=0),
    "`GaussianNB.fit`": GaussianNB(),
    "`StandardScaler.fit`": StandardScaler(),
}

_HEAD = """\
| call | ms, bare: least (quartiles) | `ChunkedFit`, arrays | ratio of the least \
| `ChunkedFit`, maps | ratio of the least |
|---|--:|--:|--:|--:|--:|"""

_IMPORTS_HEAD = """\
| after `import sklearn.linear_model, sklearn.naive_bayes, sklearn.preprocessing` \
| ms: least (quartiles) |
|---|--:|"""

_IMPORT = """
import time
import sklearn.linear_model, sklearn.naive_bayes, sklearn.preprocessing
began = time.process_time()
{}
print(1e3 * (time.process_time() - began))
"""
_STATEMENTS = (
    "from skmmap import ChunkedFit",
    "import sklearn.cluster, sklearn.pipeline",
)


def main() -> None:
    options = parse_options()
    quick = " A quick run: the figures are noise." if options.quick else ""
    print(f"{measure.describe_machine()}.{quick}\n\n{_IMPORTS_HEAD}")
    for statement, times in measure_imports(options.repeats).items():
        print(f"| `{statement}` | {say(times)} |")
    with tempfile.TemporaryDirectory() as folder, one_thread():
        warnings.simplefilter("ignore", ConvergenceWarning)
        print(f"\n{_HEAD}")
        for name, ways in make_ways(Path(folder)).items():
            print(make_row(name, measure_ways(ways, options.repeats)), flush=True)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=25, help="rounds")
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    options = parser.parse_args()
    if options.quick:
        options.repeats = 2
    return options


def measure_imports(repeats: int) -> dict:
    """Return the CPU times in ms of each statement, in new processes that alternate."""
    times = {statement: [] for statement in _STATEMENTS}
    for _ in range(repeats):
        for statement, found in times.items():
            command = [sys.executable, "-c", _IMPORT.format(statement)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append(float(done.stdout))
    return times


def make_ways(folder: Path) -> dict:
    """Return the ways to make each call: bare, and ChunkedFit on arrays and on maps."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_FEATURES))
    y = (X[:, 0] > 0).astype(int)
    for name, rows in {"X": X, "y": y, "row": X[:1]}.items():
        np.save(folder / f"{name}.npy", rows)

    def on_maps(call, *names):
        call(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in names))

    ways = {}
    for name, estimator in _FITS.items():
        fit = partial(_fit, estimator, wrap=True)
        bare, arrays = partial(_fit, estimator, X, y), partial(fit, X, y)
        ways[name] = bare, arrays, partial(on_maps, fit, "X", "y")
    model = SGDClassifier(random_state=0).fit(X, y)
    predict = ChunkedFit(model).predict
    on_map = partial(on_maps, predict, "row")
    bare, arrays = partial(model.predict, X[:1]), partial(predict, X[:1])
    return ways | {"`SGDClassifier.predict` of one row": (bare, arrays, on_map)}


def _fit(estimator, X, y, *, wrap: bool = False) -> None:
    fresh = clone(estimator)
    (ChunkedFit(fresh) if wrap else fresh).fit(X, y)


def measure_ways(ways, repeats: int) -> np.ndarray:
    """Return the CPU times in ms of one call, by way and by round."""

    def run(way):
        for _ in range(_CALLS):
            way()

    for way in ways:
        run(way)
    times = [
        [measure.measure_time(partial(run, way)).cpu for way in ways]
        for _ in range(repeats)
    ]
    return 1e3 * np.array(times).T / _CALLS


def make_row(name: str, times: np.ndarray) -> str:
    bare, *others = times
    cells = [say(bare)]
    for found in others:
        cells += [say(found), f"{found.min() / bare.min():.1f}"]
    return f"| {name} | {' | '.join(cells)} |"


def say(times) -> str:
    low, _, high = measure.find_quartiles(times)
    return f"{np.min(times):.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
