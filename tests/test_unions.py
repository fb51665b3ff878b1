"""Unions of transformers in unusual cases, against scikit-learn's own fit."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from skmmap import ChunkedFit, open_rows

NUMBERS = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0) % 7})
WITH_NA = pd.DataFrame({"n": pd.array([1, None, 3] * 5, dtype="Int64"), "f": range(15)})
RARE = np.array([["a"]] + [["z"]] * 19, dtype=object)


def to_array(result):
    result = result.toarray() if hasattr(result, "toarray") else result
    return np.asarray(result, dtype=float)


CASES = {
    "polars results": (
        ColumnTransformer([("s", StandardScaler(), ["a"])], remainder="passthrough"),
        NUMBERS,
        "polars",
    ),
    "polars rows": (
        ColumnTransformer([("p", "passthrough", ["a", "b"])]),
        pl.DataFrame(NUMBERS.to_dict("list")),
        None,
    ),
    "pandas.NA beside a remainder": (
        ColumnTransformer([("i", SimpleImputer(), ["n"])], remainder=MinMaxScaler()),
        WITH_NA,
        None,
    ),
    "names that are alike before they are transformed": (
        ColumnTransformer(
            [("i", PCA(1), ["a"]), ("j", StandardScaler(), ["a"])],
            remainder=MinMaxScaler(),
            verbose_feature_names_out=False,
        ),
        NUMBERS,
        "pandas",
    ),
    "given categories that are not there": (
        ColumnTransformer(
            [
                (
                    "o",
                    OneHotEncoder(categories=[["a", "b"]], handle_unknown="ignore"),
                    [0],
                )
            ]
        ),
        RARE,
        None,
    ),
    "no columns": (
        ColumnTransformer([("s", StandardScaler(), [])]),
        NUMBERS,
        None,
    ),
}


@pytest.mark.parametrize(("union", "X", "output"), CASES.values(), ids=CASES)
def test_what_is_fitted_is_that_of_fit(union, X, output):
    expected, model = clone(union), ChunkedFit(union, chunk_size=6)
    if output:
        expected.set_output(transform=output)
        model.set_output(transform=output)
    expected.fit(X)
    model.fit(X)
    assert vars(model.estimator_).keys() == vars(expected).keys()
    sparse_output = getattr(expected, "sparse_output_", None)
    assert getattr(model.estimator_, "sparse_output_", None) is sparse_output
    found, wanted = model.transform(X), expected.transform(X)
    assert type(found) is type(wanted)
    np.testing.assert_allclose(to_array(found), to_array(wanted), atol=1e-12)


def test_weights_of_a_step_without_partial_fit_by_routing():
    X, weights = np.arange(10.0)[:, None], np.r_[5.0, np.ones(9)]
    with sklearn.config_context(enable_metadata_routing=True):
        bins = KBinsDiscretizer(2, encode="ordinal", subsample=1_000, random_state=0)
        bins.set_fit_request(sample_weight=True)
        for composed in (
            FeatureUnion([("k", bins), ("s", MinMaxScaler())]),
            make_pipeline(bins, MinMaxScaler()),
        ):
            model = ChunkedFit(composed)
            model.fit(X, sample_weight=weights)
            part = getattr(model.estimator_, "transformer_list", None)
            part = (part or model.estimator_.steps)[0][1]
            expected = clone(bins).fit(X, sample_weight=weights)
            np.testing.assert_array_equal(part.bin_edges_[0], expected.bin_edges_[0])


@pytest.mark.parametrize("columns", [[0, 1], lambda rows: [0, 1]])
def test_few_rows_are_transformed_to_look_at_them(columns):
    """Wide rows between two steps, of which 10,000 would take 200 MB."""
    X, seen = np.random.default_rng(0).random((5_000, 60)), []
    rows = open_rows(X).map(lambda part: [seen.append(len(part)), part][1])
    union = ColumnTransformer([("s", StandardScaler(), columns)])
    pipeline = make_pipeline(PolynomialFeatures(2), union, GaussianNB())
    model = ChunkedFit(pipeline, memory_limit="8MB", chunk_size=500)
    seen.clear()
    model.fit(rows, np.arange(5_000) % 2)
    assert max(seen) < 1_100
    assert sum(seen) < 2.5 * len(X)


def test_selectors_see_all_rows_in_memory():
    frame = pd.DataFrame({"a": np.zeros(20_000), "t": ["x"] * 20_000})
    union = ColumnTransformer(
        [("s", StandardScaler(), make_column_selector(dtype_include=float))]
    )
    assert ChunkedFit(union).fit(frame).transform(frame).shape == (20_000, 1)
