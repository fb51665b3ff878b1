"""How time is measured: ways that alternate in one process."""

import multiprocessing
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cases
import numpy as np
import sklearn
from clock import measure_time
from data import open_maps, read_arrays
from memory import measure_memory, one_thread

_MOST_ROUNDS = 100
_ALONE_RUNS = 50


@dataclass(frozen=True)
class Result:
    """What was measured of one case.

    ``rounds`` holds for each round the times of every way, as often as it ran.
    ``own_seconds`` is what ChunkedFit takes more than the loop when the estimator
    does nothing; ``peaks`` the growth of anonymous and of mapped memory by way, None
    where it is not measured.
    """

    case: cases.Case
    chunk_size: int
    rounds: list
    own_seconds: float
    peaks: dict

    def ratios(self, over: str, under: str, clock: str = "wall") -> np.ndarray:
        """Return the ratio of the mean times of two ways in each round, sorted."""
        both = [times for times in self.rounds if over in times and under in times]
        ratios = [
            _mean(times[over], clock) / _mean(times[under], clock) for times in both
        ]
        return np.sort(ratios)

    def noise(self) -> np.ndarray:
        """Return how far the loop is from itself in each round, sorted."""
        pairs = [times["loop"] for times in self.rounds]
        return np.sort([first.wall / second.wall for first, second in pairs])

    def own_share(self) -> float:
        """Return the seconds of ChunkedFit's own as a share of the loop's."""
        loop = np.median([_mean(times["loop"], "wall") for times in self.rounds])
        return self.own_seconds / loop


def _mean(times, clock: str) -> float:
    return float(np.mean([getattr(time, clock) for time in times]))


def find_quartiles(values) -> np.ndarray:
    return np.quantile(values, [0.25, 0.5, 0.75])


def find_interval(ordered) -> tuple[float, float]:
    """Return the 95 % confidence interval of the median; it assumes no distribution.

    How many of n values lie below the true median is binomial, so the interval goes
    from one order statistic to another. Below six values it is all of them, and less
    certain.
    """
    n = len(ordered)
    away = 1.96 * np.sqrt(n) / 2
    low, high = int(np.floor(n / 2 - away)), int(np.ceil(n / 2 + away))
    return ordered[max(low, 0)], ordered[min(high, n - 1)]


def measure_case(case, folder, *, repeats: int, seconds: float) -> Result:
    """Measure times, ChunkedFit's own time and memory of one case."""
    peaks = {way: measure_memory(case, folder, way) for way in cases.WAYS}
    with one_thread():
        ways, chunk_size = cases.make_ways(case, folder)
        check_equal(case, folder, ways)
        own_seconds = _measure_alone(cases.make_idle(case), folder)
        rounds = list(_iter_rounds(_make_runs(case, folder, ways), repeats, seconds))
    return Result(case, chunk_size, rounds, own_seconds, peaks)


def check_equal(case, folder, ways) -> None:
    """Raise unless ChunkedFit and the loop agree in every bit."""
    X, y = open_maps(case, folder)
    ours, theirs = (cases.digest(ways[way](X, y)) for way in ("chunked", "loop"))
    if ours != theirs:
        raise AssertionError(f"{case.name}: ChunkedFit differs from the loop.")


def _measure_alone(idle, folder) -> float:
    """Return the seconds that ChunkedFit takes more than the loop around nothing.

    With a real estimator they would drown in noise. What disturbs such short runs
    makes them longer, so the least is closest to what it costs.
    """
    ways, _ = cases.make_ways(idle, folder)
    runs = [_on_maps(idle, folder, ways[way]) for way in ("chunked", "loop")]
    times = [[measure_time(run).wall for run in runs] for _ in range(_ALONE_RUNS)]
    chunked, loop = np.min(times, axis=0)
    return float(chunked - loop)


def _make_runs(case, folder, ways) -> dict:
    """Return the timed runs: maps are opened in them, arrays are in memory before."""
    arrays = read_arrays(case, folder)
    return {
        "chunked": _on_maps(case, folder, ways["chunked"]),
        "loop": _on_maps(case, folder, ways["loop"]),
        "whole": lambda: ways["whole"](*arrays),
    }


def _on_maps(case, folder, way):
    return lambda: way(*open_maps(case, folder))


def _iter_rounds(runs: dict, repeats: int, seconds: float):
    """Yield rounds: ``repeats`` at least, more while time is left.

    In a round ChunkedFit and the loop run as A, B, B, A, so that a machine that
    becomes faster or slower meanwhile favours neither. The in-memory way takes its
    turn in the first ``repeats`` rounds, since its ratio is not a matter of percents.
    """
    for run in runs.values():
        run()
    rng = np.random.default_rng(0)
    end, done = time.perf_counter() + seconds, 0
    while done < repeats or (done < _MOST_ROUNDS and time.perf_counter() < end):
        first, second = rng.permutation(["chunked", "loop"])
        order = [first, second, second, first]
        if done < repeats:
            order.insert(rng.integers(2) * 4, "whole")
        yield _run_round(runs, order)
        done += 1


def _run_round(runs: dict, order) -> dict:
    times = {way: [] for way in order}
    for way in order:
        times[way].append(measure_time(runs[way]))
    return times


def describe_machine() -> str:
    """Return one line: date, versions, processor, cores."""
    return (
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, "
        f"numpy {np.__version__}, scikit-learn {sklearn.__version__}, "
        f"{_find_processor()}, {multiprocessing.cpu_count()} cores"
    )


def _find_processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
