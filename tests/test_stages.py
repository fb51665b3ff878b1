"""Pipelines, against the same steps trained one by one."""

import itertools
import pickle

import numpy as np
import pytest
import sklearn
from helpers import EXHAUSTIVE, Listener, hand_loop, needs_sklearn_1_9, raises
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import IncrementalPCA
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    LabelBinarizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection

from skmmap import ChunkedFit, Rows, open_rows, register
from skmmap.estimators import find_own_entries

rng = np.random.default_rng(0)
X = rng.normal(3, 2, (400, 6)).astype(np.float32)
y = (X[:, 0] + X[:, 1] > 6).astype(int)
weights = rng.uniform(0.5, 2, 400)


def sgd(**params):
    return SGDClassifier(random_state=0, **{"max_iter": 3, "tol": None} | params)


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "X.npy", X)
    return tmp_path / "X.npy"


PIPELINES = {
    "scaled": make_pipeline(StandardScaler(), sgd()),
    "squares": make_pipeline(
        MinMaxScaler(), PolynomialFeatures(2), sgd(loss="log_loss")
    ),
    "kernel": make_pipeline(
        StandardScaler(), RBFSampler(n_components=9, random_state=0), sgd()
    ),
    "components": make_pipeline(
        StandardScaler(),
        IncrementalPCA(3),
        GaussianRandomProjection(2, random_state=0),
        GaussianNB(),
    ),
    "network": make_pipeline(
        MaxAbsScaler(), MLPClassifier((4,), max_iter=2, random_state=0)
    ),
    "selected": make_pipeline(SelectFromModel(sgd()), sgd()),
    "nested": make_pipeline(
        make_pipeline(StandardScaler(), MinMaxScaler()),
        make_pipeline(MaxAbsScaler(), sgd()),
    ),
    "passed on": Pipeline(
        [("a", "passthrough"), ("b", StandardScaler()), ("c", sgd())]
    ),
    "one step": make_pipeline(sgd()),
}


PARAMS = [
    {},
    {"shuffle": False, "max_epochs": 2},
    {"memory_limit": "40kB"},
    {"n_jobs": 2},
]


def wrap(estimator, **params):
    return ChunkedFit(estimator, **{"chunk_size": 50, "random_state": 0} | params)


def train_one_by_one(pipeline, rows, **params):
    """Train each step on what the steps before it have written into memory."""
    *steps, last = list_steps(pipeline)
    trained = []
    for step in steps:
        if isinstance(step, str):
            continue
        if hasattr(step, "partial_fit"):
            step = wrap(step, **params | {"max_epochs": "auto"}).fit(rows, y).estimator_
        else:
            seed = {"random_state": 0} if "random_state" in step.get_params() else {}
            step = clone(step).set_params(**seed).fit(rows)
        rows = step.transform(rows)
        trained.append(step)
    return trained, wrap(last, **params).fit(rows, y), rows


def list_steps(pipeline):
    if not isinstance(pipeline, Pipeline):
        return [pipeline]
    return [step for _, inner in pipeline.steps for step in list_steps(inner)]


def get_learned(estimator):
    """Return arrays and numbers, which are those of the estimator's own ``fit``."""
    kinds = np.ndarray, np.number, int, float
    return {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and isinstance(value, kinds)
    }


def assert_same(one, other):
    one, other = get_learned(one), get_learned(other)
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("name", "params"),
    [*itertools.product(PIPELINES, PARAMS)]
    if EXHAUSTIVE
    else [*zip(PIPELINES, itertools.cycle(PARAMS), strict=False)],
    ids=str,
)
def test_each_step_is_as_if_it_were_trained_alone(path, name, params):
    pipeline = PIPELINES[name]
    model = wrap(pipeline, **params).fit(path, y)
    trained, last, rows = train_one_by_one(pipeline, X, **params)
    found = [step for step in list_steps(model.estimator_) if not isinstance(step, str)]
    for step, expected in zip(found, [*trained, last.estimator_], strict=True):
        assert_same(step, expected)
    np.testing.assert_array_equal(model.predict(path), last.predict(rows))
    assert model.score(path, y) == last.score(rows, y)
    assert model.history_["loss"] == pytest.approx(last.history_["loss"], nan_ok=True)
    assert model.n_epochs_ == last.n_epochs_


def test_what_is_fitted_is_a_pipeline_of_scikit_learn(path):
    model = wrap(PIPELINES["squares"]).fit(path, y)
    plain = pickle.loads(pickle.dumps(model.estimator_))
    assert type(plain) is Pipeline
    np.testing.assert_array_equal(plain.predict(X), model.predict(path))
    np.testing.assert_allclose(
        plain.predict_proba(X), model.predict_proba(path), rtol=1e-4
    )  # of float32, multiplied in other pieces
    assert not hasattr(PIPELINES["squares"][0], "min_")  # the user's own is a template
    assert model.n_features_in_ == 6
    assert model.classes_.tolist() == [0, 1]


def test_in_file_order_it_is_the_loop_by_hand(path):
    model = wrap(PIPELINES["scaled"], shuffle=False, max_epochs=1).fit(path, y)
    scaler = hand_loop(StandardScaler(), X, None, 50)
    np.testing.assert_allclose(model.estimator_[0].var_, scaler.var_, rtol=1e-12)
    loop = hand_loop(sgd(), model.estimator_[0].transform(X), y, 50)
    np.testing.assert_array_equal(model.estimator_[1].coef_, loop.coef_)


def test_texts(tmp_path):
    texts = [" ".join(rng.choice(["good", "bad", "song"], 3)) for _ in range(300)]
    labels = np.array(["good" in text for text in texts])
    pipeline = make_pipeline(HashingVectorizer(n_features=64), sgd())
    model = wrap(pipeline).fit(texts, labels)
    assert model.score(texts, labels) > 0.95
    assert model.predict(["good good good", "bad bad bad"]).tolist() == [True, False]


def test_images(tmp_path):
    images = X[:, :4].reshape(-1, 2, 2)
    model = wrap(PIPELINES["scaled"]).fit(images, y)
    flat = wrap(PIPELINES["scaled"]).fit(X[:, :4], y)
    assert_same(model.estimator_[1], flat.estimator_[1])
    np.testing.assert_array_equal(model.predict(images), flat.predict(X[:, :4]))


def test_results_in_a_file(path, tmp_path):
    pipeline = make_pipeline(StandardScaler(), PolynomialFeatures(2))
    model = wrap(pipeline).fit(path)
    written = model.transform(path, out=tmp_path / "Z.npy")
    np.testing.assert_array_equal(written, model.estimator_.transform(X))
    assert model.get_feature_names_out(list("abcdef"))[1] == "a"


def test_feature_names_and_frames(path):
    frame = pytest.importorskip("pandas").DataFrame(X, columns=list("abcdef"))
    pipeline = make_pipeline(
        StandardScaler(), PolynomialFeatures(2, include_bias=False)
    )
    model = wrap(pipeline).set_output(transform="pandas").fit(frame)
    expected = clone(pipeline).set_output(transform="pandas").fit(frame)
    found = model.transform(frame)
    assert found.columns.tolist() == expected.transform(frame).columns.tolist()
    assert model.estimator_[1].feature_names_in_.tolist() == list("abcdef")
    assert model.feature_names_in_.tolist() == list("abcdef")


def test_names_of_columns_in_a_file_warn_of_nothing(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pytest.importorskip("pandas").DataFrame(X, columns=list("abcdef"))
    frame.to_parquet(tmp_path / "X.parquet")
    rows = open_rows(tmp_path / "X.parquet")
    some = make_column_transformer((StandardScaler(), slice(0, 4)))
    for pipeline in (
        PIPELINES["scaled"],
        make_pipeline(PolynomialFeatures(2), sgd()),
        make_pipeline(some, sgd()),
    ):
        model = wrap(pipeline).fit(rows, y)
        assert model.feature_names_in_.tolist() == list("abcdef")
        np.testing.assert_array_equal(
            model.predict(rows), wrap(pipeline).fit(X, y).predict(X)
        )


def test_weights_are_for_the_last_step_or_for_the_one_that_is_named(path):
    pipeline = PIPELINES["scaled"]
    plain = wrap(pipeline).fit(path, y, sample_weight=weights)
    np.testing.assert_allclose(plain.estimator_[0].mean_, X.mean(axis=0), rtol=1e-6)
    scaled = StandardScaler().fit(X, sample_weight=weights)
    named = wrap(pipeline).fit(path, y, standardscaler__sample_weight=weights)
    np.testing.assert_allclose(named.estimator_[0].mean_, scaled.mean_, rtol=1e-6)
    alone = wrap(sgd()).fit(plain.estimator_[0].transform(X), y, sample_weight=weights)
    np.testing.assert_array_equal(plain.estimator_[1].coef_, alone.coef_)


@pytest.mark.parametrize(
    ("pipeline", "prefix"),
    [
        (PIPELINES["scaled"], ""),
        (make_pipeline(MinMaxScaler(), PIPELINES["scaled"]), "pipeline__"),
    ],
)
def test_weights_are_given_once(path, pipeline, prefix):
    both = {"sample_weight": weights, f"{prefix}sgdclassifier__sample_weight": weights}
    text = (
        "fit got sample_weight and sgdclassifier__sample_weight, which are both for "
        "the last step."
    )
    with raises(TypeError, text):
        wrap(pipeline).fit(path, y, **both)


def test_weights_by_routing(path):
    scaler = StandardScaler()
    with sklearn.config_context(enable_metadata_routing=True):
        scaler.set_partial_fit_request(sample_weight=True)
        last = sgd().set_partial_fit_request(sample_weight=False)
        model = wrap(make_pipeline(scaler, PolynomialFeatures(1), last))
        model.fit(path, y, sample_weight=weights)
        expected = wrap(make_pipeline(StandardScaler(), PolynomialFeatures(1), sgd()))
    expected.fit(path, y, standardscaler__sample_weight=weights)
    for step, other in zip(model.estimator_, expected.estimator_, strict=True):
        assert_same(step, other)


def test_held_out_rows_go_through_the_steps(path):
    pipeline = make_pipeline(StandardScaler(), sgd(max_iter=6, n_iter_no_change=2))
    model = wrap(pipeline).fit(path, y, X_val=X[:90], y_val=y[:90])
    scaler = model.estimator_[0]
    last = wrap(pipeline[1])
    last.fit(scaler.transform(X), y, X_val=scaler.transform(X[:90]), y_val=y[:90])
    assert model.history_["score"] == last.history_["score"]
    explained = str(model.explain(path, y, X_val=X[:90], y_val=y[:90]))
    assert "90 rows, scored after each epoch" in explained


def test_further_rows_train_the_last_step(path):
    pipeline = PIPELINES["scaled"]
    model = wrap(pipeline).partial_fit(path, y)
    mean, steps = model.estimator_[0].mean_.copy(), model.estimator_[1].t_
    model.partial_fit(X + 1, y)
    np.testing.assert_array_equal(model.estimator_[0].mean_, mean)
    assert model.estimator_[1].t_ == steps + 400
    again = wrap(sgd()).partial_fit(model.estimator_[0].transform(X), y)
    again.partial_fit(model.estimator_[0].transform(X + 1), y)
    np.testing.assert_array_equal(model.estimator_[1].coef_, again.coef_)


def test_a_pipeline_that_is_fitted_is_copied():
    fitted = clone(PIPELINES["scaled"]).fit(X, y)
    coef = fitted[1].coef_.copy()
    model = ChunkedFit(fitted)
    np.testing.assert_array_equal(model.predict(X), fitted.predict(X))
    model.partial_fit(X, y)
    np.testing.assert_array_equal(fitted[1].coef_, coef)
    assert not np.array_equal(model.estimator_[1].coef_, coef)
    np.testing.assert_array_equal(model.estimator_[0].mean_, fitted[0].mean_)


def test_a_warm_start_goes_on(path):
    pipeline = make_pipeline(StandardScaler(), sgd(warm_start=True))
    model = wrap(pipeline).fit(path, y)
    before = model.estimator_[1].coef_.copy()
    last = wrap(pipeline[1]).fit(model.estimator_[0].transform(X), y)
    last.fit(model.estimator_[0].transform(X), y)
    model.fit(path, y)
    assert not np.array_equal(model.estimator_[1].coef_, before)
    np.testing.assert_array_equal(model.estimator_[1].coef_, last.coef_)


def test_searches_over_nested_parameters(path):
    model = wrap(PIPELINES["kernel"])
    grid = {
        "estimator__sgdclassifier__alpha": [1e-4, 1e-1],
        "estimator__rbfsampler__gamma": [0.01, 10],
    }
    search = GridSearchCV(model, grid, cv=3).fit(open_rows(path), y)
    loaded = GridSearchCV(model, grid, cv=3).fit(X, y)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], loaded.cv_results_["mean_test_score"]
    )


def test_cross_validation_by_processes(path):
    model, rows = wrap(PIPELINES["scaled"]), open_rows(path)
    scores = cross_val_score(model, rows, y, cv=3, n_jobs=2)
    np.testing.assert_array_equal(scores, cross_val_score(model, X, y, cv=3))


def test_pipelines_of_wrappers_load_nothing(path, monkeypatch):
    """Each step is wrapped, and `transform` of Rows gives Rows."""

    def refuse(self, *args, **kwargs):
        raise AssertionError("X was loaded")

    monkeypatch.setattr(Rows, "__array__", refuse)
    rows = open_rows(path)
    pipeline = make_pipeline(wrap(MinMaxScaler()), wrap(sgd())).fit(rows, y)
    model = wrap(make_pipeline(MinMaxScaler(), sgd())).fit(rows, y)
    np.testing.assert_array_equal(pipeline.predict(rows), model.predict(rows))
    assert_same(pipeline[1].estimator_, model.estimator_[1])


def test_transformed_rows_are_of_the_estimator_as_it_was(path):
    scaler = wrap(StandardScaler()).fit(path)
    rows = scaler.transform(open_rows(path))
    expected = scaler.estimator_.transform(X)
    scaler.partial_fit(X + 5)
    np.testing.assert_array_equal(rows.copy(), expected)


class Doubler(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return 2 * X


def test_a_step_that_is_frozen_stays_as_it_is(path):
    scaler = StandardScaler().fit(X + 1)
    model = wrap(make_pipeline(FrozenEstimator(scaler), sgd())).fit(path, y)
    alone = wrap(sgd()).fit(scaler.transform(X), y)
    np.testing.assert_array_equal(model.estimator_[1].coef_, alone.estimator_.coef_)


def test_a_transformer_of_the_users_own(path):
    pipeline = make_pipeline(Doubler(), sgd())
    with pytest.raises(TypeError, match="Doubler has none"):
        wrap(pipeline).fit(path, y)
    register(Doubler, stateless=True)
    model = wrap(pipeline).fit(path, y)
    np.testing.assert_array_equal(
        model.estimator_[1].coef_, wrap(sgd()).fit(2 * X, y).coef_
    )
    assert find_own_entries(pipeline).keys() == {f"{__name__}.Doubler"}


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (PowerTransformer(), "ChunkedFit needs an estimator with a partial_fit method"),
        (LabelBinarizer(), "LabelBinarizer is for y, and a step gets X"),
        (sgd(), "SGDClassifier has none"),
    ],
)
def test_a_step_that_cannot_be_trained_is_refused_before_anything_is_read(step, reason):
    pipeline = Pipeline([("first", StandardScaler()), ("it", step), ("last", sgd())])
    with pytest.raises(TypeError, match=reason) as caught:
        wrap(pipeline).fit("nowhere.npy", y)
    assert caught.value.__notes__ == ["This is about the step 'it' of the Pipeline."]


def test_a_memory_is_refused():
    text = (
        "memory='cache' of the Pipeline would store whole arrays of transformed rows. "
        "Set memory=None; a step is trained once in each fit."
    )
    with raises(ValueError, text):
        wrap(make_pipeline(StandardScaler(), sgd(), memory="cache")).fit(X, y)


class Untouched(StandardScaler):
    def partial_fit(self, X, y=None, sample_weight=None):
        raise AssertionError("it was trained")


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (y[:-1], "X has 400 rows and y has 399; they must have the same number."),
        (np.where(X[:, 0] < 3, np.nan, 1), "y"),
        (None, "requires y to be passed"),
    ],
)
def test_a_wrong_target_is_refused_before_a_step_is_trained(path, target, text):
    with pytest.raises(ValueError, match=text):
        wrap(make_pipeline(Untouched(), sgd())).fit(path, target)


def test_an_error_names_the_step_and_the_rows(path):
    bad = X.copy()
    bad[123, 2] = np.inf
    model = wrap(PIPELINES["scaled"]).fit(path, y)
    before = model.estimator_
    with pytest.raises(ValueError, match="infinity") as caught:
        model.fit(bad, y)
    notes = " ".join(caught.value.__notes__)
    assert "123" in notes
    assert "the step 'standardscaler', a StandardScaler" in notes
    assert model.estimator_ is before


def test_ctrl_c_keeps_the_epochs_that_are_complete(path):
    class Interrupted(SGDClassifier):
        def partial_fit(self, X, y, classes=None, sample_weight=None):
            if getattr(self, "t_", 0) > 700:
                raise KeyboardInterrupt
            return super().partial_fit(X, y, classes, sample_weight)

    last = Interrupted(max_iter=5, tol=None, random_state=0)
    model = wrap(make_pipeline(StandardScaler(), last))
    with pytest.raises(KeyboardInterrupt), pytest.warns(UserWarning, match="1 of 5"):
        model.fit(path, y)
    assert model.n_epochs_ == 1
    assert model.predict(path).shape == (400,)


def test_a_file_that_is_replaced_between_two_steps_is_noticed(path):
    other = path.with_name("other.npy")
    np.save(other, X + 1)

    class Replacing(StandardScaler):
        def transform(self, X):
            if other.exists():
                other.replace(path)
            return super().transform(X)

    with pytest.raises(ValueError, match="was replaced since it was opened"):
        wrap(make_pipeline(Replacing(), sgd())).fit(path, y)


def test_a_file_that_is_written_to_between_two_steps_is_noticed(path):
    class Writing(StandardScaler):
        calls = 0

        def transform(self, X):
            self.calls += 1
            if self.calls == 1:
                rows = np.load(path, mmap_mode="r+")
                rows[0] += 1
                rows.flush()
            return super().transform(X)

    with pytest.raises(ValueError, match="was written again since it was opened"):
        wrap(make_pipeline(Writing(), sgd())).fit(path, y)


def test_each_step_has_a_seed_of_its_own(path):
    kernel = RBFSampler(n_components=4)
    model = wrap(make_pipeline(kernel, kernel, sgd())).fit(path, y)
    seeds = [step.random_state for step in model.estimator_]
    assert len(set(seeds)) == 3
    again = wrap(make_pipeline(kernel, kernel, sgd())).fit(path, y)
    assert [step.random_state for step in again.estimator_] == seeds


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (make_pipeline(StandardScaler(), sgd()), sgd()),
        (sgd(), make_pipeline(StandardScaler(), sgd())),
        (make_pipeline(StandardScaler(), sgd()), make_pipeline(MinMaxScaler(), sgd())),
    ],
)
def test_other_steps_are_not_trained_further(before, after):
    model = wrap(before).fit(X, y).set_params(estimator=after)
    text = (
        "The estimator of ChunkedFit has other steps than what was trained, which "
        "partial_fit would train further. Call fit."
    )
    with raises(ValueError, text):
        model.partial_fit(X, y)
    model.fit(X, y).partial_fit(X, y)


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ("passthrough", "'passthrough'"),
        (PolynomialFeatures(), "PolynomialFeatures"),
        (OneHotEncoder(), "OneHotEncoder"),
    ],
)
def test_parameters_that_a_step_does_not_take(step, kind):
    model = wrap(Pipeline([("first", step), ("last", sgd())]))
    text = f"fit got sample_weight for {kind}, which takes no such parameter."
    with raises(TypeError, text):
        model.fit(X.round(), y, first__sample_weight=weights)


def test_an_empty_pipeline():
    with raises(ValueError, "The pipeline is empty. Please add steps."):
        wrap(Pipeline([])).fit(X, y)


def test_explain_says_the_steps_and_the_plan_of_the_last(path):
    model = wrap(PIPELINES["squares"])
    explanation = model.explain(path, y)
    assert explanation.title.startswith(
        "ChunkedFit(Pipeline: SGDClassifier) on 400 x 28 float32"
    )
    steps = {k: v for k, v in explanation.sections.items() if k.startswith("step")}
    assert steps == {
        "step minmaxscaler": "MinMaxScaler, learns before the last step",
        "step polynomialfeatures": "PolynomialFeatures, learns no values",
    }
    assert explanation.sections["passes"] == (
        "1. MinMaxScaler; then those of the last step"
    )
    assert explanation.sections["epochs"] == "3 (max_iter of the estimator)"
    assert explanation.title.endswith(", after 2 steps")
    assert not hasattr(model, "estimator_")


def test_explain_draws_no_random_numbers(path):
    model = ChunkedFit(PIPELINES["kernel"]).set_params(
        estimator__rbfsampler__random_state=None
    )
    kernel = clone(model.estimator[1])
    np.random.seed(0)
    model.explain(path, y)
    ChunkedFit(kernel).explain(path)
    ChunkedFit(make_pipeline(StandardScaler(), kernel)).explain(path)
    assert np.random.randint(2**31 - 1) == np.random.RandomState(0).randint(2**31 - 1)


@needs_sklearn_1_9
def test_callbacks_are_told_of_the_last_step(path):
    alone, within = Listener(), Listener()
    pipeline = PIPELINES["scaled"]
    model = wrap(pipeline).set_callbacks(within).fit(path, y)
    wrap(sgd()).set_callbacks(alone).fit(model.estimator_[0].transform(X), y)
    assert within.events == alone.events


def test_regression(path):
    target = X @ np.arange(6.0)
    pipeline = make_pipeline(StandardScaler(), SGDRegressor(random_state=0))
    model = ChunkedFit(pipeline, random_state=0).fit(path, target)
    assert model.score(path, target) > 0.99


def test_verbose_names_what_learns_in_each_pass(path, capsys):
    union = make_union(StandardScaler(), MinMaxScaler())
    pipeline = make_pipeline(union, IncrementalPCA(2), sgd())
    wrap(pipeline, verbose=1).fit(path, y)
    lines = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "[ChunkedFit] fit of StandardScaler, MinMaxScaler",
        "[ChunkedFit] fit of IncrementalPCA",
        "[ChunkedFit] fit",
    ]
