"""Custom orders and sampled classes, against the loop over the same rows."""

import pickle
import re
from itertools import product

import numpy as np
import pytest
from helpers import raises
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from skmmap import ChunkedFit, ChunkedSearchCV, Order, open_rows
from skmmap.learn.class_sampling import _find_sizes as find_sizes
from skmmap.order import ClassOrder, FileOrder, GivenOrder, OrderRows, class_order
from skmmap.rows import Source


class Given(Order):
    """Yields the arrays that it was made of, in other orders in other epochs."""

    def __init__(self, *arrays):
        self.arrays = arrays

    def iter_rows(self, epoch, rows):
        for array in self.arrays:
            yield np.roll(array, epoch) if len(self.arrays) == 1 else array


class Recording(SGDClassifier):
    """Remembers which rows each call gets: the first column numbers them."""

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        self.calls_ = [*getattr(self, "calls_", []), X[:, 0].astype(int).tolist()]
        super().partial_fit(X / 1000, y, classes=classes)
        return self


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    X = np.c_[np.arange(400.0), rng.normal(size=(400, 3))]
    y = np.where(np.arange(400) % 8 == 3, "rare", "often")
    np.save(tmp_path / "X.npy", X)
    return open_rows(tmp_path / "X.npy"), X, y


def make(**params):
    return ChunkedFit(
        Recording(random_state=0, tol=None),
        **{"chunk_size": 7, "max_epochs": 3, "random_state": 0} | params,
    )


def read_rows(order, epoch=0):
    """Return the rows of each chunk."""
    return [
        buffer.rows[start:stop].tolist()
        for buffer in order.iter_buffers(epoch)
        for start, stop in buffer.chunks
    ]


def test_chunks_are_cut_regardless_of_arrays_and_buffers():
    rng = np.random.default_rng(0)
    for n_rows, size, per_buffer, cuts in product(
        range(1, 14), (1, 2, 3, 5), (1, 2), (0, 3)
    ):
        rows = rng.integers(0, 9, n_rows)
        arrays = np.array_split(rows, np.sort(rng.integers(0, n_rows, cuts)))
        for least in range(1, size + 1):
            about = OrderRows(9, size, size * per_buffer, 1, 0)
            order = GivenOrder(Given(*arrays, rows[:0]), about, least)
            expected = [rows[a:b].tolist() for a, b in FileOrder(n_rows, size, least)]
            assert read_rows(order) == expected
            assert len(order) == len(expected)
            for buffer in order.iter_buffers(0):
                assert buffer.n_rows < per_buffer * size + least


@pytest.mark.parametrize("read", ["map", "buffer"])
@pytest.mark.parametrize("limit", ["64KiB", "512MB"])
def test_a_fit_is_the_loop_over_the_same_rows(data, read, limit):
    source, X, y = data
    rows = np.random.default_rng(1).integers(0, 400, 333)
    model = make(shuffle=Given(rows), read=read, memory_limit=limit).fit(source, y)
    loop = Recording(random_state=0, tol=None, shuffle=False)
    for epoch in range(3):
        numbers = np.roll(rows, epoch)
        for batch in gen_batches(333, 7):
            some = numbers[batch]
            loop.partial_fit(X[some], y[some], classes=np.unique(y))
    assert model.estimator_.calls_ == loop.calls_
    assert np.array_equal(model.coef_, loop.coef_)
    assert model.history_["rows"] == [333] * 3


def test_an_order_can_be_cloned_pickled_and_searched(data):
    source, _, y = data
    model = make(shuffle=Given(np.arange(50)[::-1]))
    expected = model.fit(source, y).coef_
    for other in clone(model), pickle.loads(pickle.dumps(model)):
        assert np.array_equal(other.fit(source, y).coef_, expected)


class Reusing(Order):
    """Yields the same array each time, with other numbers."""

    def iter_rows(self, epoch, rows):
        numbers = np.empty(10, np.int64)
        for start in range(0, 40, 10):
            numbers[:] = np.arange(start, start + 10)
            yield numbers


def test_an_array_may_be_used_again(data):
    source, _, y = data
    calls = make(shuffle=Reusing(), max_epochs=1).fit(source, y).estimator_.calls_
    assert np.concatenate(calls).tolist() == [*range(40)]


def test_it_goes_on_from_a_checkpoint(data, tmp_path):
    source, _, y = data
    full = make(sampling="balanced").fit(source, y)
    model = make(sampling="balanced", checkpoint=tmp_path / "c", max_epochs=1)
    model.fit(source, y)
    with pytest.raises(ValueError, match="sampling"):
        make(sampling="oversample", checkpoint=tmp_path / "c", max_epochs=1).fit(
            source, y
        )
    model = model.set_params(checkpoint=None).partial_fit(source, y)
    first, second = full.history_["rows"][:2], model.history_["rows"]
    assert first == second
    n_chunks = -(-100 // 7)
    assert model.estimator_.calls_ == full.estimator_.calls_[: 2 * n_chunks]


@pytest.mark.parametrize(
    ("sampling", "sizes"),
    [
        ("balanced", {"often": 50, "rare": 50}),
        ("oversample", {"often": 350, "rare": 350}),
        ({"rare": 120}, {"often": 350, "rare": 120}),
    ],
)
@pytest.mark.parametrize("is_sorted", [True, False])
def test_classes_are_sampled(data, sampling, sizes, is_sorted):
    source, _, y = data
    y = np.sort(y) if is_sorted else y
    model = make(sampling=sampling, memory_limit="64KiB", max_epochs=4).fit(source, y)
    calls = model.estimator_.calls_
    rows, total = np.concatenate(calls), sum(sizes.values())
    assert model.history_["rows"] == [total] * 4
    for label, size in sizes.items():
        for epoch in range(4):
            some = rows[epoch * total : (epoch + 1) * total]
            assert np.sum(y[some] == label) == size
        counts = np.bincount(rows, minlength=400)[y == label]
        assert counts.max() - counts.min() <= 1
        for call in calls:
            share = len(call) * size / total
            assert abs(np.sum(y[call] == label) - share) <= 2
    assert calls[0] != sorted(calls[0])


def test_rows_of_a_class_come_from_all_over_the_file():
    codes = np.zeros(100_000, np.uint8)
    codes[-1_000:] = 1
    order = ClassOrder([1_000, 1_000])
    about = OrderRows(100_000, 100, 100_000, 500, 0, codes)
    assert order.find_block_rows(about) == 15
    (rows,) = order.iter_rows(5, about)
    tenths = np.bincount(rows[codes[rows] == 0] // 9_900, minlength=10)
    assert 75 <= tenths.min() <= tenths.max() <= 125
    # Whole blocks are skipped: 15 neighbours are read together.
    picked = np.sort(rows[codes[rows] == 0])
    assert np.sum(np.diff(picked) > 1) < 90


def test_blocks_are_used_in_another_order_in_each_epoch():
    codes = np.zeros(4_000, np.uint8)
    order = ClassOrder([4_000])
    about = OrderRows(4_000, 100, 1_000, 50, 0, codes)
    first, second = (np.unique(next(order.iter_rows(i, about))) for i in range(2))
    assert len(first) == len(second) == 1_000
    assert 150 < len(np.intersect1d(first, second)) < 350


def test_blocks_are_so_many_at_most(monkeypatch):
    monkeypatch.setattr(class_order, "_MOST_BLOCKS", 10)
    about = OrderRows(1_005, 10, 100, 50, 0, np.zeros(1_005, np.uint8))
    assert ClassOrder([64]).find_block_rows(about) == 101


def test_blocks_are_counted_across_pieces():
    codes = np.random.default_rng(0).integers(0, 3, 2**21 + 9).astype(np.uint8)
    counts = class_order._count_blocks(codes, 1_000, 3)
    here = codes[2**20 // 1_000 * 1_000 :][:1_000]
    assert counts[2**20 // 1_000].tolist() == np.bincount(here).tolist()
    assert counts.sum(axis=0).tolist() == np.bincount(codes).tolist()


def test_labels_of_held_out_rows_alone_are_left_out():
    classes, counts = np.array(["a", "b", "c"]), np.array([0, 3, 5])
    assert find_sizes("balanced", classes, counts) == [0, 3, 3]
    assert find_sizes("oversample", classes, counts) == [0, 5, 5]
    assert find_sizes({"c": 2}, classes, counts) == [0, 3, 2]
    with raises(ValueError, "No row to train on has the label 'a'."):
        find_sizes({"a": 5}, classes, counts)


def test_an_order_that_needs_y_gets_it_or_says_so(data):
    with raises(ValueError, "Labelled needs y, and none was passed."):
        ChunkedFit(StandardScaler(), shuffle=Labelled()).fit(data[0])


def test_orders_that_cannot_be_pickled_are_told_apart():
    orders = [Given(lambda: None) for _ in range(2)]
    about = OrderRows(9, 2, 4, 1, 0)
    keys = []
    for order in orders:
        order.iter_rows = lambda epoch, rows: iter([np.arange(3)])
        keys.append(GivenOrder(order, about).key)
    assert keys[0] != keys[1]


def test_what_is_left_out_is_not_read(data, monkeypatch):
    source, _, y = data
    seen = []
    pick = Source.pick
    monkeypatch.setattr(
        Source, "pick", lambda self, rows: seen.append(rows) or pick(self, rows)
    )
    model = make(sampling="balanced", max_epochs=1, read="buffer").fit(source, y)
    used = np.unique(np.concatenate(model.estimator_.calls_))
    assert np.array_equal(np.unique(np.concatenate(seen)), used)
    assert len(used) == 100


def test_held_out_rows_are_not_sampled(data):
    source, _, y = data
    model = make(sampling="balanced").set_params(
        estimator__early_stopping=True, estimator__validation_fraction=0.25
    )
    model.fit(source, y)
    assert (
        model.history_["rows"] == [2 * 38] * 3 or model.history_["rows"] == [2 * 37] * 3
    )
    assert len(np.unique(np.concatenate(model.estimator_.calls_))) <= 300


def test_priors_are_those_of_the_sample(data):
    source, _, y = data
    model = ChunkedFit(GaussianNB(), sampling="balanced", random_state=0)
    assert model.fit(source, y).class_prior_.tolist() == [0.5, 0.5]


def test_steps_before_the_last_learn_from_all_rows(data):
    source, X, y = data
    steps = make_pipeline(StandardScaler(), SGDClassifier(random_state=0))
    model = ChunkedFit(steps, sampling="balanced", max_epochs=2).fit(source, y)
    assert np.allclose(model.estimator_[0].mean_, X.mean(axis=0))
    assert model.history_["rows"] == [100, 100]


def test_explain_says_what_is_read_and_used(data):
    source, _, y = data
    said = str(make(sampling="balanced").explain(source, y))
    assert "100 rows of 400 in each epoch (50 and 50 of the classes)" in said
    assert "kB in the first epoch, of which" in said
    said = str(make(shuffle=Given(np.arange(50))).explain(source, y))
    assert "that of Given: 50 rows of 400 in each epoch" in said


def test_sparse_rows_are_picked(data):
    _, X, y = data
    rows = np.random.default_rng(1).integers(0, 400, 333)
    dense = ChunkedFit(
        SGDClassifier(random_state=0), shuffle=Given(rows), max_epochs=2, chunk_size=9
    )
    in_order = clone(dense).set_params(shuffle=Given(np.arange(333)))
    in_order.set_params(max_epochs=1).fit(sparse.csr_matrix(X[rows]), y[rows])
    found = clone(dense).set_params(max_epochs=1).fit(sparse.csr_matrix(X), y)
    assert np.array_equal(in_order.coef_, found.coef_)


class Labelled(Order):
    needs_y = True

    def iter_rows(self, epoch, rows):
        yield np.flatnonzero(rows.y == "rare")
        yield np.flatnonzero(rows.y == "often")[:10]


def test_an_order_gets_y(data):
    source, _, y = data
    model = make(shuffle=Labelled(), max_epochs=1).fit(source, y)
    labels = y[np.concatenate(model.estimator_.calls_)]
    assert labels.tolist() == ["rare"] * 50 + ["often"] * 10


@pytest.mark.parametrize(
    ("rows", "kind", "said"),
    [
        (np.array([400]), ValueError, "yielded row 400 in epoch 1; row numbers must"),
        (np.array([-1]), ValueError, "Given.iter_rows yielded row -1"),
        (np.array([1.0]), TypeError, "arrays of integers with one dimension"),
        ([1], TypeError, "it yielded <class 'list'>"),
        (np.array([[1]]), TypeError, "int64 of 2 dimensions"),
        (np.array([], int), ValueError, "yielded no row in epoch 1; at least 1"),
    ],
)
def test_wrong_rows_are_refused(data, rows, kind, said):
    source, _, y = data
    with pytest.raises(kind, match=re.escape(said)):
        make(shuffle=Given(rows, rows)).fit(source, y)


REFUSED = [
    ({"sampling": "under"}, "sampling must be None, 'balanced', 'oversample', or"),
    ({"sampling": {"rare": 0}}, "sampling['rare'] must be the rows of that label"),
    (
        {"sampling": {"no": 5}},
        "label 'no', which does not occur in y. It has 'often', 'rare'.",
    ),
    ({"sampling": "balanced", "shuffle": False}, "shuffle=False asks for another one"),
    ({"sampling": "balanced", "estimator": SGDRegressor()}, "is no classifier"),
    (
        {"sampling": "balanced", "estimator": SGDClassifier(class_weight="balanced")},
        "together they would correct twice",
    ),
]


@pytest.mark.parametrize(("params", "said"), REFUSED)
def test_what_cannot_be_sampled_is_refused(data, params, said):
    source, _, y = data
    with pytest.raises(ValueError, match=re.escape(said)):
        make().set_params(**params).fit(source, y)


def test_several_targets_are_refused():
    X, y = make_classification(60, random_state=0)
    model = ChunkedFit(MultiOutputClassifier(SGDClassifier()), sampling="balanced")
    with pytest.raises(ValueError, match="needs labels in one column"):
        model.fit(X, np.c_[y, 1 - y])


def test_the_method_is_to_be_defined(data):
    source, _, y = data
    with pytest.raises(NotImplementedError, match=r"Order must define iter_rows"):
        make(shuffle=Order()).fit(source, y)


class Returning(Order):
    def iter_rows(self, epoch, rows):
        return None


def test_rows_are_to_be_yielded(data):
    source, _, y = data
    with raises(TypeError, "Returning.iter_rows returned None; it must yield arrays."):
        make(shuffle=Returning()).fit(source, y)


def test_what_learns_from_sums_over_all_rows_has_no_order(data):
    source, _, y = data
    order = Given(np.arange(50))
    for steps in SelectKBest(k=2), make_pipeline(StandardScaler(), SelectKBest(k=2)):
        with raises(
            ValueError,
            "SelectKBest learns from all rows, each of them once, so the order Given "
            "would have no effect. Set shuffle='auto', and fit it to some rows: "
            "ChunkedFit(...).fit(X[numbers]).",
        ):
            ChunkedFit(steps, shuffle=order).fit(source, y)


@pytest.mark.parametrize("params", [{"sampling": "balanced"}, {"shuffle": Labelled()}])
def test_a_search_gives_the_results_of_gridsearchcv(data, params):
    source, _, y = data
    model = ChunkedFit(
        SGDClassifier(random_state=0), chunk_size=9, max_epochs=2, **params
    )
    grid = {"estimator__alpha": [1e-3, 1e-1]}
    found = ChunkedSearchCV(model, grid, cv=3).fit(source, y)
    expected = GridSearchCV(model, grid, cv=3).fit(source, y)
    for name in "split0_test_score", "split1_test_score", "split2_test_score":
        assert np.array_equal(found.cv_results_[name], expected.cv_results_[name])
    assert np.array_equal(found.best_estimator_.coef_, expected.best_estimator_.coef_)


class Growing(Order):
    """Has more rows in each epoch than in the one before."""

    def iter_rows(self, epoch, rows):
        yield np.arange(20 * (epoch + 1))


def test_epochs_may_have_different_numbers_of_rows(data):
    _, X, y = data
    model = make(shuffle=Growing()).fit(X, y)
    assert model.history_["rows"] == [20, 40, 60]
    assert np.concatenate(model.estimator_.calls_).tolist() == [
        *range(20),
        *range(40),
        *range(60),
    ]
