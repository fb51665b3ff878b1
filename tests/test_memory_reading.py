"""Resident memory, anonymous and of files, while files of any size are read."""

import sys

import numpy as np
import pytest
from helpers import EXHAUSTIVE
from test_memory import run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc is there on Linux only"),
]

MB, LIMIT = 10**6, 128 * 10**6
SIZES = [50 * MB, 150 * MB] + EXHAUSTIVE * [10_000 * MB]

_CODE = """
import os
from sklearn.base import ClassifierMixin

class Sums(ClassifierMixin, BaseEstimator):
    '''Looks at every value, and holds nothing.'''
    def partial_fit(self, X, y=None, classes=None):
        self.total_ = X.sum()
        self.classes_ = np.arange(2)
        return self
    def predict(self, X):
        return (X.max(axis=1) > 1).view(np.int8)

def peak(call):
    '''Bytes that are resident at most, and by how much more than before.'''
    def now():
        return resident("RssAnon") + resident("RssFile")
    gc.collect()
    before, seen, done = now(), [0], threading.Event()
    def watch():
        while not done.wait(0.001):
            seen.append(max(seen.pop(), now()))
    thread = threading.Thread(target=watch)
    thread.start()
    call()
    done.set()
    thread.join()
    return seen[0], seen[0] - before

folder, read, shuffle = sys.argv[1:4]
shuffle = {"blocks": "blocks", "file": False}[shuffle]
wrapper = ChunkedFit(Sums(), max_epochs=1, shuffle=shuffle, read=read,
                     memory_limit="128MB", random_state=0)
small = np.zeros((35_000, 250), np.float32)
wrapper.fit(small, np.arange(35_000) % 2).predict(small)
for size in map(int, sys.argv[4:]):
    X, y = f"{folder}/X{size}.npy", f"{folder}/y{size}.npy"
    print(*peak(lambda: wrapper.fit(X, y)))
    print(*peak(lambda: wrapper.predict(X)))
    print(*peak(lambda: wrapper.score(X, y)))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files that are as large as they say, and take no room."""
    folder = tmp_path_factory.mktemp("sparse")
    for size in SIZES:
        for name, shape, dtype in [
            ("X", (size // 1_000, 250), np.float32),
            ("y", (size // 1_000,), np.int8),
        ]:
            path = folder / f"{name}{size}.npy"
            np.lib.format.open_memmap(path, "w+", dtype, shape)[1::2] = name == "y"
            if name == "X":
                with open(path, "rb") as file:
                    start = np.lib.format.read_magic(file) and 128
                with open(path, "r+b") as file:
                    file.truncate(start)
                    file.truncate(start + size)
    return folder


@pytest.mark.parametrize(
    ("read", "shuffle", "sizes"),
    [
        ("map", "file", SIZES),
        ("buffer", "blocks", SIZES),
        ("buffer", "file", SIZES[:2]),
        ("uncached", "blocks", SIZES[:2]),
    ],
)
def test_memory_is_the_same_for_every_size(folder, read, shuffle, sizes):
    told = run(_CODE, folder, read, shuffle, *sizes)
    peaks, growths = np.moveaxis(np.reshape(told, (len(sizes), 3, 2)), 2, 0)
    assert growths.max() < LIMIT
    assert growths[0, 0] > 5 * MB  # the probe sees what is read into
    # y and the result of predict have a byte for each row.
    n_rows = sizes[-1] // 1_000
    assert np.all(peaks[-1] < 1.05 * peaks[0] + n_rows)


def test_columns_of_a_map_are_let_go_of(tmp_path):
    """Rows of a file in Fortran order lie in every part of it."""
    path, shape = tmp_path / "X.npy", (4_000_000, 10)
    np.lib.format.open_memmap(path, "w+", np.float32, shape, fortran_order=True)
    grown = run(
        """
        import warnings
        from skmmap import open_rows
        rows, most = open_rows(sys.argv[1]), []
        before = resident("RssFile")
        with rows:
            for start in range(0, len(rows), 100_000):
                rows.read(start, start + 100_000).max()
                most.append(resident("RssFile") - before)
        print(max(most))
        """,
        path,
    )
    assert 10 * MB < grown[0] < 80 * MB  # of 160
