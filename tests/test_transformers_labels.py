"""Encoders of labels, against scikit-learn's own fit."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import assert_alike, raises
from scipy import sparse
from sklearn.base import clone
from sklearn.preprocessing import LabelBinarizer, LabelEncoder, MultiLabelBinarizer

from skmmap import ChunkedFit, open_rows

TEXTS = np.array(["b", "a", "d"] * 60 + ["c"])
SETS = [[1, 2], (5,), set()] * 60 + [{9}]
MANY = np.arange(300) % 210
NONE = np.where(np.arange(len(TEXTS)) % 5, TEXTS, None)
NANS = np.where(np.arange(len(TEXTS)) % 5, TEXTS.astype(object), np.nan)
THREE = np.ones((100, 3), int)
THREE[0] = 0
THREE[-1] = 2
INDICATOR = np.eye(4, dtype=int)[np.arange(50) % 4]


@pytest.mark.parametrize(
    ("encoder", "labels"),
    [
        (LabelBinarizer(), TEXTS),
        (LabelBinarizer(neg_label=-1), MANY),
        (LabelBinarizer(sparse_output=True), TEXTS),
        (LabelBinarizer(), np.array([0.0, 1.0, 0.0] * 50)),
        (LabelBinarizer(), INDICATOR),
        (LabelBinarizer(sparse_output=True), sparse.csr_matrix(INDICATOR)),
        (LabelEncoder(), MANY),
        (LabelEncoder(), TEXTS),
        (LabelEncoder(), TEXTS.tolist()),
        (LabelBinarizer(), MANY.tolist()),
        (LabelEncoder(), pd.Series(TEXTS)),
        (LabelEncoder(), pl.Series(TEXTS.tolist())),
        (LabelEncoder(), NONE),
        (LabelEncoder(), NANS),
        (MultiLabelBinarizer(), SETS),
        (MultiLabelBinarizer(classes=[9, 5, 2, 1]), SETS),
        (MultiLabelBinarizer(sparse_output=True), SETS),
    ],
)
def test_labels_are_those_of_fit(encoder, labels):
    model = ChunkedFit(clone(encoder), chunk_size=7).fit(labels)
    expected = clone(encoder).fit(labels)
    assert_alike(model.estimator_, expected)
    assert_alike(model.transform(labels), expected.transform(labels))


def test_labels_stay_on_disk(tmp_path):
    np.save(tmp_path / "y.npy", TEXTS)
    rows = open_rows(tmp_path / "y.npy")
    model = ChunkedFit(LabelBinarizer(), chunk_size=7).fit(rows)
    codes = model.transform(rows)
    np.testing.assert_array_equal(model.inverse_transform(codes), TEXTS)


def test_labels_come_alone():
    with raises(
        TypeError, "fit got y for LabelEncoder, which takes no such parameter."
    ):
        ChunkedFit(LabelEncoder()).fit(MANY, MANY)


@pytest.mark.parametrize(
    ("encoder", "labels"),
    [
        (LabelBinarizer(), np.r_[np.arange(100.0), 0.5]),
        (LabelBinarizer(), np.ones((9, 2)) * [[0.5, 1]]),
        (LabelBinarizer(), THREE),
        (LabelBinarizer(sparse_output=True), sparse.csr_matrix(THREE)),
        (LabelEncoder(), np.array([1, "a"] * 9, dtype=object)),
    ],
)
def test_what_fit_refuses_is_refused(encoder, labels):
    with pytest.raises((ValueError, TypeError)) as expected:
        clone(encoder).fit(labels)
    with pytest.raises(expected.type) as refused:
        ChunkedFit(encoder, chunk_size=7).fit(labels)
    assert str(refused.value)[:18] == str(expected.value)[:18]
