"""What the ``fit`` of a transformer refuses in some rows, its chunks refuse too."""

import numpy as np
import pandas as pd
import pytest
from helpers import assert_alike, raises
from sklearn.base import clone
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

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
