"""XGBoost and LightGBM, trained from rows on disk: equal to what they do in memory.

The values of the columns are few, so that the bins do not depend on how they are found.
"""

import gc
import os
import re
import sys
import tempfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import name_of
from processes import run_fresh
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from skmmap import ChunkedFit, ChunkedSearchCV, boosters, open_rows, register
from skmmap.boosters import pieces as pieces_module
from skmmap.boosters import xgboost_rows

RNG = np.random.default_rng(0)
X = RNG.integers(0, 30, size=(600, 5)).astype(np.float32)
X[RNG.random(X.shape) < 0.05] = np.nan
NUMBERS = np.nan_to_num(X[:, 0]) + RNG.normal(scale=5, size=600)
LABELS = (NUMBERS > 15).astype(int)
WEIGHTS = RNG.integers(1, 4, size=600).astype(float)
KINDS = "XGBClassifier", "XGBRegressor", "LGBMClassifier", "LGBMRegressor"


@pytest.fixture(scope="module")
def xgboost():
    return pytest.importorskip("xgboost")


@pytest.fixture(scope="module")
def lightgbm():
    return pytest.importorskip("lightgbm")


@pytest.fixture
def rows(tmp_path):
    np.save(tmp_path / "X.npy", X)
    return open_rows(tmp_path / "X.npy")


def make(kind, **params):
    """Return a booster, which is small and uses one core."""
    module = pytest.importorskip("xgboost" if kind.startswith("XGB") else "lightgbm")
    quiet = {} if kind.startswith("XGB") else {"verbose": -1}
    own = {"n_estimators": 8, "n_jobs": 1, "max_depth": 3}
    return getattr(module, kind)(**own | quiet | params)


def target_of(kind):
    return LABELS if "Classifier" in kind else NUMBERS


def predict(model, rows):
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    return getattr(model, method)(rows)


def list_folders():
    return set(Path(tempfile.gettempdir()).glob("skmmap_xgboost_*"))


# --- Equal to the booster's own ------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_fit_equals_that_of_the_booster_in_memory(kind, weights, rows):
    y = target_of(kind)
    model = ChunkedFit(make(kind, subsample=0.7), chunk_size=150)
    model.fit(rows, y, sample_weight=weights)
    bare = make(kind, subsample=0.7).fit(X, y, sample_weight=weights)
    assert np.array_equal(predict(model, rows), predict(bare, X))
    assert type(model.estimator_) is type(bare)
    assert np.array_equal(model.feature_importances_, bare.feature_importances_)
    assert model.n_features_in_ == 5
    assert model.chunk_size_ == 150
    assert model.n_epochs_ == (3 if kind.startswith("XGB") else 2)
    assert model.history_["rows"] == [600] * model.n_epochs_
    assert {len(column) for column in model.history_.values()} == {model.n_epochs_}


def test_xgboost_gets_the_quantiles_of_its_own_iterator(xgboost, tmp_path):
    """With more values than bins they depend on the slices."""
    many = RNG.normal(size=(3000, 3)).astype(np.float32)
    y = (many.sum(axis=1) > 0).astype(int)
    model = ChunkedFit(make("XGBClassifier", max_bin=16), chunk_size=700).fit(many, y)

    class Slices(xgboost.DataIter):
        def __init__(self):
            super().__init__(cache_prefix=str(tmp_path / "own"))
            self.start = 0

        def reset(self):
            self.start = 0

        def next(self, input_data):
            part = slice(self.start, self.start + 700)
            self.start = part.stop
            if part.start < len(many):
                input_data(data=many[part], label=y[part])
            return part.start < len(many)

    matrix = xgboost.ExtMemQuantileDMatrix(Slices(), max_bin=16, nthread=1)
    params = make("XGBClassifier", max_bin=16).get_xgb_params()
    own = xgboost.train(params, matrix, 8)
    assert model.estimator_.get_booster().save_raw() == own.save_raw()
    rows = open_rows(many).to_xgboost(y, max_bin=16, chunk_size=700, n_jobs=1)
    again = xgboost.train(params, rows, 8)
    assert again.save_raw() == own.save_raw()


def test_to_lightgbm_equals_the_data_set_of_an_array(lightgbm, rows):
    params = {"objective": "binary", "verbose": -1, "num_threads": 1}
    fields = {"sample_weight": WEIGHTS, "init_score": WEIGHTS / 9}
    data = rows.to_lightgbm(LABELS, chunk_size=90, **fields)
    whole = lightgbm.Dataset(X, LABELS, weight=WEIGHTS, init_score=WEIGHTS / 9)
    models = [lightgbm.train(params, each, 5) for each in (data, whole)]
    assert np.array_equal(*[model.predict(X) for model in models])


def test_selections_and_evaluation_rows(xgboost, rows):
    """Rows of an evaluation get the bins of those of the training."""
    train = rows[:400].to_xgboost(LABELS[:400], chunk_size=90, n_jobs=1)
    valid = rows[400:].to_xgboost(open_rows(LABELS)[400:], ref=train, n_jobs=1)
    found = {}
    params = {"objective": "binary:logistic", "nthread": 1}
    evals = {"evals": [(valid, "valid")], "evals_result": found, "verbose_eval": False}
    xgboost.train(params, train, 5, **evals)
    whole, expected = xgboost.QuantileDMatrix(X[:400], LABELS[:400]), {}
    other = xgboost.QuantileDMatrix(X[400:], LABELS[400:], ref=whole)
    evals |= {"evals": [(other, "valid")], "evals_result": expected}
    xgboost.train(params, whole, 5, **evals)
    assert found == expected


@pytest.mark.parametrize("kind", ["XGBClassifier", "LGBMClassifier"])
def test_rows_of_every_kind(kind):
    """CSR matrices, frames, lists, images, and memory-mapped integers."""
    whole = np.nan_to_num(X)
    for given in (
        sparse.csr_matrix(whole),
        pd.DataFrame(whole, columns=list("abcde")),
        pd.DataFrame(whole.astype(int), columns=list("vwxyz")).convert_dtypes(),
        whole.tolist(),
        whole.astype(np.uint8),
    ):
        bare = make(kind).fit(given, LABELS)
        model = ChunkedFit(make(kind), chunk_size=150).fit(given, LABELS)
        assert np.array_equal(predict(model, given), predict(bare, given))
        names = getattr(bare, "feature_names_in_", [])
        assert list(getattr(model, "feature_names_in_", [])) == list(names)
    images = whole.reshape(300, 2, 5)
    model = ChunkedFit(make(kind), chunk_size=70).fit(images, LABELS[:300])
    bare = make(kind).fit(images.reshape(300, 10), LABELS[:300])
    assert np.array_equal(model.predict(images), bare.predict(images.reshape(300, 10)))


def test_names_of_columns_in_a_file(xgboost, lightgbm, tmp_path):
    pd.DataFrame(X, columns=list("abcde")).to_parquet(tmp_path / "X.parquet")
    rows = open_rows(tmp_path / "X.parquet")
    assert rows.to_lightgbm(LABELS).construct().get_feature_name() == list("abcde")
    for kind in "XGBClassifier", "LGBMClassifier":
        model = ChunkedFit(make(kind)).fit(rows, LABELS)
        assert list(model.feature_names_in_) == list("abcde")
        expected = predict(make(kind).fit(X, LABELS), X)
        assert np.array_equal(predict(model, rows), expected)


@pytest.mark.parametrize("kind", ["XGBClassifier", "LGBMClassifier"])
def test_labels_weigh_as_asked(kind, rows):
    weights = WEIGHTS * np.where(LABELS, 3, 1)
    bare = make(kind).fit(X, LABELS, sample_weight=weights)
    model = ChunkedFit(make(kind))
    model.fit(rows, LABELS, sample_weight=WEIGHTS, class_weight={0: 1, 1: 3})
    assert np.array_equal(predict(model, rows), predict(bare, X))
    model.fit(rows, LABELS, sample_weight=2.0)
    bare = make(kind).fit(X, LABELS, sample_weight=np.full(600, 2.0))
    assert np.array_equal(predict(model, rows), predict(bare, X))


# --- Early stopping ------------------------------------------------------------------


def test_xgboost_stops_early_on_given_rows(rows, xgboost, capsys):
    params = {"n_estimators": 60, "early_stopping_rounds": 2, "learning_rate": 1.0}
    bare = make("XGBClassifier", **params)
    given = [(X[400:], LABELS[400:])], [WEIGHTS[400:]]
    bare.fit(X[:400], LABELS[:400], eval_set=given[0], verbose=False)
    model = ChunkedFit(make("XGBClassifier", **params), chunk_size=150)
    evaluated = {"X_val": rows[400:], "y_val": LABELS[400:]}
    model.fit(rows[:400], LABELS[:400], **evaluated, verbose=True)
    assert "validation_0-logloss" in capsys.readouterr().out
    model.fit(rows[:400], LABELS[:400], **evaluated)
    assert not capsys.readouterr().out
    assert model.estimator_.best_iteration == bare.best_iteration < 50
    assert model.evals_result_ == bare.evals_result_
    weighted = {"sample_weight_eval_set": given[1], "verbose": False}
    bare.fit(X[:400], LABELS[:400], eval_set=given[0], **weighted)
    model.fit(
        rows[:400],
        LABELS[:400],
        X_val=rows[400:],
        y_val=LABELS[400:],
        sample_weight_val=WEIGHTS[400:],
    )
    assert model.evals_result_ == bare.evals_result_
    with pytest.raises(ValueError, match="at least 1 validation dataset"):
        model.fit(rows, LABELS)


def test_lightgbm_stops_early_on_given_rows(rows, lightgbm):
    """Labels that are no numbers from 0 are encoded in both."""
    names = np.array(["no", "yes"])[LABELS]
    stop = partial(lightgbm.early_stopping, 2, verbose=False)
    bare = make("LGBMClassifier", n_estimators=60, learning_rate=1.0)
    eval_X, eval_y = (X[400:],), (LABELS[400:],)
    bare.fit(X[:400], LABELS[:400], eval_X=eval_X, eval_y=eval_y, callbacks=[stop()])
    model = ChunkedFit(clone(bare), chunk_size=150)
    given = {"X_val": rows[400:], "y_val": names[400:], "callbacks": [stop()]}
    model.fit(rows[:400], names[:400], **given)
    assert model.best_iteration_ == bare.best_iteration_ < 50
    assert model.evals_result_ == bare.evals_result_
    assert set(model.predict(rows[:9])) == {"no", "yes"}


def test_codes_of_categories(xgboost, rows):
    """As numbers they are the same in all chunks."""
    codes = {"feature_types": ["c", *"qqqq"], "enable_categorical": True}
    bare = make("XGBClassifier", **codes).fit(X, LABELS)
    model = ChunkedFit(make("XGBClassifier", **codes), chunk_size=90).fit(rows, LABELS)
    assert np.array_equal(predict(model, rows), predict(bare, X))
    assert bare.get_booster().feature_types[0] == "c"
    assert model.estimator_.get_booster().feature_types[0] == "c"


def test_groups_of_a_ranking(xgboost, lightgbm, rows):
    ranks, groups = (LABELS * 2).astype(int), np.repeat(np.arange(60), 10)
    matrix = rows.to_xgboost(ranks, qid=groups, chunk_size=90, n_jobs=1)
    params = {"objective": "rank:ndcg", "nthread": 1}
    whole = xgboost.QuantileDMatrix(X, ranks, qid=groups)
    models = [xgboost.train(params, each, 3) for each in (matrix, whole)]
    assert models[0].save_raw() == models[1].save_raw()
    data = rows.to_lightgbm(ranks, group=[10] * 60)
    params = {"objective": "lambdarank", "verbose": -1, "num_threads": 1}
    whole = lightgbm.Dataset(X, ranks, group=[10] * 60)
    models = [lightgbm.train(params, each, 3) for each in (data, whole)]
    assert np.array_equal(*[model.predict(X) for model in models])


def test_training_goes_on_from_a_model(rows, xgboost, lightgbm):
    first = make("XGBClassifier").fit(X, LABELS)
    model = ChunkedFit(make("XGBClassifier")).fit(rows, LABELS, xgb_model=first)
    bare = make("XGBClassifier").fit(X, LABELS, xgb_model=first)
    assert np.array_equal(predict(model, rows), predict(bare, X))
    assert not np.array_equal(predict(model, rows), predict(first, X))
    first = make("LGBMClassifier").fit(X, LABELS)
    with pytest.raises(TypeError, match=r"got init_model\. LightGBM would predict"):
        ChunkedFit(make("LGBMClassifier")).fit(rows, LABELS, init_model=first)


# --- Within scikit-learn's tools -----------------------------------------------------


@pytest.mark.parametrize("kind", ["XGBClassifier", "LGBMRegressor"])
def test_searches_and_folds_over_rows(kind, rows):
    y, grid = target_of(kind), {"max_depth": [1, 3]}
    wrapper = ChunkedFit(make(kind), chunk_size=150)
    wrapped = {f"estimator__{name}": values for name, values in grid.items()}
    bare = GridSearchCV(make(kind), grid, cv=KFold(3)).fit(X, y)
    for search in (
        GridSearchCV(wrapper, wrapped, cv=KFold(3)),
        ChunkedSearchCV(wrapper, wrapped, cv=KFold(3)),
    ):
        search.fit(rows, y)
        best = search.best_params_["estimator__max_depth"]
        assert best == bare.best_params_["max_depth"]
        expected = bare.cv_results_["mean_test_score"]
        assert np.allclose(search.cv_results_["mean_test_score"], expected, rtol=1e-6)
        assert np.array_equal(search.predict(rows), bare.predict(X))
    scores = cross_val_score(wrapper, rows, y, cv=KFold(3))
    assert np.allclose(scores, cross_val_score(make(kind), X, y, cv=KFold(3)))


def test_a_search_explains_itself(rows, xgboost, tmp_path):
    wrapper = ChunkedFit(make("XGBClassifier"), memory_limit="1MB")
    search = ChunkedSearchCV(wrapper, {"estimator__max_depth": [1, 3]}, cv=2)
    np.save(tmp_path / "wide.npy", np.zeros((300, 3000), np.uint8))
    wide = open_rows(tmp_path / "wide.npy")
    for given, said in (rows, "in memory"), (wide, "each model by itself"):
        target = np.arange(len(given)) % 2
        assert said in search.explain(given, target).sections["reads"]


def test_rows_in_any_order_go_with_their_values(rows, xgboost):
    """They are read in the order of the file."""
    picked = RNG.permutation(600)[:400]
    order = np.sort(picked)
    margins = RNG.normal(size=600)
    model = ChunkedFit(make("XGBRegressor"), chunk_size=150)
    given = {"sample_weight": WEIGHTS[picked], "base_margin": margins[picked]}
    model.fit(rows[picked], NUMBERS[picked], **given)
    given = {"sample_weight": WEIGHTS[order], "base_margin": margins[order]}
    bare = make("XGBRegressor").fit(X[order], NUMBERS[order], **given)
    assert np.array_equal(model.predict(rows), bare.predict(X))
    model.fit(rows, NUMBERS, base_margin=margins)
    bare.fit(X, NUMBERS, base_margin=margins)
    assert np.array_equal(model.predict(rows), bare.predict(X))


def test_the_last_step_of_a_pipeline(rows, xgboost):
    pipeline = make_pipeline(StandardScaler(), make("XGBClassifier"))
    model = ChunkedFit(pipeline, chunk_size=150)
    model.fit(rows, LABELS, X_val=rows[:50], y_val=LABELS[:50])
    bare = clone(pipeline).fit(X, LABELS)
    assert (model.predict(rows) == bare.predict(X)).mean() > 0.99
    assert "ExtMemQuantileDMatrix" in str(model.explain(rows, LABELS))


def test_fitted_ones_are_pickled_and_saved(rows, xgboost, tmp_path):
    import pickle

    model = ChunkedFit(make("XGBClassifier"), random_state=3).fit(rows, LABELS)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict(rows), model.predict(rows))
    model.estimator_.save_model(tmp_path / "model.json")
    loaded = xgboost.XGBClassifier()
    loaded.load_model(tmp_path / "model.json")
    trained = ChunkedFit(loaded)
    assert np.array_equal(trained.predict(rows), model.predict(rows))
    assert model.estimator_.random_state == model.random_state_ == 3
    assert "_create_dmatrix" not in vars(model.estimator_)
    assert not hasattr(model, "partial_fit")


def test_weights_are_routed(rows, xgboost):
    with config_context(enable_metadata_routing=True):
        booster = make("XGBClassifier").set_fit_request(sample_weight=True)
        model = ChunkedFit(booster).fit(rows, LABELS, sample_weight=WEIGHTS)
        bare = make("XGBClassifier").fit(X, LABELS, sample_weight=WEIGHTS)
        assert np.array_equal(predict(model, rows), predict(bare, X))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_a_check_that_the_booster_passes_the_wrapper_passes(kind):
    passed = []
    bare = make(kind, n_estimators=4)
    for model in bare, ChunkedFit(bare):
        results = check_estimator(model, on_fail=None, on_skip=None)
        passed.append({r["check_name"] for r in results if r["status"] == "passed"})
    # ChunkedFit has no such parameter.
    assert passed[0] - passed[1] <= {"check_class_weight_classifiers"}
    assert len(passed[1]) > 35


# --- What is refused, and what is left behind ----------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_epochs": 3}, "XGBClassifier makes its passes over the rows by itself"),
        ({"shuffle": "blocks"}, "learns from all rows together, so shuffle='blocks'"),
        ({"sampling": "balanced"}, "sampling='balanced' would have no effect. Set sam"),
        ({"checkpoint": "run.ckpt"}, "trains by itself, in a single call"),
        ({"estimator__tree_method": "exact"}, "with tree_method='hist', and XGB"),
        ({"estimator__booster": "gblinear"}, "has booster='gblinear'"),
        ({"estimator__device": "cuda"}, "on the CPU, and device='cuda'"),
    ],
)
def test_what_has_no_effect_or_cannot_be_is_refused(params, message, rows, xgboost):
    model = ChunkedFit(make("XGBClassifier")).set_params(**params)
    with pytest.raises(ValueError, match=message):
        model.fit(rows, LABELS)
    assert not hasattr(model, "estimator_")
    assert not Path("run.ckpt").exists()


def test_other_parameters_of_fit_are_refused(rows, xgboost, lightgbm):
    for kind in "XGBClassifier", "LGBMClassifier":
        model, given = ChunkedFit(make(kind)), [(X, LABELS)]
        with pytest.raises(TypeError, match=r"got eval_set\. It takes X_val=, y_val="):
            model.fit(rows, LABELS, eval_set=given)
        with pytest.raises(TypeError, match="takes the labels that occur in y"):
            model.fit(rows, LABELS, classes=[0, 1])
        with pytest.raises(ValueError, match="X_val has rows of shape"):
            model.fit(rows, LABELS, X_val=X[:, :3], y_val=LABELS)
        named = [pd.DataFrame(X, columns=list(names)) for names in ("abcde", "abcdx")]
        with pytest.raises(ValueError, match="feature names should match"):
            model.fit(named[0], LABELS, X_val=named[1], y_val=LABELS)
        frame = pd.DataFrame({"a": [1.0, 2.0], "b": pd.Categorical(["x", "y"])})
        with pytest.raises(TypeError, match="Not all are numbers: 'b'"):
            model.fit(frame, [0, 1])
    for ranker in xgboost.XGBRanker(), lightgbm.LGBMRanker():
        with pytest.raises(TypeError, match="trains classifiers and regressors of"):
            ChunkedFit(ranker).fit(rows, LABELS)


def test_memory_is_counted_before(rows, xgboost, lightgbm):
    wide = open_rows(np.zeros((300, 3000), np.uint8))
    for kind, part in (
        ("XGBRegressor", "sketches of 3,000"),
        ("LGBMRegressor", "binned"),
    ):
        model = ChunkedFit(make(kind), memory_limit="5MB", chunk_size=9)
        with pytest.raises(MemoryError, match=part):
            model.fit(wide, np.arange(300.0))
        assert (
            part
            in model.set_params(memory_limit="1GB")
            .explain(wide, np.arange(300.0))
            .sections["memory"]
        )


@pytest.mark.parametrize("kind", ["XGBClassifier", "LGBMClassifier"])
def test_memory_of_gradients_is_counted_for_each_class(kind, rows):
    """A round has a tree for each class, from three on."""

    def count(n_classes):
        target = np.arange(600) % n_classes
        said = ChunkedFit(make(kind)).explain(rows, target).sections["memory"]
        return float(re.search(r"([\d.]+) kB for gradients", said)[1])

    assert count(5) - count(2) == pytest.approx(4 * 32 * 600 / 1000, abs=0.2)


def test_nothing_is_left_behind(rows, xgboost, tmp_path, monkeypatch):
    gc.collect()
    monkeypatch.chdir(tmp_path)
    before, there = list_folders(), os.listdir(tmp_path)
    matrix = rows.to_xgboost(LABELS)
    (folder,) = list_folders() - before
    assert os.listdir(folder)
    del matrix
    gc.collect()
    assert list_folders() == before
    ChunkedFit(make("XGBClassifier")).fit(rows, LABELS)
    gc.collect()
    assert list_folders() == before
    cycle = [rows.to_xgboost(LABELS)]
    cycle.append(cycle)
    del cycle
    gc.collect()  # without a warning of XGBoost that its files are gone
    assert list_folders() == before
    assert os.listdir(tmp_path) == there


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("gone")])
def test_what_is_raised_while_rows_are_read_is_raised(error, rows, xgboost, lightgbm):
    """A callback of C would drop Ctrl-C, and train on the rows before it."""
    before = list_folders()
    reads = []

    def read(part):
        reads.append(len(part))
        if len(reads) == 4:
            raise error
        return part

    mapped = rows.map(read)
    kind = error if isinstance(error, type) else type(error)
    for name in "XGBClassifier", "LGBMClassifier":
        reads[:] = [0] * 2  # it is raised in the second pass, or in that of the sample
        model = ChunkedFit(make(name), chunk_size=100)
        with pytest.raises(kind):
            model.fit(mapped, LABELS)
        assert not hasattr(model, "estimator_")
    for start in 2, 1:  # in the middle of a pass: there were rows before
        reads[:] = [0] * start
        with pytest.raises(kind):
            mapped.to_xgboost(LABELS, chunk_size=200)
    assert list_folders() == before


@pytest.mark.parametrize("callback", ["_next_wrapper", "_reset_wrapper"])
def test_ctrl_c_at_the_first_instruction_of(callback, rows, xgboost, monkeypatch):
    """It comes there while C++ works: before `next` of the iterator could catch it."""
    own, calls, before = getattr(xgboost.DataIter, callback), [], list_folders()

    def enter(self, this):
        calls.append(this)
        if len(calls) in stops:
            raise KeyboardInterrupt
        return own(self, this)

    monkeypatch.setattr(xgboost.DataIter, callback, enter)
    stops, hook = [], sys.unraisablehook
    rows.to_xgboost(LABELS, chunk_size=200)
    for stop in 1, len(calls) // 2, len(calls):
        calls.clear()
        stops[:] = [stop]
        with pytest.raises(KeyboardInterrupt):
            rows.to_xgboost(LABELS, chunk_size=200)
    gc.collect()
    assert list_folders() == before
    assert sys.unraisablehook is hook


def test_what_is_noticed_at_the_end_of_all_passes_is_raised(rows, xgboost, monkeypatch):
    """XGBoost has all rows by then, and the matrix is made: of a file that changed."""
    read, passes = pieces_module.Pieces.iter_pieces, []

    def iter_pieces(self):
        passes.append(self)
        yield from read(self)
        if len(passes) == 3:
            raise OSError("it was replaced")

    monkeypatch.setattr(pieces_module.Pieces, "iter_pieces", iter_pieces)
    before = list_folders()
    with pytest.raises(OSError, match="it was replaced") as caught:
        rows.to_xgboost(LABELS, chunk_size=200)
    assert list_folders() == before
    del caught  # whose frames have the matrix: its own files are not missed
    gc.collect()


def test_the_disk_has_room(rows, xgboost, monkeypatch):
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(boosters.xgboost_rows.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError, match=r"10 are free in .* TMPDIR"):
        rows.to_xgboost(LABELS)
    # How many bins there are of sparse rows is not known before.
    assert open_rows(sparse.csr_matrix(np.eye(600))).to_xgboost(LABELS).num_row() == 600


def test_a_forked_process_leaves_the_files(rows, xgboost):
    matrix, before = rows.to_xgboost(LABELS), list_folders()
    matrix._process += 1
    matrix.close()
    assert list_folders() == before
    matrix._process = os.getpid()
    matrix.close()
    assert list_folders() < before


def test_what_is_lost_elsewhere_is_told_as_ever(monkeypatch):
    told, stopped = [], KeyboardInterrupt()
    iterator = object.__new__(xgboost_rows.RowIterator)
    iterator.stopped = None
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    lost = SimpleNamespace(exc_traceback=None, exc_value=stopped)
    with iterator.told_of_lost():
        sys.unraisablehook(lost)
    assert told == [lost]
    assert iterator.stopped is None


def test_lengths_and_paths(rows, xgboost, lightgbm, tmp_path):
    with pytest.raises(ValueError, match="The rows are 600 and y has 599; they must"):
        rows.to_xgboost(LABELS[:-1])
    with pytest.raises(TypeError, match="sample_weight must be an array or Rows; got"):
        rows.to_lightgbm(LABELS, sample_weight=tmp_path / "w.npy")
    for make_data in rows[:0].to_xgboost, rows[:0].to_lightgbm:
        with pytest.raises(ValueError, match="X has 0 rows; at least 1 is needed"):
            make_data()


def test_a_missing_library_is_named(rows, monkeypatch):
    def fail(name):
        raise ImportError(name)

    monkeypatch.setattr(boosters.libraries.importlib, "import_module", fail)
    with pytest.raises(ImportError, match=r"pip install 'skmmap\[xgboost\]'"):
        rows.to_xgboost(LABELS)
    with pytest.raises(ImportError, match=r"pip install 'skmmap\[lightgbm\]'"):
        rows.to_lightgbm(LABELS)


def test_a_sequence_ends_where_the_rows_end(rows, lightgbm):
    """LightGBM goes on until IndexError in some places."""
    made = pieces_module.make_pieces(open_rows(X)._source, 70)
    sequence = boosters.make_sequence(made)
    assert np.array_equal(sequence[3], X[3].astype(float), equal_nan=True)
    assert np.array_equal(sequence[[5, 599]], X[[5, 599]], equal_nan=True)
    assert np.array_equal(sequence[10:20], X[10:20], equal_nan=True)
    with pytest.raises(IndexError, match="row 600 of 600"):
        sequence[600]


def test_passes_over_a_sequence(lightgbm, monkeypatch):
    """Slices that follow each other are a pass, and rows that ascend are one."""
    made = pieces_module.make_pieces(open_rows(X)._source, 200)
    ended, read = [], made._iter_all

    def read_all():
        yield from read()
        ended.append(True)

    monkeypatch.setattr(made, "_iter_all", read_all)
    sequence = boosters.make_sequence(made)
    for row in 3, 250, 599, 2:
        assert np.array_equal(sequence[row], X[row].astype(float), equal_nan=True)
    assert [each.n_rows for each in made.passes] == [600, 200]
    for start in 0, 400, 200, 400:
        found = sequence[start : start + 200]
        assert np.array_equal(found, X[start : start + 200], equal_nan=True)
        assert not len(sequence._blocks._block)
        assert not ended or start == 400
    assert ended == [True]
    assert made.passes[-1].n_rows == 600


def test_pieces_of_sparse_rows_are_counted_as_they_are_given():
    source = open_rows(sparse.csr_matrix(np.eye(600)))._source
    assert pieces_module.make_pieces(source, "48kB", dense=True).chunk_rows == 10
    assert pieces_module.make_pieces(source, "48kB").chunk_rows == 4000


def test_what_is_no_number():
    with pytest.raises(ValueError, match="Complex data not supported"):
        boosters.as_matrix(np.ones((2, 2), complex))
    with pytest.raises(TypeError, match="it is of the type <U1"):
        boosters.as_matrix(np.full((2, 2), "a"))
    assert boosters.as_matrix(np.ones((2, 2), object)).dtype == float
    with pytest.raises(ValueError, match="y has a single value"):
        boosters.make_fields(3, y=1)


def test_parameters_of_the_matrix(rows, xgboost, monkeypatch):
    given, make_matrix = {}, boosters.make_matrix

    def record(pieces, fields, **how):
        given.update(how, **fields)
        return make_matrix(pieces, fields, **how)

    monkeypatch.setattr("skmmap.estimators.xgboost_entries.make_matrix", record)
    whole = np.nan_to_num(X, nan=-1)
    params = {"missing": -1, "max_bin": 99, "feature_weights": np.arange(5.0)}
    params |= {"colsample_bytree": 0.6}
    model = ChunkedFit(make("XGBClassifier", **params)).fit(whole, LABELS)
    bare = make("XGBClassifier", **params).fit(whole, LABELS)
    assert np.array_equal(predict(model, whole), predict(bare, whole))
    assert [given[name] for name in ("nthread", "missing", "max_bin")] == [1, -1, 99]
    assert given["feature_weights"].tolist() == [0, 1, 2, 3, 4]


def count_memory(part, model, *rows, **given):
    """Return the bytes that ``explain`` says, as a number of its unit."""
    said = model.explain(*rows, **given).sections["memory"]
    return float(re.search(rf"([\d.]+) [kM]?B(?:ytes)? for {part}", said)[1])


def test_memory_depends_on_parameters(rows, xgboost, lightgbm):
    deep = ChunkedFit(make("XGBRegressor", max_depth=5))
    few = ChunkedFit(make("XGBRegressor", max_depth=5, max_leaves=4))
    given = rows, NUMBERS
    assert count_memory("histograms", deep, *given) == pytest.approx(
        4 * count_memory("histograms", few, *given), rel=0.01
    )
    bins = "[0-9,]+ binned rows"
    plain, fine = (
        ChunkedFit(make("LGBMRegressor", **params)) for params in ({}, {"max_bin": 300})
    )
    assert count_memory(bins, plain, *given) == 3.0
    assert count_memory(bins, fine, *given) == 6.0
    val = {"X_val": rows[:200], "y_val": NUMBERS[:200]}
    assert count_memory(bins, plain, *given, **val) == 4.0
    small = ChunkedFit(make("LGBMRegressor", subsample_for_bin=60))
    sample = "a sample of {} rows"
    assert count_memory(sample.format(60), small, *given) == 7.2
    assert count_memory(sample.format(600), plain, *given) == 72.0
    targets = np.c_[NUMBERS, NUMBERS, NUMBERS]
    assert count_memory("gradients", deep, *given) == pytest.approx(33.6)
    assert count_memory("gradients", deep, rows, targets) == pytest.approx(72.0)


# --- Estimators of users -------------------------------------------------------------


class Mean(RegressorMixin, BaseEstimator):
    """Learns in two passes, without partial_fit."""

    def fit(self, X, y):
        raise AssertionError("it is trained by the function of its entry")

    def predict(self, X):
        return np.full(len(X), self.mean_)


def train_mean(estimator, run):
    total = sum(part.sum() for part in run.X.iter_pieces())
    estimator.mean_ = total / run.X.shape[0]
    squares = ((part - estimator.mean_) ** 2 for part in run.X.iter_pieces())
    estimator.var_ = sum(part.sum() for part in squares) / run.X.shape[0]
    estimator.y_, estimator.params_ = run.y, run.params


def test_a_function_of_the_user_trains():
    register(Mean, train=train_mean)
    whole = np.arange(60.0).reshape(60, 1)
    model = ChunkedFit(Mean(), chunk_size=7).fit(whole, whole[:, 0])
    assert (model.mean_, model.n_epochs_) == (29.5, 2)
    assert model.var_ == pytest.approx(whole.var())
    assert model.history_["rows"] == [60, 60]
    assert np.array_equal(model.y_, whole[:, 0])
    said = model.explain(whole, whole[:, 0]).sections
    assert said["learning"] == "registered entry for Mean"
    with pytest.raises(TypeError, match="fit got other"):
        model.fit(whole, whole[:, 0], other=1)
    register(Mean, train=lambda estimator, run: None)
    with pytest.raises(RuntimeError, match="has read no rows"):
        model.fit(whole, whole[:, 0])


def test_names_of_boosters():
    assert [name_of(make(kind)) for kind in KINDS] == list(KINDS)


MEMORY = """
import sys, threading
import numpy as np
from skmmap import ChunkedFit, open_rows

module, kind = sys.argv[1:]
quiet = {"verbose": -1} if module == "lightgbm" else {}
booster = getattr(__import__(module), kind)(n_estimators=3, n_jobs=1, **quiet)
model = ChunkedFit(booster, chunk_size=10_000)
model.fit(np.random.default_rng(0).normal(size=(300, 3)), np.arange(300) % 2)


def read_anonymous():
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


rng = np.random.default_rng(0)
X = np.lib.format.open_memmap("X.npy", "w+", np.float32, (60_000, 40))
for start in range(0, len(X), 10_000):
    X[start : start + 10_000] = rng.normal(size=(10_000, 40))
y = (X[:, 0] > 0).astype(np.int8)
before, peak, is_over = read_anonymous(), [0], threading.Event()


def watch():
    while not is_over.wait(0.001):
        peak[0] = max(peak[0], read_anonymous())


watcher = threading.Thread(target=watch)
watcher.start()
model.fit("X.npy", y)
is_over.set()
watcher.join()
print(peak[0] - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the memory")
@pytest.mark.parametrize("kind", ["XGBClassifier", "LGBMClassifier"])
def test_memory_is_what_was_counted(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    booster = make(kind, n_estimators=3)
    module = type(booster).__module__.partition(".")[0]
    done = run_fresh(MEMORY, module, kind)
    assert done.returncode == 0, done.stderr
    model = ChunkedFit(booster, chunk_size=10_000, memory_limit="4GB")
    rows, y = open_rows(tmp_path / "X.npy"), np.arange(60_000, dtype=np.int8) % 2
    said = model.explain(rows, y).sections["memory"]
    counted = float(re.search(r": (\d+\.\d) MB of 4.0 GB", said)[1]) * 1e6
    assert counted / 4 < int(done.stdout) < counted
