"""Cross-validation and curves are scikit-learn's, bit for bit, with one reading."""

import inspect

import numpy as np
import pytest
from helpers import raises, state_of
from sklearn import config_context, model_selection
from sklearn.base import clone
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GroupKFold, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmmap
from skmmap import ChunkedFit, open_rows

N_ROWS = 400
rng = np.random.default_rng(0)
X = rng.normal(size=(N_ROWS, 4)).astype(np.float32)
y = (X[:, 0] + rng.normal(size=N_ROWS) > 0).astype(int)
WEIGHTS = rng.random(N_ROWS)
GROUPS = np.arange(N_ROWS) // 40 % 7
SGD = SGDClassifier(random_state=0, max_iter=3, tol=None)
MODELS = {
    "sgd": ChunkedFit(SGD, chunk_size=50),
    "held out": ChunkedFit(
        SGDClassifier(random_state=0, max_iter=6, early_stopping=True), chunk_size=50
    ),
    "bayes": ChunkedFit(GaussianNB(), chunk_size=50),
    "k-means": ChunkedFit(MiniBatchKMeans(3, random_state=0, max_iter=3)),
    "pipeline inside": ChunkedFit(
        make_pipeline(StandardScaler(), SGD), chunk_size=50, random_state=0
    ),
    "inside a pipeline": make_pipeline(
        StandardScaler(), ChunkedFit(SGD, chunk_size=50)
    ),
}
NAMES = [
    "cross_validate",
    "cross_val_score",
    "cross_val_predict",
    "learning_curve",
    "validation_curve",
]
VALUES = {"param_name": "estimator__alpha", "param_range": [1e-4, 1e-2, 1.0]}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class CountedRows:
    """Rows of a container, which counts how many of them are read."""

    def __init__(self, rows):
        self.rows, self.n_read = rows, 0
        self.shape, self.dtype, self.ndim = rows.shape, rows.dtype, rows.ndim

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, key):
        found = self.rows[key]
        self.n_read += len(found)
        return found


@pytest.fixture
def paths(tmp_path):
    """Return the paths of X, y, weights and groups."""
    arrays = {"X": X, "y": y, "sample_weight": WEIGHTS, "groups": GROUPS}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    return {name: tmp_path / f"{name}.npy" for name in arrays}


def call_both(name, model, *rows, n_jobs=2, **given):
    """Return what the function gives for rows, and what scikit-learn's gives."""
    one = getattr(skmmap, name)(model, *rows, n_jobs=n_jobs, **given)
    opened = [row if row is None else open_rows(row) for row in rows]
    return one, getattr(model_selection, name)(model, *opened, **given)


def assert_same(one, other):
    """Check that results are the same, but for times."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            if not key.endswith("_time"):
                assert_same(one[key], other[key])
    elif isinstance(one, tuple | list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif hasattr(one, "get_params"):
        assert state_of(one) == state_of(other)
    else:
        np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        *((kind, "512MB") for kind in MODELS if kind != "held out"),
        ("held out", "20kB"),
        ("bayes", "9kB"),
    ],
)
@pytest.mark.filterwarnings("ignore:memory_limit")
def test_cross_validate(kind, limit, paths):
    name = "chunkedfit__memory_limit" if kind.startswith("inside") else "memory_limit"
    model = clone(MODELS[kind]).set_params(**{name: limit})
    cv = KFold(3) if kind == "bayes" else KFold(3, shuffle=True, random_state=0)
    both = call_both(
        "cross_validate",
        model,
        paths["X"],
        None if kind == "k-means" else paths["y"],
        # Sums of k-means round as its threads divide them: here, one or all of them.
        n_jobs=None if kind == "k-means" else 2,
        cv=cv,
        return_train_score=True,
        return_estimator=True,
        return_indices=True,
    )
    assert_same(*both)
    assert len(both[0]["estimator"]) == 3


def test_several_scores():
    given = {"scoring": ["accuracy", "roc_auc"], "cv": 2, "return_train_score": True}
    both = call_both("cross_validate", MODELS["sgd"], X, y, **given)
    assert_same(*both)
    assert "train_roc_auc" in both[0]
    both = call_both("cross_val_score", MODELS["sgd"], X, y, scoring="roc_auc", cv=3)
    assert_same(*both)


@pytest.mark.parametrize("name", NAMES)
def test_weights_and_groups_of_files(name, paths):
    own = {"validation_curve": VALUES, "learning_curve": {"train_sizes": [0.2, 1.0]}}
    given = {"cv": GroupKFold(3), **own.get(name, {})}
    model = MODELS["sgd"]
    one = getattr(skmmap, name)(
        model,
        paths["X"],
        paths["y"],
        groups=paths["groups"],
        params={"sample_weight": paths["sample_weight"]},
        **given,
    )
    rows = open_rows(X), open_rows(y)
    given |= {"groups": GROUPS, "params": {"sample_weight": WEIGHTS}}
    other = getattr(model_selection, name)(model, *rows, **given)
    assert_same(one, other)
    if name == "cross_val_score":
        given.pop("params")
        unweighted = model_selection.cross_val_score(model, *rows, **given)
        assert not np.array_equal(one, unweighted)


def test_groups_by_routing(paths):
    asked = SGDClassifier(random_state=0, max_iter=2, tol=None)
    with config_context(enable_metadata_routing=True):
        asked.set_partial_fit_request(sample_weight=True)
        asked.set_score_request(sample_weight=True)
        model, cv = ChunkedFit(asked, chunk_size=50), GroupKFold(3)
        names = "sample_weight", "groups"
        given = {"cv": cv, "params": {name: paths[name] for name in names}}
        one = skmmap.cross_validate(model, paths["X"], paths["y"], **given)
        given["params"] = {"sample_weight": WEIGHTS, "groups": GROUPS}
        rows = open_rows(X), open_rows(y)
        other = model_selection.cross_validate(model, *rows, **given)
    assert_same(one, other)


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_predictions_of_each_row(method, paths):
    rows = paths["X"], paths["y"]
    given = {"cv": KFold(4, shuffle=True, random_state=1), "method": method}
    both = call_both("cross_val_predict", MODELS["bayes"], *rows, **given)
    assert_same(*both)
    assert len(both[0]) == N_ROWS


@pytest.mark.parametrize("is_incremental", [False, True])
@pytest.mark.parametrize("kind", ["sgd", "bayes"])
def test_learning_curve(kind, is_incremental, paths):
    given = {"train_sizes": [30, 110, 190], "cv": 2}
    given |= {"exploit_incremental_learning": is_incremental}
    for more in ({}, {"shuffle": True, "random_state": 0, "return_times": True}):
        rows = paths["X"], paths["y"]
        one, other = call_both("learning_curve", MODELS[kind], *rows, **given, **more)
        assert len(one) == len(other) == (5 if more else 3)
        assert_same(one[:3], other[:3])


@pytest.mark.parametrize(
    ("kind", "param_name", "param_range"),
    [
        ("sgd", "estimator__alpha", [1e-5, 1.0]),
        ("bayes", "chunk_size", [20, 70]),
        ("pipeline inside", "estimator__standardscaler__with_mean", [False, True]),
        ("inside a pipeline", "chunkedfit__estimator__alpha", [1e-5, 1e-1]),
    ],
)
def test_validation_curve(kind, param_name, param_range, paths):
    given = {"param_name": param_name, "param_range": param_range, "cv": 2}
    rows = paths["X"], paths["y"]
    assert_same(*call_both("validation_curve", MODELS[kind], *rows, **given))


def test_rows_are_read_once_for_all_models():
    counted, model = CountedRows(X), ChunkedFit(SGD, chunk_size=50)
    rows = open_rows(counted)
    for function, given in [
        (skmmap.cross_validate, {}),
        (skmmap.learning_curve, {"train_sizes": [0.5, 1.0]}),
        (skmmap.validation_curve, VALUES),
        (skmmap.cross_val_predict, {}),
    ]:
        counted.n_read = 0
        function(model, rows, y, cv=3, n_jobs=1, **given)
        assert counted.n_read == N_ROWS


@pytest.mark.filterwarnings("ignore:memory_limit")
def test_rows_that_do_not_fit_are_read_once_for_each_fold():
    counted = CountedRows(X)
    rows, n_read = open_rows(counted), []
    model = ChunkedFit(SGD, chunk_size=50, memory_limit="6kB")
    for function in (skmmap.validation_curve, model_selection.validation_curve):
        counted.n_read = 0
        function(model, rows, y, cv=2, **VALUES)
        n_read.append(counted.n_read)
    assert n_read[1] >= 2.5 * n_read[0]


def test_a_model_that_cannot_be_fitted():
    bad, text = ChunkedFit(SGDClassifier(alpha=-1.0)), "'alpha' parameter of"
    values = {"param_name": "estimator__alpha", "param_range": [1e-4, -1.0]}
    _, test = skmmap.validation_curve(MODELS["sgd"], X, y, cv=2, **values)
    np.testing.assert_array_equal(np.isnan(test).all(axis=1), [False, True])
    with pytest.raises(ValueError, match=text):
        skmmap.cross_validate(bad, X, y, error_score="raise")
    with pytest.raises(ValueError, match=text):
        skmmap.cross_val_predict(bad, X, y)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_scikit_learn(name):
    own = inspect.signature(getattr(skmmap, name)).parameters
    theirs = inspect.signature(getattr(model_selection, name)).parameters
    left_out = {"pre_dispatch", "fit_params"}
    assert list(own) == [key for key in theirs if key not in left_out]
    for key, parameter in own.items():
        assert parameter.kind == theirs[key].kind, key
        np.testing.assert_array_equal(parameter.default, theirs[key].default, key)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_refused(name):
    function = getattr(skmmap, name)
    given = {"param_name": "alpha", "param_range": [1.0]}
    given = given if name == "validation_curve" else {}
    text = (
        f"{name} trains ChunkedFit on chunks of rows, and SGDClassifier is none and "
        f"has none inside. Write {name}(ChunkedFit(SGDClassifier(...)), ...), or use "
        "that of scikit-learn."
    )
    with raises(TypeError, text):
        function(SGDClassifier(), X, y, **given)
    text = (
        f"{name} got groups twice: as groups=... and in params. Leave one of them out; "
        "with metadata routing, give params={'groups': ...}."
    )
    with raises(TypeError, text):
        function(MODELS["sgd"], X, y, groups=GROUPS, params={"groups": 1}, **given)
