"""The process of kills.py that starts others, kills them, and looks at what is left."""

import gc
import hashlib
import os
import pickle
import random
import select
import signal
import tempfile
import time
import traceback
from collections import Counter
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import kills_cases as cases
import kills_child as child

_AT_ONCE = 0.6  # of kills come at any moment, the others at a place
_N_KILLS = [1] * 7 + [2] * 6 + [3] * 5 + [6] * 2
_PATIENCE = 300.0  # seconds, for a process that is not killed
_FILE = "run.ckpt"
_KEPT = {_FILE, f"{_FILE}.previous"}
_LOCK = f".{_FILE}.lock"
# Starting workers takes a second.
_RARE = {"loky": 0.03, "multiprocessing": 0.3}


class Known(NamedTuple):
    """A run that is never killed: its result, duration, and ways past each place."""

    result: Any
    seconds: float
    counts: Counter


class Killer:
    """Makes runs that are killed and continued, on the same inputs."""

    def __init__(self, folder: Path):
        self._folder, self._inputs = folder, folder / "inputs"
        self._inputs.mkdir()
        cases.write_inputs(self._inputs)
        self._look, self._known = _look(self._inputs), {}
        self._weights = [_RARE.get(case.backend, 1) for case in cases.CASES]

    def make_run(self, rng: random.Random) -> dict:
        """Return what came of one run."""
        (case,) = rng.choices(cases.CASES, self._weights)
        run = rng.choice(cases.list_runs(case))
        said = {"kind": case.kind, "how": str(run[1:]), "kills": []}
        said |= {"differs": "", "error": ""}
        try:
            known = self._find_known(run)
            said["differs"] = self._kill_and_go_on(run, known, rng, said["kills"])
        except Exception as error:
            said["error"] = f"{type(error).__name__}: {error}"
        return said

    def _find_known(self, run: cases.Run) -> Known:
        key = str(run)
        if key not in self._known:
            # Starting processes would leave threads, of which a fork has none.
            threads = run.case._replace(backend=run.case.backend and "threading")
            result = child.fit(run._replace(case=threads), self._inputs, None, 0)
            with self._make_folder() as own:
                process = self._start(run, result, own, 0)
                end = process.wait(_PATIENCE)
                self._check(own, is_over=True)
            if end["differs"]:
                raise AssertionError(f"without a kill: {end['differs']}")
            self._known[key] = Known(result, end["seconds"], end["counts"])
        return self._known[key]

    def _make_folder(self) -> tempfile.TemporaryDirectory:
        return tempfile.TemporaryDirectory(dir=self._folder)

    def _kill_and_go_on(self, run, known: Known, rng, kills: list) -> str:
        """Return where the result differs; ``kills`` gets the place of each kill."""
        n_kills, left, processes = rng.choice(_N_KILLS), known.seconds, []
        with self._make_folder() as own:
            try:
                for number in range(n_kills + 1):
                    began = time.perf_counter()
                    delay, place = _PATIENCE, None
                    if number < n_kills:
                        share = max(left / known.seconds, 0.1)
                        delay, place = _choose(rng, known, share)
                    process = self._start(run, known.result, own, number, place)
                    processes.append(process)
                    end = process.wait(delay)
                    self._check(own, is_over=end is not None)
                    if end is not None:
                        return end["differs"]
                    if number == n_kills:
                        raise TimeoutError(f"it has not ended after {delay} seconds")
                    kills.append("at any moment" if place is None else place[0])
                    left -= time.perf_counter() - began
            finally:
                for process in processes:
                    process.end_group()

    def _start(self, run, result, own: str, number: int, place=None) -> "Process":
        """Start the fit; each process has other states of the global generators.

        If none has written a checkpoint yet, it is the first one, as in a run that is
        never killed.
        """
        is_first = not _KEPT & set(os.listdir(own))
        seed = 0 if is_first else number + 1

        def work() -> dict:
            counts, began = Counter(), time.perf_counter()
            if place is None:
                child.count_calls(counts)
            else:
                child.kill_at(*place)
            path = Path(own, _FILE)
            fitted = child.fit(run, self._inputs, path, seed)
            seconds, counts = time.perf_counter() - began, counts.copy()
            differs = child.compare(fitted, result)
            # It is over: the same call returns what is in the file.
            again = child.fit(run, self._inputs, path, seed + 1)
            differs = differs or child.compare(again, result)
            return {"differs": differs, "seconds": seconds, "counts": counts}

        return Process(work)

    def _check(self, own: str, *, is_over: bool) -> None:
        """Raise if there is anything but the checkpoint, or inputs have changed."""
        if _look(self._inputs) != self._look:
            raise AssertionError("the inputs have changed")
        found = set(os.listdir(own))
        others = found - _KEPT
        if is_over:
            is_right = found == _KEPT
        else:
            others -= {_LOCK}
            is_right = len(others) <= 1 and all(n.startswith(".skm") for n in others)
        if not is_right:
            raise AssertionError(f"the folder has {sorted(found)}, {is_over=}")


def _look(folder: Path) -> dict:
    """Return a digest and the times of each file in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path: (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns)
        for path in files
    }


def _choose(rng: random.Random, known: Known, share: float) -> tuple:
    """Return after how many seconds to kill, or where; ``share`` of the run is left."""
    if rng.random() < _AT_ONCE:
        return rng.uniform(0, share * known.seconds), None
    place = rng.choice([*child.PLACES])
    most = max(1, ceil(share * known.counts[place]))
    return _PATIENCE, (place, rng.randint(1, most), rng.random())


class Process:
    """A fork of this process, which works and says how it was."""

    def __init__(self, work):
        gc.freeze()  # what is there already is not looked at, and so stays shared
        self._read, write = os.pipe()
        self._number = os.fork()
        if not self._number:
            os.close(self._read)
            _work_and_exit(work, write)
        os.close(write)

    def wait(self, seconds: float) -> dict | None:
        """Return what it says, None if it was killed; it is after so many seconds."""
        with suppress(ProcessLookupError):
            opened = os.pidfd_open(self._number)
            select.select([opened], [], [], seconds)
            os.close(opened)
            os.kill(self._number, signal.SIGKILL)
        _, status = os.waitpid(self._number, 0)
        with open(self._read, "rb") as file:
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
                return None
            said = file.read()
        if not said:
            raise AssertionError(f"it ended with status {status}")
        end = pickle.loads(said)
        if "error" in end:
            raise RuntimeError(end["error"])
        return end

    def end_group(self) -> None:
        """End the workers that it has left."""
        with suppress(ProcessLookupError):
            os.killpg(self._number, signal.SIGKILL)


def _work_and_exit(work, write: int) -> None:
    try:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # workers complain of its death
        said = work()
    except BaseException:
        said = {"error": traceback.format_exc()}
    try:
        with open(write, "wb") as file:
            file.write(pickle.dumps(said))
    finally:
        os._exit(0)  # whatever happens: this is no second parent
