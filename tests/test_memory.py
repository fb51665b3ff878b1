"""The memory promise, measured in fresh processes.

Allocations are counted by tracemalloc, resident memory by /proc: anonymous pages are
what the process holds, file-backed ones are the mapped data and can be taken back.
"""

import sys
import textwrap

import pytest
from helpers import EXHAUSTIVE
from processes import run_fresh

from skmmap.formats.shared import WINDOW_NBYTES

pytestmark = pytest.mark.slow

_PROBES = """
import gc, sys, threading, tracemalloc
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler
from skmmap import ChunkedFit

class Idle(BaseEstimator):
    def partial_fit(self, X, y=None):
        self.fitted_ = True
        return self
    def predict(self, X):
        return np.zeros(len(X), dtype=np.int8)
    def transform(self, X):
        return X[:, :1]

def allocated(call):
    '''Bytes that the call had allocated at its peak.'''
    gc.collect()
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak

def resident(kind):
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(kind):
                return 1024 * int(line.split()[1])

def grown(call):
    '''Bytes by which anonymous resident memory grew at its peak.'''
    gc.collect()
    before, peak, done = resident("RssAnon"), [0], threading.Event()
    def watch():
        while not done.wait(0.002):
            peak[0] = max(peak[0], resident("RssAnon"))
    thread = threading.Thread(target=watch)
    thread.start()
    result = call()  # held until it is counted: the watch may never have had its turn
    peak.append(resident("RssAnon"))
    del result
    done.set()
    thread.join()
    return max(peak) - before
"""


def run(code, *args):
    """Run code in a fresh process and return what it prints, as numbers."""
    done = run_fresh(_PROBES + textwrap.dedent(code), *args)
    assert done.returncode == 0, done.stderr
    return [float(number) for number in done.stdout.split()]


N_ROWS, N_FEATURES = 200_000, 50  # 40 MB of float32: a copy cannot hide
CHUNK = 10_000 * N_FEATURES * 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import numpy as np

    folder = tmp_path_factory.mktemp("memory")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_ROWS, N_FEATURES), dtype=np.float32)
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", np.argmax(X[:, :5], axis=1))
    np.save(folder / "target.npy", X @ np.arange(N_FEATURES, dtype=np.float32))
    np.save(folder / "w.npy", rng.random(N_ROWS))
    np.save(folder / "X_uint8.npy", rng.integers(0, 9, X.shape, dtype=np.uint8))
    np.save(folder / "X_big.npy", X.astype(">f4"))
    return folder


@pytest.mark.parametrize("name", ["X", "X_uint8", "X_big"])
def test_what_skmmap_itself_allocates(folder, name):
    """An estimator that allocates nothing leaves what skmmap does."""
    fit, predict, transform = run(
        """
        X = np.load(f"{sys.argv[1]}/{sys.argv[2]}.npy", mmap_mode="r")
        wrapper = ChunkedFit(Idle(), chunk_size=10_000)
        wrapper.fit(X[:1])  # what the first call imports and caches is not counted
        print(allocated(lambda: wrapper.fit(X)))
        print(allocated(lambda: wrapper.predict(X)))
        print(allocated(lambda: wrapper.transform(X)))
        """,
        folder,
        name,
    )
    result = N_ROWS * 4
    assert fit <= 3 * CHUNK
    assert predict <= 3 * CHUNK + N_ROWS
    assert transform <= 3 * CHUNK + result
    if name == "X":  # nothing is copied, so it is much less
        assert fit < CHUNK / 4


@pytest.mark.parametrize("order", ["file", "mixed"])
def test_a_result_in_a_file_takes_no_memory(folder, tmp_path, order):
    grown, mapped = run(
        """
        from skmmap import open_rows
        folder, out, order = sys.argv[1:]
        X = open_rows(f"{folder}/X.npy")
        if order == "mixed":
            X = X[np.random.default_rng(0).permutation(len(X))]
        scaler = StandardScaler()
        wrapper = ChunkedFit(scaler, chunk_size=10_000, memory_limit="128MB")
        wrapper.fit(X[:10_000]).transform(X[:10_000], out=out)
        before = resident("RssFile")
        most, add = [], type(wrapper.estimator_).transform
        def watch(self, rows):
            most.append(resident("RssFile") - before)
            return add(self, rows)
        type(wrapper.estimator_).transform = watch
        print(allocated(lambda: wrapper.transform(X, out=out)))
        print(max(most))
        """,
        folder,
        tmp_path / "out.npy",
        order,
    )
    limit = 128 * 10**6
    row_numbers = 8 * N_ROWS * 3 if order == "mixed" else 0
    assert grown <= 5 * CHUNK + row_numbers
    # Of X what is read at a time, twice, and a window of the result: each has 40 MB.
    assert mapped <= 2 * limit // 32 + WINDOW_NBYTES


def test_what_was_refused_is_not_kept(folder):
    """The first chunk of images is refused after a conversion, and then let go."""
    images, flat = run(
        """
        X = np.load(f"{sys.argv[1]}/X_uint8.npy", mmap_mode="r")[:100_000]
        y = np.load(f"{sys.argv[1]}/y.npy", mmap_mode="r")[:100_000]
        wrapper = ChunkedFit(
            SGDClassifier(random_state=0),
            chunk_size=10_000,
            max_epochs=1,
            shuffle=False,
        )
        wrapper.fit(X[:100], y[:100])
        print(allocated(lambda: wrapper.fit(X.reshape(-1, 5, 10), y)))
        print(allocated(lambda: wrapper.fit(X, y)))
        """,
        folder,
    )
    assert images < flat + 2**20


CASES = [
    ("SGDClassifier(random_state=0)", "X_uint8", "y"),
    ("GaussianNB()", "X", "y"),
    ("StandardScaler()", "X", "y"),
    ("IncrementalPCA(3)", "X", "y"),
]
CASES += EXHAUSTIVE * [
    ("SGDClassifier(random_state=0)", "X", "y"),
    ("SGDRegressor(random_state=0)", "X", "target"),
    ("MiniBatchKMeans(4, random_state=0, n_init=1)", "X", "y"),
]


@pytest.mark.parametrize(("estimator", "X", "y"), CASES)
def test_allocations_of_every_method(folder, estimator, X, y):
    """At most three chunks, what the estimator allocates on one, and the result."""
    rows = run(
        """
        folder, estimator, X, y = sys.argv[1:]
        X = np.load(f"{folder}/{X}.npy", mmap_mode="r")[:60_000]
        y = np.load(f"{folder}/{y}.npy", mmap_mode="r")[:60_000]
        wrapper = ChunkedFit(
            eval(estimator), chunk_size=10_000, max_epochs=1, shuffle=False
        )
        wrapper.fit(X[:10_000], y[:10_000])
        bare = wrapper.estimator_
        part, target = X[:10_000], y[:10_000]
        params = {}
        own = allocated(lambda: bare.partial_fit(part, target))
        print(own, 0, allocated(lambda: wrapper.fit(X, y)))
        for method in ("predict", "transform", "decision_function", "predict_proba"):
            if hasattr(wrapper, method):
                own = allocated(lambda: getattr(bare, method)(part))
                result = 6 * getattr(bare, method)(part).nbytes
                print(own, result, allocated(lambda: getattr(wrapper, method)(X)))
        if hasattr(wrapper, "score"):
            own = allocated(lambda: bare.score(part, target))
            print(own, 0, allocated(lambda: wrapper.score(X, y)))
        """,
        folder,
        estimator,
        X,
        y,
    )
    assert len(rows) >= 6
    for own, result, peak in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        assert peak <= 3 * CHUNK + own + result


def test_weights_are_read_by_slices_too(folder):
    peak, score = run(
        """
        X, y, w = (f"{sys.argv[1]}/{name}.npy" for name in ("X", "y", "w"))
        wrapper = ChunkedFit(
            SGDClassifier(random_state=0),
            chunk_size=10_000,
            max_epochs=1,
            shuffle=False,
        )
        wrapper.fit(np.load(X, mmap_mode="r")[:100], np.arange(100) % 5)
        print(allocated(lambda: wrapper.fit(X, y, w)))
        print(allocated(lambda: wrapper.score(X, y, w)))
        """,
        folder,
    )
    assert peak <= 3 * CHUNK + 2**24  # and the scan of y and w, 8 MB at a time
    assert score <= 3 * CHUNK


def test_the_scan_of_y_is_bounded(tmp_path):
    """Eight million labels, 64 MB, sorted in pieces: never in one."""
    (peak,) = run(
        """
        y = np.lib.format.open_memmap(sys.argv[1], "w+", np.int64, (8_000_000,))
        y[::3] = 1
        from skmmap.formats.open import open_source
        from skmmap.read import check_finite, check_labels, scan_labels
        source = open_source(y, "y")
        def scan():
            check_finite(source, "y")
            check_labels(source, scan_labels(source, per_column=False).classes)
        scan()
        print(allocated(scan))
        """,
        tmp_path / "y.npy",
    )
    assert peak < 40_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is there on Linux only")
def test_resident_memory_does_not_grow_with_the_file(folder):
    fit, predict = run(
        """
        X = np.load(f"{sys.argv[1]}/X.npy", mmap_mode="r")
        y = np.load(f"{sys.argv[1]}/y.npy", mmap_mode="r")
        wrapper = ChunkedFit(
            SGDClassifier(random_state=0),
            chunk_size=10_000,
            max_epochs=1,
            shuffle=False,
        )
        wrapper.fit(X[:20_000], y[:20_000]).predict(X[:20_000])
        print(grown(lambda: wrapper.fit(X, y)))
        print(grown(lambda: wrapper.predict(X)))
        """,
        folder,
    )
    assert fit < 4 * CHUNK
    assert predict < 4 * CHUNK + N_ROWS * 8


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is there on Linux only")
def test_a_fit_as_by_default_stays_below_its_limit(folder):
    """Mixed rows, several epochs, a loss, held-out rows: two buffers and a chunk."""
    plain, held_out, clusters = run(
        """
        X = np.load(f"{sys.argv[1]}/X.npy", mmap_mode="r")[:200_000]
        y = np.load(f"{sys.argv[1]}/y.npy")[:200_000] == 0
        params = {"memory_limit": "25MB", "random_state": 0}
        sgd = SGDClassifier(max_iter=2, tol=None)
        early = SGDClassifier(max_iter=2, early_stopping=True, class_weight="balanced")
        kmeans = MiniBatchKMeans(4, batch_size=10_000, max_iter=2, tol=0)
        small = X[:20_000], y[:20_000]
        import warnings
        warnings.simplefilter("ignore")  # two epochs are not enough
        for model in (sgd, early, kmeans):
            wrapper = ChunkedFit(model, **params).fit(*small)
            print(grown(lambda: wrapper.fit(X, y)))
        """,
        folder,
    )
    assert plain < 25e6
    assert held_out < 25e6
    assert clusters < 25e6


@pytest.mark.parametrize("share", [0.45, 0.6])
def test_rows_that_are_kept_stay_below_the_limit(tmp_path, share):
    """Rows of half of memory_limit are kept; of more, there are two buffers."""
    import numpy as np

    limit, n_columns = 64 * 10**6, 100
    n_rows = int(share * limit) // (4 * n_columns)
    np.save(tmp_path / "X.npy", np.ones((n_rows, n_columns), np.float32))
    (peak,) = run(
        """
        X, y = f"{sys.argv[1]}/X.npy", np.arange(int(sys.argv[2])) % 2
        sgd = SGDClassifier(random_state=0)
        wrapper = ChunkedFit(sgd, max_epochs=3, memory_limit="64MB", shuffle=True)
        small = np.zeros((25_000, 100), np.float32)
        wrapper.fit(small, y[:25_000])
        del small
        print(grown(lambda: wrapper.fit(X, y)))
        """,
        tmp_path,
        n_rows,
    )
    assert peak < limit
    assert (peak > share * limit) == (share < 0.5)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is there on Linux only")
def test_rows_of_which_a_part_is_kept_stay_below_the_limit(tmp_path):
    """Rows of nine tenths of memory_limit: there are two buffers besides."""
    import h5py
    import numpy as np

    limit, n_columns = 64 * 10**6, 100
    n_rows = int(0.9 * limit) // (4 * n_columns)
    with h5py.File(tmp_path / "X.h5", "w") as file:
        rows = np.ones((n_rows, n_columns), np.float32)
        chunks = 1_000, n_columns
        file.create_dataset("X", data=rows, chunks=chunks, compression="lzf")
    peak, share = run(
        """
        X, y = f"{sys.argv[1]}/X.h5", np.arange(int(sys.argv[2])) % 2
        sgd = SGDClassifier(random_state=0)
        wrapper = ChunkedFit(sgd, max_epochs=2, memory_limit="64MB", shuffle=True)
        small = np.zeros((25_000, 100), np.float32)
        wrapper.fit(small, y[:25_000])
        del small
        said = wrapper.explain(X, y).sections["reads"]
        def resident(kind):  # of memory and of mapped files
            with open("/proc/self/status") as status:
                sizes = dict(line.split(":", 1) for line in status)
            kinds = "RssAnon", "RssFile"
            return sum(1024 * int(sizes[kind].split()[0]) for kind in kinds)
        print(grown(lambda: wrapper.fit(X, y)), said.partition("keeps ")[2].split()[0])
        """,
        tmp_path,
        n_rows,
    )
    kept = share / 100 * 0.9 * limit
    assert 0.3 * limit < kept < 0.5 * limit
    assert kept + limit / 8 < peak < limit


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is there on Linux only")
def test_pipelines_stay_below_the_limit(tmp_path):
    """Of 30 MB, and of rows that are fifty times as wide between two steps."""
    grown = run(
        """
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import PolynomialFeatures
        from skmmap import open_rows

        path = sys.argv[1]
        np.lib.format.open_memmap(path, "w+", np.float32, (75_000, 100))
        X, y = open_rows(path), np.arange(75_000) % 2
        sgd = SGDClassifier(max_iter=2, tol=None)
        components = make_pipeline(StandardScaler(), IncrementalPCA(2), sgd)
        squares = make_pipeline(PolynomialFeatures(2), StandardScaler())
        for pipeline, n_rows in [(components, 75_000), (squares, 4_000)]:
            model = ChunkedFit(pipeline, memory_limit="24MB", random_state=0)
            model.fit(X[:1000], y[:1000])  # for what libraries keep
            print(grown(lambda: model.fit(X[:n_rows], y[:n_rows])))
            name = "predict" if pipeline is components else "transform"
            results = getattr(model, name)
            print(grown(lambda: results(X[:n_rows], out=f"{path}.{name}.npy")))
        """,
        tmp_path / "X.npy",
    )
    assert max(grown) < 24e6
