"""Whatever ends a fit with a checkpoint, it continues or says what is wrong."""

import errno
import json
import os
import pickle
import re
import shutil
import signal
import stat
import tempfile
import threading
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import joblib
import killed
import numpy as np
import pytest
from helpers import EXHAUSTIVE, Listener, assert_alike, needs_sklearn_1_9
from killed import Killed, interrupted_after, killed_after, run_in_pieces
from processes import run_fresh
from sent import Dies, add_counts
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

from skmmap import Checkpoint, ChunkedFit, open_rows, register
from skmmap.checkpoints import keeping, kept_run
from skmmap.checkpoints.digests import find_digest
from skmmap.checkpoints.journal import KeptJournal
from skmmap.disk import Unfinished
from skmmap.disk.generations import _MAGIC, Generations
from skmmap.disk.hidden import name_hidden
from skmmap.formats.shared import MapStore

on_posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")

N_ROWS, N_CHUNKS = 60, 10
pytestmark = pytest.mark.usefixtures("as_in_a_terminal")
RNG = np.random.default_rng(0)
X, Y = RNG.random((N_ROWS, 4)), RNG.integers(0, 3, N_ROWS)
SGD = SGDClassifier(max_iter=2, tol=None, random_state=0)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder to work in, with rows."""
    monkeypatch.chdir(tmp_path)
    np.save("X.npy", X)
    np.save("y.npy", Y)
    return tmp_path


PATH = Path("run.ckpt")
BEFORE = Path("run.ckpt.previous")


def make(estimator=SGD, *, checkpoint=PATH, seconds=0, **params):
    """Return a wrapper that learns five chunks of 12 rows in each epoch."""
    params = {"chunk_size": 12, "random_state": 0} | params
    if checkpoint is not None:
        checkpoint = Checkpoint(checkpoint, seconds=seconds)
    return ChunkedFit(clone(estimator), checkpoint=checkpoint, **params)


def fit(estimator=SGD, rows="X.npy", y="y.npy", *, given=None, **params):
    return make(estimator, **params).fit(rows, y, **(given or {}))


def kill(n_chunks, *args, **params):
    """Fit, and end after some chunks, of which the last one is written."""
    with pytest.raises(Killed), killed_after(n_chunks):
        fit(*args, **params)


def assert_whole(model, *args, **params):
    """Compare a model with that of a fit without a checkpoint."""
    whole = fit(*args, checkpoint=None, **params)
    assert_alike(model.estimator_, whole.estimator_)
    for name in ("rows", "loss", "score"):
        assert_alike(model.history_[name], whole.history_[name])


def files():
    """Return the files of checkpoints, hidden ones too."""
    return sorted(name for name in os.listdir() if "ckpt" in name or name[0] == ".")


@contextmanager
def says(*texts):
    """Expect warnings with these texts, in turn, and no others."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    said = [str(each.message) for each in caught]
    assert len(said) == len(texts), said
    for text, message in zip(texts, said, strict=True):
        assert text in message
    # Where fit is called, or a test has put itself between.
    assert {each.filename for each in caught} <= {__file__, killed.__file__}


# Processes that are killed

_RUN = """
import json, sys
sys.path.insert(0, sys.argv[1])
import kill_runs
kill_runs.run(*json.loads(sys.argv[2]))
"""


def run_kills(*args):
    args = json.dumps([*args[:2], os.getcwd(), *args[2:]])
    done = run_fresh(_RUN, Path(__file__).parent, args)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


CASES = ["file order", "blocks", "chunks", "clusters", "merged", "pipeline"]
N_KILLS = 34 if EXHAUSTIVE else 2  # of each case


@on_posix
@pytest.mark.parametrize("case", CASES)
def test_killed_at_random_moments(case):
    """Again and again, until it is over: the bits are those of a fit that was not."""
    counts = run_kills("kill_at_random", case, 7, N_KILLS)
    assert counts["killed"] == N_KILLS
    assert counts["over"] >= 1


@on_posix
def test_killed_where_epochs_and_stages_end():
    """A stage has five chunks and an end; the last one has three epochs."""
    events = [(5, False), (6, False), (17, True), (29, True)]
    if EXHAUSTIVE:
        events = [(i, before) for i in range(1, 30) for before in (True, False)]
    run_kills("kill_at_events", "pipeline", events)


# After so many writes, before a step of the next one: whether there is a version, and
# whether it has the name of the file.
STEPS = {
    (0, "write", 4): [False, False],
    (0, "replace", 1): [False, False],
    (0, "fsync", 2): [True, True],
    (1, "write", 4): [True, True],
    (1, "fsync", 1): [True, True],
    (1, "replace", 1): [True, True],
    (1, "replace", 2): [True, False],
    (1, "fsync", 2): [True, True],
}


@on_posix
def test_killed_while_the_file_is_written():
    """There is never a half file under its name or that of the version before."""
    assert run_kills("kill_in_writes", "file order", list(STEPS)) == [*STEPS.values()]


# Where nothing can be written


@pytest.mark.parametrize("step", ["write", "fsync"])
def test_a_full_disk_costs_a_warning(step, monkeypatch):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    real, n_left = KeptJournal.after_chunk, [3]

    def after_chunk(self, run):
        n_left[0] -= 1
        if n_left[0] == -1:
            shutil.copy(PATH, "last")
            owner = {"write": Unfinished, "fsync": os}[step]
            patch.setattr(owner, step, mock.Mock(side_effect=full))
        real(self, run)

    text = (
        f"The state of fit could not be written to {PATH.absolute()} (OSError: [Errno "
        "28] No space left on device); what was there before is unchanged. Training "
        "goes on. It will be tried again."
    )
    with monkeypatch.context() as patch:
        patch.setattr(KeptJournal, "after_chunk", after_chunk)
        with says(text):
            model = fit()
    assert PATH.read_bytes() == Path("last").read_bytes()
    assert files() == ["run.ckpt", "run.ckpt.previous"]
    assert_whole(model)
    assert_whole(fit())


def test_a_full_disk_is_an_error_at_the_very_first(monkeypatch):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    text = (
        f"The checkpoint {PATH.absolute()} cannot be written: No space left on device; "
        "no file was left there. Make room, or give a path on another disk."
    )
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", mock.Mock(side_effect=full))
        with killed_after(0), pytest.raises(OSError, match=re.escape(text)) as caught:
            fit()
    assert caught.value.errno == errno.ENOSPC
    assert files() == []
    assert_whole(fit())


def test_a_rename_that_fails_leaves_the_version_in_its_place(monkeypatch):
    kill(3)
    last, real = PATH.read_bytes(), os.replace

    def replace(old, new):
        if Path(old).name.startswith(".skmmap"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with says("could not be written"):
            fit()
    assert PATH.read_bytes() == last


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_refused_folder_is_an_error_before_training(code, monkeypatch):
    real = os.open

    def refuse(path, *args, **options):
        if str(path).endswith(".lock"):
            raise OSError(code, os.strerror(code), str(path))
        return real(path, *args, **options)

    monkeypatch.setattr(os, "open", refuse)
    with killed_after(0), pytest.raises(OSError, match=os.strerror(code)) as caught:
        fit()
    note = f"This is about checkpoint={str(PATH)!r}. Give a path in a folder where "
    assert caught.value.__notes__ == [note + "files can be made."]


def test_a_folder_that_is_missing_and_one_in_place_of_a_file(folder):
    text = f"There is no folder {folder}/no for run.ckpt. Create it first, or choose"
    with pytest.raises(FileNotFoundError, match=text):
        fit(checkpoint="no/run.ckpt")
    PATH.mkdir()
    with pytest.raises(IsADirectoryError, match=r"run.ckpt is a folder. Choose anoth"):
        fit()


@pytest.mark.parametrize("name", ["X.npy", "y.npy", "notes.txt", "model.pkl"])
def test_a_file_of_something_else_is_left_alone(name):
    Path("notes.txt").write_text("skmmap checkpoints are kept elsewhere.")
    Path("model.pkl").write_bytes(pickle.dumps(SGD))
    before, listed = Path(name).read_bytes(), sorted(os.listdir())
    text = f"{name} is no checkpoint, and is left as it is. Give another path."
    if name == "notes.txt":  # it begins as one does
        text = f"notes.txt ({len(before):,} bytes) is damaged, and "
    with pytest.raises(ValueError, match=re.escape(text)):
        fit(checkpoint=name)
    assert Path(name).read_bytes() == before
    assert sorted(os.listdir()) == listed


@on_posix
def test_a_pipe_is_refused_without_waiting():
    os.mkfifo(PATH)
    with pytest.raises(ValueError, match="is a named pipe; only regular files"):
        fit()


# Files that are not what was written


def damage_each(data: bytes):
    """Yield damaged copies of a file, with what was done to each."""
    n = len(data)
    places = {0, 5, len(_MAGIC) - 1, len(_MAGIC), n // 4, n // 2, n - 400, n - 41}
    places |= {n - 40, n - 33, n - 32, n - 1} | set(range(0, n, 7 if EXHAUSTIVE else n))
    for place in sorted(places):
        yield place, data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    for length in {0, 1, 17, 18, 19, 40, 58, n // 2, n - 33, n - 1}:
        yield f"{length} of {n} bytes", data[:length]
    yield "longer", data + b"\0"
    yield "zeros", bytes(n)
    yield "zeros at the end", data[: n // 2] + bytes(n - n // 2)


def test_what_is_damaged_is_found_and_the_version_before_is_used():
    kill(3)
    data, before = PATH.read_bytes(), BEFORE.read_bytes()
    for what, damaged in damage_each(data):
        PATH.write_bytes(damaged)
        file = Generations(PATH)
        version, faults = file.find()
        file.close()
        assert version.path == BEFORE.absolute(), what
        size = f"{len(damaged):,}"
        assert faults == [f"{PATH.absolute()} ({size} bytes) is damaged"], what
    PATH.write_bytes(data[:-5])
    text = f"is damaged, so fit goes on from {BEFORE.absolute()}, written 20"
    with says(text), pytest.raises(Killed), killed_after(0):
        fit()
    # The only good version was not written over by the one that is damaged.
    assert BEFORE.read_bytes() == before
    assert_whole(fit())


def test_without_the_last_version_the_one_before_is_used():
    kill(3)
    PATH.unlink()
    with says(f"{PATH.absolute()} is missing, so fit goes on from {BEFORE.absolute()}"):
        model = fit()
    assert_whole(model)


def test_without_a_whole_version_it_is_an_error():
    kill(3)
    for path in (PATH, BEFORE):
        path.write_bytes(path.read_bytes()[:-1])
    sizes = [f"{path.stat().st_size:,}" for path in (PATH, BEFORE)]
    text = (
        f"No version of the checkpoint is whole: {PATH.absolute()} ({sizes[0]} bytes) "
        f"is damaged, and {BEFORE.absolute()} ({sizes[1]} bytes) is damaged. Delete "
        f"{PATH.absolute()} and run.ckpt.previous to start over, or give another path."
    )
    with pytest.raises(ValueError, match=re.escape(text)):
        fit()
    PATH.unlink()
    with pytest.raises(ValueError, match=r"run.ckpt is missing, and .* is damaged"):
        fit()


@pytest.fixture
def kept_class(monkeypatch):
    """A class that a module has, and later has no more."""
    kind = type("Kept", (SGDClassifier,), {"__module__": __name__})
    monkeypatch.setitem(globals(), "Kept", kind)
    return kind


def test_a_class_that_is_gone_is_said(kept_class):
    kill(3, kept_class(max_iter=2, tol=None))
    del globals()["Kept"]
    with pytest.raises(AttributeError, match="Kept") as caught:
        fit(kept_class(max_iter=2, tol=None))
    note = f"while loading the checkpoint {PATH.absolute()}. The classes and functions"
    assert caught.value.__notes__[0].startswith(note)


# Data that change


def write_shards(value):
    for number, part in enumerate(np.array_split(value, 3)):
        np.save(f"part{number}.npy", part)


def write_parquet(value):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(value, columns=list("abcd"))
    frame.to_parquet("X.parquet", row_group_size=20)


FORMATS = {
    "npy": ("X.npy", "X.npy", lambda value: np.save("X.npy", value)),
    "shards": ("part?.npy", "part1.npy", write_shards),
    "parquet": ("X.parquet", "X.parquet", write_parquet),
}


def write_in_place(name):
    data = bytearray(Path(name).read_bytes())
    data[40 if name.endswith(".parquet") else -8] ^= 1
    with open(name, "r+b") as file:
        file.write(data)


def replace(name):
    shutil.copy(name, "copy")  # the same bytes in another file
    os.replace("copy", name)


CHANGES = {
    "written in place": write_in_place,
    "replaced": replace,
    "truncated": lambda name: os.truncate(name, Path(name).stat().st_size - 8),
    "deleted": os.unlink,
}


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("kind", FORMATS)
def test_rows_that_changed_are_refused(kind, how):
    rows, changed, write = FORMATS[kind]
    write(X)
    kill(3, rows=rows)
    CHANGES[how](changed)
    with killed_after(0), pytest.raises((ValueError, OSError)) as caught:
        fit(rows=rows)
    said = str(caught.value)
    if how in ("written in place", "replaced") and kind != "parquet":
        assert "is of another run:\n- X: 60 x 4 float64" in said
        assert said.count(changed) == 2
        assert "give another path" in said
    elif (how, kind) == ("deleted", "shards"):
        assert "- X: 60 x 4 float64" in said
        assert "- X: 60 x 4 float64" in said
        assert "40 x 4 float64" in said
    else:
        assert changed in said or "X" in said


@pytest.mark.parametrize("name", ["y", "sample_weight", "X_val", "y_val"])
@pytest.mark.parametrize("how", ["memory", "file", "map"])
def test_what_is_given_beside_rows_must_be_the_same(name, how):
    values = {"y": Y, "sample_weight": np.ones(N_ROWS), "X_val": X[:9], "y_val": Y[:9]}

    def give(changed):
        every = dict(values)
        if changed:
            every[name] = every[name].copy()
            every[name][3] = (
                0.25 if every[name].dtype.kind == "f" else 2 - every[name][3]
            )
        if how != "memory":
            np.save("given.npy", every[name])
            rows = np.load("given.npy", mmap_mode="r")
            every[name] = "given.npy" if how == "file" else rows
        return every

    every = give(False)
    given = {key: value for key, value in every.items() if key != "y"}
    kill(3, y=every["y"], given=given)
    if how != "memory":  # a map is of the file, which is not another one by now
        time.sleep(0.02)
    every = give(True)
    given = {key: value for key, value in every.items() if key != "y"}
    said = rf"\n- {name}: .* in the checkpoint, .* now\n"
    with killed_after(0), pytest.raises(ValueError, match=said) as caught:
        fit(y=every["y"], given=given)
    assert str(caught.value).count("\n- ") == 1


def test_rows_in_memory_must_be_the_same():
    kill(3, rows=X.copy())
    text = "- X: 60 x 4 float64 in the checkpoint, other values now"
    with pytest.raises(ValueError, match=re.escape(text)):
        fit(rows=X + 1)
    assert_whole(fit(rows=X.copy()), rows=X)


def test_maps_whose_file_does_not_show_changes_are_refused():
    text = (
        "checkpoint= needs rows that can be identified, and X (an array) cannot be: "
        "what is written to a map of mode 'c' is not in its file. Give a path or "
        "open_rows(path)."
    )
    with pytest.raises(ValueError, match=re.escape(text)):
        fit(rows=np.load("X.npy", mmap_mode="c"))
    # Of this the digest has what was written to it.
    rows = open_rows("X.npy", mode="c")
    kill(3, rows=rows)
    rows[0] = 5.0
    with pytest.raises(ValueError, match="is of another run:\n- X: 60 x 4 float64"):
        fit(rows=rows)
    with tempfile.TemporaryFile() as file:
        rows = np.memmap(file, X.dtype, "w+", shape=X.shape)
        with pytest.raises(ValueError, match=r"X .* cannot be: the file of this map"):
            fit(rows=rows)


def test_rows_at_another_path_are_others():
    kill(3)
    shutil.copy2("X.npy", "Z.npy")
    with pytest.raises(ValueError, match=r"- X: .*/X\.npy of .* now") as caught:
        fit(rows="Z.npy")
    assert re.search(
        r"/X\.npy of .* in the checkpoint, .*/Z\.npy of", str(caught.value)
    )


def test_a_write_in_the_same_tick_is_seen(monkeypatch):
    """The file system's clock moves on before the state of a file is noted."""
    waited = []
    monkeypatch.setattr("skmmap.checkpoints.key.await_tick", waited.append)
    kill(0)
    assert str(Path("X.npy").absolute()) in waited


@pytest.mark.parametrize("how", CHANGES)
def test_rows_that_change_while_they_are_learned(how):
    real, left = KeptJournal.after_chunk, [3]

    def after_chunk(self, run):
        real(self, run)
        left[0] -= 1
        if left[0] == 0:
            CHANGES[how]("X.npy")

    with (
        mock.patch.object(KeptJournal, "after_chunk", after_chunk),
        pytest.raises((ValueError, OSError), match=r"X\.npy") as caught,
    ):
        fit(read="buffer")
    assert "to continue, call fit again" in caught.value.__notes__[-1]
    with killed_after(0), pytest.raises((ValueError, OSError), match="X"):
        fit(read="buffer")


# Other runs


class Named(SGDClassifier):
    pass


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ({"chunk_size": 13}, ["chunk_size: 12 in the checkpoint, 13 now"]),
        ({"random_state": None}, ["random_state: 0 in the checkpoint, nothing now"]),
        (
            {"estimator": SGDClassifier(max_iter=3, tol=None, penalty="l1")},
            [
                "estimator__max_iter: 2 in the checkpoint, 3 now",
                "estimator__penalty: 'l2' in the checkpoint, 'l1' now",
                "estimator__random_state: 0 in the checkpoint, nothing now",
            ],
        ),
        (
            {"estimator": SGDClassifier(max_iter=2.0, tol=None, random_state=0)},
            ["estimator__max_iter: 2 in the checkpoint, 2.0 now"],
        ),
        (
            {"estimator": Named(max_iter=2, tol=None, random_state=0)},
            [
                "estimator: 'sklearn.linear_model._stochastic_gradient.SGDClassifier' "
                f"in the checkpoint, '{__name__}.Named' now"
            ],
        ),
    ],
)
def test_every_parameter_that_differs_is_listed(change, texts):
    kill(3)
    said = "".join(f"\n- {text}" for text in texts)
    text = (
        f"The checkpoint {PATH.absolute()} is of another run:{said}\nTo continue that "
        "run, give what it had. To start this one, delete "
        f"{PATH.absolute()} and run.ckpt.previous, or give another path."
    )
    with killed_after(0), pytest.raises(ValueError, match=re.escape(text) + "$"):
        fit(**change)


def test_what_results_do_not_depend_on_may_differ():
    kill(3)
    assert_whole(fit(n_jobs=1, read="buffer", seconds=5))


def fit_wrongly(how):
    """Make a mistake that ends a fit before its first chunk."""
    wrong = {
        "no y": lambda: fit(y=None),
        "other y": lambda: fit(y=np.zeros(5)),
        "a parameter": lambda: fit(clone(SGD).set_params(alpha=-1)),
        "a size": lambda: fit(chunk_size=0),
        "no partial_fit": lambda: fit(LogisticRegression()),
        "killed": lambda: kill_at_once(max_epochs=3),
    }
    with pytest.raises((ValueError, TypeError, Killed)) as caught:
        wrong[how]()
    assert "Its state" not in "".join(getattr(caught.value, "__notes__", []))


def kill_at_once(**params):
    with killed_after(0, writes_last=False):
        fit(**params)


MISTAKES = ["no y", "other y", "a parameter", "a size", "no partial_fit", "killed"]


@pytest.mark.parametrize("how", MISTAKES)
def test_what_has_learned_nothing_is_replaced(how):
    fit_wrongly(how)
    assert_whole(fit())


def test_what_has_learned_nothing_is_refused_if_a_later_version_is_damaged():
    with pytest.raises(Killed):
        kill_at_once()
    with pytest.raises(Killed), killed_after(0):
        fit()
    PATH.write_bytes(PATH.read_bytes()[:-1])
    with pytest.raises(ValueError, match="is of another run"):
        fit(chunk_size=13)


def test_rows_that_look_alike_are_told_apart():
    kill(3)
    text = f"; {Path('X.npy').absolute()} of 2.0 kB, written "
    other = (
        "in the checkpoint, other rows of it, or the same given in another way "
        "(path, map, Rows) now"
    )
    with pytest.raises(ValueError, match="is of another run") as caught:
        fit(rows=open_rows("X.npy")[::-1])
    said = str(caught.value)
    assert text in said
    assert other in said
    assert said.count("X.npy") == 1


def test_a_checkpoint_needs_a_path():
    text = "path of Checkpoint must be the path of a file; got NoneType."
    with pytest.raises(TypeError, match=re.escape(text)):
        Checkpoint(None)
    text = "checkpoint must be None, the path of a file, or a Checkpoint of one; got in"
    with pytest.raises(TypeError, match=text):
        ChunkedFit(SGD, checkpoint=60).fit(X, Y)


def test_other_versions_are_listed(monkeypatch):
    real = keeping.describe_run

    def describe(*args):
        names = "skmmap", "scikit-learn", "numpy"
        return real(*args) | {f"version of {name}": "0.1" for name in names}

    with monkeypatch.context() as patch:
        patch.setattr(keeping, "describe_run", describe)
        kill(3)
    with pytest.raises(ValueError, match="is of another run") as caught:
        fit()
    listed = re.findall(
        r"- version of (.*): '0.1' in .*, '(.*)' now", str(caught.value)
    )
    assert [name for name, _ in listed] == ["skmmap", "scikit-learn", "numpy"]
    assert listed[2][1] == np.__version__


def test_another_format_is_said(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(kept_run, "FORMAT", 99)
        kill(3)
    text = (
        "was written by another version of skmmap (format 99, and this one has "
        f"{kept_run.FORMAT}). Use that version, or delete {PATH.absolute()} and "
        "run.ckpt.previous to start over."
    )
    with pytest.raises(ValueError, match=re.escape(text)):
        fit()


_DIGESTS = """
import string
from skmmap.checkpoints.digests import find_digest
words = list(string.ascii_letters)
def again(n):
    return again(n - 1) if n in {"x", "y", "z", "u", "v", "w"} else words
mixed = {1: 0, "a": 1, None: 2, "b": 3, (1, "c"): 4, "d": 5}
values = [mixed, set(words), frozenset(words), again]
values.append(lambda x: x in {"r", "s", "t", "u", "v"})
found = [find_digest(value) for value in values]
print(*found)
"""


@pytest.mark.skipif("PYTHONHASHSEED" in os.environ, reason="sets have the same order")
def test_digests_are_the_same_in_another_process():
    """Sets of texts are in no order, and functions have no names."""
    here = {"__name__": "__main__"}
    exec(_DIGESTS, here)
    assert run_fresh(_DIGESTS).stdout.split() == here["found"]
    assert find_digest(frozenset("ab")) != find_digest(frozenset("ac"))
    assert find_digest({1, 2}) != find_digest(frozenset([1, 2]))


def test_a_digest_of_what_cannot_be_pickled_is_an_error_wherever_it_is():
    """Or it would be one of what comes before."""
    holder = FunctionTransformer()
    holder.lock = threading.Lock()
    with pytest.raises(TypeError, match=r"cannot pickle '_thread.lock' object"):
        find_digest({"params": [holder]})


# Errors from inside


@pytest.mark.parametrize("n_reads", [2, 60])
def test_a_read_that_fails_once(n_reads):
    left, names = [n_reads], ["read", "read_into"]

    def count(real):
        def read(*args):
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO), "X.npy")
            return real(*args)

        return read

    params = {"read": "buffer", "shuffle": False, "memory_limit": "4kB"}
    fails = {name: count(getattr(MapStore, name)) for name in names}
    with (
        mock.patch.multiple(MapStore, **fails),
        pytest.raises(OSError, match="Input/output error") as caught,
    ):
        fit(**params)
    said = "".join(getattr(caught.value, "__notes__", []))
    note = f"is in {PATH.absolute()}: to continue, call fit again"
    assert (note in said) == (n_reads > 2)
    assert_whole(fit(**params), shuffle=False)


class Fails(SGDClassifier):
    """Raises an error in one of its calls."""

    error, left = None, 0

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        Fails.left -= 1
        if Fails.left == 0:
            raise Fails.error
        return super().partial_fit(X, y, classes=classes)


@pytest.fixture
def failing(monkeypatch):
    """Return what lets a call raise an error."""

    def set_it(error, n_calls):
        monkeypatch.setattr(Fails, "error", error)
        monkeypatch.setattr(Fails, "left", n_calls)

    return set_it


FAILS = Fails(max_iter=2, tol=None, random_state=0)


@pytest.mark.parametrize("n_calls", [1, 4, 8])
@pytest.mark.parametrize("kind", [ValueError, MemoryError])
def test_a_call_that_fails_once(kind, n_calls, failing):
    failing(kind("told to fail"), n_calls)
    with pytest.raises(kind, match="told to fail") as caught:
        fit(FAILS)
    epoch, chunk = divmod(n_calls - 1, 5)
    where = f"in epoch {epoch + 1} of at most 2, after {chunk} of 5 chunks"
    note = (
        f"Its state {where} is in {PATH.absolute()}: to continue, call fit again with "
        "the same parameters and rows."
    )
    # Before the first chunk there is nothing to continue.
    assert (caught.value.__notes__[-1] == note) == (n_calls > 1)
    assert ("Its state" in caught.value.__notes__[-1]) == (n_calls > 1)
    assert_whole(fit(FAILS), FAILS)


@pytest.mark.parametrize("n_calls", [1, 4, 8])
def test_an_interrupt_from_inside(n_calls, failing):
    failing(KeyboardInterrupt(), n_calls)
    with says("fit was interrupted. Its state "), pytest.raises(KeyboardInterrupt):
        fit(FAILS)
    assert_whole(fit(FAILS), FAILS)


@on_posix
def test_a_worker_that_is_killed_while_parts_merge(
    folder, workers_started, own_entries
):
    register(Dies, merge=add_counts)
    marker = folder / "died"
    estimator = Dies(X[1, 0], str(marker), os.getpid())
    params = {"chunk_size": 3, "n_jobs": 2}
    rows = open_rows("X.npy")
    with joblib.parallel_config(backend="loky"):
        kill(3, estimator, rows, None, **params)
        model = fit(estimator, rows, None, **params)
    assert marker.exists()
    assert model.estimator_.n_ == N_ROWS
    assert_whole(model, estimator, rows, None, **params)


# Clocks and file systems


def test_clocks_that_go_backwards(monkeypatch):
    now = [2e9]

    def tick():
        now[0] -= 1000
        return now[0]

    monkeypatch.setattr(time, "time", tick)
    monkeypatch.setattr(time, "time_ns", lambda: int(tick() * 1e9))
    kill(3)
    assert find_version().about["said"].endswith("after 4 of 5 chunks")
    assert_whole(run_in_pieces(fit, [2, 1]))


def find_version():
    file = Generations(PATH)
    version, _ = file.find()
    file.close()
    return version


def test_file_systems_without_locks_links_and_folders_that_are_synced(monkeypatch):
    fcntl, real = pytest.importorskip("fcntl"), os.fsync

    def fsync(file):
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(file)

    def refuse(*args, **options):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert_whole(run_in_pieces(fit, [2, 1, 4]))
    assert files() == ["run.ckpt", "run.ckpt.previous"]


# Several at once

_SECOND = """
import sys
import numpy as np
from sklearn.linear_model import SGDClassifier
from skmmap import ChunkedFit
ChunkedFit(SGDClassifier(), checkpoint="run.ckpt").fit("X.npy", "y.npy")
"""
HELD = (
    "Another process or thread is running with the checkpoint {}. Wait until it ends, "
    "or give another path."
)


@on_posix
def test_a_second_process_is_refused():
    held = Generations(PATH)
    done = run_fresh(_SECOND)
    held.close()
    text = HELD.format(PATH.absolute())
    assert done.stderr.strip().endswith(f"BlockingIOError: [Errno 11] {text}")
    assert done.returncode == 1
    assert not PATH.exists()


@on_posix
def test_a_second_thread_is_refused_and_a_lock_that_was_left_is_none():
    Path(".run.ckpt.lock").touch()
    real, errors = KeptJournal.after_chunk, []

    def run():
        try:
            fit()
        except BlockingIOError as error:
            errors.append(error.strerror)

    def after_chunk(self, run_):
        real(self, run_)
        if not errors:
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()

    with mock.patch.object(KeptJournal, "after_chunk", after_chunk):
        model = fit()
    assert errors == [HELD.format(PATH.absolute())]
    assert_whole(model)
    assert files() == ["run.ckpt", "run.ckpt.previous"]


# Signals

_SCRIPT = """
import os, signal, sys
import joblib
import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skmmap import ChunkedFit, Checkpoint

number, at, twice, is_early = map(int, sys.argv[1:])
calls = 0

def send():
    global calls
    calls += 1
    if calls == at:
        for _ in range(1 + twice):
            os.kill(os.getpid(), number)

class Mine(SGDClassifier):
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        if not is_early:
            send()
        return super().partial_fit(X, y, classes=classes)

class Scaler(StandardScaler):
    def partial_fit(self, X, y=None, sample_weight=None):
        if is_early:
            send()
        return super().partial_fit(X, y)

signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal
if hasattr(signal, "SIGHUP"):  # and not as under nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
mine = Mine(max_iter=2, tol=None, random_state=0)
half = FunctionTransformer(lambda X: X / 2)
model = ChunkedFit(
    make_pipeline(half, Scaler(), mine), chunk_size=12, random_state=0, verbose=1,
    checkpoint=Checkpoint("run.ckpt", seconds=0),
)
try:
    model.fit("X.npy", "y.npy")
    print("hash", joblib.hash(model.estimator_[-1].coef_))
finally:
    print("calls", calls)
"""


def run_script(number=0, at=0, twice=0, is_early=0):
    done = run_fresh(_SCRIPT, int(number), at, twice, is_early)
    return done.returncode, done.stdout.splitlines(), done.stderr


@on_posix
@pytest.mark.parametrize(
    ("number", "at", "is_early", "twice", "said"),
    [
        ("SIGINT", 3, 0, 0, "in epoch 1 of at most 2, after 3 of 5 chunks"),
        ("SIGTERM", 10, 0, 0, "in epoch 2 of at most 2, after 5 of 5 chunks"),
        ("SIGINT", 2, 1, 0, "in epoch 1 of at most 1, after 2 of 5 chunks"),
        # The chunk that is learned is not waited for.
        ("SIGINT", 3, 0, 1, "in epoch 1 of at most 2, after 2 of 5 chunks"),
        # The terminal was closed.
        ("SIGHUP", 3, 0, 0, "in epoch 1 of at most 2, after 3 of 5 chunks"),
        # Sent to the process and to its group.
        ("SIGTERM", 3, 0, 1, "in epoch 1 of at most 2, after 3 of 5 chunks"),
    ],
)
def test_a_signal_ends_a_process_that_goes_on_when_it_is_run_again(
    number, at, is_early, twice, said
):
    """With a class of the script, and a lambda, that the next run has as well."""
    code = getattr(signal, number)
    status, out, err = run_script(code, at, twice, is_early)
    assert f"calls {at}" in out
    assert (
        f"UserWarning: fit was interrupted. Its state {said} is in {PATH.absolute()}: "
        "to continue, call fit again with the same parameters and rows."
    ) in err
    if number != "SIGINT":
        assert status == 128 + code
    else:
        assert err.rstrip().endswith("KeyboardInterrupt")
        assert status in (130, -signal.SIGINT)
    status, out, err = run_script()
    assert (status, err) == (0, "")
    assert f"fit: continued from {PATH.absolute()}, {said}" in out
    n_done = 5 * ("epoch 2" in said) + int(re.search(r"after (\d)", said)[1])
    assert f"calls {10 - n_done * (not is_early)}" in out
    resumed = next(line for line in out if line.startswith("hash"))
    for path in (PATH, BEFORE):
        path.unlink()
    assert resumed in run_script()[1]


def test_handlers_are_put_back():
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with (
        says("fit was interrupted. Its state in epoch 1"),
        interrupted_after(3),
        pytest.raises(KeyboardInterrupt),
    ):
        fit()
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    assert_whole(fit())
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


class Preempted(Exception):
    pass


@pytest.mark.parametrize("ends", [True, False])
def test_handlers_of_the_user_are_called_after_the_chunk(ends):
    """What they raise ends the fit, which otherwise goes on."""
    heard = []

    def handle(number, frame):
        heard.append((number, frame.f_code.co_name, PATH.exists()))
        if ends:
            raise Preempted

    signal.signal(signal.SIGINT, handle)
    with interrupted_after(3):
        if ends:
            with pytest.raises(Preempted) as caught:
                fit()
            note = caught.value.__notes__[-1]
            assert note.startswith("Its state in epoch 1 of at most 2, after 4 of 5 ch")
        else:
            model = fit()
    assert heard[0][::2] == (signal.SIGINT, True)
    assert signal.getsignal(signal.SIGINT) is handle
    assert_whole(fit() if ends else model)


def test_a_state_that_cannot_be_written_when_it_is_interrupted():
    real = Generations.write

    def write(self, about, sections):
        if "after 4 of 5" in about["said"]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, about, sections)

    texts = (
        "what was there before is unchanged.",
        "Its state in epoch 1 of at most 2, af",
    )
    with (
        mock.patch.object(Generations, "write", write),
        interrupted_after(3),
        says(*texts),
        pytest.raises(KeyboardInterrupt),
    ):
        fit()
    assert_whole(fit())


def test_a_thread_has_no_handlers():
    heard, results = [], []
    signal.signal(signal.SIGINT, lambda *args: heard.append(1))
    mine = signal.getsignal(signal.SIGINT)
    real = KeptJournal.after_chunk

    def after_chunk(self, run):
        assert signal.getsignal(signal.SIGINT) is mine
        real(self, run)

    with mock.patch.object(KeptJournal, "after_chunk", after_chunk):
        thread = threading.Thread(target=lambda: results.append(fit()))
        thread.start()
        thread.join()
    assert_whole(results[0])


def test_a_signal_while_rows_are_written_to_a_temporary_file(monkeypatch):
    from skmmap.pipelines import spill

    real, sent = spill._iter_parts, []

    def parts(rows):
        for part in real(rows):
            if not sent:
                sent.append(os.kill(os.getpid(), signal.SIGINT))
            yield part

    monkeypatch.setattr(spill, "_is_worth_it", lambda *args: True)
    pipeline = make_pipeline(StandardScaler(), SGD)
    with monkeypatch.context() as patch:
        patch.setattr(spill, "_iter_parts", parts)
        with (
            says(
                "Its state while transformed rows were written to a temporary file is"
            ),
            killed_after(5),  # of the scaler
            pytest.raises(KeyboardInterrupt),
        ):
            fit(pipeline)
    assert_whole(fit(pipeline), pipeline)


# Files that others can have written


def link(path):
    shutil.move(path, "elsewhere")
    os.symlink("elsewhere", path)


def give_away(path):
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    else:
        os.geteuid = lambda: 12345


SHARED = {
    "is a link": link,
    "belongs to another user": give_away,
    "has more than one hard link": lambda path: os.link(path, "elsewhere"),
}


@on_posix
@pytest.mark.parametrize("said", SHARED)
@pytest.mark.parametrize("name", ["run.ckpt", ".run.ckpt.lock"])
def test_files_that_others_may_have_put_there_are_refused(name, said, monkeypatch):
    monkeypatch.setattr(os, "geteuid", os.geteuid)
    kill(3)
    Path(name).touch()
    SHARED[said](name)
    text = rf"file .*/{name} {said}, so its contents cannot be trusted. Delete it and"
    with killed_after(0), pytest.raises(PermissionError, match=text):
        fit()
    assert os.path.lexists(name)


@on_posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_files_that_others_can_write_to_are_refused(mode):
    kill(3)
    PATH.chmod(mode)
    text = (
        f"The file {PATH.absolute()} can be written by other users (mode {mode:o}), so "
        "its contents cannot be trusted. If nobody has: chmod 600"
    )
    with pytest.raises(PermissionError, match=re.escape(text)):
        fit()
    PATH.chmod(0o600)
    assert_whole(fit())


@on_posix
def test_what_lies_under_the_hidden_name_is_not_written_to():
    hidden = name_hidden(PATH.absolute())
    Path("victim").write_text("mine")
    os.symlink("victim", hidden)
    assert_whole(fit())
    assert Path("victim").read_text() == "mine"
    for path in (PATH, BEFORE, hidden):
        path.unlink()
    # Somebody who has opened a file could write to it after it is in its place.
    hidden.touch()
    hidden.chmod(0o666)
    with open(hidden, "r+b") as theirs:
        kill(0)
        inode = os.fstat(theirs.fileno()).st_ino
    assert inode not in (PATH.stat().st_ino, BEFORE.stat().st_ino)
    assert PATH.stat().st_mode & 0o777 == 0o600
    assert_whole(fit())


# Estimators that cannot be pickled


class Holds(SGDClassifier):
    """Holds a lock from the beginning."""

    def __init__(self, max_iter=2, tol=None, random_state=0):
        super().__init__(max_iter=max_iter, tol=tol, random_state=random_state)
        self.lock = threading.Lock()


class Takes(SGDClassifier):
    """Takes a lock as a parameter, which can be copied, and pickled not."""

    def __init__(self, lock=None):
        super().__init__()
        self.lock = lock


class Lock:
    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        raise TypeError("cannot pickle 'Lock' object")

    def __repr__(self):
        return "Lock"


class Learns(SGDClassifier):
    """Holds a lock once it has learned."""

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        self.lock_ = threading.Lock()
        return super().partial_fit(X, y, classes=classes)


def test_an_estimator_that_cannot_be_pickled_is_an_error_before_the_first_chunk():
    text = (
        "checkpoint= writes the estimator to a file, and Holds cannot be pickled "
        "(TypeError: cannot pickle '_thread.lock' object). Leave out what it holds of "
        "this process in its __getstate__, or do without a checkpoint."
    )
    with killed_after(0), pytest.raises(TypeError, match=re.escape(text)):
        fit(Holds())
    text = "cannot: TypeError: cannot pickle '_thread.lock' object. Open files"
    with killed_after(0), pytest.raises(TypeError, match=re.escape(text)):
        fit(make_pipeline(StandardScaler(), Holds()))
    assert not PATH.exists()
    text = (
        "checkpoint= needs parameters that can be pickled, and estimator__lock (Lock) "
        "cannot: TypeError: cannot pickle 'Lock' object. Open files"
    )
    with killed_after(0), pytest.raises(TypeError, match=re.escape(text)):
        fit(Takes(Lock()))


def test_an_estimator_that_learns_what_cannot_be_pickled_is_trained_without():
    text = "(TypeError: cannot pickle '_thread.lock' object); what was there before is"
    with says(text):
        model = fit(Learns(max_iter=2, tol=None, random_state=0))
    assert model.n_epochs_ == 2


def test_lambdas_are_parameters():
    def pipeline(n):
        return make_pipeline(FunctionTransformer(lambda rows: rows / n), SGD)

    kill(8, pipeline(2))
    coef = fit(pipeline(2)).estimator_[-1].coef_
    whole = fit(pipeline(2), checkpoint=None)
    np.testing.assert_array_equal(coef, whole.estimator_[-1].coef_)
    text = r"another run:\n- estimator__functiontransformer__func: function .* now\nTo"
    with pytest.raises(ValueError, match=text):
        fit(pipeline(3))


# Callbacks


class Pinned(Listener):
    """Cannot be pickled, as what draws on a terminal."""

    def __init__(self, stop_at=None):
        super().__init__(stop_at)
        self.lock = threading.Lock()

    def __deepcopy__(self, memo):
        return self


def begun(listener):
    return [e[1:3] for e in listener.events if e[0] == "begin" and e[1] != "fit"]


@needs_sklearn_1_9
@pytest.mark.parametrize("n_chunks", [0, 3, 4, 6])
def test_callbacks_are_told_of_the_rest_with_its_numbers(n_chunks):
    whole, first, second = Pinned(), Pinned(), Pinned()
    make(checkpoint=None).set_callbacks(whole).fit("X.npy", "y.npy")
    with pytest.raises(Killed), killed_after(n_chunks):
        make().set_callbacks(first).fit("X.npy", "y.npy")
    model = make().set_callbacks(second).fit("X.npy", "y.npy")
    expected = begun(whole)
    chunks = [e for e in expected if e[0] == "chunk"]
    told = [[e for e in begun(each) if e[0] == "chunk"] for each in (first, second)]
    assert told[0] + told[1] == chunks
    # An epoch that was begun begins again, under its number.
    epochs = [[e for e in begun(each) if e[0] == "epoch"] for each in (first, second)]
    n_begun = 1 + (n_chunks >= 5)
    assert epochs[0] == [("epoch", number) for number in range(n_begun)]
    assert epochs[1] == [("epoch", number) for number in range(n_begun - 1, 2)]
    assert second.events[-1] == "teardown"
    assert_whole(model)


@needs_sklearn_1_9
def test_callbacks_of_steps_are_not_written():
    def pipeline():
        return make_pipeline(StandardScaler().set_callbacks(Pinned()), SGD)

    with says():
        kill(8, pipeline())
        model = fit(pipeline())
        again = fit(pipeline())
    assert_alike(again.estimator_[-1], model.estimator_[-1])
    assert len(model.estimator_[0]._skl_callbacks) == 1
    scaler = StandardScaler().set_callbacks(Pinned())
    with says():
        kill(2, scaler, checkpoint="scaler.ckpt")
        fit(scaler, checkpoint="scaler.ckpt")
        again = fit(scaler, checkpoint="scaler.ckpt")
    assert len(again.estimator_._skl_callbacks) == 1


# Generators and threads


def test_the_generator_of_all_code_goes_on():
    estimator = SGDClassifier(max_iter=2, tol=None)
    np.random.seed(3)
    params = {"random_state": None, "max_epochs": 2, "shuffle": False}
    whole = fit(estimator, checkpoint=None, **params)
    drawn = np.random.random()
    np.random.seed(3)
    for number, n_chunks in enumerate([2, 3, 1]):
        kill(n_chunks, estimator, **params)
        np.random.seed(number)  # of another process
    model = fit(estimator, **params)
    assert_alike(model.estimator_, whole.estimator_)
    assert np.random.random() == drawn


class Tells(SGDClassifier):
    """Says with how many threads BLAS computes."""

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        self.blas_ = [*getattr(self, "blas_", []), _count_threads()]
        return super().partial_fit(X, y, classes=classes)


def _count_threads():
    return [
        lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"
    ]


def test_threads_of_blas_are_those_of_the_beginning():
    estimator = Tells(max_iter=2, tol=None, random_state=0)
    with threadpool_limits(2, user_api="blas"):
        first = _count_threads()
        kill(3, estimator)
    with threadpool_limits(1, user_api="blas"):
        now = _count_threads()
        model = fit(estimator)
        assert _count_threads() == now
    assert first != now
    assert model.blas_ == [first] * N_CHUNKS


def test_other_threads_of_blas_are_told_of(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(kept_run, "find_thread_counts", lambda: {"libother.so": 3})
        kill(3)
    text = (
        "The libraries libother.so do not compute with as many threads as when the run "
        "began, so the last bits may be others."
    )
    with says(text):
        fit()
