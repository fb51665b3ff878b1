"""``python -m skmmap``: the command line and what it prints."""

import argparse
import sys
import textwrap
import time
from contextlib import ExitStack
from pathlib import Path

from skmmap._demo import WAYS, run_apart
from skmmap._digits import make_parts, open_folder, write_parts
from skmmap._version import __version__

_MAX_SEED = 2**32 - 1
_FIRST_CHUNK = 4_096  # for the loop, should ChunkedFit have failed and told none
_COLUMNS = "{:<17} {:>8} {:>11} {:>15} {:>12} {:>11}"
_HEADS = "", "accuracy", "fit rows/s", "predict rows/s", "memory", "file pages"

_LEGEND = """
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
    model = ChunkedFit(SGDClassifier(average=True)).fit(X_train, y_train)"""


def main(arguments=None) -> int:
    """Run the command that the arguments name, and return the exit code."""
    parser = _make_parser()
    options = vars(parser.parse_args(arguments))
    run = options.pop("run", None)
    if run is None:
        parser.print_help()
        return 0
    try:
        return run(**options)
    except OSError as error:
        print(f"\nskmmap: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nskmmap: interrupted.", file=sys.stderr)
        return 130


def _make_parser() -> argparse.ArgumentParser:
    about = "Train and apply scikit-learn estimators on arrays that stay on disk."
    parser = argparse.ArgumentParser(prog="python -m skmmap", description=about)
    parser.add_argument("--version", action="version", version=f"skmmap {__version__}")
    _add_demo(parser.add_subparsers(title="commands", metavar="COMMAND"))
    return parser


def _add_demo(commands) -> None:
    demo = commands.add_parser(
        "demo",
        help="train on a file of images in three ways, and compare them",
        description="Make many images from scikit-learn's handwritten digits, write "
        "them to .npy files, and train on these in three ways: with ChunkedFit, with "
        "a partial_fit loop written by hand, and with model.fit.",
    )
    add = demo.add_argument
    rows_help = "images to train on, 1,024 bytes each (default: 200,000)"
    add("--rows", type=_parse_rows, default=200_000, help=rows_help)
    add("--seed", type=_parse_seed, default=0, help="another set (default: 0)")
    add("--folder", metavar="PATH", help="write the files to PATH and keep them")
    add("--keep", action="store_true", help="keep the files in a temporary folder")
    demo.set_defaults(run=run_demo)


def _parse_rows(text: str) -> int:
    return _parse_integer(text, 1, float("inf"), "of at least 1")


def _parse_seed(text: str) -> int:
    return _parse_integer(text, 0, _MAX_SEED, f"from 0 to {_MAX_SEED:,}")


def _parse_integer(text: str, least, most, bounds: str) -> int:
    """Return the integer, which may have commas as in "200,000"."""
    digits = text.replace(",", "")
    if not digits.isdecimal() or not least <= int(digits) <= most:
        raise argparse.ArgumentTypeError(f"must be an integer {bounds}; got {text!r}.")
    return int(digits)


def run_demo(rows: int, seed: int, folder, keep: bool) -> int:
    """Write images, train on them in each way, say how it went; 1 is a failure."""
    with ExitStack() as undo:
        place = open_folder(folder, undo)
        _write(place, make_parts(rows, seed))
        if keep:  # a folder that was named is kept, unless nothing is in it
            undo.pop_all()
        results = _compare(place)
    _print_table(results)
    equal = _print_equality(results)
    _print_loading(place)
    return 0 if equal and "error" not in results["ChunkedFit"] else 1


def _write(place: Path, parts) -> None:
    """Write the files, and say from what and how large."""
    train, test = (len(part.originals) for part in parts)
    print(f"Making images from scikit-learn's handwritten digits: {train:,} of them to")
    print(f"train on and {test:,} others to test with, each turned, shifted and made")
    print(f"noisy many times over. Writing to {place}", flush=True)
    write_parts(place, parts, _show_written)
    for part in parts:
        for name, shape in part.shapes.items():
            shape = " x ".join(f"{n:,}" for n in shape)
            size = _say_size((place / name).stat().st_size)
            print(f"    {name:<13} {shape:>20} uint8 {size:>12}")


def _show_written(part, done: int) -> None:
    """Show on a terminal, and only there, how much is written."""
    if sys.stdout.isatty():
        end = "\r" if done < part.n_rows else "\r\033[K"
        print(f"    {part.name}: {100 * done // part.n_rows} %", end=end, flush=True)


def _compare(place: Path) -> dict:
    """Return what each way measured of itself, or its error."""
    print("\nOne pass over X_train.npy, then all of X_test.npy, each in a new process:")
    results, chunk_size = {}, _FIRST_CHUNK
    for way in WAYS:
        print(f"    {way:<17}", end="", flush=True)
        began = time.perf_counter()
        results[way] = run_apart(way, place, chunk_size)
        chunk_size = results[way].get("chunk_size", chunk_size)
        failed = "  failed" if "error" in results[way] else ""
        print(f"{time.perf_counter() - began:6.1f} s{failed}", flush=True)
    return results


def _print_table(results: dict) -> None:
    print("", _COLUMNS.format(*_HEADS), sep="\n")
    for way, result in results.items():
        print(_COLUMNS.format(*_say_cells(way, result)))
    for way, result in results.items():
        if "error" in result:
            print("", textwrap.fill(f"{way} failed: {result['error']}", 79), sep="\n")
    print(_LEGEND)


def _say_cells(way: str, result: dict) -> list[str]:
    if "error" in result:
        return [way, "failed", *"----"]
    memory = _say_size(result["memory"]) if "memory" in result else "not measured"
    # Where a system knows only both together, the first holds the second.
    pages = _say_size(result["pages"]) if "pages" in result else "included"
    rates = [f"{result[key]:,.0f}" for key in ("fit_rate", "predict_rate")]
    return [way, f"{result['accuracy']:.4f}", *rates, memory, pages]


def _say_size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:,.1f} kB"


def _print_equality(results: dict) -> bool:
    """Say whether ChunkedFit and the loop learned the same, if both learned."""
    exact = [results[way] for way in results if way != "model.fit"]
    coefs = [result["coef"] for result in exact if "coef" in result]
    if len(coefs) < 2:
        return True
    equal = coefs[0] == coefs[1]
    verdict = "equal, bit for bit" if equal else "NOT equal"
    print(f"The coefficients of ChunkedFit and of the loop are {verdict}.")
    return equal


def _print_loading(place: Path) -> None:
    """Say where the files are, or how to get them, and how to load them."""
    if place.exists():
        print(f"\nThe files are in {place}. To load them:")
        print(_LOADING.format(str(place)))
    else:
        print("\nThe files were removed. To keep them, and then load them:")
        print("\n    python -m skmmap demo --folder digits")
        print(_LOADING.format("digits"))


if __name__ == "__main__":
    sys.exit(main())
