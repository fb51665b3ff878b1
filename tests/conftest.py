"""Fixtures: arrays on disk, and the promise that nothing is left behind."""

import gc
import os
import signal
import threading
import time
from pathlib import Path

# Read when SciPy is imported; without it scikit-learn skips a check per estimator.
os.environ.setdefault("SCIPY_ARRAY_API", "1")
# pytest-xdist starts a process for each core; threads of theirs would only wait.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import joblib
import numpy as np
import pytest
from helpers import EXHAUSTIVE
from joblib.externals.loky import get_reusable_executor
from range_server import serving

from skmmap.estimators import registry
from skmmap.remote import requests

# No test is timed: a busy machine is no mistake. A few examples, the same in each run,
# unless all are asked for.
hypothesis.settings.register_profile("full", deadline=None)
hypothesis.settings.register_profile(
    "few", deadline=None, max_examples=12, derandomize=True
)
hypothesis.settings.load_profile("full" if EXHAUSTIVE else "few")


def pytest_collection_modifyitems(items):
    """Begin with the slow ones, so that no process waits for one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="module", autouse=True)
def _collect_from_here_on():
    """Leave what modules import out of collections, which take a second with it."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def on_disk(tmp_path):
    """Save an array as .npy and return its map, by default read-only."""
    count = iter(range(1000))

    def save(array, mode="r"):
        path = tmp_path / f"rows{next(count)}.npy"
        np.save(path, array)
        return np.load(path, mmap_mode=mode)

    return save


def _open_things():
    """Return the data files that this process has open or mapped, and its threads."""
    things = {thread.name for thread in threading.enumerate()}
    if Path("/proc/self/maps").exists():
        maps = Path("/proc/self/maps").read_text()
        lines = maps.splitlines() if ".npy" in maps else []
        things |= {line.split()[-1] for line in lines if line.endswith(".npy")}
        for fd in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink(f"/proc/self/fd/{fd}")
            except FileNotFoundError:
                continue
            if target.endswith(".npy"):
                things.add(target)
    return things


@pytest.fixture
def mapped_files():
    """Return a function that says whether this process has a file open or mapped."""
    if not Path("/proc/self/maps").exists():
        pytest.skip("/proc is there on Linux only")
    return lambda path: str(path) in _open_things()


@pytest.fixture(scope="session")
def _workers():
    yield
    get_reusable_executor().shutdown(wait=True)


@pytest.fixture
def workers_started(_workers):
    """Have two of joblib's processes ready, which wait until all tests are over."""
    joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(number) for number in range(2))


@pytest.fixture(scope="session")
def _server():
    with serving() as server:
        yield server


@pytest.fixture
def web(_server, monkeypatch):
    """Return a web server without files, whose failed answers are soon repeated."""
    monkeypatch.setattr(requests, "_PAUSE", 0)
    _server.files.clear()
    _server.faults.clear()
    _server.asked.clear()
    return _server


@pytest.fixture
def memory():
    """Return a file system in the memory of this process."""
    import fsspec

    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture
def as_in_a_terminal():
    """What a shell starts in the background may not hear Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def nothing_left_open():
    """Fail if the test leaves a data file open, a map or a thread behind."""
    before = _open_things()
    yield
    left, ends = _open_things() - before, time.monotonic() + 60
    if left:
        gc.collect()  # cycles may hold it
    while left and time.monotonic() < ends:
        time.sleep(0.01)  # joblib does not wait for its threads to end
        left = _open_things() - before
    assert not left


@pytest.fixture
def empty_folder(tmp_path, monkeypatch, request):
    """An empty folder to work in, where nothing is left open."""
    if "zarr" not in request.node.name:  # which keeps threads of its own
        request.getfixturevalue("nothing_left_open")
    folder = tmp_path / "rows"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def own_entries(monkeypatch):
    """Forget after the test what it registers."""
    monkeypatch.setattr(registry, "_own", {})
    monkeypatch.setattr(registry, "_classes", {})
    registry._found.clear()
    yield
    registry._found.clear()
