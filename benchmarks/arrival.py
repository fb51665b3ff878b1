"""Measure how fast rows must arrive before the estimator is the limit.

    python benchmarks/arrival.py --picture docs/_static/arrival.png
    python benchmarks/arrival.py --quick

See docs/measured/arrival.md for what the columns mean.
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import measure
from arrival_sources import ROW_BYTES, SOURCES, make_labels, make_rows, make_sparse
from clock import measure_time
from memory import one_thread
from sklearn.base import is_classifier
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA, MiniBatchDictionaryLearning
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import gen_batches

from skmmap import ChunkedFit

_FEW_ROWS = 1_000
_HEAD = """\
| estimator | `chunk_size_` | rows/s | MB/s: most (least) of the rounds \
| slowest source that is faster |
|---|--:|--:|--:|---|"""
_SOURCES_HEAD = """\
| rows from | rows/s | MB/s: most (least) of the rounds \
| faster than |
|---|--:|--:|---|"""


@dataclass(frozen=True)
class Case:
    """An estimator, whether it learns from y, and whether its rows are sparse."""

    make: Callable
    has_y: bool = True
    is_sparse: bool = False

    @property
    def name(self) -> str:
        name = type(self.make()).__name__
        return f"{name} (CSR)" if self.is_sparse else name


CASES = [
    Case(lambda: SGDClassifier(random_state=0)),
    Case(lambda: SGDClassifier(random_state=0), is_sparse=True),
    Case(lambda: SGDRegressor(random_state=0)),
    Case(lambda: Perceptron(random_state=0)),
    Case(GaussianNB),
    Case(MultinomialNB),
    Case(BernoulliNB),
    Case(lambda: MiniBatchKMeans(random_state=0), has_y=False),
    Case(StandardScaler, has_y=False),
    Case(MinMaxScaler, has_y=False),
    Case(lambda: IncrementalPCA(n_components=10), has_y=False),
    Case(lambda: MLPClassifier((32,), random_state=0)),
    Case(
        lambda: MiniBatchDictionaryLearning(n_components=10, random_state=0),
        has_y=False,
    ),
]


def main() -> None:
    options = parse_options()
    quick = " A quick run: the figures are noise." if options.quick else ""
    machine = f"{measure.describe_machine()}."
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, one_thread():
        warnings.simplefilter("ignore")
        reads = dict(prepare_sources(Path(folder), options.rows))
        uses = dict(prepare_cases(options.rows, options.seconds))
        found = measure_rates(reads | uses, options.repeats)
    estimators = {name: found[name] for name in uses}
    sources = {name: found[name] for name in reads}
    text = f"{machine} {options.repeats} rounds.{quick}\n\n"
    text += make_tables(estimators, sources, {n: use.n_rows for n, use in uses.items()})
    print(text)
    if options.markdown:
        Path(options.markdown).write_text(text + "\n", encoding="utf-8")
    if options.picture:
        from arrival_picture import draw

        draw(estimators, sources, machine, options.picture)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--rows", type=int, default=400_000, help="of 100 float32")
    add("--repeats", type=int, default=5, help="rounds")
    add("--seconds", type=float, default=0.4, help="for an estimator in a round")
    add("--folder", help="where the files are written")
    add("--markdown", help="a file for the tables")
    add("--picture", help="a file for the picture")
    add("--quick", action="store_true", help="see that it runs; figures are noise")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.repeats, options.seconds = 300, 1, 0.01
    return options


class Reading:
    """A source whose file was written; a call is the MB/s of one pass over it."""

    def __init__(self, source, folder: Path, n_rows: int):
        self._source = source
        self._path, self._n_bytes = source.write_rows(folder, n_rows)

    def __call__(self) -> float:
        self._source.forget(self._path)
        seconds = measure_time(lambda: self._source.read_rows(self._path)).wall
        return self._n_bytes / seconds / 1e6


class Use:
    """An estimator in training; a call is the MB/s that it takes of ready chunks."""

    def __init__(self, case: Case, n_rows: int, seconds: float):
        rows = (make_sparse if case.is_sparse else make_rows)(n_rows)
        y = make_labels(rows)
        few = (rows[:_FEW_ROWS], y[:_FEW_ROWS]) if case.has_y else (rows[:_FEW_ROWS],)
        wrapped = ChunkedFit(case.make(), max_epochs=1, shuffle=False)
        self.n_rows = wrapped.fit(*few).chunk_size_
        chunk_rows = min(self.n_rows, n_rows)
        batches = gen_batches(n_rows, chunk_rows, min_batch_size=chunk_rows)
        data = (rows, y) if case.has_y else (rows,)
        chunks = [[part[batch] for part in data] for batch in batches]
        self._chunks = cycle(chunks)
        self._model, self._seconds = case.make(), seconds
        classes = {"classes": [0, 1]} if is_classifier(self._model) else {}
        self._model.partial_fit(*next(self._chunks), **classes)  # makes its state

    def __call__(self) -> float:
        n_rows, begin = 0, time.perf_counter()
        while (passed := time.perf_counter() - begin) < self._seconds or not n_rows:
            chunk = next(self._chunks)
            self._model.partial_fit(*chunk)
            n_rows += chunk[0].shape[0]
        return n_rows * ROW_BYTES / passed / 1e6


def prepare_sources(folder: Path, n_rows: int):
    """Yield name and reading of each source whose library is there."""
    for source in SOURCES:
        try:
            yield source.name, Reading(source, folder, n_rows)
        except ImportError as error:
            print(f"Left out: {source.name}: {error}.")


def prepare_cases(n_rows: int, seconds: float):
    for case in CASES:
        yield case.name, Use(case, n_rows, seconds)


def measure_rates(runs: dict, repeats: int) -> dict:
    """Return the MB/s of each run by round; all of them take turns."""
    for run in runs.values():
        run()
    rounds = [{name: run() for name, run in runs.items()} for _ in range(repeats)]
    return {name: [rates[name] for rates in rounds] for name in runs}


def make_tables(estimators: dict, sources: dict, chunk_rows: dict) -> str:
    """Return a table of estimators and one of sources, each from fast to slow."""
    lines = [_HEAD]
    for name in sort_names(estimators):
        rates = estimators[name]
        faster = [s for s in sort_names(sources) if max(sources[s]) > max(rates)]
        cells = [f"`{name}`", f"{chunk_rows[name]:,}", *say(rates)]
        lines.append(f"| {' | '.join([*cells, faster[-1] if faster else 'none'])} |")
    lines += ["", _SOURCES_HEAD]
    for name in sort_names(sources):
        rates = sources[name]
        n_slower = sum(max(rates) > max(other) for other in estimators.values())
        cells = [name, *say(rates), f"{n_slower} of {len(estimators)}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def sort_names(rates: dict) -> list[str]:
    return sorted(rates, key=lambda name: -max(rates[name]))


def say(rates: list) -> list[str]:
    """Return rows/s and MB/s."""
    rows = max(rates) * 1e6 / ROW_BYTES
    return [f"{rows:,.0f}", f"{show(max(rates))} ({show(min(rates))})"]


def show(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


if __name__ == "__main__":
    main()
