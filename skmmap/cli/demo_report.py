"""The report of the demo: its table, differences, and how to continue."""

import textwrap
from pathlib import Path

_COLUMNS = "{:<17} {:>8} {:>9} {:>14} {:>12}"
_HEADS = "", "accuracy", "seconds", "memory", "file pages"

_LEGEND = """
Images of the same digit lie together, as they do where each class has a folder.
ChunkedFit shuffles them, as model.fit does; the loop takes them as they come.
seconds: two epochs over X_train.npy, then all of X_test.npy; the shorter time of
two runs.
memory: the most that was in use at once, beyond Python and its libraries.
file pages: the most of the files that was in memory at once. The system takes
them back when it needs room. model.fit first converts all images to float64."""

_LOADING = """
    import numpy as np
    from sklearn.linear_model import SGDClassifier
    from skmmap import ChunkedFit

    folder = {!r}
    X_train = np.load(f"{{folder}}/X_train.npy", mmap_mode="r")
    y_train = np.load(f"{{folder}}/y_train.npy", mmap_mode="r")
    model = ChunkedFit(SGDClassifier(average=True, max_iter=2, tol=None))
    model.fit(X_train, y_train)"""


def print_table(results: dict) -> None:
    """Print the measurements of each way, or why it failed."""
    print("", _COLUMNS.format(*_HEADS), sep="\n")
    for way, result in results.items():
        print(_COLUMNS.format(*_say_cells(way, result)))
    for way, result in results.items():
        if "error" in result:
            print("", textwrap.fill(f"{way} failed: {result['error']}", 79), sep="\n")
    print(_LEGEND)


def _say_cells(way: str, result: dict) -> list[str]:
    if "error" in result:
        return [way, "failed", *"---"]
    memory = say_size(result["memory"]) if "memory" in result else "not measured"
    # On systems that report only the sum, it is in the first.
    pages = say_size(result["pages"]) if "pages" in result else "included"
    seconds = f"{result['seconds']:,.1f}"
    return [way, f"{result['accuracy']:.3f}", seconds, memory, pages]


def say_size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:,.1f} kB"


def print_loading(place: Path) -> None:
    """Print where the files are, or how to keep them, and how to load them."""
    if place.exists():
        print(f"\nThe files are in {place}. To load them:")
        print(_LOADING.format(str(place)))
    else:
        print("\nThe files were removed. To keep them, and then load them:")
        print("\n    python -m skmmap demo --folder digits")
        print(_LOADING.format("digits"))
