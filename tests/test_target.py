"""TransformedTargetRegressor, against the regressor on the transformed target."""

import numpy as np
import pytest
from helpers import raises
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression, SGDRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skmmap import ChunkedFit, open_rows

X = np.random.default_rng(0).normal(size=(400, 3))
y = np.exp(X @ [1.0, 2, 3] / 4)
MLP = MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, random_state=0)
sgd = SGDRegressor(max_iter=4, tol=None, random_state=0)


def wrap(estimator):
    return ChunkedFit(estimator, chunk_size=50, random_state=0)


def regressor(**params):
    return TransformedTargetRegressor(sgd, **params)


WAYS = {
    "functions": ({"func": np.log, "inverse_func": np.exp}, np.log(y)),
    "transformer": (
        {"transformer": StandardScaler()},
        StandardScaler().fit_transform(y[:, None])[:, 0],
    ),
    "neither": ({}, y),
}


@pytest.fixture
def paths(tmp_path):
    for name, array in (("X", X), ("y", y)):
        np.save(tmp_path / f"{name}.npy", array)
    return tmp_path / "X.npy", tmp_path / "y.npy"


@pytest.mark.parametrize(("params", "target"), WAYS.values(), ids=WAYS)
def test_it_is_the_regressor_of_the_transformed_target(paths, params, target):
    model = wrap(regressor(**params)).fit(*paths)
    alone = wrap(sgd).fit(X, target)
    np.testing.assert_allclose(
        model.estimator_.regressor_.coef_, alone.estimator_.coef_, rtol=1e-10
    )
    fitted = clone(model.estimator).fit(X, y)
    assert vars(model.estimator_).keys() == vars(fitted).keys()
    assert type(model.estimator_.transformer_) is type(fitted.transformer_)
    np.testing.assert_array_equal(model.predict(paths[0]), model.estimator_.predict(X))
    expected = model.estimator_.transformer_.inverse_transform(
        alone.predict(X)[:, None]
    )
    np.testing.assert_allclose(model.predict(X), expected[:, 0], rtol=1e-10)
    assert model.score(*paths) == pytest.approx(model.estimator_.score(X, y))
    assert len(model.history_["rows"]) == 4


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_several_targets():
    targets = np.c_[y, -y]
    model = wrap(TransformedTargetRegressor(MLP, transformer=MinMaxScaler()))
    model.fit(X, targets)
    scaled = MinMaxScaler().fit_transform(targets)
    alone = wrap(MLP).fit(X, scaled)
    np.testing.assert_array_equal(
        model.estimator_.regressor_.coefs_[0], alone.estimator_.coefs_[0]
    )
    assert model.predict(X).shape == targets.shape


def test_in_pipelines(paths):
    inside = make_pipeline(StandardScaler(), regressor(**WAYS["functions"][0]))
    around = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), sgd), **WAYS["functions"][0]
    )
    expected = wrap(make_pipeline(StandardScaler(), sgd)).fit(X, np.log(y)).predict(X)
    for pipeline in (inside, around):
        model = wrap(pipeline).fit(*paths)
        np.testing.assert_allclose(model.predict(paths[0]), np.exp(expected))
        explained = model.explain(*paths).sections
        assert (
            explained["target"] == "transformed by FunctionTransformer, as it is read"
        )


def test_weights_and_held_out_rows(paths):
    weights = np.linspace(0, 1, len(y))
    params, target = WAYS["functions"]
    held_out = {"X_val": X[:50], "sample_weight": weights}
    model = wrap(regressor(**params)).fit(*paths, y_val=y[:50], **held_out)
    alone = wrap(sgd).fit(X, target, y_val=target[:50], **held_out)
    assert model.history_["score"] == alone.history_["score"]


@pytest.mark.parametrize(
    ("estimator", "error", "text"),
    [
        (
            TransformedTargetRegressor(),
            TypeError,
            "TransformedTargetRegressor with regressor=None trains LinearRegression, "
            "which has no partial_fit. Give SGDRegressor() or another one that has.",
        ),
        (
            regressor(transformer=StandardScaler(), func=np.log),
            ValueError,
            "'transformer' and functions 'func'/'inverse_func' cannot both be set.",
        ),
    ],
)
def test_what_is_refused(estimator, error, text):
    with raises(error, text):
        wrap(estimator).fit(X, y)


def test_a_member_that_cannot_be_trained_is_named():
    with pytest.raises(TypeError, match="LinearRegression has none") as caught:
        wrap(TransformedTargetRegressor(LinearRegression())).fit(X, y)
    assert caught.value.__notes__ == [
        "This is about the step 'regressor' of the TransformedTargetRegressor."
    ]


def test_a_target_is_needed_and_has_a_row_for_each():
    text = "This TransformedTargetRegressor estimator requires y to be passed, but the "
    with raises(ValueError, text + "target y is None."):
        wrap(regressor()).fit(X)
    text = "X has 400 rows and y has 399; they must have the same number."
    with raises(ValueError, text):
        wrap(regressor()).fit(X, y[:-1])


def test_functions_that_do_not_undo_one_another_are_warned_of():
    with pytest.warns(UserWarning, match="not strictly inverse of each other"):
        wrap(regressor(func=np.log, inverse_func=np.tanh)).fit(X, y)


def test_on_rows_nothing_is_loaded(paths):
    rows, target = open_rows(paths[0])[::2], open_rows(paths[1])[::2]
    params, logs = WAYS["functions"]
    model = wrap(regressor(**params)).fit(rows, target)
    alone = wrap(sgd).fit(X[::2], logs[::2])
    np.testing.assert_array_equal(
        model.estimator_.regressor_.coef_, alone.estimator_.coef_
    )
