"""Forests and boosters of scikit-learn that add trees on shuffled buffers of rows."""

import numpy as np
import pytest
from helpers import name_of
from scipy import sparse
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from threadpoolctl import threadpool_limits

from skmmap import ChunkedFit, open_rows
from skmmap.order import BlockOrder, find_buffer_rows, find_slices

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 4))
NUMBERS = X[:, 0] - X[:, 1] ** 2
LABELS = np.digitize(NUMBERS, [-1.5, 0.3])
WEIGHTS = RNG.integers(1, 4, size=600).astype(float)
ESTIMATORS = [
    RandomForestClassifier(n_estimators=7),
    RandomForestRegressor(n_estimators=7),
    ExtraTreesClassifier(n_estimators=7),
    ExtraTreesRegressor(n_estimators=7, bootstrap=True),
    GradientBoostingClassifier(n_estimators=7, subsample=0.8),
    GradientBoostingRegressor(n_estimators=7),
]


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def target_of(estimator):
    return LABELS if "Classifier" in name_of(estimator) else NUMBERS


def predict(model, rows):
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    return getattr(model, method)(rows)


def iter_buffers(chunk_rows, seed, limit="512MB", n_rows=600, row_nbytes=40):
    """Yield the numbers of the rows of each buffer, from which trees grow."""
    buffer_rows = find_buffer_rows(limit, row_nbytes, chunk_rows)
    n_slices = find_slices(buffer_rows, row_nbytes, n_rows, n_classes=3)
    order = BlockOrder(n_rows, chunk_rows, 1, seed, buffer_rows, n_slices)
    for buffer in order.iter_buffers(0):
        for start, stop in buffer.chunks:
            yield buffer.find_rows(start, stop)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=name_of)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_it_is_the_loop_over_shuffled_buffers(estimator, weights):
    y = target_of(estimator)
    estimator.set_params(warm_start=True, random_state=3)
    model = ChunkedFit(estimator, chunk_size=200).fit(X, y, sample_weight=weights)
    loop = type(estimator)(**estimator.get_params())
    for number, rows in enumerate(iter_buffers(200, 3), 1):
        given = {} if weights is None else {"sample_weight": weights[rows]}
        loop.set_params(n_estimators=7 * number // 3)
        loop.fit(X[rows], y[rows], **given)
    assert np.array_equal(predict(model, X), predict(loop, X))
    assert model.estimator_.get_params() == estimator.get_params()
    assert (model.n_epochs_, model.chunk_size_) == (1, 200)


def test_in_one_buffer_it_is_fit_of_all_rows_in_another_order():
    (rows,) = iter_buffers(600, 0)
    forest = RandomForestClassifier(n_estimators=5, random_state=0)
    bare = forest.fit(X[rows], LABELS[rows])
    model = ChunkedFit(RandomForestClassifier(n_estimators=5, warm_start=True))
    model.set_params(random_state=0).fit(X, LABELS)
    assert np.array_equal(predict(model, X), predict(bare, X))
    said = model.explain(X, LABELS).sections["trains"]
    assert said == "all trees on all rows, shuffled in a buffer (warm_start=True)"


@pytest.mark.parametrize("make", [ExtraTreesClassifier, GradientBoostingClassifier])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_a_class_that_a_buffer_lacks(make, as_sparse):
    """Rows of weight 0 make it known, and no tree sees them."""
    y = np.zeros(600, int)
    y[:300] = 1
    y[17] = 2  # in a single buffer
    given = sparse.csr_array(X) if as_sparse else X
    model = ChunkedFit(make(n_estimators=6, warm_start=True), chunk_size=100)
    model.set_params(random_state=0).fit(given, y)
    assert model.classes_.tolist() == [0, 1, 2]
    found = predict(model, given)
    assert found.shape == (600, 3)
    trees = np.ravel(model.estimators_)
    if make is ExtraTreesClassifier:  # whose trees see all rows of a buffer
        assert sum(tree.predict_proba(X)[:, 2].any() for tree in trees) == 1


def test_sorted_labels_are_learned_as_well_as_shuffled_ones():
    many, y, scores = np.tile(X, (10, 10)), np.tile(LABELS, 10), []
    for order in np.argsort(y, kind="stable"), RNG.permutation(6000):
        forest = RandomForestClassifier(15, warm_start=True, random_state=0)
        model = ChunkedFit(forest, chunk_size=400, memory_limit="4MB")
        scores.append(model.fit(many[order], y[order]).score(many[:600], LABELS))
        loop = RandomForestClassifier(15, warm_start=True, random_state=0)
        parts = list(iter_buffers(400, 0, "4MB", 6000, 328))
        for number, rows in enumerate(parts, 1):
            loop.set_params(n_estimators=number)
            loop.fit(many[order][rows], y[order][rows])
        assert len(parts) == 15
        assert np.array_equal(predict(model, many), predict(loop, many))
    assert abs(scores[0] - scores[1]) < 0.05
    assert min(scores) > 0.85


def test_other_parameters_of_fit_are_passed_on():
    seen = []
    boosting = GradientBoostingRegressor(n_estimators=4, warm_start=True)
    model = ChunkedFit(boosting, chunk_size=300, random_state=0)
    model.fit(X, NUMBERS, monitor=lambda number, *_: seen.append(number))
    assert seen == [0, 1, 2, 3]


def test_fewer_trees_than_buffers():
    forest = ExtraTreesRegressor(n_estimators=2, warm_start=True, random_state=0)
    model = ChunkedFit(forest, chunk_size=100).fit(open_rows(X), NUMBERS)
    assert len(model.estimators_) == 2
    assert model.history_["rows"] == [600]
    said = model.explain(X, NUMBERS).sections["trains"]
    assert said.startswith("some of the trees on each of 6 shuffled buffers")


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (RandomForestClassifier(oob_score=True), "oob_score=True of RandomForest"),
        (RandomForestClassifier(class_weight="balanced"), "class_weight='balanced' of"),
        (GradientBoostingClassifier(n_iter_no_change=2), "n_iter_no_change=2 of Grad"),
    ],
    ids=lambda value: "" if isinstance(value, str) else name_of(value),
)
def test_what_needs_all_rows_is_refused(estimator, message):
    estimator.set_params(warm_start=True)
    with pytest.raises(ValueError, match=message):
        ChunkedFit(estimator).fit(X, LABELS)


def test_without_it_a_forest_is_refused():
    with pytest.raises(TypeError, match="With warm_start=True its trees grow on shuff"):
        ChunkedFit(RandomForestClassifier()).fit(X, LABELS)
    with pytest.raises(TypeError, match="XGBoost and LightGBM train on rows on disk"):
        ChunkedFit(HistGradientBoostingClassifier(warm_start=True)).fit(X, LABELS)
    forest = RandomForestClassifier(warm_start=True)
    with pytest.raises(ValueError, match="buffers of rows, so shuffle=False would"):
        ChunkedFit(forest, shuffle=False).fit(X, LABELS)
    with pytest.raises(TypeError, match="scores none between them: score X_val after"):
        ChunkedFit(forest).fit(X, LABELS, X_val=X, y_val=LABELS)
    none = RandomForestClassifier(n_estimators=0, warm_start=True)
    with pytest.raises(
        ValueError, match="The 'n_estimators' parameter of RandomForest"
    ):
        ChunkedFit(none).fit(X, LABELS)
    with pytest.raises(ValueError, match="in one column; y has the shape"):
        ChunkedFit(forest).fit(X, np.column_stack([LABELS, LABELS]))
