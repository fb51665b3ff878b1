"""Measure what a call of partial_fit costs and what each row in it.

    python benchmarks/chunk_size.py --markdown table.md
    python benchmarks/chunk_size.py --write
    python benchmarks/chunk_size.py --only Scaler --seconds 20

Is ``chunk_size="auto"`` where more rows in a call make nothing faster? Estimators are
trained on slices of a pool of rows, which is larger than the processor's caches, as
ChunkedFit trains them. ``--write`` renews ``skmmap/order/chunk_table.py``. See
docs/measured/chunk_size.md for what the columns mean.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import measure
import numpy as np
from memory import one_thread
from scipy.optimize import nnls
from sklearn import cluster, preprocessing
from sklearn import decomposition as parts
from sklearn import linear_model as linear
from sklearn import naive_bayes as bayes
from sklearn import neural_network as neural

import skmmap
from skmmap.order.chunk_size import Cost, find_chunk_rows
from skmmap.order.chunk_table import COSTS

LENGTHS = 4, 32, 256, 2_048  # values in a row
N_CLASSES = 5
GOAL = 0.95  # of the best rows/s
MEMORY_LIMIT = "512MB"

_MOST_VALUES = 2**23  # in a call
_POOL_VALUES = 2**24
_SIZES = [1, 64, 256, *(2**power for power in range(10, 21))]
_ROUNDS = 4
_FIRST_ROWS = 2_000
_LINE = 88
# A call that takes so many times its share of the seconds is the longest one tried: the
# least of a few long times is greater than that of many short ones, by noise alone.
_LONG = 2
# Fewer rows than memory allows only where that is so much faster at the row length
# where it matters most, in two measurements.
_GAIN = 0.15
_CORRECTIONS = list(product(2 ** np.arange(16, 23), 2 ** np.arange(8, 15)))

_HEAD = """\
| estimator | µs per call | ns per row \
| {} |
|---|--:|--:|{}"""

_MODULE = '''\
"""What a call of ``partial_fit`` costs, and each row in it: data for "auto".

Written by benchmarks/chunk_size.py, which says how it was measured, not by hand.
Estimators whose own ``fit`` cuts batches are not here: their ``batch_size`` decides.
"""

from skmmap.order.chunk_size import Cost

# The date and the machine of the last run that wrote here.
{made}

COSTS = {{
{costs}
}}
'''


@dataclass(frozen=True)
class Kind:
    """An estimator, what its rows are made of, and what it is told of them.

    ``batch`` says what its own ``fit`` takes for the rows of a call, if it does.
    """

    make: Callable
    target: str | None = None
    to_rows: Callable = lambda X: X / np.float32(X.shape[1] ** 0.5)
    batch: Callable | None = None
    min_rows: int = 1

    @property
    def name(self) -> str:
        return type(self.make()).__name__


def to_positive(X):
    return np.abs(X) / np.float32(X.shape[1] ** 0.5)


def to_counts(X):
    return np.floor(np.minimum(4 * np.abs(X), 7))


_PARTS = 3  # components, no more than values in the shortest rows
KINDS = [
    Kind(bayes.GaussianNB, "labels"),
    Kind(bayes.MultinomialNB, "labels", to_counts),
    Kind(bayes.ComplementNB, "labels", to_counts),
    Kind(bayes.BernoulliNB, "labels"),
    Kind(lambda: bayes.CategoricalNB(min_categories=8), "labels", to_counts),
    Kind(linear.SGDClassifier, "labels"),
    Kind(linear.SGDRegressor, "values"),
    Kind(linear.SGDOneClassSVM),
    Kind(linear.Perceptron, "labels"),
    *(
        Kind(getattr(linear, name), target)
        for name, target in (
            ("PassiveAggressiveClassifier", "labels"),
            ("PassiveAggressiveRegressor", "values"),
        )
        if hasattr(linear, name)  # until scikit-learn 1.10
    ),
    Kind(neural.MLPClassifier, "labels"),
    Kind(neural.MLPRegressor, "values"),
    Kind(preprocessing.StandardScaler),
    Kind(preprocessing.MinMaxScaler),
    Kind(preprocessing.MaxAbsScaler),
    Kind(cluster.Birch),
    Kind(parts.LatentDirichletAllocation, None, to_counts),
    Kind(cluster.MiniBatchKMeans, batch=lambda n: 1_024, min_rows=8),
    Kind(
        lambda: parts.IncrementalPCA(_PARTS),
        batch=lambda n_values: 5 * n_values,
        min_rows=_PARTS,
    ),
    Kind(lambda: parts.MiniBatchNMF(_PARTS), None, to_positive, lambda n: 1_024),
    Kind(lambda: parts.MiniBatchDictionaryLearning(_PARTS), batch=lambda n: 256),
    Kind(neural.BernoulliRBM, None, to_positive, lambda n: 10),
]


def main() -> None:
    options = parse_options()
    quick = " A quick run: the figures are noise." if options.quick else ""
    machine = measure.describe_machine()
    lines = [f"{machine}.{quick}", "", make_header()]
    print("\n".join(lines))
    costs = {}
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in filter(options.is_chosen, KINDS):
            cells, cost = measure_kind(kind, options.seconds)
            lines.append(make_line(kind, cells, cost))
            print(lines[-1], flush=True)
            costs |= {} if kind.batch else {kind.name: cost}
            if options.write:
                write_module(say_module(COSTS | costs, machine))
    print(f"\n{say_module(COSTS | costs, machine)}")
    if options.markdown:
        Path(options.markdown).write_text("\n".join(lines) + "\n", encoding="utf-8")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--seconds", type=float, default=6, help="for each row length of an estimator")
    add("--only", nargs="*", default=[""], help="estimators with this in their names")
    add("--markdown", help="a file for the table")
    add("--write", action="store_true", help="renew skmmap/order/chunk_table.py")
    add("--quick", action="store_true", help="see that it runs; figures are noise")
    options = parser.parse_args()
    if options.quick:
        options.seconds = 0.1
    if options.quick and options.write:
        parser.error("The figures of a quick run are noise, and are not written.")
    options.is_chosen = lambda kind: any(
        part.lower() in kind.name.lower() for part in options.only
    )
    return options


def measure_kind(kind: Kind, seconds: float):
    """Return the seconds of calls by row length and rows, and the cost they make."""
    cells = {n_values: measure_cell(kind, n_values, seconds) for n_values in LENGTHS}
    correction = {} if kind.batch else find_correction(cells)
    if correction:
        again = {n: measure_cell(kind, n, seconds) for n in LENGTHS}
        if find_gain(again, correction) < _GAIN:
            correction = {}
    return cells, fit_cost(cells, correction)


def measure_cell(kind: Kind, n_values: int, seconds: float) -> dict:
    """Return the CPU seconds of a call by its rows, the least of several rounds.

    Sizes take turns, forwards and backwards, and each has the same share of the time,
    so that what disturbs a run has as many chances to disturb any of them.
    """
    X, y = make_pool(kind, n_values)
    model = make_model(kind)
    first = {"classes": np.arange(N_CLASSES)} if kind.target == "labels" else {}
    train(model, X, y, 0, _FIRST_ROWS, **first)
    sizes = [kind.min_rows, *find_sizes(kind, n_values)]
    share = seconds / len(sizes) / _ROUNDS
    times, start = {}, 0
    for number in range(_ROUNDS):
        for rows in sizes if number % 2 == 0 else sizes[::-1]:
            seconds_each, start = time_calls(model, X, y, start, rows, share)
            times[rows] = min(seconds_each, times.get(rows, np.inf))
            if len(times) > 2 and number == 0 and seconds_each > _LONG * share:
                sizes = [size for size in sizes if size <= rows]
                break
    return dict(sorted(times.items()))


def find_sizes(kind: Kind, n_values: int) -> list:
    extra = {find_bound(n_values)} | ({kind.batch(n_values)} if kind.batch else set())
    sizes = {rows for rows in _SIZES if rows * n_values <= _MOST_VALUES} | extra
    return sorted(rows for rows in sizes if rows > kind.min_rows)


def make_pool(kind: Kind, n_values: int):
    """Return rows around a centre for each label, which can be told apart."""
    rng = np.random.default_rng(0)
    n_rows = max(_POOL_VALUES // n_values, 2 * _FIRST_ROWS)
    y = rng.integers(0, N_CLASSES, n_rows)
    centers = rng.choice(np.float32([-1, 1]), (N_CLASSES, n_values))
    X = rng.standard_normal((n_rows, n_values), dtype=np.float32)
    X *= np.float32(0.3)
    X += centers[y]
    targets = {"labels": y, "values": y - y.mean(), None: None}
    return kind.to_rows(X), targets[kind.target]


def make_model(kind: Kind):
    """Return the estimator as ChunkedFit trains it: rows come mixed already."""
    model = kind.make()
    own = model.get_params()
    wanted = {"shuffle": False, "random_state": 0}
    return model.set_params(**{name: wanted[name] for name in wanted if name in own})


def train(model, X, y, start: int, stop: int, **params) -> None:
    rows = slice(start, stop)
    model.partial_fit(X[rows], *([] if y is None else [y[rows]]), **params)


def time_calls(model, X, y, start: int, rows: int, seconds: float):
    """Return the CPU seconds of a call, and where the next one would start.

    CPU time, since waiting for other jobs does not lengthen it.
    """
    n_calls, begin = 0, time.process_time()
    while True:
        start = 0 if start + rows > len(X) else start
        train(model, X, y, start, start + rows)
        start, n_calls = start + rows, n_calls + 1
        if (passed := time.process_time() - begin) >= seconds:
            return passed / n_calls, start


def find_bound(n_values: int, cost: Cost | None = None) -> int:
    """Return the rows of "auto": what memory allows, or what the table says."""
    return find_chunk_rows(
        "auto",
        row_values=n_values,
        row_nbytes=4 * n_values,
        memory_limit=MEMORY_LIMIT,
        n_rows=_MOST_VALUES,
        cost=cost,
    )


def find_speed(times: dict, rows: int) -> float:
    """Return rows per second, from the sizes that were tried next to this one."""
    sizes = np.array(list(times))
    return np.interp(np.log(rows), np.log(sizes), sizes / np.array([*times.values()]))


def find_ratio(times: dict, rows: int, most: int | None = None) -> float:
    """Return rows/s as a share of the best of all sizes, or of those up to ``most``."""
    speeds = [find_speed(times, size) for size in times if not most or size <= most]
    return find_speed(times, rows) / max(speeds)


def find_worst(cells: dict, cost: Cost | None) -> float:
    """Return the least ratio of all row lengths to the best that memory allows."""
    return min(
        find_ratio(times, find_bound(n_values, cost), find_bound(n_values))
        for n_values, times in cells.items()
    )


def find_gain(cells: dict, correction: dict) -> float:
    return find_worst(cells, Cost(1, 0, 1, 0, **correction)) - find_worst(cells, None)


def find_correction(cells: dict) -> dict:
    """Return by which least and most fewer rows are faster, nothing if they are not."""
    found = [
        {"most_values": int(values), "least_rows": int(rows)}
        for values, rows in _CORRECTIONS
    ]
    best = max(found, key=lambda correction: find_gain(cells, correction))
    return best if find_gain(cells, best) >= _GAIN else {}


def fit_cost(cells: dict, correction: dict) -> Cost:
    """Return a cost of two straight lines in the values of a row: per call, per row."""
    rows, calls = [], []
    for n_values, times in cells.items():
        least, *_, most = (size for size in times if size <= find_bound(n_values))
        row = (times[most] - times[least]) / (most - least)
        rows.append(row * 1e9)
        calls.append(max(times[least] - least * row, 0) * 1e6)
    return Cost(*fit_line(calls), *fit_line(rows), **correction)


def fit_line(figures) -> list:
    """Return a and b of a + b * values, neither negative, by relative errors."""
    figures = np.maximum(figures, 1e-3)
    lines = np.column_stack([np.ones(len(LENGTHS)), LENGTHS]) / figures[:, None]
    return [float(f"{figure:.2g}") for figure in nnls(lines, np.ones(len(LENGTHS)))[0]]


def make_header() -> str:
    columns = " | ".join(f"{n_values:,} values" for n_values in LENGTHS)
    return _HEAD.format(columns, "--:|" * len(LENGTHS))


def make_line(kind: Kind, cells: dict, cost: Cost) -> str:
    """Return a line: costs, and for each row length rows, share of a call, ratio."""
    per_call = say_line(cost.call_us, cost.call_value_us)
    per_row = say_line(cost.row_ns, cost.value_ns)
    said = [say_cell(kind, n, times, cost) for n, times in cells.items()]
    return f"| {' | '.join([f'`{kind.name}`', per_call, per_row, *said])} |"


def say_line(start: float, slope: float) -> str:
    return f"{start:,g} + {slope:,g} v"


def say_cell(kind: Kind, n_values: int, times: dict, cost: Cost) -> str:
    """Return rows of "auto", rows/s of the best, what a call is; where it is missed."""
    rows = find_bound(n_values, cost)
    rows = min(rows, kind.batch(n_values)) if kind.batch else rows
    ratio = find_ratio(times, rows)
    said = f"{ratio:.2f}"
    if ratio < GOAL and not kind.batch:
        best = max(times, key=lambda size: find_speed(times, size))
        said = f"**{ratio:.2f}** of {best:,}"
    tried = "" if rows <= max(times) else f" ({max(times):,} tried)"
    share = 100 * cost.find_call_share(rows, n_values)
    return f"{rows:,}{tried}: {said}, {share:.1f} %"


def say_module(costs: dict, machine: str) -> str:
    names = [kind.name for kind in KINDS if kind.name in costs]
    said = [say_entry(name, costs[name]) for name in names]
    made = f'MADE = "{machine}"'
    if len(made) > _LINE:
        head, _, tail = machine.partition(", scikit-learn")
        made = f'MADE = (\n    "{head}"\n    ", scikit-learn{tail}"\n)'
    return _MODULE.format(made=made, costs="\n".join(said))


def write_module(text: str) -> None:
    path = Path(skmmap.__file__).parent / "order" / "chunk_table.py"
    path.write_text(text, encoding="utf-8")


def say_entry(name: str, cost: Cost) -> str:
    """Return a line of the table, or three where it would be too long."""
    figures = cost.call_us, cost.call_value_us, cost.row_ns, cost.value_ns
    said = [f"{figure:g}" for figure in figures]
    if cost.most_values is not None:
        said += [f"most_values={cost.most_values:_}", f"least_rows={cost.least_rows:_}"]
    entry = f'    "{name}": Cost({", ".join(said)}),'
    if len(entry) <= _LINE:
        return entry
    return f'    "{name}": Cost(\n        {", ".join(said)}\n    ),'


if __name__ == "__main__":
    main()
