"""The scan of y: as NumPy finds labels in the whole, in bounded pieces."""

from itertools import pairwise

import numpy as np
import pytest
from helpers import EXHAUSTIVE, raises
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multioutput import MultiOutputClassifier
from sklearn.utils.class_weight import compute_class_weight

from skmmap.formats.open import open_source
from skmmap.learn.first_call import find_first_call_params
from skmmap.read import (
    ClassWeight,
    balance,
    check_finite,
    check_labels,
    open_target,
    scan_labels,
)
from skmmap.read import values as _values
from skmmap.rows.array_stores import ArrayStore
from skmmap.rows.source import Source

pytestmark = pytest.mark.usefixtures("small_pieces")


@pytest.fixture(autouse=True, scope="module")
def small_pieces():
    """Scan a few rows at a time, so that pieces matter."""
    before, _values._PIECE_NBYTES = _values._PIECE_NBYTES, 24
    yield
    _values._PIECE_NBYTES = before


labels = st.one_of(
    st.lists(st.integers(-5, 300), min_size=1),
    st.lists(st.booleans(), min_size=1),
    st.lists(st.text("ab", max_size=4), min_size=1),
)


@given(labels)
def test_labels_are_those_of_unique(values):
    found = scan_labels(open_source(np.array(values), "y"), per_column=False).classes
    np.testing.assert_array_equal(found, np.unique(values))
    assert found.dtype == np.unique(values).dtype


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(5, 7)), min_size=1))
def test_labels_of_columns(values):
    found = scan_labels(open_source(np.array(values), "y"), per_column=True).classes
    for column, expected in zip(found, np.array(values).T, strict=True):
        np.testing.assert_array_equal(column, np.unique(expected))


def test_an_indicator_has_its_columns_as_labels():
    indicator = open_source(np.eye(4, dtype=int), "y")
    labels = scan_labels(indicator, per_column=False)
    np.testing.assert_array_equal(labels.classes, range(4))
    assert len(scan_labels(indicator, per_column=True).classes) == 4


@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_the_first_unknown_label_is_named(values, known):
    strange = [row for row, value in enumerate(values) if value not in known]
    source = open_source(np.array(values), "y")
    if not strange:
        check_labels(source, known)
        return
    text = rf"^y contains the label {values[strange[0]]} \(first in row {strange[0]}\)"
    with pytest.raises(ValueError, match=text):
        check_labels(source, known)


@given(st.lists(st.sampled_from([0.0, 1.5, np.nan, np.inf]), min_size=1))
def test_the_first_row_that_is_not_finite_is_noted(values):
    bad = np.flatnonzero(~np.isfinite(values))
    source = open_source(np.array(values), "y")
    if not len(bad):
        check_finite(source, "y")
        return
    with pytest.raises(ValueError, match="Input y contains") as caught:
        check_finite(source, "y")
    assert caught.value.__notes__ == [f"The first is in row {bad[0]:,} of y."]


def test_only_one_piece_is_read_at_a_time():
    class Spy(Source):
        def read(self, start, stop):
            sizes.append(stop - start)
            return super().read(start, stop)

    sizes = []
    scan_labels(Spy(ArrayStore(np.arange(100))), per_column=False)
    assert max(sizes) == 3
    assert sum(sizes) == 100


def test_no_target_stays_none():
    assert open_target(None, single_output=True) is None


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (SGDClassifier(), np.arange(100) % 3),
        (SGDClassifier(), np.arange(100) % 3 / 1.0),
        (SGDRegressor(), np.arange(100.0)),
        (MultiOutputClassifier(SGDClassifier()), np.arange(200).reshape(100, 2) % 4),
    ],
)
def test_each_label_is_read_once_before_training(model, y, monkeypatch):
    rows = []
    read = ArrayStore.read

    def spy(self, start, stop):
        if self.rows.base is y:
            rows.extend(range(start, stop))
        return read(self, start, stop)

    monkeypatch.setattr(ArrayStore, "read", spy)
    find_first_call_params(model, None, open_source(y, "y"), None)
    assert rows == list(range(100))


KINDS = {
    "int": lambda codes: codes,
    "negative": lambda codes: codes - 5,
    "float": lambda codes: codes / 1.0,
    "bool": lambda codes: codes % 2 > 0,
    "str": lambda codes: np.array([f"label {9 - code}" for code in codes]),
    "object": lambda codes: np.array([f"{code:03}" for code in codes], dtype=object),
}
of_every_kind = pytest.mark.parametrize("kind", KINDS)


def scan(y, **options):
    return scan_labels(open_source(y, "y"), **{"per_column": False, **options})


@given(labels)
def test_counts_are_those_of_unique(values):
    found = scan(np.array(values))
    np.testing.assert_array_equal(
        found.counts, np.unique(values, return_counts=True)[1]
    )
    assert found.counts.dtype == np.int64


@of_every_kind
def test_counts_of_every_kind_of_label(kind):
    y = KINDS[kind](np.random.default_rng(0).integers(0, 5, 333))
    found, (classes, counts) = scan(y), np.unique(y, return_counts=True)
    np.testing.assert_array_equal(found.classes, classes)
    np.testing.assert_array_equal(found.counts, counts)


@given(labels)
def test_balanced_weights_are_those_of_scikit_learn(values):
    y, classes = np.array(values), np.unique(values)
    found = balance(scan(y).count())
    expected = compute_class_weight("balanced", classes=classes, y=y)
    assert list(found) == classes.tolist()
    np.testing.assert_array_max_ulp(np.array(list(found.values())), expected, 1)


@of_every_kind
def test_balanced_weights_of_every_kind_of_label(kind):
    y = KINDS[kind](np.random.default_rng(0).integers(0, 50, 333) // 10)
    labels = scan(y)
    found, classes = balance(labels.count()), np.unique(y)
    expected = compute_class_weight("balanced", classes=classes, y=y)
    np.testing.assert_array_max_ulp(np.array(list(found.values())), expected, 1)
    assert [type(label) for label in found] == list(map(type, classes.tolist()))
    weights = ClassWeight(labels.classes, found).weigh(y)
    sums = [weights[y == label].sum() for label in classes]
    np.testing.assert_allclose(sums, len(y) / len(classes), rtol=1e-12)


def sortedness_by_hand(y):
    """The adjusted R2 of a regression of each label's indicator on the segments."""
    n_segments = min(100, max(1, len(y) // 10))
    indicators = (y[:, None] == np.unique(y)).astype(float)
    total = ((indicators - indicators.mean(axis=0)) ** 2).sum()
    if total == 0 or n_segments < 2:
        return 0.0
    edges = np.arange(n_segments + 1) * len(y) // n_segments
    parts = [indicators[a:b] for a, b in pairwise(edges)]
    within = sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts)
    share = 1 - within / (len(y) - n_segments) / (total / (len(y) - 1))
    return min(max(share, 0.0), 1.0)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=150), st.booleans())
def test_sortedness_is_the_share_of_variance_between_segments(values, is_sorted):
    y = np.array(sorted(values) if is_sorted else values)
    assert scan(y).sortedness == pytest.approx(sortedness_by_hand(y), abs=1e-12)


def test_sortedness_of_more_rows_than_segments_need():
    y = np.sort(np.random.default_rng(0).integers(0, 7, 2345))
    y[1000:1500] = np.random.default_rng(1).integers(0, 7, 500)
    assert scan(y).sortedness == pytest.approx(sortedness_by_hand(y), abs=1e-12)


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_counts_of_small_and_of_extreme_numbers(dtype):
    """The small ones are not sorted to be counted, and nothing overflows."""
    rng = np.random.default_rng(0)
    least, most = (0, 1) if dtype == "?" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    near = min(5, most - least)
    for low, high in ((least, least + near), (most - near, most), (least, most)):
        labels = rng.integers(low, high, 400, dtype, endpoint=True)
        values, counts = np.unique(labels, return_counts=True)
        found = scan(labels)
        assert found.classes.dtype == values.dtype
        np.testing.assert_array_equal(found.classes, values)
        np.testing.assert_array_equal(found.counts, counts)


@pytest.mark.parametrize("n_classes", [2, 5, 50])
def test_random_order_is_not_sorted_on_average(n_classes):
    """Not even with ten rows in a segment, where labels are never alike by chance."""
    found = [
        scan(np.random.default_rng(seed).integers(0, n_classes, 1000)).sortedness
        for seed in range(30 if EXHAUSTIVE else 12)
    ]
    assert np.mean(found) < 0.01
    assert max(found) < 0.05
    assert min(found) == 0


@pytest.mark.parametrize("n_classes", [2, 5, 50])
@pytest.mark.parametrize("n_rows", [1000, 1003, 2500])
def test_sorted_labels_are_sorted(n_classes, n_rows):
    """All but the segments in which one label ends and the next begins."""
    found = scan(np.arange(n_rows) * n_classes // n_rows).sortedness
    assert 1 - n_classes / 100 - 1e-9 <= found <= 1


def test_one_label_in_each_segment_is_all_sorted():
    assert scan(np.repeat([0, 1, 0, 1], 500)).sortedness == pytest.approx(1, abs=1e-12)
    assert scan(np.repeat([0, 1], 10)).sortedness == pytest.approx(1, abs=1e-12)


def test_half_sorted_is_in_between():
    rng = np.random.default_rng(0)
    y = np.sort(rng.integers(0, 4, 2000))
    half = y.copy()
    half[::2] = rng.permutation(half[::2])
    random = rng.permutation(y)
    found = [scan(labels).sortedness for labels in (random, half, y)]
    assert found[0] < 0.05
    assert found[1] == pytest.approx(0.25, abs=0.05)
    assert found[2] > 0.95


@pytest.mark.parametrize(
    "y",
    [np.zeros(1000), np.arange(9) // 5, np.arange(19) // 10, np.array([1])],
    ids=["one label", "nine rows", "nineteen rows", "one row"],
)
def test_what_has_no_order_is_not_sorted(y):
    """One label, or too few rows for two segments."""
    assert scan(y).sortedness == 0


@of_every_kind
def test_sortedness_is_that_of_every_kind_of_label(kind):
    codes = np.sort(np.random.default_rng(0).integers(0, 4, 1000))
    codes[300:500] = np.random.default_rng(1).integers(0, 4, 200)
    if kind == "bool":
        codes = codes // 2
    found = scan(KINDS[kind](codes)).sortedness
    assert found == pytest.approx(scan(codes).sortedness, abs=1e-12)
    assert 0.5 < found < 0.9


@pytest.mark.parametrize("n_rows", [7, 25, 999, 1000, 1234])
def test_a_scan_does_not_depend_on_the_pieces(n_rows, monkeypatch):
    """Neither where they end with a segment nor where they hold many."""
    y = np.sort(np.random.default_rng(0).integers(0, 5, n_rows))
    y[::3] = 2
    found = set()
    for piece in (1, 3, 10, 11, 100, 10**6):
        monkeypatch.setattr(_values, "_PIECE_NBYTES", piece * y.itemsize)
        labels = scan(y)
        counts = tuple(labels.counts.tolist())
        found.add((tuple(labels.classes), counts, labels.sortedness))
    assert len(found) == 1


def test_columns_have_their_own_counts_and_the_sortedness_of_the_most_sorted():
    rng = np.random.default_rng(0)
    y = np.column_stack([rng.integers(0, 3, 1000), np.arange(1000) // 250])
    found = scan(y, per_column=True)
    for column, classes, counts in zip(y.T, found.classes, found.counts, strict=True):
        expected = np.unique(column, return_counts=True)
        np.testing.assert_array_equal(classes, expected[0])
        np.testing.assert_array_equal(counts, expected[1])
    assert found.sortedness == pytest.approx(1, abs=1e-12)
    assert scan(y[:, ::-1], per_column=True).sortedness == found.sortedness
    assert scan(y[:, :1], per_column=True).sortedness < 0.1


def test_an_indicator_is_not_counted():
    found = scan(np.eye(4, dtype=int))
    assert found.counts is None
    assert found.sortedness == 0


@of_every_kind
def test_weights_go_to_the_rows_of_their_label(kind):
    """In any order and with labels missing; those of which nothing is said weigh 1."""
    y = KINDS[kind](np.arange(40) % 4)
    labels = scan(y)
    first, *_, last = labels.classes.tolist()
    weigh = ClassWeight(labels.classes, {last: 0.5, first: 3}).weigh
    expected = np.where(y == last, 0.5, np.where(y == first, 3.0, 1.0))
    for rows in (slice(None), slice(None, None, -3), slice(1, 2), slice(0)):
        np.testing.assert_array_equal(weigh(y[rows]), expected[rows])


def test_weights_by_scalars_of_numpy():
    labels = scan(np.array([3, 5, 5]))
    weight = ClassWeight(labels.classes, {np.int64(5): 2, np.float32(3): 4})
    assert weight.weigh(np.array([5, 3])).tolist() == [2, 4]


def test_no_weights_weigh_one():
    assert (
        ClassWeight(scan(np.arange(3)).classes, {}).weigh(np.arange(3)).tolist()
        == [1] * 3
    )


@pytest.mark.parametrize(
    ("y", "weights", "text"),
    [
        ([0, 1, 2], {1: 2, 7: 3, 8: 1}, "7, which is not among the labels of y; they "
         "are 0, 1, 2."),
        (["ant", "bee"], {"cat": 1}, "'cat', which is not among the labels of y; they "
         "are 'ant', 'bee'."),
        ([1.0, 2.0], {"1": 2}, "'1', which is not among the labels of y; they are 1.0, "
         "2.0."),
        ([False, True], {2: 2}, "2, which is not among the labels of y; they are "
         "False, True."),
        (range(20), {20: 2}, "20, which is not among the labels of y; they are "
         f"{', '.join(map(str, range(20)))}."),
        (range(1300), {-1: 2}, "-1, which is not among the labels of y; they are "
         f"{', '.join(map(str, range(20)))}, ... (1,300)."),
    ],
)  # fmt: skip
def test_a_weight_of_an_unknown_label_is_refused(y, weights, text):
    labels = scan(np.array(y))
    with raises(ValueError, f"class_weight has a weight for {text}"):
        ClassWeight(labels.classes, weights)
