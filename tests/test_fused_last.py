"""A scaler that ends a pipeline learns in the pass of the imputer before it."""

import numpy as np
import pandas as pd
import pytest
from helpers import Listener, needs_sklearn_1_9
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    StandardScaler,
)

from skmmap import ChunkedFit, open_rows

N = 2_000
rng = np.random.default_rng(0)
X = rng.normal(3, [1, 20, 0.1], (N, 3))
X[rng.random(X.shape) < 0.1] = np.nan
CASES = {
    "standard": (SimpleImputer(), StandardScaler()),
    "constant": (SimpleImputer(strategy="constant", fill_value=9.0), StandardScaler()),
    "median": (SimpleImputer(strategy="median"), MinMaxScaler()),
    "after another": (MinMaxScaler(), SimpleImputer(), MaxAbsScaler()),
}


@pytest.fixture
def counted(tmp_path):
    """Return rows, and the numbers of rows that were read of them."""
    np.save(tmp_path / "X.npy", X)
    numbers: list[int] = []

    def count(rows):
        numbers.append(len(rows))
        return rows

    rows = open_rows(tmp_path / "X.npy").map(count)
    numbers.clear()
    return rows, numbers


def wrap(*steps, **params):
    return ChunkedFit(make_pipeline(*steps), chunk_size=100, **params)


def assert_steps_alike(pipeline, expected):
    for (_, one), (_, other) in zip(pipeline.steps, expected.steps, strict=True):
        names = [name for name in vars(other) if name[-1] == "_" and name[0] != "_"]
        for name in names:
            value, right = np.asarray(getattr(one, name)), getattr(other, name)
            if value.dtype.kind in "fi":
                np.testing.assert_allclose(value, right, rtol=1e-10, err_msg=name)


def with_none():
    """Objects, of which None is missing to what makes floats of them alone."""
    rows = np.where(np.isnan(X), None, X.astype(object))
    rows[::10, 0] = np.nan  # which is missing in all objects
    return rows


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
def test_none_is_missing_where_it_becomes_nan(strategy):
    frame = pd.DataFrame(with_none(), columns=list("abc"))
    for adds in (True, False):
        imputer = SimpleImputer(strategy=strategy, fill_value=9.0, add_indicator=adds)
        steps = imputer, StandardScaler()
        model = wrap(*steps).fit(frame).estimator_
        expected = make_pipeline(*steps).fit(frame)
        assert_steps_alike(model, expected)
        found, wanted = model.transform(frame), expected.transform(frame)
        np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_what_is_filled_with_nan_stays_missing():
    given = {"fill_value": np.nan, "keep_empty_features": True}
    imputer = SimpleImputer(strategy="constant", **given)
    steps = FunctionTransformer(), imputer, StandardScaler()
    expected = make_pipeline(*map(clone, steps)).fit(X)
    assert_steps_alike(wrap(*steps).fit(X).estimator_, expected)


@pytest.mark.parametrize("name", CASES)
def test_what_is_learned_is_that_of_fit(name, tmp_path):
    np.save(tmp_path / "X.npy", X)
    model = wrap(*CASES[name]).fit(tmp_path / "X.npy")
    expected = make_pipeline(*map(clone, CASES[name])).fit(X)
    assert_steps_alike(model.estimator_, expected)
    np.testing.assert_allclose(model.transform(X), expected.transform(X), atol=1e-9)


def read(counted, *steps, **params) -> tuple:
    """Return the model, and how often all rows were read."""
    rows, numbers = counted
    model = wrap(*steps, **params).fit(rows)
    return model, sum(numbers) // N  # besides the first ones


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_rows_are_read_once(counted, n_jobs):
    model, n_passes = read(counted, *CASES["standard"], n_jobs=n_jobs)
    assert n_passes == 1
    assert model.n_epochs_ == 1
    assert model.chunk_size_ == 100
    assert model.history_["rows"] == [N]
    assert model.random_state_ is None


def test_a_loop_by_hand_and_shuffled_rows_are_as_they_were(counted):
    for params in ({"max_epochs": 2, "shuffle": False}, {"shuffle": True}):
        counted[1].clear()
        _, n_passes = read(counted, *CASES["standard"], random_state=0, **params)
        assert n_passes == 2  # of which the last one keeps them


@needs_sklearn_1_9
@pytest.mark.parametrize("last", [StandardScaler(), GaussianNB()])
def test_callbacks_are_told_of_the_last_step_alone(last, tmp_path):
    np.save(tmp_path / "X.npy", X)
    listener = Listener()
    model = wrap(SimpleImputer(), last)
    model.set_callbacks(listener)
    model.fit(tmp_path / "X.npy", np.arange(N) % 2)
    assert listener.events.count("setup") == 1
    chunks = [event for event in listener.events if event[:2] == ("begin", "chunk")]
    assert len(chunks) == N // 100
    assert model.estimator_.steps[1][1].n_features_in_ == 3


def test_partial_fit_goes_on_from_there(tmp_path):
    np.save(tmp_path / "X.npy", X)
    model = wrap(*CASES["standard"]).fit(tmp_path / "X.npy")
    alone = wrap(*CASES["standard"], max_epochs=1, shuffle=False)
    alone.fit(tmp_path / "X.npy")
    for each in (model, alone):
        each.partial_fit(X[:500])
    assert_steps_alike(model.estimator_, alone.estimator_)
    assert model.estimator_.steps[1][1].n_samples_seen_ == N + 500


def test_explain_says_so(tmp_path):
    np.save(tmp_path / "X.npy", X)
    explained = wrap(*CASES["standard"]).explain(tmp_path / "X.npy")
    assert explained.title == (
        "ChunkedFit(Pipeline: StandardScaler) on 2,000 x 3 float64, after 1 step"
    )
    assert explained.sections == {
        "step simpleimputer": "SimpleImputer, learns before the last step",
        "step standardscaler": "StandardScaler, learns before the last step",
        "passes": "1. SimpleImputer, StandardScaler",
    }


def test_other_last_steps_learn_behind_the_scaler(counted):
    rows, numbers = counted
    pipeline = make_pipeline(*CASES["standard"], SGDClassifier(max_iter=1, tol=None))
    model = ChunkedFit(pipeline, random_state=0).fit(rows, np.arange(N) % 2)
    assert sum(numbers) // N == 2
    scaler = make_pipeline(*CASES["standard"]).fit(X).steps[1][1]
    found = model.estimator_.steps[1][1]
    assert found.n_samples_seen_ == scaler.n_samples_seen_ == N
    np.testing.assert_allclose(found.var_, scaler.var_, rtol=1e-10)
