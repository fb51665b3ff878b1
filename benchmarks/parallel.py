"""Measure one and two jobs: predictions, fits that are merged, results in files.

    python benchmarks/parallel.py
    python benchmarks/parallel.py --quick

See docs/measured/workers.md for what the columns mean.
"""

import argparse
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import joblib
import measure
import numpy as np
from cases import AUTO_ROWS, CASES, Case
from data import N_FEATURES, find_path, read_few, write_data
from memory import one_thread
from overhead import Report
from read_tables import make_line
from rows import find_ratios, judge, run_rounds, say_ms, say_ratio
from sklearn.cluster import Birch
from sklearn.decomposition import (
    IncrementalPCA,
    LatentDirichletAllocation,
    MiniBatchDictionaryLearning,
    MiniBatchNMF,
)
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.neural_network import BernoulliRBM, MLPClassifier
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

from skmmap import ChunkedFit

# The goals: at most so much of the time of something else.
BARE, TWO, MERGED, WRITTEN = 1.0, 1 / 1.8, 1 / 1.7, 1.05

_METHODS = [case for case in CASES if case.method != "fit"] + [
    Case(GaussianNB, method="predict_proba", target="labels"),
    Case(
        lambda: MLPClassifier((32,), random_state=0),
        method="predict",
        target="labels",
    ),
    Case(lambda: IncrementalPCA(10, batch_size=1_000), method="transform"),
]
_MERGED = [
    Case(GaussianNB, target="labels"),
    Case(BernoulliNB, target="labels"),
    Case(MultinomialNB, target="labels"),
    Case(StandardScaler),
    Case(MinMaxScaler),
    Case(MaxAbsScaler),
]
# What computes for long in Python, and so much of it that it takes a second or so.
_WORKERS = [
    (Case(LatentDirichletAllocation, method="transform"), 4_000),
    (Case(MiniBatchDictionaryLearning, method="transform"), 4_000),
    (Case(MiniBatchNMF, method="transform"), 20_000),
    (Case(lambda: Birch(threshold=1.0, n_clusters=None), method="predict"), 40_000),
    (Case(lambda: BernoulliRBM(random_state=0), method="transform"), 100_000),
]
_PIECE_BYTES = 4_000_000
_HEADS = {
    "methods": f"""\
| method, on {{rows}} rows | 1 job / bare in memory | at most {BARE:.3g} \
| 2 jobs / 1 job | at most {TWO:.3f} | bare / itself: quartiles \
| cores that 1 job keeps busy | CPU time: 2 / 1 | ms: 1 job | 2 jobs | bare \
| by hand: 2 threads / 1 |
|---|--:|:-:|--:|:-:|--:|--:|--:|--:|--:|--:|--:|""",
    "fits": f"""\
| fit of {{rows}} rows | 2 jobs / 1 job | at most {MERGED:.3f} \
| 1 job / itself: quartiles | cores that 1 job keeps busy | CPU time: 2 / 1 \
| ms: 1 job | 2 jobs |
|---|--:|:-:|--:|--:|--:|--:|--:|""",
    "files": f"""\
| `transform` to a file of {{size}} | 1 job / writing alone | 2 jobs / writing alone \
| at most {WRITTEN} | 1 job / the same in memory | ms: 1 job | 2 jobs \
| writing alone | in memory |
|---|--:|--:|:-:|--:|--:|--:|--:|--:|""",
    "workers": """\
| two workers, on rows of 100 float32 | rows | 2 threads / 1 job | 2 processes / 1 job \
| ms: 1 job |
|---|--:|--:|--:|--:|""",
}


def main() -> None:
    options = parse_options()
    say = Report(options.markdown).say
    with tempfile.TemporaryDirectory(dir=options.folder) as name, one_thread():
        folder = Path(name)
        write_data(folder, options.rows)
        quick = " A quick run: the figures are noise." if options.quick else ""
        say(
            f"{measure.describe_machine()}. X: {options.rows:,} rows of {N_FEATURES} "
            f"float32, page cache warm; BLAS and OpenMP on one thread.{quick}"
        )
        rows = f"{options.rows:,}"
        say("\n" + _HEADS["methods"].format(rows=rows))
        for case in chosen(_METHODS, options):
            say(compare_method(case, folder, options.repeats))
        say("\n" + _HEADS["fits"].format(rows=rows))
        for case in chosen(_MERGED, options):
            say(compare_fit(case, folder, options.repeats))
        nbytes = options.rows * N_FEATURES * 4
        say("\n" + _HEADS["files"].format(size=f"{nbytes / 1e6:,.0f} MB"))
        for case in chosen([Case(StandardScaler, method="transform")], options):
            say(compare_file(case, folder, options.repeats))
        say("\n" + _HEADS["workers"])
        for case, n_rows in _WORKERS:
            if chosen([case], options):
                say(compare_workers(case, n_rows, folder, options))


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--rows", type=int, default=1_000_000, help="rows of 100 float32 in X")
    add("--repeats", type=int, default=15, help="rounds of each table")
    add("--only", nargs="+", default=[""], help="parts of the names of cases to run")
    add("--folder", help="where the files are written")
    add("--markdown", type=Path, help="also write the tables to this file")
    add("--quick", action="store_true", help="see that it runs; figures are noise")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.repeats = 100_000, 3
    return options


def chosen(cases, options) -> list:
    return [case for case in cases if any(part in case.name for part in options.only)]


def make_model(case: Case, folder, n_jobs: int) -> ChunkedFit:
    """Return a model of a few rows, that is enough to predict with."""
    X, y = read_few(case, folder)
    return ChunkedFit(case.make(), max_epochs=1, n_jobs=n_jobs).fit(X, y)


def compare_method(case: Case, folder, repeats: int) -> str:
    """Return a row: by chunks with one and two jobs, and bare, on an array."""
    path = find_path(case, folder, "X")
    one, two = (make_model(case, folder, n_jobs) for n_jobs in (1, 2))
    X, bare = np.load(path), getattr(one.estimator_, case.method)
    ways = {
        "one": lambda: getattr(one, case.method)(path),
        "two": lambda: getattr(two, case.method)(path),
        "bare": lambda: bare(X),
        "again": lambda: bare(X),
        "chunks": lambda: call_by_hand(bare, X, AUTO_ROWS, 1),
        "threads": lambda: call_by_hand(bare, X, AUTO_ROWS, 2),
    }
    if not np.array_equal(ways["one"](), ways["two"]()):
        raise AssertionError(f"{case.name}: two jobs differ from one.")
    times = run_rounds(ways, repeats)
    against_bare = compare(times, "one", "bare", BARE)
    by_hand = say_ratio(find_ratios(times, "threads", "chunks"))
    jobs = compare_jobs(times, TWO, "bare")
    bare_ms = say_ms(times["bare"])
    return make_line([f"`{case.name}`", *against_bare, *jobs, bare_ms, by_hand])


def call_by_hand(method, X, step: int, n_threads: int) -> None:
    """Call a method with chunks of an array in memory, and keep no result."""

    def call(piece) -> None:
        for start in range(0, len(piece), step):
            method(piece[start : start + step])

    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(call, np.array_split(X, n_threads)))


def compare_fit(case: Case, folder, repeats: int) -> str:
    """Return a row: a fit in turn, and one of parts that are added up."""
    X, y = (find_path(case, folder, name) for name in ("X", case.target))
    if isinstance(case.make(), MultinomialNB):
        X = write_counts(folder, X)

    def fit(n_jobs: int):
        model = ChunkedFit(case.make(), max_epochs=1, shuffle=False, n_jobs=n_jobs)
        return model.fit(X, y)

    ways = {"one": partial(fit, 1), "two": partial(fit, 2), "again": partial(fit, 1)}
    times = run_rounds(ways, repeats)
    return make_line([f"`{case.name}`", *compare_jobs(times, MERGED, "one")])


def compare_jobs(times: dict, goal: float, again: str) -> list:
    """Return cells for two jobs against one; noise is that of what runs ``again``."""
    low, _, high = measure.find_quartiles(find_ratios(times, "again", again))
    return [
        *compare(times, "two", "one", goal),
        f"{low:.3f} to {high:.3f}",
        f"{np.median([time.cpu / time.wall for time in times['one']]):.2f}",
        f"{np.median(find_ratios(times, 'two', 'one', 'cpu')):.2f}",
        *(say_ms(times[way]) for way in ("one", "two")),
    ]


def write_counts(folder, path) -> Path:
    """Write what multinomial naive Bayes takes: no number below zero."""
    counts = Path(folder) / "counts.npy"
    np.save(counts, np.abs(np.load(path)))
    return counts


def compare_file(case: Case, folder, repeats: int) -> str:
    """Return a row: a result that goes to a file, against writing as many bytes."""
    path, out = find_path(case, folder, "X"), Path(folder) / "out.npy"
    one, two = (make_model(case, folder, n_jobs) for n_jobs in (1, 2))
    size = path.stat().st_size
    ways = {
        "one": lambda: one.transform(path, out=out),
        "two": lambda: two.transform(path, out=out),
        "write": lambda: write_alone(out.with_suffix(".bin"), size),
        "memory": lambda: one.transform(path),
    }
    times = run_rounds(ways, repeats, lambda: out.unlink(missing_ok=True))
    cells = [
        f"`{case.name}`",
        say_ratio(find_ratios(times, "one", "write")),
        *compare(times, "two", "write", WRITTEN),
        say_ratio(find_ratios(times, "one", "memory")),
        *(say_ms(times[way]) for way in ways),
    ]
    return make_line(cells)


def compare_workers(case: Case, n_rows: int, folder, options) -> str:
    """Return a row: threads and processes, which are there already, against one job."""
    n_rows = min(n_rows, options.rows // 10)
    # A map, as the transformed rows of `Rows` are computed when they are read.
    counts = write_counts(folder, find_path(case, folder, "X"))
    X = np.load(counts, mmap_mode="r")[:n_rows]
    model = ChunkedFit(case.make(), max_epochs=1, shuffle=False).fit(X[:1_000])
    model.set_params(chunk_size=n_rows // 16)

    def call(backend: str, n_jobs: int) -> None:
        with joblib.parallel_config(backend):
            getattr(model.set_params(n_jobs=n_jobs), case.method)(X)

    ways = {
        "one": partial(call, "threading", 1),
        "threads": partial(call, "threading", 2),
        "processes": partial(call, "loky", 2),
    }
    times = run_rounds(ways, max(3, options.repeats // 3))
    both = (say_ratio(find_ratios(times, way, "one")) for way in list(ways)[1:])
    return make_line([f"`{case.name}`", f"{n_rows:,}", *both, say_ms(times["one"])])


def write_alone(path: Path, size: int) -> None:
    """Write so many bytes to a new file, and wait until they are on the disk."""
    piece = memoryview(bytes(_PIECE_BYTES))
    with open(path, "wb", buffering=0) as file:
        for start in range(0, size, len(piece)):
            file.write(piece[: size - start])
        os.fsync(file.fileno())
    path.unlink()


def compare(times: dict, over: str, under: str, goal: float) -> tuple[str, str]:
    ratios = find_ratios(times, over, under)
    return say_ratio(ratios), judge(ratios, goal)


if __name__ == "__main__":
    main()
