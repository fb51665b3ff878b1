"""``ChunkedFit`` against the loop that a careful user would write by hand."""

import copy
import gc
import pickle
import weakref
from functools import cache

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from helpers import (
    METHODS,
    NOT_BY_ROW,
    Duck,
    Recorder,
    combine,
    hand_loop,
    in_file_order,
    make_rows,
    name_of,
    needs_sklearn_1_9,
    one_of_each_kind,
    partial_fit_estimators,
    state_of,
)
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.cluster import Birch, MiniBatchKMeans
from sklearn.decomposition import (
    IncrementalPCA,
    LatentDirichletAllocation,
    MiniBatchNMF,
)
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import Perceptron, SGDClassifier, SGDOneClassSVM, SGDRegressor
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import gen_batches, get_tags

from skmmap import ChunkedFit

pytestmark = [
    pytest.mark.filterwarnings("ignore:Class PassiveAggressive:FutureWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("nothing_left_open"),
]
ESTIMATORS = [
    pytest.param(e, id=name_of(e))
    for e in one_of_each_kind(partial_fit_estimators(max_iter=3))
]


def map_rows(on_disk, X):
    """Put arrays on disk; a list of texts stays as it is."""
    return X if isinstance(X, list) else on_disk(X)


def target_on_disk(on_disk, y):
    return None if y is None else on_disk(y)


@cache
def train(estimator):
    """Return X and y, and the wrapper that has learned them; once for all tests."""
    X, y = make_rows(estimator)
    return X, y, ChunkedFit(estimator, chunk_size=40).fit(X, y)


# --- Equals the loop -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "sizes"),
    combine(
        [e.values[0] for e in ESTIMATORS],
        [(7, 1), (30, 2), (89, 2), (1000, 1)],
        together=1,
    ),
    ids=lambda value: value if isinstance(value, tuple) else name_of(value),
)
def test_fit_equals_the_hand_written_loop(estimator, sizes, on_disk):
    (X, y), (chunk_size, max_epochs) = make_rows(estimator), sizes
    wrapper = in_file_order(estimator, chunk_size=chunk_size, max_epochs=max_epochs)
    wrapper.fit(map_rows(on_disk, X), target_on_disk(on_disk, y))
    by_hand = hand_loop(
        estimator,
        X,
        y,
        chunk_size,
        max_epochs=max_epochs,
    )
    assert state_of(wrapper.estimator_) == state_of(by_hand)
    assert wrapper.n_epochs_ == max_epochs
    assert wrapper.chunk_size_ == chunk_size


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_methods_equal_those_of_the_estimator(estimator, on_disk):
    X, _, wrapper = train(estimator)
    X_mm = map_rows(on_disk, X)
    for method in METHODS:
        assert hasattr(wrapper, method) == hasattr(wrapper.estimator_, method)
        if not hasattr(wrapper, method) or (name_of(estimator), method) in NOT_BY_ROW:
            continue
        bare = getattr(wrapper.estimator_, method)
        whole, chunked = bare(X), getattr(wrapper, method)(X_mm)
        assert type(chunked) is type(whole), method
        assert_same_rows(chunked, whole, [bare(X[s]) for s in gen_batches(90, 40)])


def assert_same_rows(chunked, whole, by_slices):
    """Compare exactly with the slices, and up to rounding with the whole."""
    if isinstance(whole, list):
        for output, expected, *parts in zip(chunked, whole, *by_slices, strict=True):
            assert_same_rows(output, expected, parts)
        return
    if sparse.issparse(whole):
        assert chunked.format == whole.format
        assert (chunked != sparse.vstack(by_slices)).nnz == 0
        return
    assert chunked.dtype == whole.dtype
    assert chunked.shape == whole.shape
    np.testing.assert_array_equal(chunked, np.concatenate(by_slices))
    if whole.dtype.kind == "f":
        np.testing.assert_allclose(chunked, whole, rtol=1e-6, atol=1e-9)
    else:
        np.testing.assert_array_equal(chunked, whole)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_learned_attributes_are_readable_on_the_wrapper(estimator):
    *_, wrapper = train(estimator)
    inner = wrapper.estimator_
    for name in vars(inner):
        if not name.startswith("_") and name.endswith("_") and name != "estimator_":
            assert hasattr(wrapper, name)
            # The wrapper has a random_state_ of its own: its seed.
            if name != "random_state_":
                assert getattr(wrapper, name) is getattr(inner, name)
                assert name in dir(wrapper)


@pytest.mark.parametrize("name", ["coef_", "n_features_in_", "classes_", "loss", "t_"])
def test_nothing_is_learned_before_fit(name):
    assert not hasattr(ChunkedFit(SGDClassifier()), name)


def test_parameters_of_the_estimator_do_not_show():
    wrapper = ChunkedFit(SGDClassifier()).fit(*make_rows(SGDClassifier()))
    assert not hasattr(wrapper, "max_iter")
    assert not hasattr(wrapper, "sparsify")
    assert not hasattr(wrapper, "loss_function_") or hasattr(
        wrapper.estimator_, "loss_function_"
    )


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_methods_are_there_exactly_if_the_estimator_has_them(estimator):
    wrapper = ChunkedFit(estimator)
    names = (
        *METHODS,
        "inverse_transform",
        "score",
        "fit_predict",
        "get_feature_names_out",
        "set_output",
        "partial_fit",
    )
    for name in names:
        assert hasattr(wrapper, name) == hasattr(estimator, name), name
        if "__dir__" in vars(BaseEstimator):  # since scikit-learn 1.9
            assert (name in dir(wrapper)) == hasattr(estimator, name), name
    assert hasattr(wrapper, "fit_transform") == hasattr(estimator, "transform")


def test_the_fitted_estimator_decides_which_methods_there_are():
    wrapper = ChunkedFit(SGDClassifier()).fit(*make_rows(SGDClassifier()))
    wrapper.set_params(estimator__loss="log_loss")
    assert not hasattr(wrapper, "predict_proba")


def test_inverse_transform_and_the_two_in_one_methods():
    X, _ = make_rows(IncrementalPCA())
    wrapper = ChunkedFit(IncrementalPCA(3), chunk_size=40)
    X_out = wrapper.fit_transform(X)
    np.testing.assert_array_equal(X_out, wrapper.transform(X))
    expected = wrapper.estimator_.inverse_transform(X_out)
    np.testing.assert_allclose(wrapper.inverse_transform(X_out), expected)
    names = wrapper.estimator_.get_feature_names_out()
    assert list(wrapper.get_feature_names_out()) == list(names)
    clusters = ChunkedFit(MiniBatchKMeans(3, random_state=0, n_init=1), chunk_size=40)
    np.testing.assert_array_equal(clusters.fit_predict(X), clusters.predict(X))


def test_partial_fit_continues():
    X, y = make_rows(SGDClassifier())
    wrapper = in_file_order(SGDClassifier(random_state=0), chunk_size=20)
    wrapper.partial_fit(X[:40], y[:40], classes=[0, 1, 2]).partial_fit(X[40:], y[40:])
    by_hand = SGDClassifier(random_state=0)
    for rows in [
        *gen_batches(40, 20),
        *(slice(a, a + 20) for a in (40, 60)),
        slice(80, 90),
    ]:
        by_hand.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    assert state_of(wrapper.estimator_) == state_of(by_hand)


def test_partial_fit_after_fit_trains_the_same_estimator():
    X, y = make_rows(SGDClassifier())
    wrapper = in_file_order(SGDClassifier(random_state=0), chunk_size=30).fit(X, y)
    fitted, t = wrapper.estimator_, wrapper.t_
    wrapper.partial_fit(X, y)
    assert wrapper.estimator_ is fitted
    assert wrapper.t_ == t + 90


def test_fit_forgets_and_never_touches_the_prototype():
    X, y = make_rows(SGDClassifier())
    prototype = SGDClassifier(random_state=0)
    wrapper = in_file_order(prototype, chunk_size=30)
    first = state_of(wrapper.fit(X, y).estimator_)
    assert state_of(wrapper.fit(X, y).estimator_) == first
    assert not hasattr(prototype, "coef_")


# --- Forms of X ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "dtype", "mode", "order"),
    combine(
        [SGDClassifier(random_state=0), GaussianNB()],
        ["f8", ">f8", "f4", ">f4", "f2", "i8", ">i4", "u1", "i2", "?"],
        ["r", "r+", "c"],
        "CF",
    ),
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.EfficiencyWarning")
def test_maps_of_any_mode_order_and_type(estimator, dtype, mode, order, on_disk):
    X = np.random.default_rng(0).integers(0, 9, (90, 6)).astype(np.float64)
    X, y = (X > 4 if dtype == "?" else X.astype(dtype)), np.arange(90) % 3
    X_mm = on_disk(np.asarray(X, order=order), mode)
    wrapper = in_file_order(estimator, chunk_size=40).fit(X_mm, on_disk(y, mode))
    native = np.asarray(X.astype(X.dtype.newbyteorder("=")), order=order)
    by_hand = hand_loop(estimator, native, y, 40)
    assert state_of(wrapper.estimator_) == state_of(by_hand)
    np.testing.assert_array_equal(wrapper.predict(X_mm), by_hand.predict(native))


def kinds_of_X():
    X = np.random.default_rng(0).integers(0, 9, (90, 6)).astype(np.float64)
    names = [f"x{i}" for i in range(6)]
    yield pytest.param(X, X, id="ndarray")
    yield pytest.param(X.tolist(), X, id="list")
    yield pytest.param(tuple(map(tuple, X)), X, id="tuple")
    yield pytest.param(sparse.csr_array(X), sparse.csr_array(X), id="csr array")
    yield pytest.param(sparse.csr_matrix(X), sparse.csr_matrix(X), id="csr matrix")
    yield pytest.param(sparse.coo_array(X), sparse.csr_array(X), id="coo array")
    frame = pd.DataFrame(X, columns=names, index=np.arange(90) * 2)
    yield pytest.param(frame, frame, id="pandas")
    yield pytest.param(pl.DataFrame(X, schema=names), frame, id="polars")


@pytest.mark.parametrize(("X", "reference"), list(kinds_of_X()))
def test_containers(X, reference):
    y = np.arange(90) % 3
    wrapper = in_file_order(SGDClassifier(random_state=0), chunk_size=40).fit(X, y)
    by_hand = SGDClassifier(random_state=0)
    for rows in gen_batches(90, 40):
        part = reference.iloc[rows] if hasattr(reference, "iloc") else reference[rows]
        by_hand.partial_fit(part, y[rows], classes=np.unique(y))
    assert state_of(wrapper.estimator_) == state_of(by_hand)
    np.testing.assert_array_equal(wrapper.predict(X), by_hand.predict(reference))


def test_frames_give_feature_names_and_check_them():
    frame = pd.DataFrame(np.random.default_rng(0).random((90, 2)), columns=["a", "b"])
    wrapper = ChunkedFit(StandardScaler(), chunk_size=40).fit(frame)
    assert list(wrapper.feature_names_in_) == ["a", "b"]
    assert wrapper.n_features_in_ == 2
    with pytest.raises(ValueError, match="feature names should match"):
        wrapper.transform(frame[["b", "a"]])


def test_paths_are_taken_wherever_an_array_is(tmp_path):
    X, y = make_rows(SGDClassifier())
    weights = np.random.default_rng(1).random(90)
    for name, array in {"X": X, "y": y, "w": weights}.items():
        np.save(tmp_path / f"{name}.npy", array)
    paths = [tmp_path / "X.npy", str(tmp_path / "y.npy"), tmp_path / "w.npy"]
    by_path = in_file_order(SGDClassifier(random_state=0), chunk_size=40).fit(*paths)
    by_array = in_file_order(SGDClassifier(random_state=0), chunk_size=40)
    by_array.fit(X, y, weights)
    assert state_of(by_path.estimator_) == state_of(by_array.estimator_)
    np.testing.assert_array_equal(by_path.predict(paths[0]), by_array.predict(X))
    assert by_path.score(*paths) == by_array.score(X, y, weights)


def test_texts_go_to_an_estimator_of_texts():
    texts = [f"word{i} word{i % 3}" for i in range(20)]
    expected = HashingVectorizer().transform(texts)
    for X in (texts, np.array(texts), np.array(texts, dtype=object)):
        X_out = ChunkedFit(HashingVectorizer(), chunk_size=6).fit(X).transform(X)
        assert (X_out != expected).nnz == 0


@pytest.mark.skipif(
    get_tags(HashingVectorizer()).requires_fit, reason="needs its tag to say so"
)
def test_what_learns_nothing_from_texts_need_not_be_fitted():
    texts = [f"word{i} word{i % 3}" for i in range(20)]
    expected = HashingVectorizer().transform(texts)
    unfitted = ChunkedFit(HashingVectorizer(), chunk_size=6)
    assert (unfitted.transform(texts) != expected).nnz == 0


# --- Images --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(40, 4, 3), (40, 4, 3, 2)])
def test_images_are_flattened_for_estimators_of_two_dimensions(shape, on_disk):
    images = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    labels = np.arange(40) % 2
    wrapper = in_file_order(SGDClassifier(random_state=0), chunk_size=16)
    wrapper.fit(on_disk(images), on_disk(labels))
    flat = images.reshape(40, -1)
    by_hand = hand_loop(SGDClassifier(random_state=0), flat, labels, 16)
    assert state_of(wrapper.estimator_) == state_of(by_hand)
    for rows in (images, flat):
        np.testing.assert_array_equal(wrapper.predict(rows), by_hand.predict(flat))
    assert wrapper.score(images, labels) == by_hand.score(flat, labels)
    wrapper.partial_fit(images, labels)
    assert wrapper.t_ == 81


def test_images_for_a_model_of_as_many_features():
    images = np.random.default_rng(0).random((40, 4, 3))
    flat, labels = images.reshape(40, -1), np.arange(40) % 2
    wrapper = in_file_order(SGDClassifier(random_state=0), chunk_size=16).fit(
        flat, labels
    )
    by_hand = copy.deepcopy(wrapper).partial_fit(flat, labels)
    wrapper.partial_fit(images, labels)
    assert state_of(wrapper.estimator_) == state_of(by_hand.estimator_)


@pytest.mark.parametrize("make", [lambda: Recorder(ndim=3), lambda: Duck()])
def test_images_go_as_they_are_to_estimators_that_take_them(make):
    images = np.random.default_rng(0).integers(0, 255, (40, 4, 3), dtype=np.uint8)
    wrapper = ChunkedFit(make(), chunk_size=16).fit(images)
    expected = make().partial_fit(images).predict(images)
    np.testing.assert_array_equal(wrapper.predict(images), expected)
    if hasattr(wrapper, "calls_"):
        assert [call["X"].shape for call in wrapper.calls_] == [
            (16, 4, 3),
            (16, 4, 3),
            (8, 4, 3),
        ]


def test_a_refused_shape_leaves_no_trace():
    images = np.zeros((40, 4, 3))
    wrapper = ChunkedFit(Recorder(ndim=2), chunk_size=16).fit(images)
    assert [call["X"].shape for call in wrapper.calls_] == [(16, 12), (16, 12), (8, 12)]


# --- y -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "y",
    [
        pytest.param(np.arange(90) % 3, id="int"),
        pytest.param(np.arange(90) % 2 == 0, id="bool"),
        pytest.param(np.array(["a", "bcd", "ef"])[np.arange(90) % 3], id="str"),
        pytest.param(
            np.array(["a", "bcd"], dtype=object)[np.arange(90) % 2], id="object"
        ),
        pytest.param((np.arange(90) % 3).astype(">i4"), id="big-endian"),
        pytest.param((np.arange(90) % 3).astype("f4"), id="float"),
        pytest.param((np.arange(90) % 3).tolist(), id="list"),
        pytest.param(
            pd.Series(np.arange(90) % 3, index=np.arange(90)[::-1]), id="series"
        ),
        pytest.param(pd.Series(["x", "y"] * 45, dtype="category"), id="category"),
        pytest.param(pl.Series(["x", "y"] * 45), id="polars"),
        pytest.param(
            np.arange(90) // 30,
            id="sorted",
            marks=pytest.mark.filterwarnings("ignore:The labels are sorted"),
        ),
    ],
)
def test_labels_of_any_type(y):
    X, _ = make_rows(SGDClassifier())
    native = np.asarray(y)
    native = native.astype(native.dtype.newbyteorder("="))
    wrapper = in_file_order(SGDClassifier(random_state=0), chunk_size=20).fit(X, y)
    by_hand = hand_loop(SGDClassifier(random_state=0), X, native, 20)
    assert state_of(wrapper.estimator_) == state_of(by_hand)
    np.testing.assert_array_equal(wrapper.classes_, np.unique(native))


@pytest.mark.filterwarnings("ignore:The labels are sorted")
def test_a_class_that_the_first_chunk_lacks_is_no_error():
    X, _ = make_rows(SGDClassifier())
    y = np.repeat(["first", "second", "third"], 30)
    wrapper = in_file_order(SGDClassifier(random_state=0), chunk_size=30).fit(X, y)
    assert list(wrapper.classes_) == ["first", "second", "third"]


class Classed(BaseEstimator):
    def partial_fit(self, X, y, classes=None):
        self.given_ = [*getattr(self, "given_", []), classes]
        return self


def test_classes_go_to_the_first_call_alone():
    wrapper = in_file_order(Classed(), chunk_size=30, max_epochs=2)
    wrapper.fit(np.zeros((90, 2)), np.arange(90) % 2).partial_fit([[0, 0]], [1])
    first, *rest = wrapper.given_
    np.testing.assert_array_equal(first, [0, 1])
    assert rest == [None] * 7


def test_given_classes_may_be_more_than_occur():
    X, y = make_rows(SGDClassifier())
    wrapper = ChunkedFit(SGDClassifier(), chunk_size=30).fit(X, y, classes=[0, 1, 2, 9])
    assert list(wrapper.classes_) == [0, 1, 2, 9]


def test_one_column_is_raveled_with_the_warning_of_scikit_learn():
    X, y = make_rows(SGDClassifier())
    wrapper = in_file_order(SGDClassifier(random_state=0), chunk_size=30)
    with pytest.warns(sklearn.exceptions.DataConversionWarning, match="column-vector"):
        wrapper.fit(X, y[:, None])
    expected = in_file_order(SGDClassifier(random_state=0), chunk_size=30).fit(X, y)
    assert state_of(wrapper.estimator_) == state_of(expected.estimator_)


def test_multilabel_and_multioutput_targets(on_disk):
    X, y = make_rows(SGDClassifier())
    indicator = np.column_stack([y == 0, y == 1, y == 2]).astype(int)
    network = MLPClassifier((5,), random_state=0)
    wrapper = in_file_order(network, chunk_size=40).fit(X, on_disk(indicator))
    by_hand = hand_loop(network, X, indicator, 40)
    assert state_of(wrapper.estimator_) == state_of(by_hand)
    assert wrapper.predict(X).shape == (90, 3)
    named = np.column_stack([np.array(["a", "b", "c"])[y], y.astype(str)])
    outputs = MultiOutputClassifier(SGDClassifier(loss="log_loss", random_state=0))
    wrapper = in_file_order(outputs, chunk_size=40).fit(X, named)
    by_hand = hand_loop(outputs, X, named, 40)
    found = [list(output.classes_) for output in wrapper.estimators_]
    assert found == [list("abc"), list("012")]
    probabilities = wrapper.predict_proba(X)
    for chunked, whole in zip(probabilities, by_hand.predict_proba(X), strict=True):
        np.testing.assert_allclose(chunked, whole)
    assert wrapper.score(X, named) == by_hand.score(X, named)


# --- Parameters by row ---------------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_sample_weight_is_sliced(estimator, on_disk):
    X, y = make_rows(estimator)
    weights = np.random.default_rng(1).random(90)
    wrapper = in_file_order(estimator, chunk_size=40)
    try:
        by_hand = hand_loop(estimator, X, y, 40, sample_weight=weights)
    except (TypeError, ValueError) as error:
        with pytest.raises(type(error)):
            wrapper.fit(X, y, sample_weight=weights)
        return
    wrapper.fit(map_rows(on_disk, X), y, sample_weight=on_disk(weights))
    assert state_of(wrapper.estimator_) == state_of(by_hand)


def test_whatever_has_a_value_for_each_row_is_sliced():
    X = np.arange(20.0).reshape(10, 2)
    group = [f"g{i}" for i in range(10)]
    wrapper = ChunkedFit(Recorder(), chunk_size=4)
    wrapper.fit(X, sample_weight=np.arange(1, 11), group=group, tag="for all")
    assert [call["group"] for call in wrapper.calls_] == [
        group[:4],
        group[4:8],
        group[8:],
    ]
    assert [call["tag"] for call in wrapper.calls_] == ["for all"] * 3
    weights = np.concatenate([call["sample_weight"] for call in wrapper.calls_])
    np.testing.assert_array_equal(weights, np.arange(1, 11))
    np.testing.assert_array_equal(
        wrapper.predict(X, scale=np.arange(10)), X[:, 0] * np.arange(10)
    )


def test_one_number_weighs_all_rows():
    X, y = make_rows(SGDClassifier())
    wrapper = in_file_order(SGDClassifier(random_state=0), chunk_size=40)
    one = state_of(wrapper.fit(X, y, sample_weight=2.0).estimator_)
    assert one == state_of(wrapper.fit(X, y, sample_weight=np.full(90, 2.0)).estimator_)


def test_chunks_of_no_weight_are_left_out():
    X, y = make_rows(GaussianNB())
    weights = np.r_[np.zeros(30), np.ones(30), np.zeros(30)]
    wrapper = ChunkedFit(GaussianNB(), chunk_size=30).fit(X, y, sample_weight=weights)
    by_hand = GaussianNB().partial_fit(X[30:60], y[30:60], np.unique(y))
    assert state_of(wrapper.theta_) == state_of(by_hand.theta_)


def test_the_signature_shows_sample_weight_where_it_can_be_given():
    has = sklearn.utils.validation.has_fit_parameter
    assert has(ChunkedFit(SGDClassifier()), "sample_weight")
    assert not has(ChunkedFit(MinMaxScaler()), "sample_weight")
    assert "sample_weight" in ChunkedFit.fit.__doc__


def test_metadata_routing(on_disk):
    X, y = make_rows(SGDClassifier())
    weights = np.random.default_rng(1).random(90)
    with sklearn.config_context(enable_metadata_routing=True):
        asking = SGDClassifier(random_state=0).set_partial_fit_request(
            sample_weight="importance"
        )
        asking.set_score_request(sample_weight=True)
        wrapper = in_file_order(asking, chunk_size=40).fit(X, y, importance=weights)
        by_hand = hand_loop(
            SGDClassifier(random_state=0), X, y, 40, sample_weight=weights
        )
        assert state_of(wrapper.coef_) == state_of(by_hand.coef_)
        chunked = wrapper.score(X, y, sample_weight=weights)
        assert chunked == pytest.approx(by_hand.score(X, y, weights), rel=1e-12)
        silent = ChunkedFit(SGDClassifier(), chunk_size=40)
        with pytest.raises(
            sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"
        ):
            silent.fit(X, y, sample_weight=weights)
        assert wrapper.get_metadata_routing().consumes("fit", ["importance"])


# --- Tails, seeds, epochs ------------------------------------------------------------


def test_a_tail_too_short_for_the_estimator_joins_its_neighbour():
    estimator = IncrementalPCA(5)
    X = make_rows(estimator)[0][:44]  # chunks of 20 leave a tail of 4
    wrapper = ChunkedFit(estimator, chunk_size=20, shuffle=False).fit(X)
    by_hand = clone(estimator).partial_fit(X[:20]).partial_fit(X[20:])
    np.testing.assert_array_equal(wrapper.components_, by_hand.components_)
    alone = ChunkedFit(Recorder(), chunk_size=20).fit(X)
    assert [len(call["X"]) for call in alone.calls_] == [20, 20, 4]


@pytest.mark.parametrize(
    ("estimator", "chunk_size", "max_epochs"),
    [
        (IncrementalPCA(5), 20, 1),  # whose tail has fewer rows than components
        (MiniBatchKMeans(5, n_init=1, random_state=0), 20, 1),
        (LatentDirichletAllocation(2, total_samples=500, random_state=0), 20, 1),
        (MiniBatchNMF(2, forget_factor=0.5, random_state=0), 20, 1),
        (SGDClassifier(learning_rate="adaptive", eta0=0.01, random_state=0), 20, 30),
        (
            MLPClassifier(
                (2,), solver="sgd", learning_rate="adaptive", learning_rate_init=0.1
            ).set_params(n_iter_no_change=2, tol=0.1, random_state=0),
            5,
            8,
        ),
    ],
    ids=lambda value: name_of(value) if isinstance(value, BaseEstimator) else None,
)
def test_nothing_is_changed_in_the_loop(estimator, chunk_size, max_epochs):
    X, y = (values[:44] for values in make_rows(SGDClassifier()))
    wrapper = in_file_order(estimator, chunk_size=chunk_size, max_epochs=max_epochs)
    by_hand = hand_loop(estimator, X, y, chunk_size, max_epochs=max_epochs)
    assert state_of(wrapper.fit(X, y).estimator_) == state_of(by_hand)
    optimizers = [vars(e).get("_optimizer") for e in (wrapper.estimator_, by_hand)]
    rates = {o.learning_rate for o in optimizers if o is not None}
    assert len(rates) <= 1


def test_random_state_seeds_what_is_unseeded():
    X, y = make_rows(SGDClassifier())
    wrapper = in_file_order(SGDClassifier(), chunk_size=40, random_state=5).fit(X, y)
    by_hand = hand_loop(SGDClassifier(random_state=5), X, y, 40)
    assert state_of(wrapper.coef_) == state_of(by_hand.coef_)
    seeded = ChunkedFit(SGDClassifier(random_state=1), random_state=5).fit(X, y)
    assert seeded.estimator_.random_state == 1
    nested = ChunkedFit(MultiOutputClassifier(SGDClassifier()), random_state=5)
    nested.fit(X, np.column_stack([y, y]))
    assert [e.random_state for e in nested.estimators_] == [5, 5]
    drawn = ChunkedFit(SGDClassifier(), random_state=np.random.RandomState(0)).fit(X, y)
    assert isinstance(drawn.estimator_.random_state, int | np.integer)


def test_auto_chunks_depend_on_the_row_and_the_limit_alone():
    X = np.zeros((10, 1000), dtype=np.float32)
    sizes = {
        limit: ChunkedFit(Recorder(), memory_limit=limit).fit(X).chunk_size_
        for limit in ("512MB", "256MB", 128_000_000)
    }
    assert list(sizes.values()) == [4000, 2000, 1000]


# --- score ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "weighted", "chunk_size"),
    combine([e.values[0] for e in ESTIMATORS], [False, True], [7, 40, 1000]),
    ids=lambda value: name_of(value) if isinstance(value, BaseEstimator) else None,
)
def test_score_equals_the_score_of_the_estimator(estimator, weighted, chunk_size):
    if not hasattr(estimator, "score"):
        assert not hasattr(ChunkedFit(estimator), "score")
        return
    X, y, wrapper = train(estimator)
    wrapper = copy.copy(wrapper).set_params(chunk_size=chunk_size)
    params = {"sample_weight": np.random.default_rng(1).random(90)} if weighted else {}
    try:
        expected = wrapper.estimator_.score(X, y, **params)
    except TypeError as error:
        with pytest.raises(type(error), match="sample_weight"):
            wrapper.score(X, y, **params)
        return
    assert wrapper.score(X, y, **params) == pytest.approx(expected, rel=1e-12)


def test_accuracy_is_the_same_bits():
    X, y = make_rows(SGDClassifier())
    wrapper = ChunkedFit(SGDClassifier(random_state=0)).fit(X, y)
    for chunk_size in range(1, 91):
        wrapper.set_params(chunk_size=chunk_size)
        assert wrapper.score(X, y) == wrapper.estimator_.score(X, y)


class OwnScore(SGDRegressor):
    def score(self, X, y, sample_weight=None, offset=0):
        return float(np.median(np.abs(y - self.predict(X)))) + offset


def test_a_score_of_its_own_is_honoured(monkeypatch):
    X, y = make_rows(SGDRegressor())
    wrapper = ChunkedFit(OwnScore(random_state=0), chunk_size=40).fit(X, y)
    sizes = []
    predict = SGDRegressor.predict
    monkeypatch.setattr(
        SGDRegressor,
        "predict",
        lambda self, X: sizes.append(len(X)) or predict(self, X),
    )
    expected = np.median(np.abs(y - wrapper.estimator_.predict(X))) + 1
    assert wrapper.score(X, y, offset=1) == pytest.approx(expected)
    assert sizes == [90, 40, 40, 10]


@pytest.mark.parametrize("y", [np.ones(90), np.arange(90.0)[:, None] @ np.ones((1, 2))])
def test_r2_of_targets_that_never_vary_and_of_several(y):
    X, _ = make_rows(SGDRegressor())
    y = y.copy()
    if y.ndim == 2:
        y[:, 1] = 3.0
    estimator = SGDRegressor(max_iter=3, random_state=0)
    if y.ndim == 2:
        estimator = MultiOutputRegressor(estimator)
    wrapper = ChunkedFit(estimator, chunk_size=40).fit(X, y)
    assert wrapper.score(X, y) == pytest.approx(wrapper.estimator_.score(X, y))


@pytest.mark.parametrize("n_rows", [3, 10, 31, 90])
@pytest.mark.parametrize("value", [0.1, 0.7, 1e9 + 0.3])
def test_r2_of_a_constant_that_is_no_binary_fraction(value, n_rows):
    X, y = np.zeros((n_rows, 2)), np.full(n_rows, value)
    wrapper = in_file_order(Constant(), chunk_size=3).fit(X, y)
    assert wrapper.score(X, y) == 1.0
    wrapper.estimator_.constant_ = 0.0
    assert wrapper.score(X, y) == 0.0


@pytest.mark.parametrize("learned", [int, bool, float, str])
@pytest.mark.parametrize("scored", [np.int8, np.uint64, bool, float, str, object])
def test_accuracy_of_every_kind_of_labels(learned, scored):
    X = np.random.default_rng(0).normal(size=(100, 2))
    y = (X[:, 0] > 0).astype(int)
    model = SGDClassifier(random_state=0).fit(X, y.astype(learned))
    wrapper = ChunkedFit(model, chunk_size=7)
    labels = np.where(np.arange(100) % 5, y, 1 - y)
    labels = labels.astype(str).astype(object) if scored is object else labels
    labels = labels.astype(scored)
    try:
        expected = model.score(X, labels)
    except (TypeError, ValueError) as error:
        with pytest.raises(type(error)):
            wrapper.score(X, labels)
    else:
        assert wrapper.score(X, labels) == expected


@pytest.mark.parametrize("dtype", ["f2", "f4", "i1", "?"])
def test_weights_of_small_types_are_summed_in_float64(dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70_000, 2))
    weights = np.ones(70_000, dtype)
    for model, y in [
        (SGDClassifier(random_state=0), (X[:, 0] > 0).astype(int)),
        (SGDRegressor(random_state=0), X[:, 0]),
    ]:
        wrapper = ChunkedFit(model).fit(X, y)
        score = wrapper.score(X, y, sample_weight=weights)
        assert type(score) is float
        assert score == pytest.approx(wrapper.estimator_.score(X, y), rel=1e-12)


@pytest.mark.parametrize("model", [LatentDirichletAllocation(2), MiniBatchKMeans(2)])
def test_scores_of_images(model):
    images = np.random.default_rng(0).integers(0, 9, (60, 4, 4)).astype(np.uint8)
    flat = images.reshape(60, 16)
    wrapper = ChunkedFit(model.set_params(random_state=0), chunk_size=25).fit(images)
    for n_rows in (1, 60):
        expected = wrapper.estimator_.score(flat[:n_rows])
        assert wrapper.score(images[:n_rows]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (TypeError, lambda X, y: (X,)),
        (ValueError, lambda X, y: (X, np.column_stack([y, y]))),
        pytest.param(
            ValueError,
            lambda X, y: (X, y, np.full(90, np.nan)),
            marks=needs_sklearn_1_9,
        ),
        pytest.param(
            ValueError, lambda X, y: (X, y, np.zeros(90)), marks=needs_sklearn_1_9
        ),
        (ValueError, lambda X, y: (X, np.where(y > 1, np.nan, y))),
        (ValueError, lambda X, y: (X, y, 2.0)),
    ],
)
@pytest.mark.parametrize("model", [SGDClassifier(max_iter=3), SGDRegressor(max_iter=3)])
def test_score_refuses_what_the_estimator_refuses(model, error, arguments):
    X, y = make_rows(model)
    wrapper = ChunkedFit(model, chunk_size=40).fit(X, y)
    # Warnings are errors here: of a division by zero, or of a cast of NaN.
    refusals = (error, RuntimeWarning)
    with pytest.raises(refusals):
        wrapper.estimator_.score(*arguments(X, y))
    with pytest.raises(refusals):
        wrapper.score(*arguments(X, y))


class Constant(RegressorMixin, BaseEstimator):
    def partial_fit(self, X, y):
        self.constant_ = float(y[0])
        return self

    def predict(self, X):
        return np.full(len(X), self.constant_)


@pytest.mark.parametrize("rest", [1.0, 2.0])
def test_r2_of_a_constant_prediction(rest):
    X, y = np.zeros((90, 2)), np.r_[1.0, np.full(89, rest)]
    wrapper = in_file_order(Constant(), chunk_size=40).fit(X, y)
    wrapper.estimator_.constant_ = 1.0
    assert wrapper.score(X, y) == pytest.approx(wrapper.estimator_.score(X, y))


# --- Never harms ---------------------------------------------------------------------


class Overwrites(BaseEstimator):
    """Centres its input in place, as some do with ``copy=False``."""

    def partial_fit(self, X, y=None):
        self.n_calls_ = getattr(self, "n_calls_", 0) + 1
        X -= X.mean(axis=0)
        self.total_ = getattr(self, "total_", 0) + np.abs(X).sum()
        return self

    def transform(self, X):
        X *= 2
        return X


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize(
    "estimator",
    [
        IncrementalPCA(3, copy=False),
        StandardScaler(copy=False),
        MinMaxScaler(copy=False),
        Overwrites(),
    ],
)
def test_the_data_is_never_written_to(estimator, mode, on_disk):
    X, _ = make_rows(estimator)
    X_mm = on_disk(X, mode)
    wrapper = ChunkedFit(estimator, chunk_size=40).fit(X_mm)
    X_out = wrapper.transform(X_mm)
    np.testing.assert_array_equal(X_mm, X)
    with open(X_mm.filename, "rb") as file:
        np.testing.assert_array_equal(np.load(file), X)
    expected = clone(estimator)
    for rows in gen_batches(90, 40):
        expected.partial_fit(X[rows].copy())
    np.testing.assert_allclose(X_out, expected.transform(X.copy()))
    if isinstance(estimator, Overwrites):
        assert wrapper.n_calls_ == 3
        assert wrapper.total_ == expected.total_
        wrapper.partial_fit(X_mm)
        assert wrapper.n_calls_ == 6
        np.testing.assert_array_equal(X_mm, X)


def test_arrays_in_memory_are_not_written_to_either():
    X = np.random.default_rng(0).random((90, 6))
    before = X.copy()
    ChunkedFit(Overwrites(), chunk_size=40).fit(X).transform(X)
    np.testing.assert_array_equal(X, before)
    assert X.flags.writeable
    matrix = sparse.csr_array(X)
    scaler = ChunkedFit(StandardScaler(with_mean=False, copy=False), chunk_size=1000)
    scaler.fit(matrix).transform(matrix)
    np.testing.assert_array_equal(matrix.toarray(), before)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_fitted_object_holds_no_view_and_pickles_small(estimator, on_disk):
    X, y = make_rows(estimator)
    if isinstance(X, list):
        return
    X_mm = on_disk(X)
    wrapper = ChunkedFit(estimator, chunk_size=40).fit(X_mm, y)
    if hasattr(wrapper, "predict"):
        wrapper.predict(X_mm)
    mapping = weakref.ref(X_mm._mmap)
    del X_mm
    gc.collect()
    assert mapping() is None
    again = pickle.loads(pickle.dumps(wrapper))
    assert state_of(again.estimator_) == state_of(wrapper.estimator_)


def test_rows_that_the_model_keeps_are_copies(on_disk):
    # Far apart, so that every row is a subcluster of its own: Birch keeps views.
    X = np.arange(60.0).reshape(20, 3) * 100
    X_mm = on_disk(X)
    wrapper = ChunkedFit(Birch(threshold=0.1, n_clusters=None), chunk_size=8).fit(X_mm)
    kept = [
        cluster.linear_sum_
        for leaf in wrapper.estimator_._get_leaves()
        for cluster in leaf.subclusters_
    ]
    assert len(kept) == 20
    assert not any(np.may_share_memory(row, X_mm) for row in kept)
    np.testing.assert_array_equal(np.sort([row[0] for row in kept]), X[:, 0])


def test_a_pickle_does_not_grow_with_the_data():
    sizes = []
    for n_rows in (100, 100_000):
        X = np.random.default_rng(0).random((n_rows, 5))
        wrapper = in_file_order(SGDClassifier(random_state=0)).fit(
            X, np.arange(n_rows) % 2
        )
        sizes.append(len(pickle.dumps(wrapper)))
    assert abs(sizes[1] - sizes[0]) < 100


class Late(BaseEstimator):
    """Counts before it writes into its input, and writes only where NaN is."""

    def partial_fit(self, X, y=None, sample_weight=None):
        self.n_rows_ = getattr(self, "n_rows_", 0) + len(X)
        missing = np.isnan(X)
        if missing.any():
            X[missing] = 0
        self.total_ = getattr(self, "total_", 0.0) + X.sum()
        return self


@pytest.mark.parametrize("max_epochs", [1, 2])
def test_a_refusal_in_a_later_chunk_leaves_no_trace_either(max_epochs, on_disk):
    X = np.random.default_rng(0).random((90, 2))
    X[70, 0] = np.nan
    wrapper = ChunkedFit(Late(), chunk_size=20, max_epochs=max_epochs)
    wrapper.fit(on_disk(X, "r+"))
    by_hand = hand_loop(Late(), X.copy(), None, 20, max_epochs=1)
    assert wrapper.n_rows_ == 90 * max_epochs
    assert wrapper.total_ == pytest.approx(by_hand.total_ * max_epochs)
    weights = np.r_[np.zeros(20), np.ones(70)]
    assert wrapper.fit(X, sample_weight=weights).n_rows_ == 70 * max_epochs
    finite = np.nan_to_num(X[:60])
    trained = ChunkedFit(Late(), chunk_size=20).fit(finite)
    with pytest.raises(ValueError, match="read-only"):
        trained.partial_fit(X)


@pytest.mark.parametrize("estimator", [IncrementalPCA(2, copy=False), StandardScaler()])
def test_frames_over_a_map_are_not_written_to(estimator, on_disk):
    X = np.random.default_rng(0).random((90, 4)) + 5
    X_mm = on_disk(X, "r+")
    frame = pd.DataFrame(X_mm, copy=False)
    wrapper = ChunkedFit(estimator.set_params(copy=False), chunk_size=40).fit(frame)
    wrapper.transform(frame)
    np.testing.assert_array_equal(X_mm, X)


class Keeps(BaseEstimator):
    def partial_fit(self, X, y=None, sample_weight=None):
        self.kept_ = (X[:1], {"y": y[:1]}, [sample_weight[:1]])
        if np.isnan(X).any():
            raise ValueError("NaN")
        return self


def test_no_view_of_anything_is_kept_even_after_a_failure(on_disk):
    arrays = [on_disk(np.full(shape, 1.0)) for shape in ((90, 2), 90, 90)]
    wrapper = ChunkedFit(Keeps(), chunk_size=40).fit(*arrays)
    bad = on_disk(np.full((90, 2), np.nan))
    with pytest.raises(ValueError, match="NaN"):
        wrapper.partial_fit(bad, *arrays[1:])
    maps = [weakref.ref(array._mmap) for array in (*arrays, bad)]
    del arrays, bad
    gc.collect()
    assert [mapping() for mapping in maps] == [None] * 4
    assert wrapper.kept_[1] == {"y": [1.0]}


def test_training_goes_on_after_a_load_that_maps_the_model(tmp_path):
    X, y = make_rows(SGDClassifier())
    wrapper = in_file_order(SGDClassifier(random_state=0), chunk_size=40).fit(X, y)
    joblib.dump(wrapper, tmp_path / "model.joblib")
    content = (tmp_path / "model.joblib").read_bytes()
    loaded = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    loaded.partial_fit(X, y)
    wrapper.partial_fit(X, y)
    assert state_of(loaded.estimator_) == state_of(wrapper.estimator_)
    assert (tmp_path / "model.joblib").read_bytes() == content


# --- Failures ------------------------------------------------------------------------


class Empty(SGDClassifier):
    """Has a length, like ensembles, and so can be false."""

    def __len__(self):
        return 0


def test_an_estimator_may_have_a_length():
    X, y = make_rows(SGDClassifier())
    wrapper = in_file_order(Empty(random_state=0), chunk_size=40).fit(X, y)
    assert wrapper.partial_fit(X, y).t_ == 181
    np.testing.assert_array_equal(wrapper.predict(X), wrapper.estimator_.predict(X))


def test_a_failure_leaves_no_half_fitted_attributes():
    X, y = make_rows(SGDClassifier())
    wrapper = ChunkedFit(Recorder(fails_at=1), chunk_size=40)
    with pytest.raises(RuntimeError, match="told to fail"):
        wrapper.fit(X)
    assert set(vars(wrapper)) == set(wrapper.get_params(deep=False))
    with pytest.raises(sklearn.exceptions.NotFittedError):
        wrapper.predict(X)
    fitted = ChunkedFit(SGDClassifier(random_state=0), chunk_size=40).fit(X, y)
    before = state_of(fitted.estimator_)
    bad = X.copy()
    bad[50, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        fitted.fit(bad, y)
    assert state_of(fitted.estimator_) == before


def test_rows_of_a_bad_chunk_are_named():
    X, y = make_rows(SGDClassifier())
    X[53, 1] = np.inf
    with pytest.raises(ValueError, match="infinity") as caught:
        in_file_order(SGDClassifier(), chunk_size=20, max_epochs=2).fit(X, y)
    assert caught.value.__notes__ == [
        "while fitting rows 40 to 59 (chunk 3 of 5, epoch 1); the first row with "
        "infinity is row 53"
    ]
    wrapper = ChunkedFit(SGDClassifier(), chunk_size=20).fit(X[:40], y[:40])
    with pytest.raises(ValueError, match="infinity") as caught:
        wrapper.predict(X)
    assert caught.value.__notes__ == [
        "while predicting rows 40 to 59 (chunk 3 of 5); the first row with infinity "
        "is row 53"
    ]


def test_no_rows_to_predict_are_answered_as_the_estimator_does():
    X, y = make_rows(SGDClassifier())
    wrapper = ChunkedFit(SGDClassifier(), chunk_size=20).fit(X, y)
    with pytest.raises(ValueError, match="Found array with 0 sample"):
        wrapper.predict(X[:0])
    assert ChunkedFit(Duck()).fit(X).predict(X[:0]).shape == (0,)


# --- Outputs -------------------------------------------------------------------------


class Growing(BaseEstimator):
    """Predicts results whose type widens from chunk to chunk."""

    def __init__(self, results):
        self.results = results

    def partial_fit(self, X, y=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.asarray(self.results[int(X[0, 0])])


@pytest.mark.parametrize(
    "results",
    [
        (["a"], ["long text"], ["b"]),
        ([1], [2.5], [3]),
        (np.array([1], dtype=np.uint8), np.array([300]), np.array([1.5 + 1j])),
        ([True], [2], [3]),
        (np.array(["a"], dtype=object), np.array([1.0]), np.array(["b"])),
    ],
)
def test_results_widen_when_a_later_chunk_needs_it(results):
    X = np.arange(3.0)[:, None]
    chunked = ChunkedFit(Growing(results), chunk_size=1).fit(X).predict(X)
    expected = np.concatenate([np.asarray(part) for part in results])
    assert chunked.dtype == expected.dtype
    np.testing.assert_array_equal(chunked, expected)


def test_labels_of_different_length_are_not_cut():
    X = np.repeat([[0.0], [9.0]], 30, axis=0) + np.arange(60)[:, None] % 2
    y = np.repeat(["a", "a long label"], 30)
    wrapper = ChunkedFit(GaussianNB(), chunk_size=30).fit(X, y)
    np.testing.assert_array_equal(wrapper.predict(X), y)


@pytest.mark.parametrize("container", ["default", "pandas", "polars"])
def test_set_output(container):
    X, _ = make_rows(StandardScaler())
    wrapper = ChunkedFit(StandardScaler(), chunk_size=40)
    wrapper = clone(wrapper.set_output(transform=container)).fit(X)
    expected = StandardScaler().set_output(transform=container).fit(X).transform(X)
    X_out = wrapper.transform(X)
    assert type(X_out) is type(expected)
    np.testing.assert_allclose(np.asarray(X_out), np.asarray(expected), atol=1e-12)
    assert list(getattr(X_out, "columns", [])) == list(getattr(expected, "columns", []))
    assert list(getattr(X_out, "index", [])) == list(getattr(expected, "index", []))
    assert wrapper.set_output() is wrapper
    assert type(wrapper.set_output(transform="default").transform(X)) is np.ndarray


def test_set_output_keeps_the_index_of_a_frame():
    frame = pd.DataFrame({"a": np.arange(90.0), "b": 1.0}, index=np.arange(90) * 3)
    wrapper = ChunkedFit(StandardScaler(), chunk_size=40).set_output(transform="pandas")
    X_out = wrapper.fit(frame).transform(frame)
    pd.testing.assert_index_equal(X_out.index, frame.index)
    with sklearn.config_context(transform_output="pandas"):
        X_out = ChunkedFit(StandardScaler(), chunk_size=40).fit_transform(frame)
    pd.testing.assert_index_equal(X_out.index, frame.index)


# --- Third parties -------------------------------------------------------------------


def test_an_estimator_that_only_has_partial_fit(on_disk):
    X, y = make_rows(SGDClassifier())
    wrapper = ChunkedFit(Duck(), chunk_size=40).fit(on_disk(X), y)
    expected = sum(X[rows].sum() for rows in gen_batches(90, 40))
    assert wrapper.total_ == pytest.approx(expected)
    np.testing.assert_array_equal(wrapper.predict(X), X.sum(axis=1))
    assert in_file_order(Duck(), chunk_size=40).fit(X).total_ == expected
    assert "Duck" in repr(wrapper)
    wrapper._repr_html_()


class Slotted:
    """Has no ``__dict__`` to look into."""

    __slots__ = ("kept", "n_rows_")

    def __init__(self):
        self.n_rows_ = 0

    def partial_fit(self, X):
        if np.isnan(X).any():
            raise ValueError("the real reason")
        self.n_rows_ += len(X)
        self.kept = X

    def score(self, X):
        return float(X.sum())


def test_an_estimator_with_slots(on_disk):
    X_mm = on_disk(np.ones((90, 2)))
    wrapper = ChunkedFit(Slotted(), chunk_size=40).fit(X_mm)
    assert wrapper.n_rows_ == 90
    assert not np.may_share_memory(wrapper.estimator_.kept, X_mm)
    assert wrapper.score(X_mm) == 180
    with pytest.raises(ValueError, match="the real reason"):
        wrapper.fit(np.full((3, 2), np.nan))


class Convolves(BaseEstimator):
    """Takes images alone, and refuses NaN in them."""

    def partial_fit(self, X, y=None):
        if X.ndim != 3:
            raise IndexError("too few dimensions")
        return self.predict(X) is None or self

    def predict(self, X):
        if np.isnan(X).any():
            raise ValueError("NaN pixels")
        return X.mean(axis=(1, 2))


def test_the_true_reason_of_an_estimator_of_images_is_told():
    images = np.zeros((90, 4, 4))
    wrapper = ChunkedFit(Convolves(), chunk_size=40).fit(images)
    images[3] = np.nan
    with pytest.raises(ValueError, match="NaN pixels"):
        wrapper.predict(images)
    with pytest.raises(IndexError, match="too few dimensions") as caught:
        wrapper.fit(images)
    assert caught.value.__notes__[0] == (
        "Before, the rows as they are were refused: ValueError: NaN pixels"
    )


def test_a_target_that_the_estimator_ignores_may_be_anything():
    X = np.random.default_rng(0).random((90, 2))
    for y in ([[1], [1, 2]] * 45, sparse.csr_array(np.eye(90)), ["text"] * 90):
        assert (
            ChunkedFit(StandardScaler(), chunk_size=40).fit(X, y).n_samples_seen_ == 90
        )


def test_sparse_rows_that_are_made_dense_count_as_dense():
    rng = np.random.default_rng(0)
    where = np.repeat(np.arange(100), 4), rng.integers(0, 2_000, 400)
    X = sparse.csr_array((rng.random(400), where), shape=(100, 2_000))
    wrapper = in_file_order(IncrementalPCA(2), memory_limit="8MB").fit(X)
    assert wrapper.chunk_size_ == 8_000_000 // 16 // (8 * 2_000)
    by_hand = IncrementalPCA(2)
    for rows in gen_batches(100, wrapper.chunk_size_, min_batch_size=2):
        by_hand.partial_fit(X[rows].toarray())
    assert state_of(wrapper.estimator_) == state_of(by_hand)


def test_a_subclass_of_a_frame_is_a_frame():
    class Frame(pd.DataFrame):
        pass

    frame = Frame({"a": np.arange(9.0), "b": 1.0})
    wrapper = ChunkedFit(StandardScaler(), chunk_size=4).fit(frame)
    assert list(wrapper.feature_names_in_) == ["a", "b"]


def test_bad_parameters_of_the_estimator_are_its_own_errors():
    X = np.zeros((9, 2))
    with pytest.raises(ValueError, match="'n_clusters' parameter of MiniBatchKMeans"):
        ChunkedFit(MiniBatchKMeans("3"), chunk_size=4).fit(X)


class Bare:
    """Not even ``get_params``: it is copied."""

    def partial_fit(self, X):
        self.n_rows_ = getattr(self, "n_rows_", 0) + len(X)


def test_an_estimator_without_parameters_or_a_target():
    prototype = Bare()
    wrapper = ChunkedFit(prototype, chunk_size=40).fit(np.zeros((90, 2)))
    assert wrapper.n_rows_ == 90
    assert not hasattr(prototype, "n_rows_")


def test_chunks_are_plain_read_only_arrays(on_disk):
    wrapper = ChunkedFit(Recorder(), chunk_size=40).fit(
        on_disk(np.zeros((90, 2)), "r+")
    )
    assert [call["type"] for call in wrapper.calls_] == [np.ndarray] * 3
    assert [call["writable"] for call in wrapper.calls_] == [False] * 3
    assert [len(call["X"]) for call in wrapper.calls_] == [40, 40, 10]


def test_outlier_detectors():
    X, _ = make_rows(SGDOneClassSVM())
    wrapper = ChunkedFit(SGDOneClassSVM(random_state=0), chunk_size=40)
    labels = wrapper.fit_predict(X)
    np.testing.assert_array_equal(labels, wrapper.estimator_.predict(X))
    assert wrapper.offset_ is wrapper.estimator_.offset_


def test_wrappers_can_be_copied_before_and_after_fit():
    X, y = make_rows(Perceptron())
    wrapper = ChunkedFit(Perceptron(random_state=0), chunk_size=40)
    for copied in (copy.copy(wrapper), copy.deepcopy(wrapper), clone(wrapper)):
        assert not hasattr(copied, "estimator_")
    wrapper.fit(X, y)
    assert state_of(copy.deepcopy(wrapper).coef_) == state_of(wrapper.coef_)
    assert not hasattr(clone(wrapper), "estimator_")


def test_counting_estimators_take_counts(on_disk):
    counts = np.random.default_rng(0).integers(0, 9, (90, 6), dtype=np.uint8)
    y = np.arange(90) % 3
    wrapper = ChunkedFit(MultinomialNB(), chunk_size=40).fit(on_disk(counts), y)
    np.testing.assert_array_equal(
        wrapper.feature_count_, MultinomialNB().fit(counts, y).feature_count_
    )
