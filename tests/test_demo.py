"""``python -m skmmap demo``: its images, its measurements, its words, its manners."""

import errno
import io
import os
import re
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from processes import run_fresh
from sklearn.datasets import load_digits

from skmmap import __main__, __version__
from skmmap.cli import demo as _demo
from skmmap.cli import digits as _digits

FILES = {"X_train.npy", "y_train.npy", "X_test.npy", "y_test.npy"}
BOTH = "ChunkedFit", "partial_fit loop"
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def quiet(part, done):
    """Tell nobody."""


@cache
def make_small():
    """Return the rows of both parts of a demo with few rows, which only reads them."""
    return [make_rows(part) for part in _digits.make_parts(1_000, seed=0)]


def make_rows(part):
    """Return all rows of ``part`` at once: images, labels, originals."""
    batches = list(part.iter_batches())
    return [np.concatenate(arrays) for arrays in zip(*batches, strict=True)]


def fake(**changes):
    """Return what a way measures, with ``changes``."""
    result = {"accuracy": 0.9, "seconds": 12.0}
    return result | {"memory": 4 * 10**7, "pages": 10**6} | changes


def list_files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where temporary folders are made during the test."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    return scratch


@pytest.fixture
def small_batches(monkeypatch):
    """Make few rows be several batches."""
    monkeypatch.setattr(_digits, "_BATCH", 400)


@pytest.fixture
def plain_images(monkeypatch):
    """Let the demo write images that take no time to make: enlarged originals."""

    def enlarge(originals, rng):
        return originals.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)

    monkeypatch.setattr(_digits, "make_images", enlarge)


@pytest.fixture
def no_training(plain_images, monkeypatch):
    """Let the demo write its files and train on none."""
    monkeypatch.setattr(__main__, "run_apart", lambda *args: fake())


# The images


@pytest.mark.usefixtures("small_batches")
def test_held_out_rows_share_no_original_with_training_rows():
    train, test = _digits.make_parts(1_000, seed=0)
    from_train, from_test = make_rows(train)[2], make_rows(test)[2]
    assert set(train.originals) | set(test.originals) == set(range(1797))
    assert not set(train.originals) & set(test.originals)
    assert not set(from_train) & set(from_test)
    assert set(from_train) <= set(train.originals)
    assert set(from_test) <= set(test.originals)


@pytest.mark.parametrize("number", [0, 1])
def test_every_digit_is_in_both_parts_and_labels_are_those_of_the_originals(number):
    target = load_digits().target
    part = _digits.make_parts(1_000, seed=0)[number]
    _, labels, originals = make_small()[number]
    share = len(part.originals) / len(target)
    of_digit = np.bincount(target[part.originals]) / np.bincount(target)
    np.testing.assert_allclose(of_digit, share, atol=0.01)
    np.testing.assert_array_equal(labels, target[originals])


def test_images_look_like_their_originals():
    images, _, originals = make_small()[0]
    small = images.reshape(-1, 8, 4, 8, 4).mean(axis=(2, 4)).reshape(1_000, -1)
    true = load_digits().data[originals]
    alike = [np.corrcoef(*pair)[0, 1] for pair in zip(small, true, strict=True)]
    assert min(alike) > 0.5
    assert np.mean(alike) > 0.9


def test_images_are_noisy_and_all_different_in_sixteen_grey_levels():
    images = make_small()[0][0]
    assert images.max() == 16
    assert np.mean(images[:, :, 0] > 0) > 0.2  # where all originals are blank
    assert len(np.unique(images, axis=0)) == 1_000


@pytest.mark.usefixtures("small_batches")
def test_same_seed_gives_the_same_rows_and_another_seed_gives_others():
    first, again = (make_rows(_digits.make_parts(1_000, seed=0)[0]) for _ in "ab")
    other = make_rows(_digits.make_parts(1_000, seed=1)[0])
    for array, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(array, same)
        assert not np.array_equal(array, different)


@pytest.mark.usefixtures("small_batches")
def test_rows_lie_digit_by_digit():
    for part in _digits.make_parts(1_000, seed=0):
        labels = make_rows(part)[1]
        np.testing.assert_array_equal(labels, np.sort(labels))


def test_batches_parts_and_seeds_have_random_numbers_of_their_own(monkeypatch):
    monkeypatch.setattr(_digits, "_BATCH", 500)
    train = _digits.Part("train", 1_500, np.arange(1797), key=0, seed=0)
    test = _digits.Part("test", 500, np.arange(1797), key=1, seed=0)
    again = _digits.Part("train", 500, np.arange(1797), key=0, seed=1)
    parts = train, test, again
    drawn = [batch[2] for part in parts for batch in part.iter_batches()]
    assert not any(np.array_equal(*pair) for pair in combinations(drawn, 2))


# The files


@pytest.mark.usefixtures("small_batches")
def test_files_are_what_one_shot_generation_gives(tmp_path):
    parts = _digits.make_parts(1_100, seed=3)
    _digits.write_parts(tmp_path, parts, quiet)
    assert list_files(tmp_path) == FILES
    for part in parts:
        images, labels, _ = make_rows(part)
        for name, array in {"X": images, "y": labels}.items():
            path = tmp_path / f"{name}_{part.name}.npy"
            np.save(tmp_path / "expected.npy", array)
            assert path.read_bytes() == (tmp_path / "expected.npy").read_bytes()
    assert np.load(tmp_path / "X_train.npy").shape == (1_100, 32, 32)
    assert np.load(tmp_path / "y_test.npy").shape == (1_000,)


def test_rows_are_written_batch_by_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(_digits, "_BATCH", 32)
    parts = _digits.make_parts(3_000, seed=0)
    told = []
    tracemalloc.start()
    _digits.write_parts(tmp_path, parts[:1], lambda part, done: told.append(done))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told == [*range(32, 3_000, 32), 3_000]
    assert peak < 0.6 * os.path.getsize(tmp_path / "X_train.npy")


@pytest.mark.usefixtures("plain_images")
def test_full_disk_leaves_nothing(tmp_path):
    def fail(part, done):
        if part.name == "test":
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="failed") as caught:
        _digits.write_parts(tmp_path, _digits.make_parts(1_000, seed=0), fail)
    assert str(caught.value) == (
        f"Writing to {tmp_path} failed: No space left on device. No file was left "
        "there; make room, or choose another --folder."
    )
    assert list_files(tmp_path) == set()


@pytest.mark.usefixtures("plain_images")
def test_disk_that_fails_at_the_end_is_one_sentence(tmp_path, monkeypatch):
    def fail(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="failed") as caught:
        _digits.write_parts(tmp_path, _digits.make_parts(1_000, seed=0), quiet)
    assert str(caught.value) == (
        f"Writing to {tmp_path} failed: No space left on device. No file was left "
        "there; make room, or choose another --folder."
    )
    assert list_files(tmp_path) == set()


def test_too_small_a_disk_is_seen_before_writing(tmp_path, monkeypatch, capsys):
    usage = SimpleNamespace(free=2_000_000)
    monkeypatch.setattr(_digits.shutil, "disk_usage", lambda folder: usage)
    folder = tmp_path / "new"
    assert __main__.main(["demo", "--rows", "2000", "--folder", str(folder)]) == 1
    assert capsys.readouterr().err == (
        f"\nskmmap: The files need 3.1 MB, and {folder} has 2.0 MB free. Choose fewer "
        "--rows or another --folder.\n"
    )
    assert list_files(tmp_path) == set()


@pytest.mark.parametrize("name", sorted(FILES))
def test_files_that_exist_are_left_as_they_are(name, tmp_path, capsys):
    (tmp_path / name).write_text("mine")
    assert __main__.main(["demo", "--rows", "1000", "--folder", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"\nskmmap: {tmp_path / name} exists, and the demo overwrites nothing. Move "
        "it away, or choose another --folder.\n"
    )
    assert list_files(tmp_path) == {name}
    assert (tmp_path / name).read_text() == "mine"


def test_folder_that_is_a_file_is_refused(tmp_path, capsys):
    path = tmp_path / "file"
    path.write_text("mine")
    assert __main__.main(["demo", "--rows", "1000", "--folder", str(path)]) == 1
    assert f"skmmap: Writing to {path} failed: " in capsys.readouterr().err
    assert path.read_text() == "mine"


# The whole run


def run(scratch):
    """Return what the command prints, with the folder for its temporary files.

    Each way is trained once, in a process of its own: what is measured on the way back
    is compared in a test of its own.
    """
    said, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(scratch))
        patch.setenv("PYTHONWARNINGS", "error")
        patch.chdir(scratch)
        patch.setattr(__main__, "run_apart", measure_once())
        with redirect_stdout(said), redirect_stderr(errors):
            code = __main__.main(["demo", "--rows", "10000"])
    assert (code, errors.getvalue()) == (0, "")
    return said.getvalue(), scratch


def measure_once():
    """Return a ``run_apart`` that gives what it measured when it is asked again."""
    measured = {}

    def run_apart(way, *args):
        if way not in measured:
            with pytest.MonkeyPatch.context() as patch:
                if way != "ChunkedFit":  # one as for users is enough
                    patch.setattr(_demo, "_run", run_forked)
                measured[way] = _demo.run_apart(way, *args)
        return measured[way]

    return run_apart


def run_forked(command, environment, tick):
    """Run what the demo runs, in a process that has imported it already."""
    _, option, code, *args = command
    assert option == "-c"
    return run_fresh(code, *args)


@pytest.mark.slow
def test_the_three_ways_and_their_report(scratch):
    """In one test, or several processes would run them."""
    done = run(scratch)
    check_report_compares_the_three_ways(done)
    if sys.platform == "linux":  # reads /proc
        check_model_fit_is_seen_to_hold_a_copy_as_float64(done)
    check_report_says_what_was_written_and_how_large(done)
    check_report_fits_a_terminal(done)
    check_nothing_is_left_behind(done)


def check_report_compares_the_three_ways(run):
    rows = re.findall(
        r"^(ChunkedFit|partial_fit loop|model\.fit) +(0\.\d{3}) +([\d.]+) ",
        run[0],
        re.MULTILINE,
    )
    assert [row[0] for row in rows] == ["ChunkedFit", "partial_fit loop", "model.fit"]
    chunked, loop, whole = (float(row[1]) for row in rows)
    assert min(chunked, whole) > 0.85
    assert abs(chunked - whole) < 0.05
    assert loop < 0.8  # of rows that lie digit by digit


def check_model_fit_is_seen_to_hold_a_copy_as_float64(run):
    line = r"^(?:ChunkedFit|model\.fit) .* ([\d.]+) MB +[\d.]+ MB$"
    chunked, whole = map(float, re.findall(line, run[0], re.MULTILINE))
    assert chunked < 60
    assert whole > 8 * 10_000 * 1024 / 1e6


def check_report_says_what_was_written_and_how_large(run):
    assert "X_train.npy       10,000 x 32 x 32 uint8      10.2 MB\n" in run[0]
    assert "y_test.npy                   1,000 uint8       1.1 kB\n" in run[0]


def check_report_fits_a_terminal(run):
    lines = run[0].splitlines()
    assert max(map(len, lines)) <= 80 or str(run[1]) in max(lines, key=len)
    assert run[0].isascii()


def check_nothing_is_left_behind(run):
    assert list_files(run[1]) == set()
    assert "The files were removed." in run[0]
    assert "python -m skmmap demo --folder digits" in run[0]


def test_folder_keeps_the_files_and_a_failed_way_is_shown(
    tmp_path, scratch, plain_images, monkeypatch, capsys
):
    monkeypatch.setattr(__main__, "WAYS", ["ChunkedFit", "no way"])

    def run_apart(way, *args):
        return fake() if way == "ChunkedFit" else _demo.run_apart(way, *args)

    monkeypatch.setattr(__main__, "run_apart", run_apart)
    monkeypatch.setattr(_demo, "_run", run_forked)
    folder = tmp_path / "new" / "digits"
    assert __main__.main(["demo", "--rows", "1000", "--folder", str(folder)]) == 0
    said = capsys.readouterr().out
    assert list_files(folder) == FILES
    assert list_files(scratch) == set()
    assert re.search(r"^    no way +[\d.]+ s  failed$", said, re.MULTILINE)
    assert re.search(r"^no way +failed( +-){3}$", said, re.MULTILINE)
    assert "\nno way failed: KeyError: 'no way'\n" in said
    assert f"The files are in {folder}. To load them:" in said


def test_printed_code_loads_the_files_and_trains(
    tmp_path, no_training, capsys, nothing_left_open
):
    __main__.main(["demo", "--rows", "1000", "--folder", str(tmp_path)])
    code = capsys.readouterr().out.partition("To load them:\n")[2]
    names = {}
    exec(textwrap.dedent(code), names)
    assert isinstance(names["X_train"], np.memmap)
    assert names["model"].score(names["X_train"], names["y_train"]) > 0.8


def test_keep_keeps_the_files_in_a_temporary_folder(scratch, no_training, capsys):
    assert __main__.main(["demo", "--rows", "1000", "--keep"]) == 0
    (folder,) = scratch.iterdir()
    assert list_files(folder) == FILES
    assert f"The files are in {folder}. To load them:" in capsys.readouterr().out


@pytest.mark.parametrize("step", ["write_parts", "run_apart"])
def test_interrupted_run_removes_its_files(
    step, scratch, plain_images, monkeypatch, capsys
):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(__main__, step, interrupt)
    assert __main__.main(["demo", "--rows", "1000"]) == 130
    assert capsys.readouterr().err == "\nskmmap: interrupted.\n"
    assert list_files(scratch) == set()


# The words


def report(results, scratch, monkeypatch, capsys):
    """Return the exit code and the printed text of a demo with these results."""
    monkeypatch.setattr(__main__, "WAYS", list(results))
    monkeypatch.setattr(__main__, "run_apart", lambda way, *args: results[way])
    return __main__.main(["demo", "--rows", "1000"]), capsys.readouterr().out


@pytest.mark.usefixtures("plain_images")
def test_chunked_fit_failing_is_a_failure_after_the_others_ran(
    scratch, monkeypatch, capsys
):
    results = dict(zip(BOTH, [{"error": "No."}, fake()], strict=True))
    results["model.fit"] = fake()
    code, said = report(results, scratch, monkeypatch, capsys)
    assert code == 1
    assert "\nChunkedFit failed: No.\n" in said
    assert (
        "\npartial_fit loop     0.900      12.0        40.0 MB       1.0 MB\n" in said
    )


@pytest.mark.usefixtures("plain_images")
@pytest.mark.parametrize(
    ("missing", "cells"),
    [
        (["pages"], "40.0 MB     included"),
        (["memory", "pages"], "not measured     included"),
    ],
)
def test_what_could_not_be_measured_is_said(
    missing, cells, scratch, monkeypatch, capsys
):
    result = {key: value for key, value in fake().items() if key not in missing}
    code, said = report({"ChunkedFit": result}, scratch, monkeypatch, capsys)
    assert code == 0
    assert cells in said


def test_loop_gets_the_chunks_of_chunked_fit(tmp_path, monkeypatch):
    seen = {}

    def run_apart(way, folder, chunk_size, tick):
        seen[way] = chunk_size
        return fake(chunk_size=77 if way == "ChunkedFit" else chunk_size)

    monkeypatch.setattr(__main__, "run_apart", run_apart)
    __main__._compare(tmp_path)
    assert seen["partial_fit loop"] == 77


def test_there_and_back_and_the_shorter_time_counts(tmp_path, monkeypatch, capsys):
    order = []

    def run_apart(way, folder, chunk_size, tick):
        order.append(way)
        tick()
        if way == "model.fit":
            return {"error": "No."}
        n = float(len(order))
        return fake(seconds=n, memory=n, pages=-n)

    monkeypatch.setattr(__main__, "run_apart", run_apart)
    results = __main__._compare(tmp_path)
    assert order == [*BOTH, "model.fit", *reversed(BOTH)]
    best = {"seconds": 1.0, "memory": 5.0, "pages": -1.0}
    assert results["ChunkedFit"] == fake(**best)
    assert results["model.fit"] == {"error": "No."}
    assert "\r" not in capsys.readouterr().out


def test_a_terminal_shows_the_seconds(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(__main__, "WAYS", ["ChunkedFit"])
    monkeypatch.setattr(__main__, "run_apart", lambda *args: args[-1]() or fake())
    __main__._compare(tmp_path)
    assert re.search(r"\r    ChunkedFit +\d+\.\d s\r", capsys.readouterr().out)


@pytest.mark.parametrize("rows", ["0", "-1", "1.5", "many", ""])
def test_wrong_rows_are_refused(rows, capsys):
    with pytest.raises(SystemExit, match="2"):
        __main__.main(["demo", f"--rows={rows}"])
    assert capsys.readouterr().err.endswith(
        f"error: argument --rows: must be an integer of at least 1; got {rows!r}.\n"
    )


def test_wrong_seed_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        __main__.main(["demo", "--seed=4294967296"])
    assert capsys.readouterr().err.endswith(
        "error: argument --seed: must be an integer from 0 to 4,294,967,295; got "
        "'4294967296'.\n"
    )


def test_rows_may_have_commas():
    assert __main__._parse_rows("1,000,000") == 1_000_000


def test_no_command_gives_help(capsys):
    assert __main__.main([]) == 0
    without = capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        __main__.main(["--help"])
    assert without == capsys.readouterr().out
    assert "demo      train on a file of images in three ways" in without


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        __main__.main(["--version"])
    assert capsys.readouterr().out == f"skmmap {__version__}\n"


# The measurements


@pytest.mark.parametrize(
    ("code", "stderr", "error"),
    [
        (-9, "", "ended by signal 9, most likely out of memory."),
        (-11, "", "ended by signal 11."),
        (1, "Traceback\n  ...\nImportError: no\n", "ImportError: no"),
        (3, "", "exit code 3."),
    ],
)
def test_dead_process_is_a_result(code, stderr, error, tmp_path, monkeypatch):
    def run(command, environment, tick):
        return subprocess.CompletedProcess(command, code, stdout="", stderr=stderr)

    monkeypatch.setattr(_demo, "_run", run)
    assert _demo.run_apart("ChunkedFit", tmp_path, 1, quiet) == {"error": error}


def test_exception_is_a_result():
    result = _demo.run_child(["ChunkedFit", "nowhere", "10"])
    path = str(Path("nowhere", "X_train.npy"))
    reason = f"[Errno 2] No such file or directory: {path!r}"
    assert result == {"error": f"FileNotFoundError: {reason}"}


def test_model_fit_that_cannot_fit_is_not_tried(monkeypatch):
    sizes = {"SC_PHYS_PAGES": 10**6, "SC_PAGE_SIZE": 4_000}
    monkeypatch.setattr(_demo.os, "sysconf", sizes.get, raising=False)
    _demo.check_memory(4 * 10**9)
    message = "X as float64 takes 5.0 GB, and this machine has 4.0 GB."
    with pytest.raises(MemoryError, match=f"^{re.escape(message)}$"):
        _demo.check_memory(5 * 10**9)


@linux
def test_memory_and_pages_of_files_are_told_apart(tmp_path, monkeypatch):
    looks, read_memory = threading.Semaphore(0), _demo.read_memory

    def look():
        looks.release()
        return read_memory()

    monkeypatch.setattr(_demo, "read_memory", look)
    np.save(tmp_path / "rows.npy", np.ones(4_000_000))
    allocated, mapped = {}, {}
    with _demo.watch_memory(allocated):
        rows = np.ones(8_000_000)
        while looks.acquire(blocking=False):
            """Those from before."""
        for _ in range(2):  # the first one is done when the second one begins
            assert looks.acquire(timeout=60)
        del rows  # what was there between two looks counts
    with _demo.watch_memory(mapped):
        rows = np.load(tmp_path / "rows.npy", mmap_mode="r")
        rows.sum()
    assert 60e6 < allocated["memory"] < 70e6
    assert allocated["pages"] < 5e6
    assert 30e6 < mapped["pages"] < 40e6
    assert mapped["memory"] < 5e6


@linux
def test_memory_without_proc_is_that_of_the_whole_process(monkeypatch):
    def fail(path):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", fail)
    assert _demo.read_memory().keys() == {"memory"}
    assert _demo.read_memory()["memory"] > 20e6
    monkeypatch.setitem(sys.modules, "resource", None)
    assert _demo.read_memory() == {}
