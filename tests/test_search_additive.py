"""Additive learners in a search: what candidates and folds have in common is learned
once, and the results are those of ``GridSearchCV``."""

import functools
import zlib
from contextlib import contextmanager

import numpy as np
import pytest
from helpers import assert_same_search
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedKFold,
)
from sklearn.naive_bayes import (
    BernoulliNB,
    CategoricalNB,
    ComplementNB,
    GaussianNB,
    MultinomialNB,
)
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

from skmmap import ChunkedFit, ChunkedSearchCV, open_rows
from skmmap.estimators import find_entry, gaussian
from skmmap.estimators.registry import Found
from skmmap.formats import open_source
from skmmap.learn import fitting, learned_once

N_ROWS = 240
SMOOTHED = {"alpha": [0.5, 2.0], "fit_prior": [True, False]}
CASES = {
    "gaussian": (GaussianNB(), {"var_smoothing": [1e-9, 0.0, 0.1, 1.0]}),
    "multinomial": (MultinomialNB(), SMOOTHED | {"class_prior": [None, [0.2, 0.8]]}),
    "complement": (ComplementNB(), SMOOTHED | {"norm": [True, False]}),
    "bernoulli": (BernoulliNB(), SMOOTHED | {"force_alpha": [True, False]}),
    "categorical": (CategoricalNB(min_categories=6), SMOOTHED),
    "min max": (MinMaxScaler(), {"feature_range": [(0, 1), (-2, 5)], "clip": [True]}),
    "standard": (StandardScaler(), {"copy": [True, False]}),
    "max abs": (MaxAbsScaler(), {"copy": [True, False]}),
}


def make_rows(dtype=np.float32):
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=N_ROWS)
    X = rng.integers(5, size=(N_ROWS, 4)) * rng.uniform(size=(N_ROWS, 1))
    return np.floor(X + 0.5 * y[:, None]).astype(dtype), y


def find_bits(model, X, y=None, sample_weight=None):
    """Return a number that differs if a bit of what was learned does."""
    learned = vars(model.estimator_)
    values = [learned[name] for name in sorted(learned) if name != "n_features_in_"]
    return float(zlib.crc32(b"".join(map(to_bytes, values))))


def to_bytes(value):
    if isinstance(value, list):
        return b"".join(map(to_bytes, value))
    value = np.asarray(value)
    return repr((value.dtype, value.shape, value.tolist())).encode()


@contextmanager
def counting(monkeypatch, cls, rows):
    """Count the rows that are given to ``partial_fit``, but for those of trials."""
    learn = cls.partial_fit

    @functools.wraps(learn)
    def counted(self, X, *args, **kwargs):
        rows.append(len(X))
        return learn(self, X, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(cls, "partial_fit", counted)
        patch.setattr(fitting, "find_model_nbytes", lambda *given: 0)
        yield


def search_both(estimator, grid, X, y, cv, monkeypatch, *, fit=None, **given):
    """Assert that both searches are the same; return how many rows were learned."""
    grid = {f"estimator__{name}": values for name, values in grid.items()}
    model = estimator
    if not isinstance(model, ChunkedFit):
        model = ChunkedFit(estimator, chunk_size=50)
    scoring, fit, rows = {"bits": find_bits}, fit or {}, []
    if hasattr(model.estimator, "predict"):
        scoring |= {"accuracy": "accuracy", "likelihood": "neg_log_loss"}
    given = {"scoring": scoring, "cv": cv, "refit": "bits"} | given
    with counting(monkeypatch, type(model.estimator), rows):
        one = ChunkedSearchCV(model, grid, n_jobs=2, **given).fit(X, y, **fit)
    n_rows = sum(rows)
    other = GridSearchCV(model, grid, **given).fit(open_rows(X), open_rows(y), **fit)
    assert_same_search(one, other)
    return n_rows


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of var_smoothing=0.0
@pytest.mark.parametrize("case", CASES)
def test_candidates_that_learn_the_same_learn_once(case, monkeypatch):
    X, y = make_rows(int if case == "categorical" else np.float32)
    n_rows = search_both(
        *CASES[case], X, y, KFold(2, shuffle=True, random_state=0), monkeypatch
    )
    assert n_rows == N_ROWS + N_ROWS  # of two folds the other halves, and the best one


@pytest.mark.parametrize("case", ["gaussian", "multinomial", "standard"])
def test_with_weights_and_a_class_that_a_fold_lacks(case, monkeypatch):
    X, y = make_rows()
    y = y + (np.arange(N_ROWS) % 3 == 0) * 5
    groups, weights = np.arange(N_ROWS) % 3, np.arange(N_ROWS) % 4.0
    estimator, grid = CASES[case]
    grid = {
        k: v[:2] for k, v in grid.items() if k not in ("class_prior", "var_smoothing")
    }
    if case == "gaussian":
        grid["var_smoothing"] = [0.01, 0.1]
    fit = {"groups": groups, "sample_weight": weights}
    cv = LeaveOneGroupOut()
    given = {"fit": fit, "scoring": find_bits, "refit": True}
    given["return_train_score"] = True
    n_rows = search_both(estimator, grid, X, y, cv, monkeypatch, **given)
    assert n_rows == 3 * N_ROWS


def test_with_class_weights(monkeypatch):
    X, y = make_rows()
    fit = {"class_weight": {0: 1.0, 1: 2.5}}
    n_rows = search_both(*CASES["multinomial"], X, y, KFold(2), monkeypatch, fit=fit)
    assert n_rows == 2 * N_ROWS


def test_the_loop_over_partial_fit_smooths_each_chunk(monkeypatch):
    X, y = make_rows()
    grid = {"var_smoothing": [1e-9, 0.1, 1.0]}
    model = ChunkedFit(GaussianNB(), shuffle=False, max_epochs=1, chunk_size=50)
    assert search_both(model, grid, X, y, KFold(2), monkeypatch) == 4 * N_ROWS


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
@pytest.mark.parametrize("alphas", [[-1.0, 1.0, 2.0], [1.0, -1.0, [1.0, 2.0], 2.0]])
def test_parameters_that_are_refused(alphas, monkeypatch):
    X, y = make_rows()
    scoring = {"scoring": {"bits": find_bits}}
    with pytest.warns(match="fits failed"):
        search_both(
            MultinomialNB(), {"alpha": alphas}, X, y, KFold(2), monkeypatch, **scoring
        )


def test_a_range_that_is_refused_is_named(monkeypatch):
    X, _ = make_rows()
    model = ChunkedFit(MinMaxScaler(), chunk_size=50)
    grid = {"estimator__feature_range": [(0, 1), (1, 0)]}
    given = {"scoring": find_bits, "error_score": "raise", "cv": 2}
    with pytest.raises(ValueError, match="feature range must be smaller than maximum"):
        ChunkedSearchCV(model, grid, **given).fit(X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_columns", [1, 5, 300])
def test_labels_that_are_predicted_together(dtype, n_columns):
    rng = np.random.default_rng(n_columns)
    X = rng.normal(size=(500, n_columns)).astype(dtype)
    X[:50] = X[50:100]  # with another label, so that some rows are near the border
    y = rng.choice(["a", "b", "c"], size=500)
    values = np.logspace(-9, 1, 5)
    every = [GaussianNB(var_smoothing=value).fit(X, y) for value in values]
    for estimator in every:  # two classes are the same, but for their last digits
        estimator.theta_[1] = np.nextafter(estimator.theta_[0], dtype(9))
        estimator.var_[1] = estimator.var_[0]
        estimator.class_prior_[1] = estimator.class_prior_[0]
    doubtful = [count_doubtful(every, X)]
    assert doubtful[0] > 0
    for rows in (X, X[:64], X[::-1].copy()):
        labels = gaussian.predict_gaussian(every, "predict", rows)
        for estimator, own in zip(every, labels, strict=True):
            np.testing.assert_array_equal(own, estimator.predict(rows), strict=True)


def count_doubtful(every, X):
    terms = [gaussian._Terms.of(every, number) for number in range(3)]
    return np.count_nonzero(~gaussian._compare(terms, X)[1])


def test_rows_that_are_not_predicted_together():
    X, y = make_rows()
    every = [GaussianNB(var_smoothing=value).fit(X, y) for value in (0.1, 0.2)]
    given = [every, "predict", X]
    assert gaussian.predict_gaussian(*given) is not None
    flat = [GaussianNB(var_smoothing=0).fit(0 * X, y) for _ in range(2)]
    others = [
        {0: every[:1]},
        {0: flat},
        {1: "predict_proba"},
        {2: np.asfortranarray(X)},
        {2: X.astype(np.float64)},
        {2: X[:10]},
        {2: X[:, :3]},
    ]
    for other in others:
        changed = [other.get(place, value) for place, value in enumerate(given)]
        assert gaussian.predict_gaussian(*changed) is None


@pytest.mark.parametrize("limit", ["512MB", "80kB"])
def test_candidates_are_predicted_together(limit, on_disk, monkeypatch):
    X, y = (np.tile(rows.T, 10).T.copy() for rows in make_rows(np.float64))
    X, y = open_rows(on_disk(X)), open_rows(on_disk(y))
    calls, predict = [], gaussian.predict_gaussian

    def compute(every, method, rows):
        calls.append(len(every))
        return predict(every, method, rows)

    fields = find_entry(GaussianNB).entry._replace(compute_alike=compute)
    monkeypatch.setattr(learned_once, "find_entry", lambda cls: Found(fields, ()))
    grid = {"var_smoothing": np.logspace(-9, 0, 11)}
    given = {"scoring": None, "refit": True}
    model = ChunkedFit(GaussianNB(), chunk_size=800, memory_limit=limit)
    cv = KFold(2, shuffle=True, random_state=0)
    search_both(model, grid, X, y, cv, monkeypatch, **given)
    assert sorted(calls) == [3] * 4 + [8] * 4  # two groups, two folds of two chunks


def test_rows_of_a_file_are_known_before_they_are_opened_for_a_run(on_disk):
    source = open_source(on_disk(np.zeros((9, 2))), "X")
    assert source.for_run("map").shared_key == source.shared_key


EXACT = "multinomial", "complement", "bernoulli", "categorical", "min max", "max abs"


@pytest.mark.parametrize("case", EXACT)
def test_folds_learn_each_row_once(case, monkeypatch):
    X, y = make_rows(int if case == "categorical" else np.float32)
    estimator, grid = CASES[case]
    grid = {name: values[:2] for name, values in list(grid.items())[:1]}
    cv = KFold(4, shuffle=True, random_state=0)
    n_rows = search_both(estimator, grid, X, y, cv, monkeypatch)
    assert n_rows == N_ROWS + N_ROWS  # for all folds, and for the best one


@pytest.mark.parametrize(
    ("cv", "n_times"),
    [
        (KFold(5), 1),
        (StratifiedKFold(3), 1),
        (GroupKFold(4), 1),
        (LeaveOneGroupOut(), 1),
        (KFold(2), 1),
        (ShuffleSplit(4, random_state=0), 3.6),  # more parts than there are folds
        (RepeatedKFold(n_splits=3, n_repeats=2, random_state=0), 4),
        ([(np.r_[:90, i:120], [200]) for i in range(3)], (3 * 210 - 3) / N_ROWS),
        ([(np.arange(179 + i)[::-1], [200]) for i in range(3)], 181 / N_ROWS),
    ],
)
def test_kinds_of_folds(cv, n_times, monkeypatch):
    X, y = make_rows()
    is_grouped = isinstance(cv, GroupKFold | LeaveOneGroupOut)
    fit = {"groups": np.arange(N_ROWS) // 7 % 6} if is_grouped else {}
    given = {"scoring": find_bits, "refit": False, "fit": fit}
    n_rows = search_both(
        MultinomialNB(), {"alpha": [0.5]}, X, y, cv, monkeypatch, **given
    )
    assert n_rows == round(n_times * N_ROWS)


@pytest.mark.parametrize("kind", ["fractions", "weights", "large", "loop"])
def test_sums_that_round_are_learned_by_each_fold(kind, monkeypatch):
    X, y = make_rows(np.float64)
    X = X + 0.3 if kind == "fractions" else X * (2.0**49 if kind == "large" else 1)
    fit = {"sample_weight": np.linspace(0, 1, N_ROWS)} if kind == "weights" else {}
    given = {"scoring": find_bits, "refit": False, "fit": fit}
    how = {"shuffle": False, "max_epochs": 1} if kind == "loop" else {}
    model = ChunkedFit(MultinomialNB(), chunk_size=50, **how)
    cv = KFold(3, shuffle=True, random_state=0)
    n_rows = search_both(model, {"alpha": [0.5]}, X, y, cv, monkeypatch, **given)
    assert n_rows >= 2 * N_ROWS


def test_a_fold_that_lacks_a_class_learns_by_itself(monkeypatch):
    X, y = make_rows()
    y[: N_ROWS // 4] = 2
    given = {"scoring": find_bits, "refit": False}
    n_rows = search_both(
        MultinomialNB(), {"alpha": [0.5]}, X, y, KFold(4), monkeypatch, **given
    )
    assert n_rows == 3 * N_ROWS  # and the others would have parts beyond their number


def test_rows_that_are_refused_are_named_as_without_a_search():
    X, y = make_rows(np.float64)
    X[130] = -1
    model, messages = ChunkedFit(MultinomialNB(), chunk_size=50), []
    for search in ChunkedSearchCV, GridSearchCV:
        given = {"cv": KFold(3), "error_score": "raise", "scoring": find_bits}
        with pytest.raises(ValueError, match="Negative values") as caught:
            search(model, {"estimator__alpha": [1.0]}, **given).fit(open_rows(X), y)
        messages.append(caught.value.__notes__)
    assert messages[0] == messages[1]
