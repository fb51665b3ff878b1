"""Kill fits with SIGKILL, continue them, and compare them with runs never killed.

    python benchmarks/kills.py --runs 10000
    python benchmarks/kills.py --runs 200

It needs Linux and what the tests need (`pip install '.[test]'`). What was done is noted
in a file after each run; the same command goes on from there. See
docs/measured/reliability.md.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

_HEAD = """\
| kind | runs | kills | kills for each run | results that differ | errors |
|---|--:|--:|--:|--:|--:|"""
_PLACES_HEAD = """\
| killed | times |
|---|--:|"""


def main() -> int:
    options = parse_options()
    if ONE_THREAD.items() - os.environ.items():
        # Before NumPy is imported: a fork has none of the threads of its parent.
        command = [sys.executable, *sys.argv]
        os.execve(sys.executable, command, os.environ | ONE_THREAD)
    log = options.log or Path("build", f"kills_{options.seed}.jsonl")
    log.parent.mkdir(parents=True, exist_ok=True)
    done = read_log(log)
    numbers = options.again or range(options.runs)
    left = [n for n in numbers if options.again or n not in done]
    if left:
        run_all(left, options, log, done)
    report = make_report([done[number] for number in numbers])
    print(report)
    if options.markdown:
        options.markdown.write_text(report + "\n", encoding="utf-8")
    return any(each["differs"] or each["error"] for each in done.values())


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--runs", type=int, default=10_000, help="runs, each killed once to six times")
    add("--seed", type=int, default=0, help="other runs")
    add("--log", type=Path, help="where runs are noted (build/kills_SEED.jsonl)")
    add("--folder", help="for the files of runs (default: in memory, if possible)")
    add("--again", type=int, nargs="+", help="only these runs, by their numbers")
    add("--markdown", type=Path, help="also write the tables to this file")
    return parser.parse_args()


def read_log(log: Path) -> dict[int, dict]:
    """Return what is known of runs, by their numbers."""
    if not log.exists():
        return {}
    whole = log.read_bytes().rpartition(b"\n")[0]  # the last line may be torn
    log.write_bytes(whole + b"\n" if whole else b"")
    return {line["run"]: line for line in map(json.loads, whole.splitlines())}


def run_all(numbers, options, log: Path, done: dict) -> None:
    """Make runs, and note each."""
    import kills_parent

    # fsync of a disk takes longer than all else, and killing needs no disk.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder, told = options.folder or memory, time.monotonic()
    with tempfile.TemporaryDirectory(dir=folder) as place, log.open("a") as out:
        os.environ["JOBLIB_TEMP_FOLDER"] = place  # those of the killed stay there
        killer = kills_parent.Killer(Path(place))
        for number in numbers:
            rng = random.Random(f"{options.seed} {number}")
            done[number] = {"run": number} | killer.make_run(rng)
            print(json.dumps(done[number]), file=out, flush=True)
            if time.monotonic() > told + 60:
                told = time.monotonic()
                print(f"{number + 1:,} runs", file=sys.stderr, flush=True)


def make_report(runs: list[dict]) -> str:
    """Return the tables."""
    import measure

    kinds = dict.fromkeys(run["kind"] for run in sorted(runs, key=lambda r: r["run"]))
    rows = [_make_row(kind, [r for r in runs if r["kind"] == kind]) for kind in kinds]
    total = _make_row("**all**", runs)
    places = Counter(place for run in runs for place in run["kills"])
    by_place = [f"| {place} | {n:,} |" for place, n in places.most_common()]
    bad = [run for run in runs if run["differs"] or run["error"]]
    said = [f"Run {r['run']}: {r['differs']}{r['error']}" for r in bad]
    head = f"{measure.describe_machine()}.\n"
    return "\n".join(
        [head, _HEAD, *sorted(rows), total, "", _PLACES_HEAD, *by_place, *said]
    )


def _make_row(kind: str, runs: list[dict]) -> str:
    n_kills = sum(len(run["kills"]) for run in runs)
    differing, errors = (
        sum(bool(run[name]) for run in runs) for name in ("differs", "error")
    )
    mean = n_kills / len(runs)
    cells = kind, f"{len(runs):,}", f"{n_kills:,}", f"{mean:.2f}", differing, errors
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main())
