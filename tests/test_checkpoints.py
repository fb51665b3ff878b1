"""A fit that is killed and continued ends with the bits of one that never was."""

import os
import signal
import warnings
from itertools import cycle

import numpy as np
import pytest
from helpers import (
    assert_alike,
    combine,
    make_rows,
    name_of,
    one_of_each_kind,
    partial_fit_estimators,
)
from killed import Killed, interrupted_after, killed_after, run_in_pieces
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    StandardScaler,
    TargetEncoder,
)

from skmmap import Checkpoint, ChunkedFit
from skmmap.checkpoints.journal import KeptJournal

pytestmark = pytest.mark.usefixtures("as_in_a_terminal")
N_ROWS = 90
# Chunks after which a run is killed, again and again.
PIECES = [0, 1, 2, 0, 3, 1]


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt"


def save(tmp_path, X):
    """Return a map of X, if it is an array."""
    if not isinstance(X, np.ndarray):
        return X
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode="r")


def fit_whole(estimator, X, y, given, **params):
    """Return what a fit that is never killed learns."""
    np.random.seed(0)
    return ChunkedFit(clone(estimator), **params).fit(X, y, **given)


def compare(estimator, X, y, path, pieces=PIECES, given=None, *, whole=None, **params):
    """Compare a run in pieces with one that is never killed; return both."""
    given = given or {}
    params = {"chunk_size": 13, "random_state": 5} | params
    whole = fit_whole(estimator, X, y, given, **params) if whole is None else whole

    def run():
        checkpoint = Checkpoint(path, seconds=0)
        wrapper = ChunkedFit(clone(estimator), checkpoint=checkpoint, **params)
        return wrapper.fit(X, y, **given)

    resumed = run_in_pieces(run, pieces)
    if name_of(estimator) == "Birch":  # whose leaves are linked in a circle
        centers = resumed.subcluster_centers_
        np.testing.assert_array_equal(centers, whole.subcluster_centers_)
    else:
        assert_alike(resumed.estimator_, whole.estimator_)
    for name in ("rows", "loss", "score"):
        assert_alike(resumed.history_[name], whole.history_[name])
    assert resumed.n_epochs_ == whole.n_epochs_
    return resumed, whole


ORDERS = cycle(combine(["auto", False, "blocks", "chunks"], ["auto", 2]))
EACH = one_of_each_kind(partial_fit_estimators(max_iter=3))


@pytest.mark.parametrize(
    ("estimator", "order"), list(zip(EACH, ORDERS, strict=False)), ids=name_of
)
def test_every_estimator_goes_on_as_it_was(estimator, order, tmp_path, path):
    X, y = make_rows(estimator)
    shuffle, max_epochs = order
    params = {"shuffle": shuffle, "max_epochs": max_epochs, "memory_limit": "20kB"}
    compare(estimator, save(tmp_path, X), y, path, **params)


CLASSIFIER = SGDClassifier(max_iter=4, random_state=0)


@pytest.mark.parametrize("shuffle", [False, "blocks", "chunks"])
@pytest.mark.parametrize("memory_limit", ["4kB", "512MB"])
def test_every_order_goes_on(shuffle, memory_limit, tmp_path, path):
    X, y = make_rows(CLASSIFIER)
    params = {"shuffle": shuffle, "memory_limit": memory_limit}
    compare(CLASSIFIER, save(tmp_path, X), y, path, [5, 2, 0, 7], **params)


@pytest.mark.parametrize(
    "estimator",
    [
        SGDClassifier(early_stopping=True, n_iter_no_change=2, max_iter=9),
        SGDClassifier(learning_rate="adaptive", eta0=0.1, tol=0.1, max_iter=20),
        SGDClassifier(class_weight="balanced", average=True, max_iter=3),
        MLPClassifier(early_stopping=True, n_iter_no_change=2, max_iter=5),
    ],
)
def test_stopping_goes_on(estimator, tmp_path, path):
    X, y = make_rows(estimator)
    pieces = [3, 9, 8, 1, 20]
    compare(estimator, save(tmp_path, X), y, path, pieces, random_state=1)


def test_scores_of_given_rows_go_on(tmp_path, path):
    X, y = make_rows(CLASSIFIER)
    given = {"X_val": X[:20], "y_val": y[:20], "sample_weight": np.arange(N_ROWS)}
    compare(CLASSIFIER, save(tmp_path, X), y, path, [8, 8, 5], given)


def test_without_a_seed_the_drawn_one_is_kept(tmp_path, path):
    X, y = make_rows(CLASSIFIER)
    estimator = SGDClassifier(max_iter=3)
    compare(estimator, save(tmp_path, X), y, path, random_state=None)


def test_a_generator_goes_on(tmp_path, path):
    X, y = make_rows(CLASSIFIER)
    pipeline = make_pipeline(KBinsDiscretizer(3, subsample=40), CLASSIFIER)

    def run(**params):
        seed = np.random.RandomState(3)
        wrapper = ChunkedFit(pipeline, chunk_size=13, random_state=seed, **params)
        wrapper.fit(X, y)
        return wrapper, seed.randint(10**6)

    checkpoint = Checkpoint(path, seconds=0)
    resumed, drawn = run_in_pieces(lambda: run(checkpoint=checkpoint), PIECES)
    whole, expected = run()
    assert_alike(resumed.estimator_, whole.estimator_)
    assert drawn == expected


PIPELINES = {
    "columns": make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), [0, 1, 2]),
            (OneHotEncoder(handle_unknown="ignore"), [3, 4]),
        ),
        SelectKBest(k=4),
        CLASSIFIER,
    ),
    "union": make_pipeline(
        StandardScaler(),
        make_union(PCA(2), KBinsDiscretizer(3, strategy="quantile")),
        CLASSIFIER,
    ),
    "folds": make_pipeline(TargetEncoder(), CLASSIFIER),
    "target": TransformedTargetRegressor(
        make_pipeline(StandardScaler(), SGDRegressor(max_iter=3, random_state=0)),
        transformer=StandardScaler(),
    ),
    "alone": make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
}


@pytest.mark.parametrize("kind", PIPELINES)
def test_pipelines_go_on_at_every_stage(kind, tmp_path):
    rng = np.random.default_rng(0)
    X, y = make_rows(PIPELINES[kind])
    X[:, 3:] = np.floor(4 * X[:, 3:])
    if kind in ("columns", "alone"):
        X[rng.random(X.shape) < 0.1] = np.nan
        X[:, 3:] = np.nan_to_num(X[:, 3:])
    X = save(tmp_path, X)
    whole = None
    for n_chunks in range(0, 14, 2):
        own = tmp_path / f"{n_chunks}.ckpt"
        given = {"chunk_size": 20, "whole": whole}
        _, whole = compare(PIPELINES[kind], X, y, own, [n_chunks, 3, 5], **given)


ONE_PASS = make_column_transformer(
    (make_pipeline(SimpleImputer(), StandardScaler()), [0, 1, 2]),
    (SimpleImputer(strategy="median"), [3]),
)


@pytest.mark.parametrize("n_jobs", [[2, 2, 2], [2, 1, 3], [1, 2, 1]])
@pytest.mark.parametrize("estimator", [GaussianNB(), StandardScaler(), ONE_PASS])
def test_merged_parts_go_on(estimator, n_jobs, tmp_path, path):
    X, y = make_rows(estimator)
    X = save(tmp_path, X)
    y = y if estimator.__class__ is GaussianNB else None
    whole = ChunkedFit(estimator, chunk_size=3, n_jobs=n_jobs[0]).fit(X, y)
    for number in n_jobs:
        checkpoint = Checkpoint(path, seconds=0)
        params = {"chunk_size": 3, "n_jobs": number, "checkpoint": checkpoint}
        resumed = ChunkedFit(estimator, **params)
        try:
            with killed_after(3):
                resumed.fit(X, y)
        except Killed:
            continue
    assert_alike(resumed.fit(X, y).estimator_, whole.estimator_)


def test_a_finished_run_returns_at_once(tmp_path, path):
    X, y = make_rows(CLASSIFIER)
    X = save(tmp_path, X)
    first, _ = compare(CLASSIFIER, X, y, path)
    checkpoint = Checkpoint(path)
    again = ChunkedFit(CLASSIFIER, chunk_size=13, random_state=5, checkpoint=checkpoint)
    with killed_after(0):
        again.fit(X, y)
    assert_alike(again.estimator_, first.estimator_)
    assert_alike(again.history_, first.history_)


def test_warm_starts_are_other_runs(tmp_path, path):
    X, y = make_rows(CLASSIFIER)
    estimator = SGDClassifier(max_iter=2, warm_start=True, random_state=0)
    twice = ChunkedFit(estimator, chunk_size=13, random_state=5).fit(X, y)
    first = ChunkedFit(estimator, chunk_size=13, random_state=5, checkpoint=path)
    first.fit(X, y)
    with pytest.raises(ValueError, match="start of warm_start: nothing in the"):
        first.fit(X, y)

    def run():
        first.set_params(checkpoint=Checkpoint(tmp_path / "second.ckpt", seconds=0))
        return first.fit(X, y)

    # Where it starts must not move on when it is interrupted in the same process.
    with interrupted_after(9), pytest.raises(KeyboardInterrupt):
        run()
    resumed = run_in_pieces(run, PIECES)
    assert_alike(resumed.estimator_, twice.fit(X, y).estimator_)


class Counting(SGDClassifier):
    """Counts the chunks that it has learned in this process."""

    learned = 0

    def partial_fit(self, *args, **kwargs):
        Counting.learned += 1
        return super().partial_fit(*args, **kwargs)


def test_ctrl_c_before_a_pass_goes_on_keeps_what_it_has_learned(
    tmp_path, path, monkeypatch
):
    """As where transformed rows are written to a temporary file once more."""
    X, y = make_rows(CLASSIFIER)
    X = save(tmp_path, X)
    pipeline = make_pipeline(StandardScaler(), Counting(max_iter=2, random_state=0))
    checkpoint = Checkpoint(path, seconds=0)
    params = {"chunk_size": 13, "random_state": 5}
    whole = ChunkedFit(pipeline, **params).fit(X, y)
    model = ChunkedFit(pipeline, checkpoint=checkpoint, **params)
    with killed_after(14), pytest.raises(Killed):  # of 7 in each of three passes
        model.fit(X, y)
    real = KeptJournal.open_unit

    def open_unit(self, max_epochs):
        if self._number == 1:
            os.kill(os.getpid(), signal.SIGINT)
            self.look("before the last step")
        return real(self, max_epochs)

    monkeypatch.setattr(KeptJournal, "open_unit", open_unit)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    monkeypatch.setattr(KeptJournal, "open_unit", real)
    Counting.learned = 0
    assert_alike(model.fit(X, y).estimator_, whole.estimator_)
    assert Counting.learned < 7
