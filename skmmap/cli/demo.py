"""Three ways to train on the same files, each measured in a separate process."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.utils import gen_batches

from skmmap import ChunkedFit

N_EPOCHS = 2  # in every way, so that all do the same work


def make_model() -> SGDClassifier:
    """Return the model of every way; averaged weights make accuracies less noisy."""
    return SGDClassifier(
        loss="log_loss", average=True, max_iter=N_EPOCHS, tol=None, random_state=0
    )


def flatten(images: np.ndarray) -> np.ndarray:
    """Return a view of images as rows, which only the other ways need."""
    return images.reshape(len(images), -1)


def fit_chunked(X, y, _):
    """Train with one line."""
    return ChunkedFit(make_model()).fit(X, y)


def predict_at_once(model, X, _):
    """Predict with one call, which ChunkedFit cuts into chunks."""
    return model.predict(X if isinstance(model, ChunkedFit) else flatten(X))


def fit_loop(X, y, chunk_size: int):
    """Train with a hand-written loop."""
    model, classes = make_model(), np.unique(y)
    for _ in range(N_EPOCHS):
        for rows in gen_batches(len(X), chunk_size):
            model.partial_fit(flatten(X[rows]), y[rows], classes=classes)
    return model


def predict_loop(model, X, chunk_size: int):
    """Predict with a hand-written loop."""
    chunks = (X[rows] for rows in gen_batches(len(X), chunk_size))
    return np.concatenate([model.predict(flatten(chunk)) for chunk in chunks])


def fit_at_once(X, y, _):
    """Train with scikit-learn alone, which makes a float64 copy of X."""
    check_memory(8 * X.size)
    return make_model().fit(flatten(X), y)


WAYS = {
    "ChunkedFit": (fit_chunked, predict_at_once),
    "partial_fit loop": (fit_loop, predict_loop),
    "model.fit": (fit_at_once, predict_at_once),
}


def check_memory(needed: int) -> None:
    """Raise MemoryError before the machine starts to swap."""
    with suppress(AttributeError, ValueError, OSError):  # not available on every system
        installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if needed > installed:
            raise MemoryError(
                f"X as float64 takes {needed / 1e9:,.1f} GB, and this machine has "
                f"{installed / 1e9:,.1f} GB."
            )


def run_apart(way: str, folder: Path, chunk_size: int, tick: Callable) -> dict:
    """Return what a new process measured, or the error that it ended with.

    ``tick`` is called repeatedly meanwhile.
    """
    code = "from skmmap.cli.demo import main; main()"
    command = [sys.executable, "-c", code, way, str(folder), str(chunk_size)]
    # glibc adapts the size from which it returns freed blocks to the system, so that
    # the peak would vary by a chunk; setting the threshold turns this off (mallopt(3)).
    environment = {"MALLOC_MMAP_THRESHOLD_": "4000000", **os.environ}
    done = _run(command, environment, tick)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if done.returncode < 0:
        hint = ", most likely out of memory" if done.returncode == -9 else ""
        return {"error": f"ended by signal {-done.returncode}{hint}."}
    said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}."]
    return {"error": said[-1]}


def _run(command: list, environment: dict, tick: Callable):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    said = process.communicate(timeout=0.2)
                    return subprocess.CompletedProcess(
                        command, process.returncode, *said
                    )
                tick()
        except BaseException:
            process.kill()
            raise


def keep_best(before: dict, result: dict) -> dict:
    """Return the shorter time and the larger memory of two runs, or an error."""
    if "error" in before or "error" in result:
        return before if "error" in before else result
    most = {key: max(before[key], result[key]) for key in _MOST if key in result}
    return result | most | {"seconds": min(before["seconds"], result["seconds"])}


_MOST = "memory", "pages"


def run_way(way: str, folder: str, chunk_size: str) -> dict:
    """Train and predict in one way, and return what was measured."""
    (fit, predict), rows, peak = WAYS[way], int(chunk_size), {}
    with watch_memory(peak):
        X, y, X_test, y_test = (
            np.load(Path(folder, f"{name}.npy"), mmap_mode="r")
            for name in ("X_train", "y_train", "X_test", "y_test")
        )
        began = time.perf_counter()
        model = fit(X, y, rows)
        predicted = predict(model, X_test, rows)
        seconds = time.perf_counter() - began
    return {
        "accuracy": float(np.mean(predicted == y_test)),
        "seconds": seconds,
        "chunk_size": getattr(model, "chunk_size_", rows),
        **peak,
    }


@contextmanager
def watch_memory(peak: dict, pause: float = 0.005):
    """Record in ``peak`` the maximum memory of each kind in this process."""
    before, ended = read_memory(), threading.Event()

    def look():
        for kind, n_bytes in read_memory().items():
            peak[kind] = max(peak.get(kind, 0), n_bytes - before[kind])

    def watch():
        while not ended.wait(pause):
            look()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        look()


def read_memory() -> dict:
    """Return the memory of this process, with pages of files apart if possible."""
    with suppress(OSError):
        status = Path("/proc/self/status").read_text()
        found = re.findall(r"^Rss(\w+):\s*(\d+) kB", status, re.MULTILINE)
        kinds = {kind: 1024 * int(n) for kind, n in found}
        if "Anon" in kinds:
            # If /tmp is a file system in memory, mapped pages count as shared memory.
            return {"memory": kinds["Anon"], "pages": kinds["File"] + kinds["Shmem"]}
    try:
        import resource
    except ImportError:  # Windows
        return {}
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"memory": most if sys.platform == "darwin" else 1024 * most}


def run_child(arguments: list[str]) -> dict:
    """Return the result of ``run_way``, or its error, which the table shows."""
    try:
        return run_way(*arguments)
    except Exception as error:
        return {"error": f"{type(error).__name__.lstrip('_')}: {error}"}


def main() -> None:
    """Measure the way that the command line names, and print the result."""
    print(json.dumps(run_child(sys.argv[1:])))
