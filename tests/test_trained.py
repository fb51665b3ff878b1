"""Estimators that were trained before: what they can do with rows goes by chunks."""

import pickle
from copy import deepcopy
from functools import cache

import numpy as np
import pandas as pd
import pytest
from helpers import (
    METHODS,
    Duck,
    combine,
    hand_loop,
    in_file_order,
    name_of,
    raises,
    state_of,
)
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import Birch, KMeans
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE, RFECV, SelectFromModel, SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils.validation import check_is_fitted

from skmmap import ChunkedFit

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
Y = (X[:, 0] + 0.3 * RNG.normal(size=90) > 0).astype(int)
TWO = np.column_stack([Y, 1 - Y])
TREES = {"n_estimators": 3, "random_state": 0}


def grid(**params):
    return GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, **params)


TRAINED = [
    RandomForestClassifier(**TREES),
    RandomForestRegressor(**TREES),
    HistGradientBoostingRegressor(max_iter=2),
    IsolationForest(**TREES),
    KNeighborsClassifier(),
    KernelDensity(),
    GaussianMixture(random_state=0),
    EllipticEnvelope(random_state=0),
    KMeans(2, n_init=1, random_state=0),
    PCA(2, random_state=0),
    SelectKBest(k=2),
    OneHotEncoder(handle_unknown="ignore"),
    LinearRegression(),
    GaussianNB(),
    SGDClassifier(random_state=0),
    MultiOutputClassifier(LogisticRegression()),
    SelfTrainingClassifier(LogisticRegression()),
    CalibratedClassifierCV(LogisticRegression(), cv=2),
    VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())]),
    StackingClassifier([("a", GaussianNB())], cv=2),
    RFE(LogisticRegression(), n_features_to_select=2),
    RFECV(LogisticRegression(), cv=2),
    SelectFromModel(RandomForestClassifier(**TREES)),
    grid(),
    grid(scoring="neg_log_loss"),
    make_pipeline(StandardScaler(), RandomForestClassifier(**TREES)),
    make_pipeline(StandardScaler(), RandomForestRegressor(**TREES)),
    make_pipeline(StandardScaler(), PCA(2)),
    make_pipeline(StandardScaler(), GaussianMixture(random_state=0)),
    make_pipeline(StandardScaler(), grid(scoring="roc_auc")),
    make_pipeline(make_union(StandardScaler(), PCA(2)), LogisticRegression()),
    make_pipeline(StandardScaler(), FunctionTransformer(np.sign)),
]


@cache
def train_once(estimator):
    """Return what no test may change."""
    return train(estimator)


def train(estimator):
    return clone(estimator).fit(X, TWO if "MultiOutput" in name_of(estimator) else Y)


def to_array(result) -> np.ndarray:
    return np.asarray(result.toarray() if hasattr(result, "toarray") else result)


@pytest.mark.filterwarnings("ignore")  # of what the bare one warns as well
@pytest.mark.parametrize(
    ("how", "estimator"),
    [("1 job", estimator) for estimator in TRAINED]
    + combine(["2 jobs", "frozen"], TRAINED, together=1),
    ids=str,
)
def test_all_that_it_can_do_goes_by_chunks(how, estimator):
    trained = train_once(estimator)
    trained = FrozenEstimator(trained) if how == "frozen" else trained
    before = state_of(trained)
    n_jobs = 2 if how == "2 jobs" else None
    model = ChunkedFit(trained, chunk_size=20, n_jobs=n_jobs)
    check_is_fitted(model)
    done = 0
    for method in METHODS:
        assert hasattr(model, method) == hasattr(trained, method)
        if hasattr(trained, method):
            result = to_array(getattr(model, method)(X))
            expected = to_array(getattr(trained, method)(X))
            np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-12)
            done += 1
    assert hasattr(model, "score") == hasattr(trained, "score")
    if hasattr(trained, "score"):
        y = TWO if "MultiOutput" in name_of(estimator) else Y
        assert model.score(X, y) == pytest.approx(trained.score(X, y), rel=1e-9)
    assert done
    assert state_of(trained) == before
    assert set(vars(model)) == set(model.get_params(deep=False))


class Seen(BaseEstimator):
    """Transforms rows, and remembers the most that it was given at a time."""

    def fit(self, X, y=None):
        self.most_ = 0
        return self

    def transform(self, X):
        self.most_ = max(self.most_, len(X))
        return X


@pytest.mark.parametrize(
    "last", [LogisticRegression(), LinearRegression(), GaussianMixture(), grid()]
)
def test_no_step_of_a_pipeline_gets_all_rows_to_score_them(last):
    trained = make_pipeline(Seen(), last).fit(X, Y)
    trained[0].most_ = 0
    ChunkedFit(trained, chunk_size=20).score(X, Y)
    assert trained[0].most_ == 20


def test_what_it_has_learned_is_read_through_the_wrapper():
    trained = train(SGDClassifier(random_state=0))
    model = ChunkedFit(trained)
    assert model.coef_ is trained.coef_
    assert model.estimator_ is trained
    assert "coef_" in dir(model)
    assert model.n_features_in_ == 4
    assert not hasattr(model, "n_epochs_")
    assert not hasattr(model, "nothing_")
    assert "fitted" in model._repr_html_()


def test_clones_and_pickles():
    model = ChunkedFit(train(StandardScaler()))
    with pytest.raises(NotFittedError):
        clone(model).transform(X)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    # A frozen one stays what it is.
    frozen = ChunkedFit(FrozenEstimator(model.estimator))
    np.testing.assert_array_equal(clone(frozen).transform(X), model.transform(X))


def test_fit_starts_anew():
    trained = train(SGDClassifier(random_state=0))
    before = state_of(trained)
    model = ChunkedFit(trained, max_epochs=1, shuffle=False, chunk_size=30)
    model.fit(X, 1 - Y)
    expected = hand_loop(trained, X, 1 - Y, 30)
    assert state_of(model.estimator_) == state_of(expected)
    assert state_of(trained) == before


@pytest.mark.parametrize(
    "estimator",
    [
        SGDClassifier(random_state=0),
        GaussianNB(),
        StandardScaler(),
        Birch(n_clusters=None),
    ],
    ids=name_of,
)
def test_partial_fit_goes_on_with_a_copy(estimator):
    trained = train(estimator)
    before, expected = state_of(trained), deepcopy(trained)
    model = in_file_order(trained, chunk_size=30)
    for _ in range(2):
        assert model.partial_fit(X, Y) is model
        for start in range(0, 90, 30):
            expected.partial_fit(X[start : start + 30], Y[start : start + 30])
    assert state_of(trained) == before
    assert state_of(model.estimator_) == state_of(expected)
    assert model.n_epochs_ == 2


def test_a_failed_partial_fit_leaves_it_as_it_was_given():
    trained = train(SGDRegressor(random_state=0))
    before, bad = state_of(trained), X.copy()
    bad[50] = np.nan
    model = in_file_order(trained, chunk_size=30)
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(bad, Y)
    assert "estimator_" not in vars(model)
    assert state_of(trained) == before


def test_labels_that_it_does_not_know_are_refused():
    model = ChunkedFit(train(SGDClassifier()))
    text = "y contains the label 2 (first in row 0), which is not in classes=[0, 1]."
    with raises(ValueError, text):
        model.partial_fit(X, Y + 2)


def test_what_is_nested_too_deep_to_be_copied_says_so():
    class Deep(StandardScaler):
        def __deepcopy__(self, memo):
            raise RecursionError("maximum recursion depth exceeded")

    model = ChunkedFit(Deep().fit(X))
    with pytest.raises(RecursionError) as caught:
        model.partial_fit(X)
    assert caught.value.__notes__ == [
        "ChunkedFit trains a copy of the Deep that it was given, and what this one "
        "has learned is nested too deep to be copied. Train it in ChunkedFit from the "
        "start."
    ]
    assert model.transform(X).shape == (90, 4)


def test_images_are_flat_for_a_model_of_as_many_features():
    trained = train(SGDClassifier(random_state=0))
    images = X.reshape(90, 2, 2)
    model = ChunkedFit(trained, chunk_size=20)
    np.testing.assert_array_equal(model.predict(images), trained.predict(X))
    np.testing.assert_array_equal(
        model.partial_fit(images, Y).predict(images), model.predict(X)
    )


def test_only_training_needs_partial_fit():
    text = (
        "ChunkedFit needs an estimator with a partial_fit method, and "
        "RandomForestClassifier has none. No tree or forest in scikit-learn has one; "
        "XGBoost and LightGBM train on rows on disk. With warm_start=True its trees "
        "grow on shuffled buffers of the rows, which is not what fit does. Or train it "
        "on rows that fit in memory; "
        "ChunkedFit(trained).predict(X) then goes through all rows chunk by chunk."
    )
    model = ChunkedFit(train(RandomForestClassifier(**TREES)))
    with raises(TypeError, text):
        model.fit(X, Y)
    assert not hasattr(model, "partial_fit")
    text = (
        "ChunkedFit would train the model inside of FrozenEstimator, which is to stay "
        "as it is. Wrap the model itself to train it further."
    )
    for name in ("fit", "partial_fit"):
        frozen = ChunkedFit(FrozenEstimator(train(SGDClassifier())))
        with raises(TypeError, text):
            getattr(frozen, name)(X, Y)


@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (RandomForestClassifier(), "predict"),
        (make_pipeline(StandardScaler(), PCA()), "transform"),
        (FrozenEstimator(StandardScaler()), "transform"),
        (grid(), "predict"),
    ],
)
def test_what_is_not_trained_is_not_taken_for_it(estimator, method):
    with pytest.raises(NotFittedError):
        getattr(ChunkedFit(estimator), method)(X)


@pytest.mark.filterwarnings("ignore:X has feature names")  # the bare one does, too
@pytest.mark.parametrize("transform", ["pandas", "polars"])
@pytest.mark.parametrize(
    "estimator",
    [StandardScaler(), make_pipeline(StandardScaler(), PCA(2))],
    ids=name_of,
)
def test_the_format_of_results_is_that_of_a_copy(estimator, transform):
    trained = train(estimator)
    model = ChunkedFit(trained, chunk_size=20).set_output(transform=transform)
    result = model.transform(X)
    assert type(result).__module__.partition(".")[0] == transform
    assert list(result.columns) == list(model.get_feature_names_out())
    assert isinstance(trained.transform(X), np.ndarray)


def test_names_of_features():
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = ChunkedFit(StandardScaler().fit(frame))
    assert list(model.get_feature_names_out()) == list("abcd")
    assert list(model.feature_names_in_) == list("abcd")


class Other(Duck):
    """A third party's learner, of which scikit-learn cannot tell what it knows."""

    def predict(self, X):
        return np.full(len(X), self.total_)


def test_third_parties_that_show_what_they_have_learned():
    trained = Other().partial_fit(X)
    assert (ChunkedFit(trained).predict(X) == trained.total_).all()
    with pytest.raises(NotFittedError):
        ChunkedFit(Other()).predict(X)


def test_a_result_in_a_file_goes_on(tmp_path):
    np.save(tmp_path / "X.npy", X)
    trained = train(make_pipeline(StandardScaler(), RandomForestClassifier(**TREES)))
    out = tmp_path / "y.npy"
    for n_jobs in (None, 2):
        model = ChunkedFit(trained, chunk_size=20, n_jobs=n_jobs)
        found = model.predict_proba(tmp_path / "X.npy", out=out, resume=True)
        np.testing.assert_array_equal(found, trained.predict_proba(X))
        del found
        out.unlink()
