"""The initial state of training: ``warm_start`` and ``coef_init``.

``partial_fit`` starts untrained or continues from the last step. The ``fit`` of linear
models and multi-layer perceptrons can also start from given coefficients
(``warm_start``, ``coef_init``), with the step count reset. Their own ``fit`` is called
to set this state: with one row of zeros for each class, and steps that are too small to
change a coefficient. This way its validation applies, and no private name of
scikit-learn is needed. Meta-estimators clone the estimator that they train, so that
their own ``fit`` starts untrained as well.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import resample

from skmmap.estimators.registry import find_entry
from skmmap.wrap import InputLayout, find_learner, has_sklearns, takes

_PARAMETERS = "coef_init", "intercept_init", "offset_init"
# One epoch of steps of size 1e-30, which is below the resolution of float64 for any
# coefficient of usual size. C is the step size of passive-aggressive estimators.
_NO_UPDATES = {
    "C": 1e-30,
    "eta0": 1e-30,
    "learning_rate": "constant",
    "max_iter": 1,
    "random_state": 0,
    "tol": None,
    "verbose": 0,
}
_NO_AVERAGING = 10**9  # steps before averaging begins
# L-BFGS stops before its first step if the gradient is below the tolerance (gtol in
# scipy.optimize.minimize, to which MLPClassifier passes tol).
_NO_UPDATES_MLP = {
    "max_iter": 1,
    "random_state": 0,
    "solver": "lbfgs",
    "tol": 1e300,
    "verbose": False,
}


@dataclass(eq=False, repr=False)
class Start:
    """The initial state of training; an empty one is an untrained estimator.

    ``trained`` is the estimator that ``warm_start`` continues from. ``given`` are the
    initial coefficients that were passed to ``fit``, by name.
    """

    trained: Any = None
    given: dict = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.trained is not None or bool(self.given)

    def begin(self, estimator, rows, y, classes):
        """Return the estimator in its initial state, ready for ``partial_fit``.

        ``rows`` are some of the rows to train on, ``y`` their targets, and ``classes``
        the labels that the first ``partial_fit`` is called with.
        """
        if not self:
            return estimator
        begin = find_entry(type(estimator)).entry.warm_start
        if begin is None or not has_sklearns(estimator, "fit"):
            return self.go_on(estimator)
        y = _make_target(estimator, y, classes)
        return begin(self, estimator, _make_zeros(rows, len(y)), y)

    def go_on(self, estimator):
        """Return a copy of the trained estimator with the parameters of another."""
        return deepcopy(self.trained).set_params(**estimator.get_params(deep=False))


def take_start(estimator, trained, params: dict) -> tuple[Start, dict]:
    """Return the initial state of training, and the ``params`` that are not part of it.

    ``trained`` is the estimator of an earlier ``fit``, or None.
    """
    _check_no_meta(estimator, params)
    starts = find_entry(type(estimator)).entry.warm_start is not None
    takes_them = starts and has_sklearns(estimator, "fit")
    names = [name for name in _PARAMETERS if takes_them and takes(estimator.fit, name)]
    given = {name: params[name] for name in names if params.get(name) is not None}
    others = {name: value for name, value in params.items() if name not in names}
    is_warm = bool(getattr(estimator, "warm_start", False))
    return Start(trained if is_warm else None, given), others


def _check_no_meta(estimator, params: dict) -> None:
    """Raise for initial coefficients of an estimator inside a meta-estimator."""
    _, learner = find_learner(estimator)
    for name in _PARAMETERS:
        if params.get(name) is not None and learner is not estimator:
            outer, inner = type(estimator).__name__, type(learner).__name__
            raise TypeError(
                f"{name} was given, and {outer} trains {inner} by partial_fit, which "
                f"cannot start there. Wrap {inner} itself to start it from "
                "coefficients."
            )


def begin_sgd(start: Start, estimator, X, y):
    """Return a linear model with the initial coefficients."""
    is_warm = start.trained is not None
    begun = start.go_on(estimator) if is_warm else estimator
    # fit updates the arrays in place, and they belong to the user.
    given = {name: np.array(value) for name, value in start.given.items()}
    fixed = _NO_UPDATES | ({"average": _NO_AVERAGING} if estimator.average else {})
    _fit_fixed(begun, X, y, fixed, is_warm, given)
    begun.t_ = 1.0
    if hasattr(begun, "classes_"):
        # _partial_fit validates X with reset=not hasattr(self, "classes_"), and only
        # with reset it accepts the feature names of the data.
        del begun.classes_
    return begun


def begin_mlp(start: Start, estimator, X, y):
    """Return a new network with the trained weights and a new optimizer."""
    # Only for its validation: fit raises if the classes or features have changed.
    _fit_fixed(start.go_on(estimator), X, y, _NO_UPDATES_MLP, True, {})
    _fit_fixed(estimator, X, y, _NO_UPDATES_MLP, False, {})
    # L-BFGS works in float64, also for a network that was trained in float32.
    estimator.coefs_ = deepcopy(start.trained.coefs_)
    estimator.intercepts_ = deepcopy(start.trained.intercepts_)
    # L-BFGS does not set these, and the fit of a warm start continues with them.
    estimator.t_ = start.trained.t_
    estimator.loss_curve_ = list(getattr(start.trained, "loss_curve_", None) or [])
    estimator.best_loss_ = np.inf
    estimator.validation_scores_ = estimator.best_validation_score_ = None
    return estimator


def _fit_fixed(estimator, X, y, fixed: dict, is_warm: bool, given: dict) -> None:
    """Call ``fit`` with parameters ``fixed`` that prevent updates, then reset them."""
    params = estimator.get_params(deep=False)
    fixed = {name: value for name, value in fixed.items() if name in params}
    estimator.set_params(**fixed, warm_start=is_warm)
    estimator.fit(X, y, **given)
    estimator.set_params(**{name: params[name] for name in [*fixed, "warm_start"]})


def _make_target(estimator, y, classes) -> np.ndarray:
    """Return one target for each class; for regressors, zeros."""
    several = y is not None and np.ndim(y) > 1
    if not is_classifier(estimator):
        return np.zeros((2, y.shape[1]) if several else 2)
    classes = np.asarray(classes)
    return np.eye(len(classes), dtype=int) if several else classes


def _make_zeros(rows, n_rows: int):
    """Return rows of zeros of the same type, which keeps the feature names."""
    if isinstance(rows, list | tuple):
        rows = np.asarray(rows)
    return 0 * resample(
        InputLayout(flat=True).apply(rows), n_samples=n_rows, random_state=0
    )
