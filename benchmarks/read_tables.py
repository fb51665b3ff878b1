"""What read.py prints: a row of ratios and milliseconds for each estimator."""

from dataclasses import dataclass

import numpy as np
from measure import find_quartiles
from rows import find_ratios, judge, say_ms, say_ratio

NAMES = {
    "chunked": "ChunkedFit",
    "loop": "loop",
    "compute": "compute",
    "read": "read",
    "touch": "touch",
    "whole": "fit",
    "dask": "dask-ml",
}
_NOTHING = "-"


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
        ("ChunkedFit / limit: median (quartiles) of rounds", "--:"),
        (f"at most {limit}", ":-:"),
        ("limit", ":-:"),
        ("ChunkedFit / loop", "--:"),
        (f"at most {loop:.3g}", ":-:"),
        ("loop / itself: quartiles", "--:"),
        ("CPU time: ChunkedFit / loop", "--:"),
        ("ChunkedFit / dask-ml", "--:"),
        (f"at most {dask}", ":-:"),
        ("ChunkedFit / fit", "--:"),
        *((f"ms: {name}", "--:") for name in NAMES.values()),
    ]
    heads, rules = zip(*columns, strict=True)
    return f"{make_line(heads)}\n|{'|'.join(rules)}|"


def make_line(cells) -> str:
    return f"| {' | '.join(cells)} |"


def make_row(name: str, times: dict, limit: str, goals: dict) -> str:
    """Return the row of an estimator; what was not measured is left blank."""
    noise = find_quartiles(find_ratios(times, "loop", "again"))
    cells = [
        name,
        *compare(times, limit, goals["limit"]),
        NAMES[limit],
        *compare(times, "loop", goals["loop"]),
        f"{noise[0]:.3f} to {noise[2]:.3f}",
        f"{np.median(find_ratios(times, 'chunked', 'loop', 'cpu')):.2f}",
        *compare(times, "dask", goals["dask"]),
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


def find_limit(times: dict, cache: str) -> str:
    """Return what no way of bringing rows can beat: the slower of disk and compute."""
    if cache == "warm":
        return "compute"
    return max(("compute", "read"), key=lambda way: np.median(find_walls(times[way])))


def find_walls(times: list) -> list:
    return [time.wall for time in times]


def iter_ratios(section: str, name: str, times: dict, limit: str, goals: dict):
    """Yield what the picture shows of a row."""
    for versus, way in {"limit": limit, "loop": "loop", "dask": "dask"}.items():
        if way in times:
            quartiles = find_quartiles(find_ratios(times, "chunked", way))
            yield Ratio(section, name, versus, tuple(quartiles), goals[versus])


def make_memory_head(goal: float) -> str:
    ways = [f"{NAMES[way]}" for way in MEMORY_WAYS]
    heads = [
        "estimator",
        "ChunkedFit / loop",
        "ChunkedFit / dask-ml",
        f"at most {goal:.2g}",
        *(f"anonymous MB: {way}" for way in ways),
        *(f"mapped MB: {way}" for way in ways),
    ]
    return f"{make_line(heads)}\n|---|--:|--:|:-:{'|--:' * (len(heads) - 4)}|"


MEMORY_WAYS = ("chunked", "loop", "dask")


def make_memory_row(name: str, peaks: dict, goal: float) -> str:
    """Return the row of an estimator, from peaks of anonymous and mapped memory."""
    loop, dask = (find_memory_ratio(peaks, way) for way in ("loop", "dask"))
    cells = [name, f"{loop:.2f}", _NOTHING, _NOTHING]
    if dask is not None:
        cells[2:] = [f"{dask:.2f}", "met" if dask <= goal else "**missed**"]
    for kind in range(2):
        cells += [
            f"{peaks[way][kind] / 1e6:,.0f}" if way in peaks else _NOTHING
            for way in MEMORY_WAYS
        ]
    return make_line(cells)


def find_memory_ratio(peaks: dict, way: str) -> float | None:
    """Return the ratio of both kinds of memory together."""
    if way not in peaks:
        return None
    return float(peaks["chunked"].sum() / peaks[way].sum())
