"""Estimators that are not scikit-learn's: what their own loop does, and as good as fit.

They are small ones of the shapes that packages have, which
docs/reference/third_party.md lists.
"""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import in_file_order, name_of, partial_fit_estimators
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClusterMixin,
    OutlierMixin,
    RegressorMixin,
    TransformerMixin,
    clone,
)
from sklearn.exceptions import DataConversionWarning
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from skmmap import ChunkedFit, open_rows
from skmmap.learn.fitting import make_fit_plan
from skmmap.wrap.delegation import takes_target_as_it_is, uses_target
from skmmap.wrap.origin import is_sklearns

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
y = np.arange(60) % 3


class Log(BaseEstimator):
    """Remembers the chunks that it was given, as they are."""

    def partial_fit(self, X, y=None, sample_weight=None):
        self.calls_ = [*getattr(self, "calls_", []), (X, y, sample_weight)]
        return self


def rows_in_order(model) -> np.ndarray:
    """Return all rows that a fitted log was given, one after the other."""
    return np.concatenate([rows for rows, *_ in model.calls_])


def is_in_order(model) -> bool:
    return np.array_equal(rows_in_order(model), X)


# --- Whose code it is ----------------------------------------------------------------


@pytest.mark.parametrize("estimator", partial_fit_estimators(), ids=name_of)
def test_all_of_scikit_learn_is_its_own_and_so_are_subclasses(estimator):
    class_of = type(estimator)
    inherits = type("Mine", (class_of,), {"__module__": __name__})
    overrides = type("Mine", (class_of,), {"partial_fit": Log.partial_fit})
    assert is_sklearns(estimator)
    assert is_sklearns(object.__new__(inherits))
    assert is_sklearns(object.__new__(overrides))


def test_a_base_class_or_a_mixin_makes_nobody_scikit_learns():
    class Online(ClassifierMixin, Pipeline):
        partial_fit = Log.partial_fit

    class Delegates(BaseEstimator):
        def __getattr__(self, name):
            return getattr(SGDClassifier(), name)

    assert not is_sklearns(Log())
    assert not is_sklearns(Online([]))
    assert not is_sklearns(Delegates())
    assert not is_sklearns(object())
    assert is_sklearns(MultiOutputClassifier(Log()))


def test_who_judges_y_is_who_gets_it():
    assert takes_target_as_it_is(Log())
    assert takes_target_as_it_is(SelectFromModel(SelectFromModel(Log())))
    assert not takes_target_as_it_is(SelectFromModel(SGDRegressor()))
    for wrap in MultiOutputClassifier, OneVsRestClassifier, OneVsOneClassifier:
        assert not takes_target_as_it_is(wrap(Log()))
        assert not takes_target_as_it_is(SelectFromModel(wrap(Log())))


# --- Which labels --------------------------------------------------------------------


class Asks(ClassifierMixin, BaseEstimator):
    """Has to be told all classes in each call, and keeps what it was told."""

    def partial_fit(self, X, y, classes):
        self.told_ = [*getattr(self, "told_", []), np.asarray(classes).tolist()]
        return self

    fit = partial_fit

    def predict(self, X):
        return np.zeros(len(X))


class AsksTransformer(TransformerMixin, Asks):
    pass


@pytest.mark.parametrize("wrap", [lambda model: model, SelectFromModel])
@pytest.mark.parametrize("make", [Asks, AsksTransformer])
@pytest.mark.parametrize("how", [{}, {"shuffle": False, "max_epochs": 1}])
def test_who_has_to_be_told_the_classes_is_told_in_each_call(wrap, make, how):
    X, y = np.ones((30, 2)), np.arange(30) % 3
    model = ChunkedFit(wrap(make()), chunk_size=10, **how).fit(X, y)
    model.partial_fit(X[:5], y[:5] * 0)
    model.partial_fit(X[:5], y[:5], classes=[0, 1, 2, 3])
    learner = getattr(model.estimator_, "estimator_", model.estimator_)
    assert learner.told_ == [[0, 1, 2]] * 4 + [[0, 1, 2, 3]]


def test_members_that_have_to_be_told_the_classes():
    y = np.c_[np.arange(30) % 3, np.arange(30) % 2]
    model = ChunkedFit(MultiOutputClassifier(Asks()), chunk_size=10)
    model.fit(np.ones((30, 2)), y, classes=[[0, 1, 2], [0, 1]])
    model.partial_fit(np.ones((5, 2)), y[:5])
    told = [member.told_ for member in model.estimator_.estimators_]
    assert told == [[[0, 1, 2]] * 4, [[0, 1]] * 4]


def test_a_trained_one_is_told_what_it_knows():
    X, y = np.ones((4, 2)), np.array([0, 1, 0, 1])
    trained = Asks().partial_fit(X, y, [0, 1, 5])
    assert ChunkedFit(trained).partial_fit(X, y).told_ == [[0, 1, 5], [0, 1]]
    trained.classes_ = np.array([0, 1, 5])
    assert ChunkedFit(trained).partial_fit(X, y).told_ == [[0, 1, 5]] * 2


# --- In which order ------------------------------------------------------------------


class LogNeeding(Log):
    def partial_fit(self, X, y, sample_weight=None):
        return super().partial_fit(X, y, sample_weight)


class LogTarget(Log):
    """Calls y something else."""

    def partial_fit(self, X, target):
        return super().partial_fit(X, target)


class LogAlone(Log):
    def partial_fit(self, X):
        return super().partial_fit(X)


class LogShuffle(Log):
    def __init__(self, shuffle=True):
        self.shuffle = shuffle


def make(base, *mixins, first=True):
    """Return an estimator with mixins on the side where they count, or on the other."""
    bases = (*mixins, base) if first else (base, *mixins)
    return type("Third", bases, {})()


class Duck:
    """No tags at all."""

    partial_fit = Log.partial_fit

    def get_params(self, deep=True):
        return {}


SHUFFLED = {
    "default": make(Log),
    "y needed": make(LogNeeding),
    "target": make(LogTarget),
    "no tags": Duck(),
    "classifier": make(Log, ClassifierMixin),
    "classifier, mixin behind": make(Log, ClassifierMixin, first=False),
    "regressor": make(Log, RegressorMixin),
    "regressor, mixin behind": make(LogNeeding, RegressorMixin, first=False),
    "transformer that needs y": make(LogNeeding, TransformerMixin),
    "classifier that transforms": make(Log, ClassifierMixin, TransformerMixin),
    "shuffle=True": LogShuffle(True),
}
IN_ORDER = {
    "takes no y": make(LogAlone, ClassifierMixin),
    "clusterer": make(Log, ClusterMixin),
    "outlier detector": make(Log, OutlierMixin),
    "transformer": make(Log, TransformerMixin),
    "shuffle=False": LogShuffle(False),
    "a classifier with shuffle=False": make(LogShuffle, ClassifierMixin).set_params(
        shuffle=False
    ),
}


@pytest.mark.parametrize("kind", SHUFFLED)
def test_what_learns_from_y_is_shuffled_whatever_its_tags_say(kind):
    estimator = SHUFFLED[kind]
    wrapper = ChunkedFit(estimator, chunk_size=20, random_state=0).fit(X, y)
    assert not is_in_order(wrapper)
    again = ChunkedFit(estimator, chunk_size=20, random_state=0).partial_fit(X, y)
    assert not is_in_order(again)
    assert is_in_order(in_file_order(estimator, chunk_size=20).fit(X, y))
    assert ChunkedFit(estimator, chunk_size=20).fit(X, y).n_epochs_ == 1


@pytest.mark.parametrize("kind", IN_ORDER)
def test_what_learns_from_x_alone_stays_in_file_order(kind):
    estimator = IN_ORDER[kind]
    assert is_in_order(ChunkedFit(estimator, chunk_size=20).fit(X, y))
    mixed = ChunkedFit(estimator, chunk_size=20, shuffle=True, random_state=0)
    assert not is_in_order(mixed.fit(X, y))


@pytest.mark.parametrize("kind", ["default", "y needed", "transformer that needs y"])
def test_without_y_there_is_nothing_to_shuffle_for(kind):
    estimator = SHUFFLED[kind]
    assert not uses_target(estimator, None)
    assert uses_target(estimator, y)


def test_inside_of_meta_estimators_it_is_what_learns_that_counts():
    """These have a table for their own, and hand y on."""
    for wrap in MultiOutputRegressor, SelectFromModel, OneVsRestClassifier:
        assert uses_target(wrap(Log()), y)
        assert uses_target(wrap(make(LogNeeding)), y)
        assert not uses_target(wrap(LogAlone()), y)
        wrapper = ChunkedFit(wrap(Log()), chunk_size=20, random_state=0)
        plan = make_fit_plan(wrapper, X, np.column_stack([y, y]), {})
        assert plan.is_shuffled


class OnlineLabels(BaseEstimator, ClassifierMixin):
    """A classifier whose mixin is in the wrong place, as many have it."""

    def partial_fit(self, X, y):
        if not hasattr(self, "model_"):
            self.model_ = SGDClassifier(
                random_state=0, learning_rate="constant", eta0=0.5
            )
        self.model_.partial_fit(X, y, classes=np.arange(3))
        return self


def test_sorted_labels_are_learned_as_well_as_shuffled_ones():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 500)
    rows = rng.normal(size=(3, 5))[labels] + rng.normal(size=(1500, 5))

    def score(shuffle):
        model = ChunkedFit(
            OnlineLabels(), chunk_size=50, shuffle=shuffle, random_state=0
        )
        return model.fit(rows, labels).model_.score(rows, labels)

    assert score("auto") == score(True)
    assert score("auto") > score(False) + 0.1


# --- What it is given ----------------------------------------------------------------


class LogClasses(Log):
    """Is told the classes, and keeps them."""

    def partial_fit(self, X, y=None, classes=None, sample_weight=None):
        if classes is not None:
            self.classes_ = classes
        return super().partial_fit(X, y, sample_weight)


class LogPipeline(Pipeline):
    """Has more of scikit-learn than a mixin, and a partial_fit of its own."""

    def __init__(self, steps=()):
        self.steps = steps

    partial_fit = Log.partial_fit


def same(one, other) -> bool:
    """Whether both are of one type, and hold the same values; NaN is NaN."""
    if type(one) is not type(other):
        return False
    if hasattr(one, "equals"):
        return one.equals(other)
    if not isinstance(one, np.ndarray):
        return repr(one) == repr(other)
    is_alike = one.dtype == other.dtype and one.shape == other.shape
    return is_alike and repr(one.tolist()) == repr(other.tolist())


def cut(rows, start, stop):
    return rows.iloc[start:stop] if hasattr(rows, "iloc") else rows[start:stop]


def check_calls(estimator, rows, target=None, **params):
    """The chunks are what slices of the rows are, type and all."""
    wrapper = in_file_order(estimator, chunk_size=25)
    wrapper.fit(rows, target, **params)
    weight = params.get("sample_weight")
    given = (rows, target, weight)
    assert len(wrapper.calls_) == 3
    for start, call in zip(range(0, 60, 25), wrapper.calls_, strict=True):
        stop = min(start + 25, 60)
        for got, whole in zip(call, given, strict=True):
            expected = None if whole is None else cut(whole, start, stop)
            assert same(got, expected)
    return wrapper


TARGETS = {
    "column": y[:, None],
    "column of floats": y[:, None] / 2,
    "two columns": np.column_stack([y, y]),
    "images": RNG.normal(size=(60, 2, 2)),
    "NaN": np.where(np.arange(60) % 7, y, np.nan),
    "column with NaN": np.where(np.arange(60) % 7, y, np.nan)[:, None],
    "infinity": np.where(np.arange(60) % 7, y, np.inf),
    "None": np.array([None, "a", "b"] * 20, dtype=object),
    "objects": np.array([{"a": i} for i in range(60)], dtype=object),
    "structured": np.array([(True, 1.5)] * 60, dtype=[("event", "?"), ("time", "f8")]),
    "text": np.array(["a", "bb", "c"] * 20),
    "marked by -1": np.where(np.arange(60) % 7, y, -1),
}


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("mixin", [RegressorMixin, ClassifierMixin, None])
def test_y_comes_as_it_is(kind, mixin):
    estimator = make(Log) if mixin is None else make(Log, mixin)
    check_calls(estimator, X, TARGETS[kind])
    mixed = ChunkedFit(estimator, chunk_size=25, random_state=0).fit(X, TARGETS[kind])
    targets = [target for _, target, _ in mixed.calls_]
    assert {(type(t), t.dtype, t.shape[1:]) for t in targets} == {
        (np.ndarray, TARGETS[kind].dtype, TARGETS[kind].shape[1:])
    }


def test_scikit_learns_own_warn_of_a_column_and_refuse_nan():
    """As ever: subclasses too, and meta-estimators around whatever it is."""
    inherits = type("Mine", (SGDRegressor,), {"__module__": __name__})
    for model in SGDRegressor(), inherits(), SelectFromModel(SGDRegressor()):
        with pytest.warns(DataConversionWarning, match="column-vector y"):
            ChunkedFit(model, max_epochs=1).fit(X, y[:, None] / 2)
        with pytest.raises(ValueError, match="Input y contains NaN") as caught:
            ChunkedFit(model).fit(X, TARGETS["NaN"])
        if not isinstance(model, SelectFromModel):  # which finds it in its chunk
            assert caught.value.__notes__ == ["The first is in row 0 of y."]
    for model in OneVsRestClassifier(LogClasses()), MultiOutputRegressor(Log()):
        target = TARGETS["NaN"]
        target = target[:, None] if "Multi" in name_of(model) else target
        with pytest.raises(ValueError, match="Input y contains NaN"):
            ChunkedFit(model).fit(X, target)


def test_a_list_of_targets_becomes_an_array_that_says_the_same():
    for given, expected in (
        ([0, 1, 2] * 20, np.array([0, 1, 2] * 20)),
        (["a", "bb", "c"] * 20, np.array(["a", "bb", "c"] * 20)),
        (["a", "b", np.nan] * 20, np.array(["a", "b", np.nan] * 20, dtype=object)),
        (["a", None, 1] * 20, np.array(["a", None, 1] * 20, dtype=object)),
        ([[1, 0], [0, 1], [0, 0]] * 20, np.array([[1, 0], [0, 1], [0, 0]] * 20)),
        ([[1, 0], [1], []] * 20, [[1, 0], [1], []] * 20),
    ):
        wrapper = in_file_order(Log(), chunk_size=60).fit(X, given)
        assert same(wrapper.calls_[0][1], expected)


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        (TARGETS["NaN"], [0.0, 1.0, 2.0]),
        (TARGETS["column with NaN"], [0.0, 1.0, 2.0]),
        (TARGETS["None"], ["a", "b"]),
        (TARGETS["column"], [0, 1, 2]),
        (TARGETS["marked by -1"], [-1, 0, 1, 2]),
        (["b", "a", np.nan] * 20, ["a", "b"]),
        (np.full(60, np.nan), None),
    ],
)
@pytest.mark.parametrize("mixins", [(), (ClassifierMixin,)])
def test_classes_are_the_labels_that_are_there(target, classes, mixins):
    wrapper = in_file_order(make(LogClasses, *mixins), chunk_size=25).fit(X, target)
    if classes is None:
        assert not hasattr(wrapper, "classes_")
    else:
        assert wrapper.classes_.tolist() == classes
    wrapper.partial_fit(X, target, classes=["other", "labels"])
    assert wrapper.classes_ == ["other", "labels"]


def test_labels_beside_the_classes_are_left_to_the_estimator():
    for target, classes in (
        (TARGETS["marked by -1"], [0, 1, 2]),
        (TARGETS["None"], ["a", "b", "c"]),
        (TARGETS["text"], ["a", "bb"]),
    ):
        wrapper = in_file_order(make(LogClasses, ClassifierMixin), chunk_size=25)
        wrapper.fit(X, target, classes=classes)
        assert wrapper.classes_ is classes
        joined = np.concatenate([target for _, target, _ in wrapper.calls_])
        assert same(joined, target)


def test_rows_without_a_label_weigh_one():
    for target, classes, unlabelled in (
        (TARGETS["NaN"], None, np.isnan(TARGETS["NaN"])),
        (TARGETS["column with NaN"], None, np.isnan(TARGETS["NaN"])),
        (TARGETS["None"], None, TARGETS["None"] == np.array(None)),
        (TARGETS["marked by -1"], [0, 1, 2], TARGETS["marked by -1"] == -1),
    ):
        wrapper = in_file_order(make(LogClasses, ClassifierMixin), chunk_size=25)
        wrapper.fit(X, target, classes=classes, class_weight="balanced")
        weights = np.concatenate([weight for *_, weight in wrapper.calls_])
        labels = np.ravel(target)[~unlabelled]
        expected = np.ones(60)
        found, counts = np.unique(labels, return_counts=True)
        balanced = len(labels) / (len(found) * counts)
        expected[~unlabelled] = balanced[np.searchsorted(found, labels)]
        np.testing.assert_allclose(weights, expected, rtol=1e-15)


@pytest.mark.parametrize(
    "weight",
    [np.ones((60, 1)), np.ones((60, 2)), np.where(y, np.nan, 1.0)],
    ids=["column", "two columns", "NaN"],
)
def test_weights_come_as_they_are(weight):
    check_calls(make(Log, RegressorMixin), X, y, sample_weight=weight)
    with pytest.raises(ValueError, match="weight"):
        ChunkedFit(SGDRegressor()).fit(X, y, sample_weight=weight)


def test_chunks_that_weigh_nothing_are_left_out_but_of_the_loop():
    """``fit`` would not see where a chunk ends; the loop hands each of them on."""
    weight = np.where(np.arange(60) < 25, 0.0, 1.0)
    check_calls(Log(), X, y, sample_weight=weight)
    check_calls(make(LogClasses, ClassifierMixin), X, y, sample_weight=weight)
    for params in {"max_epochs": 1}, {"shuffle": False}:
        wrapper = ChunkedFit(make(Log, ClusterMixin), chunk_size=25, **params)
        wrapper.fit(X, y, sample_weight=weight)
        assert [len(rows) for rows, *_ in wrapper.calls_] == [25, 10]


def test_weights_in_a_column_are_multiplied_by_those_of_labels():
    given = np.arange(60.0)[:, None]
    wrapper = in_file_order(make(LogClasses, ClassifierMixin), chunk_size=25)
    wrapper.fit(X, y, sample_weight=given, class_weight={1: 5})
    weights = np.concatenate([weight for *_, weight in wrapper.calls_])
    np.testing.assert_array_equal(weights, given * np.where(y == 1, 5, 1)[:, None])


def test_held_out_rows_may_have_what_rows_may_have():
    class Scores(LogClasses, ClassifierMixin):
        def score(self, X, y, sample_weight=None):
            self.given_ = [X, y, sample_weight]
            return 0.5

    for target in TARGETS["NaN"], TARGETS["column"], TARGETS["None"]:
        wrapper = in_file_order(Scores(), chunk_size=25)
        wrapper.fit(X, y, X_val=X, y_val=target, sample_weight_val=y[:, None] / 2)
        assert wrapper.history_["score"] == [0.5]
        assert wrapper.score(X, target, sample_weight=y[:, None]) == 0.5


ROWS = {
    "texts": [f"text {i}" for i in range(60)],
    "array of texts": np.array([f"text {i}" for i in range(60)]),
    "array of objects": np.array([{"a": i} for i in range(60)], dtype=object),
    "numbers": np.arange(60.0),
    "series of texts": pd.Series([f"text {i}" for i in range(60)], name="t"),
    "series with an index": pd.Series(range(60), index=range(100, 160)),
    "frame of texts": pd.DataFrame({"t": [f"text {i}" for i in range(60)]}),
    "lists of several lengths": [[0] * (i % 3) for i in range(60)],
    "dicts": [{"a": i} for i in range(60)],
    "None": np.array([None, 1.0, "a"] * 20, dtype=object),
}


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("estimator", [Log(), LogPipeline()], ids=name_of)
def test_rows_of_any_kind_go_to_the_estimator_as_they_are(kind, estimator):
    check_calls(estimator, ROWS[kind])
    check_calls(estimator, ROWS[kind], y)
    mixed = ChunkedFit(estimator, chunk_size=25, shuffle=True, random_state=0)
    mixed.fit(ROWS[kind])
    assert {type(rows) for rows, *_ in mixed.calls_} == {type(ROWS[kind])}
    assert [len(rows) for rows, *_ in mixed.calls_] == [25, 25, 10]


def test_polars_series_stay_series():
    rows = pl.Series("t", [f"text {i}" for i in range(60)])
    for shuffle in False, True:
        wrapper = ChunkedFit(Log(), chunk_size=25, shuffle=shuffle).fit(rows)
        joined = pl.concat([chunk for chunk, *_ in wrapper.calls_])
        assert sorted(joined) == sorted(rows)
        assert joined.name == "t"


SERIES = {
    "Int64 with NA": pd.Series([1, None, 2] * 20, dtype="Int64", name="label"),
    "categories": pd.Series(["a", "b", "a"] * 20, dtype="category"),
    "frame": pd.DataFrame({"one": range(60), "two": [1.5, None] * 30}),
    "polars": pl.Series("label", [1, None, 2] * 20),
    "polars frame": pl.DataFrame({"one": range(60), "two": ["a", None] * 30}),
}


@pytest.mark.parametrize("kind", SERIES)
def test_y_of_a_series_or_a_frame_stays_one(kind):
    target = SERIES[kind]
    for kind in Log, type("Transformer", (TransformerMixin, Log), {}):
        check_calls(kind(), X, target)
    mixed = ChunkedFit(Log(), chunk_size=25, random_state=0).fit(X, target)
    for rows, found, _ in mixed.calls_:
        numbers = [np.flatnonzero((row == X).all(axis=1)).item() for row in rows]
        whole = target.iloc[numbers] if hasattr(target, "iloc") else target[numbers]
        assert same(found, whole)


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        (SERIES["Int64 with NA"], [1, 2]),
        (SERIES["categories"], ["a", "b"]),
        (SERIES["polars"], [1, 2]),
        (pd.DataFrame({"label": [3, 1] * 30}), [1, 3]),
    ],
)
def test_labels_of_a_series_are_found(target, classes):
    class Told(ClassifierMixin, Log):
        def partial_fit(self, X, y, sample_weight=None, classes=None):
            self.classes_ = classes if classes is not None else self.classes_
            return super().partial_fit(X, y, sample_weight)

        def predict(self, X):
            return np.full(len(X), self.classes_[0])

    weights = dict(zip(classes, (5.0, 7.0), strict=True))
    model = in_file_order(Told(), chunk_size=25).fit(X, target, class_weight=weights)
    assert list(model.classes_) == classes
    labels = [weights.get(label, 1.0) for label in np.asarray(target).ravel().tolist()]
    found = np.concatenate([weight for *_, weight in model.calls_])
    assert found.tolist() == labels


def test_r2_of_a_series():
    class Mean(RegressorMixin, Log):
        def predict(self, X):
            return np.full(len(X), 3.0)

    for target in pd.Series(range(60)), pd.Series([2, 4] * 30, dtype="Int64"):
        model = in_file_order(Mean(), chunk_size=25).fit(X, target)
        expected = model.estimator_.score(X, target)
        assert model.score(X, target) == pytest.approx(expected)


class Picky(Log):
    def partial_fit(self, X, y=None):
        if np.ndim(X) != 2:
            raise ValueError("I want a table.")


def test_rows_of_one_dimension_may_be_refused_by_the_estimator():
    with pytest.raises(ValueError, match=r"I want a table\.") as caught:
        ChunkedFit(Picky(), chunk_size=25).fit(ROWS["array of texts"])
    assert caught.value.__notes__ == [
        "while fitting rows 0 to 24 (chunk 1 of 3, epoch 1)"
    ]


def test_texts_through_a_pipeline_of_a_vectorizer_and_a_model():
    class Partial(Pipeline):
        def partial_fit(self, X, y=None, classes=None):
            self.steps[-1][1].partial_fit(self[0].transform(X), y, classes=classes)
            return self

    def make():
        return Partial(
            [
                ("hash", HashingVectorizer(n_features=64)),
                ("m", SGDClassifier(random_state=0)),
            ]
        )

    labels = np.arange(60) % 2
    texts = [f"{'good' if label else 'bad'} text {i}" for i, label in enumerate(labels)]
    by_hand = make()
    for start in range(0, 60, 25):
        rows = slice(start, start + 25)
        by_hand.partial_fit(texts[rows], labels[rows], classes=[0, 1])
    for rows in texts, np.array(texts), pd.Series(texts), np.array(texts, dtype=object):
        wrapper = in_file_order(make(), chunk_size=25).fit(rows, labels)
        np.testing.assert_array_equal(wrapper.estimator_[-1].coef_, by_hand[-1].coef_)
        assert wrapper.score(rows, labels) == by_hand.score(texts, labels)
        np.testing.assert_array_equal(wrapper.predict(rows), by_hand.predict(texts))


@pytest.mark.parametrize("estimator", partial_fit_estimators(), ids=name_of)
def test_scikit_learns_own_refuse_one_dimension_before_training(estimator):
    if not get_tags(estimator).input_tags.two_d_array:
        ChunkedFit(estimator).fit(ROWS["array of texts"])
        return
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array instead"):
        ChunkedFit(estimator).fit(X[:, 0], y)


# --- What it returns -----------------------------------------------------------------


class Portfolio:
    """What skfolio predicts: an object that knows the rows that it is of."""

    def __init__(self, returns, fees):
        self.returns, self.fees = returns, fees

    def __array__(self, dtype=None, copy=None):
        return self.returns

    @property
    def ratio(self):
        return self.returns.mean() / self.returns.std() - self.fees


class Invests(BaseEstimator):
    """Scores the object that it predicts."""

    def partial_fit(self, X, y=None):
        self.n_rows_ = getattr(self, "n_rows_", 0) + len(X)
        return self

    def predict(self, X, fees=0.0):
        assert isinstance(X, np.ndarray)
        return Portfolio(X.sum(axis=1), fees)

    def score(self, X, y=None):
        return self.predict(X, fees=0.5).ratio


class Counts(Invests):
    """Scores a list that it predicts, and remembers how many rows it got at a time."""

    def predict(self, X):
        self.seen_ = [*getattr(self, "seen_", []), len(X)]
        return [float(row[0]) for row in X]

    def score(self, X, y=None):
        return max(self.predict(X))


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_score_of_a_predicted_object_is_that_of_all_rows(n_jobs):
    wrapper = ChunkedFit(Invests(), chunk_size=25, n_jobs=n_jobs)
    wrapper.fit(X, X_val=X[:30])
    assert wrapper.score(X) == Invests().score(X)
    assert wrapper.score(open_rows(X)[::2]) == Invests().score(X[::2])
    assert wrapper.history_["score"] == [Invests().score(X[:30])]
    images = X[:, :2, None] * np.ones(3)
    flat = ChunkedFit(Flat(), chunk_size=25).fit(images)
    assert flat.score(images) == Flat().score(images.reshape(60, -1))


class Flat(Invests):
    def partial_fit(self, X, y=None):
        if X.ndim > 2:
            raise ValueError("I want a table.")
        return super().partial_fit(X)


def test_a_score_of_predicted_rows_goes_by_chunks():
    wrapper = ChunkedFit(Counts(), chunk_size=25).fit(X)
    assert wrapper.score(X) == Counts().score(X)
    assert wrapper.estimator_.seen_ == [25, 25, 10]


# --- Seeds ---------------------------------------------------------------------------


class Seeded(BaseEstimator):
    """Draws in each call, as its parameters say: random_state, else random_seed."""

    def __init__(self, random_state=None, random_seed=1):
        self.random_state = random_state
        self.random_seed = random_seed

    def partial_fit(self, X, y=None):
        seed = self.random_seed if self.random_state is None else self.random_state
        rng = np.random.default_rng(seed)
        self.draws_ = [*getattr(self, "draws_", []), rng.integers(10**6)]
        return self


class Draws(BaseEstimator):
    """Draws from NumPy's generator unless it has a seed, as scikit-learn does."""

    def __init__(self, random_state=None, inner=None):
        self.random_state = random_state
        self.inner = inner

    def partial_fit(self, X, y=None):
        source = (
            np.random
            if self.random_state is None
            else np.random.RandomState(self.random_state)
        )
        self.draws_ = [*getattr(self, "draws_", []), source.randint(10**6)]
        return self


def global_state() -> tuple:
    kind, keys, *rest = np.random.get_state()
    return kind, keys.tobytes(), *rest


def loop(estimator, *args, step=20):
    estimator = clone(estimator)
    for start in range(0, 60, step):
        estimator.partial_fit(*(rows[start : start + step] for rows in args))
    return estimator


UNSEEDED = {
    "third party": Draws(),
    "seeded third party": Draws(3),
    "other name": Seeded(random_seed=7),
    "part of one": Draws(0, inner=Draws()),
    "no seed": Log(),
    "scikit-learn's": SGDClassifier(alpha=0.1),
    "scikit-learn's seeded": SGDClassifier(random_state=2),
    "in a meta-estimator": SelectFromModel(SGDRegressor()),
}


@pytest.mark.parametrize("kind", UNSEEDED)
def test_the_loop_written_out_seeds_nothing_and_draws_nothing(kind):
    """Parameters are as they were, NumPy's generator is where the loop leaves it."""
    estimator = UNSEEDED[kind]
    wrapper = in_file_order(estimator, chunk_size=20)
    np.random.seed(0)
    wrapper.fit(X, y)
    ours = global_state()
    np.random.seed(0)
    by_hand = clone(estimator)
    for start in range(0, 60, 20):
        takes = {"classes": np.arange(3)} if isinstance(by_hand, SGDClassifier) else {}
        by_hand.partial_fit(X[start : start + 20], y[start : start + 20], **takes)
    assert ours == global_state()
    given = estimator.get_params()
    assert repr(wrapper.estimator_.get_params()) == repr(given)
    for name in "draws_", "coef_":
        if hasattr(by_hand, name):
            np.testing.assert_array_equal(
                getattr(wrapper, name), getattr(by_hand, name)
            )
    own = {"seeded third party": 3, "other name": 7, "part of one": 0}
    own["scikit-learn's seeded"] = 2
    assert wrapper.random_state_ == own.get(kind)


@pytest.mark.parametrize(
    "estimator",
    [Log(), Draws(3), Seeded(), GaussianNB(), SGDClassifier(random_state=0)],
    ids=name_of,
)
def test_no_seed_is_drawn_that_nothing_uses(estimator):
    np.random.seed(0)
    before = global_state()
    target = y if isinstance(estimator, GaussianNB | SGDClassifier) else None
    wrapper = ChunkedFit(estimator, chunk_size=20, max_epochs=1).fit(X, target)
    wrapper.explain(X, target)
    assert global_state() == before
    expected = {"Draws": 3, "Seeded": 1, "SGDClassifier": 0}
    assert wrapper.random_state_ == expected.get(name_of(estimator))


@pytest.mark.parametrize(
    ("wrapper", "seeds_estimator"),
    [
        (ChunkedFit(Draws()), True),
        (ChunkedFit(Log(), shuffle=True), False),
        (ChunkedFit(Log(), shuffle="chunks"), False),
        (ChunkedFit(SelectFromModel(SGDRegressor()), max_epochs=1), True),
        (
            ChunkedFit(SGDClassifier(early_stopping=True), shuffle=False, max_epochs=2),
            False,
        ),
    ],
    ids=["unseeded", "blocks", "chunks", "inside", "held out"],
)
def test_a_seed_that_is_used_is_drawn_and_recorded(wrapper, seeds_estimator):
    np.random.seed(0)
    expected = np.random.RandomState(0).randint(2**31 - 1)
    wrapper.fit(X, y)
    assert wrapper.random_state_ == expected
    params = wrapper.estimator_.get_params()
    seeds = [v for k, v in params.items() if k.endswith("random_state")]
    assert (expected in seeds) == seeds_estimator


@pytest.mark.parametrize("params", [{}, {"shuffle": True}, {"random_state": 5}])
def test_another_seed_is_never_overruled(params):
    """isotree has random_seed=1 and random_state=None, which is used if it is set."""
    for estimator in Seeded(), Seeded(random_seed=4):
        wrapper = ChunkedFit(estimator, chunk_size=20, **params).fit(X)
        assert wrapper.estimator_.random_state is None
        assert wrapper.draws_ == loop(estimator, X).draws_
        assert wrapper.random_state_ == params.get(
            "random_state", estimator.random_seed
        )
        nested = ChunkedFit(Draws(0, inner=estimator), **params).fit(X)
        assert nested.estimator_.inner.random_state is None
    unset = ChunkedFit(Seeded(random_seed=None), **{"random_state": 5} | params).fit(X)
    assert unset.estimator_.random_state == 5


def test_a_seed_of_the_wrapper_is_what_the_loop_would_have_set():
    wrapper = in_file_order(Draws(), chunk_size=20, random_state=5).fit(X)
    assert wrapper.draws_ == loop(Draws(5), X).draws_
    assert wrapper.random_state_ == 5


def test_further_training_keeps_the_seed_that_was_recorded():
    wrapper = ChunkedFit(Draws(), chunk_size=20).fit(X)
    seed = wrapper.random_state_
    np.random.seed(0)
    before = global_state()
    assert wrapper.partial_fit(X).random_state_ == seed
    assert global_state() == before


def test_explain_names_the_seed():
    for estimator, text in (
        (Seeded(), "1 (random_seed of the estimator)"),
        (Draws(3), "3 (random_state of the estimator)"),
        (Log(), "none (nothing is random)"),
        (Draws(), "drawn in fit, stored in random_state_"),
    ):
        said = str(ChunkedFit(estimator).explain(X)).splitlines()
        (line,) = [s for s in said if "  seed" in s]
        assert line.split(maxsplit=1)[1] == text
