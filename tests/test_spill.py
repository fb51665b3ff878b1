"""Transformed rows in a temporary file, against those that are computed again."""

import os
from contextlib import ExitStack

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline

from skmmap import ChunkedFit, open_rows, register
from skmmap.pipelines import spill
from skmmap.rows import find_source

X = np.random.default_rng(0).normal(size=(30_000, 8))
y = (X[:, 0] > 0).astype(int)
TEXTS = np.array([f"{a}aa {b}bb {c}cc" for a, b, c in X[:, :3].round(1)], dtype=object)

pytestmark = pytest.mark.skipif(
    not spill.has_room(1), reason="temporary files have no path here, or lie in memory"
)


class Slow(TransformerMixin, BaseEstimator):
    """Takes longer than a slow disk, as is pretended, and counts its rows."""

    rows = 0
    fails = False

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        Slow.rows += len(X)
        if Slow.fails and Slow.rows > 2 * len(y):
            raise RuntimeError("it broke")
        return X * 2


register(Slow, stateless=True)


@pytest.fixture(autouse=True)
def slow_transformers(monkeypatch):
    monkeypatch.setattr(spill, "_LEAST_NBYTES", 0)
    monkeypatch.setattr(spill, "_DISK_SPEED", 1e15)
    monkeypatch.setattr(Slow, "rows", 0)


def wrap(*steps, max_iter=5, **params):
    sgd = SGDClassifier(max_iter=max_iter, tol=None, random_state=0)
    model = ChunkedFit(make_pipeline(*steps, sgd), random_state=0, **params)
    return model.set_params(memory_limit="1MB")


def count_files():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("shuffle", [True, False])
def test_rows_are_transformed_once(shuffle):
    before = count_files()
    model = wrap(Slow(), shuffle=shuffle).fit(X, y)
    assert len(y) <= Slow.rows < 1.5 * len(y)
    assert count_files() == before
    alone = ChunkedFit(
        model.estimator[-1], random_state=0, memory_limit="1MB", shuffle=shuffle
    )
    np.testing.assert_array_equal(model.estimator_[-1].coef_, alone.fit(2 * X, y).coef_)


WAYS = [
    {},
    {"chunk_size": 500},
    {"shuffle": "chunks"},
    {"shuffle": False},
    {"shuffle": False, "chunk_size": 700},
]


@pytest.mark.parametrize("params", WAYS, ids=str)
@pytest.mark.parametrize("kind", ["dense", "sparse", "fold"])
def test_results_do_not_depend_on_the_file(monkeypatch, kind, params):
    step = HashingVectorizer(n_features=2**10) if kind == "sparse" else Slow()
    rows, target = open_rows(TEXTS if kind == "sparse" else X)[:12_000], y[:12_000]
    if kind == "fold":
        picked = np.flatnonzero(np.arange(len(target)) % 2000 > 300)
        rows, target = rows[picked], target[picked]
    models, files, make_file = [], [], spill.spill

    def spilled(*given):
        files.append(make_file(*given))
        return files[-1]

    monkeypatch.setattr(spill, "spill", spilled)
    for is_worth_it in (True, False):
        monkeypatch.setattr(spill, "_is_worth_it", lambda *_, it=is_worth_it: it)
        models.append(wrap(step, max_iter=2, **params).fit(rows, target))
    kept, again = models
    assert len(files) == 1
    assert kept.chunk_size_ == again.chunk_size_
    np.testing.assert_array_equal(kept.estimator_[-1].coef_, again.estimator_[-1].coef_)


def test_written_rows_are_those_of_the_selection():
    rows = open_rows(TEXTS).map(HashingVectorizer(n_features=64).transform)[7:99:3]
    with ExitStack() as files:
        written = spill.spill(rows, files)
        assert (written.read() != rows.read()).nnz == 0
        assert (written[3:9:2].read() != rows[3:9:2].read()).nnz == 0
        assert not find_source(written).store.can_reopen


def test_without_room_rows_are_transformed_again(monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    expected = wrap(Slow()).fit(X, y)
    monkeypatch.setattr(spill._Growing, "add", refuse)
    model = wrap(Slow()).fit(X, y)
    np.testing.assert_array_equal(
        model.estimator_[-1].coef_, expected.estimator_[-1].coef_
    )


def test_files_are_gone_after_an_error(monkeypatch):
    before = count_files()
    monkeypatch.setattr(spill, "_SAMPLE_ROWS", 40_000)
    monkeypatch.setattr(Slow, "fails", True)
    with pytest.raises(RuntimeError, match="it broke"):
        wrap(Slow()).fit(X, y)
    assert count_files() == before


@pytest.mark.parametrize(
    ("max_iter", "speed", "limit", "room"),
    [
        (1, 1e15, "1MB", True),  # read once
        (5, 1e-9, "1MB", True),  # the file takes longer
        (5, 1e15, "512MB", True),  # rows stay in memory
        (5, 1e15, "1MB", False),
    ],
)
def test_when_there_is_no_file(monkeypatch, max_iter, speed, limit, room):
    monkeypatch.setattr(spill, "_DISK_SPEED", speed)
    monkeypatch.setattr(spill, "has_room", lambda nbytes: room)
    monkeypatch.setattr(spill, "write", lambda *_: pytest.fail("a file was written"))
    wrap(Slow(), max_iter=max_iter).set_params(memory_limit=limit).fit(X, y)


def test_room(monkeypatch):
    assert not spill.has_room(10**18)
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    assert not spill.has_room(1)
