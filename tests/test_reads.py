"""Columns of rows, their copies, extremes and residuals are those of an array."""

import itertools
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import raises
from scipy import sparse
from test_rows import ARRAY, DENSE, make_rows

from skmmap import open_rows
from skmmap.rows import reads as _reads

ROWS = [
    slice(None),
    slice(5, 1, -2),
    slice(4, 4),
    3,
    -1,
    [7, 2, 2, 19],
    np.arange(20) % 3 == 0,
    ...,
]
COLUMNS = [1, -1, np.int64(0), slice(None), slice(2, 0, -1), [2, 0], np.array([1])]
COLUMNS += [[True, False, True], []]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(_reads, "_PIECE_NBYTES", 40)


@pytest.mark.parametrize("kind", DENSE)
def test_columns_are_those_of_numpy(kind, tmp_path):
    rows, read = make_rows(kind, tmp_path), 0
    for key in itertools.product(ROWS, COLUMNS):
        try:
            got = rows[key]
        except IndexError:
            # An array of rows is paired with one of columns.
            assert not isinstance(key[0], slice | int)
            assert isinstance(key[1], list | np.ndarray) or key[0] is ...
            continue
        expected = ARRAY[key]
        assert type(got) is type(expected)
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected, strict=True)
        read += 1
    assert read >= 5 * len(COLUMNS)


@pytest.mark.parametrize("kind", ["csr", "csr folder", "csr shards"])
def test_columns_of_a_sparse_matrix_stay_sparse(kind, tmp_path):
    rows = make_rows(kind, tmp_path)
    for first, columns in itertools.product(ROWS[:5], COLUMNS):
        got = rows[first, columns]
        assert sparse.issparse(got)
        assert got.format == "csr"
        one = [columns] if isinstance(columns, int | np.integer) else columns
        expected = np.atleast_2d(ARRAY[first])[:, one]
        np.testing.assert_array_equal(got.toarray(), expected)
    copy = rows.copy()
    assert sparse.issparse(copy)
    np.testing.assert_array_equal(copy.toarray(), ARRAY)


def test_columns_of_a_selection_are_in_its_order(tmp_path):
    rows = make_rows("npy", tmp_path)
    picked = np.random.default_rng(0).permutation(20)
    np.testing.assert_array_equal(rows[picked][:, 1], ARRAY[picked, 1])
    np.testing.assert_array_equal(rows[picked][:, [2, 0]], ARRAY[picked][:, [2, 0]])


def test_more_dimensions(tmp_path):
    images = np.arange(240).reshape(5, 6, 2, 4)
    np.save(tmp_path / "X.npy", images)
    rows = open_rows(tmp_path / "X.npy")
    for key in [
        (slice(None), 2),
        (slice(None), 2, 1),
        (slice(3), 2, slice(None), 1),
        (1, slice(2), 0),
        ([3, 1], 2, slice(None), 1),
        (slice(None), [4, 4, 1]),
    ]:
        np.testing.assert_array_equal(rows[key], images[key], strict=True)
    for key in [
        (slice(None), [1, 2], slice(None), 1),  # NumPy puts the rows at the end
        (slice(None), None),
        (slice(None), 1, ...),
        ([0, 1], [0, 1]),
    ]:
        with pytest.raises(IndexError, match="one key for rows"):
            rows[key]


@pytest.mark.parametrize("kind", ["pandas", "polars", "list"])
def test_columns_of_frames_and_lists_are_arrays(kind, tmp_path):
    whole = make_rows(kind, tmp_path)
    picked = np.random.default_rng(0).permutation(20)[:9]
    shards = open_rows([whole[:7], whole[7:]])
    for rows, array in [(whole, ARRAY), (whole[picked], ARRAY[picked])]:
        for first, columns in itertools.product(ROWS[:5], COLUMNS):
            got = rows[first, columns]
            np.testing.assert_array_equal(got, array[first, columns])
            assert np.shape(got) == array[first, columns].shape
    np.testing.assert_array_equal(shards[::-1][:, [2, 0]], ARRAY[::-1, [2, 0]])
    assert whole[:, 1].dtype == (np.int64 if kind == "list" else np.int32)


@pytest.mark.parametrize("library", [pd, pl])
def test_columns_of_a_frame_have_their_own_type(library):
    rows = open_rows(library.DataFrame({"a": [1, 2], "b": [1.5, 2], "c": ["x", "yy"]}))
    assert [rows[:, j].dtype.kind for j in range(3)] == ["i", "f", "O"]
    assert rows[:, [0, 1]].tolist() == [[1, 1.5], [2, 2]]
    assert rows[:, 2].tolist() == ["x", "yy"]
    assert rows.columns.tolist() == ["a", "b", "c"]
    copy = rows.copy()
    assert np.asarray(copy).tolist() == [[1, 1.5, "x"], [2, 2.0, "yy"]]
    assert hasattr(copy, "iloc") == (library is pd)


def test_rows_without_names_have_no_columns(tmp_path):
    text = "Rows of a.npy have no names of columns; select columns by their numbers."
    with raises(AttributeError, text):
        make_rows("npy", tmp_path).columns  # noqa: B018


def test_errors_are_those_of_numpy(tmp_path):
    rows = make_rows("npy", tmp_path)
    for key in [(slice(None), 3), (20, 0), (slice(None), [0, -4])]:
        with pytest.raises(IndexError) as expected:
            ARRAY[key]
        with pytest.raises(IndexError) as got:
            rows[key]
        assert str(got.value) == str(expected.value)
    with pytest.raises(IndexError, match="take one key for rows"):
        rows[:, 0] = 1


@pytest.mark.parametrize("kind", DENSE)
def test_copies_and_extremes(kind, tmp_path):
    rows = make_rows(kind, tmp_path)[::-1]
    copy = rows.copy()
    np.testing.assert_array_equal(copy, ARRAY[::-1], strict=True)
    copy[:] = 0  # and what it was copied from stays
    np.testing.assert_array_equal(np.asarray(rows), ARRAY[::-1])
    assert (rows.min(), rows.max(), np.min(rows), np.max(rows)) == (0, 59, 0, 59)
    assert rows.max().dtype == ARRAY.dtype


def test_an_extreme_with_nan_and_of_nothing(tmp_path):
    values = np.arange(30.0)
    values[17] = np.nan
    np.save(tmp_path / "y.npy", values)
    rows = open_rows(tmp_path / "y.npy")
    assert np.isnan(rows.max())
    assert rows[18:].max() == 29
    with pytest.raises(ValueError, match="zero-size array"):
        rows[:0].max()


@pytest.mark.parametrize("name", ["min", "max"])
def test_other_extremes_are_refused(name, tmp_path):
    text = (
        f"rows.{name}() is for all values of dense rows. For anything else, load them: "
        f"np.asarray(rows).{name}(axis)."
    )
    for kind, axis in [("npy", 0), ("csr", None)]:
        with raises(TypeError, text):
            getattr(make_rows(kind, tmp_path), name)(axis=axis)


def test_residuals_are_the_only_arithmetic(tmp_path):
    y = np.arange(20.0)
    np.save(tmp_path / "y.npy", y)
    rows, guess = open_rows(tmp_path / "y.npy"), y[::-1]
    np.testing.assert_array_equal(rows - guess, y - guess)
    np.testing.assert_array_equal(guess - rows, guess - y)
    np.testing.assert_array_equal(rows - rows, y - y)
    X = make_rows("npy", tmp_path)
    for compute in (lambda: X - 1, lambda: ARRAY - X, lambda: rows + guess):
        with pytest.raises(TypeError):
            compute()


def test_a_column_takes_its_own_memory(tmp_path, monkeypatch):
    monkeypatch.undo()
    np.save(tmp_path / "X.npy", np.zeros((100_000, 100)))
    rows = open_rows(tmp_path / "X.npy")
    rows[:3, 1]
    tracemalloc.start()
    column = rows[:, 7]
    largest = rows.max()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(column) == 100_000
    assert largest == 0
    assert peak < 20e6
