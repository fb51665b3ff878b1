"""What runs add to a process at several memory limits, beside the hand-written loop.

    python benchmarks/memory_limit.py FOLDER [WORD ...]

FOLDER gets files of 400 MB in float32, .npy and HDF5. With words, only the lines that
have all of them are measured. Each run has a process of its own, a fork of one that has
imported everything, and its parent looks at it and at its workers. Anonymous memory and
mapped pages of files are apart; those of workers are added up, and what a worker had
after a run on a few rows (its imports) does not count.
"""

import itertools
import os
import sys
import time
import warnings
from pathlib import Path

import h5py
import joblib
import numpy as np
from memory import iter_processes, read_pages
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, open_rows

N_ROWS, N_FEATURES, MB = 1_000_000, 100, 10**6
ESTIMATORS = {
    "SGDClassifier": SGDClassifier(max_iter=2, tol=None, random_state=0),
    "GaussianNB": GaussianNB(),
    "StandardScaler": StandardScaler(),
    "MLPClassifier": MLPClassifier((20,), max_iter=1, random_state=0),
}
LIMITS = "64MB", "256MB", "512MB", "1GB"
READS = "map", "buffer", "hdf5"
JOBS = "1", "2 threads", "2 processes"
METHODS = "fit", "predict"


def make_files(folder: Path) -> None:
    if (folder / "y.npy").exists():
        return
    rng, shape = np.random.default_rng(0), (N_ROWS, N_FEATURES)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float32, shape)
    y = np.zeros(N_ROWS, np.int64)
    with h5py.File(folder / "X.h5", "w") as file:
        data = file.create_dataset("X", shape, np.float32, chunks=(1_000, N_FEATURES))
        for start in range(0, N_ROWS, 50_000):
            here = slice(start, start + 50_000)
            X[here] = rng.standard_normal((50_000, N_FEATURES), dtype=np.float32)
            data[here], y[here] = X[here], X[here, 0] > 0
    np.save(folder / "y.npy", y)


def run(folder: Path, name, method, read, jobs, limit) -> None:
    """Fit or apply an estimator in this process."""
    path = folder / ("X.h5" if read == "hdf5" else "X.npy")
    how = "buffer" if read == "hdf5" else read
    n_jobs = int(jobs[0])
    backend = {"2 threads": "threading", "2 processes": "loky"}.get(jobs)
    options = {"memory_limit": limit, "read": how, "random_state": 0}
    model = ChunkedFit(ESTIMATORS[name], n_jobs=n_jobs, **options)
    X, y = open_rows(path), open_rows(folder / "y.npy")
    few = slice(0, 100_000)
    config = {"backend": backend} if backend else {}
    call = "transform" if name == "StandardScaler" else "predict"
    out = {"out": folder / f"out{os.getpid()}.npy"} if call == "transform" else {}
    with joblib.parallel_config(**config):
        small = ChunkedFit(ESTIMATORS[name], chunk_size=2_000, n_jobs=n_jobs)
        small.fit(X[few], y[few])
        getattr(small, call)(X[few])
        if method == "predict":
            model = ChunkedFit(ESTIMATORS[name]).fit(X[few], y[few])
            model.set_params(n_jobs=n_jobs, **options)
        yield
        if method == "fit":
            model.fit(X, y)
        else:
            getattr(model, call)(X, **out)
    for path in out.values():
        path.unlink()


def run_bare(folder: Path, name, method, rows) -> None:
    """Run the loop that a user would write, on a map."""
    model = ESTIMATORS[name]
    X, y = (np.load(folder / f"{n}.npy", mmap_mode="r") for n in "Xy")
    params = {} if name == "StandardScaler" else {"classes": [0, 1]}
    call = "transform" if name == "StandardScaler" else "predict"
    model.partial_fit(X[:1_000], y[:1_000], **params)
    yield
    for start in range(0, N_ROWS, rows):
        here = slice(start, start + rows)
        if method == "fit":
            model.partial_fit(X[here], y[here])
        else:
            getattr(model, call)(X[here])


def measure(steps) -> tuple:
    """Return the growth of anonymous memory and of mapped pages in a fork."""
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            next(steps)
            os.write(ready[1], b"r")
            os.read(go[0], 1)
            next(steps, None)
            status = 0
        finally:
            os._exit(status)
    os.close(ready[1])
    if not os.read(ready[0], 1):
        raise RuntimeError("The run failed.")
    before = {pid: read_pages(pid) for pid in iter_processes(child)}
    os.write(go[1], b"g")
    peak, peaks = 0, np.zeros(2)
    while not os.waitpid(child, os.WNOHANG)[0]:
        grown = [read_pages(pid) - before.get(pid, 0) for pid in iter_processes(child)]
        grown = sum(grown, np.zeros(2))
        peak, peaks = max(peak, grown.sum()), np.maximum(peaks, grown)
        time.sleep(0.002)
    for end in (ready[0], *go):
        os.close(end)
    return peak, *peaks


def main(folder: str, *words: str) -> None:
    folder = Path(folder)
    make_files(folder)
    warnings.simplefilter("ignore")
    print("| run | together | anonymous | mapped |\n|---|---|---|---|")
    lines = itertools.product(ESTIMATORS, METHODS, READS, JOBS, LIMITS)
    for line in lines:
        if set(words) <= set(" ".join(line).split()):
            tell(line, measure(run(folder, *line)))
    for line in itertools.product(ESTIMATORS, METHODS, ("20000", "40000")):
        if set(words) <= {*line, "bare"}:
            tell((*line, "bare"), measure(run_bare(folder, *line[:2], int(line[2]))))


def tell(line, figures) -> None:
    figures = " | ".join(f"{figure / MB:.0f}" for figure in figures)
    print(f"| {', '.join(line)} | {figures} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
