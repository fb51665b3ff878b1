"""Draw what arrival.py measured: a dot for each estimator, a line for each source."""

import textwrap

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

# Colors that the color-blind can tell apart, from Okabe and Ito.
_SOURCE, _ESTIMATOR = "#D55E00", "#0072B2"


def draw(estimators: dict, sources: dict, caption: str, path) -> None:
    """Draw the most MB/s of all rounds, estimators below the sources that feed them.

    It is as narrow as a phone, so that its words can be read there.
    """
    names = sorted(sources, key=lambda name: max(sources[name]))
    names += sorted(estimators, key=lambda name: max(estimators[name]))
    figure, ax = plt.subplots(
        figsize=(4.4, 0.6 + 0.23 * len(names)), layout="constrained"
    )
    for name, rates in (sources | estimators).items():
        y, rate = names.index(name), max(rates)
        if name in sources:
            ax.plot(
                [rate, rate], [y, len(names)], color=_SOURCE, linewidth=1, alpha=0.6
            )
            ax.plot(rate, y, "v", color=_SOURCE, markersize=7)
        else:
            ax.plot(rate, y, "o", color=_ESTIMATOR, markersize=7)
    ax.set_yticks(range(len(names)), names)
    for label in ax.get_yticklabels():
        is_source = label.get_text() in sources
        label.set_color(_SOURCE if is_source else _ESTIMATOR)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.axhline(len(sources) - 0.5, color="0.6", linewidth=0.8)
    set_scale(ax)
    ax.set_title("▼ sources deliver   ● estimators take", fontsize=10, loc="right")
    ax.set_xlabel(
        "MB/s, 400 bytes a row. An estimator left of a line\n"
        "takes rows more slowly than that source delivers them.",
        fontsize=9,
        loc="right",
    )
    figure.supxlabel(textwrap.fill(caption, 66), fontsize=8, color="0.35")
    figure.savefig(path, dpi=180)
    plt.close(figure)


def set_scale(ax) -> None:
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.grid(axis="x", color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(axis="both", which="both", length=0, labelsize=9)
    ax.spines[["top", "right", "left"]].set_visible(False)
