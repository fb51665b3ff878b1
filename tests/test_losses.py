"""The loss that an epoch is judged by: what the estimator's own ``fit`` counts."""

import re
import warnings
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import name_of, partial_fit_estimators
from scipy import sparse
from sklearn import linear_model
from sklearn.base import clone, is_classifier
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import (
    LatentDirichletAllocation,
    MiniBatchDictionaryLearning,
    MiniBatchNMF,
)
from sklearn.decomposition._nmf import _beta_divergence
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import Perceptron, SGDClassifier, SGDOneClassSVM, SGDRegressor
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skmmap.estimators.losses import (
    can_compute_losses,
    compute_losses,
    compute_perplexity,
    read_losses,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
LABELS = np.digitize(X[:, 0] + RNG.normal(size=60), [-0.5, 0.5])  # 0, 1, 2
BINARY = (LABELS > 0).astype(int)
NUMBERS = 3 * X[:, 1] + RNG.normal(size=60)

CLASSIFIER_LOSSES = sorted(SGDClassifier.loss_functions)
REGRESSOR_LOSSES = sorted(SGDRegressor.loss_functions)
PENALTIES = ["l1", "l2", "elasticnet", None]


@pytest.fixture(autouse=True)
def _leaving_scikit_learn():
    """Say nothing about the passive-aggressive classes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Class PassiveAggressive", FutureWarning)
        yield


def tame(estimator):
    """Return it with steps so small that a few epochs leave moderate numbers."""
    if estimator.learning_rate == "optimal":
        estimator.set_params(learning_rate="constant", eta0=1e-3, alpha=0.03)
    return estimator


def trained(estimator, target):
    estimator = clone(estimator)
    given = {"classes": np.unique(target)} if is_classifier(estimator) else {}
    for _ in range(3):
        estimator.partial_fit(X, target, **given)
    return estimator


def find_row_loss(estimator):
    """Return scikit-learn's own loss of a prediction and a target, by ``partial_fit``.

    Passive-aggressive learning squares a loss in its name only, for its steps.
    """
    name = "hinge" if is_classifier(estimator) else "epsilon_insensitive"
    is_old = name_of(estimator).startswith("Passive")
    cython = estimator._get_loss_function(name if is_old else estimator.loss)
    if hasattr(cython, "py_loss"):
        return cython.py_loss

    def row_loss(p, y):
        out = np.empty(1)
        cython.loss(np.array([y]), np.array([p]), None, out, 1)
        return out[0]

    return row_loss


def compute_objective(estimator, X, target):
    """The sums of ``_sgd_fast``, one row at a time."""
    row_loss = find_row_loss(estimator)
    coef = np.atleast_2d(estimator.coef_)
    ratio = {"l1": 1.0, "l2": 0.0}.get(estimator.penalty, estimator.l1_ratio)
    is_passive = name_of(estimator).startswith("Passive")
    is_passive |= estimator.learning_rate in ("pa1", "pa2")
    objectives = []
    for number, (weights, intercept) in enumerate(
        zip(coef, estimator.intercept_, strict=True)
    ):
        if is_classifier(estimator):
            positive = estimator.classes_[1 if len(coef) == 1 else number]
            negative = 0.0 if estimator.loss == "log_loss" else -1.0
            wanted = np.where(target == positive, 1.0, negative)
        else:
            wanted = target
        predicted = X @ weights + intercept
        total = sum(map(row_loss, predicted.tolist(), wanted.tolist()))
        objective = total / len(wanted)
        if estimator.penalty is not None and not is_passive:
            norm, l1norm = np.sqrt((weights**2).sum()), np.abs(weights).sum()
            objective += estimator.alpha * (
                (1 - ratio) * 0.5 * norm**2 + ratio * l1norm
            )
        objectives.append(objective)
    return objectives


# --- Linear models -------------------------------------------------------------------


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", CLASSIFIER_LOSSES)
def test_classifiers_have_the_objective_of_fit(loss, penalty):
    """Of regression losses too, which SGDClassifier takes; one for each class."""
    model = tame(SGDClassifier(loss=loss, penalty=penalty, random_state=0))
    for target in (BINARY, LABELS):
        estimator = trained(model, target)
        losses = compute_losses(estimator, X, target)
        assert losses.shape == ((1,) if target is BINARY else (3,))
        expected = compute_objective(estimator, X, target)
        np.testing.assert_allclose(losses, expected, rtol=1e-12)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", REGRESSOR_LOSSES)
def test_regressors_have_the_objective_of_fit(loss, penalty):
    for epsilon in (0.1, 1.5):
        model = SGDRegressor(loss, penalty=penalty, epsilon=epsilon, random_state=0)
        estimator = trained(model.set_params(alpha=0.03), NUMBERS)
        losses = compute_losses(estimator, X, NUMBERS)
        expected = compute_objective(estimator, X, NUMBERS)
        np.testing.assert_allclose(losses, expected, rtol=1e-12)


def passive_estimators() -> list:
    """Return whatever makes passive-aggressive steps, of both kinds."""
    losses = {
        "PassiveAggressiveClassifier": ("hinge", "squared_hinge"),
        "PassiveAggressiveRegressor": (
            "epsilon_insensitive",
            "squared_epsilon_insensitive",
        ),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        made = [
            getattr(linear_model, name)(loss=loss)
            for name in losses
            for loss in losses[name]
            if hasattr(linear_model, name)
        ]
    for rate in ("pa1", "pa2"):
        steps = {"learning_rate": rate, "eta0": 0.1, "alpha": 0.3, "penalty": "l2"}
        made.append(SGDClassifier("hinge", **steps))
        made.append(SGDRegressor("epsilon_insensitive", epsilon=0.3, **steps))
    return [estimator.set_params(random_state=0) for estimator in made]


@pytest.mark.parametrize("model", passive_estimators(), ids=repr)
def test_passive_aggressive_steps_have_the_loss_alone(model):
    """As in ``_sgd_fast``: the old classes, and the rates that replace them."""
    for target in (BINARY, LABELS) if is_classifier(model) else (NUMBERS,):
        estimator = trained(model, target)
        losses = compute_losses(estimator, X, target)
        expected = compute_objective(estimator, X, target)
        np.testing.assert_allclose(losses, expected, rtol=1e-12)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_perceptrons_have_the_objective_of_fit(penalty):
    for target in (BINARY, LABELS):
        estimator = trained(Perceptron(penalty=penalty, alpha=0.03), target)
        losses = compute_losses(estimator, X, target)
        expected = compute_objective(estimator, X, target)
        np.testing.assert_allclose(losses, expected, rtol=1e-12)


@pytest.mark.parametrize("nu", [0.1, 0.9])
def test_one_class_machines_have_the_objective_of_fit(nu):
    """Its intercept in ``_sgd_fast`` is one minus the offset, and its alpha is nu."""
    estimator = SGDOneClassSVM(nu=nu, random_state=0, learning_rate="constant")
    estimator.set_params(eta0=0.05).partial_fit(X + 1)
    intercept, alpha = 1 - estimator.offset_[0], nu
    hinge = estimator._get_loss_function("hinge").py_loss
    rows = (X + 1) @ estimator.coef_ + intercept
    norm = np.linalg.norm(estimator.coef_)
    expected = np.mean([hinge(row, 1.0) for row in rows]) + alpha * norm**2 / 2
    losses = compute_losses(estimator, X + 1, None)
    np.testing.assert_allclose(losses, [expected + intercept * alpha], rtol=1e-12)


@pytest.mark.parametrize(
    "model",
    [
        *(SGDClassifier(loss, penalty="elasticnet") for loss in CLASSIFIER_LOSSES),
        *(SGDClassifier(penalty=penalty) for penalty in PENALTIES),
        *(SGDRegressor(loss, epsilon=0.5) for loss in REGRESSOR_LOSSES),
        *(SGDRegressor(penalty=penalty) for penalty in PENALTIES),
        Perceptron(penalty="l2"),
        Perceptron(),
        pytest.param(SGDOneClassSVM(nu=0.7)),
    ],
    ids=repr,
)
def test_losses_are_those_that_fit_prints(model, capsys):
    """``verbose`` prints the objective of an epoch; here its steps are next to none."""
    model = clone(model).set_params(max_iter=1, tol=None, verbose=1, eta0=1e-12)
    if not isinstance(model, Perceptron):
        model.set_params(learning_rate="constant")
    if not isinstance(model, SGDOneClassSVM):
        model.set_params(alpha=0.3)
    targets = (BINARY, LABELS) if is_classifier(model) else (NUMBERS,)
    for target in targets:
        n = 3 if target is LABELS else 1
        coef, intercept = np.random.default_rng(1).normal(size=(n, 5)), np.full(n, 0.4)
        name = "offset" if isinstance(model, SGDOneClassSVM) else "intercept"
        start = {"coef_init": coef if n > 1 else coef[0], f"{name}_init": intercept}
        model.fit(X, target, **start)
        printed = re.findall(r"Objective: (\S+)", capsys.readouterr().out)
        losses = compute_losses(model, X, target)
        np.testing.assert_allclose(losses, np.array(printed, dtype=float), atol=2e-6)


def test_labels_and_rows_of_every_kind_have_the_same_loss():
    """Strings, lists of them, sparse rows, sparse weights, single precision."""
    words = np.array(["c", "a", "b"])
    for target in (BINARY, LABELS):
        model = SGDClassifier(penalty="elasticnet", alpha=0.1, random_state=0)
        estimator = trained(model, target)
        expected = compute_objective(estimator, X, target)
        in_words = clone(model).partial_fit(X, words[target], np.unique(words[target]))
        by_word = compute_objective(in_words, X, words[target])
        for losses in (
            compute_losses(estimator, sparse.csr_array(X), target),
            compute_losses(estimator, X, target.tolist()),
            compute_losses(deepcopy(estimator).sparsify(), X, target),
            compute_losses(
                deepcopy(estimator).sparsify(), sparse.csr_matrix(X), target
            ),
        ):
            np.testing.assert_allclose(losses, expected, rtol=1e-12)
        for given in (words[target], words[target].tolist()):
            np.testing.assert_allclose(
                compute_losses(in_words, X, given), by_word, rtol=1e-12
            )
        np.testing.assert_allclose(
            compute_losses(estimator, X.astype(np.float32), target), expected, rtol=1e-5
        )


def test_a_sparse_regressor_and_sparse_rows_have_the_same_loss():
    """Not both, which scikit-learn's own ``predict`` refuses."""
    estimator = trained(SGDRegressor(penalty="l1", alpha=0.3, random_state=0), NUMBERS)
    expected = compute_objective(estimator, X, NUMBERS)
    for losses in (
        compute_losses(estimator, sparse.csr_array(X), NUMBERS),
        compute_losses(deepcopy(estimator).sparsify(), X, NUMBERS),
    ):
        np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_losses_of_far_rows_are_finite():
    """Where exp overflows."""
    estimator = trained(SGDClassifier("log_loss", random_state=0), BINARY)
    estimator.coef_ *= 1e6
    (loss,) = compute_losses(estimator, X, 1 - BINARY)
    assert 1e3 < loss < np.inf


# --- Meta-estimators -----------------------------------------------------------------

INNER = SGDClassifier("log_loss", penalty="elasticnet", alpha=0.05, random_state=0)


def test_outputs_have_losses_of_their_own():
    targets = np.column_stack([BINARY, LABELS])
    multi = MultiOutputClassifier(INNER)
    multi.partial_fit(X, targets, classes=[[0, 1], [0, 1, 2]])
    expected = [
        loss
        for member, column in zip(multi.estimators_, targets.T, strict=True)
        for loss in compute_objective(member, X, column)
    ]
    losses = compute_losses(multi, X, targets)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    assert len(losses) == 4

    targets = np.column_stack([NUMBERS, -NUMBERS, X[:, 2]])
    multi = MultiOutputRegressor(SGDRegressor(random_state=0))
    multi.partial_fit(X, targets)
    expected = [
        compute_objective(member, X, column)[0]
        for member, column in zip(multi.estimators_, targets.T, strict=True)
    ]
    losses = compute_losses(multi, X, targets)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


@pytest.mark.parametrize("words", [False, True])
def test_one_against_the_rest_has_a_loss_for_each_class(words):
    for target in (BINARY, LABELS):
        target = np.array(["z", "x", "y"])[target] if words else target
        classes = np.unique(target)
        model = OneVsRestClassifier(INNER).partial_fit(X, target, classes=classes)
        positive = classes[1:] if len(classes) == 2 else classes
        expected = [
            compute_objective(member, X, (target == label).astype(int))[0]
            for member, label in zip(model.estimators_, positive, strict=True)
        ]
        losses = compute_losses(model, X, target)
        np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_a_class_without_examples_has_no_loss():
    """The ``fit`` of OneVsRestClassifier has a constant for it."""
    model = OneVsRestClassifier(INNER).partial_fit(X, LABELS, classes=[0, 1, 2])
    model.estimators_[1] = SimpleNamespace(predict=None)
    expected = [
        compute_objective(model.estimators_[i], X, i == LABELS)[0] for i in (0, 2)
    ]
    np.testing.assert_allclose(compute_losses(model, X, LABELS), expected, rtol=1e-12)


@pytest.mark.parametrize("rows", ["dense", "sparse"])
def test_one_against_one_has_a_loss_for_each_pair(rows):
    """On the rows of the pair alone; a pair without rows in the sample has none."""
    given = sparse.csr_array(X) if rows == "sparse" else X
    model = OneVsOneClassifier(INNER).partial_fit(given, LABELS, classes=[0, 1, 2])
    expected = []
    for member, (i, j) in zip(model.estimators_, [(0, 1), (0, 2), (1, 2)], strict=True):
        pair = np.isin(LABELS, [i, j])
        positive = (LABELS[pair] == j).astype(int)
        expected += compute_objective(member, X[pair], positive)
    losses = compute_losses(model, given, LABELS)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    zeros = LABELS == 0
    assert len(compute_losses(model, given[zeros], LABELS[zeros])) == 2
    model = OneVsOneClassifier(INNER).partial_fit(X, 3 + 4 * BINARY, classes=[3, 7])
    (member,) = model.estimators_
    expected = compute_objective(member, X, BINARY)
    losses = compute_losses(model, X, 3 + 4 * BINARY)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_meta_estimators_inside_of_each_other_have_all_losses():
    select = SelectFromModel(INNER).partial_fit(X, LABELS, classes=[0, 1, 2])
    expected = compute_objective(select.estimator_, X, LABELS)
    np.testing.assert_allclose(compute_losses(select, X, LABELS), expected, rtol=1e-12)
    targets = np.column_stack([BINARY, LABELS])
    nested = MultiOutputClassifier(OneVsRestClassifier(INNER))
    nested.partial_fit(X, targets, classes=[np.arange(2), np.arange(3)])
    binary, several = nested.estimators_
    expected = compute_objective(binary.estimators_[0], X, BINARY)
    for label, member in enumerate(several.estimators_):
        expected += compute_objective(member, X, label == LABELS)
    np.testing.assert_allclose(compute_losses(nested, X, targets), expected, rtol=1e-12)


# --- Decompositions ------------------------------------------------------------------


BETAS = ["frobenius", "kullback-leibler", "itakura-saito", 1.5, 2.0, 1, 0.5]


@pytest.mark.parametrize("rows", ["dense", "zeros", "sparse"])
@pytest.mark.parametrize("beta_loss", BETAS)
def test_factors_have_their_divergence(beta_loss, rows):
    """Zeros too, but for Itakura and Saito's, which is infinite there."""
    V = np.abs(X) + 0.1
    if rows != "dense" and beta_loss != "itakura-saito":
        V = np.where(X > 0.5, V, 0.0)
    model = MiniBatchNMF(3, beta_loss=beta_loss, random_state=0, max_iter=20)
    model.partial_fit(V).partial_fit(V)
    given = sparse.csr_array(V) if rows == "sparse" else V
    W = model.transform(V)
    beta = model._beta_loss
    expected = _beta_divergence(V, W, model.components_, beta) / len(V)
    loss = compute_losses(model, given, None)
    assert loss.shape == (1,)
    np.testing.assert_allclose(loss, [expected], rtol=1e-5)
    if rows == "dense":
        np.testing.assert_allclose(loss, [expected], rtol=1e-12)


def test_factors_have_the_penalties_that_fit_adds():
    V = np.abs(X) + 0.1
    model = MiniBatchNMF(3, alpha_W=0.3, l1_ratio=0.4, random_state=0)
    model.set_params(fresh_restarts=True, fresh_restarts_max_iter=model.max_iter)
    model.partial_fit(V)
    cost = deepcopy(model)._minibatch_step(V, None, model.components_.copy(), False)
    np.testing.assert_allclose(compute_losses(model, V, None), [cost], rtol=1e-6)


@pytest.mark.parametrize(
    ("fit_algorithm", "positive_code"), [("cd", False), ("cd", True), ("lars", False)]
)
def test_dictionaries_have_the_cost_of_a_batch(fit_algorithm, positive_code):
    """What ``fit`` computes before a step, on the very same code."""
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(40, 6)) @ rng.normal(size=(6, 8))
    for alpha in (0.1, 0.5):
        model = MiniBatchDictionaryLearning(
            4,
            alpha=alpha,
            fit_algorithm=fit_algorithm,
            positive_code=positive_code,
            random_state=0,
        ).partial_fit(signal)
        loss = compute_losses(model, signal, None)
        step = deepcopy(model)._minibatch_step
        cost = step(signal, model.components_.copy(), np.random.RandomState(0), 1)
        np.testing.assert_allclose(loss, [cost], rtol=1e-12)


def test_perplexity_is_that_of_the_estimator():
    counts = np.random.default_rng(0).integers(0, 5, (30, 6))
    model = LatentDirichletAllocation(3, random_state=0).fit(counts)
    perplexity = compute_perplexity(model, counts)
    assert isinstance(perplexity, float)
    assert perplexity == pytest.approx(model.bound_, rel=1e-6)


# --- What is told --------------------------------------------------------------------


def test_perceptrons_of_several_layers_tell_their_loss():
    model = MLPClassifier((3,), random_state=0)
    assert read_losses(model, 60) is None
    model.partial_fit(X, LABELS, classes=[0, 1, 2])
    np.testing.assert_array_equal(read_losses(model, 60), [model.loss_curve_[-1]])
    # Several outputs of one network have one loss, and several networks have several.
    both = MLPRegressor(hidden_layer_sizes=(3,), random_state=0).partial_fit(
        X, np.column_stack([NUMBERS, -NUMBERS])
    )
    np.testing.assert_array_equal(read_losses(both, 60), [both.loss_])
    multi = MultiOutputClassifier(model)
    assert read_losses(multi, 60) is None
    targets = np.column_stack([BINARY, LABELS])
    multi.partial_fit(X, targets, classes=[[0, 1], [0, 1, 2]])
    losses = [member.loss_ for member in multi.estimators_]
    assert losses[0] != losses[1]
    np.testing.assert_array_equal(read_losses(multi, 60), losses)


def test_perceptrons_tell_their_loss_in_single_precision():
    model = MLPRegressor(hidden_layer_sizes=(3,), random_state=0)
    model.partial_fit(X.astype(np.float32), NUMBERS.astype(np.float32))
    np.testing.assert_array_equal(read_losses(model, 60), [model.loss_])


def test_k_means_tells_its_inertia_for_each_row():
    model = MiniBatchKMeans(3, random_state=0, n_init=1)
    assert read_losses(model, 60) is None
    model.partial_fit(X)
    np.testing.assert_array_equal(read_losses(model, 60), [model.inertia_ / 60])
    silent = clone(model).set_params(compute_labels=False).partial_fit(X)
    assert read_losses(silent, 60) is None


def test_what_tells_no_loss_has_none():
    assert read_losses(GaussianNB().partial_fit(X, BINARY, [0, 1]), 60) is None
    assert read_losses(SGDRegressor().partial_fit(X, NUMBERS), 60) is None
    assert read_losses(SimpleNamespace(loss_="hinge"), 60) is None
    assert read_losses(SimpleNamespace(loss_=[0.5]), 60) is None
    np.testing.assert_array_equal(read_losses(SimpleNamespace(loss_=0.5), 60), [0.5])


def test_losses_can_be_computed_of_these():
    computable = {
        name_of(estimator)
        for estimator in partial_fit_estimators()
        if can_compute_losses(estimator)
    }
    assert computable == {
        "MiniBatchDictionaryLearning",
        "MiniBatchNMF",
        "MultiOutputClassifier",
        "MultiOutputRegressor",
        "OneVsOneClassifier",
        "OneVsRestClassifier",
        "PassiveAggressiveClassifier",
        "PassiveAggressiveRegressor",
        "Perceptron",
        "SGDClassifier",
        "SGDOneClassSVM",
        "SGDRegressor",
        "SelectFromModel",
    } & {name_of(estimator) for estimator in partial_fit_estimators()}
    assert not can_compute_losses(OneVsRestClassifier(GaussianNB()))
    assert can_compute_losses(MultiOutputClassifier(OneVsRestClassifier(INNER)))
