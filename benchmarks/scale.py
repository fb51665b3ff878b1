"""Measure whether time for each GB and memory stay flat for files of 1 to 40 GB.

    python benchmarks/scale.py
    python benchmarks/scale.py --sizes 1 4 --folder /data
    python benchmarks/scale.py --quick

The files are written to a folder of their own, which is removed at the end, also if a
run fails or is stopped. See docs/measured/scale.md for what the columns mean.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import measure
import numpy as np
from memory import read_memory
from rows import drop_cache
from scale_ways import FILES
from workers import Worker

from skmmap import NpyWriter

N_FEATURES = 100
_WAYS = {
    "sgd": "`SGDClassifier.fit`, 1 epoch, shuffled",
    "scaler": "`StandardScaler.fit`",
    "predict": "`SGDClassifier.predict` into a file",
}
_SIZES = [1, 4, 16, 40]
_QUICK_SIZES = [0.004]
GB, MB = 10**9, 10**6
_ROW_BYTES = 4 * N_FEATURES
_LABEL_BYTES = 2  # of a row: one in y, one of the prediction
_SPARE_BYTES = GB  # what others may write meanwhile
_BLOCK_ROWS = 50_000
_SAMPLE_SECONDS = 0.005
_HEAD = """\
| call | GB of rows | seconds for each GB: least (most) | peak MB: anonymous \
| mapped pages of files |
|---|--:|--:|--:|--:|"""


def main() -> None:
    options = parse_options()
    sizes = [int(size * GB) // _ROW_BYTES for size in options.sizes]
    refusal = find_refusal(max(sizes), options.folder)
    if refusal:
        sys.exit(refusal)
    quick = " A quick run: the figures are noise." if options.quick else ""
    print(f"{measure.describe_machine()}, {describe_memory()}.{quick}\n\n{_HEAD}")
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, lambda *_: sys.exit("Stopped."))  # which cleans up
    for n_rows in sizes:
        measure_size(n_rows, options)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--sizes", type=float, nargs="+", default=_SIZES, help="GB of float32 rows")
    add("--folder", default=tempfile.gettempdir(), help="where the files are written")
    add("--repeats", type=int, default=1, help="runs of each call")
    add("--quick", action="store_true", help="a few MB; figures are noise")
    options = parser.parse_args()
    if options.quick:
        options.sizes = _QUICK_SIZES
    return options


def find_refusal(n_rows: int, folder) -> str | None:
    """Return why the largest file does not fit on the disk, with the arithmetic."""
    rows, labels = n_rows * _ROW_BYTES, n_rows * _LABEL_BYTES
    free, needed = shutil.disk_usage(folder).free, rows + labels + _SPARE_BYTES
    if needed <= free:
        return None
    parts = f"{rows / GB:.1f} GB of rows + {labels / GB:.1f} GB of labels"
    return (
        f"{parts} + {_SPARE_BYTES / GB:.1f} GB to spare = {needed / GB:.1f} GB, and "
        f"{folder} has {free / GB:.1f} GB free. Choose a --folder on another disk, or "
        "smaller --sizes."
    )


def describe_memory() -> str:
    """Return the memory of the machine, which the largest file should exceed."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{pages / GB:.0f} GB of memory"


def measure_size(n_rows: int, options) -> None:
    """Print a row for each call on a file, which is there only meanwhile."""
    with tempfile.TemporaryDirectory(
        prefix="skmmap-scale-", dir=options.folder
    ) as folder:
        write_rows(Path(folder), n_rows)
        for way, name in _WAYS.items():
            runs = [run(way, folder) for _ in range(options.repeats)]
            print(make_row(name, n_rows, runs), flush=True)


def write_rows(folder: Path, n_rows: int) -> None:
    """Write rows and labels in pieces."""
    rng = np.random.default_rng(0)
    slope = rng.random(N_FEATURES, dtype=np.float32) - np.float32(0.5)
    paths = [folder / name for name in FILES]
    with NpyWriter(paths[0]) as rows, NpyWriter(paths[1]) as labels:
        for start in range(0, n_rows, _BLOCK_ROWS):
            shape = min(_BLOCK_ROWS, n_rows - start), N_FEATURES
            X = rng.random(shape, dtype=np.float32) - np.float32(0.5)
            rows.append(X)
            labels.append((X @ slope > 0).astype(np.int8))


def run(way: str, folder) -> tuple[float, np.ndarray]:
    """Return seconds, and the growth of anonymous and of mapped memory, in a child.

    Nothing of the file is in the page cache when it begins.
    """
    with open_worker() as worker:
        worker.prepare(folder=str(folder))
        for name in FILES:
            drop_cache(Path(folder) / name)
        before = peak = read_memory(worker.pid)
        worker.send({"run": way})
        while not worker.has_replied(_SAMPLE_SECONDS):
            peak = np.maximum(peak, read_memory(worker.pid))
        return worker.receive()["wall"], peak - before


@contextmanager
def open_worker():
    """Yield a child that does not go on when this process is stopped."""
    with Worker("scale_ways.py") as worker:
        try:
            yield worker
        except BaseException:
            os.kill(worker.pid, signal.SIGKILL)
            raise


def make_row(name: str, n_rows: int, runs: list) -> str:
    size = n_rows * _ROW_BYTES / GB
    seconds = [wall / size for wall, _ in runs]
    peaks = np.max([peak for _, peak in runs], axis=0) / MB
    cells = [name, f"{size:g}", f"{min(seconds):.2f} ({max(seconds):.2f})"]
    return f"| {' | '.join(cells + [f'{peak:,.0f}' for peak in peaks])} |"


if __name__ == "__main__":
    main()
