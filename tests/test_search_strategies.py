"""Random search, halving and Hyperband: equal to fits of as many epochs."""

from collections import Counter

import numpy as np
import pytest
from helpers import assert_same_search, needs_sklearn_1_9
from joblib import Parallel, delayed
from scipy.stats import loguniform
from sklearn.cluster import MiniBatchKMeans
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
    ShuffleSplit,
)
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, ChunkedSearchCV, open_rows
from skmmap.run import begin_round, find_sharing, together
from skmmap.search.rounds import plan_halving, plan_hyperband
from skmmap.search.subsets import spread

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
GRID = {"estimator__alpha": [1e-5, 1.0, 0.1, 10.0]}
FOLDS = KFold(2, shuffle=True, random_state=0)


@pytest.fixture(autouse=True)
def no_trial(monkeypatch):
    """Leave out the trial that tells the size of a model: epochs are counted here."""
    monkeypatch.setattr("skmmap.learn.fitting.find_model_nbytes", lambda *given: 0)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    return open_rows(X), open_rows(X @ [1.0, 2.0, 0.0, -1.0] + rng.normal(size=300))


class Counting(SGDRegressor):
    """Counts the epochs that all of its kind have learned."""

    n_epochs = 0

    def partial_fit(self, X, y, sample_weight=None):
        type(self).n_epochs += len(X) / 150
        return super().partial_fit(X, y, sample_weight)


class Unpicklable(Counting):
    def __getstate__(self):
        raise TypeError("holds a socket")


@pytest.fixture
def counting():
    Counting.n_epochs = 0
    return Counting(random_state=0, tol=None)


def make(estimator, **params):
    return ChunkedFit(estimator, **{"chunk_size": 75, "random_state": 0} | params)


def search(model, grid, strategy, **params):
    given = {"cv": FOLDS, "factor": 2} if strategy != "random" else {"cv": FOLDS}
    return ChunkedSearchCV(model, grid, strategy=strategy, **given | params)


def halving(model, grid, **params):
    given = {"resource": "max_epochs", "cv": FOLDS, "factor": 2}
    given |= {"return_train_score": False, "min_resources": "exhaust"}
    return HalvingGridSearchCV(model, grid, **given | params)


def assert_scores_are_those_from_the_start(found, model, rows, cv=FOLDS):
    """Compare each candidate of each round with a fit of as many epochs."""
    each = [{name: [v] for name, v in p.items()} for p in found.cv_results_["params"]]
    plain = GridSearchCV(model, each, cv=cv, refit=False).fit(*rows)
    for i in range(2):
        name = f"split{i}_test_score"
        np.testing.assert_array_equal(
            found.cv_results_[name], plain.cv_results_[name], name
        )


@pytest.mark.parametrize("values", [[1e-5, 1e-3, 0.1, 1.0], loguniform(1e-5, 1)])
def test_random(rows, values):
    given = {"n_iter": 3, "random_state": 7, "cv": FOLDS, "return_train_score": True}
    grid, model = {"estimator__alpha": values}, make(SGDRegressor(), max_epochs=3)
    one = search(model, grid, "random", n_jobs=2, **given).fit(*rows)
    assert_same_search(one, RandomizedSearchCV(model, grid, **given).fit(*rows))


PIPELINE = make_pipeline(StandardScaler(), SGDRegressor(tol=None))
MODELS = {
    "SGD": make(SGDRegressor(tol=None)),
    "stops": make(SGDRegressor(tol=1e-2, n_iter_no_change=1)),
    "held out": make(SGDRegressor(early_stopping=True, tol=None)),
    "loop": make(SGDRegressor(average=True), shuffle=False),
    "shared": make(SGDRegressor(), shuffle="shared"),
    "network": make(
        MLPRegressor(hidden_layer_sizes=(3,), solver="sgd", learning_rate="adaptive")
    ),
    "pipeline": make(PIPELINE),
    "in pipeline": make_pipeline(make(StandardScaler()), make(SGDRegressor(tol=None))),
}


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("SGD", 1, 4), ("held out", 1, 2), *((name, 2, 4) for name in MODELS)],
)
def test_halving_equals_that_of_scikit_learn(rows, name, least, most):
    """Whether models go on, start over after an epoch, or have stopped."""
    model, prefix = MODELS[name], "chunkedfit-2__" * (name == "in pipeline")
    step = "estimator__sgdregressor__" if name == "pipeline" else "estimator__"
    grid = {f"{prefix}{step}alpha": GRID["estimator__alpha"]}
    given = {"min_resources": least, "max_resources": most}
    given |= {"return_train_score": True}
    one = search(model, grid, "halving", n_jobs=2, **given).fit(*rows)
    other = halving(model, grid, **given | {"resource": f"{prefix}max_epochs"})
    assert_same_search(one, other.fit(*rows))


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"min_resources": "smallest"},
        {"min_resources": 5, "aggressive_elimination": True},
        {"factor": 1.5, "max_resources": 3},
    ],
)
def test_rounds_are_those_of_scikit_learn(rows, params):
    model = make(SGDRegressor(tol=None))
    given = {"max_resources": 8} | params
    one = search(model, GRID, "halving", **given).fit(*rows)
    other = halving(model, GRID, **given).fit(*rows)
    assert_same_search(one, other)
    for attribute in (
        *("n_resources_", "n_candidates_", "n_remaining_candidates_", "n_iterations_"),
        *("min_resources_", "max_resources_"),
        *("n_required_iterations_", "n_possible_iterations_"),
    ):
        assert getattr(one, attribute) == getattr(other, attribute)


def test_halving_draws_what_scikit_learn_draws(rows):
    grid, model = {"estimator__alpha": loguniform(1e-5, 1)}, make(SGDRegressor())
    given = {"max_resources": 3, "random_state": 5, "cv": FOLDS}
    one = search(model, grid, "halving", n_iter=5, factor=3, **given).fit(*rows)
    given |= {"n_candidates": 5, "resource": "max_epochs", "min_resources": "exhaust"}
    other = HalvingRandomSearchCV(model, grid, return_train_score=False, **given)
    assert_same_search(one, other.fit(*rows))


@pytest.mark.parametrize("seed", [None, 0])
def test_those_that_are_left_go_on(rows, counting, seed):
    """Also where each fit draws a seed: it goes on with that of the round before."""
    seeds, counting.random_state = {}, seed

    def score(model, X, y):
        assert len(model.history_["rows"]) == model.n_epochs_ == model.max_epochs
        key = model.estimator.alpha, float(y[0])
        seeds.setdefault(key, []).append(model.random_state_)
        return model.score(X, y)

    model = make(counting, random_state=None)
    given = {"max_resources": 8, "min_resources": 2, "scoring": score, "refit": False}
    found = search(model, GRID, "halving", **given).fit(*rows)
    assert (found.n_resources_, found.n_candidates_) == ([2, 4, 8], [4, 2, 1])
    assert round(Counting.n_epochs) == 2 * (4 * 2 + 2 * 2 + 1 * 4)
    assert Counter(map(len, seeds.values())) == {1: 4, 2: 2, 3: 2}
    assert all(len(set(each)) == 1 for each in seeds.values())


def test_those_that_go_on_after_a_single_epoch_know_its_loss(rows, counting):
    counting.set_params(tol=1e-9, n_iter_no_change=3)
    given = {"max_resources": 2, "refit": False}
    search(make(counting), GRID, "halving", **given).fit(*rows)
    assert round(Counting.n_epochs) == 2 * (4 + 2)


@pytest.mark.filterwarnings("default::sklearn.exceptions.ConvergenceWarning")
def test_only_models_that_end_are_said_not_to_have_converged(rows):
    model = make(SGDRegressor(tol=1e-9, n_iter_no_change=1))
    given = {"max_resources": 6, "min_resources": 3, "refit": False}
    with pytest.warns(ConvergenceWarning, match="after 6 epochs") as warned:
        search(model, GRID, "halving", **given).fit(*rows)
    assert {str(each.message).split(". ")[0] for each in warned} == {
        "SGDRegressor has not converged after 6 epochs"
    }


@pytest.mark.parametrize(
    ("model", "most"),
    [
        (make(SGDRegressor(max_iter=3), max_epochs=2), 2),
        (make(TransformedTargetRegressor(SGDRegressor(max_iter=3))), 3),
        (make(make_pipeline(StandardScaler(), SGDRegressor(max_iter=3))), 3),
    ],
)
def test_the_most_epochs_are_those_of_a_fit(rows, model, most):
    grid = {"dtype": ["float32", "float64"]}
    found = search(model, grid, "halving", refit=False).fit(*rows)
    assert found.max_resources_ == most


def test_repeated_rounds_train_nothing(rows, counting):
    given = {"max_resources": 3, "min_resources": 3, "aggressive_elimination": True}
    search(make(counting), GRID, "halving", refit=False, **given).fit(*rows)
    assert round(Counting.n_epochs) == 2 * 4 * 3


def test_one_that_has_stopped_does_not_go_on(rows, counting):
    counting.set_params(tol=1e9, n_iter_no_change=1)
    given = {"max_resources": 8, "min_resources": 4, "refit": False}
    found = search(make(counting), GRID, "halving", **given).fit(*rows)
    assert found.n_resources_ == [4, 8]
    assert round(Counting.n_epochs) == 2 * 4 * 2  # two epochs of each, as fit makes
    assert_scores_are_those_from_the_start(found, make(counting), rows)


@pytest.mark.parametrize(
    "model",
    [
        make(Unpicklable(random_state=0, tol=None)),
        make(Counting(tol=None), random_state=np.random.RandomState(0)),
    ],
    ids=["no pickle", "generator"],
)
def test_where_nothing_can_be_kept_models_start_over(rows, counting, model):
    type(model.estimator).n_epochs = 0
    given = {"max_resources": 4, "min_resources": 2, "refit": False}
    found = search(model, GRID, "halving", **given).fit(*rows)
    assert round(type(model.estimator).n_epochs) == 2 * (4 * 2 + 2 * 4)
    assert_scores_are_those_from_the_start(found, model, rows)


def test_folds_are_the_same_in_all_rounds(rows):
    """A model that goes on would be scored on rows that it has learned."""
    cv = ShuffleSplit(2, random_state=np.random.RandomState(0))
    tested = []

    def score(model, X, y):
        tested.append(np.sort(y).tobytes())
        return model.score(X, y)

    given = {"max_resources": 4, "scoring": score, "refit": False}
    search(make(SGDRegressor()), GRID, "halving", cv=cv, **given).fit(*rows)
    assert len(set(tested)) == 2 < len(tested)


def test_folds_of_an_iterator(rows):
    given = {"max_resources": 4, "min_resources": 2}
    one = search(make(SGDRegressor()), GRID, "halving", **given)
    folds = FOLDS.split(*rows)
    one.set_params(cv=folds).fit(*rows)
    assert one.cv is folds
    assert_same_search(one, halving(make(SGDRegressor()), GRID, **given).fit(*rows))


def test_clusterers_without_y(rows):
    """Those that would stop within the only epoch of a round do not."""
    model = make(MiniBatchKMeans(n_init=1, batch_size=30, tol=1e6), chunk_size=30)
    grid, given = {"estimator__n_clusters": [2, 3]}, {"max_resources": 2}
    one = search(model, grid, "halving", **given).fit(rows[0])
    assert_same_search(one, halving(model, grid, **given).fit(rows[0]))


# Rows as the resource


def test_spread_is_nested_and_even():
    for n_rows in (1, 2, 7, 999, 1000, 1001, 2500):
        before = set()
        for n_kept in {0, 1, n_rows // 3, n_rows // 2, n_rows - 1, n_rows}:
            positions = spread(n_rows, n_kept)
            assert len(positions) == n_kept
            assert (np.diff(positions) > 0).all()
            assert n_kept == 0 or 0 <= positions[0] <= positions[-1] < n_rows
        for n_kept in range(0, n_rows + 1, 1 + n_rows // 60):
            kept = set(spread(n_rows, n_kept).tolist())
            assert before <= kept
            before = kept
    # A tenth of each tenth, and few runs.
    for n_kept in (300, 3_000, 30_000):
        counts = np.histogram(spread(300_000, n_kept), bins=10, range=(0, 300_000))[0]
        assert (abs(counts - n_kept / 10) <= 2).all()
    assert np.count_nonzero(np.diff(spread(300_000, 30_000)) > 1) < 1_000


def test_rounds_of_rows_are_those_of_a_search_on_as_many(rows):
    model, groups = make(SGDRegressor(), max_epochs=2), np.arange(300) % 6
    given = {"resource": "rows", "min_resources": 75}
    cv = GroupKFold(3)
    found = search(model, GRID, "halving", n_jobs=2, cv=cv, **given)
    found.fit(*rows, groups=groups)
    assert found.n_resources_ == [75, 150, 300]
    assert found.best_params_.keys() == GRID.keys()
    results = found.cv_results_
    for number, n_rows in enumerate(found.n_resources_):
        splits = [
            [each[spread(len(each), n_rows * len(each) // 300)] for each in split]
            for split in cv.split(*rows, groups=groups)
        ]
        own = np.flatnonzero(results["iter"] == number)
        params = [{k: [v] for k, v in results["params"][i].items()} for i in own]
        plain = GridSearchCV(model, params, cv=splits, refit=False).fit(*rows)
        for i in range(3):
            name = f"split{i}_test_score"
            expected = plain.cv_results_[name]
            np.testing.assert_array_equal(results[name][own], expected)


def test_the_least_rows_are_those_of_scikit_learn(rows):
    X, y = rows[0], open_rows(np.arange(300) % 3)
    given = {"resource": "rows", "min_resources": "smallest", "refit": False}
    found = search(make(SGDClassifier(), max_epochs=1), GRID, "halving", **given)
    assert found.fit(X, y).min_resources_ == 2 * 2 * 3
    found = search(make(SGDRegressor(), max_epochs=1), GRID, "halving", **given)
    assert found.fit(*rows).min_resources_ == 2 * 2


# Hyperband


def test_brackets_are_those_of_the_paper():
    """Table 1 in Li et al. (2018), for R = 81 and factor 3."""
    every, brackets = plan_hyperband((1, 81), 3)
    assert every == [1, 3, 9, 27, 81]
    assert brackets == [(4, 81), (3, 34), (2, 15), (1, 8), (0, 5)]


def test_a_power_is_counted_exactly():
    assert plan_halving(
        243, (1, 243), 3, exhausts=False, is_aggressive=False
    ).n_resources == [3**i for i in range(6)]


def test_hyperband(rows, counting):
    grid, model = {"estimator__alpha": loguniform(1e-5, 10)}, make(counting)
    given = {"max_resources": 4, "random_state": 3}
    found = search(model, grid, "hyperband", **given).fit(*rows)
    results = found.cv_results_
    assert found.n_resources_ == [1, 2, 4]
    rounds = zip(
        results["bracket"], results["iter"], results["n_resources"], strict=True
    )
    assert Counter((int(s), int(i), int(n)) for s, i, n in rounds) == {
        **{(2, 0, 1): 4, (2, 1, 2): 2, (2, 2, 4): 1},
        **{(1, 1, 2): 3, (1, 2, 4): 1},
        **{(0, 2, 4): 3},
    }
    assert found.n_candidates_ == [4, 5, 5]
    n_refit = found.best_params_["max_epochs"] * 2  # of all rows, which are two folds
    assert round(Counting.n_epochs) == n_refit + 2 * (4 + 2 + 2 + 6 + 2 + 12)
    last = np.flatnonzero(results["iter"] == 2)
    assert found.best_index_ == last[results["mean_test_score"][last].argmax()]
    assert_scores_are_those_from_the_start(found, model, rows)
    again = search(model, grid, "hyperband", n_jobs=2, **given).fit(*rows)
    assert_same_search(found, again)


def test_hyperband_of_lists_and_rows(rows):
    given = {"resource": "rows", "random_state": 0, "min_resources": "auto"}
    model = make(SGDRegressor(), max_epochs=1)
    found = search(model, GRID, "hyperband", factor=3, **given).fit(*rows)
    assert found.n_resources_ == [11, 33, 100, 300]
    # All of the grid where there are fewer than a bracket has.
    assert np.count_nonzero(found.cv_results_["iter"] == 0) == 4


# The contract


def pick_first(results):
    return 0


def score_less_for_more(model, X, y):
    return model.score(X, y) - model.n_epochs_


@pytest.mark.parametrize("strategy", ["halving", "hyperband"])
@pytest.mark.parametrize(
    ("refit", "scoring"),
    [
        (True, None),
        (False, None),
        (pick_first, None),
        (True, score_less_for_more),
        ("r2", ["r2", "neg_max_error"]),
        ("neg_max_error", ["r2", "neg_max_error"]),
    ],
)
def test_refits(rows, strategy, refit, scoring):
    given = {"refit": refit, "scoring": scoring, "max_resources": 2}
    model = make(SGDRegressor(tol=None))
    found = search(model, GRID, strategy, **given).fit(*rows)
    results, name = found.cv_results_, refit if isinstance(refit, str) else "score"
    last = np.flatnonzero(results["n_resources"] == 2)
    best = last[results[f"mean_test_{name}"][last].argmax()]
    assert found.best_index_ == (0 if callable(refit) else best)
    assert hasattr(found, "best_estimator_") is (refit is not False)
    assert not hasattr(found, "_resource")


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_failed_fits_are_out_first(rows):
    grid = {"estimator__alpha": [1e-5, -1.0, 0.1, -2.0]}
    model = make(SGDRegressor(tol=None))
    with pytest.warns(FitFailedWarning, match="4 fits failed"):
        found = search(model, grid, "halving", max_resources=2).fit(*rows)
    last = found.cv_results_["params"][-2:]
    assert {each["estimator__alpha"] for each in last} == {1e-5, 0.1}


@needs_sklearn_1_9
def test_fits_inside_a_callback_are_fits_of_their_own(rows):
    """They are not those of the round before, after fewer epochs."""

    learned = []

    class Fits:
        def setup(self, estimator, context):
            pass

        teardown = setup

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            if context.task_name == "epoch":
                few = slice(100 + context.task_id)
                own = make(SGDRegressor(), max_epochs=1).fit(rows[0][few], rows[1][few])
                learned.append((context.task_id, own.history_["rows"][0]))

    model = make(SGDRegressor(tol=None)).set_callbacks(Fits())
    given = {"max_resources": 4, "min_resources": 2, "refit": False}
    search(model, GRID, "halving", **given).fit(*rows)
    assert {epoch for epoch, _ in learned} == {0, 1, 2, 3}
    assert all(n_rows == 100 + epoch for epoch, n_rows in learned)


def test_rounds_of_other_rows_forget_what_was_read():
    made = []

    def ask():
        find_sharing().remember("rows", lambda: made.append(1))

    with together(1, 1_000, 1_000), Parallel() as parallel:
        for forgets in (False, False, True):
            begin_round([], forgets=forgets)
            parallel([delayed(ask)() for _ in range(2)])
    assert len(made) == 2


class Told:
    """Remembers the tasks that it is told of, of the search alone."""

    def __init__(self):
        self.tasks = Counter()

    def setup(self, estimator, context):
        self.tasks["setup"] += 1

    def teardown(self, estimator, context):
        self.tasks["teardown"] += 1

    def on_fit_task_begin(self, estimator, context):
        path, now = [], context
        while now is not None:
            path.insert(0, (now.task_name, now.task_id, now.max_subtasks))
            now = now.parent
        self.tasks["begin", *path] += 1

    def on_fit_task_end(self, estimator, context):
        self.tasks["end", context.task_name, context.task_id] += 1


class ToldOfAll(Told):
    """And of the tasks of the fits."""

    max_propagation_depth = None


@needs_sklearn_1_9
@pytest.mark.parametrize("strategy", ["grid", "random", "halving"])
def test_callbacks(rows, strategy):
    model, told = make(SGDRegressor(tol=None), max_epochs=1), (Told(), Told())
    drawn = {"n_iter": 2, "random_state": 0, "cv": FOLDS}
    one, other = {
        "grid": lambda: (
            ChunkedSearchCV(model, GRID, cv=FOLDS),
            GridSearchCV(model, GRID, cv=FOLDS),
        ),
        "random": lambda: (
            search(model, GRID, "random", **drawn),
            RandomizedSearchCV(model, GRID, **drawn),
        ),
        "halving": lambda: (
            search(model, GRID, "halving", max_resources=4),
            halving(model, GRID, max_resources=4),
        ),
    }[strategy]()
    one.set_callbacks(told[0]).fit(*rows)
    other.set_callbacks(told[1]).fit(*rows)
    assert told[0].tasks == told[1].tasks


@needs_sklearn_1_9
def test_callbacks_are_told_of_the_epochs_that_are_made(rows):
    told, model = ToldOfAll(), make(SGDRegressor(tol=None))
    given = {"max_resources": 4, "min_resources": 2, "refit": False}
    one = search(model, GRID, "halving", **given).set_callbacks(told).fit(*rows)
    epochs = Counter(
        (path[-3][1], path[-1][1])
        for event, *path in told.tasks.elements()
        if event == "begin" and path[-1][0] == "epoch"
    )
    assert epochs == {
        **{(0, 0): 4 * 2, (0, 1): 4 * 2},
        **{(1, 2): 2 * 2, (1, 3): 2 * 2},
    }
    assert_scores_are_those_from_the_start(one, model, rows)


ONLY_ROUNDS = "is used with strategy='halving' or 'hyperband' only, and not with "


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"strategy": "best"},
            "strategy must be 'grid', 'random', 'halving' or 'hyperband'; got 'best'.",
        ),
        (
            {"n_iter": 3},
            "n_iter=3 is used with strategy='random' or 'halving' only, and not with "
            "'grid'. Leave it out, or choose another strategy.",
        ),
        (
            {"strategy": "hyperband", "n_iter": 3},
            "n_iter=3 is used with strategy='random' or 'halving' only, and not with "
            "'hyperband'. Leave it out, or choose another strategy.",
        ),
        (
            {"strategy": "random", "factor": 2},
            f"factor=2 {ONLY_ROUNDS}'random'. Leave it out, or choose another "
            "strategy.",
        ),
        (
            {"resource": "rows"},
            f"resource='rows' {ONLY_ROUNDS}'grid'. Leave it out, or choose another "
            "strategy.",
        ),
        (
            {"max_resources": 3},
            f"max_resources=3 {ONLY_ROUNDS}'grid'. Leave it out, or choose another "
            "strategy.",
        ),
        (
            {"min_resources": 3},
            f"min_resources=3 {ONLY_ROUNDS}'grid'. Leave it out, or choose another "
            "strategy.",
        ),
        (
            {"strategy": "hyperband", "aggressive_elimination": True},
            "aggressive_elimination=True is used with strategy='halving' only, and not "
            "with 'hyperband'. Leave it out, or choose another strategy.",
        ),
        (
            {"strategy": "halving", "n_iter": 3},
            "n_iter=3 is the number of candidates to draw from distributions, and "
            "param_grid has lists only, of which strategy='halving' tries all values. "
            "Leave it out, or give a distribution.",
        ),
        (
            {"param_grid": {"estimator__alpha": loguniform(1e-5, 1)}},
            "param_grid has a distribution, and strategy='grid' draws no values from "
            "one. Give lists, or choose strategy='random', 'halving' or 'hyperband'.",
        ),
        (
            {"strategy": "random", "n_iter": 0},
            "n_iter must be an integer of at least 1; got 0.",
        ),
        (
            {"strategy": "halving", "factor": 1},
            "factor must be a number above 1, since one candidate of so many is left "
            "after each round; got 1.",
        ),
        (
            {"strategy": "halving", "resource": "n_samples"},
            "resource must be 'epochs' or 'rows'; got 'n_samples'.",
        ),
        (
            {"strategy": "halving", "min_resources": "few"},
            "min_resources must be 'auto', 'smallest', 'exhaust' or an integer of at "
            "least 1; got 'few'.",
        ),
        (
            {"strategy": "hyperband", "min_resources": "exhaust"},
            "min_resources must be 'auto' or an integer of at least 1; got 'exhaust'.",
        ),
        (
            {"strategy": "halving", "max_resources": 0},
            "max_resources must be 'auto' or an integer of at least 1; got 0.",
        ),
        (
            {"strategy": "halving", "min_resources": 2_000},
            "The first round would have 2,000 epochs (min_resources=2000) and the last "
            "one 1,000 (max_resources='auto'). Give a smaller min_resources, or a "
            "larger max_resources.",
        ),
        (
            {"strategy": "halving", "resource": "rows", "max_resources": 1_000},
            "max_resources=1,000 is larger than the number of rows, 300. Leave it out "
            "to end with all of them.",
        ),
        (
            {"strategy": "halving", "max_resources": 1},
            "resource='epochs' needs several epochs, and a fit of this estimator makes "
            "1. Give resource='rows', or a larger max_resources.",
        ),
        (
            {"strategy": "halving", "param_grid": {"max_epochs": [1, 2]}},
            "param_grid has 'max_epochs', which is the resource that the search sets "
            "itself. Leave it out, or give resource='rows'.",
        ),
        (
            {"strategy": "hyperband", "max_resources": 5, "min_resources": 2},
            "strategy='hyperband' needs max_resources to be factor=3 times as many as "
            "min_resources at least; got 5 and 2 epochs. Give a larger max_resources, "
            "or a smaller factor.",
        ),
        (
            {"strategy": "halving", "scoring": ["r2"], "max_resources": 2},
            "strategy='halving' compares candidates after each round, and there are "
            "several scores. Give the name of one as refit; got refit=False.",
        ),
        (
            {
                "strategy": "halving",
                "scoring": lambda *given: {"one": 1.0},
                "max_resources": 2,
            },
            "strategy='halving' compares candidates after each round, and there are "
            "several scores. Give the name of one as refit; got refit=False.",
        ),
    ],
)
def test_messages(rows, params, message):
    given = {"param_grid": GRID, "cv": FOLDS, "refit": False} | params
    with pytest.raises(ValueError, match=r"\.") as raised:
        ChunkedSearchCV(make(SGDRegressor(tol=None)), **given).fit(*rows)
    assert str(raised.value) == message


def test_progress_is_printed(rows, capsys):
    model = make(SGDRegressor(tol=None))
    given = {"max_resources": 2, "verbose": 1, "refit": False}
    search(model, GRID, "halving", **given).fit(*rows)
    printed = capsys.readouterr().out.splitlines()
    assert printed[::2] == [
        "Round 1 of 2: 4 candidates with 1 epochs",
        "Round 2 of 2: 2 candidates with 2 epochs",
    ]
