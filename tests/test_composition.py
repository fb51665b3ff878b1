"""Inside scikit-learn's own meta-estimators."""

import numpy as np
import pytest
from helpers import in_file_order, needs_sklearn_1_9, state_of
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import MiniBatchKMeans
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import SGDClassifier, SGDOneClassSVM, SGDRegressor
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_validate,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skmmap import ChunkedFit

X = np.random.default_rng(0).normal(size=(300, 4))
y = np.array(["no", "yes"])[(X[:, 0] + X[:, 1] > 0).astype(int)]


class ByHand(SGDClassifier):
    """The oracle inside of a meta-estimator: ``fit`` is the loop over two slices."""

    def fit(self, X, y, sample_weight=None):
        half = 100
        classes = np.unique(y)
        for attribute in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, attribute)
        for start in range(0, len(X), half):
            rows = slice(start, start + half)
            weights = None if sample_weight is None else sample_weight[rows]
            self.partial_fit(X[rows], y[rows], classes, weights)
        return self


def chunked(**params):
    model = SGDClassifier(loss="log_loss", random_state=0)
    return in_file_order(model, chunk_size=100, **params)


by_hand = ByHand(loss="log_loss", random_state=0)


@pytest.mark.parametrize(
    "compose",
    [
        lambda model: make_pipeline(StandardScaler(), model),
        lambda model: CalibratedClassifierCV(model, cv=3),
        lambda model: VotingClassifier(
            [("a", model), ("b", GaussianNB())], voting="soft"
        ),
        lambda model: StackingClassifier([("a", model), ("b", GaussianNB())], cv=3),
        lambda model: TunedThresholdClassifierCV(model, cv=3),
        lambda model: BaggingClassifier(model, random_state=0, n_estimators=3),
        lambda model: AdaBoostClassifier(model, random_state=0, n_estimators=3),
        lambda model: MultiOutputClassifier(model),
        lambda model: GridSearchCV(model, {}, cv=3),
        lambda model: make_pipeline(SelectFromModel(model), GaussianNB()),
    ],
)
def test_composed_as_the_loop_by_hand(compose):
    target = np.column_stack([y, y]) if "Multi" in str(compose(by_hand)) else y
    ours = compose(chunked()).fit(X, target)
    theirs = compose(by_hand).fit(X, target)
    if isinstance(ours, BaggingClassifier | AdaBoostClassifier):
        # These draw a seed for each random_state, and the wrapper has one more.
        assert ours.score(X, y) > 0.9
        return
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_a_pipeline_of_chunked_steps():
    scaler = ChunkedFit(StandardScaler(), chunk_size=100).set_output(transform="pandas")
    model = make_pipeline(scaler, chunked()).fit(X, y)
    assert list(model[-1].feature_names_in_) == ["x0", "x1", "x2", "x3"]
    assert model.score(X, y) > 0.8
    union = make_union(ChunkedFit(StandardScaler()), ChunkedFit(MinMaxScaler())).fit(X)
    assert union.transform(X).shape == (300, 8)
    assert len(union.get_feature_names_out()) == 8


def test_nested_parameters_in_a_search():
    grid = {"estimator__alpha": [1e-4, 1e2], "chunk_size": [50, 100], "max_epochs": [1]}
    search = GridSearchCV(chunked(), grid, cv=3, n_jobs=2).fit(X, y)
    assert search.best_params_["estimator__alpha"] == 1e-4
    assert search.best_estimator_.estimator_.alpha == 1e-4


def test_model_selection_stratifies_and_scores():
    result = cross_validate(chunked(), X, y, scoring=["accuracy", "roc_auc"], cv=3)
    assert result["test_roc_auc"].min() > 0.9
    probabilities = cross_val_predict(chunked(), X, y, method="predict_proba", cv=3)
    assert probabilities.shape == (300, 2)


def test_types_are_those_of_the_estimator():
    assert is_classifier(ChunkedFit(SGDClassifier()))
    assert is_regressor(ChunkedFit(SGDRegressor()))
    assert is_clusterer(ChunkedFit(MiniBatchKMeans()))
    assert is_outlier_detector(ChunkedFit(SGDOneClassSVM()))
    assert not is_classifier(ChunkedFit(StandardScaler()))


def test_a_wrapper_can_be_wrapped():
    outer = in_file_order(chunked(), chunk_size=100).fit(X, y)
    assert state_of(outer.coef_) == state_of(chunked().fit(X, y).coef_)
    assert outer.score(X, y) == chunked().fit(X, y).score(X, y)


def test_html_shows_the_wrapped_estimator():
    assert "SGDClassifier" in chunked()._repr_html_()


@needs_sklearn_1_9
def test_html_shows_what_was_learned():
    fitted = chunked().fit(X, y)._repr_html_()
    assert "coef_" in fitted
    assert "n_epochs_" in fitted
