"""Draw time and peak memory of the three ways, from the table of overhead.py.

    python benchmarks/overhead_picture.py docs/measured/overhead.md picture.png

Times are shares of that of the estimator's own ``fit`` on arrays in memory.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

SHOWN = ("SGDClassifier", "GaussianNB", "StandardScaler", "MiniBatchKMeans")
WAYS = {"fit, X in memory": "0.65", "partial_fit loop": "C1", "ChunkedFit": "C0"}


def read_table(path: Path) -> dict:
    """Return time and megabytes of each way, for each estimator that is shown."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name = cells[0].strip("`").removesuffix(".fit")
        if name in SHOWN and cells[0].endswith(".fit`"):
            over_loop, over_fit = float(cells[2].split()[0]), float(cells[7])
            megabytes = [float(cell.replace(",", "")) for cell in cells[8:11]]
            ours, loop, fit = megabytes
            found[name] = ((1, over_fit / over_loop, over_fit), (fit, loop, ours))
    return found


def draw(figures: dict, path: Path) -> None:
    """Draw a group of bars for each estimator, time beside memory."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    titles = ("Time (1 is fit on arrays in memory)", "Peak memory (MB)")
    for column, (ax, title) in enumerate(zip(axes, titles, strict=True)):
        for place, (way, color) in enumerate(WAYS.items()):
            heights = [values[column][place] for values in figures.values()]
            at = [i + 0.27 * (place - 1) for i in range(len(figures))]
            bars = ax.bar(at, heights, 0.25, color=color, label=way)
            form = "{:.2f}" if column == 0 else "{:,.0f}"
            ax.bar_label(bars, fmt=form, fontsize=7)
        ax.set_title(title, fontsize=10)
        ax.set_xticks(range(len(figures)), figures, fontsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        frameon=False,
    )
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    draw(read_table(Path(sys.argv[1])), Path(sys.argv[2]))
