"""An order of all rows of a store, in which its selections take part."""

from itertools import pairwise, product

import numpy as np
import pytest
from helpers import EXHAUSTIVE, Recorder, raises
from killed import run_in_pieces
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier

from skmmap import Checkpoint, ChunkedFit, ChunkedSearchCV, open_rows
from skmmap.learn import plan as _plan
from skmmap.learn.plan import Planner
from skmmap.order import (
    BlockOrder,
    Runs,
    SharedOrder,
    find_buffer_rows,
    find_slices,
    resolve_key,
    skip_chunks,
)
from skmmap.order.shared_order import share_out
from skmmap.read import NO_CACHE
from skmmap.rows import LoadedStore, Rows, StandIn, find_source

N_ROWS = 1200
GROUPS = np.arange(N_ROWS) // 7 % 50
LABELS = np.arange(N_ROWS) * 3 // N_ROWS  # sorted
SPLITS = {
    "KFold": KFold(4),
    "shuffled KFold": KFold(4, shuffle=True, random_state=0),
    "StratifiedKFold": StratifiedKFold(4),
    "GroupKFold": GroupKFold(4),
    "prefix": [(np.arange(800), np.arange(800, N_ROWS))],
}
NAMES = pytest.mark.parametrize("name", SPLITS)
PARENT = BlockOrder(N_ROWS, 20, 1, 3, 160, 8)


def split(name):
    """Return the row numbers of the training sets."""
    cv = SPLITS[name]
    if isinstance(cv, list):
        return [train for train, _ in cv]
    groups = GROUPS if isinstance(cv, GroupKFold) else None
    return [train for train, _ in cv.split(np.zeros(N_ROWS), LABELS, groups)]


def make_order(train, parent=PARENT, min_rows=1):
    return SharedOrder(parent, resolve_key(train, parent.n_rows), min_rows)


def find_read(buffer):
    """Return the rows of a buffer in the order in which they are read."""
    return np.concatenate([np.arange(*block) for block in buffer.blocks])


def find_mixed(buffer):
    """Return the rows of a buffer in their places, as the reader puts them there."""
    mixed = np.full(buffer.n_rows, -1)
    mixed[buffer.places] = find_read(buffer)
    return mixed


def find_chunks(order, epoch=0):
    """Return the positions of each chunk of an epoch, by `iter_buffers`."""
    return [
        find_mixed(buffer)[start:stop]
        for buffer in order.iter_buffers(epoch)
        for start, stop in buffer.chunks
    ]


def find_shared(order, epoch=0):
    """Return the row numbers of each chunk of an epoch, by `iter_shared`."""
    return [
        find_read(buffer)[index]
        for buffer, chunks in order.iter_shared(epoch)
        for index in chunks
    ]


def same_arrays(some, others):
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


@NAMES
def test_both_ways_yield_the_same_chunks(name):
    for train, epoch in product(split(name), range(2)):
        order = make_order(train)
        chunks = [train[positions] for positions in find_chunks(order, epoch)]
        same_arrays(chunks, find_shared(order, epoch))
        assert len(chunks) == len(order) == order.n_chunks
        np.testing.assert_array_equal(np.sort(np.concatenate(chunks)), train)


@NAMES
def test_rows_are_those_of_the_parent_without_others(name):
    """The oracle: rows of a buffer that are not selected are deleted from it."""
    for train in split(name):
        order = make_order(train)
        buffers = PARENT.iter_buffers(1)
        for whole, (buffer, chunks) in zip(buffers, order.iter_shared(1), strict=True):
            assert buffer.blocks == whole.blocks
            mixed = find_mixed(whole)
            expected = mixed[np.isin(mixed, train)]
            sizes = [len(chunk) for chunk in chunks]
            assert max(sizes) - min(sizes) <= 1
            found = find_read(buffer)[np.concatenate(chunks)]
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", [name for name in SPLITS if name != "prefix"])
def test_folds_together_have_the_rows_of_a_buffer(name):
    every = [make_order(train).iter_shared(0) for train in split(name)]
    for whole, *folds in zip(PARENT.iter_buffers(0), *every, strict=True):
        rows = [np.concatenate(chunks) for _, chunks in folds]
        # Each row is in the training sets of all folds but one.
        found = np.bincount(np.concatenate(rows), minlength=whole.n_rows)
        np.testing.assert_array_equal(found, np.full(whole.n_rows, 3))


@NAMES
def test_chunks_are_nearly_of_the_size_that_is_asked_for(name):
    """9 tenths of 160 rows and more are in a buffer: no chunk is a ninth larger."""
    for train, epoch in product(split(name), range(3)):
        sizes = [len(chunk) for chunk in find_shared(make_order(train), epoch)]
        assert max(sizes) <= PARENT.chunk_size * 10 / 9
        assert min(sizes) >= PARENT.chunk_size / 2


def make_selections():
    """Yield orders of selections of many kinds, some of few rows in few places."""
    rng = np.random.default_rng(0)
    for number in range(150 if EXHAUSTIVE else 60):
        n_rows, chunk_size = int(rng.integers(1, 400)), int(rng.integers(1, 30))
        shape = n_rows, chunk_size, 1, number
        parent = BlockOrder(*shape, chunk_size * rng.integers(1, 6), rng.integers(1, 9))
        step = int(rng.integers(1, 40))
        drawn = rng.random(-(-n_rows // step)) < rng.random()
        rows = np.flatnonzero(np.repeat(drawn, step)[:n_rows])
        if 0 < len(rows) < n_rows:
            min_rows = int(rng.integers(1, chunk_size + 1))
            yield rows, SharedOrder(parent, resolve_key(rows, n_rows), min_rows)


def test_wherever_rows_lie_there_are_as_many_chunks_in_each_epoch():
    n_bounded = n_enough = n_empty = 0
    for rows, order in make_selections():
        parent, min_rows = order.parent, order.min_rows
        per_buffer = len(rows) / parent.n_buffers
        for epoch in range(2):
            shared = list(order.iter_shared(epoch))
            chunks = find_shared(order, epoch)
            same_arrays([rows[p] for p in find_chunks(order, epoch)], chunks)
            assert len(chunks) == len(order)
            np.testing.assert_array_equal(np.sort(np.concatenate(chunks)), rows)
            sizes = [list(map(len, chunks)) for _, chunks in shared]
            n_empty += [] in sizes
            assert all(min(size) > 0 for size in sizes if size)
            if per_buffer >= 2 * parent.chunk_size >= 4 * min_rows:
                most = max(max(size, default=0) for size in sizes)
                assert most <= 2.1 * parent.chunk_size
                n_bounded += 1
            if per_buffer >= 2 * min_rows:
                n_enough += min_rows > 1
                for size in sizes:
                    assert min(size, default=0) >= min(min_rows, sum(size))
    assert min(n_bounded, n_enough, n_empty) > 10


def test_the_largest_chunk_is_as_small_as_possible():
    for rows in product(range(5), repeat=3):
        n_filled = sum(map(bool, rows))
        for n_chunks in range(max(1, n_filled), sum(rows) + 1):
            found = share_out(np.array(rows), n_chunks)
            assert found.sum() == n_chunks
            assert np.all((found > 0) == (np.array(rows) > 0))
            assert np.all(found <= rows)
            ranges = (range(1, n_chunks + 1) if n else [0] for n in rows)
            every = [
                find_largest(rows, chunks)
                for chunks in product(*ranges)
                if sum(chunks) == n_chunks
            ]
            assert find_largest(rows, found) == min(every)


def test_a_chunk_that_is_left_goes_where_chunks_are_largest():
    assert share_out(np.array([5, 6, 6]), 4).tolist() == [1, 2, 1]


def test_without_few_rows_there_are_no_more_chunks_than_of_all():
    order = SharedOrder(PARENT, range(3, N_ROWS))
    assert len(order) == len(PARENT)
    assert max(map(len, find_shared(order))) <= PARENT.chunk_size


def find_largest(rows, chunks):
    return max(-(-r // c) for r, c in zip(rows, chunks, strict=True) if c)


def test_epochs_and_seeds_have_orders_of_their_own():
    train = split("GroupKFold")[0]
    other = BlockOrder(N_ROWS, 20, 1, 4, 160, 8)
    orders = make_order(train), make_order(train, other)
    every = [
        np.concatenate(find_shared(order, epoch))
        for order, epoch in product(orders, range(3))
    ]
    assert all(np.any(a != b) for a, b in pairwise(every))
    assert len({rows.tobytes() for rows in every}) == 6


def test_all_rows_have_the_chunks_of_the_parent():
    for n_rows in range(1, 60):
        parent = BlockOrder(n_rows, 7, 3, 0, 14, 3)
        order = SharedOrder(parent, range(n_rows), 3)
        assert len(order) == len(parent)
        same_arrays(find_chunks(order), find_chunks(parent))
        same_arrays(find_shared(order), find_chunks(parent))


@pytest.mark.parametrize(
    "selection",
    [range(5, 6), range(5, 4, -1), range(3, 40, 4), Runs([2, 30], [9, 20])],
)
def test_each_kind_of_selection(selection):
    parent = BlockOrder(50, 5, 1, 0, 10, 3)
    is_range = isinstance(selection, range)
    rows = [*selection] if is_range else [*range(2, 11), *range(30, 50)]
    order = SharedOrder(parent, selection)
    found = np.concatenate(find_shared(order))
    assert sorted(found) == rows
    positions = np.concatenate(find_chunks(order))
    np.testing.assert_array_equal(np.array(rows)[positions], found)


def test_a_row_that_is_selected_twice_comes_twice():
    rows = np.sort(np.random.default_rng(0).integers(0, 300, 300))
    order = SharedOrder(BlockOrder(300, 10, 1, 0, 60, 5), rows)
    chunks = find_chunks(order)
    np.testing.assert_array_equal(np.sort(np.concatenate(chunks)), np.arange(300))
    same_arrays([rows[chunk] for chunk in chunks], find_shared(order))
    assert len(chunks) == len(order)


def test_a_buffer_may_have_as_many_rows_as_that_of_the_parent():
    """If there are few slices, all rows of some buffers are selected."""
    assert PARENT.rows_per_buffer == 150
    assert SharedOrder(PARENT, range(800)).rows_per_buffer == 150
    assert SharedOrder(PARENT, range(40)).rows_per_buffer == 40


def test_equal_orders_have_equal_keys():
    kfold, (prefix,) = split("KFold"), split("prefix")
    orders = [make_order(train) for train in (*kfold, prefix)]
    orders += [make_order(prefix, min_rows=2), PARENT]
    orders += [make_order(prefix, BlockOrder(N_ROWS, 20, 1, 4, 160, 8))]
    assert len({order.key for order in orders}) == len(orders)
    assert make_order(prefix).key == make_order(prefix.copy()).key


def test_chunks_of_no_epoch_are_refused():
    order = make_order(split("prefix")[0])
    text = "The chunks of a SharedOrder differ between epochs: use iter_buffers(epoch)."
    for ask in (list, lambda order: order[1:3]):
        with raises(TypeError, text):
            ask(order)


def test_chunks_that_are_skipped():
    order = make_order(split("KFold")[1])
    every = find_chunks(order, 2)
    for number in (0, 1, 9, len(order)):
        rest = list(skip_chunks(order.iter_buffers(2), number))
        found = [
            find_mixed(buffer)[start:stop]
            for buffer in rest
            for start, stop in buffer.chunks
        ]
        same_arrays(found, every[number:])


# Fits.

X = np.c_[np.arange(N_ROWS), np.random.default_rng(0).normal(size=(N_ROWS, 3))]
ROW_NBYTES = 8 * 4 + 8
CHUNK_SIZE = 20
SMALL = f"{8 * 160 * ROW_NBYTES}B"  # buffers of 160 rows


@pytest.fixture
def rows(tmp_path):
    np.save(tmp_path / "X.npy", X)
    return open_rows(tmp_path / "X.npy")


def make(estimator, memory_limit=SMALL, **params):
    params = {"max_epochs": 2, "chunk_size": CHUNK_SIZE, "random_state": 3} | params
    params = {"shuffle": "shared", "memory_limit": memory_limit} | params
    return ChunkedFit(estimator, **params)


def find_rows(model):
    """Return the numbers of the rows that each call of a `Recorder` got."""
    return [call["X"][:, 0].astype(int) for call in model.calls_]


@NAMES
@pytest.mark.parametrize("memory_limit", [SMALL, "64MB"])
def test_a_fit_equals_the_hand_written_loop(name, memory_limit, rows):
    buffer_rows = find_buffer_rows(memory_limit, ROW_NBYTES, CHUNK_SIZE)
    slices = find_slices(buffer_rows, ROW_NBYTES, N_ROWS)
    parent = BlockOrder(N_ROWS, CHUNK_SIZE, 1, 3, buffer_rows, slices)
    assert (parent.n_buffers == 1) == (memory_limit == "64MB")
    for train in split(name)[:2]:
        model = make(Recorder(), memory_limit).fit(rows[train], LABELS[train])
        order, expected = make_order(train, parent), []
        for epoch in range(2):
            for buffer, chunks in order.iter_shared(epoch):
                read = X[find_read(buffer)]
                expected += [read[index, 0] for index in chunks]
        same_arrays(find_rows(model), expected)
        labels = [LABELS[numbers] for numbers in find_rows(model)]
        same_arrays([call["y"] for call in model.calls_], labels)
        assert model.chunk_size_ == order.chunk_size


@pytest.mark.parametrize("memory_limit", [SMALL, "64MB"])
@pytest.mark.parametrize("read", ["map", "buffer"])
@pytest.mark.parametrize("name", ["GroupKFold", "prefix"])
def test_kept_rows_are_the_same(name, read, memory_limit, rows, monkeypatch):
    train = split(name)[0]
    model = make(Recorder(), memory_limit, read=read)
    assert "kept in memory" in str(model.explain(rows[train])) or memory_limit == SMALL
    kept = find_rows(model.fit(rows[train], LABELS[train]))
    monkeypatch.setattr(_plan, "keeps_rows", lambda *args: False)
    monkeypatch.setattr(_plan, "find_row_cache", lambda *args: NO_CACHE)
    same_arrays(kept, find_rows(model.fit(rows[train], LABELS[train])))


def test_a_part_of_decoded_rows_is_kept(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "X.h5", "w") as file:
        file.create_dataset("X", data=X, chunks=(50, 4), compression="gzip")
    train = split("GroupKFold")[0]
    rows, model = open_rows(tmp_path / "X.h5")[train], make(Recorder())
    assert "% of the rows in memory" in str(model.explain(rows, LABELS[train]))
    kept = find_rows(model.fit(rows, LABELS[train]))
    monkeypatch.setattr(_plan, "find_row_cache", lambda *args: NO_CACHE)
    same_arrays(kept, find_rows(model.fit(rows, LABELS[train])))


@pytest.mark.parametrize("kind", ["rows", "map", "array", "rows of an array"])
def test_without_a_store_to_share_it_is_blocks(kind, rows, tmp_path):
    given = {
        "rows": lambda: rows,
        "map": lambda: np.load(tmp_path / "X.npy", mmap_mode="r"),
        "array": lambda: X,
        "rows of an array": lambda: open_rows(X)[: N_ROWS - 50],
    }[kind]()
    y = LABELS[: len(given)]
    model = MiniBatchKMeans(4, n_init=1)  # a last chunk of 3 rows joins the one before
    shared, blocks = (
        make(model, shuffle=shuffle, chunk_size=19, max_epochs=1).fit(given, y)
        for shuffle in ("shared", "blocks")
    )
    np.testing.assert_array_equal(shared.cluster_centers_, blocks.cluster_centers_)
    assert shared.chunk_size_ == 19


@pytest.mark.parametrize("part", [slice(None), slice(900), slice(None, None, 2)])
def test_a_search_that_loads_rows_has_the_order_of_the_file(part, rows):
    """Of a part of the file, of which the training sets are parts again."""
    X, y = rows[part], LABELS[part] > 0
    model = make(SGDClassifier(tol=None, random_state=0), "64MB")
    grid, cv = (
        {"estimator__alpha": [1e-4, 1e-2]},
        KFold(3, shuffle=True, random_state=0),
    )
    alone = GridSearchCV(model, grid, cv=cv).fit(X, y)
    together = ChunkedSearchCV(model, grid, cv=cv).fit(X, y)
    np.testing.assert_array_equal(
        alone.best_estimator_.coef_, together.best_estimator_.coef_
    )
    for name in (f"split{number}_test_score" for number in range(3)):
        one, other = (search.cv_results_[name] for search in (alone, together))
        np.testing.assert_array_equal(one, other)


def test_rows_that_were_loaded_in_another_order_are_in_blocks(rows):
    source = find_source(rows[np.random.default_rng(0).permutation(N_ROWS)])
    loaded = Rows(StandIn(LoadedStore(source, source.load())))
    model = make(Recorder(), max_epochs=1).fit(loaded[:900], LABELS[:900])
    expected = make(Recorder(), max_epochs=1, shuffle="blocks")
    expected.fit(loaded[:900], LABELS[:900])
    same_arrays(find_rows(model), find_rows(expected))


# Of which shape, class or estimator's need the parent is independent.


def find_parent(estimator, X, y=None, **params):
    parent = Planner(make(estimator, **params), X, y, {}).schedule.parent
    return {k: v for k, v in vars(parent).items() if isinstance(v, int)}


@pytest.mark.parametrize(
    "estimator",
    [SGDClassifier(), MiniBatchKMeans(4), MiniBatchKMeans(7), MLPClassifier()],
    ids=["SGD", "4 clusters", "7 clusters", "MLP"],
)
@pytest.mark.parametrize("chunk_size", [70, "auto"])
@pytest.mark.filterwarnings("ignore:memory_limit=")
def test_selections_have_the_same_parent(estimator, chunk_size, rows):
    """A last chunk of 10 of 850 rows, or 150 of 1,200, is a different share of 70."""
    params = {"chunk_size": chunk_size, "memory_limit": "200kB"}
    some = find_parent(estimator, rows[:850], LABELS[:850], **params)
    others = find_parent(estimator, rows[330:], LABELS[330:], **params)
    assert some == others
    assert some["n_rows"] == N_ROWS
    assert some["min_rows"] == 1


def test_a_class_that_is_missing_leaves_the_parent_as_it_is(tmp_path):
    np.lib.format.open_memmap(tmp_path / "X.npy", "w+", "f8", (20_000, 100))
    rows, y = open_rows(tmp_path / "X.npy"), np.arange(20_000) % 20
    lacks = np.flatnonzero(y[:15_000] < 19)
    params = {"memory_limit": "512MB", "chunk_size": "auto"}
    some = find_parent(SGDClassifier(), rows[:15_000], y[:15_000], **params)
    assert some == find_parent(SGDClassifier(), rows[lacks], y[lacks], **params)
    assert some["n_slices"] == 4 * 32  # not 4 * 20, or 4 * 19


def test_rows_are_read_as_those_of_blocks_are(rows):
    explanation = str(make(SGDClassifier()).explain(rows[:800], LABELS[:800]))
    assert "buffered reads: blocks are shuffled in memory" in explanation


def test_held_out_rows_are_not_learned(rows):
    train = split("StratifiedKFold")[0]
    model = SGDClassifier(early_stopping=True, max_iter=3, tol=None)
    fitted = make(model, max_epochs="auto").fit(rows[train], LABELS[train])
    assert set(fitted.history_["rows"]) == {810}
    assert not np.isnan(fitted.history_["score"]).any()


def test_a_killed_run_goes_on(rows, tmp_path):
    train = split("GroupKFold")[0]
    model = SGDClassifier(max_iter=3, tol=None, random_state=0)

    def run():
        checkpoint = Checkpoint(tmp_path / "run.ckpt", seconds=0)
        wrapper = make(model, max_epochs="auto", checkpoint=checkpoint)
        return wrapper.fit(rows[train], LABELS[train])

    whole = make(model, max_epochs="auto").fit(rows[train], LABELS[train])
    resumed = run_in_pieces(run, [50, 0, 21])
    np.testing.assert_array_equal(resumed.coef_, whole.coef_)
    assert resumed.history_["rows"] == whole.history_["rows"]


# Estimators that need several rows.


@pytest.mark.parametrize("n_clusters", [3, 19])
def test_chunks_have_as_many_rows_as_an_estimator_needs(n_clusters, rows, monkeypatch):
    """The 113 rows of a buffer are 7 chunks, and less if each needs 19 rows."""
    partial_fit, sizes = MiniBatchKMeans.partial_fit, []

    def count(self, X, y=None, sample_weight=None):
        sizes.append(len(X))
        return partial_fit(self, X, y, sample_weight)

    monkeypatch.setattr(MiniBatchKMeans, "partial_fit", count)
    make(MiniBatchKMeans(n_clusters, n_init=1), max_epochs=1).fit(
        rows[split("GroupKFold")[0]]
    )
    assert (min(sizes) >= 19) == (n_clusters == 19)


def test_buffers_with_too_few_rows_are_refused(rows):
    model = make(MiniBatchKMeans(18), "8kB", chunk_size=18)
    text = (
        "With shuffle='shared', each of 67 shuffled buffers of the store has about 11 "
        "of the 800 selected rows, and MiniBatchKMeans needs at least 18 in a chunk. "
        "Raise memory_limit='8kB', which makes buffers larger, or use shuffle='blocks'."
    )
    with raises(ValueError, text):
        model.fit(rows[:800])


def test_an_error_says_that_a_chunk_is_small(tmp_path):
    """Each buffer is a block of 8 rows, and the first one has only two of them."""
    np.save(tmp_path / "X.npy", X[:24])
    rows = open_rows(tmp_path / "X.npy")
    model = make(IncrementalPCA(4), "2048B", chunk_size=4, random_state=4)
    model.fit(rows[:16])
    with pytest.raises(ValueError, match="n_components=4 must be") as caught:
        model.fit(rows[:18])
    assert caught.value.__notes__[-1] == (
        "The chunk has 2 rows, as there are few of the selection in this shuffled "
        "buffer, and at least 4 are needed. Raise memory_limit, or use "
        "shuffle='blocks'."
    )


def test_explain_says_which_rows_are_left_out(rows):
    order = (
        "8 shuffled buffers of 150 rows, each with a block of 150 rows (6.0 kB) from "
        "each of 1 slice of the file; without the rows that are not selected (33 %)"
    )
    assert order in str(make(Recorder()).explain(rows[:800], LABELS[:800]))
