"""`TargetEncoder` against scikit-learn: what it learns, and the rows of later steps."""

import pickle
from contextlib import ExitStack

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from helpers import assert_alike, raises
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import (
    KFold,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_validate,
)
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from skmmap import ChunkedFit, open_rows
from skmmap.order import Positions, Runs
from skmmap.pipelines import spill
from skmmap.pipelines.training_rows import TrainingTransform
from skmmap.rows import find_source

IS_NEW = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9)
rng = np.random.default_rng(0)
N = 303
CODES = np.minimum(rng.geometric(0.3, (N, 3)), 9)
CODES[5, 1] = 77  # in its own fold alone
FRAME = pd.DataFrame(
    {
        "number": CODES[:, 0],
        "tree": np.array(["ash", "elm", None, "oak", "yew"])[CODES[:, 1] % 5],
        "float": np.where(CODES[:, 2] == 3, np.nan, CODES[:, 2]),
        "height": rng.normal(5, 3, N),
    }
)
COLUMNS = ["number", "tree", "float"]
TWO = (rng.random(N) < CODES[:, 0] / 9).astype(int)
THREE = np.minimum(rng.poisson(CODES[:, 0] / 3), 2)
NUMBERS = rng.normal(1000, 5, N) * CODES[:, 0]
TARGETS = {
    "binary": TWO,
    "texts": np.array(["no", "maybe", "certainly"])[THREE],
    "multiclass": THREE * 1.0,
    "numbers": NUMBERS,
    "float32": NUMBERS.astype(np.float32),
    "constant": np.full(N, 0.1),
}


class Keeper(BaseEstimator):
    """Keeps the rows that it is trained on."""

    def partial_fit(self, X, y=None):
        self.parts_ = [*getattr(self, "parts_", []), np.array(X)]
        return self

    def fit(self, X, y=None):
        return self.partial_fit(X)

    @property
    def rows(self):
        return np.concatenate(self.parts_)


def encode(y=TWO, n_folds=4, **params):
    """Return an encoder whose folds are the same in each fit."""
    if not IS_NEW:
        return TargetEncoder(cv=n_folds, random_state=3, **params)
    kind = KFold if y.dtype.kind == "f" and y is not TARGETS["multiclass"] else None
    kind = kind or StratifiedKFold
    return TargetEncoder(cv=kind(n_folds, shuffle=True, random_state=3), **params)


def assert_close(one, other):
    np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)


def fit(pipeline, X, y, **params):
    model = ChunkedFit(clone(pipeline), chunk_size=50, random_state=0, **params)
    return model.fit(X, y)


def keep(pipeline, X, y, **params):
    """Fit a pipeline whose last step keeps its rows, in file order."""
    return fit(pipeline, X, y, shuffle=False, max_epochs=1, **params)


def check_same(*steps, X=CODES, y=TWO, by_folds=True):
    """Compare the rows of the last step, and of predict, with scikit-learn's."""
    pipeline = make_pipeline(*steps, Keeper())
    theirs = clone(pipeline).fit(X, y)
    ours = keep(pipeline, X, y).estimator_
    assert_close(ours[-1].rows, theirs[-1].rows)
    plain = np.asarray(theirs[:-1].transform(X))
    assert_close(np.asarray(ours[:-1].transform(X)), plain)
    assert (np.nanmax(np.abs(plain - theirs[-1].rows)) > 1e-3) == by_folds
    return ours, theirs


@pytest.mark.parametrize("kind", TARGETS)
def test_encoders_and_rows_of_later_steps_are_those_of_fit(kind):
    y = TARGETS[kind]
    kinds = CODES, FRAME[COLUMNS], pl.DataFrame(CODES), CODES.astype(str)
    for X, smooth in zip(kinds, ["auto", 3.5, 0, "auto"], strict=True):
        encoder = encode(y, smooth=smooth)
        by_folds = kind != "constant"
        ours, theirs = check_same(encoder, X=X, y=y, by_folds=by_folds)
        assert_alike(ours[0], theirs[0], rtol=1e-10, free={"cv"})
        assert_alike(ours[0].target_mean_, theirs[0].target_mean_)
    if kind == "binary":  # sums of ones
        zero = fit(make_pipeline(encode(smooth=0), Keeper()), CODES, y).estimator_[0]
        assert_alike(zero, encode(smooth=0).fit(CODES, y), free={"cv"})


def test_given_categories_target_types_and_splits():
    given = [[1, 2, 3, 50], [1, 2], [1, 2]]
    for smooth in "auto", 0:
        check_same(encode(categories=given, smooth=smooth))
        check_same(encode(categories=given, smooth=smooth), y=THREE)
    check_same(encode(NUMBERS, target_type="continuous"))
    check_same(encode(target_type="binary"), y=THREE)
    if IS_NEW:
        splits = list(StratifiedKFold(3).split(CODES, TWO))
        check_same(TargetEncoder(cv=splits))
        check_same(TargetEncoder(cv=KFold(2)))
    else:
        check_same(TargetEncoder(shuffle=False))


# As many passes as those of an encoder and the steps behind it.
OTHERS = StandardScaler(), SplineTransformer(), MinMaxScaler(), StandardScaler()
SHARING = ColumnTransformer(
    [
        ("encoded", make_pipeline(encode(), StandardScaler()), [0]),
        ("both", make_union(encode(), OrdinalEncoder()), [0, 1]),
        ("others", make_pipeline(*OTHERS), [2]),
    ],
    remainder=encode(),
)


def test_members_of_unions_and_steps_behind_them():
    """They share passes, for which rows are computed from those of the file."""
    one_hot = OneHotEncoder(handle_unknown="ignore")
    beside = make_column_transformer(
        (encode(), ["number", "tree"]),
        (StandardScaler(), ["height"]),
        (one_hot, ["float"]),
        sparse_threshold=0,
    )
    check_same(beside, StandardScaler(), X=FRAME)
    check_same(beside, StandardScaler(), X=FRAME, y=THREE)
    behind = make_union(SplineTransformer(), StandardScaler(), MinMaxScaler())
    check_same(encode(), behind)
    X = np.c_[CODES, CODES[:, 0] + CODES[:, 1] % 2]
    check_same(SHARING, X=X)
    picked = np.r_[200:N, 0:100]
    pipeline = make_pipeline(SHARING, Keeper())
    theirs = clone(pipeline).fit(X[picked], TWO[picked])
    ours = keep(pipeline, open_rows(X)[picked], TWO[picked]).estimator_
    assert_close(ours[-1].rows, theirs[-1].rows[np.argsort(picked)])
    check_same(make_pipeline(encode(), StandardScaler()), make_union(MinMaxScaler()))


def test_output_in_frames():
    members = make_column_transformer((encode(), COLUMNS), ("passthrough", ["height"]))
    frames = members.set_output(transform="pandas")
    ours, theirs = check_same(frames, X=FRAME, y=THREE)
    assert_alike(list(ours[0].transform(FRAME)), list(theirs[0].transform(FRAME)))
    check_same(encode().set_output(transform="polars"), y=THREE)


def test_names_of_columns_in_files(tmp_path):
    pd.DataFrame(CODES, columns=list("abc")).to_parquet(tmp_path / "X.parquet")
    pipeline = make_pipeline(encode(), StandardScaler(), Keeper())
    ours = keep(pipeline, str(tmp_path / "X.parquet"), TWO).estimator_
    assert_close(ours[-1].rows, clone(pipeline).fit(CODES, TWO)[-1].rows)
    assert ours[0].feature_names_in_.tolist() == ["a", "b", "c"]


SELECTIONS = {
    "permuted": rng.permutation(N)[:200],
    "ascending": np.sort(rng.permutation(N)[:200]),
    "runs": np.r_[200:300, 0:100],
    "backwards": np.arange(N)[::-1],
    "every third": np.arange(2, N, 3),
}


@pytest.mark.parametrize("picked", SELECTIONS.values(), ids=SELECTIONS)
def test_rows_in_any_order_have_the_folds_of_their_positions(picked):
    for encoder, y in (encode(), TWO), (encode(NUMBERS), NUMBERS):
        pipeline = make_pipeline(encoder, StandardScaler(), Keeper())
        theirs = clone(pipeline).fit(CODES[picked], y[picked])
        ours = keep(pipeline, open_rows(CODES)[picked], open_rows(y)[picked]).estimator_
        assert_close(ours[0].encodings_[0], theirs[0].encodings_[0])
        assert_close(ours[1].mean_, theirs[1].mean_)
        assert_close(ours[-1].rows, theirs[-1].rows[np.argsort(picked)])


def test_positions_of_every_row():
    picks = *SELECTIONS.values(), np.array([4]), np.array([7, 0, 3]), np.arange(9)
    for picked in picks:
        selection = find_source(open_rows(CODES)[picked]).selection
        for each in selection, Runs(picked, np.ones(len(picked))), picked:
            positions = np.full(N, -1)
            positions[picked] = np.arange(len(picked))
            found = Positions(each)
            assert found.find(np.arange(N)).tolist() == positions.tolist()
            assert found.find_repeated() is None
    assert Positions(np.array([3, 1, 3])).find_repeated() == 3
    assert Positions(Runs([5, 0], [4, 6])).find_repeated() == 5


def test_rows_that_are_selected_twice_are_refused():
    with raises(
        ValueError,
        "TargetEncoder encodes the rows of fit by folds, and row 5 of an array is "
        "selected more than once. Write the selection to a file: convert(X, 'X.npy').",
    ):
        fit(encode(), open_rows(CODES)[np.r_[0:90, 5, 100:200]], TWO[:191])


def make_model(**params):
    steps = encode(), StandardScaler(), SGDClassifier(random_state=0, **params)
    return make_pipeline(*steps)


def fit_by_hand(pipeline, X, y, **params):
    """Return the last step, trained on the rows that fit_transform returns."""
    rows = make_pipeline(*pipeline[:-1]).fit_transform(X, y)
    return fit(pipeline[-1], rows, y, **params).estimator_


def test_epochs_from_memory_from_the_file_and_from_a_temporary_file(
    tmp_path, monkeypatch
):
    X, y = np.tile(CODES, (3, 1)), np.tile(TWO, 3)
    np.save(tmp_path / "X.npy", X)
    pipeline = make_model(max_iter=2, tol=None)
    for limit in "1GB", "30kB":
        by_hand = fit_by_hand(pipeline, X, y, memory_limit=limit)
        model = fit(pipeline, tmp_path / "X.npy", y, memory_limit=limit)
        said, ours = model.explain(X, y).sections["memory"], model.estimator_
        assert ("for rows that are kept" in said) == (limit == "1GB"), said
        assert_close(ours[-1].coef_, by_hand.coef_)
        assert_close(ours[-1].intercept_, by_hand.intercept_)
    monkeypatch.setattr(spill, "_is_worth_it", lambda *args: True)
    with ExitStack() as files:
        written = []
        monkeypatch.setattr(
            spill, "write", lambda rows, _: written.append(rows) or write(rows, files)
        )
        ours = fit(pipeline, tmp_path / "X.npy", y, memory_limit=limit).estimator_
    assert len(written) == 1
    assert_close(ours[-1].coef_, by_hand.coef_)


write = spill.write


def test_held_out_rows_are_encoded_by_folds_and_given_ones_are_not():
    pipeline = make_model(early_stopping=True, n_iter_no_change=2)
    assert_close(
        fit(pipeline, CODES, TWO).estimator_[-1].coef_,
        fit_by_hand(pipeline, CODES, TWO).coef_,
    )
    pipeline = make_model(max_iter=3, tol=None)
    model = ChunkedFit(pipeline, random_state=0).fit(CODES, TWO, X_val=CODES, y_val=TWO)
    assert max(model.history_["score"]) == model.score(CODES, TWO)  # the best epoch


def test_cross_validation_of_rows():
    pipeline, cv = make_model(max_iter=3, tol=None), ShuffleSplit(2, random_state=0)
    model = ChunkedFit(pipeline, random_state=0, chunk_size=50)
    X = open_rows(CODES)
    found = cross_validate(model, X, TWO, cv=cv, error_score="raise")
    expected = []
    for train, test in cv.split(CODES):
        encoder, scaler = clone(pipeline[0]), StandardScaler()
        rows = np.empty((N, 3))
        rows[train] = encoder.fit_transform(CODES[train], TWO[train])
        scaler.fit(rows[train])
        last = fit(
            pipeline[-1],
            open_rows(scaler.transform(rows))[train],
            open_rows(TWO)[train],
        )
        rows = scaler.transform(encoder.transform(CODES[test]))
        expected.append(last.score(rows, TWO[test]))
    assert found["test_score"].tolist() == expected


def test_partial_fit_encodes_new_rows_by_all_of_fit():
    pipeline = make_pipeline(encode(), Keeper())
    model = keep(pipeline, CODES, TWO).partial_fit(CODES[:20], TWO[:20])
    rows = encode().fit(CODES, TWO).transform(CODES[:20])
    assert_close(model.estimator_[-1].rows[N:], rows)
    first = (
        ChunkedFit(clone(pipeline), shuffle=False).partial_fit(CODES, TWO).estimator_
    )
    assert_close(first[-1].rows, clone(pipeline).fit(CODES, TWO)[-1].rows)


def test_folds_follow_from_the_seed_and_are_not_kept():
    pipeline = make_pipeline(TargetEncoder(), Keeper())
    rows = [keep(pipeline, CODES, TWO).estimator_[-1].rows for _ in range(2)]
    assert np.array_equal(*rows)
    model = keep(pipeline, CODES, TWO).set_params(random_state=1)
    other = model.fit(CODES, TWO).estimator_[-1].rows
    assert not np.array_equal(rows[0], other)
    for last in StandardScaler(), encode():
        model = fit(make_pipeline(encode(), last), CODES, TWO)
        assert b"FoldEncodings" not in pickle.dumps(model)


def test_the_passes_in_explain():
    model = ChunkedFit(make_model())
    assert model.explain(CODES, TWO).sections["passes"] == (
        "1. TargetEncoder finds categories; 2. TargetEncoder adds up y by folds; "
        "3. StandardScaler; then those of the last step"
    )


def test_rows_beside_those_of_fit_are_encoded_by_all():
    """Stores read them too, where they lie between some that are selected."""
    pipeline, picked = make_pipeline(encode(), Keeper()), np.arange(0, N, 2)
    X, y = open_rows(CODES)[picked], TWO[picked]
    given = []
    with pytest.MonkeyPatch.context() as patch:
        call = TrainingTransform.__call__
        patch.setattr(
            TrainingTransform,
            "__call__",
            lambda self, *args: given.append(self) or call(self, *args),
        )
        encoder = fit(pipeline, X, y).estimator_[0]
    rows = given[0](CODES, np.arange(N))
    rows[5] = encoder.transform(CODES)[5]  # has a category that is not in fit
    assert_close(rows[1::2], encoder.transform(CODES)[1::2])
    assert_close(rows[::2], encode().fit_transform(CODES[::2], y))


REFUSED = {
    "no y": (
        encode(),
        None,
        "This TargetEncoder estimator requires y to be passed, but the target y is "
        "None.",
    ),
    "two targets": (
        encode(),
        np.c_[TWO, TWO],
        "Unknown label type: Target type was inferred to be 'multilabel-indicator'. "
        "Only ('binary', 'multiclass', 'continuous') are supported.",
    ),
    "two classes": (
        encode(target_type="multiclass"),
        TWO,
        "target_type='multiclass' of TargetEncoder needs at least 3 classes; y has 2. "
        "Use target_type='auto'.",
    ),
}
WRONG_CV = {
    "few rows": (
        [(np.arange(90), np.arange(90, 121))],
        "cv of TargetEncoder must split all 303 rows in two; split 0 has 90 to learn "
        "from and 31 to encode. Use KFold or StratifiedKFold.",
    ),
    "again": (
        RepeatedKFold(n_splits=2, random_state=0),
        "cv of TargetEncoder must have each row in exactly one fold; row 0 is in more "
        "than one. Use KFold or StratifiedKFold.",
    ),
    "in none": (
        [(np.arange(100, N), np.arange(100))],
        "cv of TargetEncoder must have each row in exactly one fold; row 100 is in "
        "none. Use KFold or StratifiedKFold.",
    ),
}


@pytest.mark.parametrize(("encoder", "y", "text"), REFUSED.values(), ids=REFUSED)
def test_refusals(encoder, y, text):
    with raises(ValueError, text):
        ChunkedFit(encoder).fit(CODES, y)


@pytest.mark.skipif(not IS_NEW, reason="cv is an integer before scikit-learn 1.9")
@pytest.mark.parametrize(("cv", "text"), WRONG_CV.values(), ids=WRONG_CV)
def test_splits_that_are_not_all_rows(cv, text):
    with raises(ValueError, text):
        ChunkedFit(TargetEncoder(cv=cv)).fit(CODES, TWO)


class ByFirstColumn(KFold):
    def split(self, X, y=None, groups=None):
        return super().split(X, X[:, 0])


@pytest.mark.skipif(not IS_NEW, reason="cv is an integer before scikit-learn 1.9")
def test_splits_by_the_values_of_x():
    with raises(
        TypeError,
        "cv of TargetEncoder looks at X, which is not in memory. Give a generator that "
        "splits by y alone, such as StratifiedKFold, or the splits themselves: "
        "cv=list(cv.split(X, y)).",
    ):
        ChunkedFit(TargetEncoder(cv=ByFirstColumn())).fit(CODES, TWO)


@pytest.mark.parametrize("members", [encode(), make_union(encode(), MinMaxScaler())])
def test_fit_transform_is_refused(members):
    with raises(
        TypeError,
        "fit_transform of TargetEncoder encodes rows by folds, and transform by all "
        "rows of fit. Steps behind it in a pipeline are trained on the former. For the "
        "latter, call fit(X, y), then transform(X).",
    ):
        ChunkedFit(make_pipeline(members, StandardScaler())).fit_transform(CODES, TWO)
    written = ChunkedFit(members).fit(CODES, TWO).transform(CODES)
    assert_close(written, clone(members).fit(CODES, TWO).transform(CODES))
