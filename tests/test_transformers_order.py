"""Rows that are drawn by number, from selections that are read in file order."""

import numpy as np
import pytest
from helpers import assert_alike
from sklearn.base import clone
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    QuantileTransformer,
)

from skmmap import ChunkedFit, open_rows

N = 60
rng = np.random.default_rng(0)
X = rng.normal(size=(N, 2))
SHUFFLED = rng.permutation(N)
BINS = KBinsDiscretizer(3, subsample=20, strategy="kmeans", random_state=0)
DRAWING = [
    BINS,
    clone(BINS).set_params(subsample=N),
    QuantileTransformer(n_quantiles=5, subsample=20, random_state=0),
    Nystroem(n_components=5, random_state=0),
]


@pytest.mark.parametrize("order", [SHUFFLED, np.arange(N)[::-1]])
@pytest.mark.parametrize("transformer", DRAWING)
def test_drawn_rows_are_those_of_fit(transformer, order):
    model = ChunkedFit(make_pipeline(MinMaxScaler(), transformer), chunk_size=7)
    found = model.fit(open_rows(X)[order]).estimator_
    expected = clone(make_pipeline(MinMaxScaler(), transformer)).fit(X[order])
    assert_alike(found[1], expected[1])


@pytest.mark.filterwarnings("ignore:The current default behavior, quantile_method")
def test_rows_are_drawn_by_their_own_weights():
    bins = clone(BINS).set_params(strategy="quantile")
    weights = rng.integers(0, 3, N) + 0.5
    model = ChunkedFit(bins, chunk_size=7)
    found = model.fit(open_rows(X)[SHUFFLED], sample_weight=weights[SHUFFLED])
    expected = bins.fit(X[SHUFFLED], sample_weight=weights[SHUFFLED])
    assert_alike(found.estimator_.bin_edges_.tolist(), expected.bin_edges_.tolist())
