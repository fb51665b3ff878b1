"""Saved and loaded models: the same bits, no private names, and no file written to."""

import pickle
import pickletools
from copy import deepcopy
from importlib import import_module
from importlib.util import find_spec

import joblib
import numpy as np
import pytest
from helpers import (
    METHODS,
    make_rows,
    name_of,
    one_of_each_kind,
    partial_fit_estimators,
    raises,
    state_of,
)
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import CategoricalNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler

from skmmap import Checkpoint, ChunkedFit, __version__, merge
from skmmap._saved_state import VERSION
from skmmap.estimators.corrections import _KINDS
from skmmap.estimators.sklearn_entries import SKLEARN

FEW = {"max_iter": 2, "random_state": 0}
AVERAGING = SGDClassifier(average=True, penalty="l1", **FEW)
COMPOSED = [
    AVERAGING,
    OneVsRestClassifier(AVERAGING),
    make_pipeline(StandardScaler(), make_pipeline(PolynomialFeatures(), AVERAGING)),
    MLPClassifier((3,), solver="sgd", learning_rate="invscaling", **FEW),
]
ESTIMATORS = [*one_of_each_kind(partial_fit_estimators(max_iter=2)), *COMPOSED]
each_kind = pytest.mark.parametrize("estimator", ESTIMATORS, ids=name_of)
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::FutureWarning"
)


def train(estimator):
    """Return a fitted model, X and y."""
    X, y = make_rows(estimator)
    size = {} if "batch_size" in estimator.get_params() else {"chunk_size": 30}
    return ChunkedFit(estimator, random_state=0, **size).fit(X, y), X, y


def apply(model, X, y):
    """Return what its methods return, by their names."""
    found = {name: getattr(model, name)(X) for name in METHODS if hasattr(model, name)}
    if hasattr(model, "score"):
        found["score"] = model.score(X, y)
    return {name: state_of(result) for name, result in found.items()}


def map_saved(model, path, mode):
    """Return the model whose arrays are maps of its file."""
    joblib.dump(model, path)
    return joblib.load(path, mmap_mode=mode)


def find_maps(obj, seen=None):
    """Return the memory maps in what an estimator has learned."""
    seen = {} if seen is None else seen
    if isinstance(obj, np.memmap) or id(obj) in seen:
        return [obj] * (id(obj) not in seen)
    seen[id(obj)] = obj
    inside = obj.values() if isinstance(obj, dict) else getattr(obj, "__dict__", ())
    inside = vars(obj).values() if isinstance(inside, dict) else inside
    if isinstance(obj, list | tuple):
        inside = obj
    return [found for each in inside for found in find_maps(each, seen)]


# --- The same bits -------------------------------------------------------------------


@each_kind
def test_a_loaded_model_gives_the_same(estimator, tmp_path):
    model, X, y = train(estimator)
    loaded = map_saved(model, tmp_path / "model", "r")
    alone = map_saved(model.estimator_, tmp_path / "alone", "r")
    if name_of(estimator) == "IncrementalPCA":
        # A pickle of it has components_ in another order, which rounds otherwise.
        model.estimator_ = pickle.loads(pickle.dumps(model.estimator_))
    expected = apply(model, X, y)
    assert apply(loaded, X, y) == expected
    assert apply(pickle.loads(pickle.dumps(model)), X, y) == expected
    assert apply(alone, X, y) == apply(model.estimator_, X, y)
    assert not any(each.flags.writeable for each in find_maps(loaded))


@each_kind
def test_training_goes_on_as_if_nothing_had_been_saved(estimator, tmp_path):
    """On copies of what is mapped: in place it would write to the file."""
    model, X, y = train(estimator)
    path = tmp_path / "model"
    others = [map_saved(model, path, "r+"), pickle.loads(pickle.dumps(model))]
    saved = path.read_bytes()
    expected = state_of(model.partial_fit(X, y).estimator_)
    for other in others:
        assert state_of(other.partial_fit(X, y).estimator_) == expected
        assert other.history_["rows"] == model.history_["rows"]
    assert path.read_bytes() == saved
    learner = others[0].estimator_
    assert not find_maps(learner[-1] if hasattr(learner, "steps") else learner)


@pytest.mark.parametrize("class_weight", ["balanced", {False: 1.0, True: 3.0}])
def test_class_weights_are_saved(class_weight):
    model, X, y = ChunkedFit(SGDClassifier(**FEW), chunk_size=30), *make_rows(AVERAGING)
    model.fit(X, y > 1, class_weight=class_weight)
    others = [pickle.loads(pickle.dumps(model)), deepcopy(model)]
    if find_spec("skops"):
        io = import_module("skops.io")
        saved = io.dumps(model)
        assert io.get_untrusted_types(data=saved) == ["skmmap.ChunkedFit"]
        others.append(io.loads(saved, trusted=["skmmap.ChunkedFit"]))
    for each in others:
        each.random_state = model.random_state = 0
        assert vars(each).keys() == vars(model).keys()
    expected = state_of(model.partial_fit(X[:40], y[:40] > 1).estimator_)
    for each in others:
        assert state_of(each.partial_fit(X[:40], y[:40] > 1).estimator_) == expected


def test_maps_are_found(tmp_path):
    model, _, _ = train(GaussianNB())
    assert len(find_maps(map_saved(model, tmp_path / "model", "r"))) > 2
    assert not find_maps(model)


def test_a_warm_start_from_a_map_writes_nothing(tmp_path):
    model, X, y = train(SGDClassifier(warm_start=True, **FEW))
    loaded = map_saved(model, tmp_path / "model", "r+")
    saved = (tmp_path / "model").read_bytes()
    expected = state_of(model.fit(X, y).estimator_)
    assert state_of(loaded.fit(X, y).estimator_) == expected
    assert (tmp_path / "model").read_bytes() == saved


@pytest.mark.parametrize(
    "estimator",
    [GaussianNB(), MultinomialNB(), CategoricalNB(), StandardScaler(), MinMaxScaler()],
    ids=name_of,
)
def test_merging_into_a_map_writes_nothing(estimator, tmp_path):
    model, _, _ = train(estimator)
    loaded = map_saved(model.estimator_, tmp_path / "model", "r+")
    saved = (tmp_path / "model").read_bytes()
    assert merge(loaded, model.estimator_) is loaded
    assert (tmp_path / "model").read_bytes() == saved
    both = merge(deepcopy(model.estimator_), model.estimator_)
    assert state_of(loaded) == state_of(both)


# --- No private names ----------------------------------------------------------------


def find_names(obj):
    """Return the names of skmmap that a pickle has; all but the public one."""
    texts = [arg for _, arg, _ in pickletools.genops(pickle.dumps(obj, 4))]
    names = {each for each in texts if isinstance(each, str)}
    return {each for each in names if each.startswith("skmmap")}


@each_kind
def test_no_private_name_is_saved(estimator):
    model, X, y = train(estimator)
    for each in model, model.partial_fit(X, y):
        assert find_names(each) == {"skmmap"}
        assert b"skmmap" not in pickle.dumps(each.estimator_)
    kept = ChunkedFit(estimator, checkpoint=Checkpoint("run.ckpt"))
    assert find_names(kept) == {"skmmap"}


def test_a_target_that_is_transformed_is_saved_too():
    regressor = TransformedTargetRegressor(SGDRegressor(**FEW), transformer=None)
    model, X, y = train(regressor.set_params(transformer=StandardScaler()))
    assert find_names(model) == {"skmmap"}
    assert apply(pickle.loads(pickle.dumps(model)), X, y) == apply(model, X, y)


def test_corrections_are_saved_by_names_that_stay():
    needed = {entry.get("correction") for entry in SKLEARN.values()} - {None}
    assert needed <= {*_KINDS.values()}
    names = "Categories Clusters Correction LearningRate MaxAbsColumns MinMaxColumns"
    names += " Samples SgdState Smoothing StandardColumns"
    assert [*_KINDS] == names.split()


# --- Earlier and later versions ------------------------------------------------------


def test_a_later_version_is_refused():
    state = train(GaussianNB())[0].__getstate__()
    said = (
        "This ChunkedFit was saved by skmmap 9.0, in version {} of its state. This is "
        f"skmmap {__version__}, which reads versions up to {VERSION}: upgrade it, or "
        "save model.estimator_ there, which loads without skmmap."
    )
    for version in (VERSION + 1, "b"):
        later = state | {"_state_version": version, "_skmmap_version": "9.0"}
        with raises(ValueError, said.format(version)):
            ChunkedFit(None).__setstate__(later)


def test_what_was_saved_before_there_were_versions_is_loaded():
    """Objects of skmmap's own were pickled then, and the private name of the class."""
    model, X, y = train(AVERAGING)
    before = ChunkedFit.__new__(ChunkedFit)
    before.__setstate__(deepcopy(vars(model)))
    expected = state_of(model.partial_fit(X, y).estimator_)
    assert state_of(before.partial_fit(X, y).estimator_) == expected
    assert pickle.loads(b"cskmmap._chunked_fit\nChunkedFit\n.") is ChunkedFit


def test_parameters_that_an_earlier_version_lacked_have_their_defaults():
    state = ChunkedFit(GaussianNB(), chunk_size=7).__getstate__()
    del state["read"]
    loaded = ChunkedFit.__new__(ChunkedFit)
    loaded.__setstate__(state)
    assert (
        loaded.get_params() == ChunkedFit(loaded.estimator, chunk_size=7).get_params()
    )


def test_versions_are_no_attributes_of_a_loaded_model():
    model, _, _ = train(AVERAGING)
    assert vars(pickle.loads(pickle.dumps(model))).keys() == vars(model).keys()
