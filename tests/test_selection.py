"""Selections, against NumPy's own indexing: exhaustive where small, else random."""

import pickle
from itertools import product
from unittest.mock import patch

import numpy as np
import pytest
from helpers import EXHAUSTIVE
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skmmap.order import selection as _selection
from skmmap.order.file_order import find_order
from skmmap.order.indexing import resolve_key
from skmmap.order.selection import Runs, from_bytes, rows_at, select, to_bytes


def numbers(selection):
    """Return the row numbers of a selection."""
    return (
        rows_at(selection, range(len(selection)))
        if len(selection)
        else np.array([], int)
    )


def bounds(n):
    return [None, *range(-n - 2, n + 3)]


@pytest.mark.parametrize("n", range(5))
def test_every_slice(n):
    for start, stop, step in product(bounds(n), bounds(n), [None, -3, -2, -1, 1, 2, 3]):
        key = slice(start, stop, step)
        assert list(resolve_key(key, n)) == np.arange(n)[key].tolist()


@pytest.mark.parametrize("n", range(1, 5))
def test_every_slice_of_every_slice(n):
    steps = [-2, -1, 1, 2]
    for outer in product(range(-1, n + 1), range(-1, n + 1), steps):
        rows = np.arange(n)[slice(*outer)]
        selection = resolve_key(slice(*outer), n)
        for inner in product(bounds(len(rows)), bounds(len(rows)), steps):
            picked = select(selection, resolve_key(slice(*inner), len(rows)))
            assert list(picked) == rows[slice(*inner)].tolist()


@pytest.mark.parametrize("n", range(5))
def test_every_array_of_up_to_four_rows(n):
    for size in range(5):
        for key in product(range(-n - 1, n + 1), repeat=size):
            _same_as_numpy(np.array(key, dtype=int), n)
            _same_as_numpy(list(key), n)


@pytest.mark.parametrize("n", range(6))
def test_every_mask(n):
    for size in (n, n + 1):
        for mask in product([False, True], repeat=size):
            _same_as_numpy(np.array(mask, dtype=bool), n)


@pytest.mark.parametrize("n", range(4))
def test_every_range(n):
    for key in product(range(-n - 1, n + 2), range(-n - 1, n + 2), [-2, -1, 1, 2]):
        _same_as_numpy(range(*key), n)


def _same_as_numpy(key, n):
    rows = np.arange(n)
    try:
        expected = rows[key]
    except IndexError as error:
        with pytest.raises(IndexError) as caught:
            resolve_key(key, n)
        if "out of bounds" in str(error):
            assert "is out of bounds for axis 0 with size" in str(caught.value)
        return
    assert numbers(resolve_key(key, n)).tolist() == expected.tolist()


@pytest.mark.parametrize("n", [0, 1, 7])
@pytest.mark.parametrize(
    "row", [0, -1, 6, 7, -7, -8, np.int8(0), np.uint64(3), np.array(2)]
)
def test_a_single_row(n, row):
    try:
        expected = np.arange(n)[row]
    except IndexError as error:
        with pytest.raises(IndexError, match=f"^{error}$"):
            resolve_key(row, n)
    else:
        assert resolve_key(row, n) == expected
        assert type(resolve_key(row, n)) is int


@pytest.mark.parametrize(
    "key", [1.0, "a", None, True, np.True_, {1}, [1.5], ["a"], (1, 2), (slice(1), 0)]
)
def test_what_is_no_key(key):
    with pytest.raises(IndexError):
        resolve_key(key, 3)


def test_arrays_of_more_dimensions_are_no_keys():
    for key in ([[0, 1]], np.zeros((3, 1), bool), np.zeros(0), np.zeros((0, 2), int)):
        with pytest.raises(IndexError):
            resolve_key(key, 3)


def test_slices_of_floats_and_steps_of_zero():
    with pytest.raises(TypeError, match="slice indices must be integers"):
        resolve_key(slice(0.0, 2), 3)
    with pytest.raises(ValueError, match="slice step cannot be zero"):
        resolve_key(slice(None, None, 0), 3)


@pytest.mark.parametrize("key", [(slice(1, 3), ...), (slice(1, 3),), slice(1, 3)])
def test_the_key_of_scikit_learn(key):
    assert resolve_key(key, 5) == range(1, 3)
    assert resolve_key(..., 5) == range(5)


rows_of = st.integers(1, 60)


@st.composite
def keys(draw, n):
    """A key for n rows that NumPy takes."""
    kind = draw(st.sampled_from(["slice", "rows", "mask", "runs", "range"]))
    if kind == "slice":
        return draw(st.slices(n))
    if kind == "mask":
        return draw(hnp.arrays(bool, n))
    if kind == "rows" and n:
        dtype = draw(st.sampled_from([np.int8, np.int64, np.uint8]))
        low = 0 if dtype == np.uint8 else -n
        return draw(
            hnp.arrays(dtype, st.integers(0, 80), elements=st.integers(low, n - 1))
        )
    cuts = sorted(draw(st.lists(st.integers(0, n), min_size=6, max_size=6)))
    if kind == "runs":
        runs = [np.arange(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
        return np.concatenate(draw(st.permutations(runs)))
    return range(cuts[0], cuts[-1], draw(st.integers(1, 3)))


@settings(max_examples=400 if EXHAUSTIVE else 100)
@given(st.data(), rows_of, st.integers(1, 7))
def test_selections_of_selections(data, n, piece):
    """Three keys in a row, with row numbers worked on in pieces of any length."""
    with patch.object(_selection, "_PIECE", piece):
        rows, selection = np.arange(n), range(n)
        for _ in range(3):
            key = data.draw(keys(len(rows)))
            rows, selection = rows[key], select(selection, resolve_key(key, len(rows)))
            assert numbers(selection).tolist() == rows.tolist()
            assert numbers(from_bytes(to_bytes(selection))).tolist() == rows.tolist()
            _check_order(selection, rows)


def _check_order(selection, rows):
    order = find_order(selection)
    if order is None:
        assert np.all(np.diff(rows) >= 0)
    else:
        assert numbers(order).tolist() == np.argsort(rows, kind="stable").tolist()
        assert np.any(np.diff(rows) < 0)


@given(st.data(), rows_of)
def test_positions_in_any_order(data, n):
    rows = np.arange(n)[data.draw(keys(n))]
    selection = resolve_key(rows, n)
    if len(rows):
        picks = st.integers(0, len(rows) - 1)
        positions = data.draw(hnp.arrays(np.int64, st.integers(0, 20), elements=picks))
        assert rows_at(selection, positions).tolist() == rows[positions].tolist()


BILLION = 10**9


def test_ranges_of_a_billion_rows_stay_ranges():
    half = resolve_key(slice(0, None, 2), BILLION)
    assert select(half, half) == range(0, BILLION, 4)
    assert resolve_key(range(5, BILLION), BILLION) == range(5, BILLION)
    assert select(half, resolve_key(slice(None, None, -1), len(half)))[0] == BILLION - 2
    assert find_order(half) is None
    assert find_order(half[::-1]) == range(len(half))[::-1]


@pytest.mark.parametrize(
    ("index", "n_bytes"),
    [
        (np.arange(3_000_000), 0),
        (np.arange(0, 3_000_000, 3), 0),
        (np.arange(3_000_000)[::-1], 0),
        (np.r_[:1_500_000, 1_600_000:3_000_000], 32),
        (np.r_[2_000_000:3_000_000, :1_500_000], 32),
        (np.random.default_rng(0).permutation(3_000_000), 4 * 3_000_000),
        (np.random.default_rng(0).random(3_000_000) < 0.5, None),
        (np.ones(3_000_000, dtype=bool), 0),
    ],
)
def test_the_bytes_that_a_selection_takes(index, n_bytes):
    selection = resolve_key(index, 3_000_000)
    expected = np.flatnonzero(index) if index.dtype == bool else index
    np.testing.assert_array_equal(numbers(selection), expected)
    n_bytes = 4 * len(expected) if n_bytes is None else n_bytes
    assert getattr(selection, "nbytes", 0) == n_bytes
    assert len(pickle.dumps(to_bytes(selection))) < n_bytes + 200


def test_rows_beyond_what_four_bytes_count():
    index = np.array([2**40, 5, 2**33])
    selection = resolve_key(index, 2**41)
    assert numbers(selection).tolist() == index.tolist()
    assert numbers(select(selection, np.array([2, 0]))).tolist() == [2**33, 2**40]
    assert numbers(find_order(selection)).tolist() == [1, 2, 0]


def test_runs_in_another_order_are_ordered_as_runs():
    runs = resolve_key(np.r_[500:900, :400], 1000)
    order = find_order(runs)
    assert isinstance(runs, Runs)
    assert isinstance(order, Runs)
    assert numbers(select(runs, order)).tolist() == [*range(400), *range(500, 900)]


def test_runs_that_overlap_are_ordered_row_by_row():
    index = np.r_[50:150, :100]
    runs = resolve_key(index, 200)
    assert isinstance(runs, Runs)
    _check_order(runs, index)
