"""A search that is killed and continued ends with the bits of one that never was."""

import errno
import json
import os
import re
import signal
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from helpers import EXHAUSTIVE, assert_alike, assert_same_search
from killed import Killed, search_in_pieces, search_killed_after
from processes import run_fresh
from scipy.stats import loguniform
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmmap._chunked_search
from skmmap import Checkpoint, ChunkedFit, ChunkedSearchCV
from skmmap.checkpoints.search_journal import SearchJournal
from skmmap.disk import Unfinished
from skmmap.disk.generations import read_version
from skmmap.learn.training import Training

on_posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")
N_ROWS = 160
PATH, BEFORE = Path("run.ckpt"), Path("run.ckpt.previous")
SGD = SGDClassifier(random_state=0, max_iter=3, tol=None)
GRID = {"estimator__alpha": [1e-4, 1.0]}
pytestmark = [
    pytest.mark.usefixtures("as_in_a_terminal"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder to work in, with rows."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, 3))
    np.save("X.npy", X)
    np.save("y.npy", (X[:, 0] + rng.normal(size=N_ROWS) > 0).astype(int))
    return tmp_path


def make(estimator=SGD, grid=GRID, *, path=PATH, fit=None, **given):
    """Return a search whose fits have about four chunks in each epoch."""
    model = ChunkedFit(estimator, **{"chunk_size": 25} | (fit or {}))
    checkpoint = None if path is None else Checkpoint(path, seconds=10**6)
    given = {"cv": 2} | given
    return ChunkedSearchCV(model, grid, checkpoint=checkpoint, **given)


def search(*args, **params):
    return make(*args, **params).fit("X.npy", "y.npy")


def kill(n_looks, *args, **params):
    """Search, and end where the state is written."""
    with pytest.raises(Killed), search_killed_after(n_looks):
        search(*args, **params)


# After so many looks it is killed, again and again; of every third nothing is written.
PIECES = [0, 3, 0, 12, 16, 0, 30, 1]
CASES = {
    "rows in memory": (SGD, {}),
    "rows on disk": (SGD, {"fit": {"memory_limit": "2kB", "shuffle": "blocks"}}),
    "file order": (SGD, {"fit": {"shuffle": False}}),
    "one pass": (GaussianNB(), {"grid": {"estimator__var_smoothing": [1e-9, 0.1]}}),
    "pipeline": (
        make_pipeline(StandardScaler(), SGD),
        {"grid": {"estimator__sgdclassifier__alpha": [1e-4, 1.0]}},
    ),
    "early stopping": (
        SGDClassifier(random_state=0, early_stopping=True, max_iter=4),
        {"return_train_score": True, "cv": KFold(2, shuffle=True, random_state=0)},
    ),
    "network": (MLPClassifier((3,), random_state=0, max_iter=3), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_search_in_pieces_equals_one_that_is_never_killed(case):
    estimator, params = CASES[case]

    def run(n_jobs, path=PATH):
        return search(estimator, path=path, n_jobs=n_jobs, **{"grid": GRID} | params)

    pieces, whole = search_in_pieces(run, PIECES), run(1, path=None)
    assert_same_search(pieces, whole)
    for one, other in zip(pieces.histories_, whole.histories_, strict=True):
        for fold, same in zip(one, other, strict=True):
            for name in ("rows", "loss", "score"):
                assert_alike(fold[name], same[name])


def test_killed_wherever_tasks_wait():
    """Also in the middle of a score, on the held-out rows or those of the fold."""
    estimator, params = CASES["early stopping"]
    whole = search(estimator, path=None, **params)
    for n_looks in range(2, 60, 1 if EXHAUSTIVE else 11):
        kill(n_looks, estimator, **params)
        assert_same_search(search(estimator, n_jobs=2, **params), whole)
        PATH.unlink()
        BEFORE.unlink()


@pytest.mark.parametrize("case", ["rows on disk", "early stopping", "one pass"])
def test_what_was_written_is_not_learned_again(case):
    estimator, params = CASES[case]
    n_learned, real = [0], Training._learn

    def count(self, *given):
        n_learned[0] += 1
        real(self, *given)

    with mock.patch.object(Training, "_learn", count):
        whole = search(estimator, path=None, **params)
        n_whole, n_learned[0] = n_learned[0], 0
        for n_looks in (2, 3) if case == "one pass" else (2, 9, 5, 8, 21):
            kill(n_looks, estimator, **params)
        assert_same_search(search(estimator, **params), whole)
    assert n_learned[0] == n_whole


@pytest.mark.parametrize(
    "given",
    [
        {"strategy": "random", "n_iter": 3},
        {"strategy": "halving", "factor": 2, "max_resources": 4},
        {"strategy": "halving", "factor": 2, "resource": "rows"},
        {"strategy": "hyperband", "factor": 2, "max_resources": 4},
    ],
    ids=lambda given: " ".join(map(str, given.values())),
)
def test_all_that_is_drawn_is_drawn_again(given):
    """Folds, candidates, and the seeds of the models, by NumPy's own generator."""
    estimator, cv = SGDClassifier(tol=None, max_iter=3), KFold(2, shuffle=True)
    grid = {"estimator__alpha": loguniform(1e-4, 1e2)}
    if given["strategy"] == "halving":
        grid = {"estimator__alpha": [1e-4, 1.0, 1e-2, 10.0]}

    def run(n_jobs, path=PATH):
        return search(estimator, grid, path=path, n_jobs=n_jobs, cv=cv, **given)

    np.random.seed(99)
    whole = run(1, path=None)
    after = np.random.random()
    np.random.seed(99)
    kill(0, estimator, grid, cv=cv, **given)
    assert_same_search(search_in_pieces(run, [4, 11, 0, 24, 40]), whole)
    assert np.random.random() == after


def test_a_round_goes_on_from_the_one_before():
    """What models have learned in the first round is not learned again."""
    grid = {"estimator__alpha": [1e-4, 1.0, 1e-2, 10.0]}
    given = {"strategy": "halving", "factor": 2, "max_resources": 4, "refit": False}
    n_learned, real = [0], Training._learn

    def count(self, *given):
        n_learned[0] += 1
        real(self, *given)

    with mock.patch.object(Training, "_learn", count):
        whole = search(grid=grid, path=None, **given)
        n_whole, n_learned[0] = n_learned[0], 0
        for n_looks in (19, 1, 12):
            kill(n_looks, grid=grid, **given)
        again = search(grid=grid, **given)
    assert n_learned[0] == n_whole
    np.testing.assert_array_equal(
        again.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"]
    )


def test_generators_of_the_users_own():
    given = {"strategy": "random", "n_iter": 2}
    grid = {"estimator__alpha": loguniform(1e-4, 1e2)}

    def run(n_jobs, path=PATH):
        own, seeds = np.random.RandomState(1), np.random.RandomState(2)
        given["random_state"] = own
        estimator = SGDClassifier(max_iter=2, tol=None)
        fit = {"random_state": seeds}
        return search(estimator, grid, path=path, n_jobs=n_jobs, fit=fit, **given)

    whole = run(1, path=None)
    assert_same_search(search_in_pieces(run, [4, 7, 2, 9]), whole)


# Processes that are killed, and signals

_RUN = """
import json, sys
sys.path.insert(0, sys.argv[1])
import kill_runs
kill_runs.run(*json.loads(sys.argv[2]))
"""


@on_posix
def test_killed_at_random_moments():
    args = json.dumps(["kill_at_random", "search", os.getcwd(), 3, 2])
    done = run_fresh(_RUN, Path(__file__).parent, args)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["killed"] == 2


@pytest.mark.parametrize("n_looks", [3, 38])
def test_ctrl_c_says_how_to_continue(n_looks):
    left, real = [n_looks], SearchJournal.is_due.fget

    def is_due(self):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return real(self)

    where = "after 0 of 4 fits"
    if n_looks == 38:
        where = "in the last fit, in epoch 1 of at most 3, after 4 of 7 chunks"
    text = (
        f"fit was interrupted. Its state {where} is in {PATH.absolute()}: to continue, "
        "call fit again with the same parameters and rows."
    )
    with (
        mock.patch.object(SearchJournal, "is_due", property(is_due)),
        pytest.warns(UserWarning, match=f"^{re.escape(text)}$"),
        pytest.raises(KeyboardInterrupt),
    ):
        search(n_jobs=2)
    assert_same_search(search(), search(path=None))


def test_a_handler_that_returns_lets_the_search_go_on(monkeypatch):
    left, real, heard = [5], SearchJournal.is_due.fget, []

    def is_due(self):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self)

    before = signal.signal(signal.SIGTERM, lambda *given: heard.append(given[0]))
    try:
        with mock.patch.object(SearchJournal, "is_due", property(is_due)):
            found = search()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]
    assert_same_search(found, search(path=None))


# What is in the file


def test_a_search_that_is_over_returns_its_result(capsys):
    first = search(scoring=["accuracy", "roc_auc"], refit="roc_auc")
    with mock.patch.object(skmmap._chunked_search, "reading_together") as read:
        again = search(scoring=["accuracy", "roc_auc"], refit="roc_auc", n_jobs=2)
    assert not read.called
    assert_same_search(again, first)
    assert again.refit_time_ == first.refit_time_
    assert_alike(again.predict("X.npy"), first.predict("X.npy"))


def test_nothing_is_kept_of_models_whose_scores_are_known():
    kill(36)
    version = read_version(PATH)
    assert sorted(version.sections) == ["start", "state last", "tasks"]
    size = version.sections["tasks"][1]
    assert version.about["n_over"] == 4
    assert size < 20_000


def test_what_cannot_be_written_costs_a_warning():
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    left = [4]

    def is_due(self):
        left[0] -= 1
        return left[0] <= 0

    def write(self, data, real=Unfinished.write):
        if left[0] == 0:
            raise full
        return real(self, data)

    text = (
        f"The state of fit could not be written to {PATH.absolute()} (OSError: [Errno "
        "28] No space left on device); what was there before is unchanged. Training "
        "goes on. It will be tried again."
    )
    with (
        mock.patch.object(SearchJournal, "is_due", property(is_due)),
        mock.patch.object(Unfinished, "write", write),
        pytest.warns(UserWarning, match=f"^{re.escape(text)}$"),
    ):
        found = search()
    assert_same_search(found, search(path=None))


class Scores(float):
    """A number that cannot be pickled."""

    def __reduce__(self):
        raise TypeError("it cannot be pickled")


def test_scores_that_cannot_be_pickled_cost_a_warning():
    text = "(TypeError: it cannot be pickled); what was there before is unchanged. Tra"
    with pytest.warns(UserWarning, match=re.escape(text)):
        found = search(scoring=lambda *given: Scores(1), error_score="raise")
    assert found.best_score_ == 1


def test_a_damaged_version_is_replaced_by_the_one_before():
    kill(3)
    kill(3)
    PATH.write_bytes(PATH.read_bytes()[:-1])
    with pytest.warns(UserWarning, match=f"goes on from {BEFORE.absolute()}, written"):
        found = search()
    assert_same_search(found, search(path=None))


# What is refused


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"cv": 3}, "cv: 2 in the checkpoint, 3 now"),
        ({"scoring": "accuracy"}, "scoring: nothing in the checkpoint, 'accuracy' now"),
        (
            {"fit": {"chunk_size": 24}},
            "estimator__chunk_size: 25 in the checkpoint, 24",
        ),
        (
            {"estimator": SGDClassifier(random_state=1, max_iter=3, tol=None)},
            "estimator__estimator__random_state: 0 in the checkpoint, 1 now",
        ),
        (
            {"grid": {"estimator__alpha": [1e-4, 2.0]}},
            "param_grid: {'estimator__alpha': [0.0001, 1.0]} in the checkpoint, "
            "{'estimator__alpha': [0.0001, 2.0]} now",
        ),
    ],
)
def test_another_search_is_refused(params, said):
    kill(3)
    with pytest.raises(ValueError, match=re.escape(f"of another run:\n- {said}")) as e:
        search(**params)
    assert str(e.value).count("\n- ") == 1


def test_other_rows_and_a_single_fit_are_refused():
    kill(3)
    with pytest.raises(
        ValueError, match=r"of another run:\n- X: 160 x 3 float64; .* in"
    ):
        make().fit(np.load("X.npy") + 1, "y.npy")
    text = "- search: 'skmmap.ChunkedSearchCV' in the checkpoint, nothing now"
    with pytest.raises(ValueError, match=re.escape(text)):
        ChunkedFit(SGD, checkpoint=PATH).fit("X.npy", "y.npy")


def test_what_does_not_matter_may_be_another():
    estimator = make_pipeline(StandardScaler(), ChunkedFit(SGD, chunk_size=25))
    grid = {"chunkedfit__estimator__alpha": [1e-4, 1.0]}

    def run(path=PATH, **params):
        own = estimator.set_params(**{f"chunkedfit__{k}": v for k, v in params.items()})
        checkpoint = None if path is None else Checkpoint(path, seconds=10**6)
        given = {"cv": 2, "verbose": len(params), "checkpoint": checkpoint}
        return ChunkedSearchCV(own, grid, **given).fit("X.npy", np.load("y.npy"))

    with pytest.raises(Killed), search_killed_after(9):
        run()
    assert_same_search(run(n_jobs=2, verbose=0, read="auto"), run(None))


def test_a_checkpoint_inside_of_a_search_is_refused():
    text = (
        "ChunkedSearchCV makes many fits, and the ChunkedFit in it has "
        "checkpoint='a.ckpt', to which all of them would write. Leave it out there, "
        "and give it to the search: ChunkedSearchCV(..., checkpoint=...)."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        search(fit={"checkpoint": "a.ckpt"})
