"""Transformers that learn from counts, against scikit-learn's own fit."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import assert_alike, learn_by_chunks
from scipy import sparse
from sklearn.base import clone
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from skmmap import ChunkedFit
from skmmap.transformers import learn_encoder, learn_imputer, learn_indicator

rng = np.random.default_rng(0)
N = 200
CODES = rng.geometric(0.3, (N, 2))
FLOATS = np.where(rng.random((N, 2)) < 0.1, np.nan, CODES)
TEXTS = np.array(["ash", "birch", "elm", "oak", "yew"], dtype=object)[
    np.minimum(CODES, 5) - 1
]
SOME = np.where(rng.random((N, 2)) < 0.1, None, TEXTS)
SOME[rng.random((N, 2)) < 0.05] = np.nan
MIXED = np.where(CODES == 1, True, np.where(CODES == 2, 1.0, CODES.astype(object)))
FRAME = pd.DataFrame(
    {
        "text": TEXTS[:, 0],
        "some": SOME[:, 0],
        "str": pd.Series(np.where(SOME[:, 1] == "elm", None, TEXTS[:, 1]), dtype="str"),
        "category": pd.Categorical(SOME[:, 1], categories=["oak", "yew", "ash", "elm"]),
        "number": FLOATS[:, 0],
        "code": CODES[:, 0],
        "Int64": pd.array(np.where(CODES[:, 1] == 3, None, CODES[:, 1]), dtype="Int64"),
        "bool": CODES[:, 0] > 1,
        "boolean": pd.array(
            np.where(CODES[:, 1] == 3, None, CODES[:, 1] > 1), "boolean"
        ),
    }
)
POLARS = pl.DataFrame(
    {
        "text": TEXTS[:, 0].tolist(),
        "some": [v if isinstance(v, str) else None for v in SOME[:, 0]],
        "code": CODES[:, 0],
    }
)
DATES = pd.DataFrame(
    {"day": pd.to_datetime(["2026-01-02", "2026-01-01", "2025-01-01"] * 7)}
)
BIG = pd.DataFrame({"a": pd.array([2**53, 2**53 + 1, 2**53 + 1, 5] * 50 + [None])})
ROWS = {
    "integers": CODES,
    "floats": FLOATS,
    "float32": FLOATS.astype(np.float32),
    "texts": TEXTS,
    "texts of NumPy": TEXTS.astype(str),
    "None and NaN": SOME,
    "bools and numbers": MIXED,
    "frame": FRAME,
    "polars": POLARS,
    "polars, numbers": POLARS[["code"]],
    "polars, without some": POLARS.with_columns(
        number=pl.col("code").replace(3, None),
        float=pl.Series(FLOATS[:, 0]),
        bool=pl.col("code").replace_strict({1: True, 2: False}, default=None),
        null=None,
    ),
    "polars, categorical": POLARS[["text"]].cast(pl.Categorical),
    "lists": TEXTS.tolist(),
    "lists of numbers and texts": np.c_[CODES, TEXTS].astype(object).tolist(),
    "beyond 2**53": BIG,
    "dates": DATES.iloc[:20],
}
ENCODERS = [
    OneHotEncoder(min_frequency=12),
    OneHotEncoder(min_frequency=0.07, drop="first"),
    OneHotEncoder(max_categories=3, handle_unknown="infrequent_if_exist"),
    OneHotEncoder(max_categories=3, min_frequency=5, drop="if_binary"),
    OrdinalEncoder(
        max_categories=3, handle_unknown="use_encoded_value", unknown_value=-1
    ),
    OrdinalEncoder(min_frequency=0.1),
    OneHotEncoder(),
]


@pytest.mark.parametrize("X", ROWS.values(), ids=ROWS)
def test_infrequent_categories_are_those_of_fit(X):
    for encoder, size in zip(ENCODERS, [1, 7, 7, 50, 50, N, 7], strict=True):
        found = learn_by_chunks(learn_encoder(clone(encoder)), X, size)
        assert_alike(found, clone(encoder).fit(X), where=f"{encoder} {size}")


def test_the_last_of_equally_frequent_categories_are_kept():
    """Also where whole chunks have one category, and with given ones."""
    X = np.repeat([["b"], ["a"], ["d"], ["c"]], 50, axis=0).astype(object)
    for categories in "auto", [["d", "a", "b", "x", "c"]]:
        encoder = OneHotEncoder(max_categories=3, categories=categories)
        found = learn_by_chunks(learn_encoder(clone(encoder)), X, 7)
        assert_alike(found, clone(encoder).fit(X))
    assert found.infrequent_categories_[0].tolist() == ["d", "a", "x"]


def test_given_categories_that_others_are_beside():
    X = [["ash"], ["oak"], ["oak"], ["yew"]] * 20
    encoder = OrdinalEncoder(
        categories=[["yew", "oak", "elm"]],
        handle_unknown="use_encoded_value",
        unknown_value=-1,
        min_frequency=21,
    )
    found = learn_by_chunks(learn_encoder(clone(encoder)), X, 7)
    assert_alike(found, clone(encoder).fit(X))


def test_wrong_encoders_are_refused_as_by_fit():
    with pytest.raises(ValueError, match="'min_frequency' parameter"):
        learn_by_chunks(learn_encoder(OneHotEncoder(min_frequency=-1)), CODES, 7)
    encoder = OneHotEncoder(min_frequency=40, drop=[3, 3])
    with pytest.raises(ValueError, match="because it is infrequent"):
        learn_by_chunks(learn_encoder(encoder), CODES, 7)
    assert "_identify_infrequent" not in vars(encoder)


EMPTY = np.column_stack([FLOATS, np.full(N, np.nan)])
NUMBERS = sparse.csr_array(np.where(rng.random((N, 3)) < 0.6, 0, EMPTY))
SOME_OR_NONE = np.where(rng.random((N, 2)) < 0.7, None, TEXTS)
NULLABLE = pd.DataFrame(
    {
        "string": pd.array(SOME_OR_NONE[:, 0], dtype="string"),
        "object": SOME_OR_NONE[:, 1],
        "Int64": FRAME["Int64"],
    }
)
MOST_FREQUENT = {
    "floats": (SimpleImputer(), FLOATS),
    "float32": (SimpleImputer(add_indicator=True), FLOATS.astype(np.float32)),
    "integers": (SimpleImputer(missing_values=1), CODES),
    "empty": (SimpleImputer(), EMPTY),
    "empty, kept": (SimpleImputer(keep_empty_features=True), EMPTY),
    "ties": (SimpleImputer(), np.repeat([[5.0, 1], [2, 3], [np.nan, 1]], 50, axis=0)),
    "texts": (SimpleImputer(add_indicator=True), SOME),
    "ties of texts": (
        SimpleImputer(),
        np.repeat([["b"], ["a"]], 50, axis=0).astype(object),
    ),
    "lists": (SimpleImputer(), TEXTS.tolist()),
    "frame": (SimpleImputer(), FRAME[["text", "some", "str", "category", "code"]]),
    "frame of numbers": (SimpleImputer(), FRAME[["number", "code", "Int64"]]),
    "beyond 2**53": (SimpleImputer(), BIG),
    "texts without None": (SimpleImputer(missing_values=None), SOME_OR_NONE),
    "texts without some": (SimpleImputer(missing_values="ash"), TEXTS),
    "frame without pandas.NA": (SimpleImputer(missing_values=pd.NA), NULLABLE),
    "numbers without pandas.NA": (
        SimpleImputer(missing_values=pd.NA, add_indicator=True),
        NULLABLE[["Int64"]],
    ),
    "sparse": (SimpleImputer(), NUMBERS),
    "sparse, kept": (SimpleImputer(keep_empty_features=True), NUMBERS),
    "sparse, more that is stored": (SimpleImputer(), sparse.csr_array(FLOATS - 2)),
}


@pytest.mark.filterwarnings("ignore:Skipping features without")
@pytest.mark.parametrize(("imputer", "X"), MOST_FREQUENT.values(), ids=MOST_FREQUENT)
def test_most_frequent_values_are_those_of_fit(imputer, X):
    imputer = clone(imputer).set_params(strategy="most_frequent")
    expected = clone(imputer).fit(X)
    for size in (7, 50, N):
        found = learn_by_chunks(learn_imputer(clone(imputer)), X, size)
        assert_alike(found, expected, where=f"{size}")


STEPS = {
    "one hot": (OneHotEncoder(max_categories=3), FRAME),
    "most frequent": (SimpleImputer(strategy="most_frequent"), SOME),
}


@pytest.mark.parametrize(("transformer", "X"), STEPS.values(), ids=STEPS)
def test_steps_of_pipelines(transformer, X):
    model = ChunkedFit(make_pipeline(transformer), chunk_size=50).fit(X)
    assert_alike(model.estimator_[0], clone(transformer).fit(X))


@pytest.mark.parametrize(
    ("transformer", "X"),
    [
        (MissingIndicator(missing_values=None), SOME_OR_NONE),
        (SimpleImputer(missing_values="ash", strategy="constant"), TEXTS),
        (SimpleImputer(missing_values=pd.NA), NULLABLE[["Int64"]]),
        (SimpleImputer(missing_values=pd.NA, strategy="median"), NULLABLE[["Int64"]]),
    ],
)
def test_what_is_missing_may_be_none_a_text_or_of_pandas(transformer, X):
    learn = learn_imputer if "Imputer" in str(transformer) else learn_indicator
    found = learn_by_chunks(learn(clone(transformer)), X, 7)
    assert_alike(found, clone(transformer).fit(X), 1e-14)
