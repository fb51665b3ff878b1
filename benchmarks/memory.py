"""How memory is measured: each way in a fresh process, which its parent looks at."""

import multiprocessing
import sys
import time
from pathlib import Path

import cases
import numpy as np
from data import open_maps, read_arrays, read_few
from threadpoolctl import threadpool_limits

# A chunk takes ten times longer.
_SAMPLE_SECONDS = 0.001


def one_thread():
    """Limit BLAS and OpenMP: on few, shared cores this is what repeats best."""
    return threadpool_limits(1)


def measure_memory(case, folder, way: str):
    """Return the peak growth of RssAnon and RssFile in a fresh process, in bytes.

    None where the system does not tell. What the process had before it opened the
    data, imports and a run on a few rows, does not count.
    """
    if sys.platform != "linux":
        return None
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    number = cases.CASES.index(case)
    child = context.Process(target=_run_child, args=(number, folder, way, there))
    child.start()
    there.close()  # so that a child that dies is an EOFError here
    here.recv()
    before = peak = read_memory(child.pid)
    here.send("go")
    while child.is_alive():
        peak = np.maximum(peak, read_memory(child.pid))
        time.sleep(_SAMPLE_SECONDS)
    if child.exitcode:
        raise RuntimeError(f"The process that ran {case.name} ({way}) failed.")
    return peak - before


def _run_child(number: int, folder, way: str, connection) -> None:
    case = cases.CASES[number]
    with one_thread():
        ways, _ = cases.make_ways(case, folder)
        ways[way](*read_few(case, folder))  # loads what is loaded only once
        connection.send("ready")
        connection.recv()
        open_data = read_arrays if way == "whole" else open_maps
        ways[way](*open_data(case, folder))


def read_memory(pid: int, names=("RssAnon", "RssFile")) -> np.ndarray:
    """Return RssAnon and RssFile of a process in bytes; 0 when it has ended."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    sizes = [status.get(name, "0 kB").split()[0] for name in names]
    return np.array(sizes, dtype=np.int64) * 1024


def iter_processes(pid: int):
    """Yield the number of a process, and of all that descend from it."""
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from iter_processes(int(child))
    except (OSError, ValueError):  # it has just ended
        return


def read_pages(pid: int) -> np.ndarray:
    """Return anonymous bytes and those of mapped files; 0 when it has ended."""
    try:
        return read_memory(pid)
    except (OSError, ValueError):
        return np.zeros(2)
