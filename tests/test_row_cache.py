"""A part of the rows is kept in memory where not all of them fit."""

import pickle

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr
from helpers import Recorder, combine
from scipy import sparse
from sklearn.base import ClassifierMixin, clone
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sources import N_ROWS, make_rows, open_kind, replace, to_table, write
from test_kept_rows import Y, same_calls

from skmmap import ChunkedFit, open_rows
from skmmap._messages import say_size
from skmmap.formats.files.hdf5 import HdfStore
from skmmap.formats.files.parquet import ParquetStore
from skmmap.formats.files.zarr import ZarrStore
from skmmap.formats.open import open_source
from skmmap.formats.shared import MapStore
from skmmap.learn import plan as _plan
from skmmap.learn.memory import find_fit_parts, find_limit_beside, fit_plan
from skmmap.learn.plan import Planner
from skmmap.order import BlockOrder, ChunkOrder, FileOrder, choose_units, find_room
from skmmap.read import NO_CACHE
from skmmap.rows import (
    PartlyLoadedStore,
    Source,
    SparseStore,
    StandIn,
    find_read_nbytes,
)

# Room for 24 to 42 of 60 rows of 16 bytes, beside two buffers or two chunks.
LIMIT = "1600B"
KINDS = "hdf gzip", "zarr 3", "zarr sharded", "parquet", "ipc lz4"
UNCACHED = "npy", "shards", "npy selection"
SHUFFLES = "blocks", "chunks", False


@pytest.fixture
def forget(monkeypatch):
    """Return a function after which nothing is kept."""

    def stop():
        for name in ("find_row_cache", "find_held_out_cache"):
            monkeypatch.setattr(_plan, name, lambda *args: NO_CACHE)

    return stop


def make_wrapper(estimator=None, **params):
    params = {"max_epochs": 3, "chunk_size": 7, "random_state": 0} | params
    estimator = Recorder() if estimator is None else estimator
    return ChunkedFit(estimator, **({"memory_limit": LIMIT} | params))


def open_uncached(kind, folder):
    """Return rows of which none stay in the page cache, and how they are read."""
    is_decoded = kind in KINDS or "CSR" in kind
    return open_kind(kind, folder), {} if is_decoded else {"read": "uncached"}


def find_cache(wrapper, X, y=Y, **params):
    return Planner(wrapper, X, y, params).make().row_cache


def count_rows(units):
    return sum(stop - start for start, stop in units)


def find_kept(wrapper, X):
    """Return how many rows of X are kept: a part of them."""
    (units,) = find_cache(wrapper, X).units.values()
    n_kept = count_rows(units)
    assert 0 < n_kept < N_ROWS
    return n_kept


@pytest.mark.parametrize(
    ("kind", "shuffle"), combine([*KINDS, *UNCACHED], SHUFFLES, together=1)
)
def test_an_estimator_gets_the_same_rows(kind, shuffle, tmp_path, forget):
    X, how = open_uncached(kind, write(kind, tmp_path, 1))
    wrapper = make_wrapper(shuffle=shuffle, **how)
    assert find_kept(wrapper, X)
    weights = np.arange(N_ROWS, dtype=np.float32) + 1
    kept = wrapper.fit(X, Y, sample_weight=weights)
    forget()
    other = make_wrapper(shuffle=shuffle, **how).fit(X, Y, sample_weight=weights)
    same_calls(kept, other)


def test_y_and_weights_are_kept_too(tmp_path, forget):
    paths = [tmp_path / f"{name}.h5" for name in ("X", "y", "w")]
    columns = make_rows(1), Y, np.arange(N_ROWS, dtype=np.float32) + 1
    for path, values in zip(paths, columns, strict=True):
        with h5py.File(path, "w") as file:
            file.create_dataset("rows", data=values, compression="gzip", chunks=True)
    with h5py.File(paths[0], "a") as file:
        del file["rows"]
        file.create_dataset("rows", data=columns[0], compression="lzf", chunks=(5, 2))
    X, y, w = map(open_rows, paths)
    wrapper = make_wrapper(shuffle=False, memory_limit="3kB")
    units = find_cache(wrapper, X, y, sample_weight=w).units
    # Columns are narrow, and kept first.
    assert [count_rows(some) for some in units.values()] == [60, 60, 45]
    kept = wrapper.fit(X, y, sample_weight=w)
    forget()
    same_calls(kept, wrapper.fit(X, y, sample_weight=w))


class Labelled(ClassifierMixin, Recorder):
    """Gets rows of each class as often as asked for."""


@pytest.mark.parametrize("kind", ["npy", "hdf gzip", "parquet", "CSR", "frames"])
def test_rows_that_an_epoch_has_several_times_are_kept(kind, tmp_path, forget):
    """Of labels that are sampled more often than they are in the file."""
    stored = "parquet" if kind == "frames" else kind
    X = open_kind(stored, write(stored, tmp_path, 1))
    if kind == "frames":
        X = open_rows(X, as_frame="pandas")
    for sampling, n_kept in ("oversample", 20), ({0: 12}, 0), ({0: 90}, 0):
        wrapper = make_wrapper(
            Labelled(), sampling=sampling, memory_limit="3kB", max_epochs=1
        )
        plan = Planner(wrapper, X, Y, {}).make()
        assert plan.schedule.n_buffers > 1
        picked = getattr(plan.row_cache, "picked", [])
        assert np.array_equal(picked, np.flatnonzero(Y)[:n_kept])
    wrapper = make_wrapper(
        Labelled(), sampling="oversample", memory_limit="3kB", max_epochs=2
    )
    kept = wrapper.fit(X, Y)
    forget()
    same_calls(kept, clone(wrapper).fit(X, Y))


def test_rows_that_an_epoch_has_several_times_are_read_once(tmp_path, monkeypatch):
    taken = []

    def count(name):
        read = getattr(Source, name)

        def counted(self, *rows):
            if isinstance(self.store, MapStore):
                taken.append(*rows if name == "pick" else [np.arange(*rows)])
            return read(self, *rows)

        return counted

    for name in "pick", "read":
        monkeypatch.setattr(Source, name, count(name))
    X = open_kind("npy", write("npy", tmp_path, 1))
    wrapper = make_wrapper(
        Labelled(), sampling="oversample", memory_limit="3kB", max_epochs=1
    )
    used = np.concatenate([call["X"][:, 0] for call in wrapper.fit(X, Y).calls_])
    assert len(used) == 80
    assert np.bincount(np.concatenate(taken)).tolist() == [1] * N_ROWS
    said = wrapper.explain(X, Y).sections
    assert said["reads"] == (
        "about 8.3 kB in the first epoch, of which 1.9 kB are used; rows that an epoch "
        "has several times stay in memory (320 bytes)"
    )
    assert "320 bytes for rows that are kept" in said["memory"]


STORES = {
    "hdf gzip": HdfStore,
    "zarr 3": ZarrStore,
    "parquet": ParquetStore,
    "npy": MapStore,
}


@pytest.mark.parametrize(("kind", "shuffle"), combine(STORES, SHUFFLES, together=1))
def test_kept_rows_are_read_once(kind, shuffle, tmp_path, monkeypatch, forget):
    store = STORES[kind]
    name = "read_into" if store is MapStore else "read"
    original, read = getattr(store, name), []

    def count(self, start, stop, *out):
        read.append(stop - start)
        return original(self, start, stop, *out)

    monkeypatch.setattr(store, name, count)
    X, how = open_uncached(kind, write(kind, tmp_path, 1))
    wrapper = make_wrapper(shuffle=shuffle, **how)
    n_kept = find_kept(wrapper, X)
    read.clear()
    wrapper.fit(X, Y)
    assert sum(read) == 3 * N_ROWS - 2 * n_kept
    forget()
    read.clear()
    wrapper.fit(X, Y)
    assert sum(read) == 3 * N_ROWS


def test_one_epoch_keeps_what_several_blocks_decode(tmp_path, monkeypatch, forget):
    original, read = ZarrStore._read, []

    def count(self, start, stop):
        read.extend(range(start // 6, -(-stop // 6)))  # the chunks that are decoded
        return original(self, start, stop)

    monkeypatch.setattr(ZarrStore, "_read", count)
    monkeypatch.setattr("skmmap.order.schedule._LEAST_READ_NBYTES", 60)
    path = tmp_path / "X.zarr"
    zarr.create_array(path, data=make_rows(1), chunks=(6, 2))
    fitted, counts = [], []
    for limit in ("3200B", "1600B"):
        wrapper = make_wrapper(max_epochs=1, memory_limit=limit)
        plan = Planner(wrapper, path, Y, {}).make()
        assert plan.schedule.n_buffers > 1
        assert plan.keeps_rows == (limit == "3200B")
        read.clear()
        fitted.append(wrapper.fit(path, Y))
        counts.append(len(read))
    forget()
    monkeypatch.setattr(_plan, "keeps_rows", lambda *args: False)
    for kept in fitted:
        read.clear()
        same_calls(kept, clone(kept).fit(path, Y))
        counts.append(len(read))
    assert counts[0] == 10  # all chunks of the file
    assert counts[1] < counts[3] < counts[2]


def test_one_epoch_keeps_nothing_that_is_decoded_once(tmp_path, monkeypatch):
    monkeypatch.setattr("skmmap.order.schedule._LEAST_READ_NBYTES", 60)
    paths = [tmp_path / f"{rows}.zarr" for rows in (2, 6)]
    for path in paths:
        zarr.create_array(path, data=make_rows(1), chunks=(int(path.stem), 2))
    for path, shuffle in zip(paths, ("blocks", False), strict=True):
        wrapper = make_wrapper(max_epochs=1, memory_limit="3200B", shuffle=shuffle)
        assert not find_cache(wrapper, path).units


def test_units_are_never_as_many_as_rows(tmp_path, monkeypatch):
    path, n_rows, found = tmp_path / "X.zarr", 1000, []
    zarr.create_array(path, data=np.zeros((n_rows, 2)), chunks=(1, 2))
    find_units = ZarrStore.find_units

    def note(self, least_rows):
        found.append(len(find_units(self, least_rows)))
        return find_units(self, least_rows)

    monkeypatch.setattr(ZarrStore, "find_units", note)
    wrapper = make_wrapper(max_epochs=1, memory_limit="16kB")
    plan = Planner(wrapper, path, np.arange(n_rows) % 2, {}).make()
    assert plan.schedule.n_buffers > 1
    assert max(found) <= 5 * plan.schedule.n_reads < n_rows


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_scores_of_held_out_rows_are_the_same(n_jobs, tmp_path, forget):
    X = open_kind("hdf gzip", write("hdf gzip", tmp_path, 1))
    sgd = SGDClassifier(early_stopping=True, random_state=0, validation_fraction=0.5)
    wrapper = make_wrapper(sgd, max_epochs=9, n_jobs=n_jobs)
    plan = Planner(wrapper, X, Y, {}).make()
    assert plan.row_cache.units
    assert bool(plan.held_out_cache.units) == (n_jobs is None)
    kept = wrapper.fit(X, Y)
    score, coef = kept.history_["score"], kept.coef_.tobytes()
    forget()
    assert score == wrapper.fit(X, Y).history_["score"]
    assert len(score) > 1
    assert coef == wrapper.coef_.tobytes()


def test_a_fit_that_is_merged_keeps_nothing(tmp_path):
    """It reads each row once."""
    X = open_kind("parquet", write("parquet", tmp_path, 1))
    wrapper = make_wrapper(GaussianNB(), max_epochs=1, n_jobs=2)
    assert not find_cache(wrapper, X).units
    assert wrapper.fit(X, Y).n_epochs_ == 1


@pytest.mark.parametrize(("kind", "shuffle"), combine(STORES, SHUFFLES, together=1))
def test_rows_of_two_files_are_never_mixed(kind, shuffle, tmp_path):
    folder = write(kind, tmp_path / "folder", 1)
    X, how = open_uncached(kind, folder)
    values = []

    class Writer(Recorder):
        def partial_fit(self, X, y=None, sample_weight=None):
            values.extend(X[:, 0])
            if len(values) > 1.5 * N_ROWS:  # in the second epoch
                replace(kind, folder, 2)
            return super().partial_fit(X, y, sample_weight)

    wrapper = make_wrapper(Writer(), max_epochs=9, shuffle=shuffle, **how)
    assert find_kept(wrapper, X)
    with pytest.raises(ValueError, match="Open it again"):
        wrapper.fit(X, Y)
    # All files of a zarr array are compared at the end of an epoch only.
    assert kind == "zarr 3" or set(values) == {1}


def test_a_file_whose_rows_are_all_kept_is_compared(tmp_path):
    """No row of it is read after the first epoch, which would be noticed."""
    values, paths = [], [tmp_path / f"X_{number}.parquet" for number in range(2)]
    for path, size in zip(paths, (40, 20), strict=True):
        pq.write_table(to_table(make_rows(1, size)), path, row_group_size=20)

    class Writer(Recorder):
        def partial_fit(self, X, y=None, sample_weight=None):
            values.extend(X[:, 0])
            if len(values) > N_ROWS:
                pq.write_table(to_table(make_rows(2, 20)), paths[1])
            return super().partial_fit(X, y, sample_weight)

    X = open_rows(paths)
    wrapper = make_wrapper(Writer(), max_epochs=9, memory_limit="1100B", shuffle=False)
    assert list(find_cache(wrapper, X).units.values()) == [[(40, 60)]]
    with pytest.raises(ValueError, match="Open it again"):
        wrapper.fit(X, Y)
    assert set(values) == {1}


@pytest.mark.parametrize("most_rows", [10_000, 40_000, 75_000])
@pytest.mark.parametrize(
    "order",
    [
        BlockOrder(100_000, 1_000, 1, 0, 10_000, 128),
        ChunkOrder(100_000, 10_000),
        FileOrder(100_000, 10_000),
    ],
    ids=["blocks", "chunks", "file"],
)
def test_each_buffer_has_its_share_of_kept_rows(order, most_rows):
    """The work of reading is spread over the epoch."""
    units = choose_units(np.arange(500, 100_001, 500), most_rows)
    is_kept = np.zeros(100_000, dtype=bool)
    for start, stop in units:
        is_kept[start:stop] = True
    assert is_kept.sum() == most_rows
    for epoch in range(1, 4):
        buffers = list(order.iter_buffers(epoch))
        assert len(buffers) == 10
        for buffer in buffers:
            rows = np.concatenate([np.arange(*block) for block in buffer.blocks])
            assert abs(is_kept[rows].mean() - most_rows / 100_000) < 0.15


def test_units_that_are_kept_fit():
    rng = np.random.default_rng(0)
    for _ in range(200):
        ends = np.cumsum(rng.integers(1, 30, rng.integers(1, 20)))
        most = int(rng.integers(0, ends[-1] + 10))
        units = choose_units(ends, most)
        assert count_rows(units) <= most
        assert {stop for _, stop in units} <= set(ends.tolist())
        # Less than a unit is left of what could be kept, or that has all rows.
        largest = np.diff(ends, prepend=0).max()
        assert count_rows(units) > min(most, ends[-1]) - largest


@pytest.mark.parametrize("kind", [*KINDS, *UNCACHED, "hdf alone"])
@pytest.mark.parametrize(
    "pick",
    [
        slice(None),
        slice(5, 50),
        slice(1, None, 3),
        np.r_[0:20, 30:60],
        np.array([0, 1, 5, 12, 13, 14, 40, 59]),
        np.array([5, 3, 1, 40]),
    ],
    ids=["all", "range", "steps", "runs", "numbers", "descending"],
)
def test_units_of_a_selection(kind, pick, tmp_path):
    rows = open_source(open_kind(kind, write(kind, tmp_path, 1)), "X")
    whole = rows.find_units(4)
    assert whole[-1] == N_ROWS
    if kind not in ("shards", "npy selection"):  # where smaller ones are left
        assert np.all(np.diff(whole, prepend=0) >= 4 * (whole < N_ROWS))
    numbers = np.arange(N_ROWS)[pick]
    picked = rows.select(open_rows(np.arange(N_ROWS))[pick]._source.selection)
    ends = picked.find_units(4).tolist()
    if np.all(np.diff(numbers) > 0):
        expected = np.unique(np.searchsorted(numbers, whole))
        assert ends == expected[expected > 0].tolist()
    assert ends[-1] == len(numbers)


def test_what_is_decoded_together_is_one_unit(tmp_path):
    ends = {
        "parquet": [13, 26, 39, 52, 60],
        "hdf gzip": [7, 14, 21, 28, 35, 42, 49, 56, 60],
        "zarr 3": [7, 14, 21, 28, 35, 42, 49, 56, 60],
    }
    for kind, expected in ends.items():
        source = open_source(open_kind(kind, write(kind, tmp_path / kind, 1)), "X")
        assert source.store.is_decoded
        assert source.find_units(1).tolist() == expected
    for kind in ("npy", "hdf alone", "shards"):
        source = open_source(open_kind(kind, write(kind, tmp_path / kind, 1)), "X")
        assert not source.store.is_decoded


@pytest.mark.parametrize("kind", KINDS)
def test_rows_in_another_process_have_the_same_units(kind, tmp_path):
    rows = open_rows(open_kind(kind, write(kind, tmp_path, 1)))
    units = [
        list(find_cache(make_wrapper(), some).units.values())
        for some in (rows, pickle.loads(pickle.dumps(rows)))
    ]
    assert units[0] == units[1] != []


def test_any_slice_of_partly_loaded_rows():
    rng = np.random.default_rng(0)
    matrix = sparse.random_array((40, 9), density=0.3, format="csr", rng=rng)
    dense = matrix.toarray()
    units = [(3, 7), (7, 8), (20, 33)]
    for rows in (dense, matrix):
        whole = open_source(rows, "X")
        store = PartlyLoadedStore(whole, units, 10**6)
        for start in range(41):
            for stop in range(start, 41):
                read = store.read(start, stop)
                read = read if rows is dense else read.toarray()
                np.testing.assert_array_equal(read, dense[start:stop])
        assert store._room < 10**6


def test_sparse_rows_take_no_more_than_their_room():
    """Those of the second half have ten times as many values as the others."""
    rng = np.random.default_rng(0)
    parts = [
        sparse.random_array((20, 50), density=density, format="csr", rng=rng)
        for density in (0.05, 0.5)
    ]
    source = Source(SparseStore(sparse.vstack(parts, format="csr")))
    units = [(10, 20), (20, 30), (30, 40)]
    room = 30 * source.row_nbytes
    store = PartlyLoadedStore(source, units, room)
    for _ in range(2):
        StandIn(store).read(0, 40)
    kept = [rows for rows in store._rows if rows is not None]
    assert [len(r.indptr) - 1 for r in kept] == [10, 10]
    # The last unit is no longer read as a whole.
    assert list(store._cut(5, 35)) == [
        (5, 10, None),
        (10, 20, 0),
        (20, 30, 1),
        (30, 35, None),
    ]
    sizes = [r.data.nbytes + r.indices.nbytes + r.indptr.nbytes for r in kept]
    assert sum(sizes) + store._room == room


def test_a_compressed_matrix_is_kept(tmp_path, forget):
    matrix = sparse.csr_array(make_rows(1, 400))
    with h5py.File(tmp_path / "X.h5", "w") as file:
        for name in ("data", "indices", "indptr"):
            values = getattr(matrix, name)
            file.create_dataset(name, data=values, compression="gzip", chunks=(10,))
        file.attrs.update({"encoding-type": "csr_matrix", "shape": matrix.shape})
    X, y = tmp_path / "X.h5", np.arange(400) % 2
    params = {"memory_limit": "8kB", "max_epochs": 2}
    wrapper = make_wrapper(**params)
    assert 0.2 < find_cache(wrapper, X, y).share < 0.8
    kept = wrapper.fit(X, y)
    forget()
    same_calls(kept, make_wrapper(**params).fit(X, y))


def test_rows_that_cost_nothing_to_read_are_not_kept(tmp_path, monkeypatch):
    """Those of the page cache, of which a part could be kept."""
    path = write("npy", tmp_path, 1) / "X.npy"
    wrapper = make_wrapper()
    assert not find_cache(wrapper, path).units
    assert not find_cache(wrapper, np.load(path)).units
    # With a file that is larger than free memory each epoch comes from the disk.
    monkeypatch.setattr("skmmap.read.read_path.find_free_memory", lambda: 100)
    monkeypatch.setattr("skmmap.read.read_path._PIECE_NBYTES", 100)
    assert find_cache(wrapper, path).units
    assert not find_cache(wrapper, np.load(path)).units
    mapped = make_wrapper(shuffle=False, read="map")
    assert not find_cache(mapped, path).units


def test_rows_that_may_be_written_to_are_not_kept(tmp_path):
    write("hdf gzip", tmp_path, 1)
    with h5py.File(tmp_path / "X.h5", "r+") as file:
        assert not find_cache(make_wrapper(), file["deep/data"]).units
    with h5py.File(tmp_path / "X.h5") as file:
        assert find_cache(make_wrapper(), file["deep/data"]).units


def test_less_is_kept_where_less_memory_is_free(tmp_path, monkeypatch):
    for name in ("_LITTLE", "_RESERVED"):
        monkeypatch.setattr(f"skmmap.read.free_memory.{name}", 0)
    monkeypatch.setattr("sys.platform", "linux")
    X = open_kind("zarr 3", write("zarr 3", tmp_path, 1))
    plan = Planner(make_wrapper(), X, Y, {}).make()
    parts = find_fit_parts(
        plan, keeps_rows=False, reads_ahead=True, row_cache=plan.row_cache
    )
    kept, others = parts["rows that are kept"], sum(parts.values())
    others -= kept
    for free, expected in [
        (others + kept, 25 * 16),
        (others + kept - 1, 11 * 16),
        (others + 11 * 16 - 1, 4 * 16),
        (others + 4 * 16 - 1, 0),
    ]:
        monkeypatch.setattr(
            "skmmap.read.free_memory.find_free_memory", lambda free=free: free
        )
        assert fit_plan(plan).row_cache.nbytes == expected


def test_jobs_that_score_have_what_the_fit_leaves(tmp_path, monkeypatch):
    X, limits = open_kind("zarr 3", write("zarr 3", tmp_path, 1)), set()

    def fit_jobs(number, need, limit, free, **how):
        limits.add(limit)
        return number, True

    monkeypatch.setattr("skmmap.apply.inference.fit_jobs", fit_jobs)
    sgd = SGDClassifier(early_stopping=True, random_state=0, validation_fraction=0.5)
    wrapper = make_wrapper(sgd, max_epochs=2, n_jobs=2)
    wrapper.fit(X, Y)
    assert limits == {find_limit_beside(Planner(wrapper, X, Y, {}).make())}
    for limit, kept in [(LIMIT, 25 * 16), ("64MB", N_ROWS * 24)]:
        plan = Planner(make_wrapper(memory_limit=limit), X, Y, {}).make()
        assert plan.keeps_rows == (limit != LIMIT)
        left = find_limit_beside(plan)
        read = 2 * 7 * (24 + 16 * (not plan.keeps_rows))
        assert left == plan.table.reading.memory_limit - kept - read


def test_the_room_beside_the_buffers():
    """Half of the limit, and five eighths with what other rows are read into."""
    assert find_room(1600, 0) == 800
    assert find_room(1600, 200) == 800
    assert find_room(1600, 400) == 600
    assert find_room(1600, 1000) == find_room(1600, 5000) == 0


def test_explain_says_what_is_kept(tmp_path):
    X = open_kind("parquet", write("parquet", tmp_path, 1))
    model = make_wrapper(SGDClassifier())
    said = model.explain(X, Y).sections
    nbytes, _ = find_read_nbytes(Planner(model, X, Y, {}).make().table.sources)
    assert said["reads"] == (
        f"about {say_size(nbytes)} in the first epoch; keeps 35 % of the rows in "
        f"memory: about {say_size(round(39 / 60 * nbytes))} in each later epoch"
    )
    assert said["memory"].startswith("336 bytes for rows that are kept, ")
    said = model.set_params(max_epochs=1).explain(X, Y).sections
    assert (
        said["reads"] == f"about {say_size(nbytes)}; keeps 35 % of the rows in memory"
    )


def test_units_of_a_matrix_are_never_as_many_as_its_rows(tmp_path, monkeypatch):
    matrix, found = sparse.csr_array(make_rows(1, 400)), []
    with h5py.File(tmp_path / "X.h5", "w") as file:
        for name in ("data", "indices", "indptr"):
            file.create_dataset(name, data=getattr(matrix, name))
        file.attrs.update({"encoding-type": "csr_matrix", "shape": matrix.shape})
    find_units = HdfStore.find_units

    def note(self, least_rows):
        found.append(len(find_units(self, least_rows)))
        return find_units(self, least_rows)

    monkeypatch.setattr(HdfStore, "find_units", note)
    source = open_source(tmp_path / "X.h5", "X")
    assert np.diff(source.find_units(100)).max() == 100
    assert 0 < max(found) <= 20
