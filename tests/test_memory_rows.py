"""The memory promise of Rows in scikit-learn's model selection, in fresh processes.

Anonymous resident memory is looked at every few milliseconds, in the process and in
its workers, on data of which a copy cannot hide.
"""

import sys

import numpy as np
import pytest
from helpers import EXHAUSTIVE
from test_memory import run

pytestmark = pytest.mark.slow

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="/proc is there on Linux only"
)

MB = 1_000_000
# Few and long rows: what scikit-learn makes for each row, numbers, masks and labels
# of 8 bytes, is small beside X.
N_ROWS, N_FEATURES = 12_000, 800
X_NBYTES = N_ROWS * N_FEATURES * 4  # 38 MB
SMALLEST_FOLD = 2 * X_NBYTES // 3  # what scikit-learn would copy: 26 MB
CHUNK_ROWS = 250
CHUNK = CHUNK_ROWS * N_FEATURES * 4  # 0.8 MB
# A chunk that is trained on and one that is being picked; naive Bayes on one: three
# times as float64, which is twice the bytes; ten numbers of 8 bytes for each row; and
# 12 MB that the allocator keeps and that are imported while it runs.
BOUND = 2 * CHUNK + 3 * 2 * CHUNK + 10 * 8 * N_ROWS + 12 * MB  # 19 MB

_SETUP = """
import os, pickle
from pathlib import Path
import joblib
from threadpoolctl import threadpool_limits
from sklearn.experimental import enable_halving_search_cv
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV, GroupKFold, HalvingGridSearchCV, KFold, RandomizedSearchCV,
    StratifiedKFold, TimeSeriesSplit, cross_val_predict, cross_val_score,
    cross_validate, learning_curve, train_test_split,
)
from skmmap import open_rows

def sgd():
    model = SGDClassifier(random_state=0, tol=None, max_iter=1)
    return ChunkedFit(model, chunk_size=250, max_epochs=1, shuffle=False)

def logistic():
    model = SGDClassifier(loss="log_loss", random_state=0, tol=None, max_iter=1)
    return ChunkedFit(model, chunk_size=250, max_epochs=1, shuffle=False)

def bayes():
    return ChunkedFit(GaussianNB(), chunk_size=250)

def split(**options):
    X_train, X_test, y_train, y_test = train_test_split(X, y, **options)
    return sgd().fit(X_train, y_train).score(X_test, y_test)

def pickled():
    X_train, _, y_train, _ = pickle.loads(pickle.dumps(
        train_test_split(X, y, random_state=0)
    ))
    return sgd().fit(X_train, y_train)

GRID = {"estimator__alpha": [1e-5, 1e-3]}
SMOOTHING = {"estimator__var_smoothing": [1e-9, 1e-3, 1.0]}

def open_map(path):
    return np.load(path, mmap_mode="r")

threadpool_limits(1)
folder, how, *arguments = sys.argv[1:]
X, y, groups, weights = (
    {"rows": open_rows, "map": open_map}[how](f"{folder}/{name}.npy")
    for name in ("X", "y", "groups", "weights")
)
# What the first call imports and caches is not counted.
cross_val_score(sgd(), X[:300], y[:300], cv=2)
cross_val_predict(bayes(), X[:300], y[:300], cv=2, method="predict_proba")
"""

CASES = {
    "train_test_split": "split(random_state=0)",
    "train_test_split in order": "split(shuffle=False)",
    "train_test_split stratified": "split(stratify=y, random_state=0)",
    "KFold": "cross_val_score(sgd(), X, y, cv=KFold(3))",
    "KFold shuffled": "cross_val_score(sgd(), X, y, cv=KFold(3, shuffle=True))",
    "StratifiedKFold": "cross_val_score(sgd(), X, y, cv=StratifiedKFold(3))",
    "GroupKFold": "cross_val_score(sgd(), X, y, groups=groups, cv=GroupKFold(3))",
    "TimeSeriesSplit": "cross_val_score(sgd(), X, y, cv=TimeSeriesSplit(3))",
    "cross_validate": """cross_validate(
        sgd(), X, y, cv=3, scoring=["accuracy", "f1"], return_train_score=True
    )""",
    "cross_validate by four metrics": """cross_validate(
        logistic(), X, y, cv=3,
        scoring=["roc_auc", "average_precision", "neg_log_loss", "f1_macro"],
    )""",
    "cross_val_predict": "cross_val_predict(sgd(), X, y, cv=3)",
    "cross_val_predict decision_function": """cross_val_predict(
        sgd(), X, y, cv=3, method="decision_function"
    )""",
    "cross_val_predict predict_proba": """cross_val_predict(
        bayes(), X, y, cv=3, method="predict_proba"
    )""",
    "GridSearchCV": "GridSearchCV(sgd(), GRID, cv=3).fit(X, y)",
    "GridSearchCV with weights": """GridSearchCV(sgd(), GRID, cv=3).fit(
        X, y, sample_weight=weights
    )""",
    "RandomizedSearchCV": """RandomizedSearchCV(
        sgd(), GRID, n_iter=2, cv=3, random_state=0
    ).fit(X, y)""",
    "HalvingGridSearchCV": """HalvingGridSearchCV(
        bayes(), SMOOTHING, cv=3, random_state=0
    ).fit(X, y)""",
    "learning_curve": "learning_curve(sgd(), X, y, cv=3, train_sizes=[0.1, 1.0])",
    "a pickled selection": "pickled()",
}
# The same rows as of another case, in the same pieces.
ALIKE = (
    "train_test_split",  # a pickled selection
    "StratifiedKFold",  # cross_validate
    "cross_val_predict decision_function",  # predict_proba
    "GridSearchCV with weights",  # which workers get
    "RandomizedSearchCV",  # GridSearchCV
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory_rows")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_ROWS, N_FEATURES), dtype=np.float32)
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", (X[:, 0] > 0).astype(np.int64))
    np.save(folder / "groups.npy", np.arange(N_ROWS) % 7)
    np.save(folder / "weights.npy", rng.random(N_ROWS))
    return folder


# Each case runs in a process that was forked for it: importing scikit-learn anew
# would take most of the time.
_MEASURE = """
def measure(case):
    code = compile(f"({case})", "case", "eval")
    here, there = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(there, str(grown(lambda: eval(code, globals()))).encode())
        finally:
            os._exit(0)  # without what it has told, if the case failed
    os.close(there)
    with open(here) as answer:
        told = answer.read()
    os.waitpid(pid, 0)
    return float(told)

print(*(measure(case) for case in arguments))
"""


def measure(folder, how: str, cases) -> list[float]:
    """Return for each case the bytes by which memory grows at its peak."""
    return run(_SETUP + _MEASURE, folder, how, *cases)


@on_linux
def test_rows_are_never_loaded(folder):
    # The others come with workers, below, or read as another case does.
    without = () if EXHAUSTIVE else {*BY_WORKERS, *ALIKE}
    cases = {name: case for name, case in CASES.items() if name not in without}
    assert BOUND < SMALLEST_FOLD
    # What the allocator keeps differs between runs; a copy is there in each of them.
    for _ in range(3):
        peaks = dict(zip(cases, measure(folder, "rows", cases.values()), strict=True))
        cases = {name: case for name, case in cases.items() if peaks[name] >= BOUND}
        if not cases:
            return
    raise AssertionError({name: peaks[name] for name in cases})


@on_linux
def test_a_copy_is_seen(folder):
    """The same split of a map loads all of it, and the probe shows it."""
    (peak,) = measure(folder, "map", [CASES["train_test_split"]])
    assert peak > X_NBYTES


@on_linux
def test_only_the_selection_is_loaded(folder):
    """By np.asarray, and by permutation_importance, which permutes columns."""
    selection = X_NBYTES // 10
    array, importance = measure(
        folder,
        "rows",
        [
            "np.asarray(X[::-10])",
            """permutation_importance(
                sgd().fit(X, y), X[:1_200], y[:1_200], n_repeats=1, max_samples=100
            )""",
        ],
    )
    assert selection / 2 < array < 2 * selection + CHUNK
    assert selection / 2 < importance < 3 * selection + CHUNK


# Looks at all that the workers hold, and at all that passes through files.
_WATCH = """
import time

def find_processes():
    # This one, its children, and theirs, each of which some thread has started.
    found, more = set(), {os.getpid()}
    while more:
        found |= more
        more = {child for pid in more for child in find_children(pid)} - found
    return found

def find_children(pid):
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as children:
                yield from map(int, children.read().split())
    except OSError:
        return  # it has ended

def anonymous(pid):
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    _, _, after = status.partition("RssAnon:")
    return 1024 * int(after.split()[0]) if after else 0

def find_written(temporary):
    # Other processes, too, have folders of joblib in /dev/shm.
    mine = f"joblib_memmapping_folder_{os.getpid()}_"
    in_memory, sizes = list(Path("/dev/shm").glob(mine + "*")), [0]
    for place in [temporary, *in_memory]:
        for root, _, names in os.walk(place):
            for name in names:
                try:
                    sizes.append(os.path.getsize(os.path.join(root, name)))
                except OSError:
                    pass
    return max(sizes), len(in_memory)

def watched(call, temporary):
    # Growth of this process and of the largest worker; what was written.
    before = {pid: anonymous(pid) for pid in find_processes()}
    peaks, written, done = {}, [(0, 0)], threading.Event()
    def watch():
        while not done.wait(0.005):
            for pid in find_processes():
                peaks[pid] = max(peaks.get(pid, 0), anonymous(pid))
            written.append(find_written(temporary))
    thread = threading.Thread(target=watch)
    thread.start()
    call()
    done.set()
    thread.join()
    assert set(peaks) <= set(before), "a worker was started anew"
    own, *workers = (
        peaks[pid] - before[pid] for pid in sorted(peaks, key=os.getpid().__ne__)
    )
    assert len(workers) >= 2, "no workers were seen"
    return own, max(workers), *map(max, zip(*written))

def warm_up(place):
    Path(place, f"worker {os.getpid()}").touch()
    while len(list(Path(place).glob("worker *"))) < 2:
        time.sleep(0.01)  # so that each worker gets one
    model = GridSearchCV(sgd(), GRID, cv=2).fit(X[:300], y[:300])
    return cross_val_predict(model, X[:300], y[:300], cv=2).sum()

def hold(_):
    time.sleep(1)  # so that it is seen whole

temporary, *cases = arguments
with joblib.parallel_config("loky", temp_folder=temporary):
    joblib.Parallel(n_jobs=2)(joblib.delayed(warm_up)(temporary) for _ in range(2))
    for case in cases:
        code = compile(f"({case})", "case", "eval")
        print(*watched(lambda: eval(code), temporary))
"""

WITH_WORKERS = {
    "GridSearchCV": """GridSearchCV(sgd(), GRID, cv=2, n_jobs=2).fit(
        X, y, sample_weight=weights
    )""",
    "GroupKFold": """cross_val_score(
        sgd(), X, y, groups=groups, cv=GroupKFold(3), n_jobs=2
    )""",
    "KFold": "cross_val_score(sgd(), X, y, cv=KFold(3), n_jobs=2)",
    "TimeSeriesSplit": "cross_val_score(sgd(), X, y, cv=TimeSeriesSplit(3), n_jobs=2)",
    "cross_validate": """cross_validate(
        sgd(), X, y, cv=StratifiedKFold(3), scoring=["accuracy", "f1"], n_jobs=2
    )""",
    "cross_validate by four metrics": """cross_validate(
        logistic(), X, y, cv=3,
        scoring=["roc_auc", "average_precision", "neg_log_loss", "f1_macro"],
    )""",
    "cross_val_predict": "cross_val_predict(sgd(), X, y, cv=3, n_jobs=2)",
    "RandomizedSearchCV": """RandomizedSearchCV(
        sgd(), GRID, n_iter=2, cv=2, random_state=0, n_jobs=2
    ).fit(X, y)""",
    "HalvingGridSearchCV": """HalvingGridSearchCV(
        bayes(), SMOOTHING, cv=2, random_state=0, n_jobs=2
    ).fit(X, y)""",
    "of a shuffled selection": """learning_curve(
        sgd(), *train_test_split(X, y, random_state=0)[::2], cv=2, n_jobs=2
    )""",
}
BY_WORKERS = list(WITH_WORKERS)[:: 1 if EXHAUSTIVE else 2]


PROBES = {
    "a fold of a map": f"""(X := open_map(f"{{folder}}/X.npy"),
        {WITH_WORKERS["cross_val_predict"]})""",
    "an array": "joblib.Parallel(2)([joblib.delayed(hold)(np.ones(200_000))])",
}


@on_linux
def test_workers_load_nothing_and_nothing_is_written(folder, tmp_path):
    """Addresses and selections go through pipes, and so do scikit-learn's own.

    But for a fold of a map, which a worker copies, and arrays of a megabyte, which
    joblib writes to files: the same probe sees both.
    """
    cases = [*(WITH_WORKERS[name] for name in BY_WORKERS), *PROBES.values()]
    figures = np.reshape(
        run(_SETUP + _WATCH, folder, "rows", tmp_path, *cases), (-1, 4)
    )
    by_case = dict(zip([*BY_WORKERS, *PROBES], figures, strict=True))
    assert by_case.pop("a fold of a map")[1] > SMALLEST_FOLD
    assert by_case.pop("an array")[2] > 200_000 * 8
    for name, (own, worker, largest_file, in_memory) in by_case.items():
        assert max(own, worker) < BOUND, name
        assert largest_file < 100_000, name
        assert in_memory == 0, name


def test_a_billion_rows_cost_nothing(tmp_path):
    """Ranges of ranges: nothing while they are made, kept or pickled."""
    path = tmp_path / "X.npy"
    with open(path, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (10**9,)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 10**9)  # a sparse file: it takes no room
    np.save(tmp_path / "small.npy", np.zeros(10, np.uint8))
    peak, pickled = run(
        """
        import pickle
        from skmmap import open_rows
        def select(path):
            rows = open_rows(path)
            kept = [rows, rows[3:-1], rows[::2], rows[::-3][5:], rows[::2][::7]]
            kept += [rows[range(1, len(rows))], rows[range(0, len(rows), 3)][...]]
            data = pickle.dumps(kept)
            again = pickle.loads(data)
            assert [len(part) for part in again] == [len(part) for part in kept]
            assert all(repr(part) for part in again)
            return len(data)
        select(sys.argv[1])
        print(allocated(lambda: select(sys.argv[2])), select(sys.argv[2]))
        """,
        tmp_path / "small.npy",
        path,
    )
    assert peak < 100_000
    assert pickled < 10_000


def test_a_fold_of_ten_million_rows_is_two_runs(tmp_path):
    """scikit-learn makes 64 MB of row numbers; what stays of them are two runs."""
    n_rows = 10_000_000
    with open(tmp_path / "X.bin", "wb") as file:
        file.truncate(n_rows)
    figures = run(
        """
        import pickle
        from sklearn.model_selection import KFold
        from skmmap import open_rows
        X = open_rows(sys.argv[1], dtype=np.uint8)
        for number, (train, _) in enumerate(KFold(5).split(X)):
            if number in (0, 2):
                X[train]  # what NumPy and Python cache is not counted
                gc.collect()
                tracemalloc.start()
                picked = X[train]
                gc.collect()
                kept, peak = tracemalloc.get_traced_memory()
                tracemalloc.stop()
                print(len(picked), kept, peak, len(pickle.dumps(picked)))
            del train
            if number == 2:
                break
        """,
        tmp_path / "X.bin",
    )
    for n_picked, kept, peak, pickled in np.reshape(figures, (-1, 4)):
        assert n_picked == 0.8 * n_rows
        assert kept < 5_000  # two runs, and the Python objects around them
        assert pickled < 1_000
        assert peak < 48 * MB
