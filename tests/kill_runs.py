"""Real processes that are killed: each run is a fork that computes and dies.

They are forked from a process that has computed nothing (`processes.run_fresh`), since
threads of BLAS and OpenMP do not live through a fork.
"""

import json
import os
import random
import signal
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler

from skmmap import Checkpoint, ChunkedFit, ChunkedSearchCV
from skmmap.checkpoints.journal import KeptJournal
from skmmap.disk import Unfinished
from skmmap.disk.generations import Generations

_SGD = SGDClassifier(max_iter=3, random_state=0)
CASES = {
    "file order": (_SGD, {"shuffle": False}),
    "blocks": (SGDClassifier(max_iter=3, early_stopping=True), {"shuffle": "blocks"}),
    "chunks": (MLPClassifier((4,), max_iter=2), {"shuffle": "chunks"}),
    "clusters": (MiniBatchKMeans(3, n_init=1, max_iter=3), {}),
    "merged": (GaussianNB(), {"n_jobs": 2, "chunk_size": 3}),
    "pipeline": (make_pipeline(StandardScaler(), KBinsDiscretizer(3), _SGD), {}),
    "search": (_SGD, {}),
}


def fit(case, folder, checkpoint=None):
    """Return a digest of what a fit has learned."""
    warnings.simplefilter("ignore")
    estimator, params = CASES[case]
    params = {"chunk_size": 13, "random_state": 5, "memory_limit": "20kB"} | params
    if case == "search":
        return search(ChunkedFit(clone(estimator), **params), folder, checkpoint)
    model = ChunkedFit(clone(estimator), checkpoint=checkpoint, **params)
    model.fit(str(folder / "X.npy"), np.load(folder / "y.npy"))
    history = [model.history_[name] for name in ("rows", "loss", "score")]
    return joblib.hash([model.estimator_, history, model.n_epochs_])


def search(model, folder, checkpoint):
    """Return a digest of what a search has found."""
    grid, given = {"estimator__alpha": [1e-4, 1.0]}, {"cv": 2, "n_jobs": 2}
    search = ChunkedSearchCV(model, grid, checkpoint=checkpoint, **given)
    search.fit(str(folder / "X.npy"), np.load(folder / "y.npy"))
    scores = [v for k, v in search.cv_results_.items() if k.startswith("split")]
    return joblib.hash([search.best_estimator_.estimator_, scores])


def fork(function, *args) -> int:
    """Call a function in a child that says what it returns; return its number."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        try:
            os.write(write, str(function(*args)).encode())
            os._exit(0)
        finally:
            os._exit(1)  # after an error, which is printed
    os.close(write)
    return child, read


def wait(child, read) -> str:
    """Return what a child has said, "" if it was killed."""
    said = b"".join(iter(lambda: os.read(read, 4096), b"")).decode()
    os.close(read)
    status = os.waitpid(child, 0)[1]
    was_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert said or was_killed, f"A child has ended with the status {status}."
    return said


def check_files(path):
    """Raise unless what is in the files is whole; return whether there is any."""
    file = Generations(path)
    version, faults = file.find()
    file.close()
    if version is None:
        assert not faults, faults
    else:
        assert all(fault.endswith("is missing") for fault in faults), faults
    return version is not None


def kill_at_random(case, folder, seed, n_kills) -> dict:
    """Kill fits that continue one another, and compare each that comes to its end."""
    rng, n_killed, n_over = random.Random(f"{case}{seed}"), 0, 0
    path = folder / "run.ckpt"
    checkpoint = Checkpoint(path, seconds=0)
    whole = wait(*fork(fit, case, folder))
    began = time.monotonic()
    assert wait(*fork(fit, case, folder, checkpoint)) == whole
    took = time.monotonic() - began
    while n_killed < n_kills or not n_over:
        path.unlink(missing_ok=True)
        path.with_name("run.ckpt.previous").unlink(missing_ok=True)
        said = ""
        while not said:
            child, read = fork(fit, case, folder, checkpoint)
            if n_killed < n_kills:
                time.sleep(rng.uniform(0, took))
                os.kill(child, signal.SIGKILL)
            said = wait(child, read)
            n_killed += not said
            check_files(path)
        assert said == whole, (case, n_killed)
        n_over += 1
    left = {name for name in os.listdir(folder) if "ckpt" in name}
    assert left <= {"run.ckpt", "run.ckpt.previous"}, left
    return {"killed": n_killed, "over": n_over}


def fit_until(end, before, case, folder, checkpoint):
    """Die at the event ``end`` of a journal, before or after it is written."""
    n_events = 0

    def note(real):
        def do(self, *args):
            nonlocal n_events
            n_events += 1
            if n_events == end and before:
                os.kill(os.getpid(), signal.SIGKILL)
            real(self, *args)
            if n_events == end:
                os.kill(os.getpid(), signal.SIGKILL)

        return do

    for name in ("after_chunk", "end_unit", "finish"):
        setattr(KeptJournal, name, note(getattr(KeptJournal, name)))
    return fit(case, folder, checkpoint)


def kill_at_events(case, folder, events) -> None:
    """Kill a fit at chunks and ends of stages, and continue it."""
    whole = wait(*fork(fit, case, folder))
    for number, event in enumerate(events):
        given = case, folder, Checkpoint(folder / f"{number}.ckpt", seconds=0)
        assert not wait(*fork(fit_until, *event, *given)), event
        assert check_files(folder / f"{number}.ckpt")
        assert wait(*fork(fit, *given)) == whole, event


def fit_until_step(n_writes, name, end, case, folder, checkpoint):
    """Die before a step of a write, after so many others; at its end if it has none."""
    left, n_steps = n_writes, 0

    def step(own, function):
        def do(*args):
            nonlocal n_steps
            n_steps += left < 0 and own == name
            if n_steps == end:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args)

        return do

    def write(self, about, sections, real=Generations.write):
        nonlocal left
        left -= 1
        real(self, about, sections)
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def put(self, data, real=Unfinished.write):  # half of it, and then the rest
        data = memoryview(data).cast("B")
        real(self, data[: len(data) // 2])
        self._file.flush()
        rest(self, data[len(data) // 2 :])

    rest = step("write", Unfinished.write)
    Generations.write, Unfinished.write = write, put
    os.replace, os.fsync = step("replace", os.replace), step("fsync", os.fsync)
    return fit(case, folder, checkpoint)


def kill_in_writes(case, folder, steps) -> dict:
    """Kill a fit at steps by which its file is written; continue it.

    Return for each whether there was a version, and one under the name itself.
    """
    whole, found = wait(*fork(fit, case, folder)), []
    for n_writes, name, end in steps:
        path = folder / f"{n_writes}_{name}_{end}.ckpt"
        given = case, folder, Checkpoint(path, seconds=0)
        assert not wait(*fork(fit_until_step, n_writes, name, end, *given))
        found.append([check_files(path), path.exists()])
        assert wait(*fork(fit, *given)) == whole, path
    left = [name for name in os.listdir(folder) if name.startswith(".")]
    assert not left, left
    return found


def run(function: str, case: str, folder: str, *args) -> None:
    folder = Path(folder)
    rng = np.random.default_rng(0)
    np.save(folder / "X.npy", rng.random((60, 4)))
    np.save(folder / "y.npy", rng.integers(0, 3, 60))
    print(json.dumps(globals()[function](case, folder, *args)))
