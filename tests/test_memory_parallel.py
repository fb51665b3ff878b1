"""The memory promise of several jobs: of this process, and of each worker.

In fresh processes; every process is looked at every few milliseconds.
"""

import sys

import numpy as np
import pytest
from test_memory import run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc is there on Linux only"),
]

N_ROWS, N_FEATURES = 150_000, 100
X_NBYTES = N_ROWS * N_FEATURES * 4  # 60 MB
CHUNK = 5_000 * N_FEATURES * 4  # 2 MB
# Two or three chunks for each thread, of the estimator's own and of what is read, and
# what the allocator keeps and is imported while it runs.
OF_ONE = 3 * 2 * CHUNK + 10_000_000
RESULT = 8 * N_ROWS

_WATCH = """
import os
from pathlib import Path
import joblib
from joblib.externals.loky import get_reusable_executor
from skmmap import open_rows

def find_peaks(call):
    '''Bytes by which this process and the largest of its children grow.'''
    before, peaks, done = {}, {}, threading.Event()
    def look():
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        for pid in ["self", *children]:
            try:
                with open(f"/proc/{pid}/status") as status:
                    lines = dict(line.split(":", 1) for line in status)
                now = 1024 * int(lines.get("RssAnon", "0 kB").split()[0])
            except (OSError, ProcessLookupError):
                continue
            before.setdefault(pid, now)
            peaks[pid] = max(peaks.get(pid, 0), now - before[pid])
    look()
    def watch():
        while not done.wait(0.002):
            look()
    thread = threading.Thread(target=watch)
    thread.start()
    result = call()
    look()
    del result
    done.set()
    thread.join()
    own = peaks.pop("self")
    return own, max(peaks.values(), default=0), len(peaks)

folder, backend, *calls = sys.argv[1:]
X, y = open_rows(f"{folder}/X.npy"), open_rows(f"{folder}/y.npy")
options = {"chunk_size": 5_000, "n_jobs": 2, "memory_limit": "256MB"}
sgd = ChunkedFit(SGDClassifier(random_state=0), max_epochs=1, **options)
sgd.fit(X[:20_000], y[:20_000])
scaler = ChunkedFit(StandardScaler(), **options).fit(X[:20_000])
bayes = ChunkedFit(GaussianNB(), **options)
with joblib.parallel_config(backend=backend):
    # What the first call imports and caches is not counted.
    sgd.predict(X[:50_000])
    scaler.transform(X[:50_000], out=f"{folder}/few.npy")
    bayes.fit(X[:50_000], y[:50_000])
    for call in calls:
        print(*find_peaks(lambda: eval(call)))
get_reusable_executor().shutdown(wait=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory_parallel")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_ROWS, N_FEATURES), dtype=np.float32)
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", (X[:, 0] > 0).astype(np.int64))
    return folder


CALLS = {
    "predict": ("sgd.predict(X)", 2 * RESULT),
    "score": ("sgd.score(X, y)", 0),
    "transform to a file": ("scaler.transform(X, out=f'{folder}/out.npy')", 0),
    "fit that is merged": ("bayes.fit(X, y)", 0),
}


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_memory_is_that_of_chunks(folder, backend):
    """But for a result of the size of X, which the same probe sees."""
    calls = [call for call, _ in CALLS.values()]
    calls.append("scaler.transform(f'{folder}/X.npy')")
    figures = np.reshape(run(_WATCH, folder, backend, *calls), (-1, 3))
    for (name, (_, result)), (own, of_worker, n_workers) in zip(
        CALLS.items(), figures[:-1], strict=True
    ):
        assert n_workers >= 2 * (backend == "loky"), name
        assert own < (2 if backend == "threading" else 1) * OF_ONE + result, name
        assert of_worker < OF_ONE + result, name
    assert 2 * OF_ONE + 2 * RESULT < X_NBYTES < figures[-1, 0]


@pytest.mark.parametrize("read", ["map", "buffer"])
def test_two_jobs_share_the_limit_with_mapped_pages(folder, read):
    (grown,) = run(
        """
        X = f"{sys.argv[1]}/X.npy"
        y = np.arange(1_000) % 2
        options = {"memory_limit": "32MB", "read": sys.argv[2]}
        model = ChunkedFit(GaussianNB(), n_jobs=2, **options)
        model.fit(np.load(X, mmap_mode="r")[:1_000], y).predict(np.zeros((50_000, 100)))
        def now():
            return resident("RssAnon") + resident("RssFile")
        gc.collect()
        before, most, done = now(), [0], threading.Event()
        def watch():
            while not done.wait(0.001):
                most[0] = max(most[0], now() - before)
        thread = threading.Thread(target=watch)
        thread.start()
        model.predict(X)
        done.set()
        thread.join()
        print(most[0])
        """,
        folder,
        read,
    )
    assert 2_000_000 < grown < 32_000_000 + RESULT
