"""Measure ChunkedFit against the hand-written loop and against in-memory ``fit``.

    python benchmarks/overhead.py
    python benchmarks/overhead.py --quick

See docs/measured/overhead.md for what the columns mean.
"""

import argparse
import tempfile
from pathlib import Path

import cases
import measure
from data import N_FEATURES, write_data

GOAL = 1.02

_HEAD = f"""\
| estimator | `chunk_size_` | ChunkedFit / loop: median (quartiles) of rounds \
| at most {GOAL} | CPU time | loop / itself: quartiles | of its own \
| ChunkedFit / in memory | peak MB: ChunkedFit | loop | in memory |
|---|--:|--:|:-:|--:|--:|--:|--:|--:|--:|--:|"""


def main() -> None:
    options = parse_options()
    report = Report(options.markdown)
    with tempfile.TemporaryDirectory() as folder:
        write_data(folder, options.rows)
        report.say(describe_run(options))
        report.say(_HEAD)
        results = []
        for case in find_cases(options.only):
            results.append(measure_with(options, case, folder))
            report.say(make_row(results[-1]))
    report.say(describe_mapped(results))


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--rows", type=int, default=1_000_000, help="rows of 100 float32 in X")
    add("--repeats", type=int, default=7, help="rounds at least")
    add("--seconds", type=float, default=60, help="time for more rounds, per case")
    add("--only", nargs="+", default=[""], help="parts of the names of cases to run")
    add("--quick", action="store_true", help="see that it runs; figures are noise")
    add("--markdown", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.repeats, options.seconds = 250_000, 3, 0
    return options


def find_cases(parts) -> list:
    return [case for case in cases.CASES if any(part in case.name for part in parts)]


class Report:
    """Lines of Markdown, printed as they come and written to a file if asked."""

    def __init__(self, path):
        self._path, self._text = path, ""

    def say(self, text: str) -> None:
        print(text, flush=True)
        self._text += text + "\n"
        if self._path:
            self._path.write_text(self._text)


def measure_with(options, case, folder) -> measure.Result:
    return measure.measure_case(
        case, folder, repeats=options.repeats, seconds=options.seconds
    )


def describe_run(options) -> str:
    n_bytes = options.rows * N_FEATURES * 4
    quick = " A quick run: the figures are noise." if options.quick else ""
    return (
        f"{measure.describe_machine()}. X: {options.rows:,} rows of "
        f"{N_FEATURES} float32, {n_bytes / 1e6:,.0f} MB, page cache warm; BLAS "
        f"and OpenMP on one thread.{quick}\n"
    )


def make_row(result: measure.Result) -> str:
    """Return the row of the table for one case."""
    ratios, quartiles = result.ratios("chunked", "loop"), measure.find_quartiles
    low, median, high = quartiles(ratios)
    noise = quartiles(result.noise())
    share = f", 1/{result.case.share} of X" if result.case.share > 1 else ""
    cells = [
        f"`{result.case.name}`{share}",
        f"{result.chunk_size:,}",
        f"{median:.3f} ({low:.3f} to {high:.3f}) of {len(ratios)}",
        judge(*measure.find_interval(ratios)),
        f"{quartiles(result.ratios('chunked', 'loop', 'cpu'))[1]:.3f}",
        f"{noise[0]:.3f} to {noise[2]:.3f}",
        f"{result.own_seconds * 1e3:.1f} ms, {100 * result.own_share():.2f} %",
        f"{quartiles(result.ratios('chunked', 'whole'))[1]:.2f}",
        *(say_megabytes(result.peaks[way], 0) for way in cases.WAYS),
    ]
    return f"| {' | '.join(cells)} |"


def judge(low: float, high: float) -> str:
    """Say whether the goal is met, from the interval that the median is in."""
    if high <= GOAL:
        return "met"
    return "**missed**" if low > GOAL else f"undecided: {low:.3f} to {high:.3f}"


def say_megabytes(peak, kind: int) -> str:
    return "not measured" if peak is None else f"{peak[kind] / 1e6:,.0f}"


def describe_mapped(results) -> str:
    """Say how much of the file was mapped at most, which is no memory of its own."""
    if any(peak is None for result in results for peak in result.peaks.values()):
        return "\nPages of the file that are mapped: not measured."
    most = {way: max(result.peaks[way][1] for result in results) for way in cases.WAYS}
    ours, loop, whole = (f"{n_bytes / 1e6:,.0f} MB" for n_bytes in most.values())
    return (
        "\nPages of the file that are mapped, which the system takes back when it "
        f"needs them, at most: ChunkedFit {ours}, loop {loop}, in memory {whole}."
    )


if __name__ == "__main__":
    main()
