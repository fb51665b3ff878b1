"""Benchmarks still run: what they import and call is there. No figure is checked."""

import os
import re
from pathlib import Path

import pytest
from helpers import EXHAUSTIVE
from processes import run_fresh

FOLDER = Path(__file__).parent.parent / "benchmarks"
SCRIPTS = sorted(FOLDER.glob("*.py"))
# Packages that some scripts measure, and that the tests do not install.
NOT_INSTALLED = "dask_ml", "skorch", "torch"

pytestmark = pytest.mark.slow
# They start a process for each way, and measure nothing that a user calls.
long = pytest.mark.skipif(not EXHAUSTIVE, reason="takes long; SKMMAP_TESTS=full")

# With ``--help`` a script that has options ends there; the others are only imported,
# since a name that is not "__main__" runs nothing.
HELP = """
import contextlib, io, runpy, sys
folder, not_installed, *scripts = sys.argv[1:]
sys.path.insert(0, folder)
for script in scripts:
    has_options, _, script = script.partition(" ")
    sys.argv = [script, "--help"]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path(script, run_name="__main__" if has_options else "imported")
        assert not has_options, f"{script} does not stop at --help"
    except SystemExit as end:
        assert end.code == 0 and "usage:" in said.getvalue(), (script, end)
    except ModuleNotFoundError as error:
        assert error.name.partition(".")[0] in not_installed.split(), (script, error)
"""

QUICK = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
for line in sys.argv[2:]:
    sys.argv = line.split("|")
    runpy.run_path(sys.argv[0], run_name="__main__")
"""

# The calls that scale.py makes in processes of their own.
SCALE = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import scale, scale_ways
scale.write_rows(pathlib.Path(), 20_000)
ways = scale_ways.prepare(".")
assert list(ways) == list(scale._WAYS)
for way in ways.values():
    way()
"""

# All ways learn the same classes.
PIPELINES = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import pipelines, pipelines_table
for scenario in (pipelines.SCENARIO, pipelines_table.SCENARIO):
    scenario.write(pathlib.Path(), 2_000)
    times = pipelines.measure_times(scenario, ".", repeats=1)
    given = scenario.open(".")
    labels = {tuple(way(*given).classes_.tolist()) for way in scenario.ways.values()}
    assert len(labels) == 1
    assert [len(taken) for taken in times.values()] == [1] * len(scenario.ways)
"""

# Both ways have the same scores, and there is a size of all models.
SEARCHES = """
import json, pathlib, sys
sys.path.insert(0, sys.argv[1])
import search, search_ways
folder = pathlib.Path()
search.write_rows(folder, 2_000)
for name, case in search_ways.CASES.items():
    ways = search_ways.prepare(name, ".", n_jobs=1, n_candidates=2)
    for way in case.ways:
        ways[f"few {way}"]()
    found = {way: json.loads((folder / f"{way}.json").read_text())
             for way in ("ours", "grid", "fit")}
    assert found["ours"] == found["grid"], name
    assert found["fit"] > 2 * case.n_splits * 8 * 100, name
"""

SIZES = """
import shutil, sys, types
sys.path.insert(0, sys.argv[1])
import scale
for free in (41_200_000_000, 41_000_000_000):
    shutil.disk_usage = lambda folder: types.SimpleNamespace(free=free)
    print(scale.find_refusal(100_000_000, sys.argv[2]))
"""

# 1.21 and 1 are equally far from 1.1, so the crossover is in the middle.
CROSSOVER = """
import sys
sys.path.insert(0, sys.argv[1])
import crossover
rows = [100, 10_000, 1_000_000]
for ratios in ([1.21, 1, 1], [1, 1.05, 0.9], [3, 2, 1.2], [1.21, 0.5, 2]):
    print(crossover.find(rows, ratios))
"""


def check(code: str, *args) -> str:
    """Return what the code printed in a process of its own, where it must not fail."""
    done = run_fresh(code, FOLDER, *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_script_can_be_imported_and_says_its_options():
    texts = {path: path.read_text(encoding="utf-8") for path in SCRIPTS}
    marked = [f"{'x' * ('ArgumentParser' in texts[path])} {path}" for path in SCRIPTS]
    check(HELP, " ".join(NOT_INSTALLED), *marked)


@pytest.mark.skipif(
    not hasattr(os, "posix_fadvise"), reason="pages cannot be dropped here"
)
def test_benchmarks_of_sources_and_estimators_run(tmp_path):
    picture, tables = tmp_path / "picture.png", tmp_path / "tables.md"
    arrival = f"{FOLDER / 'arrival.py'}|--quick|--folder|{tmp_path}"
    arrival += f"|--picture|{picture}|--markdown|{tables}"
    said = check(QUICK, arrival, f"{FOLDER / 'crossover.py'}|--quick")
    assert "Left out" not in said
    assert picture.stat().st_size > 10_000
    assert said.startswith(tables.read_text(encoding="utf-8"))
    assert "| page cache (mapped) |" in said
    assert "\n- `GaussianNB`: " in said
    assert sorted(tmp_path.iterdir()) == [picture, tables]


def test_the_benchmark_of_large_files_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check(SCALE)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "X.npy",
        "labels.npy",
        "y.npy",
    ]


def test_the_benchmark_of_pipelines_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check(PIPELINES)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "X.npy",
        "table.parquet",
        "y.npy",
    ]


@long
def test_all_searches_of_the_benchmark_find_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check(SEARCHES)


@long
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
def test_the_benchmark_of_searches_measures_other_processes(tmp_path):
    script = f"{FOLDER / 'search.py'}|--quick|--only|uncached|--folder|{tmp_path}"
    said = check(QUICK, script)
    assert not list(tmp_path.iterdir())
    assert len(re.findall(r"\| (wall|cpu) \|", said)) == 4
    # 3,000 rows of 400 bytes, five times but for those that are kept, and labels.
    (nbytes,) = re.findall(r"one fit of `ChunkedFit` \| (\d+) \| 1.00 \|", said)
    assert 2 * 1.2 < int(nbytes) < 8 * 1.2
    (bare, peak) = re.findall(r"`ChunkedSearchCV` \| (\d+) \| (\d+) \(", said)[0]
    assert 20 < int(bare) < int(peak)


@long
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
def test_the_benchmark_of_kills_finds_nothing_and_goes_on(tmp_path):
    log, table = tmp_path / "log", tmp_path / "table.md"
    kills = f"{FOLDER / 'kills.py'}|--seed|1|--log|{log}|--markdown|{table}|--runs|"
    check(QUICK, f"{kills}3")
    first = log.read_text(encoding="utf-8")
    log.write_text(f'{first}{{"run": 3, "kin', encoding="utf-8")  # it was killed, too
    said = check(QUICK, f"{kills}5")
    assert log.read_text(encoding="utf-8").startswith(first)
    assert said == table.read_text(encoding="utf-8")
    (total,) = re.findall(r"\| \*\*all\*\* \| 5 \| (\d+) \|.*\| 0 \| 0 \|", said)
    assert int(total) > 0


def test_files_that_do_not_fit_on_the_disk_are_refused(tmp_path):
    text = check(SIZES, tmp_path)
    assert text.splitlines() == [
        "None",
        "40.0 GB of rows + 0.2 GB of labels + 1.0 GB to spare = 41.2 GB, and "
        f"{tmp_path} has 41.0 GB free. Choose a --folder on another disk, or smaller "
        "--sizes.",
    ]


def test_the_crossover_is_where_the_ratio_has_fallen_to_one_and_a_tenth():
    assert check(CROSSOVER).splitlines() == [
        "the bare estimator was faster below about 1,000 rows",
        "as fast from 100 rows on",
        "the bare estimator was faster up to 1,000,000 rows",
        "the bare estimator was faster below about 1,000 rows",
    ]
