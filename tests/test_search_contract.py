"""``ChunkedSearchCV`` has the whole face of scikit-learn's searches."""

import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from dask.array import from_array
from helpers import assert_same_search, needs_sklearn_1_9
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import IncrementalPCA
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_val_score,
)
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from skmmap import ChunkedFit, ChunkedSearchCV, open_rows

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
y = (X[:, 0] + RNG.normal(size=120) > 0).astype(int)
MODEL = ChunkedFit(SGDClassifier(random_state=0, max_iter=3, tol=None), chunk_size=25)
GRID = {"estimator__alpha": [1e-4, 1e-1]}


def search(params=None, *, model=MODEL, grid=GRID, **given):
    return ChunkedSearchCV(model, grid, **{"cv": KFold(3)} | given, **params or {})


def both(*, model=MODEL, grid=GRID, X=X, y=y, fit=None, **given):
    """Return our search and scikit-learn's, with the same of all."""
    given = {"cv": KFold(3)} | given
    rows = open_rows(X), None if y is None else open_rows(y)
    one = ChunkedSearchCV(model, grid, **given).fit(X, y, **fit or {})
    return one, GridSearchCV(model, grid, **given).fit(*rows, **fit or {})


def checks():
    for estimator in SGDClassifier, SGDRegressor:
        model = ChunkedFit(estimator(max_iter=3, random_state=0))
        for wrapper, check in estimator_checks_generator(search(model=model)):
            if estimator is SGDRegressor and "regress" not in check.func.__name__:
                continue  # nothing in it depends on what is predicted
            given = [f"{key}={value}" for key, value in check.keywords.items()]
            name = "-".join([estimator.__name__, check.func.__name__, *given])
            yield pytest.param(wrapper, check, id=name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("wrapper", "check"), list(checks()))
def test_check(wrapper, check):
    check(wrapper)  # there are no exceptions


def kinds(folder):
    """Return X, by the kind of what holds it."""
    np.save(folder / "X.npy", X)
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame.to_parquet(folder / "X.parquet")
    return {
        "list": X.tolist(),
        "frame": frame,
        "sparse": sparse.csr_array(X),
        "path": folder / "X.npy",
        "map": np.load(folder / "X.npy", mmap_mode="r"),
        "rows": open_rows(folder / "X.npy"),
        "parquet": str(folder / "X.parquet"),
        "dask": from_array(X, chunks=(50, 4)),
    }


@pytest.mark.parametrize(
    "kind", ["list", "frame", "sparse", "path", "map", "rows", "parquet", "dask"]
)
def test_kinds_of_rows(kind, tmp_path):
    given = kinds(tmp_path)[kind]
    one, other = both(X=given, y=y.tolist() if kind == "list" else y)
    assert_same_search(one, other)
    assert one.n_features_in_ == 4
    names = [*"abcd"] if kind in ("frame", "parquet") else []
    assert (
        getattr(one, "feature_names_in_", None) is None
        or [*one.feature_names_in_] == names
    )
    assert hasattr(one, "feature_names_in_") == bool(names)
    np.testing.assert_array_equal(one.predict(given), other.predict(given))


REFITS = {
    "by name": "neg_log_loss",
    "by a function": lambda results: int(results["rank_test_acc"].argmax()),
    "not": False,
}


@pytest.mark.parametrize("refit", REFITS)
def test_several_scores(refit):
    scoring = {"acc": "accuracy", "neg_log_loss": "neg_log_loss"}
    model = ChunkedFit(SGDClassifier("log_loss", random_state=0), max_epochs=2)
    given = {"scoring": scoring, "refit": REFITS[refit], "return_train_score": True}
    one, other = both(model=model, **given)
    results = one.cv_results_, other.cv_results_
    assert results[0].keys() == results[1].keys()
    for name in results[0]:
        types = [(type(each[name]), np.asarray(each[name]).dtype) for each in results]
        assert types[0] == types[1]
    assert one.multimetric_
    assert one.scorer_.keys() == scoring.keys()
    if REFITS[refit]:
        assert_same_search(one, other)
        assert hasattr(one, "best_score_") == hasattr(other, "best_score_")
    else:
        assert not hasattr(one, "best_estimator_")
        with pytest.raises(AttributeError, match="no attribute 'predict'"):
            one.predict(X)


METHODS = {
    "predict": SGDClassifier("log_loss"),
    "predict_proba": SGDClassifier("log_loss"),
    "predict_log_proba": SGDClassifier("log_loss"),
    "decision_function": SGDClassifier("log_loss"),
    "score": SGDClassifier("log_loss"),
    "transform": IncrementalPCA(2),
    "inverse_transform": StandardScaler(),
}


def sum_up(model, X, y=None):
    return float(np.sum(np.asarray(model.transform(X))))


@pytest.mark.parametrize("method", METHODS)
def test_methods_and_their_errors_before_fit(method):
    model = ChunkedFit(METHODS[method], random_state=0)
    grid = {"chunk_size": [30, 60]}
    scoring = None if hasattr(model, "score") else sum_up
    given = {"grid": grid, "scoring": scoring, "cv": 2}
    one, other = (
        search(model=model, **given),
        GridSearchCV(model, grid, scoring=scoring),
    )
    for missing in set(METHODS) - {method}:
        assert hasattr(one, missing) == hasattr(other, missing)
    with pytest.raises(Exception, match="not fitted yet") as raised:
        getattr(one, method)(X)
    with pytest.raises(type(raised.value)):
        getattr(other, method)(X)
    one, other = both(model=model, **given)
    more = (y,) if method == "score" else ()
    found = [getattr(each, method)(X, *more) for each in (one, other)]
    np.testing.assert_array_equal(*found)


class Fails(SGDClassifier):
    """Fails in the second chunk, if ``alpha`` is 1."""

    def partial_fit(self, X, y, classes=None):
        if hasattr(self, "coef_") and self.alpha == 1:
            raise ValueError("alpha is 1")
        return super().partial_fit(X, y, classes)


FAILING = {
    "model": ChunkedFit(Fails(random_state=0), chunk_size=25, max_epochs=1),
    "grid": {"estimator__alpha": [1e-3, 1, 1e-2]},
}


def _without_tracebacks(text: str) -> str:
    return re.sub(r'  File ".*?(?=\n\S)', "", text, flags=re.S)


@pytest.mark.parametrize("error_score", [np.nan, -1.0])
def test_some_fits_fail(error_score):
    found = []
    for kind in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if kind:
                rows = open_rows(X), open_rows(y)
                given = {"cv": KFold(3), "error_score": error_score}
                made = GridSearchCV(FAILING["model"], FAILING["grid"], **given)
                made.fit(*rows)
            else:
                made = search(error_score=error_score, **FAILING).fit(X, y)
        texts = {_without_tracebacks(str(each.message)) for each in caught}
        found.append((made, {each.category for each in caught}, texts))
    assert_same_search(found[0][0], found[1][0])
    assert found[0][1:] == found[1][1:]
    assert "3 fits failed out of a total of 9" in str(found[0][2])


@pytest.mark.parametrize("alphas", [[1e-3, 1, 1e-2], [1, 1]])
def test_errors_are_those_of_scikit_learn(alphas):
    given = {"cv": KFold(3), "error_score": "raise" if len(alphas) > 2 else np.nan}
    errors = []
    for kind in ChunkedSearchCV, GridSearchCV:
        made = kind(FAILING["model"], {"estimator__alpha": alphas}, **given)
        with pytest.raises(ValueError, match="alpha is 1") as raised:
            made.fit(open_rows(X), open_rows(y))
        errors.append(raised.value)
    assert _without_tracebacks(str(errors[0])) == _without_tracebacks(str(errors[1]))
    notes = [getattr(error, "__notes__", None) for error in errors]
    assert notes[0] == notes[1]


WEIGHTS = RNG.random(120)
GROUPS = RNG.integers(5, size=120)


def test_weights_and_groups():
    given = {"sample_weight": WEIGHTS, "groups": GROUPS}
    one, other = both(cv=GroupKFold(3), fit=given)
    assert_same_search(one, other)
    plain, _ = both(cv=GroupKFold(3), fit={"groups": GROUPS})
    assert (
        plain.best_estimator_.estimator_.coef_ != one.best_estimator_.estimator_.coef_
    ).any()


def test_metadata_routing():
    with config_context(enable_metadata_routing=True):
        sgd = SGDClassifier(random_state=0, max_iter=3, tol=None)
        sgd.set_fit_request(sample_weight=True).set_partial_fit_request(
            sample_weight=True
        )
        model = ChunkedFit(sgd, chunk_size=25).set_fit_request(sample_weight=True)
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight="weight")
        given = {"model": model, "scoring": scorer, "cv": GroupKFold(3)}
        fit = {"sample_weight": WEIGHTS, "weight": WEIGHTS[::-1], "groups": GROUPS}
        one, other = both(fit=fit, **given)
        assert_same_search(one, other)
        assert one.score(X, y, weight=WEIGHTS) == other.score(X, y, weight=WEIGHTS)
        with pytest.raises(Exception, match="sample_weight"):
            search(scoring="accuracy").fit(X, y, sample_weight=WEIGHTS)


def splits():
    return KFold(3, shuffle=True, random_state=1).split(X)


@pytest.mark.parametrize(
    "cv", [splits, lambda: list(splits()), lambda: iter([*splits()])]
)
def test_folds_of_an_iterator(cv):
    one, other = search(cv=cv()).fit(X, y), GridSearchCV(MODEL, GRID, cv=cv())
    assert_same_search(one, other.fit(open_rows(X), open_rows(y)))


def test_splits_that_overlap_and_one_split():
    overlapping = [(np.arange(90), np.arange(60, 120)), (np.arange(50), np.arange(9))]
    for cv in overlapping, overlapping[:1]:
        assert_same_search(*both(cv=cv))


@pytest.mark.parametrize(
    "grid",
    [
        {},
        [{}],
        {"estimator": [SGDClassifier(random_state=0), Perceptron(random_state=1)]},
        {"estimator__class_weight": [None, {0: 1.0, 1: 5.0}]},
        [{"shuffle": [False]}, {"estimator__alpha": [1.0], "chunk_size": [10]}],
    ],
    ids=["empty", "of an empty one", "estimators", "dicts", "two grids"],
)
def test_grids(grid):
    one, other = both(grid=grid)
    assert_same_search(one, other)
    assert one.best_params_.keys() == other.best_params_.keys()


@pytest.mark.parametrize(
    ("grid", "given"),
    [
        ({"estimator__alpha": []}, {}),
        ({"estimator__alpha": 1.0}, {}),
        ({"estimator__alpha": "abc"}, {}),
        ({"alpha": [1.0]}, {}),
        ("grid", {}),
        (GRID, {"scoring": ["accuracy", "f1"]}),
        (GRID, {"scoring": "gini"}),
        (GRID, {"refit": "f1", "scoring": ["accuracy"]}),
        (GRID, {"refit": lambda results: 7}),
        (GRID, {"refit": lambda results: 0.5}),
        (GRID, {"cv": KFold(200)}),
        (GRID, {"cv": iter(())}),
        (GRID, {"error_score": "once"}),
        (GRID, {"verbose": -1}),
    ],
)
def test_what_is_refused(grid, given):
    raised = []
    for kind in ChunkedSearchCV, GridSearchCV:
        with pytest.raises(Exception, match=r".") as caught:
            kind(MODEL, grid, **{"cv": KFold(2)} | given).fit(
                open_rows(X), open_rows(y)
            )
        raised.append((type(caught.value), str(caught.value)))
    one, other = raised
    assert one[0] is other[0]
    assert one[1].replace("ChunkedSearchCV", "GridSearchCV") == other[1]


def test_copies():
    made = search(refit=True)
    for copied in clone(made), pickle.loads(pickle.dumps(made)):
        assert_same_search(copied.fit(X, y), made.fit(X, y))
    again = pickle.loads(pickle.dumps(made))
    assert_same_search(again, made)
    np.testing.assert_array_equal(again.predict(X), made.predict(X))
    assert not hasattr(clone(made), "best_estimator_")


def test_html():
    made = search()
    before = made._repr_html_()
    after = made.fit(X, y)._repr_html_()
    for html in before, after:
        assert "ChunkedSearchCV" in html
        assert "SGDClassifier" in html
    assert ["best_estimator_: ChunkedFit" in html for html in (before, after)] == [0, 1]


@pytest.mark.parametrize("verbose", [1, 2, 3, 11])
def test_what_is_printed(verbose, capsys):
    texts = []
    for each in (
        search(verbose=verbose),
        GridSearchCV(MODEL, GRID, cv=3, verbose=verbose),
    ):
        each.set_params(cv=KFold(3)).fit(open_rows(X), open_rows(y))
        text = capsys.readouterr().out
        texts.append(re.sub(r"\d+\.\d+(s|min)", "", text))
    lines = [
        sorted(line for line in text.splitlines() if "Parallel" not in line)
        for text in texts
    ]
    assert lines[0] == lines[1]
    assert len(lines[0]) == {1: 1, 2: 7, 3: 7, 11: 13}[verbose]


def test_a_search_of_a_search_and_its_folds():
    inner = search(cv=KFold(2))
    scores = cross_val_score(inner, X, y, cv=KFold(3))
    other = GridSearchCV(MODEL, GRID, cv=KFold(2))
    for score, (train, test) in zip(scores, KFold(3).split(X), strict=True):
        other.fit(open_rows(X)[train], open_rows(y)[train])
        assert score == other.score(X[test], y[test])
    grid = {"estimator__chunk_size": [20, 40]}
    outer = GridSearchCV(inner, grid, cv=KFold(3)).fit(X, y)
    plain = GridSearchCV(other, grid, cv=KFold(3)).fit(open_rows(X), open_rows(y))
    np.testing.assert_array_equal(
        outer.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )
    assert_same_search(outer.best_estimator_, plain.best_estimator_)


@needs_sklearn_1_9
def test_arrays_that_compute_elsewhere_are_not_asked_for():
    plain = search().fit(X, y)
    with config_context(array_api_dispatch=True):
        assert_same_search(search().fit(X, y), plain)
