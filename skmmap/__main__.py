"""The command line: ``python -m skmmap``."""

import argparse
import csv
import sys
import textwrap
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from skmmap._version import __version__
from skmmap.cli import (
    WAYS,
    describe,
    keep_best,
    make_parts,
    open_folder,
    print_loading,
    print_table,
    run_apart,
    say_size,
    write_parts,
)
from skmmap.write import convert

_MAX_SEED = 2**32 - 1
_FILE_HELP = "a .npy, Parquet, Arrow, HDF5 or zarr file, or a pattern in quotes"
_FIRST_CHUNK = 4_096  # of the loop, if ChunkedFit failed and reported none


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
        # The demo may be in the middle of a line.
        print(f"\nskmmap: {_say_error(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nskmmap: interrupted.", file=sys.stderr)
        return 130


def _make_parser() -> argparse.ArgumentParser:
    about = "Train and apply scikit-learn estimators on arrays that stay on disk."
    parser = argparse.ArgumentParser(prog="python -m skmmap", description=about)
    parser.add_argument("--version", action="version", version=f"skmmap {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_demo(commands)
    _add_info(commands)
    _add_convert(commands)
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
    rows_help = "images to train on, 1,024 bytes each (default: 30,000)"
    add("--rows", type=_parse_rows, default=30_000, help=rows_help)
    add("--seed", type=_parse_seed, default=0, help="another set (default: 0)")
    add("--folder", metavar="PATH", help="write the files to PATH and keep them")
    add("--keep", action="store_true", help="keep the files in a temporary folder")
    demo.set_defaults(run=run_demo)


def _add_info(commands) -> None:
    info = commands.add_parser(
        "info",
        help="say what is in files: shape, type, labels; or where a run is",
        description="Say what is in each file: shape, type, order and size, and of "
        "one-dimensional files which labels there are, and whether they are sorted. "
        "Of a checkpoint, say where the run is, and of which data and parameters.",
    )
    info.add_argument(
        "files", nargs="+", metavar="FILE", help=f"{_FILE_HELP}, or a checkpoint"
    )
    _add_choices(info)
    info.set_defaults(run=run_info)


def _add_convert(commands) -> None:
    command = commands.add_parser(
        "convert",
        help="write a file of another kind as .npy",
        description="Write the rows of a CSV, Parquet, Arrow, HDF5 or zarr file, or "
        "of several .npy files, to one .npy file, without loading them.",
    )
    command.add_argument("src", metavar="SRC", help=f"{_FILE_HELP}, or a CSV file")
    command.add_argument("dst", metavar="DST", help="the .npy file to write")
    _add_choices(command)
    command.add_argument("--dtype", help="type of the values, such as float32 or str")
    resume_help = "continue a conversion with --resume that was killed"
    command.add_argument("--resume", action="store_true", help=resume_help)
    command.set_defaults(run=run_convert)


def _add_choices(command) -> None:
    command.add_argument("--key", help="a dataset in an HDF5 file or zarr group")
    columns = command.add_mutually_exclusive_group()
    list_help = "columns of a table, as a matrix"
    columns.add_argument("--columns", type=_split, metavar="A,B,...", help=list_help)
    one_help = "one column of a table, as one dimension"
    columns.add_argument("--column", dest="columns", metavar="Y", help=one_help)


def _split(text: str) -> list[str]:
    """Return the names in a line of CSV, where quotes may hold commas."""
    return next(csv.reader([text]), [])


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


def run_info(files: list, **options) -> int:
    """Describe each file; an error in one does not stop the others."""
    codes = [_try(_show_info, file, options) for file in files]
    return max(codes)


def _show_info(file: str, options: dict) -> None:
    text = describe(file, **options)
    print(f"{file}\n{textwrap.indent(text, '    ')}", flush=True)


def run_convert(dtype, **options) -> int:
    """Write the file, and print what was written."""
    return _try(_show_convert, options, dtype)


def _show_convert(options: dict, dtype) -> None:
    dtype = None if dtype is None else _parse_dtype(dtype)
    rows = convert(**options, dtype=dtype, progress=True)
    shape = " x ".join(f"{n:,}" for n in rows.shape)
    size = say_size(Path(options["dst"]).stat().st_size)
    print(f"{options['dst']}: {shape} {rows.dtype}, {size}")


def _parse_dtype(text: str) -> np.dtype:
    try:
        return np.dtype(text)
    except TypeError as error:
        raise ValueError(
            f"--dtype must be a type of NumPy, such as float32; got {text!r}."
        ) from error


def _try(action, *args) -> int:
    """Return 0, or 1 after printing the error in one line."""
    try:
        action(*args)
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"skmmap: {_say_error(error)}", file=sys.stderr)
        return 1
    return 0


def _say_error(error: Exception) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        named = f"{error.filename}: " if error.filename is not None else ""
        text = f"{named}{error.strerror.rstrip('.')}."
    return " ".join(" ".join([text, *getattr(error, "__notes__", [])]).split())


def run_demo(rows: int, seed: int, folder, keep: bool) -> int:
    """Write images, train on them in each way, and print a report; 1 is a failure."""
    with ExitStack() as undo:
        place = open_folder(folder, undo)
        _write(place, make_parts(rows, seed))
        if keep:  # keep a folder that was named, unless it is empty
            undo.pop_all()
        results = _compare(place)
    print_table(results)
    print_loading(place)
    return 1 if "error" in results["ChunkedFit"] else 0


def _write(place: Path, parts) -> None:
    """Write the files, and print their origin and size."""
    train, test = (len(part.originals) for part in parts)
    print(f"Making images from scikit-learn's handwritten digits: {train:,} of them to")
    print(f"train on and {test:,} others to test with, each turned, shifted and made")
    print(f"noisy many times over. Writing to {place}", flush=True)
    write_parts(place, parts, _show_written)
    for part in parts:
        for name, shape in part.shapes.items():
            shape = " x ".join(f"{n:,}" for n in shape)
            size = say_size((place / name).stat().st_size)
            print(f"    {name:<13} {shape:>20} uint8 {size:>12}")


def _show_written(part, done: int) -> None:
    """Show on a terminal, and only there, the number of rows written."""
    if sys.stdout.isatty():
        end = "\r" if done < part.n_rows else "\r\033[K"
        print(f"    {part.name}: {100 * done // part.n_rows} %", end=end, flush=True)


def _compare(place: Path) -> dict:
    """Return the measurements of each way, or its error."""
    print("\nTraining and predicting, each time in a new process:")
    results, chunk_size = {}, _FIRST_CHUNK
    # Forwards and backwards, so that a change of load during the demo affects all ways.
    for way in [*WAYS, *reversed(WAYS)]:
        before = results.get(way, {})
        if "error" in before:
            continue
        result, seconds = _time(way, place, chunk_size)
        results[way] = keep_best(before or result, result)
        chunk_size = result.get("chunk_size", chunk_size)
        failed = "  failed" if "error" in result else ""
        print(f"    {way:<17}{seconds:6.1f} s{failed}", flush=True)
    return results


def _time(way: str, place: Path, chunk_size: int) -> tuple[dict, float]:
    """Return the measurements of a way; a terminal shows the seconds meanwhile."""
    began = time.perf_counter()

    def tick(end: str = "") -> None:
        if sys.stdout.isatty():
            seconds = time.perf_counter() - began
            print(f"\r    {way:<17}{seconds:6.1f} s", end=end, flush=True)

    result = run_apart(way, place, chunk_size, tick)
    tick(end="\r")
    return result, time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
