"""Measure what ChunkedFit adds to each chunk and to each call.

    python benchmarks/per_chunk.py
    python benchmarks/per_chunk.py --profile

The estimator does nothing, so all of the time is the loop's or ChunkedFit's.
See docs/measured/overhead.md for what the columns mean.
"""

import argparse
import cProfile
import pstats
import tempfile
from pathlib import Path

import measure
import numpy as np
from memory import one_thread
from sklearn.linear_model import SGDClassifier
from sklearn.utils import gen_batches

from skmmap import ChunkedFit

N_CHUNKS = 10_000
N_FEATURES = 10

_HEAD = """\
| call | µs per chunk: ChunkedFit | loop | more \
| µs per call: ChunkedFit | loop | more |
|---|--:|--:|--:|--:|--:|--:|"""


class Idle(SGDClassifier):
    """A classifier with all parameters and tags of a real one, which does nothing."""

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        return self

    def predict(self, X):
        return X[:, 0]


def make_wrapper(**params) -> ChunkedFit:
    return ChunkedFit(Idle(), max_epochs=1, shuffle=False, **params)


class Calls:
    """The pairs to compare, each a function of the rows in a chunk."""

    def __init__(self, folder):
        self._folder = Path(folder)
        X = np.ones((N_CHUNKS, N_FEATURES), dtype=np.float32)
        self.weights = np.ones(N_CHUNKS)
        np.save(self._folder / "X.npy", X)
        np.save(self._folder / "y.npy", np.arange(N_CHUNKS) % 2)
        self.model = make_wrapper().fit(X, np.arange(N_CHUNKS) % 2)

    def _open(self, name: str):
        return np.load(self._folder / f"{name}.npy", mmap_mode="r")

    def fit_chunked(self, chunk_size, weights=None):
        X, y = self._open("X"), self._open("y")
        model = make_wrapper(chunk_size=chunk_size)
        model.fit(X, y, sample_weight=weights)

    def fit_by_hand(self, chunk_size):
        X, y = self._open("X"), self._open("y")
        model, first = Idle(), {"classes": np.unique(y)}
        for rows in gen_batches(len(X), chunk_size):
            model.partial_fit(X[rows], y[rows], **first)
            first = {}

    def fit_chunked_weighted(self, chunk_size):
        self.fit_chunked(chunk_size, self.weights)

    def fit_by_hand_weighted(self, chunk_size):
        X, y, weights = self._open("X"), self._open("y"), self.weights
        model, first = Idle(), {"classes": np.unique(y)}
        for rows in gen_batches(len(X), chunk_size):
            model.partial_fit(X[rows], y[rows], sample_weight=weights[rows], **first)
            first = {}

    def predict_chunked(self, chunk_size):
        self.model.set_params(chunk_size=chunk_size).predict(self._open("X"))

    def predict_by_hand(self, chunk_size):
        X, predict = self._open("X"), self.model.estimator_.predict
        np.concatenate([predict(X[rows]) for rows in gen_batches(len(X), chunk_size)])

    def pairs(self) -> dict:
        return {
            "`fit(X, y)`": (self.fit_chunked, self.fit_by_hand),
            "`fit(X, y, sample_weight)`": (
                self.fit_chunked_weighted,
                self.fit_by_hand_weighted,
            ),
            "`predict(X)`": (self.predict_chunked, self.predict_by_hand),
        }


def main() -> None:
    options = parse_options()
    with tempfile.TemporaryDirectory() as folder, one_thread():
        calls = Calls(folder)
        print(f"{measure.describe_machine()}.\n")
        print(_HEAD)
        for name, pair in calls.pairs().items():
            print(make_row(name, *measure_pair(*pair, options.repeats)))
        if options.profile:
            print_profiles(calls)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--profile", action="store_true", help="print where time goes")
    return parser.parse_args()


def measure_pair(chunked, by_hand, repeats: int):
    """Return the seconds per chunk and per call of both, from alternating runs.

    Whatever disturbs a short run makes it longer, so the least is closest to what
    it costs.
    """
    runs = [(f, rows) for f in (chunked, by_hand) for rows in (1, N_CHUNKS)]
    times = [
        [measure.measure_time(lambda f=f, rows=rows: f(rows)).wall for f, rows in runs]
        for _ in range(repeats)
    ]
    many, one, hand_many, hand_one = np.min(times, axis=0)
    per_chunk = (many - one) / (N_CHUNKS - 1), (hand_many - hand_one) / (N_CHUNKS - 1)
    return per_chunk, (one, hand_one)


def make_row(name: str, per_chunk, per_call) -> str:
    cells = []
    for (ours, theirs), digits in ((per_chunk, 1), (per_call, 0)):
        figures = (ours, theirs, ours - theirs)
        cells += [f"{figure * 1e6:.{digits}f}" for figure in figures]
    return f"| {name} | {' | '.join(cells)} |"


def print_profiles(calls: Calls) -> None:
    """Print where ChunkedFit spends its time, per chunk and per call."""
    for name, (chunked, _) in calls.pairs().items():
        for rows, times in ((1, 1), (N_CHUNKS, 200)):
            chunks = N_CHUNKS // rows
            print(f"\n{name}: {times} calls, {chunks:,} chunks in each")
            profile = cProfile.Profile()
            profile.runcall(lambda: [chunked(rows) for _ in range(times)])  # noqa: B023
            pstats.Stats(profile).sort_stats("tottime").print_stats(12)


if __name__ == "__main__":
    main()
