"""As good as fit: epochs, order, held-out rows and class weights of whole fits."""

import re
from copy import deepcopy
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import (
    EXHAUSTIVE,
    in_file_order,
    make_rows,
    partial_fit_estimators,
    raises,
    state_of,
)
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_digits, make_classification
from sklearn.decomposition import (
    IncrementalPCA,
    LatentDirichletAllocation,
    MiniBatchDictionaryLearning,
    MiniBatchNMF,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import BernoulliRBM, MLPClassifier
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

from skmmap import ChunkedFit, open_rows

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2_000, 6))
Y = (X @ np.arange(1, 7) + RNG.normal(size=2_000) > 0).astype(int)
BY_LABEL = np.argsort(Y, kind="stable")


class Seen(ClassifierMixin, BaseEstimator):
    """Remembers the first column and what else each call was given."""

    def __init__(self, shuffle=True, random_state=None, fails_at=None):
        self.shuffle = shuffle
        self.random_state = random_state
        self.fails_at = fails_at

    def partial_fit(self, X, y, sample_weight=None, classes=None):
        self.seen_ = [*getattr(self, "seen_", [])]
        if len(self.seen_) == self.fails_at:
            raise RuntimeError("told to fail")
        self.seen_.append((np.array(X[:, 0]), np.array(y), sample_weight))
        self.classes_ = classes if classes is not None else self.classes_
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[len(self.seen_) % len(self.classes_)])


def rows_of(wrapper) -> np.ndarray:
    """Return the numbers in the first column, in the order in which they came."""
    return np.concatenate([rows for rows, _, _ in wrapper.estimator_.seen_])


def numbered(n_rows: int, n_columns: int = 2) -> np.ndarray:
    return np.repeat(np.arange(n_rows, dtype=np.float64)[:, None], n_columns, axis=1)


# --- The order of rows ---------------------------------------------------------------


@pytest.mark.parametrize("shuffle", ["auto", True, "blocks", "chunks", False])
def test_every_row_comes_once_in_an_epoch_with_its_target_and_weight(shuffle, on_disk):
    n_rows = 997
    rows = numbered(n_rows)
    wrapper = ChunkedFit(
        Seen(), chunk_size=10, shuffle=shuffle, max_epochs=3, memory_limit="7680B"
    ).fit(
        on_disk(rows),
        on_disk(np.arange(n_rows) % 7),
        sample_weight=1.0 + np.arange(n_rows),
    )
    seen = wrapper.estimator_.seen_
    assert sorted(len(part) for part, _, _ in seen) == 3 * [7] + 3 * 99 * [10]
    for part, labels, weights in seen:
        np.testing.assert_array_equal(labels, part % 7)
        np.testing.assert_array_equal(weights, part + 1)
    for epoch in np.split(rows_of(wrapper), 3):
        np.testing.assert_array_equal(np.sort(epoch), np.arange(n_rows))
    is_in_order = np.array_equal(rows_of(wrapper)[:n_rows], np.arange(n_rows))
    assert is_in_order == (shuffle is False)
    assert wrapper.history_["rows"] == [n_rows] * 3


def test_epochs_differ_and_seeds_repeat_them():
    rows, y = numbered(300), np.arange(300) % 2
    make = ChunkedFit(Seen(), chunk_size=20, max_epochs=2, random_state=3)
    first, again = make.fit(rows, y), clone(make).fit(rows, y)
    np.testing.assert_array_equal(rows_of(first), rows_of(again))
    one, two = np.split(rows_of(first), 2)
    assert not np.array_equal(one, two)
    other = clone(make).set_params(random_state=4).fit(rows, y)
    assert not np.array_equal(rows_of(first), rows_of(other))


def test_the_order_of_a_selection_follows_from_its_rows_alone(on_disk):
    """A shuffled selection is the same set of rows, and gets the same order."""
    rows, y = numbered(300), np.arange(300) % 3
    mapped, labels = open_rows(on_disk(rows)), open_rows(on_disk(y))
    picked = np.random.default_rng(1).permutation(300)[:200]
    model = ChunkedFit(Seen(random_state=0), chunk_size=20)
    shuffled = clone(model).fit(mapped[picked], labels[picked])
    in_order = clone(model).fit(rows[np.sort(picked)], y[np.sort(picked)])
    np.testing.assert_array_equal(rows_of(shuffled), rows_of(in_order))
    assert set(rows_of(shuffled)) == set(picked)


class First(BaseEstimator):
    """Remembers the first column of rows of any kind."""

    def partial_fit(self, X, y):
        if isinstance(X, pd.DataFrame | list):
            X = np.asarray(X)
        X = X.toarray() if sparse.issparse(X) else X
        self.seen_ = [*getattr(self, "seen_", []), (X.reshape(len(X), -1)[:, 0], y, 1)]
        return self


@pytest.mark.parametrize("kind", ["csr", "pandas", "list", "shards", "images"])
def test_rows_of_every_kind_are_mixed_alike(kind, tmp_path):
    rows, y = numbered(90), np.arange(90) % 2
    for number in range(3):
        np.save(tmp_path / f"X_{number}.npy", rows[30 * number : 30 * number + 30])
    given = {
        "csr": lambda: sparse.csr_array(rows),
        "pandas": lambda: pd.DataFrame(rows, columns=["a", "b"]),
        "list": rows.tolist,
        "shards": lambda: open_rows(str(tmp_path / "X_*.npy")),
        "images": lambda: rows.reshape(90, 1, 2),
    }[kind]()
    wrapper = ChunkedFit(
        First(), chunk_size=20, random_state=0, max_epochs=2, shuffle=True
    )
    expected = rows_of(clone(wrapper).fit(rows, y))
    np.testing.assert_array_equal(rows_of(wrapper.fit(given, y)), expected)
    assert not np.array_equal(expected[:90], np.arange(90))


@pytest.mark.parametrize(
    "estimator",
    [
        GaussianNB(),
        MultinomialNB(),
        ComplementNB(),
        BernoulliNB(),
        StandardScaler(),
        MinMaxScaler(),
        MaxAbsScaler(),
        IncrementalPCA(2),
    ],
)
def test_counting_estimators_do_not_change_with_the_order(estimator):
    """Beyond rounding; IncrementalPCA keeps all components that there are."""
    if isinstance(estimator, IncrementalPCA):
        estimator = IncrementalPCA(X.shape[1])
    rows, y = np.abs(X), Y
    auto = ChunkedFit(estimator, chunk_size=100).fit(rows, y)
    mixed = ChunkedFit(estimator, chunk_size=100, shuffle=True).fit(rows, y)
    assert auto.n_epochs_ == mixed.n_epochs_ == 1
    for name in set(vars(auto.estimator_)) - {"epsilon_"}:  # by chunk, in scikit-learn
        learned = getattr(auto.estimator_, name)
        if getattr(learned, "dtype", np.dtype(int)).kind == "f" and name.endswith("_"):
            other = getattr(mixed.estimator_, name)
            np.testing.assert_allclose(np.abs(other), np.abs(learned), rtol=1e-6)
    seen = getattr(mixed, "n_samples_seen_", None)
    assert seen is None or np.all(np.asarray(seen) == len(rows))


def test_what_order_does_not_matter_to_is_read_in_file_order(on_disk):
    naive = ChunkedFit(StandardScaler(), chunk_size=100).fit(on_disk(X), Y)
    by_hand = in_file_order(StandardScaler(), chunk_size=100).fit(X, Y)
    assert state_of(naive.estimator_) == state_of(by_hand.estimator_)


def test_a_bad_row_among_mixed_ones_is_named():
    rows = numbered(200)
    rows[123, 1] = np.nan
    with pytest.raises(ValueError, match="contains NaN") as caught:
        ChunkedFit(SGDClassifier(random_state=0), chunk_size=20).fit(
            rows, np.arange(200) % 2
        )
    (note,) = caught.value.__notes__
    assert note.startswith("while fitting 20 rows of a shuffled buffer, from rows ")
    assert note.endswith("; a row with NaN or infinity is row 123")


def test_a_chunk_of_one_bad_row_is_named():
    rows = numbered(1_200)
    rows[123, 1] = np.nan
    with pytest.raises(ValueError, match="contains NaN") as caught:
        ChunkedFit(SGDClassifier(random_state=0), chunk_size=1).fit(
            rows, np.arange(1_200) % 2
        )
    (note,) = caught.value.__notes__
    assert re.fullmatch(
        "while fitting 1 row of a shuffled buffer, from row 123 "
        r"\(chunk [0-9,]+ of 1,200, epoch 1\); a row with NaN or infinity is row 123",
        note,
    )


@pytest.mark.parametrize("shuffle", ["blocks", "chunks", False])
def test_a_row_is_called_the_first_only_if_it_is(shuffle):
    rows = numbered(200)
    rows[10::7, 1] = np.nan
    model = ChunkedFit(
        SGDClassifier(random_state=0), chunk_size=20, shuffle=shuffle, random_state=2
    )
    with pytest.raises(ValueError, match="contains NaN") as caught:
        model.fit(rows, np.arange(200) % 2)
    (note,) = caught.value.__notes__
    if shuffle is False:
        assert note.endswith("; the first row with NaN or infinity is row 10")
        return
    found = re.search("; a row with NaN or infinity is row ([0-9,]+)$", note)
    row = int(found[1])
    assert np.isnan(rows[row, 1])
    assert row != 10  # or nothing would be shown by this seed


def test_where_nan_is_taken_infinity_is_named():
    rows = numbered(200)
    rows[:100:3, 1], rows[150, 1] = np.nan, np.inf
    rows[145, 1] = np.nan
    with pytest.raises(ValueError, match="contains infinity") as caught:
        ChunkedFit(StandardScaler(), chunk_size=20).fit(rows)
    (note,) = caught.value.__notes__
    assert note.endswith("; the first row with infinity is row 150")


def test_no_view_of_a_mixed_buffer_is_kept():
    class Keeper(Seen):
        def partial_fit(self, X, y, sample_weight=None, classes=None):
            self.kept_ = [*getattr(self, "kept_", []), X[:1]]
            return self

    wrapper = ChunkedFit(Keeper(), chunk_size=10, max_epochs=2).fit(
        numbered(200), np.arange(200) % 2
    )
    assert len(wrapper.estimator_.kept_) == 40
    assert all(row.base is None for row in wrapper.estimator_.kept_)


# --- Parity with fit -----------------------------------------------------------------


def sorted_digits(seed: int):
    data, labels = load_digits(return_X_y=True)
    train, test, y_train, y_test = train_test_split(
        data / 16, labels, random_state=seed, stratify=labels
    )
    order = np.argsort(y_train, kind="stable")
    return train[order], test, y_train[order], y_test


def test_digits_sorted_by_label_are_learned_as_fit_learns_them():
    """In file order, one pass, they are not: this is what the file order costs."""
    train, test, y_train, y_test = sorted_digits(0)
    model = SGDClassifier(random_state=0, tol=0.01)
    by_fit = model.fit(train, y_train).score(test, y_test)
    chunked = ChunkedFit(model, chunk_size=200).fit(train, y_train)
    assert chunked.score(test, y_test) > by_fit - 0.02
    with pytest.warns(UserWarning, match="The labels are sorted: 9. %"):
        loop = in_file_order(model, chunk_size=50).fit(train, y_train)
    assert loop.score(test, y_test) < by_fit - 0.1


def test_one_chunk_of_all_rows_is_fit_itself():
    """With the same seeds and no shuffling, epoch by epoch."""
    model = SGDClassifier(random_state=0, shuffle=False, max_iter=7, tol=None)
    wrapper = ChunkedFit(model, chunk_size=len(X)).fit(X, Y)
    assert wrapper.n_epochs_ == 7
    np.testing.assert_allclose(wrapper.coef_, model.fit(X, Y).coef_, rtol=1e-12)


def test_epochs_end_as_those_of_fit():
    """About as many, as the loss is that of a sample, and neither one nor max_iter."""
    for model in (
        SGDClassifier(random_state=0),
        SGDRegressor(random_state=0),
        Perceptron(random_state=0),
        MLPClassifier((5,), random_state=0, tol=1e-2),
    ):
        target = X @ np.arange(6) if isinstance(model, SGDRegressor) else Y
        n_iter = clone(model).fit(X, target).n_iter_
        wrapper = ChunkedFit(model, chunk_size=200).fit(X, target)
        assert n_iter / 4 <= wrapper.n_epochs_ <= 4 * n_iter, model
        assert len(wrapper.history_["loss"]) == wrapper.n_epochs_
        assert wrapper.history_["loss"][-1] < wrapper.history_["loss"][0]


@pytest.mark.parametrize("estimator", partial_fit_estimators(), ids=repr)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_is_trained_has_the_parameters_that_were_given(estimator):
    """Whatever was changed for partial_fit, also inside of meta-estimators."""
    before = state_of(estimator)
    wrapper = ChunkedFit(estimator, chunk_size=40, max_epochs=2)
    wrapper.fit(*make_rows(estimator))
    assert state_of(estimator) == before
    given, kept = estimator.get_params(), wrapper.estimator_.get_params()
    assert {k: repr(v) for k, v in kept.items()} == {
        k: repr(v) for k, v in given.items()
    }
    for member in getattr(wrapper.estimator_, "estimators_", []):
        if hasattr(member, "shuffle"):
            assert member.shuffle is True


def test_batches_are_those_of_fit():
    for model, rows in (
        (MiniBatchKMeans(3, batch_size=64), 64),
        (IncrementalPCA(2), 30),
        (IncrementalPCA(2, batch_size=50), 50),
        (BernoulliRBM(4), 10),
        (LatentDirichletAllocation(2), 128 * 512),
    ):
        model = model.set_params(random_state=0) if "random" in repr(model) else model
        wrapper = ChunkedFit(model, max_epochs=1).fit(np.abs(X) / 9)
        assert wrapper.chunk_size_ == rows or rows > len(X)


def test_centers_begin_with_rows_from_all_over_the_file():
    """The first chunk of a sorted file would have one blob only."""
    centers = 10 * np.eye(6)
    blobs = np.repeat(centers, 200, axis=0) + np.random.default_rng(0).normal(
        size=(1_200, 6)
    )
    model = MiniBatchKMeans(6, random_state=0, batch_size=50)
    wrapper = ChunkedFit(model).fit(blobs)
    assert wrapper.score(blobs) > 1.05 * clone(model).fit(blobs).score(blobs)
    assert wrapper.estimator_.init == "k-means++"


# --- Held-out rows -------------------------------------------------------------------


class Spy(SGDClassifier):
    """Remembers the first column of what it learned from, and what it was."""

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        self.seen_ = [*getattr(self, "seen_", []), (np.array(X[:, 0]), None, None)]
        self.was_ = self.get_params()
        return super().partial_fit(X, y, classes, sample_weight)


def test_early_stopping_holds_out_a_stratified_share():
    y = np.repeat(["a", "b", "c"], [900, 90, 10])
    wrapper = ChunkedFit(
        Spy(early_stopping=True, validation_fraction=0.2, random_state=0), chunk_size=50
    ).fit(numbered(1_000), y)
    trained = rows_of(wrapper)
    assert set(wrapper.history_["rows"]) == {800}
    held_out = np.setdiff1d(np.arange(1_000), trained)
    counts = np.unique(y[held_out], return_counts=True)[1]
    assert list(counts) == [180, 18, 2]
    assert len(wrapper.history_["score"]) == wrapper.n_epochs_
    assert np.isfinite(wrapper.history_["score"]).all()
    assert wrapper.estimator_.early_stopping is True
    assert wrapper.estimator_.was_["early_stopping"] is False


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "model",
    [
        SGDClassifier(early_stopping=True, random_state=0, n_iter_no_change=3),
        MLPClassifier((5,), early_stopping=True, random_state=0, max_iter=20),
        Perceptron(early_stopping=True, random_state=0),
    ],
)
def test_the_best_epoch_is_kept(model):
    """Its score is the best in the history, and it is as good as fit."""
    X_val, y_val = X[1_500:], Y[1_500:]
    wrapper = ChunkedFit(model, chunk_size=100)
    wrapper.fit(X[:1_500], Y[:1_500], X_val=X_val, y_val=y_val)
    assert wrapper.score(X_val, y_val) == max(wrapper.history_["score"])
    assert wrapper.n_epochs_ < 1_000
    by_fit = clone(model).fit(X[:1_500], Y[:1_500]).score(X_val, y_val)
    assert wrapper.score(X_val, y_val) > by_fit - 0.03


def test_rows_of_ones_own_are_scored_with_their_weights(on_disk):
    X_val, y_val = X[1_500:], Y[1_500:]
    weights = np.where(np.arange(500) < 250, 3.0, 0.0)
    wrapper = ChunkedFit(SGDClassifier(random_state=0), max_epochs=3).fit(
        X[:1_500],
        Y[:1_500],
        X_val=on_disk(X_val),
        y_val=on_disk(y_val),
        sample_weight_val=on_disk(weights),
    )
    expected = wrapper.score(X_val, y_val, sample_weight=weights)
    assert max(wrapper.history_["score"]) == pytest.approx(expected)


def test_one_pass_is_scored_too():
    wrapper = ChunkedFit(GaussianNB(), chunk_size=500).fit(
        X, Y, X_val=X[:100], y_val=Y[:100]
    )
    assert wrapper.history_["score"] == [wrapper.score(X[:100], Y[:100])]


def test_an_error_of_rows_to_score_says_that_these_are_meant():
    held_out = X[:50].copy()
    held_out[7, 0] = np.nan
    model = ChunkedFit(GaussianNB(), chunk_size=20)
    with pytest.raises(ValueError, match="contains NaN") as caught:
        model.fit(X, Y, X_val=held_out, y_val=Y[:50])
    rows, about = caught.value.__notes__
    assert rows.startswith("while scoring rows 0 to 19 ")
    assert rows.endswith("the first row with NaN or infinity is row 7")
    assert about == "This is about X_val, y_val and sample_weight_val."


def test_rows_to_score_are_checked():
    model = ChunkedFit(SGDClassifier())
    with raises(ValueError, "X_val is provided, but y_val was not provided."):
        model.fit(X, Y, X_val=X)
    with raises(ValueError, "y_val is provided, but X_val was not provided."):
        model.fit(X, Y, y_val=Y)
    with raises(
        ValueError,
        "X_val has rows of shape (2,), and X of (6,); they must have the same.",
    ):
        model.fit(X, Y, X_val=X[:, :2], y_val=Y)
    with raises(
        ValueError, "X has 2,000 rows and y has 7; they must have the same number."
    ) as caught:
        model.fit(X, Y, X_val=X, y_val=Y[:7])
    assert "This is about X_val, y_val and sample_weight_val." in caught.value.__notes__
    with raises(
        TypeError, "X_val is given, and MiniBatchThing has no score to compute on it."
    ):
        ChunkedFit(MiniBatchThing()).fit(X, X_val=X)
    with raises(
        ValueError,
        "validation_fraction=0.001 of 20 rows leaves 0 rows to score and the others to "
        "train on; each needs at least one row. Change validation_fraction, or give "
        "X_val and y_val.",
    ):
        early = SGDClassifier(early_stopping=True, validation_fraction=0.001)
        ChunkedFit(early).fit(X[:20], Y[:20])


class MiniBatchThing(BaseEstimator):
    def partial_fit(self, X, y=None):
        return self


# --- Class weights -------------------------------------------------------------------

RARE = np.where(np.arange(2_000) % 10 == 0, 1, 0)


@pytest.mark.parametrize("shuffle", [False, "blocks"])
@pytest.mark.parametrize("weighted", [False, True])
def test_balanced_weights_are_those_of_the_counts(shuffle, weighted):
    """The estimator's, the wrapper's, a dict, and sample weights are all the same."""
    weights = RNG.random(2_000) if weighted else None
    by_label = {0: 2_000 / (2 * 1_800), 1: 2_000 / (2 * 200)}
    by_row = np.where(RARE, by_label[1], by_label[0]) * (
        1 if weights is None else weights
    )
    options = {
        "chunk_size": 500,
        "max_epochs": 2,
        "shuffle": shuffle,
        "random_state": 0,
    }

    def train(sample_weight=weights, **params):
        given = params.pop("given", {})
        model = SGDClassifier(random_state=0, **params)
        return (
            ChunkedFit(model, **options)
            .fit(X, RARE, sample_weight=sample_weight, **given)
            .coef_
        )

    expected = train(sample_weight=by_row)
    for coef in (
        train(class_weight="balanced"),
        train(class_weight=by_label),
        train(given={"class_weight": "balanced"}),
        train(given={"class_weight": by_label}),
    ):
        np.testing.assert_allclose(coef, expected, rtol=1e-9)


def test_balanced_weights_go_through_sample_weight_where_they_must():
    by_row = np.where(RARE, 5.0, 2_000 / 3_600)
    wrapper = ChunkedFit(GaussianNB(), chunk_size=100)
    expected = ChunkedFit(GaussianNB(), chunk_size=100).fit(
        X, RARE, sample_weight=by_row
    )
    wrapper.fit(X, RARE, class_weight="balanced")
    np.testing.assert_allclose(wrapper.theta_, expected.theta_)
    np.testing.assert_allclose(wrapper.class_prior_, [0.5, 0.5])
    assert wrapper.estimator_.get_params() == GaussianNB().get_params()


def test_class_weights_are_checked():
    own = SGDClassifier(class_weight="balanced")
    with raises(
        ValueError,
        "class_weight={0: 2} was given to fit, and class_weight='balanced' to "
        "SGDClassifier; give one of them.",
    ):
        ChunkedFit(own).fit(X, Y, class_weight={0: 2})
    with raises(
        ValueError,
        "class_weight must be None, 'balanced', or a dict of a weight for each label; "
        "got 'equal'.",
    ):
        ChunkedFit(SGDClassifier()).fit(X, Y, class_weight="equal")
    with raises(
        ValueError,
        "class_weight has a weight for 7, which is not among the labels of y; they are "
        "0, 1.",
    ):
        ChunkedFit(GaussianNB()).fit(X, Y, class_weight={0: 2, 7: 1})
    with raises(
        TypeError,
        "class_weight='balanced' was given, and StandardScalerLike takes neither class "
        "weights nor, in partial_fit, sample_weight.",
    ):
        ChunkedFit(StandardScalerLike()).fit(X, Y, class_weight="balanced")
    with raises(
        ValueError,
        "class_weight='balanced' needs labels in one column; SGDRegressor is trained "
        "on other targets.",
    ):
        ChunkedFit(SGDRegressor()).fit(X, X[:, 0], class_weight="balanced")


class StandardScalerLike(BaseEstimator):
    def partial_fit(self, X, y=None):
        return self


# --- What is told --------------------------------------------------------------------


def test_a_fit_that_has_not_converged_warns():
    model = SGDClassifier(random_state=0, max_iter=6, tol=1e-9)
    for max_epochs, name in {
        "auto": "max_iter of the estimator",
        6: "max_epochs",
    }.items():
        with pytest.warns(ConvergenceWarning) as caught:
            ChunkedFit(model, chunk_size=100, max_epochs=max_epochs).fit(X, Y)
        assert str(caught[0].message) == (
            f"SGDClassifier has not converged after 6 epochs. Raise {name} or tol, or "
            "scale the data."
        )
    # So few that it could not have stopped by then, or without a rule to stop.
    ChunkedFit(model, chunk_size=100, max_epochs=5).fit(X, Y)
    ChunkedFit(model.set_params(tol=None), chunk_size=100).fit(X, Y)


def test_one_is_told_as_one():
    said = ChunkedFit(SGDClassifier(), chunk_size=1).explain(X, Y).sections
    assert said["chunks"] == f"{len(X):,} of 1 row"
    said = ChunkedFit(SGDClassifier(), shuffle="chunks").explain(
        X, Y, X_val=X[:1], y_val=Y[:1]
    )
    assert said.sections["order"] == "1 chunk in random order, their rows in file order"
    assert said.sections["held out"] == "1 row, scored after each epoch"


def test_sorted_labels_warn_where_order_matters():
    rows, y = X[BY_LABEL], Y[BY_LABEL]
    text = (
        "The labels are sorted: 99 % of their variance is between hundredths of the "
        "file (0 % in random order), and SGDClassifier learns them in file order "
        "with shuffle=False. Use shuffle='blocks', which shuffles rows at the cost of "
        "a scan."
    )
    with pytest.warns(UserWarning, match="The labels are sorted") as caught:
        in_file_order(SGDClassifier(), chunk_size=100).fit(rows, y)
    assert [str(warning.message) for warning in caught] == [text]
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="shuffle='chunks'"):
        ChunkedFit(SGDClassifier(), chunk_size=100, max_epochs=1, shuffle="chunks").fit(
            rows, y
        )
    model = SGDClassifier(shuffle=False)
    with pytest.warns(UserWarning, match="order with its own shuffle=False"):
        ChunkedFit(model, chunk_size=100, max_epochs=2).fit(rows, y)
    # None of these warns: mixed, in one chunk, in random order, or no matter.
    ChunkedFit(SGDClassifier(), chunk_size=100, max_epochs=1).fit(rows, y)
    in_file_order(SGDClassifier(), chunk_size=2_000).fit(rows, y)
    in_file_order(SGDClassifier(), chunk_size=100).fit(X, Y)
    in_file_order(GaussianNB(), chunk_size=100).fit(rows, y)


def test_history_tells_each_epoch():
    wrapper = ChunkedFit(SGDClassifier(random_state=0), chunk_size=100).fit(X, Y)
    history = wrapper.history_
    names = ["rows", "seconds", "read_seconds", "bound_by", "loss", "score"]
    assert list(history) == names
    assert set(history["bound_by"]) <= {"estimator", "reading"}
    assert {len(column) for column in history.values()} == {wrapper.n_epochs_}
    for seconds, waited in zip(
        history["seconds"], history["read_seconds"], strict=True
    ):
        assert 0 < waited < seconds
    assert np.isnan(history["score"]).all()
    once = in_file_order(GaussianNB(), chunk_size=100).fit(X, Y).history_
    assert once["rows"] == [2_000]
    assert np.isnan(once["loss"]).all()


def test_the_seed_is_the_wrappers_or_the_estimators_or_drawn():
    rows, y = X[:200], Y[:200]

    def fit(estimator_seed, seed):
        model = SGDClassifier(random_state=estimator_seed)
        return ChunkedFit(model, random_state=seed, max_epochs=1).fit(rows, y)

    assert fit(None, 5).random_state_ == 5
    assert fit(None, 5).estimator_.random_state == 5
    assert fit(3, 5).random_state_ == 5
    assert fit(3, None).random_state_ == 3
    np.random.seed(0)
    drawn = fit(None, None)
    assert drawn.estimator_.random_state == drawn.random_state_
    np.testing.assert_array_equal(drawn.coef_, fit(None, drawn.random_state_).coef_)
    generator = np.random.RandomState(7)
    before = deepcopy(generator.get_state()[1])
    first, second = fit(generator, None), fit(generator, None)
    assert first.random_state_ == second.random_state_
    np.testing.assert_array_equal(generator.get_state()[1], before)


def test_explain_reads_nothing_of_x(tmp_path):
    """Ten gigabytes that are not there, and labels that are."""
    n_rows = 25_000_000
    with open(tmp_path / "X.bin", "wb") as file:
        file.truncate(n_rows * 400)
    rows = open_rows(tmp_path / "X.bin", dtype=np.float32, shape=(n_rows, 100))
    labels = np.repeat(np.arange(5, dtype=np.int8), n_rows // 5)
    model = SGDClassifier(early_stopping=True, class_weight="balanced")
    explained = ChunkedFit(model, random_state=0).explain(rows, labels)
    assert f"{explained}\n" == EXPLAINED


EXPLAINED = """\
ChunkedFit(SGDClassifier) on 22,499,992 x 100 float32, 9.0 GB with y
  learning                built-in entry for SGDClassifier
  order                   188 shuffled buffers of 119,680 rows, each with a block of 2,659 rows (1.1 MB) from each of 45 slices of the file
  chunks                  563 of 40,000 rows
  epochs                  at most 1,000 (max_iter of the estimator), until the score of held-out rows stops improving
  reads                   9.0 GB in each epoch, with 8,460 seeks
  reads by                buffered reads: blocks are shuffled in memory
  memory                  99.8 MB for a shuffled buffer and the next one, 64.0 MB for two copies of a chunk as float64: 163.8 MB of 512.0 MB
  labels                  5 classes, sorted
  held out                2,500,008 rows, scored after each epoch
  from the estimator      max_iter=1000, shuffle=True, tol=0.001, n_iter_no_change=5, early_stopping=True
  overridden              class_weight={0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0, 4: 1.0} (was 'balanced'; skmmap counts labels in all of y), early_stopping=False (was True; skmmap scores held-out rows), shuffle=False (was True; skmmap shuffles)
  seed                    0 (random_state)
"""  # noqa: E501


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_explain_says_what_fit_does():
    for estimator in partial_fit_estimators():
        wrapper = ChunkedFit(estimator, max_epochs=2)
        rows, y = make_rows(estimator)
        said = str(wrapper.explain(rows, y))
        wrapper.fit(rows, y)
        n_rows = rows.shape[0] if hasattr(rows, "shape") else len(rows)
        assert f"of {min(wrapper.chunk_size_, n_rows):,} rows" in said
        assert f"{wrapper.n_epochs_} (max_epochs)" in said


# --- Inside of others ----------------------------------------------------------------


def test_meta_estimators_follow_what_they_wrap():
    y = np.column_stack([Y, Y[::-1]])
    learner = SGDClassifier(random_state=0, tol=0.01)
    multi = ChunkedFit(MultiOutputClassifier(learner), chunk_size=500)
    multi.fit(X, y)
    assert 1 < multi.n_epochs_ < 1_000
    labels = np.digitize(X[:, 0], [-0.5, 0.5])
    one_by_one = ChunkedFit(OneVsRestClassifier(learner), chunk_size=500)
    one_by_one.fit(X, labels)
    assert 1 < one_by_one.n_epochs_ < 1_000
    assert one_by_one.score(X, labels) > 0.7


def test_many_classes_sorted_by_label():
    """As many points as a fit in one pass and in file order loses by the dozen."""
    rows, y = make_classification(
        6_000, 20, n_informative=10, n_classes=5, random_state=0
    )
    train, test, y_train, y_test = train_test_split(rows, y, random_state=0)
    order = np.argsort(y_train, kind="stable")
    model = SGDClassifier(random_state=0, tol=0.01)
    by_fit = model.fit(train, y_train).score(test, y_test)
    wrapper = ChunkedFit(model, chunk_size=450).fit(train[order], y_train[order])
    assert wrapper.score(test, y_test) > by_fit - 0.05
    with pytest.warns(UserWarning, match="The labels are sorted"):
        loop = in_file_order(model, chunk_size=450).fit(train[order], y_train[order])
    assert loop.score(test, y_test) < by_fit - 0.1


# --- What a second reader found ------------------------------------------------------


def test_partial_fit_holds_nothing_out_and_makes_one_pass_by_default():
    """The first one too, which trains a fresh estimator."""
    model = Spy(random_state=0, early_stopping=True)
    wrapper = ChunkedFit(model, chunk_size=100)
    for n_calls in (1, 2):
        wrapper.partial_fit(X, Y)
        assert wrapper.n_epochs_ == n_calls
        assert wrapper.history_["rows"] == n_calls * [2_000]
    assert len(rows_of(wrapper)) == 4_000


def test_one_weight_for_all_rows_is_one_in_scores_and_beside_class_weights():
    early = SGDClassifier(early_stopping=True, random_state=0)
    plain = ChunkedFit(early).fit(X, Y).history_["score"]
    assert ChunkedFit(early).fit(X, Y, sample_weight=1.0).history_["score"] == plain
    model = ChunkedFit(SGDClassifier(random_state=0), max_epochs=2)
    model.fit(X, Y, X_val=X, y_val=Y, sample_weight_val=2.0)
    counted = ChunkedFit(GaussianNB()).fit(
        X, Y, sample_weight=2.0, class_weight={0: 1, 1: 3}
    )
    np.testing.assert_allclose(counted.class_count_, np.bincount(Y) * [2, 6])


def test_weights_of_classes_that_may_occur_are_taken():
    weights = {0: 1, 1: 2, 7: 3}
    wrapper = ChunkedFit(GaussianNB()).fit(
        X, Y, classes=[7, 1, 0], class_weight=weights
    )
    np.testing.assert_allclose(wrapper.class_count_, [*(np.bincount(Y) * [1, 2]), 0])


def test_rules_of_steps_end_a_fit_with_rows_to_score_too():
    model = MiniBatchKMeans(3, random_state=0)
    alone = ChunkedFit(model).fit(X)
    scored = ChunkedFit(model).fit(X, X_val=X[:50])
    assert scored.n_epochs_ == alone.n_epochs_ < 100
    assert len(scored.history_["score"]) == scored.n_epochs_


@cache
def fit_array(model):
    """Return an array, its target and what is fitted on them; once for all kinds."""
    rows = np.abs(X[:300])
    y = np.digitize(X[:300, 0], [-0.5, 0.5])
    if isinstance(model, MultiOutputClassifier):
        y = np.column_stack([y, y[::-1]])
    wrapper = ChunkedFit(model, chunk_size=100, max_epochs=3 if EXHAUSTIVE else 2)
    return rows, y, wrapper.fit(rows, y)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, np.ndarray.tolist])
@pytest.mark.parametrize(
    "model",
    [
        OneVsOneClassifier(SGDClassifier(random_state=0)),
        MultiOutputClassifier(SGDClassifier(random_state=0)),
        MiniBatchDictionaryLearning(3, max_iter=2, random_state=0),
        MiniBatchNMF(3, max_iter=2, random_state=0),
        SelectFromModel(SGDClassifier(random_state=0)),
    ],
    ids=repr,
)
def test_losses_of_frames_and_lists_are_those_of_arrays(model, make):
    rows, y, expected = fit_array(model)
    if make is pd.DataFrame or make is pl.DataFrame:
        given = make(
            rows, **{"columns" if make is pd.DataFrame else "schema": [*"abcdef"]}
        )
    else:
        given = make(rows)
    wrapper = clone(expected).fit(given, y)
    np.testing.assert_allclose(wrapper.history_["loss"], expected.history_["loss"])


def test_explain_of_rows_without_y():
    assert "with y" not in str(ChunkedFit(StandardScaler()).explain(X))


def test_explain_draws_nothing():
    generator = np.random.RandomState(0)
    states = [np.random.get_state()[1].copy(), generator.get_state()[1].copy()]
    ChunkedFit(SGDClassifier()).explain(X, Y)
    ChunkedFit(SGDClassifier(), random_state=generator).explain(X, Y)
    np.testing.assert_array_equal(np.random.get_state()[1], states[0])
    np.testing.assert_array_equal(generator.get_state()[1], states[1])


def test_a_generator_of_another_kind_seeds_nothing():
    wrapper = ChunkedFit(Seen(random_state=np.random.default_rng(0))).fit(X, Y)
    assert isinstance(wrapper.random_state_, int)


class NeverTrained(SGDClassifier):
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        raise AssertionError("trained")


def test_bad_targets_to_score_are_refused_before_training():
    y_val = np.where(np.arange(100) == 3, np.nan, 1.0)
    with pytest.raises(ValueError, match="y_val contains NaN"):
        ChunkedFit(NeverTrained()).fit(X, Y, X_val=X[:100], y_val=y_val)


def test_labels_of_y_val_are_those_of_y():
    y_val = np.where(np.arange(100) == 3, 7, 0)
    with raises(
        ValueError,
        "y_val contains the label 7 (first in row 3), which is not in "
        f"classes={np.unique(Y).tolist()}.",
    ):
        ChunkedFit(NeverTrained()).fit(X, Y, X_val=X[:100], y_val=y_val)
