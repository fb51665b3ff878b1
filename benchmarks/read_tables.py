"""What read.py prints: a row of ratios and milliseconds for each estimator."""

from dataclasses import dataclass

import numpy as np
from measure import find_quartiles
from read_runs import DASK_WAYS
from rows import find_ratios, judge, say_ms, say_ratio

NAMES = {
    "chunked": "ChunkedFit",
    "loop": "loop",
    "compute": "compute",
    "read": "read",
    "touch": "touch",
    "whole": "fit",
    "dask_copied": "dask-ml, `from_array`",
    "dask_mapped": "dask-ml, mapped",
    "dask_read": "dask-ml, read",
}
_NOTHING = "-"
MEMORY_WAYS = ("chunked", "loop", *DASK_WAYS)


@dataclass(frozen=True)
class Ratio:
    """ChunkedFit over something else: its quartiles, and the most it should be."""

    section: str
    estimator: str
    versus: str
    quartiles: tuple
    goal: float | None


def make_head(limit: float, loop: float, dask: float) -> str:
    """Return the head of a table with these goals."""
    columns = [
        ("estimator", "---"),
        ("`chunk_size_`", "--:"),
        ("ChunkedFit / limit: median (quartiles) of rounds", "--:"),
        (f"at most {limit}", ":-:"),
        ("limit", ":-:"),
        ("ChunkedFit / loop", "--:"),
        (f"at most {loop:.3g}", ":-:"),
        ("loop / itself: quartiles", "--:"),
        ("CPU time: ChunkedFit / loop", "--:"),
        ("ChunkedFit / fastest of dask-ml", "--:"),
        (f"at most {dask}", ":-:"),
        ("ChunkedFit / fit", "--:"),
        *((f"ms: {name}", "--:") for name in NAMES.values()),
    ]
    heads, rules = zip(*columns, strict=True)
    return f"{make_line(heads)}\n|{'|'.join(rules)}|"


def make_line(cells) -> str:
    return f"| {' | '.join(cells)} |"


def make_row(name: str, size: int, times: dict, limit: str, goals: dict) -> str:
    """Return the row of an estimator; what was not measured is left blank."""
    noise = find_quartiles(find_ratios(times, "loop", "again"))
    cells = [
        name,
        f"{size:,}",
        *compare(times, limit, goals["limit"]),
        NAMES[limit],
        *compare(times, "loop", goals["loop"]),
        f"{noise[0]:.3f} to {noise[2]:.3f}",
        f"{np.median(find_ratios(times, 'chunked', 'loop', 'cpu')):.2f}",
        *compare(times, find_fastest(times), goals["dask"]),
        compare(times, "whole", None)[0],
        *(say_ms(times[way]) if way in times else _NOTHING for way in NAMES),
    ]
    return make_line(cells)


def compare(times: dict, way: str, goal) -> tuple[str, str]:
    """Say the ratio of ChunkedFit to another way, and whether the goal is met."""
    if way not in times:
        return _NOTHING, _NOTHING
    ratios = find_ratios(times, "chunked", way)
    return say_ratio(ratios), _NOTHING if goal is None else judge(ratios, goal)


def find_fastest(times: dict) -> str | None:
    """Return the way of dask-ml that takes the least time; None if there is none."""
    ways = [way for way in DASK_WAYS if way in times]
    return min(ways, key=lambda way: find_median(times[way]), default=None)


def find_median(times: list) -> float:
    return float(np.median([time.wall for time in times]))


def find_limit(times: dict, cache: str) -> str:
    """Return what no way of bringing rows can beat: the slower of disk and compute."""
    if cache == "warm":
        return "compute"
    return max(("compute", "read"), key=lambda way: find_median(times[way]))


def iter_ratios(section: str, name: str, times: dict, limit: str, goals: dict):
    """Yield what the picture shows of a row."""
    ways = {"limit": limit, "loop": "loop", "dask": find_fastest(times)}
    for versus, way in ways.items():
        if way in times:
            quartiles = find_quartiles(find_ratios(times, "chunked", way))
            yield Ratio(section, name, versus, tuple(quartiles), goals[versus])


def make_memory_head(goal: float) -> str:
    ways = [NAMES[way] for way in MEMORY_WAYS]
    heads = [
        "estimator",
        "ChunkedFit / loop",
        "ChunkedFit / least of dask-ml",
        f"at most {goal:.2g}",
        *(f"anonymous MB: {way}" for way in ways),
        *(f"mapped MB: {way}" for way in ways),
    ]
    return f"{make_line(heads)}\n|---|--:|--:|:-:{'|--:' * (len(heads) - 4)}|"


def make_memory_row(name: str, peaks: dict, goal: float) -> str:
    """Return the row of an estimator, from peaks of anonymous and mapped memory."""
    total = {way: peak.sum() for way, peak in peaks.items()}
    least = min((total[way] for way in DASK_WAYS if way in total), default=None)
    cells = [name, f"{total['chunked'] / total['loop']:.2f}", _NOTHING, _NOTHING]
    if least is not None:
        ratio = total["chunked"] / least
        cells[2:] = [f"{ratio:.2f}", "met" if ratio <= goal else "**missed**"]
    for kind in range(2):
        cells += [
            f"{peaks[way][kind] / 1e6:,.0f}" if way in peaks else _NOTHING
            for way in MEMORY_WAYS
        ]
    return make_line(cells)
