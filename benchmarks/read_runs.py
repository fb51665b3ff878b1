"""The children of read.py: who runs which way, under which limit, and their memory."""

import subprocess
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

import cases
import numpy as np
from cgroup import limit_memory
from memory import read_memory
from read_ways import describe_case, find_paths
from rows import drop_cache
from workers import Worker, WorkerError

# What read_dask.py calls its ways.
DASK_WAYS = ("dask_copied", "dask_mapped", "dask_read")

_SAMPLE_SECONDS = 0.001


@dataclass
class Starter:
    """Starts children and tells them what to run.

    ``read`` is ChunkedFit's parameter, None for its default; ``no_dask`` is why
    dask-ml is not measured, None if it is.
    """

    read: str | None
    dask_python: str
    no_dask: str | None = None

    def open_ours(self, group=None) -> Worker:
        """Return a child that runs ChunkedFit, the loop and their limits."""
        return Worker("read_ways.py", group=group)

    def open_dask(self, group=None) -> Worker:
        return Worker("read_dask.py", self.dask_python, group)

    def prepare_ours(self, worker: Worker, case, folder) -> None:
        spec = describe_case(case)
        worker.prepare(spec=spec, folder=str(folder), read=self.read)

    def prepare_dask(self, worker: Worker, case, folder) -> None:
        """Tell dask-ml to take blocks of as many rows as ChunkedFit's chunks."""
        spec, size = describe_case(case), find_chunk_size(case, folder)
        worker.prepare(spec=spec, folder=str(folder), chunk_size=size)

    def find_no_dask(self, folder) -> str | None:
        """Return why dask-ml cannot be measured; None if it can."""
        try:
            import_dask(self.dask_python)
            with self.open_dask() as worker:
                self.prepare_dask(worker, cases.CASES[0], folder)
        except (WorkerError, OSError) as error:
            return str(error).strip().splitlines()[-1]

    @contextmanager
    def open_team(self, limit=None):
        """Yield children for one table; with a limit, each has so much memory."""
        with ExitStack() as stack:

            def group(name):
                limits = limit and limit_memory(limit, name)
                return stack.enter_context(limits or nullcontext())

            ours = stack.enter_context(self.open_ours(group("ours")))
            free = ours
            if limit:
                free = stack.enter_context(self.open_ours())
            if self.no_dask:
                dask = {}
            elif limit:  # one may be killed, and must not take the others along
                dask = {
                    way: stack.enter_context(self.open_dask(group(way)))
                    for way in DASK_WAYS
                }
            else:
                worker = stack.enter_context(self.open_dask())
                dask = dict.fromkeys(DASK_WAYS, worker)
            yield Team(self, ours, free, dask)

    def measure_bases(self, folder) -> list:
        """Return the memory of children that have opened no data.

        The code of libraries does not count, since the parent has it too.
        """
        kinds = [(self.open_ours, self.prepare_ours)]
        if not self.no_dask:
            kinds.append((self.open_dask, self.prepare_dask))
        bases = []
        for start, prepare in kinds:
            with start() as worker:
                prepare(worker, cases.CASES[0], folder)
                bases.append(int(read_memory(worker.pid)[0]))
        return bases

    def measure_peak(self, case, folder, way: str) -> np.ndarray:
        """Return how much anonymous and mapped memory grow at most, in a new child."""
        is_dask = way in DASK_WAYS
        with self.open_dask() if is_dask else self.open_ours() as worker:
            prepare = self.prepare_dask if is_dask else self.prepare_ours
            prepare(worker, case, folder)
            before = peak = read_memory(worker.pid)
            worker.send({"run": way})
            while not worker.has_replied(_SAMPLE_SECONDS):
                peak = np.maximum(peak, read_memory(worker.pid))
            worker.receive()
        return peak - before


@dataclass
class Team:
    """The children of one table, who take their turns with each case.

    ``free`` has all rows in memory, and is ``ours`` unless that is limited; ``dask``
    is the child for each of its ways.
    """

    starter: Starter
    ours: Worker
    free: Worker
    dask: dict

    def make_runs(self, ways, case, folder) -> dict:
        """Return a function for each way, after a check that both learn the same."""
        for worker in dict.fromkeys((self.ours, self.free)):
            self.starter.prepare_ours(worker, case, folder)
        self.free.run("check")
        runs = {
            way: make_run(self.ours, "loop" if way == "again" else way)
            for way in ways
            if way not in DASK_WAYS
        }
        runs["compute"] = make_run(self.free, "compute")
        for way, worker in self.dask.items():
            if way in ways:
                self.starter.prepare_dask(worker, case, folder)
                runs[way] = make_run(worker, way)
        return runs

    def try_dask(self, runs: dict):
        """Yield which ways of dask-ml do not run, and why; they are then left out."""
        for way in list(self.dask):
            try:
                runs[way]()
            except WorkerError as error:
                del self.dask[way], runs[way]
                yield way, str(error)


def import_dask(python: str) -> None:
    """Raise with the reason if an interpreter has no dask-ml that it can import."""
    command = [python, "-W", "ignore", "-c", "import dask_ml.wrappers"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise WorkerError(result.stderr)


def find_chunk_size(case, folder) -> int:
    return cases.make_ways(case, folder)[1]


def make_run(worker: Worker, way: str):
    return lambda: worker.run(way)


def forget(case, folder) -> None:
    """Drop the pages of X and y of a case."""
    for path in find_paths(case, folder):
        drop_cache(path)
