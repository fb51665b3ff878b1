"""Results in files and given arrays: as in memory, whole or absent, resumed."""

import errno
import os
import signal
from contextlib import nullcontext
from fractions import Fraction

import numpy as np
import pytest
from helpers import combine, in_file_order, raises
from processes import run_fresh
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import EfficiencyWarning
from sklearn.linear_model import SGDClassifier, SGDOneClassSVM
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, open_rows
from skmmap.disk.hidden import name_hidden
from skmmap.disk.unfinished import Unfinished

RNG = np.random.default_rng(0)
X = RNG.standard_normal((1_000, 5)).astype(np.float32)
Y = np.where(X[:, 0] > 0, "yes", "no")


@pytest.fixture(autouse=True)
def _nothing_left(nothing_left_open):
    """Every test ends with the files and threads that it began with."""


@pytest.fixture
def path(tmp_path):
    """Return the path of X."""
    np.save(tmp_path / "X.npy", X)
    return tmp_path / "X.npy"


@pytest.fixture
def out(tmp_path):
    """Return a path in a folder that is to hold nothing but the file in the end."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "result.npy"


def fitted(model):
    return in_file_order(model, chunk_size=64).fit(X, Y)


class Counts(TransformerMixin, BaseEstimator):
    """Counts the rows that it transforms, and fails at one of them."""

    def __init__(self, scale=2.0):
        self.scale = scale

    def partial_fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        if np.any(X[:, 0] == FAILS.get("at", np.nan)):
            raise FAILS["error"]
        SEEN.append(len(X))
        return X * self.scale


FAILS, SEEN = {}, []


@pytest.fixture
def counts():
    """Return a fitted estimator that tells what it is asked for."""
    FAILS.clear()
    SEEN.clear()
    yield in_file_order(Counts(), chunk_size=64).fit(X)
    FAILS.clear()


MODELS = [
    (GaussianNB(), ["predict", "predict_proba", "predict_log_proba"]),
    (SGDClassifier(random_state=0), ["predict", "decision_function"]),
    (StandardScaler(), ["transform", "inverse_transform"]),
    (MiniBatchKMeans(3, random_state=0), ["predict", "transform"]),
    (SGDOneClassSVM(random_state=0), ["predict", "score_samples"]),
]
METHODS = [(model, method) for model, methods in MODELS for method in methods]


@pytest.mark.parametrize(
    ("made", "read"), combine(METHODS, ["map", "buffer"], together=1)
)
def test_a_file_holds_what_is_returned(path, out, made, read):
    model, method = made
    wrapper = fitted(model).set_params(read=read)
    rows = open_rows(path)
    mixed = rows[np.random.default_rng(1).permutation(1_000)[:700]]
    for given in (path, rows[100:], rows[::-3], mixed, X):
        expected = getattr(wrapper, method)(given)
        result = getattr(wrapper, method)(given, out=out)
        assert isinstance(result, np.memmap)
        assert not result.flags.writeable
        assert result.dtype == expected.dtype
        np.testing.assert_array_equal(result, expected)
        del result
        np.testing.assert_array_equal(np.load(out), expected)
        assert os.listdir(out.parent) == [out.name]


def test_no_rows_are_an_empty_file(counts, path, out):
    result = counts.transform(open_rows(path)[:0], out=out)
    assert result.shape == (0, 5)
    assert np.load(out).dtype == np.float32


def test_an_array_is_filled(counts, path, tmp_path):
    rows = open_rows(path)
    mixed = rows[np.random.default_rng(1).permutation(1_000)]
    array = np.zeros((1_000, 5))
    for given in (path, X, mixed):
        array[...] = 0
        assert counts.transform(given, out=array) is array
        np.testing.assert_array_equal(array, counts.transform(given))
    half = np.zeros((1_000, 5), np.float16)  # as NumPy: of real numbers, any
    counts.transform(path, out=half)
    np.testing.assert_array_equal(half, (X * 2).astype(np.float16))
    args = tmp_path / "map.npy", "w+", np.float32, (1_000, 5)
    counts.transform(path, out=np.lib.format.open_memmap(*args))
    np.testing.assert_array_equal(np.load(tmp_path / "map.npy"), X * 2)


@pytest.mark.parametrize(
    ("array", "error", "said"),
    [
        (
            np.zeros((999, 5)),
            ValueError,
            "out has the shape (999, 5), and the result has 1,000 rows.",
        ),
        (
            np.zeros((1_000, 4)),
            ValueError,
            "out has rows of the shape (4,), and rows 0 to 63 of the result have (5,).",
        ),
        (
            np.zeros((1_000, 5), np.int64),
            TypeError,
            "out is of int64, which cannot keep float32, of which rows 0 to 63 of the "
            "result are.",
        ),
        (
            X,
            ValueError,
            "out is the array that X is read from, which is never written to. Give "
            "another one.",
        ),
        (
            np.broadcast_to(0.0, (1_000, 5)),
            ValueError,
            "out is an array that cannot be written to. Open the map with mode='r+', "
            "or give another array.",
        ),
        (
            [0.0],
            TypeError,
            "out must be None, a path that ends in '.npy', a folder for a sparse "
            "result, or an array; got list.",
        ),
    ],
)
def test_an_array_that_does_not_fit_is_refused(counts, array, error, said):
    with raises(error, said):
        counts.transform(X, out=array)


def test_a_path_that_cannot_be_is_refused(counts, path, tmp_path):
    before = path.read_bytes()
    with raises(ValueError, "out must end in '.npy'; got 'a.dat'. Write 'a.dat.npy'."):
        counts.transform(path, out="a.dat")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        counts.transform(path, out=tmp_path / "none" / "a.npy")
    os.symlink(path, tmp_path / "link.npy")
    fortran = tmp_path / "F.npy"
    np.save(fortran, np.asfortranarray(X))
    for given, target in [
        (path, path),
        (path, tmp_path / "link.npy"),
        (open_rows(path)[5:], path),
        (fortran, fortran),
    ]:
        slow = pytest.warns(EfficiencyWarning) if given is fortran else nullcontext()
        with slow, pytest.raises(ValueError, match="out is the file that X is read"):
            counts.transform(given, out=target)
    with pytest.raises(ValueError, match="out is the array that X is read from"):
        counts.transform(path, out=np.load(path, mmap_mode="r+"))
    assert path.read_bytes() == before
    for nowhere in (None, np.zeros((1_000, 5))):
        with pytest.raises(ValueError, match="resume=True continues the file"):
            counts.transform(path, out=nowhere, resume=True)


def test_results_that_are_no_array_are_refused(path, out):
    several = MultiOutputClassifier(GaussianNB())
    wrapper = in_file_order(several, chunk_size=64)
    wrapper.fit(X, np.c_[X[:, 0] > 0, X[:, 1] > 0].astype(int))
    with pytest.raises(TypeError, match="is a list of several outputs"):
        wrapper.predict_proba(path, out=out)
    scaler = fitted(StandardScaler()).set_output(transform="pandas")
    with pytest.raises(TypeError, match="Call set_output\\(transform='default'\\)"):
        scaler.transform(path, out=out)
    objects = in_file_order(Counts(scale=Fraction(1, 2)), chunk_size=64).fit(X)
    objects.set_params(dtype=np.int64)
    with pytest.raises(TypeError, match="pickled Python objects"):
        objects.transform(np.ones((100, 5), np.int32), out=out)
    assert os.listdir(out.parent) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(counts, path, out, error):
    np.save(out, np.ones(3))
    FAILS.update(at=X[500, 0], error=error("no more"))
    with pytest.raises(error, match="no more"):
        counts.transform(path, out=out)
    assert os.listdir(out.parent) == [out.name]
    np.testing.assert_array_equal(np.load(out), np.ones(3))


@pytest.mark.parametrize("order", ["file", "mixed"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_is_done_is_not_done_again(counts, path, out, error, order):
    rows = open_rows(path)
    if order == "mixed":
        rows = rows[np.random.default_rng(1).permutation(1_000)]
    expected = counts.transform(rows).copy()
    SEEN.clear()
    FAILS.update(at=X[500, 0], error=error("no more"))
    with pytest.raises(error):
        counts.transform(rows, out=out, resume=True)
    assert not out.exists()
    FAILS.clear()
    assert sum(SEEN) == 448  # 7 chunks
    np.testing.assert_array_equal(
        counts.transform(rows, out=out, resume=True), expected
    )
    assert sum(SEEN) == 1_000
    assert os.listdir(out.parent) == [out.name]


def changed_estimator(counts, path):
    counts.estimator_.scale = 3.0


def changed_chunks(counts, path):
    counts.set_params(chunk_size=50)


def changed_data(counts, path):
    np.save(path, X + 1)


def changed_type(counts, path):
    counts.set_params(dtype=np.float64)


@pytest.mark.parametrize(
    "change", [changed_estimator, changed_chunks, changed_data, changed_type]
)
def test_what_is_not_the_same_begins_anew(counts, path, out, change):
    FAILS.update(at=X[500, 0], error=RuntimeError("no more"))
    with pytest.raises(RuntimeError):
        counts.transform(path, out=out, resume=True)
    FAILS.clear()
    SEEN.clear()
    change(counts, path)
    expected = counts.transform(path)
    SEEN.clear()
    np.testing.assert_array_equal(
        counts.transform(path, out=out, resume=True), expected
    )
    assert sum(SEEN) == 1_000


def test_how_rows_are_brought_changes_nothing(counts, path, out):
    FAILS.update(at=X[500, 0], error=RuntimeError("no more"))
    with pytest.raises(RuntimeError):
        counts.set_params(read="buffer").transform(path, out=out, resume=True)
    FAILS.clear()
    SEEN.clear()
    counts.set_params(read="map").transform(path, out=out, resume=True)
    assert sum(SEEN) == 1_000 - 448


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")
@pytest.mark.parametrize("resume", [False, True])
def test_a_run_that_was_killed_is_resumed(path, out, resume):
    code = """
        import os, signal, sys
        import numpy as np
        from sklearn.naive_bayes import GaussianNB
        from skmmap import ChunkedFit
        from skmmap.apply import output_file

        path, out, resume = sys.argv[1], sys.argv[2], sys.argv[3] == "True"
        output_file._SECONDS = -1
        X = np.load(path)
        wrapper = ChunkedFit(GaussianNB(), chunk_size=64, max_epochs=1, shuffle=False)
        wrapper.fit(X, X[:, 0] > 0)
        if resume:
            print(wrapper.predict_proba(path, out=out, resume=True)[-1, 0])
            raise SystemExit
        predict = GaussianNB.predict_proba
        def die(self, X):
            die.n = getattr(die, "n", 0) + 1
            if die.n == 9:
                os.kill(os.getpid(), signal.SIGKILL)
            return predict(self, X)
        GaussianNB.predict_proba = die
        wrapper.predict_proba(path, out=out)
    """

    def run(resume):
        return run_fresh(code, path, out, resume)

    assert run(False).returncode == -signal.SIGKILL
    (hidden,) = os.listdir(out.parent)
    assert hidden.startswith(".skmmap_")
    wrapper = in_file_order(GaussianNB(), chunk_size=64).fit(X, X[:, 0] > 0)
    if not resume:  # it is replaced, whatever is in it
        np.testing.assert_array_equal(
            wrapper.predict_proba(path, out=out), wrapper.predict_proba(path)
        )
        assert os.listdir(out.parent) == [out.name]
        return
    with open(out.parent / hidden, "rb") as file:
        assert file.read()[-16:] == b"\1" * 8 + b"\0" * 8
    done = run(True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(out), wrapper.predict_proba(path))
    assert os.listdir(out.parent) == [out.name]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")
def test_what_several_jobs_have_done_is_kept(path, out):
    """A kill costs what they were just doing, not all that is in their turn."""
    code = """
        import os, signal, sys, time
        from sklearn.naive_bayes import GaussianNB
        from skmmap import ChunkedFit
        from skmmap.apply import output_file
        import numpy as np

        output_file._SECONDS = -1
        X, calls = np.load(sys.argv[1]), []
        wrapper = ChunkedFit(GaussianNB(), chunk_size=10, max_epochs=1, shuffle=False)
        wrapper.set_params(n_jobs=2).fit(X, X[:, 0] > 0)
        predict = GaussianNB.predict
        def die(self, X):
            calls.append(len(X))
            if len(calls) == 20:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.01)
            return predict(self, X)
        GaussianNB.predict = die
        wrapper.predict(sys.argv[1], out=sys.argv[2], resume=True)
    """
    assert run_fresh(code, path, out).returncode == -signal.SIGKILL
    (hidden,) = out.parent.iterdir()
    # The main thread notes them in turn, each after the disk, and may lag behind a slow
    # one. In few turns of 12 chunks there would be one.
    assert hidden.read_bytes()[-100:].count(b"\1") > 9


def test_two_runs_do_not_write_the_same(counts, path, out):
    fcntl = pytest.importorskip("fcntl")
    FAILS.update(at=X[500, 0], error=RuntimeError("no more"))
    with pytest.raises(RuntimeError):
        counts.transform(path, out=out, resume=True)
    FAILS.clear()
    (hidden,) = out.parent.iterdir()
    with open(hidden, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for resume in (True, False):
            with pytest.raises(BlockingIOError, match="Another run is writing"):
                counts.transform(path, out=out, resume=resume)
    counts.transform(path, out=out)
    assert os.listdir(out.parent) == [out.name]


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes no file that is open")
def test_what_is_given_up_is_gone_before_its_lock(tmp_path, monkeypatch):
    """Or another run could begin to go on with it, and then lose it."""
    pytest.importorskip("fcntl")
    unlink, path = os.unlink, tmp_path / "y.npy"

    def look(hidden, *args, **kwargs):
        with pytest.raises(BlockingIOError):
            Unfinished(path, key="same")
        unlink(hidden, *args, **kwargs)

    begun = Unfinished(path, key="same")
    monkeypatch.setattr(os, "unlink", look)
    begun.discard()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("was_there", [False, True])
def test_runs_that_begin_at_once(tmp_path, monkeypatch, was_there):
    """Whether the file is there can be another between the question and the open."""
    path, asked = tmp_path / "y.npy", []
    hidden = name_hidden(path, "same")
    exists = os.path.lexists

    def answer(name):
        if name != hidden:
            return exists(name)
        asked.append(name)
        return exists(name) if len(asked) > 1 else not exists(name)

    if was_there:
        hidden.touch()
    monkeypatch.setattr(os.path, "lexists", answer)
    Unfinished(path, key="same").discard()
    assert len(asked) == 2
    with pytest.raises(FileNotFoundError):
        Unfinished(tmp_path / "none" / "y.npy", key="same")


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="POSIX only")
def test_a_full_disk_is_said_before_anything_is_computed(
    counts, path, out, monkeypatch
):
    def fail(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        counts.transform(path, out=out)
    assert sum(SEEN) == 64
    (note,) = caught.value.__notes__
    assert note.startswith(f"while writing {out}, which takes 20.1 kB. Make room")
    assert os.listdir(out.parent) == []


def test_what_cannot_be_pickled_cannot_be_resumed(counts, out):
    class Bound:
        shape, dtype = X.shape, X.dtype

        def __getitem__(self, rows):
            return X[rows]

    with pytest.raises(ValueError, match="rows that can be identified"):
        counts.transform(Bound(), out=out, resume=True)
    np.testing.assert_array_equal(counts.transform(Bound(), out=out), X * 2)


# --- Sparse results ------------------------------------------------------------------


class Sparsify(Counts):
    def transform(self, X):
        return sparse.csr_array(np.where(np.abs(X) > 1, X, 0))


def test_a_sparse_result_goes_to_a_folder(path, out):
    wrapper = in_file_order(Sparsify(), chunk_size=64).fit(X)
    folder = out.with_suffix("")
    rows = wrapper.transform(path, out=folder)
    expected = wrapper.transform(X)
    assert (rows.read() != expected).nnz == 0
    assert rows.shape == expected.shape
    assert rows.dtype == np.float32
    assert os.listdir(out.parent) == [folder.name]
    with pytest.raises(FileExistsError, match="is a folder"):
        wrapper.transform(path, out=folder)
    with pytest.raises(ValueError, match="Sort the selection"):
        wrapper.transform(open_rows(path)[::-1], out=out.parent / "other")
    said = (
        f"The result is a sparse matrix, and out={str(out)!r} takes arrays. Give a "
        f"folder: out={str(folder)!r}."
    )
    with raises(TypeError, said):
        wrapper.transform(path, out=out)
    said = (
        "The result is a sparse matrix, and out takes arrays. Give a folder: out='Z'."
    )
    with raises(TypeError, said):
        wrapper.transform(path, out=np.zeros(expected.shape))
    with pytest.raises(ValueError, match="written in one run"):
        wrapper.transform(path, out=out.parent / "other", resume=True)
    assert os.listdir(out.parent) == [folder.name]


def test_a_dense_result_does_not_go_to_a_folder(counts, path, out):
    with pytest.raises(TypeError, match=r"Add '\.npy'"):
        counts.transform(path, out=out.parent / "other")
    assert os.listdir(out.parent) == []


def test_a_failure_leaves_no_folder(path, out):
    class Fails(Sparsify):
        def transform(self, X):
            if X[0, 0] == globals()["X"][448, 0]:
                raise RuntimeError("no more")
            return super().transform(X)

    wrapper = in_file_order(Fails(), chunk_size=64).fit(X)
    with pytest.raises(RuntimeError, match="no more"):
        wrapper.transform(path, out=out.parent / "other")
    assert os.listdir(out.parent) == []


def test_where_results_go_is_no_metadata():
    assert not hasattr(ChunkedFit, "set_transform_request")
    assert "resume" not in str(ChunkedFit(GaussianNB()).get_metadata_routing())
