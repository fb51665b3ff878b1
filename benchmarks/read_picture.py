"""Draw what read.py measured: one dot for each estimator and state of the cache.

    python benchmarks/read_picture.py ratios.json read.png "where and when"

It takes what `read.py --results ratios.json` wrote.
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

# Colors that the color-blind can tell apart, from Okabe and Ito.
_STATES = {
    "warm": ("page cache warm", "#E69F00", "o"),
    "cold": ("cold", "#0072B2", "s"),
    "limited": ("data 4 x memory", "#CC79A7", "D"),
    "alike": ("cold, disk and compute alike", "#009E73", "^"),
}
_PANELS = {
    "limit": "ChunkedFit / limit\n(the slower of disk and compute)",
    "loop": "ChunkedFit / hand-written loop",
    "dask": "ChunkedFit / dask-ml\n(its fastest recipe)",
}
_TICKS = (0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10)


def draw(ratios: list, caption: str, path) -> None:
    """Draw a panel for each comparison; a row is an estimator, a line a goal."""
    names = list(dict.fromkeys(ratio["estimator"] for ratio in ratios))
    panels = [name for name in _PANELS if any(r["versus"] == name for r in ratios)]
    figure, axes = plt.subplots(
        1,
        len(panels),
        sharey=True,
        squeeze=False,
        figsize=(1.5 + 3.6 * len(panels), 2.1 + 0.62 * len(names)),
        layout="constrained",
    )
    for ax, versus in zip(axes[0], panels, strict=True):
        chosen = [ratio for ratio in ratios if ratio["versus"] == versus]
        draw_panel(ax, chosen, names)
        ax.set_title(_PANELS[versus], fontsize=10)
    set_names(axes[0][0], names)
    add_legend(figure, ratios, caption)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_panel(ax, ratios: list, names: list) -> None:
    """Draw medians, quartiles, and each row's goal as a tick in its own color."""
    for ratio in ratios:
        _, color, marker = _STATES[ratio["section"]]
        y = names.index(ratio["estimator"]) + find_shift(ratio, ratios)
        low, median, high = ratio["quartiles"]
        ax.plot([low, high], [y, y], color=color, linewidth=2, alpha=0.6)
        inside = median <= ratio["goal"]
        face = color if inside else "white"
        ax.plot(median, y, marker, color=color, markerfacecolor=face, markersize=7)
        ax.vlines(ratio["goal"], y - 0.12, y + 0.12, color=color, linewidth=2.5)
    ax.axvline(1, color="0.75", linewidth=1, zorder=0)
    ax.grid(axis="x", color="0.93", zorder=0)
    ax.set_axisbelow(True)
    set_scale(ax, ratios)


def find_shift(ratio: dict, ratios: list) -> float:
    """Return how far from the middle of its row a state is drawn."""
    same = [r for r in ratios if r["estimator"] == ratio["estimator"]]
    return 0.27 * (same.index(ratio) - (len(same) - 1) / 2)


def set_scale(ax, ratios: list) -> None:
    """Use a logarithmic scale: half and double are equally far from one."""
    values = [value for ratio in ratios for value in (*ratio["quartiles"], 1)]
    values += [ratio["goal"] for ratio in ratios]
    low, high = 0.92 * min(values), 1.08 * max(values)
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    ax.set_xticks(ticks if len(ticks) > 2 else [0.95, 1, 1.05])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(axis="both", which="both", length=0, labelsize=9)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)


def set_names(ax, names: list) -> None:
    ax.set_yticks(range(len(names)), [name.replace(", ", "\n") for name in names])
    ax.set_ylim(len(names) - 0.45, -0.55)
    for middle in range(1, len(names)):
        for other in ax.figure.axes:
            other.axhline(middle - 0.5, color="0.9", linewidth=0.8, zorder=0)


def add_legend(figure, ratios: list, caption: str) -> None:
    sections = {ratio["section"] for ratio in ratios}
    handles = [
        plt.Line2D([], [], color=color, marker=marker, label=label)
        for section, (label, color, marker) in _STATES.items()
        if section in sections
    ]
    goal = plt.Line2D([], [], color="0.4", marker="|", linestyle="", label="goal")
    goal.set(markersize=11, markeredgewidth=2.5)
    figure.legend(
        handles=[*handles, goal], loc="outside upper center", ncols=5, frameon=False
    )
    figure.supxlabel(
        "Time; below 1 ChunkedFit is faster. Medians and quartiles of rounds; filled "
        f"where the median meets its goal.\n{caption}",
        fontsize=8,
        color="0.35",
    )


if __name__ == "__main__":
    results, picture, *words = sys.argv[1:]
    draw(json.loads(Path(results).read_text()), " ".join(words), picture)
