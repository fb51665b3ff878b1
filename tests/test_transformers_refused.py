"""What the ``fit`` of a transformer refuses in some rows, its chunks refuse too."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import assert_alike, raises
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from skmmap import ChunkedFit


def assert_refused_alike(transformer, X):
    with pytest.raises((TypeError, ValueError)) as expected:
        clone(transformer).fit(X)
    with raises(expected.type, str(expected.value)):
        ChunkedFit(transformer, chunk_size=4).fit(X)


ENCODERS = [OneHotEncoder(), OrdinalEncoder()]


@pytest.mark.parametrize("encoder", ENCODERS)
def test_categories_that_cannot_be_hashed(encoder):
    X = np.arange(20, dtype=object).reshape(10, 2)
    X[6, 1] = {"a": 1}
    for rows in (X[6:], pd.DataFrame(X[6:])):
        assert_refused_alike(encoder, rows)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_rows_of_more_dimensions_are_flattened(encoder):
    X = np.arange(24).reshape(6, 4, 1)
    found = ChunkedFit(encoder, chunk_size=4).fit(X).estimator_
    assert_alike(found, clone(encoder).fit(X.reshape(6, 4)))


def put(X, value):
    X = X.copy()
    X[5, 0] = value
    return X


CONSTANT = SimpleImputer(strategy="constant", fill_value=0.0)
NUMBERS = np.arange(10.0)[:, np.newaxis]
TEXTS = np.array([["a"], ["b"]] * 5, dtype=object)
NULLABLE = pd.DataFrame(
    {"n": pd.array([1, 3, 3, 1, 1, None], dtype="Int64"), "f": np.arange(6.0)}
)
IMPUTERS = [CONSTANT, MissingIndicator(), SimpleImputer()]


@pytest.mark.parametrize("imputer", IMPUTERS)
def test_values_that_are_neither_finite_nor_missing(imputer):
    assert_refused_alike(imputer, put(NUMBERS, np.inf))
    without_ones = clone(imputer).set_params(missing_values=1)
    assert_refused_alike(without_ones, put(NUMBERS, np.nan))
    assert_refused_alike(without_ones, NULLABLE)
    for missing in (None, "a"):
        without = clone(imputer).set_params(missing_values=missing)
        if "strategy" in without.get_params():
            without.set_params(strategy="constant", fill_value="c")
        assert_refused_alike(without, put(TEXTS, np.nan))


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
def test_what_is_missing_for_pandas_is_compared_with_nothing(strategy):
    imputer = SimpleImputer(strategy=strategy, missing_values=3)
    assert_refused_alike(imputer, NULLABLE)
    found = ChunkedFit(imputer, chunk_size=2).fit(NULLABLE[:5]).estimator_
    assert_alike(found, clone(imputer).fit(NULLABLE[:5]), 1e-14)


def test_pandas_na_may_be_missing_for_imputers_alone():
    assert_refused_alike(MissingIndicator(missing_values=pd.NA), NULLABLE)
    imputer = clone(CONSTANT).set_params(missing_values=pd.NA)
    found = ChunkedFit(imputer, chunk_size=4).fit(NULLABLE).estimator_
    assert_alike(found, clone(imputer).fit(NULLABLE))


FRAME = pd.DataFrame({"a": [1.0, 2, 3], "b": [4.0, 5, 7]})


@pytest.mark.parametrize("rows", [FRAME, FRAME.to_numpy(), pl.from_pandas(FRAME)])
@pytest.mark.parametrize("columns", ["zz", ["a", "zz"], 7, [-3], [True] * 3])
def test_columns_that_are_not_there(rows, columns):
    union = ColumnTransformer([("scaled", StandardScaler(), columns)])
    if "zz" not in np.atleast_1d(columns) or hasattr(rows, "columns"):
        assert_refused_alike(union, rows)


@pytest.mark.parametrize("columns", [pd.Index(["b", "a"]), pd.Index([1])])
def test_columns_of_an_index(columns):
    rows = pl.from_pandas(FRAME)
    union = ColumnTransformer([("scaled", StandardScaler(), columns)])
    found = ChunkedFit(union, chunk_size=2).fit(rows).transform(rows)
    expected = union.fit(rows).transform(rows)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
