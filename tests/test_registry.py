"""How a class learns from chunks, as `register` says it, of estimators of this file."""

import gc
import pickle
import sys
import threading
from copy import copy, deepcopy
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from helpers import in_file_order, name_of, partial_fit_estimators, raises
from sklearn.base import BaseEstimator, ClusterMixin, RegressorMixin, clone
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KDTree
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skmmap import ChunkedFit, merge, register
from skmmap.estimators import registry
from skmmap.estimators.entry import LearningEntry
from skmmap.estimators.registry import find_entry
from skmmap.estimators.sklearn_entries import SKLEARN

pytestmark = pytest.mark.usefixtures("own_entries")

X = np.arange(60.0)[:, None]
Y = 2 * X[:, 0]


class Line(RegressorMixin, BaseEstimator):
    """Learns a slope by gradient descent, and records what it is given."""

    def __init__(
        self,
        passes=3,
        rows=10,
        mixes=True,
        least=1,
        start=0.0,
        tol=1e-3,
        n_iter_no_change=2,
    ):
        self.passes = passes
        self.rows = rows
        self.mixes = mixes
        self.least = least
        self.start = start
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change

    def partial_fit(self, X, y):
        self.chunks_ = [*getattr(self, "chunks_", []), X[:, 0].tolist()]
        self.starts_ = [*getattr(self, "starts_", []), self.start]
        self.slope_ = getattr(self, "slope_", self.start)
        step = (X[:, 0] * (y - self.slope_ * X[:, 0])).mean() / 4_000
        self.slope_ += step
        return self

    def predict(self, X):
        return self.slope_ * X[:, 0]


class Steep(Line):
    """A subclass."""


def halve(estimator):
    estimator.half_ = estimator.slope_ / 2


def error(estimator, X, y):
    return ((y - estimator.predict(X)) ** 2).mean()


# --- What an entry says --------------------------------------------------------------


def test_without_an_entry_there_is_one_pass():
    model = ChunkedFit(Line(), chunk_size=20).fit(X, Y)
    assert model.n_epochs_ == 1
    assert (
        sorted(value for chunk in model.chunks_ for value in chunk) == X[:, 0].tolist()
    )


def test_epochs():
    register(Line, epochs="passes")
    assert ChunkedFit(Line(passes=4), chunk_size=20).fit(X, Y).n_epochs_ == 4
    assert ChunkedFit(Line(), chunk_size=20, max_epochs=2).fit(X, Y).n_epochs_ == 2


@pytest.mark.parametrize("shuffle", [True, False, "mixes", np.True_, np.False_])
def test_shuffle(shuffle):
    register(Line, shuffle=shuffle)
    for mixes in (True, False):
        model = ChunkedFit(Line(mixes=mixes), random_state=0).fit(X, Y)
        in_order = model.chunks_ == [X[:, 0].tolist()]
        assert in_order is not (mixes if shuffle == "mixes" else bool(shuffle))


def test_batches_and_the_least_of_rows():
    register(Line, batch_size="rows", min_rows="least", shuffle=False)
    model = ChunkedFit(Line(rows=14)).fit(X, Y)
    assert [len(chunk) for chunk in model.chunks_] == [14, 14, 14, 14, 4]
    model = ChunkedFit(Line(rows=14, least=20)).fit(X, Y)
    assert [len(chunk) for chunk in model.chunks_] == [20, 20, 20]
    said = "chunk_size=5 is 5 rows, and Line needs at least 20 in a chunk."
    with raises(ValueError, said):
        ChunkedFit(Line(least=20), chunk_size=5).fit(X, Y)


def test_stopping_by_the_loss():
    register(Line, epochs="passes", stopping="loss", loss=error)
    model = ChunkedFit(Line(passes=200), chunk_size=20, random_state=0).fit(X, Y)
    assert 3 < model.n_epochs_ < 200
    assert model.history_["loss"][-1] < 1e-3 < model.history_["loss"][0]
    never = ChunkedFit(Line(passes=40, tol=None), chunk_size=20).fit(X, Y)
    assert never.n_epochs_ == 40


def test_an_error_in_the_loss_is_told_once():
    def loss(estimator, X, y):
        raise ValueError("No loss.")

    register(Line, epochs="passes", stopping="loss", loss=loss)
    text = (
        "The training loss could not be computed, so training does not stop by it: "
        "No loss."
    )
    with pytest.warns(UserWarning, match=r"training loss|not converged") as caught:
        model = ChunkedFit(Line(passes=5), chunk_size=20).fit(X, Y)
    assert [warning.category for warning in caught] == [UserWarning, ConvergenceWarning]
    assert str(caught[0].message) == text
    assert model.n_epochs_ == 5


class Told(Line):
    """Says its loss itself."""

    def partial_fit(self, X, y):
        super().partial_fit(X, y)
        self.loss_ = error(self, X, y)
        return self


def test_a_loss_that_the_estimator_says():
    register(Told, epochs="passes", stopping="loss")
    model = ChunkedFit(Told(passes=200), chunk_size=20, random_state=0).fit(X, Y)
    assert 3 < model.n_epochs_ < 200


def test_overrides_are_for_training_alone():
    def override(line, run):
        seen.append(run)
        return {"start": 1.0}

    seen = []
    register(Line, overrides=override)
    model = ChunkedFit(Line(), chunk_size=20).fit(X, Y)
    assert model.starts_ == [1.0, 1.0, 1.0]
    assert model.estimator_.start == 0.0
    (run,) = seen
    assert (run.n_rows, run.chunk_rows, run.n_chunks) == (60, 20, 3)
    assert (run.is_shuffled, run.is_loop) == (True, False)
    in_file_order(Line(), chunk_size=20).fit(X, Y)
    assert (seen[1].is_shuffled, seen[1].is_loop) == (False, True)


def test_what_training_starts_from():
    def initialize(line, sample):
        assert (sample.n_rows, sample.seed, sample.sample_weight) == (60, 7, None)
        return {"start": sample.X.max()}

    register(Line, initialize=initialize)
    model = ChunkedFit(Line(), chunk_size=20, random_state=7).fit(X, Y)
    assert model.starts_ == [59.0, 59.0, 59.0]
    assert model.estimator_.start == 0.0
    assert in_file_order(Line(), chunk_size=20).fit(X, Y).starts_ == [0.0] * 3


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_rows_that_cannot_be_used_are_no_start():
    register(Line, initialize=lambda line, sample: {"start": sample.X.max()})
    bad = np.where(X == 30, np.inf, X)
    assert ChunkedFit(Line(), chunk_size=60).fit(bad, Y).starts_ == [0.0]


def test_what_fit_does_at_its_end():
    register(Line, finish=halve)
    model = ChunkedFit(Line(), chunk_size=20).fit(X, Y)
    assert model.half_ == model.slope_ / 2
    model.partial_fit(X, Y)
    assert model.half_ == model.slope_ / 2
    assert not hasattr(in_file_order(Line()).fit(X, Y), "half_")


def test_finish_comes_after_what_skmmap_corrects():
    def finish(estimator):
        estimator.seen_ = estimator.coef_.copy()

    register(SGDRegressor, finish=finish)
    sgd = SGDRegressor(average=True, random_state=0, eta0=1e-5)
    model = ChunkedFit(sgd, chunk_size=20).fit(X, Y)
    assert np.array_equal(model.seen_, model.coef_)
    registry._own.clear()
    registry._found.clear()
    assert np.array_equal(clone(model).fit(X, Y).coef_, model.coef_)


def test_a_held_out_score_is_that_of_a_finished_estimator():
    class Halved(Line):
        def predict(self, X):
            return 2 * self.half_ * X[:, 0]

    register(Halved, epochs="passes", finish=halve)
    model = ChunkedFit(Halved(tol=None), chunk_size=20)
    model.fit(X, Y, X_val=X, y_val=Y)
    assert model.history_["score"][-1] == model.score(X, Y)


# --- Merging -------------------------------------------------------------------------


class Total(ClusterMixin, BaseEstimator):
    """Adds up its rows."""

    def partial_fit(self, X, y=None):
        self.total_ = getattr(self, "total_", 0) + X.sum()
        self.calls_ = getattr(self, "calls_", 0) + 1
        return self


def add(one, other):
    one.total_ += other.total_
    one.calls_ = max(one.calls_, other.calls_)
    return one


def test_merging_in_several_jobs():
    register(Total, merge=add)
    model = ChunkedFit(Total(), chunk_size=2, n_jobs=2).fit(X)
    assert model.total_ == X.sum()
    assert model.calls_ < 30
    alone = ChunkedFit(Total(), chunk_size=2).fit(X)
    assert alone.calls_ == 30
    assert merge(model.estimator_, alone.estimator_).total_ == 2 * X.sum()


def test_merge_is_for_the_very_class():
    register(Total, merge=add, finish=finish_total)

    class More(Total):
        pass

    model = ChunkedFit(More(), chunk_size=2, n_jobs=2).fit(X)
    assert (model.calls_, model.mean_) == (30, X.sum() / 30)
    assert merge.dispatch(More) is add


def finish_total(estimator):
    estimator.mean_ = estimator.total_ / estimator.calls_


def test_merge_register_adds_to_the_entry():
    register(Total, finish=finish_total)
    merge.register(Total, add)
    assert find_entry(Total).entry == LearningEntry(merge=add, finish=finish_total)

    @merge.register(Line)
    def _(one, other):
        return one

    assert find_entry(Line).entry.merge is _
    said = (
        "merge.register needs a class: annotate the first parameter of add, or write "
        "@merge.register(Class)."
    )
    with raises(TypeError, said):
        merge.register(add)


# --- Which entry counts --------------------------------------------------------------


def test_subclasses_take_over_field_by_field():
    register(Line, epochs="passes", finish=halve)
    register(Steep, shuffle=False)
    entry, origins = find_entry(Steep)
    assert entry == LearningEntry(epochs="passes", finish=halve, shuffle=False)
    assert [origin.cls for origin in origins] == [Steep, Line]
    register(Steep, epochs=None)
    assert find_entry(Steep).entry.epochs is None
    assert find_entry(Line).entry.epochs == "passes"


def test_a_second_call_replaces_what_it_says():
    register(Line, epochs="passes", finish=halve)
    assert register(Line, epochs="rows") is Line
    assert find_entry(Line).entry == LearningEntry(epochs="rows", finish=halve)


def test_own_entries_count_before_those_of_skmmap():
    before = find_entry(SGDClassifier).entry
    register(SGDClassifier, epochs=None)
    after = find_entry(SGDClassifier).entry
    assert (after.epochs, after.loss) == (None, before.loss)
    assert find_entry(SGDRegressor).entry.epochs == "max_iter"
    model = ChunkedFit(SGDClassifier(), chunk_size=30).fit(X, Y > 50)
    assert model.n_epochs_ == 1


def test_the_nearest_class_counts_whoever_has_registered_it():
    """What skmmap knows of scikit-learn's class counts before a base's entry."""
    base = SGDClassifier.__mro__[1]
    register(base, epochs=None, finish=halve)
    entry = find_entry(SGDClassifier).entry
    assert (entry.epochs, entry.finish) == ("max_iter", halve)


def test_only_merge_of_a_subclass_of_scikit_learns():
    class Range(StandardScaler):
        pass

    register(Range, merge=merge.dispatch(StandardScaler))
    # What it says of parameters and exactness is of its own code alone.
    own = dict.fromkeys(("free", "derive", "compute_alike", "adds_exactly"))
    known = find_entry(StandardScaler).entry._replace(**own)
    assert find_entry(Range).entry._replace(**own) == known
    one = ChunkedFit(Range(), chunk_size=2, n_jobs=2).fit(X)
    assert np.allclose(one.mean_, 29.5)


@pytest.mark.parametrize("estimator", partial_fit_estimators(), ids=name_of)
def test_entries_of_scikit_learn_are_found(estimator):
    """By the names by which the classes are imported."""
    names = (name for name in SKLEARN if name.endswith(f".{name_of(estimator)}"))
    said = SKLEARN.get(next(names, ""), {})
    assert find_entry(type(estimator)).entry == LearningEntry(**said)


def test_names_of_what_is_not_imported():
    register("nowhere.at_all.Line", epochs="passes")
    assert "nowhere" not in sys.modules
    assert find_entry(Line).entry == LearningEntry()
    found = type("Line", (Line,), {"__module__": "nowhere.at_all"})
    assert find_entry(found).entry.epochs == "passes"
    other = type("Line", (Line,), {"__module__": "nowhere.at_all.deeper"})
    assert find_entry(other).entry == LearningEntry()


def test_names_by_which_a_package_exports_a_class():
    register("sklearn.preprocessing.MinMaxScaler", finish=halve)
    assert find_entry(MinMaxScaler).entry.finish is halve
    register(f"{Line.__module__}.Line", epochs="passes")
    assert find_entry(Line).entry.epochs == "passes"


def test_what_is_said_before_the_import_is_kept(monkeypatch):
    register("later.Line", epochs="passes", finish=halve)
    late = type("Line", (Line,), {"__module__": "later.deep"})
    monkeypatch.setitem(sys.modules, "later", SimpleNamespace(Line=late))
    register(late, epochs="rows")
    assert find_entry(late).entry == LearningEntry(epochs="rows", finish=halve)


class Plain(SGDRegressor):
    """Leaves most parameters to its base."""

    def __init__(self, alpha=1e-4, random_state=None):
        super().__init__(alpha=alpha, tol=None, max_iter=5, random_state=random_state)


class FewTopics(LatentDirichletAllocation):
    def __init__(self, random_state=None):
        super().__init__(n_components=2, max_iter=2, random_state=random_state)


def test_subclasses_with_fewer_parameters_learn_as_their_base():
    one = ChunkedFit(Plain(random_state=0), chunk_size=20)
    base = SGDRegressor(tol=None, max_iter=5, random_state=0)
    base = ChunkedFit(base, chunk_size=20)
    scaled = X / 60
    assert "shuffle=False (was True" in one.explain(scaled, Y).sections["overridden"]
    assert np.array_equal(one.fit(scaled, Y).coef_, base.fit(scaled, Y).coef_)
    assert one.estimator_.shuffle is True
    base = LatentDirichletAllocation(2, max_iter=2, random_state=0)
    few = ChunkedFit(FewTopics(random_state=0)).fit(X)
    assert np.array_equal(few.components_, ChunkedFit(base).fit(X).components_)
    assert few.estimator_.total_samples == base.total_samples
    assert "without effect" not in ChunkedFit(FewTopics()).explain(X).sections


def test_an_overridden_array_is_explained():
    register(Line, overrides=lambda line, run: {"start": np.zeros(2)})
    said = ChunkedFit(Line(start=np.ones(2))).explain(X, Y).sections["overridden"]
    assert said == "start=array([0., 0.]) (was array([1., 1.]))"


def test_a_copy_in_training_has_the_function_itself():
    """Not a pickled one: a closure may hold what counts, or cannot be pickled."""
    lock, seen = threading.Lock(), []

    def finish(line):
        with lock:
            seen.append(line.slope_)

    register(Line, epochs="passes", finish=finish)
    ChunkedFit(Line(passes=4, tol=None)).fit(X, Y, X_val=X, y_val=Y)
    assert len(seen) > 1


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_class_that_is_defined_again_has_a_new_entry(is_kept):
    """As by a notebook cell that is run twice."""

    def define(**entry):
        class Mine(Line):
            pass

        return register(Mine, **entry)

    first = define(epochs="passes", shuffle=False)
    assert register(first, batch_size="rows") is first
    assert find_entry(first).entry.epochs == "passes"
    first = first if is_kept else None
    gc.collect()
    second = find_entry(define(batch_size="rows")).entry
    assert second == LearningEntry(batch_size="rows")


# --- What is refused -----------------------------------------------------------------

FIELDS = (
    "epochs, shuffle, batch_size, min_rows, stopping, loss, early_stopping, overrides, "
    "initialize, finish, merge, stateless, chunk_learner, train"
)
PARAMETERS = "passes, rows, mixes, least, start, tol, n_iter_no_change"


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        (
            {"epoch": "passes"},
            TypeError,
            f"register has no field 'epoch'. Its fields are {FIELDS}.",
        ),
        (
            {"epochs": "max_iter"},
            ValueError,
            f"epochs='max_iter' is not a parameter of Line, which has: {PARAMETERS}.",
        ),
        (
            {"shuffle": "shuffle"},
            ValueError,
            f"shuffle='shuffle' is not a parameter of Line, which has: {PARAMETERS}.",
        ),
        (
            {"epochs": 3},
            TypeError,
            "epochs must be the name of a parameter; got 3.",
        ),
        (
            {"dense": True},  # of skmmap's own entries
            TypeError,
            f"register has no field 'dense'. Its fields are {FIELDS}.",
        ),
        ({"merge": "add"}, TypeError, "merge must be a function; got 'add'."),
        (
            {"stateless": "yes"},
            TypeError,
            "stateless must be a bool or a function; got 'yes'.",
        ),
        (
            {"stopping": "score"},
            TypeError,
            "stopping must be 'loss' or None; got 'score'.",
        ),
        ({"stopping": 3}, TypeError, "stopping must be 'loss' or None; got 3."),
        (
            {"early_stopping": "mixes"},
            ValueError,
            "'validation_fraction', which early_stopping needs, is not a parameter of "
            f"Line, which has: {PARAMETERS}.",
        ),
    ],
)
def test_wrong_fields_are_refused(how, error, said):
    with raises(error, said):
        register(Line, **how)
    assert find_entry(Line).entry == LearningEntry()


def test_stopping_needs_its_parameters():
    said = (
        "'tol', which stopping='loss' needs, is not a parameter of Total, which has: "
        "none."
    )
    with raises(ValueError, said):
        register(Total, stopping="loss")


@pytest.mark.parametrize("name", ["Line", "", "a.b c", "a..b"])
def test_what_is_no_name_of_a_class_is_refused(name):
    said = (
        "register needs a class, or its full name such as 'package.module.Class'; got "
        f"{name!r}."
    )
    with raises(TypeError, said):
        register(name, epochs="passes")


def test_a_built_in_type_is_refused():
    with raises(TypeError, "register needs a class of estimators; got int."):
        register(int, epochs="passes")


def test_a_compiled_class_has_no_signature():
    register(KDTree, epochs="passes")
    assert find_entry(KDTree).entry.epochs == "passes"


def test_an_instance_is_refused():
    said = (
        "register needs a class, or its full name such as 'package.module.Class'; got "
        "an instance of Line."
    )
    with raises(TypeError, said):
        register(Line(), epochs="passes")


@pytest.mark.parametrize(
    "field", ["epochs", "shuffle", "batch_size", "min_rows", "early_stopping"]
)
def test_a_parameter_that_is_missing_is_told_by_fit(field):
    """Of a class that was not there when it was registered."""
    register("nowhere.at_all.Line", **{field: "max_iter"})
    late = type("Line", (Line,), {"__module__": "nowhere.at_all"})
    said = (
        "The entry of Line names the parameter 'max_iter', which it does not have. "
        "Correct the call of skmmap.register."
    )
    with raises(ValueError, said):
        ChunkedFit(late()).fit(X, Y)


@pytest.mark.parametrize("field", ["overrides", "initialize"])
def test_functions_return_parameters(field):
    register(Line, **{field: lambda line, argument: {"begin": 1.0}})
    said = (
        "The entry of Line names the parameter 'begin', which it does not have. "
        "Correct the call of skmmap.register."
    )
    with raises(ValueError, said):
        ChunkedFit(Line()).fit(X, Y)
    register(Line, **{field: lambda line, argument: None})
    said = (
        f"The function {field} in the entry of Line returned None. Let it return a "
        "dict of parameters."
    )
    with raises(TypeError, said):
        ChunkedFit(Line()).fit(X, Y)


# --- Other processes -----------------------------------------------------------------


def fit_elsewhere(model):
    """Run in a worker, which has not registered anything."""
    model = clone(model).fit(X, Y)
    return model.n_epochs_, hasattr(model.estimator_, "half_")


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_entries_go_to_workers(backend):
    def finish(estimator):  # which no worker can import
        estimator.half_ = estimator.slope_ / 2

    register(Line, epochs="passes", finish=finish)
    model = ChunkedFit(Line(), chunk_size=20)
    with joblib.parallel_config(backend=backend):
        found = joblib.Parallel(n_jobs=2)(
            joblib.delayed(fit_elsewhere)(model) for _ in range(2)
        )
    assert found == [(3, True)] * 2


def test_a_search_has_the_entry_in_its_workers():
    register(Line, epochs="passes", finish=lambda line: halve(line))
    search = GridSearchCV(ChunkedFit(Line(), chunk_size=20), {"random_state": [0]})
    search.set_params(n_jobs=2, cv=2, error_score="raise").fit(X, Y)
    assert search.best_estimator_.n_epochs_ == 3


def test_a_search_has_the_entries_of_its_candidates():
    register(Line, epochs="passes", finish=halve)
    register(Total, finish=threading.Lock().acquire)  # which cannot be pickled
    search = GridSearchCV(ChunkedFit(SGDRegressor()), {"estimator": [Line(), Steep()]})
    search.set_params(n_jobs=2, cv=2, scoring=count_epochs, error_score="raise")
    assert [*search.fit(X, Y).cv_results_["mean_test_score"]] == [3, 3]


def count_epochs(model, X, y):
    return model.n_epochs_


def test_what_was_sent_last_counts(monkeypatch):
    """Workers of joblib live on from one search to the next."""
    sent = {}
    for name in ("passes", "rows"):
        register(Line, epochs=name)
        sent[name] = pickle.dumps(ChunkedFit(Line()))
    monkeypatch.setattr(registry, "_own", {})
    monkeypatch.setattr(registry, "_classes", {})
    for name, data in sent.items():
        pickle.loads(data)
        assert find_entry(Line).entry.epochs == name
    register(Line, shuffle=False)  # for itself
    assert find_entry(Line).entry == LearningEntry(shuffle=False)


def test_what_is_sent_to_workers_is_not_saved():
    register(Line, epochs="passes")
    register(Total, finish=lambda total: None)
    state = pickle.loads(pickle.dumps(ChunkedFit(Line()).__reduce_ex__(4)[2]))
    assert [*state["_entries"]] == [f"{__name__}.Line"]


def test_pickles_of_other_models_do_not_show_it():
    register(Line, epochs="passes")
    assert b"packing" in pickle.dumps(ChunkedFit(Line()))
    assert b"packing" not in pickle.dumps(ChunkedFit(SGDRegressor()))


@pytest.mark.parametrize("copied", [deepcopy, copy])
def test_a_copy_needs_no_pickle(copied):
    lock = threading.Lock()

    def finish(line):
        with lock:
            halve(line)

    register(Line, epochs="passes", finish=finish)
    model = copied(ChunkedFit(Line()).fit(X, Y))
    assert "_entries" not in vars(model)
    assert model.partial_fit(X, Y).half_ == model.slope_ / 2


def test_pickles_have_the_entry(monkeypatch):
    register(Line, epochs="passes", finish=lambda line: halve(line))
    data = pickle.dumps(ChunkedFit(Line(), chunk_size=20).fit(X, Y))
    monkeypatch.setattr(registry, "_own", {})
    monkeypatch.setattr(registry, "_classes", {})
    registry._found.clear()
    assert find_entry(Line).entry == LearningEntry()
    model = pickle.loads(data)
    assert "_entries" not in vars(model)
    assert model.partial_fit(X, Y).half_ == model.slope_ / 2
    assert clone(model).fit(X, Y).n_epochs_ == 3
    register(Line, epochs="rows")
    pickle.loads(data)
    assert find_entry(Line).entry.epochs == "rows"  # this process has its own


def test_pickles_have_nothing_else():
    _, _, state, *_ = ChunkedFit(Line()).__reduce_ex__(4)
    assert "_entries" not in state


# --- What is said of it --------------------------------------------------------------


def find_said(model, *args) -> str:
    return ChunkedFit(model).explain(*args).sections["learning"]


def test_explain_says_which_entry_counts():
    assert find_said(Line(), X, Y) == "no entry for Line (see skmmap.register)"
    register(Line, epochs="passes")
    assert find_said(Line(), X, Y) == "registered entry for Line"
    said = "registered entry for Line, a base of Steep"
    assert find_said(Steep(), X, Y) == said
    register(Steep, shuffle=False)
    assert find_said(Steep(), X, Y) == f"registered entry for Steep; {said}"

    class Mine(SGDRegressor):
        pass

    assert find_said(SGDRegressor(), X, Y) == "built-in entry for SGDRegressor"
    said = "built-in entry for SGDRegressor, a base of Mine"
    assert find_said(Mine(), X, Y) == said
    register(SGDRegressor, finish=halve)
    assert find_said(SGDRegressor(), X, Y) == (
        "registered entry for SGDRegressor; built-in entry for SGDRegressor"
    )
