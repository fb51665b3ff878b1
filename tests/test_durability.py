"""Results in files: whole or absent, whatever ends the run; resumed ones go on."""

import errno
import json
import os
import random
import signal
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from helpers import EXHAUSTIVE, raises
from processes import run_fresh
from scipy import sparse
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import MaxAbsScaler

from skmmap import ChunkedFit, NpyWriter, convert, open_rows, save_rows
from skmmap.__main__ import main
from skmmap.apply import output_file
from skmmap.disk import hidden as hidden_module
from skmmap.disk.hidden import make_hidden_folder, name_hidden
from skmmap.disk.unfinished import Unfinished
from skmmap.rows import store
from skmmap.write import kept_rows, row_batches, tables

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and locks of POSIX")
N_ROWS, STEP = 120, 10
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N_ROWS, 3))
y = np.arange(N_ROWS) % 3
MIXED = RNG.permutation(N_ROWS)
INPUTS = ["X.npy", "t.csv", "t.jsonl"]


@pytest.fixture(autouse=True)
def folder(empty_folder):
    """A folder with rows in files of each format."""
    np.save("X.npy", X)
    table = pd.DataFrame(X, columns=list("abc")).assign(y=y)
    table.to_csv("t.csv", index=False)
    lines = [json.dumps(row) for row in table.to_dict("records")]
    Path("t.jsonl").write_text("\n".join(lines))
    return empty_folder


@contextmanager
def in_small_pieces():
    """Write and count a few rows at a time."""
    with (
        mock.patch.object(row_batches, "_BATCH_NBYTES", 24 * STEP),
        mock.patch.object(row_batches, "_SHUFFLED_NBYTES", 24 * STEP),
        mock.patch.object(store, "_BLOCK_NBYTES", 24 * STEP),
        mock.patch.object(tables, "_GROUP_ROWS", STEP),
        mock.patch.object(output_file, "_SECONDS", -1),
        mock.patch.object(kept_rows, "_SECONDS", -1),
    ):
        yield


def iter_batches(begin=0):
    for start in range(begin, N_ROWS, STEP):
        yield X[start : start + STEP]


def predict(**options):
    model = ChunkedFit(GaussianNB(), chunk_size=STEP).fit(X, y)
    model.predict_proba("X.npy", out="r.npy", **options)


def scale_mixed():
    rows = open_rows("X.npy")[MIXED]
    model = ChunkedFit(MaxAbsScaler(), chunk_size=STEP).fit(X)
    model.transform(rows, out="r.npy", resume=True)


def scale_sparse():
    rows = sparse.csr_array(np.where(X > 0, X, 0))
    ChunkedFit(MaxAbsScaler(), chunk_size=STEP).fit(rows).transform(rows, out="r")


def write(**options):
    with NpyWriter("r.npy", **options) as writer:
        for batch in iter_batches(writer.n_rows):
            writer.append(batch)


def write_on():
    """Write the second half after the first, which is there, or to all of it."""
    if not os.path.exists("r.npy"):
        save_rows("r.npy", [X[: N_ROWS // 2]])  # np.save can be killed halfway
    write(resume=True)


WRITE_ON = "NpyWriter after a file"
RESUMED = {
    "predict": lambda: predict(resume=True),
    "transform": scale_mixed,
    "NpyWriter": lambda: write(resume=True),
    WRITE_ON: write_on,
    "convert": lambda: convert("X.npy", "r.npy", resume=True),
    "convert mixed": lambda: convert(
        open_rows("X.npy")[MIXED], "r.npy", dtype="f4", resume=True
    ),
}
WHOLE = {
    "predict": predict,
    "NpyWriter": write,
    "save_rows": lambda: save_rows("r.npy", iter_batches()),
    "convert": lambda: convert("X.npy", "r.npy"),
    "samples": lambda: convert(iter(X), "r.npy"),
    "csv": lambda: convert("t.csv", "r.npy"),
    "csv table": lambda: convert("t.csv", "r.parquet"),
    "json table": lambda: convert("t.jsonl", "r.parquet"),
    "sparse": scale_sparse,
}
JOBS = [("resumed", name) for name in RESUMED] + [("whole", name) for name in WHOLE]


def find_job(kind, name):
    return (RESUMED if kind == "resumed" else WHOLE)[name]


def contents(pattern):
    """Return the bytes of files, in a folder of results as well."""
    found = sorted(Path().glob(pattern)) + sorted(Path().glob(f"{pattern}/*"))
    return {str(path): path.read_bytes() for path in found if path.is_file()}


def hidden_files():
    return [name for name in os.listdir() if name.startswith(".skmmap")]


def inputs():
    return {name: Path(name).read_bytes() for name in INPUTS}


def remove_results():
    for path in contents("r*"):
        os.unlink(path)
    if os.path.isdir("r"):
        os.rmdir("r")


@pytest.fixture
def expected(request):
    """Return the files that a job makes that nothing disturbs, and remove them."""
    job = find_job(*request.getfixturevalue("job"))
    with in_small_pieces():
        job()
    made = contents("r*")
    assert made
    assert not hidden_files()
    remove_results()
    return made


# Signals in a process of its own


RUN = f"""
import os, signal, sys, threading
sys.path[0:0] = [{str(Path(__file__).parent)!r}]
import test_durability as jobs
number, delay = signal.Signals[sys.argv[3]], float(sys.argv[4])
real = jobs.Unfinished.write
def slowly(self, data):
    threading.Event().wait(0.001)
    real(self, data)
jobs.Unfinished.write = slowly
timer = threading.Timer(delay, lambda: os.kill(os.getpid(), number))
timer.daemon = True
timer.start()
with jobs.in_small_pieces():
    jobs.find_job(*sys.argv[1:3])()
"""


def run_with_signal(job, name, delay):
    """Run a job that gets a signal after so many seconds; return what ended it."""
    done = run_fresh(RUN, *job, name, delay)
    if done.returncode == 1:
        assert "KeyboardInterrupt" in done.stderr, done.stderr
    return done.returncode


N_KILLS = 40 if EXHAUSTIVE else 2


@pytest.mark.parametrize("job", JOBS, ids="-".join)
def test_kills_at_random_moments(job, expected):
    before, moments = inputs(), random.Random(str(job))
    is_over = False
    for _ in range(N_KILLS):
        code = run_with_signal(job, "SIGKILL", moments.uniform(0, 0.06))
        assert code in (0, -signal.SIGKILL)
        is_over |= code == 0
        at_place = contents("r*")
        if job[1] == WRITE_ON and not is_over:
            assert not at_place or len(np.load("r.npy")) in (N_ROWS // 2, N_ROWS)
        else:
            assert at_place in ({}, expected)
        if job[1] == "sparse":
            remove_results()  # of which the folder must be new
        assert len(hidden_files()) <= 2  # the file, and the probe of its mode
    with in_small_pieces():
        find_job(*job)()
    assert contents("r*") == expected
    assert len([name for name in hidden_files() if os.path.getsize(name)]) == 0
    assert inputs() == before


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("job", [("resumed", "NpyWriter"), ("whole", "csv table")])
def test_signals_that_can_be_caught(job, name, expected):
    for delay in (0.0, 0.02):
        code = run_with_signal(job, name, delay)
        assert code in (0, 1, -signal.SIGTERM, -signal.SIGINT)
        assert contents("r*") in ({}, expected)
        assert len(hidden_files()) <= 1
        if name == "SIGINT" and job[0] == "whole":
            assert not hidden_files()
    with in_small_pieces():
        find_job(*job)()
    assert contents("r*") == expected
    assert not hidden_files()


# Errors at every step


@contextmanager
def failing_at(step, make_error):
    """Raise at so many steps of writing; yield a list with the steps that were left."""
    left = [step]
    steps = [(Unfinished, "write"), (Unfinished, "write_at"), (Unfinished, "allocate")]
    steps += [(os, "fsync"), (os, "replace"), (os, "mkdir"), (os, "rename")]
    steps += [(output_file.RowsFile, "put"), (hidden_module, "make_hidden")]

    def wrap(real):
        def wrapped(*args, **options):
            left[0] -= 1
            if left[0] == 0:
                raise make_error()
            return real(*args, **options)

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in steps:
            patch.setattr(owner, name, wrap(getattr(owner, name)))
        yield left


ERRORS = {
    "full": (OSError, errno.ENOSPC, "No space left on device"),
    "denied": (PermissionError, errno.EACCES, "Permission denied"),
    "Ctrl-C": (KeyboardInterrupt,),
}


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("job", JOBS, ids="-".join)
def test_an_error_at_any_step(job, error, expected):
    kind, *args = ERRORS[error]
    before, step = inputs(), random.Random(str(job)).randrange(1, 4)
    stride = 1 if EXHAUSTIVE else 11
    while True:
        remove_results()
        with in_small_pieces(), failing_at(step, lambda: kind(*args)) as left:
            try:
                find_job(*job)()
            except kind:
                assert contents("r*") in ({}, expected) or job[1] == WRITE_ON
                assert len(hidden_files()) <= (job[0] == "resumed")
            else:  # where it is no error, such as to sync a folder
                assert contents("r*") == expected
        if left[0] > 0:
            break
        with in_small_pieces():
            find_job(*job)() if contents("r*") != expected else None
        assert contents("r*") == expected
        assert not hidden_files()
        step += stride
    assert step > stride  # at least one step has failed
    assert inputs() == before


@pytest.mark.parametrize("error", [RuntimeError("no more"), KeyboardInterrupt()])
def test_a_source_that_fails_in_the_middle(error):
    def fail():
        yield from X[:50]
        raise error

    for dst in ("r.npy", ("r.npy", "s.npy")):
        rows = fail() if dst == "r.npy" else ((row, 1) for row in fail())
        with pytest.raises(type(error)):
            convert(rows, dst)
    with pytest.raises(type(error)):
        save_rows("r.npy", ([row] for row in fail()))
    assert sorted(os.listdir()) == sorted(INPUTS)


# NpyWriter(resume=True)


def write_some(stop, **options):
    """Append rows up to one, and fail; return how many rows there were before."""
    with suppress(RuntimeError), NpyWriter("r.npy", resume=True, **options) as out:
        before = out.n_rows
        out.append(X[before:stop])
        raise RuntimeError
    return before


def test_a_writer_goes_on_after_the_rows_that_are_there():
    assert [write_some(stop) for stop in (30, 31, 100)] == [0, 30, 31]
    assert not os.path.exists("r.npy")
    with NpyWriter("r.npy", resume=True) as out:
        assert (out.n_rows, out.shape, out.dtype) == (100, (100, 3), X.dtype)
        out.append(X[100:])
    np.save("expected.npy", X)
    assert Path("r.npy").read_bytes() == Path("expected.npy").read_bytes()
    assert not hidden_files()


def test_rows_count_once_they_have_reached_the_disk(monkeypatch):
    steps, write_at, fsync = [], Unfinished.write_at, os.fsync
    monkeypatch.setattr(kept_rows, "_SECONDS", -1)
    monkeypatch.setattr(os, "fsync", lambda file: (steps.append("disk"), fsync(file)))
    monkeypatch.setattr(
        Unfinished,
        "write_at",
        lambda *args: (steps.append("count"), write_at(*args)),
    )
    with NpyWriter("r.npy", resume=True) as out:
        out.append(X)
        assert steps == ["disk", "count"]
        (name,) = hidden_files()
        assert np.load(name).shape == X.shape
        steps.clear()
        monkeypatch.setattr(kept_rows, "_SECONDS", 60)
        out.append(X)
        assert steps == []
        assert np.load(name).shape == X.shape


def test_rows_do_not_count_after_an_error_of_the_disk():
    """The system has forgotten what it could not write, and the next fsync succeeds."""
    fails = [OSError(errno.EIO, "Input/output error")]

    def fsync(file):
        if fails:
            raise fails.pop()

    assert write_some(40) == 0
    with (
        mock.patch.object(kept_rows, "_SECONDS", -1),
        mock.patch.object(os, "fsync", fsync),
        pytest.raises(OSError, match=r"40 rows are kept\. .* go on after them with re"),
        NpyWriter("r.npy", resume=True) as out,
    ):
        out.append(X[40:])
    assert write_some(41) == 40


def test_chunks_do_not_count_after_an_error_of_the_disk(monkeypatch):
    """The same for results of a model."""
    fails, sync = [OSError(errno.EIO, "Input/output error")], Unfinished.sync

    def fail_once(self):
        if fails:
            raise fails.pop()
        sync(self)

    monkeypatch.setattr(output_file, "_SECONDS", -1)
    with monkeypatch.context() as patch:
        patch.setattr(Unfinished, "sync", fail_once)
        with pytest.raises(OSError, match="Input/output error"):
            predict(resume=True)
    (name,) = hidden_files()
    assert Path(name).read_bytes()[-N_ROWS // STEP :] == b"\0" * (N_ROWS // STEP)


def test_a_complete_file_is_left_as_it_is():
    np.save("r.npy", X)
    before = os.stat("r.npy")
    for option in ("append", "resume"):
        with NpyWriter("r.npy", **{option: True}) as out:
            assert out.n_rows == N_ROWS
            out.append(X[:0])
        assert os.path.samestat(os.stat("r.npy"), before)
        assert not hidden_files()


def test_a_file_that_came_meanwhile_is_gone_on_with():
    write_some(50)
    np.save("r.npy", X[:70] + 1)
    assert write_some(90) == 70
    assert len(hidden_files()) == 1
    assert write_some(90) == 90
    np.save("r.npy", X[:20])
    write(resume=True)
    np.testing.assert_array_equal(np.load("r.npy"), X)
    assert not hidden_files()


def test_a_writer_that_does_not_resume_begins_anew():
    write_some(50)
    write()
    np.testing.assert_array_equal(np.load("r.npy"), X)
    write(resume=True)  # which deletes what was left before the file came
    assert Path("r.npy").stat().st_size == Path("X.npy").stat().st_size


def test_rows_of_another_type_or_shape_are_refused(folder):
    write_some(50)
    name = name_hidden(folder / "r.npy", "rows")
    text = (
        f"An unfinished {folder / 'r.npy'} of 50 rows has the dtype float64, and "
        f"dtype='float32' was given. Leave dtype out, or delete {name} to begin anew."
    )
    with raises(TypeError, text):
        NpyWriter("r.npy", dtype="f4", resume=True)
    with NpyWriter("r.npy", resume=True) as out:
        with pytest.raises(ValueError, match="rows of shape"):
            out.append(X[:, :2])
        out.append(X[50:])
    np.testing.assert_array_equal(np.load("r.npy"), X)


def test_nothing_to_keep_leaves_nothing():
    assert write_some(0) == 0
    assert not hidden_files()
    with pytest.raises(ValueError, match="Nothing was appended"):
        NpyWriter("r.npy", resume=True).close()
    assert not hidden_files()


@pytest.mark.parametrize(
    "left", [b"", b"\x93NUMPY\x01\x00", b"other", "header", "part"]
)
def test_what_has_no_counted_rows_is_overwritten(left, folder):
    """Of a writer that was killed in its first second, or of a broken disk."""
    if isinstance(left, str):
        np.save("old.npy", X[: 0 if left == "header" else 50])
        left = Path("old.npy").read_bytes()
        left = left + b"more" if len(left) == 128 else left[:-1]
    name_hidden(folder / "r.npy", "rows").write_bytes(left)
    with NpyWriter("r.npy", resume=True) as out:
        assert out.n_rows == 0
        out.append(X)
    assert Path("r.npy").read_bytes() == Path("X.npy").read_bytes()


def test_two_writers_do_not_resume_the_same():
    with NpyWriter("r.npy", resume=True) as out:
        out.append(X)
        with pytest.raises(BlockingIOError, match="Another run is writing"):
            NpyWriter("r.npy", resume=True)
    np.testing.assert_array_equal(np.load("r.npy"), X)


def test_a_writer_that_was_forgotten_keeps_what_is_on_the_disk():
    out = NpyWriter("r.npy", resume=True)
    with mock.patch.object(kept_rows, "_SECONDS", -1):
        out.append(X[:30])
    out.append(X[30:40])
    with pytest.warns(ResourceWarning, match="never closed, and rows on the disk are"):
        del out
    assert write_some(50) == 30


def test_one_way_to_go_on():
    text = (
        "append=True and resume=True were given. resume=True writes after the rows of "
        "the file, too; leave append out."
    )
    with raises(ValueError, text):
        NpyWriter("r.npy", append=True, resume=True)


# convert(resume=True)


def convert_some(src):
    """Convert three batches, and fail."""
    batches = iter(range(3))

    def append(self, batch):
        if next(batches, None) is None:
            raise RuntimeError
        APPEND(self, batch)

    with (
        in_small_pieces(),
        mock.patch.object(NpyWriter, "append", append),
        pytest.raises(RuntimeError),
    ):
        convert(src, "r.npy", resume=True)


def count_written(src, **options):
    """Return how many rows a conversion appends."""
    with mock.patch.object(NpyWriter, "append", autospec=True) as append:
        append.side_effect = APPEND
        convert(src, "r.npy", resume=True, **options)
    return sum(len(call.args[1]) for call in append.call_args_list)


APPEND = NpyWriter.append


def test_a_conversion_goes_on_with_the_same_rows_alone():
    rows = open_rows("X.npy")
    convert_some("X.npy")
    assert count_written("X.npy") == N_ROWS - 3 * STEP
    for other, options in [
        (rows[MIXED], {}),
        (rows, {"dtype": "f4"}),
        (X + 1, {}),
    ]:
        convert_some("X.npy")
        assert count_written(other, **options) == N_ROWS
        assert not hidden_files()
    convert_some("X.npy")
    np.save("X.npy", X + 1)
    assert count_written("X.npy") == N_ROWS
    np.testing.assert_array_equal(np.load("r.npy"), X + 1)


def test_the_command_line_resumes(capsys):
    convert_some("X.npy")
    assert main(["convert", "X.npy", "r.npy", "--resume"]) == 0
    assert "r.npy: 90 rows in" in capsys.readouterr().out
    np.testing.assert_array_equal(np.load("r.npy"), X)


SEQUENTIAL = [
    ("t.csv", "r.npy", "'t.csv'"),
    ("t.csv", "r.parquet", "'t.csv'"),
    ("t.jsonl", "r.parquet", "'t.jsonl'"),
    (iter(X), "r.npy", "an iterable of samples"),
    ([(1, 2)], ("r.npy", "s.npy"), "an iterable of samples"),
]


@pytest.mark.parametrize(("src", "dst", "what"), SEQUENTIAL)
def test_what_is_read_from_its_beginning_is_not_resumed(src, dst, what):
    text = (
        f"resume=True begins at the row where a killed conversion was, and {what} can "
        "only be read from its beginning. Leave resume out: the file is written whole, "
        "or not at all."
    )
    with raises(ValueError, text):
        convert(src, dst, resume=True)


def test_rows_that_cannot_be_identified_are_not_resumed():
    class Lazy:
        shape, dtype = X.shape, X.dtype

        def __getitem__(self, rows):
            return X[rows]

    with pytest.raises(ValueError, match=r"may change unnoticed\. Leave resume out\.$"):
        convert(Lazy(), "r.npy", resume=True)


# What killed runs leave


def leave(**options):
    """Leave what a killed writer leaves."""
    out = Unfinished(Path("r.npy").absolute(), **options)
    out.write(b"left")
    out.close()
    return out.hidden.name


def test_the_next_run_uses_what_was_left():
    name = leave()
    assert hidden_files() == [name]
    with open(name, "rb") as opened, NpyWriter("r.npy") as out:
        assert hidden_files() == [name]
        out.append(X)
        assert opened.read() == b"left"  # and no row of the new file
    np.testing.assert_array_equal(np.load("r.npy"), X)
    assert not hidden_files()


def test_a_run_with_a_key_deletes_what_others_left():
    leave(), leave(key="a"), leave(key="b")
    other = Path("s.npy").absolute()
    Unfinished(other).close()
    in_use = Unfinished(Path("r.npy").absolute(), key="c")
    assert len(hidden_files()) == 2
    predict(resume=True)
    in_use.close()
    names = {in_use.hidden.name, name_hidden(other).name}
    assert set(hidden_files()) == names


def test_two_writers_at_once_have_two_files():
    first, second = NpyWriter("r.npy"), NpyWriter("r.npy")
    first.append(X)
    second.append(X[:5])
    assert len(hidden_files()) == 2
    first.close()
    second.close()
    np.testing.assert_array_equal(np.load("r.npy"), X[:5])
    assert not hidden_files()


def test_a_folder_that_was_left_is_used(folder):
    left = name_hidden(folder / "r")
    left.mkdir()
    (left / "data.npy").write_bytes(b"left")
    scale_sparse()
    assert sorted(os.listdir("r")) == [
        "data.npy",
        "indices.npy",
        "indptr.npy",
        "shape.npy",
    ]
    assert not hidden_files()
    remove_results()
    left.symlink_to("victim")
    os.mkdir("victim")
    scale_sparse()
    assert os.listdir("victim") == []
    assert hidden_files() == [left.name]


def test_a_folder_in_use_is_left_alone(folder):
    path, number = make_hidden_folder(folder / "r")
    (path / "data.npy").write_bytes(b"in use")
    scale_sparse()
    assert hidden_files() == [path.name]
    assert os.listdir(path) == ["data.npy"]
    os.close(number)


def test_where_there_are_no_locks_no_name_is_shared(monkeypatch):
    monkeypatch.setattr(hidden_module, "_lock", lambda file: None)
    test_two_writers_at_once_have_two_files()
    name = leave()
    assert name != name_hidden(Path("r.npy")).name
    scale_sparse()
    assert hidden_files() == [name]
