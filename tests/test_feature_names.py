"""Names of columns are kept and checked as scikit-learn does it with frames."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import make_rows, name_of, partial_fit_estimators
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, open_rows

COLUMNS = ["b", "a", "height", "x", "d", "c"]
X, Y = make_rows(SGDClassifier())
UNNAMED = "X does not have valid feature names, but {} was fitted with feature names"
NAMED = "X has feature names, but {} was fitted without feature names"
# They record no names in fit either, or learn from other things than columns.
WITHOUT = {"HashingVectorizer"}


def make_table(X=X, columns=COLUMNS):
    return pa.table(dict(zip(columns, X.T, strict=True)))


@pytest.fixture
def path(tmp_path):
    pq.write_table(make_table(), tmp_path / "X.parquet", row_group_size=20)
    return tmp_path / "X.parquet"


def find_messages(caught):
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize(
    "estimator",
    [e for e in partial_fit_estimators(max_iter=2) if name_of(e) not in WITHOUT],
    ids=name_of,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_names_are_those_that_fit_keeps(tmp_path, estimator):
    rows, y = make_rows(estimator)
    frame = pd.DataFrame(rows, columns=COLUMNS)
    expected = clone(estimator).fit(frame, y)
    pq.write_table(make_table(rows), tmp_path / "X.parquet")
    model = ChunkedFit(estimator, chunk_size=40).fit(tmp_path / "X.parquet", y)
    assert model.feature_names_in_.tolist() == COLUMNS
    assert model.feature_names_in_.dtype == expected.feature_names_in_.dtype
    of_frame = ChunkedFit(estimator, chunk_size=40).fit(frame, y)
    assert of_frame.feature_names_in_.tolist() == COLUMNS
    for method in ("predict", "transform"):
        if hasattr(expected, method):
            # Without a warning, which would be an error: by frames, files and chunks.
            getattr(model.estimator_, method)(frame)
            getattr(model, method)(frame)
            result = getattr(model, method)(tmp_path / "X.parquet")
            assert len(result) == len(rows)
            turned = open_rows(tmp_path / "X.parquet", columns=COLUMNS[::-1])
            with pytest.raises(ValueError, match="must be in the same order"):
                getattr(model, method)(turned)


def test_names_of_rows_are_checked_once(path, tmp_path):
    sgd = SGDClassifier(max_iter=3, tol=None, random_state=0)
    model = ChunkedFit(sgd, chunk_size=7).fit(path, Y)
    np.save(tmp_path / "X.npy", X)
    for rows in (X, tmp_path / "X.npy", X.tolist()):
        for method in ("predict", "score"):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                getattr(model, method)(*[rows, Y][: 1 + (method == "score")])
            assert find_messages(caught) == [UNNAMED.format("SGDClassifier")]
    assert model.feature_names_in_.tolist() == COLUMNS
    model = ChunkedFit(sgd, chunk_size=7).fit(X, Y)
    assert not hasattr(model, "feature_names_in_")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.predict(path)
    assert find_messages(caught) == [NAMED.format("SGDClassifier")]


def test_names_that_do_not_match_are_refused_as_by_scikit_learn(path):
    bare = SGDClassifier(random_state=0).fit(pd.DataFrame(X, columns=COLUMNS), Y)
    model = ChunkedFit(SGDClassifier(random_state=0)).fit(path, Y)
    for columns in (["b", "a", "height", "x", "d", "other"], COLUMNS[::-1]):
        with pytest.raises(ValueError, match="feature names should match") as expected:
            bare.predict(pd.DataFrame(X, columns=columns))
        for call in (
            model.predict,
            model.decision_function,
            lambda rows: model.score(rows, Y),
            lambda rows: model.partial_fit(rows, Y),
            lambda rows: model.fit(path, Y, X_val=rows, y_val=Y),
        ):
            with pytest.raises(ValueError, match="feature names should match") as said:
                call(make_table(columns=columns))
            assert str(said.value) == str(expected.value)
    assert model.feature_names_in_.tolist() == COLUMNS


@pytest.mark.parametrize(
    "trained",
    [
        make_pipeline(StandardScaler(), SGDClassifier(random_state=0)),
        RandomForestClassifier(5, random_state=0),
        GridSearchCV(make_pipeline(GaussianNB()), {}, cv=2),
        MultiOutputClassifier(SGDClassifier(random_state=0)),
    ],
    ids=name_of,
)
def test_names_of_trained_estimators_are_checked_once(path, trained):
    is_multi = isinstance(trained, MultiOutputClassifier)
    y = np.c_[Y, Y] if is_multi else Y
    trained = clone(trained).fit(pd.DataFrame(X, columns=COLUMNS), y)
    before = pickle.dumps(trained)
    model = ChunkedFit(trained, chunk_size=7)
    expected = trained.predict(pd.DataFrame(X, columns=COLUMNS))
    np.testing.assert_array_equal(model.predict(path), expected)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        np.testing.assert_array_equal(model.predict(X), expected)
    assert find_messages(caught) == [UNNAMED.format(name_of(trained))]
    assert pickle.dumps(trained) == before


def test_names_stay_in_partial_fit(path):
    model = ChunkedFit(SGDClassifier(random_state=0), chunk_size=20, shuffle=False)
    model.partial_fit(path, Y).partial_fit(path, Y)
    assert model.feature_names_in_.tolist() == COLUMNS
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.partial_fit(X, Y)
    assert find_messages(caught) == [UNNAMED.format("SGDClassifier")]
    assert model.feature_names_in_.tolist() == COLUMNS
    with pytest.raises(ValueError, match="y contains the label"):
        model.partial_fit(path, Y + 9)
    assert model.feature_names_in_.tolist() == COLUMNS
    # Frames bring their names themselves.
    model.partial_fit(pd.DataFrame(X, columns=COLUMNS), Y)
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(pd.DataFrame(X, columns=COLUMNS[::-1]), Y)


def test_names_change_no_bit(path):
    for estimator in (SGDClassifier(random_state=0), GaussianNB()):
        named = ChunkedFit(estimator, chunk_size=20).fit(path, Y)
        plain = ChunkedFit(estimator, chunk_size=20).fit(X, Y)
        expected = plain.predict_proba(X) if hasattr(plain, "predict_proba") else None
        if expected is not None:
            np.testing.assert_array_equal(named.predict_proba(path), expected)
        np.testing.assert_array_equal(named.predict(path), plain.predict(X))


def test_names_with_several_jobs(path, tmp_path):
    model = ChunkedFit(GaussianNB(), chunk_size=20, n_jobs=2).fit(path, Y)
    assert model.feature_names_in_.tolist() == COLUMNS
    assert model.predict(path).shape == (len(X),)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.predict(X)
    assert find_messages(caught) == [UNNAMED.format("GaussianNB")]
    search = GridSearchCV(
        ChunkedFit(SGDClassifier(random_state=0)), {"estimator__alpha": [1e-4, 1]}, cv=2
    )
    search.fit(open_rows(path), Y)
    assert search.feature_names_in_.tolist() == COLUMNS
    result = model.predict(path, out=tmp_path / "y.npy", resume=True)
    np.testing.assert_array_equal(result, model.predict(path))


def test_results_that_are_frames_have_the_names(path):
    model = ChunkedFit(StandardScaler(), chunk_size=20).set_output(transform="pandas")
    model.fit(path)
    frame = model.transform(path)
    assert frame.columns.tolist() == COLUMNS
    assert model.get_feature_names_out().tolist() == COLUMNS
    back = model.inverse_transform(frame.to_numpy())
    np.testing.assert_allclose(back, X)


def test_what_has_no_names(path, tmp_path):
    pq.write_table(pa.table({"e": X.tolist()}), tmp_path / "e.parquet")
    single = make_table().select(["a"])
    for rows in (
        tmp_path / "e.parquet",
        open_rows(make_table(), columns=["a", "b", "a"]),
        open_rows([open_rows(path)[:40], X[40:]]),
    ):
        model = ChunkedFit(StandardScaler()).fit(rows)
        assert not hasattr(model, "feature_names_in_")
    model = ChunkedFit(StandardScaler()).fit(single)
    assert model.feature_names_in_.tolist() == ["a"]


def test_shards_of_other_columns_are_refused(path):
    turned = open_rows(path, columns=COLUMNS[::-1])
    with pytest.raises(ValueError, match=r"has the columns \['c', 'd'.*must be the"):
        open_rows([open_rows(path), turned])


class Plain:
    """An estimator of somebody else's, which keeps what it is given."""

    def partial_fit(self, X, y):
        self.n_features_in_, self.kind = X.shape[1], type(X)
        return self

    def predict(self, X):
        return X[:, 0]


def test_others_get_arrays_as_ever(path):
    model = ChunkedFit(Plain()).fit(path, Y, X_val=None)
    assert model.estimator_.kind is np.ndarray
    assert not hasattr(model, "feature_names_in_")
    np.testing.assert_array_equal(model.predict(path), X[:, 0])
