"""After ``fit`` by chunks, an estimator says of itself what its own ``fit`` says."""

import inspect
import math
from functools import cache

import numpy as np
import pandas as pd
import pytest
from helpers import (
    N_FEATURES,
    N_ROWS,
    hand_loop,
    in_file_order,
    make_rows,
    name_of,
    partial_fit_estimators,
    state_of,
)
from sklearn.base import BaseEstimator, ClassifierMixin, ClusterMixin, clone
from sklearn.cluster import Birch, MiniBatchKMeans
from sklearn.decomposition import LatentDirichletAllocation, MiniBatchNMF
from sklearn.linear_model import SGDClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier

from skmmap import ChunkedFit

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Class PassiveAggressive:FutureWarning"),
]

LEARNERS = [
    e for e in partial_fit_estimators(max_iter=8) if name_of(e) != "HashingVectorizer"
]
STOPPING = [
    e.set_params(early_stopping=True)
    for e in partial_fit_estimators(max_iter=8)
    if "early_stopping" in e.get_params()
]


def _name(estimator) -> str:
    stops = getattr(estimator, "early_stopping", False)
    return name_of(estimator) + (" stopping early" if stops else "")


def same(bare, chunked, model):
    """Equal to what fit says, whatever was learned on the way."""
    np.testing.assert_equal(chunked, bare)


def same_shape(bare, chunked, model):
    """A parameter: of one type, shape and name with fit's."""
    assert np.shape(chunked) == np.shape(bare)
    if isinstance(bare, np.ndarray):
        assert chunked.dtype == bare.dtype
        if bare.dtype.kind == "f":
            assert np.isfinite(chunked).all()


def same_shapes(bare, chunked, model):
    assert len(chunked) == len(bare)
    for one, other in zip(bare, chunked, strict=True):
        same_shape(one, other, model)


def close(bare, chunked, model):
    np.testing.assert_allclose(chunked, bare, rtol=1e-6)


def is_epochs(bare, chunked, model):
    assert chunked == model.n_epochs_ == len(model.history_["rows"])
    assert isinstance(chunked, int)


def is_updates(bare, chunked, model):
    """One for each row of each epoch; linear models start at 1."""
    name = name_of(model.estimator_)
    if name.startswith("MLP"):  # whose own fit leaves out the rows that it held out
        assert chunked == sum(model.history_["rows"])
    else:
        assert chunked == 1 + model.n_epochs_ * N_ROWS


def is_losses(bare, chunked, model):
    assert chunked == model.history_["loss"]
    assert len(chunked) == model.n_epochs_


def is_last_loss(bare, chunked, model):
    assert chunked == model.loss_curve_[-1]


def is_best_loss(bare, chunked, model):
    assert (chunked is None) == (bare is None) == model.estimator_.early_stopping
    assert chunked is None or chunked == min(model.loss_curve_)


def is_scores(bare, chunked, model):
    assert (chunked is None) == (bare is None)
    assert chunked is None or chunked == model.history_["score"]


def is_best_score(bare, chunked, model):
    assert (chunked is None) == (bare is None)
    assert chunked is None or chunked == max(model.history_["score"])


def is_chunk_size(bare, chunked, model):
    assert chunked == model.chunk_size_


def is_steps(bare, chunked, model):
    assert chunked == sum(map(_count_chunks, model.history_["rows"]))


def is_batches(bare, chunked, model):
    assert chunked == 1 + model.n_epochs_ * _count_chunks(N_ROWS)


def _count_chunks(n_rows):
    return math.ceil(n_rows / CHUNK_ROWS)


def is_learner(bare, chunked, model):
    assert type(chunked) is type(bare)


def is_learners(bare, chunked, model):
    assert len(chunked) == len(bare)
    for one in chunked:
        assert one.n_iter_ == model.n_epochs_


def is_state(bare, chunked, model):
    """Something of the estimator's own, with nothing to say."""
    assert type(chunked) is type(bare)


def own(bare, chunked, model):
    """The wrapper's own attribute of that name; the estimator's is on it."""
    assert hasattr(model.estimator_, "estimator_") or isinstance(chunked, int)


HIDDEN = object()
CHUNK_ROWS = 30
# What every public attribute means. The table has to name each one.
MEANING = {
    "batch_size_": is_chunk_size,
    "best_loss_": is_best_loss,
    "best_validation_score_": is_best_score,
    "bound_": HIDDEN,
    "category_count_": same,
    "class_count_": same,
    "class_log_prior_": close,
    "class_prior_": close,
    "classes_": same,
    "cluster_centers_": same_shape,
    "coef_": same_shape,
    "coefs_": same_shapes,
    "components_": same_shape,
    "data_max_": same,
    "data_min_": same,
    "data_range_": same,
    "doc_topic_prior_": same,
    "dummy_leaf_": is_state,
    "epsilon_": same_shape,
    "estimator_": own,
    "estimators_": is_learners,
    "exp_dirichlet_component_": same_shape,
    "explained_variance_": same_shape,
    "explained_variance_ratio_": same_shape,
    "feature_all_": close,
    "feature_count_": close,
    "feature_log_prob_": None,
    "feature_names_in_": same,
    "h_samples_": lambda b, c, m: same_shape(np.zeros((CHUNK_ROWS, 4)), c, m),
    "inertia_": HIDDEN,
    "intercept_": same_shape,
    "intercept_hidden_": same_shape,
    "intercept_visible_": same_shape,
    "intercepts_": same_shapes,
    "label_binarizer_": is_learner,
    "labels_": HIDDEN,
    "loss_": is_last_loss,
    "loss_curve_": is_losses,
    "max_abs_": same,
    "mean_": close,
    "min_": close,
    "multilabel_": same,
    "n_batch_iter_": is_batches,
    "n_categories_": same,
    "n_classes_": same,
    "n_components_": same,
    "n_features_in_": same,
    "n_iter_": is_epochs,
    "n_layers_": same,
    "n_outputs_": same,
    "n_samples_seen_": same,
    "n_steps_": is_steps,
    "noise_variance_": same_shape,
    "offset_": same_shape,
    "out_activation_": same,
    "pairwise_indices_": same,
    "random_state_": own,
    "reconstruction_err_": HIDDEN,
    "root_": is_state,
    "scale_": close,
    "singular_values_": same_shape,
    "subcluster_centers_": None,
    "subcluster_labels_": None,
    "t_": is_updates,
    "theta_": close,
    "threshold_": same_shape,
    "topic_word_prior_": same,
    "validation_scores_": is_scores,
    "var_": close,
}


@cache
def _fit_both(number):
    estimator = [*LEARNERS, *STOPPING][number]
    X, y = make_rows(estimator)
    if name_of(estimator) != "BernoulliRBM":
        X = pd.DataFrame(X, columns=[f"feature {i}" for i in range(N_FEATURES)])
    model = ChunkedFit(clone(estimator), chunk_size=CHUNK_ROWS).fit(X, y)
    return clone(estimator).fit(X, y), model


def _find_attributes(fitted):
    return [
        name
        for name, _ in inspect.getmembers_static(fitted)
        if name.endswith("_") and not name.startswith("_") and hasattr(fitted, name)
    ]


@pytest.mark.parametrize(
    "number",
    range(len(LEARNERS) + len(STOPPING)),
    ids=[_name(e) for e in [*LEARNERS, *STOPPING]],
)
def test_every_learned_attribute_means_what_fit_means(number):
    bare, model = _fit_both(number)
    for name in _find_attributes(bare):
        meaning = MEANING[name]
        if meaning is HIDDEN:
            assert name not in dir(model)
            assert name not in vars(model.estimator_)
            with pytest.raises(AttributeError, match=f"^{name} .*model"):
                getattr(model, name)
            continue
        assert name in dir(model)
        if meaning is not None:
            meaning(getattr(bare, name), getattr(model, name), model)
    more = set(_find_attributes(model.estimator_)) - set(_find_attributes(bare))
    # The generator of BernoulliRBM, which partial_fit goes on with.
    assert more <= {"random_state_"}, "fit does not leave these"


# What a trained estimator can do, and the wrapper has under another name or not at all.
NOT_THERE = {
    "densify": "SGDClassifier has it: model.estimator_.densify.",
    "get_covariance": "IncrementalPCA has it: model.estimator_.get_covariance.",
    "get_precision": "IncrementalPCA has it: model.estimator_.get_precision.",
    "get_support": "SelectFromModel has it: model.estimator_.get_support.",
    "gibbs": "BernoulliRBM has it: model.apply_method('gibbs', X) calls it chunk by "
    "chunk.",
    "predict_joint_log_proba": "GaussianNB has it: "
    "model.apply_method('predict_joint_log_proba', X) calls it chunk by chunk.",
    "set_inverse_transform_request": None,
    "set_transform_request": None,
    "sparsify": "SGDClassifier has it: model.estimator_.sparsify.",
}


@pytest.mark.parametrize("number", range(len(LEARNERS)), ids=map(_name, LEARNERS))
def test_every_method_is_there_or_the_error_says_where(number):
    bare, model = _fit_both(number)
    methods = [n for n in dir(bare) if n[0] != "_" and callable(getattr(bare, n, None))]
    for name in methods:
        if hasattr(model, name):
            continue
        with pytest.raises(AttributeError, match=name) as caught:
            getattr(model, name)
        (note,) = caught.value.__notes__
        known = NOT_THERE[name]
        if known and known.startswith(f"{name_of(bare)}"):
            assert note == known
        assert note.endswith((f"model.estimator_.{name}.", "chunk by chunk."))


def test_nothing_is_noted_of_what_is_nowhere():
    model = ChunkedFit(SGDClassifier(random_state=0)).fit(*make_rows(SGDClassifier()))
    for name in ("nowhere", "_nowhere", "_expanded_class_weight"):
        with pytest.raises(AttributeError, match=name) as caught:
            getattr(model, name)
        assert not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize(
    ("estimator", "name", "text"),
    [
        (
            MiniBatchKMeans(3, n_init=1, random_state=0),
            "labels_",
            "labels_ would be those of the last chunk alone; model.predict(X) labels "
            "all rows.",
        ),
        (
            MiniBatchKMeans(3, n_init=1, compute_labels=False, random_state=0),
            "inertia_",
            "inertia_ would be that of the last chunk alone; -model.score(X) computes "
            "it over all rows.",
        ),
        (
            Birch(n_clusters=None),
            "labels_",
            "labels_ would be those of the last chunk alone; model.predict(X) labels "
            "all rows.",
        ),
        (
            MiniBatchNMF(3, max_iter=2, random_state=0),
            "reconstruction_err_",
            "reconstruction_err_ takes another pass over X, which fit by chunks does "
            "not make; compare rows of X with "
            "model.inverse_transform(model.transform(X)).",
        ),
        (
            LatentDirichletAllocation(3, max_iter=2),
            "bound_",
            "bound_ takes another pass over X, which fit by chunks does not make; "
            "model.perplexity(X) computes it.",
        ),
    ],
)
def test_what_would_take_another_pass_is_hidden(estimator, name, text):
    X, _ = make_rows(estimator)
    model = ChunkedFit(estimator, chunk_size=CHUNK_ROWS).fit(X)
    by_hand = hand_loop(estimator, X, None, CHUNK_ROWS)
    loop = in_file_order(estimator, chunk_size=CHUNK_ROWS).fit(X)
    for hiding in (model,) if hasattr(by_hand, name) else (model, loop):
        assert not hasattr(hiding, name)
        assert name not in dir(hiding)
        with pytest.raises(AttributeError) as caught:
            getattr(hiding, name)
        assert str(caught.value) == text
    if hasattr(by_hand, name):
        assert name in dir(loop)
        assert state_of(getattr(loop, name)) == state_of(getattr(by_hand, name))


class Labelling(ClusterMixin, BaseEstimator):
    """A clusterer that only knows the labels of what it has learned last."""

    def partial_fit(self, X, y=None):
        self.labels_ = np.zeros(len(X))
        return self


def test_labels_of_what_cannot_predict_stay_on_the_estimator():
    model = ChunkedFit(Labelling(), chunk_size=4).fit(np.zeros((10, 2)))
    with pytest.raises(AttributeError) as caught:
        model.labels_  # noqa: B018
    assert str(caught.value) == (
        "labels_ would be those of the last chunk alone; model.estimator_.labels_ has "
        "those of the last chunk."
    )
    assert len(model.estimator_.labels_) == 2


class Names(ClassifierMixin, BaseEstimator):
    """A classifier whose labels are names of classes."""

    def partial_fit(self, X, y, classes=None):
        self.labels_ = getattr(self, "labels_", classes)
        return self


def test_labels_of_a_classifier_are_none_of_rows():
    model = ChunkedFit(Names(), chunk_size=4).fit(np.zeros((10, 2)), np.arange(10) % 3)
    assert model.labels_.tolist() == [0, 1, 2]
    assert "labels_" in dir(model)


@pytest.mark.parametrize(
    "estimator",
    [
        SGDClassifier(random_state=0),
        MLPClassifier((4,), random_state=0),
        MiniBatchKMeans(3, n_init=1, init=np.eye(3, N_FEATURES), random_state=0),
        MultiOutputClassifier(SGDClassifier(random_state=0)),
    ],
    ids=name_of,
)
def test_the_loop_that_was_written_out_is_left_as_it_is(estimator):
    X, y = make_rows(estimator)
    model = in_file_order(estimator, chunk_size=CHUNK_ROWS).fit(X, y)
    by_hand = hand_loop(estimator, X, y, CHUNK_ROWS)
    assert state_of(model.estimator_) == state_of(by_hand)


@pytest.mark.parametrize("stops", [False, True])
def test_further_rows_are_one_more_epoch(stops):
    X, y = make_rows(MLPClassifier())
    net = MLPClassifier((4,), max_iter=3, early_stopping=stops, random_state=0)
    model = ChunkedFit(net, chunk_size=CHUNK_ROWS).fit(X, y)
    before, seen = list(model.loss_curve_), model.t_
    model.partial_fit(X, y)
    assert model.loss_curve_ == model.history_["loss"]
    assert model.loss_curve_[:3] == before
    assert len(model.loss_curve_) == 4
    assert model.n_iter_ == 1
    assert model.t_ == seen + N_ROWS
    assert model.best_loss_ == min(model.loss_curve_)


def test_rows_of_the_users_own_give_scores():
    X, y = make_rows(MLPClassifier())
    net = MLPClassifier((4,), max_iter=3, random_state=0)
    model = ChunkedFit(net).fit(X, y, X_val=X[:20], y_val=y[:20])
    assert model.validation_scores_ == model.history_["score"]
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.t_ == 3 * N_ROWS
    linear = ChunkedFit(SGDClassifier(random_state=0, tol=None, max_iter=3))
    linear.fit(X, y, X_val=X[:20], y_val=y[:20])
    assert linear.t_ == 1 + 3 * N_ROWS


def test_each_member_has_its_own_losses():
    X, y = make_rows(MultiOutputClassifier(MLPClassifier()))
    nets = MultiOutputClassifier(MLPClassifier((4,), max_iter=3, random_state=0))
    model = ChunkedFit(nets, chunk_size=CHUNK_ROWS).fit(X, y)
    curves = [net.loss_curve_ for net in model.estimators_]
    assert np.mean(curves, axis=0).tolist() == model.history_["loss"]
    assert curves[0] != curves[1]
    assert all(net.n_iter_ == 3 for net in model.estimators_)
