"""Several labels in each row: what ``fit`` takes as y, ``ChunkedFit.fit`` takes."""

import numpy as np
import pytest
from helpers import combine, state_of
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skmmap import ChunkedFit, open_rows

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 4))
Y = (X[:, :3] + 0.5 * RNG.normal(size=(150, 3)) > 0).astype(int)

FORMS = {
    "dense": lambda y: y,
    "bool": lambda y: y.astype(bool),
    "list": lambda y: y.tolist(),
    "csr_array": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
    "coo_array": sparse.coo_array,
    "csc_array": sparse.csc_array,
}


def loop(learner, column, chunk_size=40):
    """Return what one learner makes of one column, by hand."""
    learner = clone(learner)
    for start in range(0, len(X), chunk_size):
        rows = slice(start, start + chunk_size)
        learner.partial_fit(X[rows], column[rows], classes=[0, 1])
    return learner


LEARNERS = [
    SGDClassifier(random_state=0),
    Perceptron(random_state=0),
    GaussianNB(),
]


@pytest.mark.parametrize(("learner", "form"), combine(LEARNERS, FORMS, together=1))
def test_one_against_the_rest_learns_each_label_by_itself(learner, form):
    y, bare = FORMS[form](Y), OneVsRestClassifier(learner)
    model = ChunkedFit(bare, chunk_size=40, shuffle=False, max_epochs=1).fit(X, y)
    for member, column in zip(model.estimators_, Y.T, strict=True):
        assert state_of(member) == state_of(loop(learner, column))
    expected = clone(bare).fit(X, y)
    assert model.multilabel_
    np.testing.assert_array_equal(model.classes_, expected.classes_)
    # Results are sparse where those of the bare one are.
    predicted, like = model.predict(X), expected.predict(X)
    assert sparse.issparse(predicted) == sparse.issparse(like)
    assert predicted.shape == like.shape
    assert model.score(X, y) == pytest.approx(model.estimator_.score(X, y))
    learned = model.estimator_.estimators_
    before = [state_of(member) for member in learned]
    model.partial_fit(X, y)
    assert [state_of(member) for member in model.estimators_] != before


@pytest.mark.parametrize(
    ("form", "early_stopping"),
    combine(["dense", "csr_array"], [False, True], together=1),
)
def test_it_is_as_good_as_the_own_fit(form, early_stopping):
    """All epochs, with the losses of each label, or with rows held out."""
    y = FORMS[form](Y)
    learner = SGDClassifier(random_state=0, tol=0.01, early_stopping=early_stopping)
    bare = OneVsRestClassifier(learner)
    model = ChunkedFit(bare, chunk_size=40).fit(X, y)
    assert model.n_epochs_ > 1
    if not early_stopping:
        assert np.isfinite(model.history_["loss"]).all()
    assert model.score(X, Y) > clone(bare).fit(X, y).score(X, Y) - 0.1


def test_labels_are_sorted_in_no_order_that_matters():
    order = np.lexsort(Y.T)
    model = ChunkedFit(OneVsRestClassifier(SGDClassifier(random_state=0)))
    assert model.fit(X[order], Y[order]).score(X, Y) > 0.5


OF_SPARSE_TARGETS = [
    MLPClassifier((4,), random_state=0, max_iter=3),
    MLPRegressor(hidden_layer_sizes=(4,), random_state=0, max_iter=3),
    MultiOutputClassifier(SGDClassifier(random_state=0, max_iter=3)),
    MultiOutputRegressor(SGDRegressor(random_state=0, max_iter=3)),
    OneVsRestClassifier(SGDClassifier(random_state=0, max_iter=3)),
]


@pytest.mark.parametrize(
    ("estimator", "form"),
    combine(OF_SPARSE_TARGETS, ["csr_array", "csr_matrix", "coo_array"], together=1),
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_sparse_target_is_learned_as_a_dense_one(estimator, form):
    sources = [Y, FORMS[form](Y), open_rows(FORMS[form](Y))[:]]
    models = [ChunkedFit(estimator, chunk_size=40).fit(X, y) for y in sources]
    first, *others = [state_of(model.estimator_) for model in models]
    if not isinstance(estimator, OneVsRestClassifier):  # which keeps that it was sparse
        assert all(other == first for other in others)
    scores = [model.score(X, y) for model, y in zip(models, sources, strict=True)]
    assert len(set(scores)) == 1


def test_a_sparse_target_is_made_dense_some_rows_at_a_time(monkeypatch):
    """Not as a whole: of many labels that would be many times as large."""
    most = []
    real = sparse.csr_array.toarray

    def toarray(self, *args, **kwargs):
        most.append(self.shape[0])
        return real(self, *args, **kwargs)

    monkeypatch.setattr(sparse.csr_array, "toarray", toarray)
    wide = sparse.random_array(
        (60_000, 400), density=0.01, random_state=np.random.default_rng(0), format="csr"
    )
    wide.data[:] = 1
    rows = RNG.normal(size=(60_000, 2)).astype(np.float32)
    learner = MLPRegressor(hidden_layer_sizes=(2,), random_state=0)
    ChunkedFit(learner, chunk_size=5_000, max_epochs=1, shuffle=False).fit(rows, wide)
    assert max(most) <= 5_000
    assert sum(most) >= 60_000
