"""Scalers compute in the array of the result, and the result is the same."""

import numpy as np
import pytest
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

import skmmap.apply.open
from skmmap import ChunkedFit
from skmmap.apply.in_place import find_place

X = np.random.default_rng(0).normal(size=(100, 3)) + 1
X[7, 1] = np.nan


@pytest.fixture
def places(monkeypatch):
    """Return a list of the arrays in which results are computed."""
    found = []

    def find(work):
        found.append(find_place(work))
        return found[-1]

    monkeypatch.setattr(skmmap.apply.open, "find_place", find)
    return found


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(
    "scaler",
    [
        MaxAbsScaler(),
        MinMaxScaler(clip=True),
        RobustScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False, copy=False),
    ],
)
def test_results_are_those_of_transform(scaler, dtype, n_jobs, places, on_disk):
    rows = X.astype(dtype)
    scaler.fit(rows)
    expected = scaler.transform(rows.copy())
    model = ChunkedFit(scaler, chunk_size=7, n_jobs=n_jobs)
    kept, copies = rows.copy(), scaler.copy
    for given in (rows, on_disk(rows), np.asfortranarray(rows)):
        found = model.transform(given)
        assert found is places[-1]
        np.testing.assert_array_equal(found, expected, strict=True)
    np.testing.assert_array_equal(rows, kept)
    assert scaler.copy is copies


def test_where_rows_are_no_place_for_the_result(places):
    class Mine(StandardScaler):
        pass

    scaler = StandardScaler().fit(X)
    for model, given in (
        (scaler, np.arange(300).reshape(100, 3)),
        (scaler, X.astype("f2")),
        (scaler, X.astype(X.dtype.newbyteorder())),
        (Mine().fit(X), X),
        (StandardScaler().fit(X).set_output(transform="pandas"), X),
        (StandardScaler(with_mean=False).fit(X), X.tolist()),
    ):
        found = ChunkedFit(model, chunk_size=7).transform(given)
        assert places.pop() is None
        expected = model.transform(np.asarray(given))
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
    back = ChunkedFit(scaler, chunk_size=7).inverse_transform(X)
    assert places.pop() is None
    np.testing.assert_array_equal(back, scaler.inverse_transform(X))


def test_an_error_names_the_row_as_before(places):
    rows = X.copy()
    rows[31, 2] = np.inf
    model = ChunkedFit(StandardScaler().fit(X), chunk_size=7)
    with pytest.raises(ValueError, match="contains infinity") as caught:
        model.transform(rows)
    assert "row 31" in caught.value.__notes__[0]
    assert places[0].shape == rows.shape
