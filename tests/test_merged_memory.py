"""What parts of the rows keep until they are merged counts against `memory_limit`."""

import threading
import time
import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)

from skmmap import ChunkedFit, open_rows
from skmmap.estimators import find_entry
from skmmap.rows import find_source
from skmmap.run import Jobs, iter_done
from skmmap.transformers import ChunkLearner

N, WIDTH = 2_000_000, 250
PRODUCTS = 8 * WIDTH**2
rng = np.random.default_rng(0)
WIDE = rng.normal(size=(100, WIDTH))
SPARSE = sparse.random_array((100, WIDTH), density=0.02, format="csr", rng=0)
FEW = rng.normal(size=(100, 3))
ALL = {"encode": "ordinal", "subsample": None}

# The transformer, a chunk, and how many times what is said may be what is measured.
CASES = {
    "products": (PCA(2, svd_solver="covariance_eigh"), WIDE, 1.2),
    "sparse": (PCA(2), SPARSE, 2),
    "factor": (PCA(2, svd_solver="full"), WIDE, 1.2),
    "svd": (TruncatedSVD(2), WIDE, 1.2),
    "robust": (RobustScaler(), FEW, 1.2),
    "median": (SimpleImputer(strategy="median"), FEW, 1.2),
    "quantiles": (QuantileTransformer(subsample=None), FEW, 1.2),
    "knots": (SplineTransformer(knots="quantile"), FEW, 1.2),
    "bins": (KBinsDiscretizer(**ALL, quantile_method="linear"), FEW, 1.2),
}


def make_learner(transformer, n_rows=N):
    make = find_entry(type(transformer)).entry.chunk_learner
    return ChunkLearner(transformer, make, n_rows)


def make_source(chunk, n_rows=N):
    """Return rows of which all chunks are this one."""
    numbers = np.arange(n_rows)
    return find_source(
        open_rows(numbers).map(lambda some: chunk[some % chunk.shape[0]])
    )


@pytest.fixture
def few_counts(monkeypatch):
    monkeypatch.setattr("skmmap.transformers.ranks._BYTES", 2**22)


@pytest.mark.parametrize("name", CASES)
def test_bytes_of_a_part(name, few_counts):
    transformer, chunk, most = CASES[name]
    learner = make_learner(transformer)
    said = learner.find_part_nbytes(make_source(chunk))
    learner.partial_fit(chunk[:10])
    other = make_learner(transformer)
    tracemalloc.start()
    for _ in range(10):
        other.partial_fit(chunk)
    learner.merge(other)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert said >= 0.95 * (peak - 3 * chunk.shape[0] * chunk.shape[1] * 8)
    assert said <= most * peak


def test_counts_of_later_passes(few_counts):
    rows = np.round(rng.normal(size=(N // 10, 3)), 2)
    learner, source = make_learner(RobustScaler(), len(rows)), make_source(FEW)
    learner.partial_fit(rows)
    assert learner.find_part_nbytes(source) == 8 << 19  # of one column
    assert learner.end_pass()
    # Keys of few values are gathered: parts share them out, and keep them once.
    assert learner.find_part_nbytes(source) == 0


@pytest.mark.parametrize(
    "transformer", [RobustScaler(), KBinsDiscretizer(), QuantileTransformer()], ids=str
)
def test_what_all_parts_keep_once_is_not_counted(transformer):
    assert make_learner(transformer, 500).find_part_nbytes(make_source(FEW, 500)) == 0


def test_workers_are_limited_by_what_they_keep():
    prepare = make_pipeline(PCA(2, svd_solver="covariance_eigh"), StandardScaler())
    rows = open_rows(rng.normal(size=(1_000, WIDTH)))

    def say(limit):
        params = {"chunk_size": 10, "n_jobs": 4, "memory_limit": limit}
        return ChunkedFit(prepare, **params).explain(rows).sections["passes"]

    # A chunk of 20 kB is there once, if need be, and twice more as it is computed.
    one = 3 * 10 * WIDTH * 8 + 2 * PRODUCTS
    for number in (2, 3, 4):
        limit = -(-(number * one + 2 * PRODUCTS) * 8 // 7)
        assert f"1. PCA on {number} workers;" in say(limit)
        assert f"PCA on {number} workers" not in say(limit - 2)


def test_results_that_wait_are_limited():
    """A slow part lets the others wait, however many there are."""
    began, done = [], threading.Event()

    def work(span, is_over):
        began.append(span)
        if span == 0:
            done.wait(0.05)
        return (span,)

    spans = list(range(12))
    results = iter_done(work, spans, Jobs(2, wave=4))
    assert next(results) == (0,)
    time.sleep(0.02)
    assert len(began) == 4
    assert list(results) == [(span,) for span in spans[1:]]
    assert sorted(began) == spans


def test_memory_of_a_fit_is_that_of_its_parts():
    """Eight workers are asked for, and all results would be twice the limit."""
    X = rng.normal(size=(800, 2 * WIDTH))
    pca = PCA(2, svd_solver="covariance_eigh")
    given = {"chunk_size": 10, "memory_limit": 8 * 4 * PRODUCTS}
    few = ChunkedFit(pca, n_jobs=8, **given)
    expected = ChunkedFit(pca, n_jobs=2, chunk_size=10).fit(X).estimator_

    tracemalloc.start()
    found = few.fit(X).estimator_
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < given["memory_limit"]
    np.testing.assert_array_equal(found.components_, expected.components_)
