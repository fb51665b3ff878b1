"""The children of search.py: what a run takes, over all of its processes (Linux)."""

import json
import os
import signal
from pathlib import Path
from typing import NamedTuple

import numpy as np
from memory import iter_processes, read_memory
from rows import drop_cache
from search_ways import FILES
from workers import Worker

# What reads so often takes about a hundredth of a core.
_SAMPLE_SECONDS = 0.01
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Run(NamedTuple):
    """What a run took.

    ``bare`` and ``peak`` are anonymous bytes, before the first rows were opened and at
    most; ``mapped`` are pages of files and shared memory at most, which count in each
    process that has them; ``found`` is what the way left.
    """

    wall: float
    cpu: float
    bare: int
    peak: int
    mapped: int
    nbytes: int
    found: object


class Tree:
    """A process and all that descend from it, which may end meanwhile."""

    def __init__(self, pid: int):
        self._pid = pid
        self._counts: dict[int, np.ndarray] = {}
        self.peak = np.zeros(2, dtype=np.int64)

    def look(self) -> None:
        """Note counters, and memory at most."""
        memory = np.zeros(2, dtype=np.int64)
        for pid in iter_processes(self._pid):
            try:
                self._counts[pid] = _read_counts(pid)
                memory += _read_memory(pid)
            except (OSError, ValueError, IndexError):  # it has just ended
                continue
        self.peak = np.maximum(self.peak, memory)

    def count(self) -> np.ndarray:
        """Return seconds of CPU and bytes read of all processes there ever were."""
        return sum(self._counts.values())


def _read_memory(pid: int) -> np.ndarray:
    """Return anonymous bytes, and those of pages of files and shared memory."""
    anonymous, *others = read_memory(pid, ("RssAnon", "RssFile", "RssShmem"))
    return np.array([anonymous, sum(others)])


def _read_counts(pid: int) -> np.ndarray:
    """Return seconds of CPU, and the bytes that calls of ``read`` gave."""
    # The name of a process, in brackets, may have spaces.
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    io = Path(f"/proc/{pid}/io").read_text().split()
    return np.array([sum(map(int, stat[11:13])) / _TICKS, int(io[1])])


def run(case: str, way: str, folder, **given) -> Run:
    """Run a way in a fresh process, after the same on a few rows.

    What else is ``given`` are the numbers of jobs and of candidates.
    """
    for name in FILES:
        if case == "uncached":
            drop_cache(Path(folder) / name)
    with Worker("search_ways.py") as worker:
        try:
            worker.prepare(case=case, folder=str(folder), **given)
            return _measure(worker, way, folder)
        except BaseException:
            os.kill(worker.pid, signal.SIGKILL)
            raise


def _measure(worker: Worker, way: str, folder) -> Run:
    bare = int(_read_memory(worker.pid)[0])
    worker.run(f"few {way}")
    tree = Tree(worker.pid)
    tree.look()
    before = tree.count()
    worker.send({"run": way})
    while not worker.has_replied(_SAMPLE_SECONDS):
        tree.look()
    wall = worker.receive()["wall"]
    tree.look()
    cpu, nbytes = tree.count() - before
    peak, mapped = tree.peak
    found = Path(folder) / f"{way}.json"
    found = json.loads(found.read_text()) if found.exists() else None
    return Run(wall, cpu, bare, int(peak), int(mapped), int(nbytes), found)
