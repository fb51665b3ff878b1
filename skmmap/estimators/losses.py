"""The training loss of a fitted estimator on some rows, as its own ``fit`` defines it.

A loss is an array with a number for each problem that ``fit`` solves separately: one
for each class of a one-vs-all classifier, one for each output.
"""

from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier

from skmmap.estimators.meta_estimators import drop_names, iter_problems
from skmmap.estimators.registry import find_entry
from skmmap.wrap import find_learner, is_meta_estimator, is_one_of, iter_fitted


def read_losses(estimator, n_rows: int) -> np.ndarray | None:
    """Return the loss of the chunk just learned, None if the estimator has none.

    It is the result of ``chunk_loss`` in the entry, or else the attribute ``loss_``.
    """
    chunk_loss = find_entry(type(estimator)).entry.chunk_loss
    if chunk_loss is not None:
        loss = chunk_loss(estimator, n_rows)
        return None if loss is None else np.array([loss])
    losses = [getattr(member, "loss_", None) for member in iter_fitted(estimator)]
    if not losses or not all(isinstance(loss, Real) for loss in losses):
        return None
    return np.array(losses, dtype=np.float64)


def find_inertia(kmeans, n_rows: int) -> float | None:
    """Return the mean inertia of the rows that k-means has just learned."""
    inertia = vars(kmeans).get("inertia_")
    return None if inertia is None else inertia / n_rows


def can_compute_losses(estimator) -> bool:
    """Whether the entry of the learner has a function ``loss``."""
    _, learner = find_learner(estimator)
    return find_entry(type(learner)).entry.loss is not None


def compute_losses(estimator, X, y) -> np.ndarray:
    """Return the losses on these rows."""
    if is_meta_estimator(estimator):
        problems = iter_problems(estimator, X, y)
        return np.concatenate([compute_losses(*problem) for problem in problems])
    if not hasattr(estimator, "feature_names_in_"):
        X = drop_names(X)  # the meta-estimator trained it without names
    return np.atleast_1d(find_entry(type(estimator)).entry.loss(estimator, X, y))


def compute_perplexity(estimator, X) -> float:
    """Return the perplexity, which ``fit`` of LatentDirichletAllocation checks."""
    return float(estimator.perplexity(X))


def compute_sgd_loss(estimator, X, y) -> np.ndarray:
    """Return the mean loss plus the penalty; passive-aggressive ``fit`` has none."""
    if is_one_of(estimator, "SGDOneClassSVM"):
        # All rows are of class 1, and the intercept is 1 - offset_, so that the hinge
        # loss is that of offset_ - coef_ @ x (SGDOneClassSVM._fit_one_class).
        loss = np.maximum(0, -estimator.decision_function(X)).mean()
        alpha = estimator.nu
        return loss + _penalty(estimator, "l2", alpha) + alpha * (1 - estimator.offset_)
    if is_classifier(estimator):
        predicted = estimator.decision_function(X).reshape(len(y), -1)
        positive = estimator.classes_[-predicted.shape[1] :]
        target = np.where(np.asarray(y)[:, None] == positive, 1.0, -1.0)
    else:
        predicted, target = estimator.predict(X)[:, None], np.asarray(y)[:, None]
    loss = _LOSSES[_name_loss(estimator)](predicted, target, estimator.epsilon)
    if _is_passive(estimator):
        return loss.mean(axis=0)
    penalty = _penalty(estimator, estimator.penalty, estimator.alpha)
    return loss.mean(axis=0) + penalty


def _is_passive(estimator) -> bool:
    is_old = type(estimator).__name__.startswith("PassiveAggressive")
    return is_old or estimator.learning_rate in ("pa1", "pa2")


def _name_loss(estimator) -> str:
    # PA-I and PA-II have different steps and the same loss.
    is_old = type(estimator).__name__.startswith("PassiveAggressive")
    return estimator.loss.removeprefix("squared_") if is_old else estimator.loss


def _penalty(estimator, name, alpha):
    """Return the penalty: half of the squares, absolute values, or a mix of both."""
    if name is None:
        return 0.0
    coef = estimator.coef_
    coef = np.atleast_2d(coef.toarray() if sparse.issparse(coef) else coef)
    ratio = {"l2": 0.0, "l1": 1.0}.get(name, getattr(estimator, "l1_ratio", 0.0))
    squares, absolutes = (coef**2).sum(axis=1), np.abs(coef).sum(axis=1)
    return alpha * ((1 - ratio) * squares / 2 + ratio * absolutes)


def _modified_huber(p, y, epsilon):
    z = p * y
    return np.where(z >= -1, np.maximum(0, 1 - z) ** 2, -4 * z)


def _huber(p, y, epsilon):
    r = np.abs(y - p)
    return np.where(r <= epsilon, r**2 / 2, epsilon * r - epsilon**2 / 2)


# https://scikit-learn.org/stable/modules/sgd.html#mathematical-formulation
_LOSSES = {
    "hinge": lambda p, y, epsilon: np.maximum(0, 1 - p * y),
    "perceptron": lambda p, y, epsilon: np.maximum(0, -p * y),
    "squared_hinge": lambda p, y, epsilon: np.maximum(0, 1 - p * y) ** 2,
    "log_loss": lambda p, y, epsilon: np.logaddexp(0, -p * y),
    "modified_huber": _modified_huber,
    "squared_error": lambda p, y, epsilon: (y - p) ** 2 / 2,
    "huber": _huber,
    "epsilon_insensitive": lambda p, y, epsilon: np.maximum(0, abs(y - p) - epsilon),
    "squared_epsilon_insensitive": lambda p, y, epsilon: (
        np.maximum(0, abs(y - p) - epsilon) ** 2
    ),
}


def compute_nmf_loss(estimator, X, y=None) -> float:
    """Return the beta-divergence of X from its factors plus penalties, per row."""
    W, H = np.asarray(estimator.transform(X)), estimator.components_
    X = X.toarray() if sparse.issparse(X) else np.asarray(X)
    alpha = estimator.alpha_W
    other = alpha if estimator.alpha_H == "same" else estimator.alpha_H
    penalty = X.shape[1] * alpha * _norm(estimator, W) / len(X)
    penalty += other * _norm(estimator, H)
    return _find_divergence(estimator, X, np.maximum(W @ H, 1e-12)) + penalty


def _norm(estimator, factor) -> float:
    ratio = estimator.l1_ratio
    return float(ratio * np.abs(factor).sum() + (1 - ratio) * (factor**2).sum())


def _find_divergence(estimator, X, WH) -> float:
    beta = {"frobenius": 2, "kullback-leibler": 1, "itakura-saito": 0}.get(
        estimator.beta_loss, estimator.beta_loss
    )
    if beta == 1:
        logs = np.log(X / WH, out=np.zeros_like(WH), where=X > 0)
        return float((X * logs - X + WH).sum() / len(X))
    if beta == 0:
        ratio = X / WH
        return float((ratio - np.log(ratio) - 1).sum() / len(X))
    parts = X**beta + (beta - 1) * WH**beta - beta * X * WH ** (beta - 1)
    return float(parts.sum() / (beta * (beta - 1)) / len(X))


def compute_dictionary_loss(estimator, X, y=None) -> float:
    """Return half the squared error plus the penalty of sparse codes, per row."""
    from sklearn.decomposition import sparse_encode

    X = np.asarray(X)
    code = sparse_encode(
        X,
        estimator.components_,
        algorithm=f"lasso_{estimator.fit_algorithm}",
        alpha=estimator.alpha,
        positive=estimator.positive_code,
        max_iter=estimator.transform_max_iter,
    )
    error = ((X - code @ estimator.components_) ** 2).sum() / 2
    return float((error + estimator.alpha * np.abs(code).sum()) / len(X))
