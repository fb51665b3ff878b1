"""How rows are brought: the same bits by every path, errors in time, nothing left."""

import ctypes
import mmap
import multiprocessing
import os
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from helpers import (
    EXHAUSTIVE,
    Recorder,
    combine,
    in_file_order,
    needs_sklearn_1_9,
    raises,
    state_of,
)
from joblib.externals.loky import get_reusable_executor
from processes import run_fresh
from sklearn.base import BaseEstimator
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, open_rows
from skmmap.formats.shared import map_store as _map_store
from skmmap.formats.shared import page_cache as _page_cache
from skmmap.formats.shared.map_store import MapStore
from skmmap.read import readahead as _readahead
from skmmap.read import table as _table
from skmmap.read.read_path import Reading, find_network
from skmmap.read.readahead import Load, Memory, bring

READS = "map", "buffer", "uncached"
SHUFFLES = False, "chunks", "blocks"
# So little that rows are brought in many pieces, and mixed in many buffers.
SMALL = {"chunk_size": 50, "memory_limit": 200_000}

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3_000, 7)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
W = RNG.random(3_000)


@pytest.fixture(autouse=True)
def _nothing_left(nothing_left_open):
    """Every test ends with the files and threads that it began with."""


@pytest.fixture
def files(tmp_path):
    """Return the paths of X, y and weights."""
    paths = [tmp_path / f"{name}.npy" for name in "Xyw"]
    for path, rows in zip(paths, (X, Y, W), strict=True):
        np.save(path, rows)
    return paths


class Collect(BaseEstimator):
    """Keeps copies of all that it is given."""

    def partial_fit(self, X, y=None, sample_weight=None):
        assert not X.flags.writeable
        self.calls_ = [*getattr(self, "calls_", []), (np.array(X), np.array(y))]
        return self


# --- The same rows, whatever the path ------------------------------------------------


def fit(X, y, w=None, *, shuffle, **params):
    model = SGDClassifier(random_state=0, average=True)
    wrapper = ChunkedFit(model, max_epochs=2, shuffle=shuffle, **SMALL, **params)
    return state_of(wrapper.fit(X, y, w).estimator_)


@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_paths_and_threads_change_no_bit(files, shuffle, monkeypatch):
    expected = fit(X, Y, W, shuffle=shuffle)
    for read in READS if EXHAUSTIVE else ("map", "uncached"):
        assert fit(*files, shuffle=shuffle, read=read) == expected
    ways = (1, True), (2, True), (16, True), (4, False)
    for n_readers, ahead in ways if EXHAUSTIVE else ways[SHUFFLES.index(shuffle) :: 2]:
        brought = partial(bring, n_readers=n_readers, reads_ahead=ahead)
        monkeypatch.setattr(
            _table, "bring", lambda loads, *_, b=brought, **__: b(loads)
        )
        assert fit(*files, shuffle=shuffle, read="buffer") == expected


@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_timing_changes_no_bit(files, shuffle, monkeypatch):
    expected = fit(X, Y, shuffle=shuffle)
    read_into, delays = MapStore.read_into, np.random.default_rng(1)

    def read_late(self, start, stop, out):
        time.sleep(delays.random() / 500)
        read_into(self, start, stop, out)

    monkeypatch.setattr(MapStore, "read_into", read_late)
    assert fit(*files[:2], shuffle=shuffle, read="buffer") == expected


def as_selection(path):
    order = np.random.default_rng(3).permutation(3_000)
    return open_rows(path)[order[:2_000]]


def as_runs(path):
    return open_rows(path)[np.r_[0:1_000, 1_500:3_000]]


def as_shards(path):
    parts = [path.with_name(f"{path.stem}{i}.npy") for i in range(3)]
    for part, rows in zip(parts, np.array_split(np.load(path), 3), strict=True):
        np.save(part, rows)
    return open_rows(parts)


def as_big_endian(path):
    rows = np.load(path)
    np.save(path, rows.astype(rows.dtype.newbyteorder(">")))
    return path


def as_columns_of_a_map(path):
    return np.load(path, mmap_mode="r")[:, ::2] if path.stem == "X" else path


def as_fortran(path):
    np.save(path, np.asfortranarray(np.load(path)))
    return path


def as_every_second_row(path):
    return np.load(path, mmap_mode="r")[::2]


def as_private_map(path):
    rows = np.load(path, mmap_mode="c")
    rows[5] = 1
    return rows


def as_selected_shards(path):
    rows = np.load(path)
    parts = path.with_name(f"{path.stem}a.npy"), path.with_name(f"{path.stem}b.npy")
    np.save(parts[0], np.concatenate([rows[:1_000], rows]))
    np.save(parts[1], rows[:100])
    # Row numbers of the first are larger than the second has rows.
    return open_rows([open_rows(parts[0])[2_000:], open_rows(parts[1])])


KINDS = [
    as_selection,
    as_runs,
    as_shards,
    as_selected_shards,
    as_big_endian,
    as_columns_of_a_map,
    as_fortran,
    as_every_second_row,
    as_private_map,
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.EfficiencyWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("read", READS)
def test_rows_of_every_kind_by_every_path(files, kind, read):
    rows, labels = map(kind, files[:2])
    whole = [np.array(open_rows(value)) for value in (rows, labels)]
    for shuffle in SHUFFLES:
        wrapper = ChunkedFit(Collect(), shuffle=shuffle, read=read, **SMALL)
        wrapper.fit(rows, labels)
        seen = [np.concatenate(part) for part in zip(*wrapper.calls_, strict=True)]
        if kind is not as_selection and not shuffle:
            np.testing.assert_array_equal(seen[0], whole[0])
            np.testing.assert_array_equal(seen[1], whole[1])
        # As pairs, whatever their order.
        both = [np.column_stack(pair) for pair in (seen, whole)]
        both = [pair[np.lexsort(pair.T)] for pair in both]
        np.testing.assert_array_equal(*both)


@pytest.mark.parametrize("read", READS)
def test_predictions_by_every_path(files, read):
    model = SGDClassifier(random_state=0).fit(X, Y)
    wrapper = in_file_order(SGDClassifier(random_state=0), read=read, **SMALL)
    wrapper.fit(files[0], files[1])
    rows = as_selection(files[0])
    expected = wrapper.estimator_.predict(np.asarray(rows))
    np.testing.assert_array_equal(wrapper.predict(rows), expected)
    expected = wrapper.estimator_.score(X, Y, W)
    assert wrapper.score(*files) == pytest.approx(expected, rel=1e-14)
    assert model.n_features_in_ == wrapper.n_features_in_


def test_what_was_written_to_private_pages_is_not_let_go_of(files, monkeypatch):
    """It is nowhere else: advice that is harmless elsewhere would throw it away."""
    monkeypatch.setattr(_map_store, "WINDOW_NBYTES", 1)
    rows = open_rows(files[0], mode="c")
    rows[1_000:2_000] = np.zeros((1_000, 7), np.float32)
    for read in READS:
        for shuffle in SHUFFLES:
            wrapper = ChunkedFit(Collect(), shuffle=shuffle, read=read, **SMALL)
            calls = wrapper.fit(rows).calls_
            assert sum(np.sum(~chunk.any(axis=1)) for chunk, _ in calls) == 1_000
    assert not np.asarray(rows[1_000:2_000]).any()
    np.testing.assert_array_equal(np.load(files[0]), X)


@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_an_object_of_the_users_is_read_by_one_thread_at_a_time(shuffle):
    class Single:
        shape, dtype = (2_000, 3), np.dtype(np.float64)
        is_busy = False

        def __getitem__(self, rows):
            assert not self.is_busy
            self.is_busy = True
            time.sleep(0.001)
            self.is_busy = False
            return np.ones((rows.stop - rows.start, 3))

    wrapper = ChunkedFit(Collect(), shuffle=shuffle, **SMALL).fit(Single())
    assert sum(len(chunk) for chunk, _ in wrapper.calls_) == 2_000


def test_rows_of_no_bytes_and_of_several_dimensions(tmp_path):
    images = RNG.integers(0, 9, (600, 3, 4), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "none.npy", np.empty((600, 0)))
    for read in READS:
        for shuffle in SHUFFLES:
            for name in ("images", "none"):
                path = tmp_path / f"{name}.npy"
                wrapper = ChunkedFit(Collect(), shuffle=shuffle, read=read, **SMALL)
                calls = wrapper.fit(path, np.arange(600)).calls_
                order = np.concatenate([y for _, y in calls])
                expected = np.load(path)[order]
                np.testing.assert_array_equal(
                    np.concatenate([rows for rows, _ in calls]), expected
                )


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_what_an_estimator_keeps_is_not_written_over(files, read, shuffle):
    """Memory is used again, but not under a view that somebody has."""

    class Keeps(Collect):
        def partial_fit(self, X, y=None):
            self.kept_ = [*getattr(self, "kept_", []), X[1:3]]
            return super().partial_fit(X, y)

    wrapper = ChunkedFit(Keeps(), shuffle=shuffle, read=read, **SMALL).fit(files[0])
    assert len(wrapper.kept_) == 60
    for kept, (rows, _) in zip(wrapper.kept_, wrapper.calls_, strict=True):
        np.testing.assert_array_equal(kept, rows[1:3])
        assert kept.base is None  # and the fitted object has copies only


def test_without_advice_to_the_system(files, monkeypatch):
    """As on Windows."""
    expected = fit(X, Y, shuffle=False)
    for name in ("_MADVISE", "_FADVISE"):
        monkeypatch.setattr(_page_cache, name, None)
    monkeypatch.setattr(_map_store, "CAN_RELEASE_PAGES", False)
    for read in READS:
        assert fit(*files[:2], shuffle=False, read=read) == expected


# --- dtype ---------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("read", READS)
def test_dtype_is_what_every_method_sees(tmp_path, shuffle, read):
    rows = RNG.integers(0, 255, (900, 5), dtype=np.uint8)
    np.save(tmp_path / "X.npy", rows)
    for value in (tmp_path / "X.npy", rows, open_rows(tmp_path / "X.npy")[::-1]):
        params = {"dtype": "float32", "read": read, "shuffle": shuffle, **SMALL}
        wrapper = ChunkedFit(Collect(), **params).fit(value)
        assert {chunk.dtype for chunk, _ in wrapper.calls_} == {np.dtype("f4")}
        assert sum(chunk.sum() for chunk, _ in wrapper.calls_) == rows.sum()
        scaler = ChunkedFit(StandardScaler(), **params).fit(value)
        out = scaler.transform(value)
        assert out.dtype == np.float32
        whole = np.asarray(open_rows(value), dtype=np.float32)
        np.testing.assert_array_equal(out, scaler.estimator_.transform(whole))


def test_dtype_of_sparse_rows_and_of_the_score():
    from scipy import sparse

    matrix = sparse.random_array(
        (300, 6), density=0.3, random_state=np.random.default_rng(0), format="csr"
    )
    wrapper = in_file_order(SGDRegressor(random_state=0), dtype=np.float32)
    wrapper.fit(matrix, np.arange(300.0) / 300)
    dense = in_file_order(SGDRegressor(random_state=0))
    dense.fit(matrix.astype(np.float32), np.arange(300.0) / 300)
    assert state_of(wrapper.estimator_) == state_of(dense.estimator_)
    with pytest.raises(ValueError, match="dtype='float32' needs X in one array or CSR"):
        wrapper.predict(np.array([["a"]]))


class OwnScore(SGDClassifier):
    """Its score is not known, so it runs as it is."""

    def score(self, X, y, sample_weight=None):
        assert X.dtype == np.float32
        return super().score(X, y, sample_weight)

    def predict(self, X):
        assert X.dtype == np.float32
        return super().predict(X)


def test_dtype_is_what_a_score_of_ones_own_sees(tmp_path):
    np.save(tmp_path / "X.npy", X.astype(np.float64))
    for model in (OwnScore(random_state=0), OwnScore(early_stopping=True)):
        wrapper = ChunkedFit(model, dtype="float32", max_epochs=2, **SMALL)
        wrapper.fit(tmp_path / "X.npy", Y, X_val=tmp_path / "X.npy", y_val=Y)
        assert wrapper.score(tmp_path / "X.npy", Y) > 0.9


def test_dtype_is_not_for_what_fit_has_not_seen(tmp_path):
    """A few rows in a list or a frame, and what is transformed back."""
    np.save(tmp_path / "X.npy", X)
    scaler = in_file_order(StandardScaler(), dtype="float32", **SMALL)
    scaler.fit(tmp_path / "X.npy")
    np.testing.assert_array_equal(
        scaler.transform(X[:2].tolist()),
        scaler.estimator_.transform(X[:2].astype(np.float64)),
    )
    out = np.array([[0.1] * 7])
    back = scaler.inverse_transform(out)
    assert back.dtype == np.float64
    np.testing.assert_array_equal(back, scaler.estimator_.inverse_transform(out))
    with pytest.raises(ValueError, match="got a list of float64"):
        scaler.fit(X[:2].tolist())


def test_strings_without_a_byte_order_are_mixed():
    words = np.array([f"word {'x' * (i % 40)}{i}" for i in range(300)])
    words = words.astype(np.dtypes.StringDType())[:, None]
    wrapper = ChunkedFit(Collect(), shuffle="blocks", random_state=0, **SMALL)
    wrapper.fit(words)
    seen = np.concatenate([rows for rows, _ in wrapper.calls_])
    assert sorted(seen[:, 0]) == sorted(words[:, 0])
    assert seen.tolist() != words.tolist()


def test_other_libraries_are_asked_by_one_thread_at_a_time(tmp_path, monkeypatch):
    """By several passes as well: of the scores' own, of callbacks, of joblib's."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        for name, rows in {"X": X, "y": Y, "w": W}.items():
            file.create_dataset(name, data=rows)
    rows, target, weights = (open_rows(tmp_path / "rows.h5", key=key) for key in "Xyw")
    store, inside, most = type(rows._source.store), [], []
    read = store._read

    def read_late(self, start, stop):
        inside.append(start)
        most.append(len(inside))
        time.sleep(0.001)
        try:
            return read(self, start, stop)
        finally:
            inside.pop()

    monkeypatch.setattr(store, "_read", read_late)
    for model in (SGDClassifier(random_state=0), SGDRegressor(random_state=0)):
        wrapper = in_file_order(model, chunk_size=500, memory_limit=200_000)
        wrapper.fit(rows, target, weights)
        expected = wrapper.estimator_.score(X, Y, W)
        assert wrapper.score(rows, target, weights) == pytest.approx(expected)
        others = [
            threading.Thread(target=wrapper.predict, args=[rows]) for _ in range(3)
        ]
        for thread in others:
            thread.start()
        assert wrapper.score(rows, target, weights) == pytest.approx(expected)
        for thread in others:
            thread.join()
    assert set(most) == {1}


@pytest.mark.parametrize("dtype", ["int32", bool])
def test_a_dtype_that_cannot_keep_the_values_is_refused(dtype):
    with pytest.raises(ValueError, match="cannot keep what X of float32 has"):
        ChunkedFit(SGDClassifier(), dtype=dtype).fit(X, Y)


@pytest.mark.parametrize("dtype", ["text", "U3", object, "complex64", "datetime64[s]"])
def test_a_dtype_of_no_real_numbers_is_refused(dtype):
    with raises(
        ValueError,
        "dtype must be None or a type of real numbers such as 'float32'; got "
        f"{dtype!r}.",
    ):
        ChunkedFit(SGDClassifier(), dtype=dtype).fit(X, Y)


def test_a_path_that_does_not_exist_is_refused():
    for read in ("mmap", None, 1):
        with raises(
            ValueError,
            f"read must be 'auto', 'map', 'buffer' or 'uncached'; got {read!r}.",
        ):
            ChunkedFit(SGDClassifier(), read=read).fit(X, Y)


# --- Files that change, and errors ---------------------------------------------------


def run(code, *arguments):
    """Run code in a process of its own, which SIGBUS would end."""
    done = run_fresh(code, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows cuts no file that is mapped")
@pytest.mark.parametrize(
    ("shuffle", "read", "order"),
    [
        *combine(["chunks", False], READS, "CF"),
        # It may be truncated while threads look at the map.
        *(("blocks", read, "C") for read in READS if read != "map"),
    ],
)
def test_a_file_that_is_cut_is_an_error(tmp_path, read, shuffle, order):
    """On a map too, where looking at the rows would kill the process."""
    said = run(
        """
        import os, sys
        import numpy as np
        from sklearn.base import BaseEstimator
        from skmmap import ChunkedFit

        path, read, shuffle, order = sys.argv[1:]
        np.save(path, np.ones((100_000, 10), order=order))

        class Cuts(BaseEstimator):
            def partial_fit(self, X, y=None):
                os.truncate(path, 1_000)
                is_here = read != "map" and order == "C"
                self.sum_ = X[:1].sum() if is_here else 0
                return self

        wrapper = ChunkedFit(
            Cuts(), chunk_size=2_000, read=read, memory_limit="2MB",
            shuffle=shuffle if shuffle != "False" else False,
        )
        try:
            wrapper.fit(path)
        except ValueError as error:
            print(error, *error.__notes__ if hasattr(error, "__notes__") else [])
        """,
        tmp_path / "X.npy",
        read,
        shuffle,
        order,
    )
    assert "X.npy' is truncated: " in said
    assert " has 1,000. Write it again." in said
    assert " rows " in said or " row " in said  # in the text or in its note


def test_a_file_that_is_cut_before_it_is_mapped(files, monkeypatch):
    """Between the look at its size and the map, NumPy would name no file."""
    rows, check = open_rows(files[0]), MapStore._check_file

    def cut(store, file, needed):
        state = check(store, file, needed)
        os.truncate(store.path, 1_000)
        return state

    monkeypatch.setattr(MapStore, "_check_file", cut)
    with pytest.raises(ValueError, match=r"is truncated: .* has 1,000. Write it again"):
        rows.read(0, 5)


@pytest.mark.parametrize("read", ["buffer", "uncached"])
def test_a_file_that_is_replaced_is_an_error(tmp_path, read):
    path, other = tmp_path / "X.npy", tmp_path / "other.npy"
    np.save(path, np.ones((100_000, 10)))
    np.save(other, np.zeros((100_000, 10)))

    class Replaces(BaseEstimator):
        def partial_fit(self, X, y=None):
            assert X.all()
            if other.exists():
                os.replace(other, path)
            return self

    wrapper = in_file_order(Replaces(), chunk_size=2_000, read=read, memory_limit=10**6)
    text = r"X\.npy' was replaced since it was opened\. Open it again\."
    with pytest.raises(ValueError, match=text):
        wrapper.fit(path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"X\.npy"):
        wrapper.fit(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows replaces no file that is mapped")
def test_a_file_that_is_replaced_is_not_mapped_in_the_middle(tmp_path):
    """A fit maps it again wherever nobody has looked at it for a moment."""
    path, other = tmp_path / "X.npy", tmp_path / "other.npy"
    np.save(path, np.ones((10, 3)))
    np.save(other, np.zeros((10, 3)))
    held = open_rows(path)._source.store
    view = held.read(0, 1)
    stores = open_rows(path)._source.store.for_run("map"), held.for_run("map")
    assert [store.read(0, 5).all() for store in stores] == [True, True]
    os.replace(other, path)
    assert held.for_run("map").read(0, 5).all()  # as long as somebody looks at it
    del view
    for store in stores:
        with pytest.raises(ValueError, match="was replaced since it was opened"):
            store.read(5, 10)
    assert not open_rows(path)._source.store.for_run("map").read(0, 5).any()


def test_shards_are_shown_where_they_lie(files):
    source = open_rows(as_shards(files[0]))[500:]._source
    for start, stop in [(0, 500), (500, 1_500), (1_500, 1_501)]:
        view = source.view(start, stop)
        assert isinstance(view.base.base, np.memmap)
        np.testing.assert_array_equal(view, X[500 + start : 500 + stop])
    assert source.view(499, 501) is None
    assert source.for_run("buffer").view(0, 500) is None


@pytest.mark.parametrize("read", ["buffer", "uncached"])
def test_a_file_that_is_written_again_is_an_error(tmp_path, read):
    """As by np.save of other rows to the same path."""
    path = tmp_path / "X.npy"
    np.save(path, np.zeros((3_000, 4), np.float32))

    class Writes(Collect):
        def partial_fit(self, X, y=None):
            super().partial_fit(X, y)
            assert not X.any()
            if len(self.calls_) == 3:
                np.save(path, np.full((6_000, 4), 9.0))
            return self

    with pytest.raises(
        ValueError,
        # As long as np.save has just begun, there are none.
        match=r"X\.npy' (was written again since it was opened|is truncated: rows)",
    ):
        in_file_order(Writes(), read=read, **SMALL).fit(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows replaces no file that is mapped")
@pytest.mark.parametrize("read", READS)
def test_a_map_whose_file_was_replaced_is_read_as_it_is(tmp_path, read):
    path, other = tmp_path / "y.npy", tmp_path / "other.npy"
    labels = np.repeat([0, 1], 1_500)
    np.save(path, labels)
    y_mm = np.load(path, mmap_mode="r")
    changed = labels.copy()
    changed[10:1_400] = 1
    np.save(other, changed)
    os.replace(other, path)
    wrapper = in_file_order(Collect(), read=read, **SMALL).fit(X, y_mm)
    seen = np.concatenate([y for _, y in wrapper.calls_])
    np.testing.assert_array_equal(seen, labels)


def test_an_object_is_read_by_the_thread_that_has_it():
    """As connections to a database want it."""

    class Bound(Failing):
        def __getitem__(self, rows):
            assert threading.current_thread() is threading.main_thread()
            return np.ones((rows.stop - rows.start, 4))

    for shuffle in SHUFFLES:
        ChunkedFit(Collect(), shuffle=shuffle, **SMALL).fit(Bound())


def test_what_is_read_in_turn_ends_with_the_fit(tmp_path):
    """Of a library that is used by one thread at a time, after the current piece."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "X.h5", "w") as file:
        file.create_dataset("X", data=np.ones((4_000, 10)))
    rows = open_rows(tmp_path / "X.h5")
    store, reads = type(rows._source.store), []
    read = store._read

    def read_late(self, start, stop):
        reads.append(start)
        time.sleep(0.02)
        return read(self, start, stop)

    class Fails(BaseEstimator):
        def partial_fit(self, X, y=None):
            reads.clear()
            raise RuntimeError("no more")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_read", read_late)
        wrapper = ChunkedFit(Fails(), shuffle="blocks", **SMALL)
        with pytest.raises(RuntimeError, match="no more"):
            wrapper.fit(rows)
    assert len(reads) <= 3


def test_a_file_that_is_removed_is_an_error(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, np.ones((100_000, 10)))

    class Removes(BaseEstimator):
        def partial_fit(self, X, y=None):
            path.unlink(missing_ok=True)
            return self

    params = {"chunk_size": 2_000, "read": "buffer", "memory_limit": 10**6}
    with pytest.raises(FileNotFoundError, match=r"X\.npy") as caught:
        in_file_order(Removes(), **params).fit(path)
    (note,) = caught.value.__notes__
    assert note.startswith("while reading rows ")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            np.ones((1, 4)),
            "a Failing says that it has the shape (10000, 4), and rows 0 to 47 of it "
            "have (1, 4), not (48, 4).",
        ),
        (
            np.ones((48, 4), np.complex128),
            "a Failing is of float64 in its first rows, and rows 0 to 47 of it are of "
            "complex128, whose values it may not hold. Write it again with values of "
            "one type.",
        ),
    ],
)
def test_an_object_that_returns_other_rows_is_an_error(rows, said):
    """NumPy would repeat them, or cast them without a word."""

    class Odd(Failing):
        def __getitem__(self, asked):
            return super().__getitem__(asked) if asked.stop == 1 else rows

    Odd.__name__ = "Failing"
    with raises(ValueError, said):
        in_file_order(Collect(), **SMALL).fit(Odd())


class Failing:
    """Rows of which one cannot be read."""

    shape, dtype = (10_000, 4), np.dtype(np.float64)

    def __init__(self, bad=7_000):
        self.bad = bad

    def __getitem__(self, rows):
        if rows.start <= self.bad < rows.stop:
            raise OSError("bad sector")
        return np.ones((rows.stop - rows.start, 4))


@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_what_fails_in_a_thread_reaches_the_caller(shuffle):
    wrapper = ChunkedFit(Collect(), shuffle=shuffle, chunk_size=100, memory_limit=10**5)
    with pytest.raises(OSError, match="bad sector") as caught:
        wrapper.fit(Failing())
    assert caught.value.__notes__[0].startswith("while reading row")
    assert not hasattr(wrapper, "estimator_")


def test_what_fails_reaches_the_caller_before_the_rows_are_due(tmp_path, monkeypatch):
    """Of a slow estimator with many chunks in memory still to learn."""
    np.save(tmp_path / "X.npy", np.ones((4_000, 10)))
    read_into, reads = MapStore.read_into, []

    def fail(self, start, stop, out):
        reads.append(start)
        if start >= 500:
            failed.set()
            raise OSError("bad sector")
        read_into(self, start, stop, out)

    class Slow(BaseEstimator):
        def partial_fit(self, X, y=None):
            learned.append(len(X))
            time.sleep(0.05)
            assert len(learned) < 10 or failed.wait(60)
            return self

    learned, failed = [], threading.Event()
    monkeypatch.setattr(MapStore, "read_into", fail)
    limit = 128 * 500 * 80  # pieces of 500 rows
    wrapper = in_file_order(Slow(), chunk_size=10, read="buffer", memory_limit=limit)
    with pytest.raises(OSError, match="bad sector"):
        wrapper.fit(tmp_path / "X.npy")
    assert len(learned) < 25  # of the 50 chunks that are there


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("read", READS)
def test_threads_end_when_the_estimator_fails(files, read, error):
    class Fails(BaseEstimator):
        def partial_fit(self, X, y=None):
            if hasattr(self, "seen_"):
                raise error("no more")
            self.seen_ = True
            return self

    wrapper = in_file_order(Fails(), read=read, **SMALL)
    with pytest.raises(error, match="no more") as caught:
        wrapper.fit(files[0])
    # While the traceback still holds the frames of the fit.
    names = [thread.name for thread in threading.enumerate()]
    assert not any("skmmap" in name for name in names)
    del caught


def test_threads_end_when_a_prediction_fails(files):
    wrapper = in_file_order(Recorder(), read="buffer", **SMALL).fit(files[0])
    wrapper.estimator_.predict = lambda X: 1 / 0
    with pytest.raises(ZeroDivisionError) as caught:
        wrapper.predict(files[0])
    assert not any("skmmap" in thread.name for thread in threading.enumerate())
    del caught


@needs_sklearn_1_9
@pytest.mark.parametrize("read", READS)
def test_a_callback_that_stops_leaves_no_thread(files, read, monkeypatch):
    monkeypatch.setattr(_readahead, "_AT_HAND", float("inf"))

    class Stops:
        def setup(self, estimator, context): ...

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context):
            names.append([thread.name for thread in threading.enumerate()])
            return len(names) > 2

    names = []
    wrapper = in_file_order(Collect(), read=read, **SMALL).set_callbacks(Stops())
    wrapper.fit(files[0])
    assert len(wrapper.calls_) == 3
    assert any("skmmap" in name for name in names[0])
    assert not any("skmmap" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("is_started", [False, True])
def test_threads_whose_start_is_interrupted_end(files, monkeypatch, is_started):
    """As by Ctrl+C in the moment in which a pass begins."""
    start, started = threading.Thread.start, []

    def interrupt(self):
        started.append(self)
        if len(started) == 3:
            if is_started:
                start(self)
            raise KeyboardInterrupt
        start(self)

    monkeypatch.setattr(threading.Thread, "start", interrupt)
    with pytest.raises(KeyboardInterrupt):
        in_file_order(Recorder(), read="buffer", **SMALL).fit(files[0])
    assert len(started) == 3
    assert not any(thread.is_alive() for thread in started)


def test_threads_end_with_what_has_them():
    readers = _readahead.Readers()
    readers.open(2)
    threads = list(readers._threads)
    del readers
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_threads_cast_as_the_caller_says(tmp_path):
    """NumPy keeps what to do about overflows for each thread."""
    np.save(tmp_path / "X.npy", np.full((1_000, 4), 1e300))
    wrapper = in_file_order(Collect(), dtype=np.float32, **SMALL)
    with (
        np.errstate(over="raise"),
        pytest.raises(FloatingPointError, match="overflow"),
    ):
        wrapper.fit(tmp_path / "X.npy")
    with np.errstate(over="ignore"):
        wrapper.fit(tmp_path / "X.npy")
    assert np.isinf(wrapper.calls_[0][0]).all()


def count_open():
    maps = Path("/proc/self/maps").read_text().count("\n")
    return len(os.listdir("/proc/self/fd")), maps, threading.active_count()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is there on Linux only")
def test_many_fits_leave_nothing(tmp_path):
    few = tmp_path / "few.npy", tmp_path / "few_y.npy"
    for path, rows in zip(few, (X, Y), strict=True):
        np.save(path, rows[: len(X) if EXHAUSTIVE else 400])

    def fit_all(times):
        for i in range(times):
            wrapper = ChunkedFit(
                SGDClassifier(random_state=0),
                max_epochs=1,
                read=READS[i % 3],
                shuffle=SHUFFLES[i // 3 % 3],
                **SMALL,
            )
            wrapper.fit(*few).predict(few[0])

    fit_all(9)
    n_files, n_maps, n_threads = count_open()
    fit_all(45 if EXHAUSTIVE else 27)
    after = count_open()
    assert after[0] == n_files
    assert after[1] <= n_maps + 10  # of the allocator
    assert after[2] == n_threads


# --- Workers -------------------------------------------------------------------------


def test_workers_read_for_themselves(files):
    rows, labels = map(open_rows, files[:2])
    wrapper = in_file_order(SGDClassifier(random_state=0), read="buffer", **SMALL)
    alone = cross_val_score(wrapper, rows, labels, cv=3)
    together = cross_val_score(wrapper, rows, labels, cv=3, n_jobs=2)
    get_reusable_executor().shutdown(wait=True)
    np.testing.assert_array_equal(together, alone)


def _fit_in_child(paths, there):
    there.send(fit(*paths, shuffle="blocks", read="buffer"))


@pytest.mark.skipif(sys.platform != "linux", reason="forks are safe on Linux only")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_can_fit(files, method):
    expected = fit(*files[:2], shuffle="blocks", read="buffer")
    context = multiprocessing.get_context(method)
    here, there = context.Pipe()
    child = context.Process(target=_fit_in_child, args=(files[:2], there))
    child.start()
    there.close()
    assert here.poll(60)
    assert here.recv() == expected
    here.close()
    child.join(60)
    assert child.exitcode == 0


# --- Which path ----------------------------------------------------------------------


def test_the_path_follows_from_size_mixing_and_limit(files, monkeypatch):
    size, small = {str(files[0]): 10**7}, {str(files[0]): 10**6}
    free = 10**9
    monkeypatch.setattr("skmmap.read.read_path.find_free_memory", lambda: free)
    assert Reading("auto").choose(size)[0] == "map"
    assert Reading("auto", is_mixed=True).choose(size)[0] == "buffer"
    assert Reading("auto", memory_limit=10**7).choose(size)[0] == "buffer"
    assert Reading("auto").choose({str(files[0]): 9 * 10**8})[0] == "buffer"
    assert Reading("auto").choose({"a": 5 * 10**8, "b": 4 * 10**8})[0] == "buffer"
    monkeypatch.setattr("skmmap.read.read_path.find_network", lambda path: "nfs4")
    assert Reading("auto").choose(size) == (
        "buffer",
        "X.npy is on a network file system, nfs4",
    )
    for read in READS:
        assert Reading(read, is_mixed=True).choose(size) == (read, f"read={read!r}")
        assert Reading(read).choose({})[0] == "map"
    assert Reading("auto").choose(small)[0] == "buffer"
    free = None
    monkeypatch.setattr("skmmap.read.read_path.find_network", lambda path: "")
    assert Reading("auto").choose(size)[0] == "buffer"
    assert Reading("auto").choose(small)[0] == "map"  # nobody asks what is free
    monkeypatch.setattr("skmmap.read.read_path.CAN_RELEASE_PAGES", False)
    assert Reading("auto").choose(size)[0] == "buffer"


def test_network_file_systems_are_known_by_their_mount(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "disk / ext4 rw 0 0\nhost:/x /data nfs4 rw 0 0\n/dev/b /data/fast xfs rw 0 0\n"
        "s3 /my\\040bucket fuse.s3fs rw 0 0\n/dev/c /usb fuseblk rw 0 0\n"
        "host:/d /däten nfs rw 0 0\nhost:/e /twice nfs rw 0 0\n"
        "host:/g /one/X.npy nfs rw 0 0\n/dev/e /twice xfs rw 0 0\n"
        "/dev/f /not\xff ext4 rw 0 0\nC:\\ /c drvfs rw 0 0\n",
        encoding="latin-1",
    )
    found = [
        find_network(path, mounts)
        for path in (
            "/elsewhere/X.npy",
            "/data/X.npy",
            "/data/fast/X.npy",
            "/database/X",
        )
    ]
    assert found == ["", "nfs4", "", ""]
    assert find_network("/my bucket/X.npy", mounts) == "fuse.s3fs"
    assert find_network(os.fsdecode(b"/d\xe4ten/X.npy"), mounts) == "nfs"
    assert find_network("/twice/X.npy", mounts) == ""
    assert find_network("/one/X.npy", mounts) == "nfs"
    assert find_network("/c/X.npy", mounts) == "drvfs"
    assert find_network("/usb/X.npy", mounts) == ""
    assert find_network("/data/X.npy", tmp_path / "none") == ""


def count_cached(path) -> float:
    """Return the share of a file's pages that the system's cache has."""
    pages = np.memmap(path, np.uint8, "c")  # private: the address is wanted, no page
    here = (ctypes.c_ubyte * -(-len(pages) // mmap.PAGESIZE))()
    size = ctypes.c_size_t(len(pages))
    ctypes.CDLL(None).mincore(ctypes.c_void_p(pages.ctypes.data), size, here)
    return np.mean(np.frombuffer(here, np.uint8) & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="asks mincore")
def test_uncached_leaves_the_cache_as_it_was(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, np.ones((20_000, 50)))

    def drop():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    drop()
    if count_cached(path) > 0.1:
        pytest.skip("this file system keeps its pages")
    shares = {}
    for read in ("uncached", "buffer"):
        drop()
        in_file_order(StandardScaler(), read=read, chunk_size=1_000).fit(path)
        shares[read] = count_cached(path)
    assert shares["uncached"] < 0.01
    assert shares["buffer"] > 0.9
    drop()
    # In pieces that are smaller than a page.
    params = {"chunk_size": 8, "memory_limit": 128 * 3_200, "read": "uncached"}
    in_file_order(StandardScaler(), **params).fit(path)
    assert count_cached(path) < 0.02


# --- Telling -------------------------------------------------------------------------


class Sleeps(BaseEstimator):
    def partial_fit(self, X, y=None):
        time.sleep(0.01)
        return self


class SlowRows(Failing):
    shape = (1_000, 4)

    def __getitem__(self, rows):
        time.sleep(0.01)
        return np.ones((rows.stop - rows.start, 4))


def test_history_and_verbose_name_what_bounds_the_run(capsys):
    params = {"chunk_size": 100, "memory_limit": 128 * 3_200, "verbose": 1}
    slow = in_file_order(Sleeps(), **params).fit(np.ones((1_000, 4)))
    assert slow.history_["bound_by"] == ["estimator"]
    said = capsys.readouterr().out
    assert "waiting for data (limited by the estimator)\n" in said
    wrapper = in_file_order(Collect(), **params).fit(SlowRows())
    assert wrapper.history_["bound_by"] == ["reading"]
    assert "waiting for data (limited by reading)\n" in capsys.readouterr().out
    (waited,), (seconds,) = (
        wrapper.history_[key] for key in ("read_seconds", "seconds")
    )
    assert 0.05 < waited < seconds


def test_reading_goes_on_while_the_estimator_works(files, monkeypatch):
    """One after the other would take the sum of both."""

    class Waits(BaseEstimator):
        def partial_fit(self, X, y=None):
            # Not before the next rows have been asked for.
            assert len(asked) == 6 or more.wait(30)
            more.clear()
            return self

    read_into, asked, more = MapStore.read_into, [], threading.Event()

    def tell(self, start, stop, out):
        asked.append(start)
        more.set()
        read_into(self, start, stop, out)

    monkeypatch.setattr(MapStore, "read_into", tell)
    params = {"chunk_size": 500, "memory_limit": 128 * 500 * 28, "read": "buffer"}
    in_file_order(Waits(), **params).fit(files[0])
    assert len(asked) == 6


# --- The parts -----------------------------------------------------------------------


def test_memory_is_used_again_unless_somebody_looks():
    for nbytes in (1_000, 4_000_000):
        memory = Memory()
        first = memory.take((nbytes,), np.dtype(np.uint8))
        address = first.__array_interface__["data"][0]
        kept = first[10:20]
        del first
        second = memory.take((nbytes,), np.dtype(np.uint8))
        assert not np.may_share_memory(second, kept)
        assert memory.holds(kept)
        assert memory.holds(second[1:])
        assert not memory.holds(np.empty(3))
        del kept
        third = memory.take((nbytes // 8,), np.dtype(np.float64))
        assert third.__array_interface__["data"][0] == address


def test_memory_that_is_too_small_is_given_back():
    memory = Memory()
    memory.take((10,), np.dtype(np.float64))
    large = memory.take((10**6,), np.dtype(np.float64))
    assert len(memory._kept) == 1
    kept = [memory.take((10**6,), np.dtype(np.float64)) for _ in range(20)]
    assert len(memory._kept) <= 4
    assert all(memory.holds(array) for array in [large, *kept])
    assert len({array.__array_interface__["data"][0] for array in kept}) == 20


def test_objects_are_in_memory_of_their_own():
    memory = Memory()
    array = memory.take((3,), np.dtype(object))
    assert array.tolist() == [None] * 3
    assert not memory.holds(array)


def test_one_load_needs_no_thread(monkeypatch):
    monkeypatch.setattr(_readahead, "Readers", None)
    done = []
    assert [c for c, _ in bring([Load("a", [lambda: done.append(1)])], 4)] == ["a"]
    assert done == [1]
    assert [c for c, _ in bring((Load(c, []) for c in "abc"), 4)] == list("abc")
    assert list(bring([], 4)) == []


@pytest.mark.parametrize("n_at_hand", range(5))
def test_pages_at_hand_need_no_thread_until_one_comes_late(n_at_hand):
    here, is_here = threading.current_thread(), {}

    def note(number):
        is_here[number] = threading.current_thread() is here

    sizes = [10**15] * n_at_hand + [1] * (5 - n_at_hand)
    loads = (Load(i, [partial(note, i)], n) for i, n in enumerate(sizes))
    for number, _ in bring(loads, 4):
        # One that comes late shows that the next ones need a thread.
        assert is_here[number] is (number <= n_at_hand)
        assert max(is_here) <= (number if number < n_at_hand else number + 1)
    assert len(is_here) == 5


@pytest.mark.parametrize("n_loads", [2, 3, 10])
def test_loads_come_whole_and_in_order(n_loads):
    done = []

    def bring_late(number):
        time.sleep((n_loads - number) / 200)
        done.append(number)

    loads = (
        Load(i, [lambda i=i: bring_late(i), lambda i=i: done.append(i)])
        for i in range(n_loads)
    )
    for number, _ in bring(loads, 4):
        assert done.count(number) == 2
        assert max(done) <= number + 1  # one ahead, never more


@pytest.mark.parametrize("n_allowed", [0, 1, 3])
def test_as_many_threads_as_the_system_allows(files, monkeypatch, n_allowed):
    """As where the size of the process is limited, and stacks count."""
    expected, started = fit(X, Y, shuffle="blocks"), []
    start = threading.Thread.start

    def start_few(thread):
        if thread.name.startswith("skmmap"):
            if len(started) % 4 >= n_allowed:
                started.clear()
                raise RuntimeError("can't start new thread")
            started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_few)
    assert fit(*files[:2], shuffle="blocks", read="buffer") == expected
