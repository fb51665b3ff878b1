"""Where training starts: at what an earlier ``fit`` has learned, or at coefficients.

``partial_fit`` begins with nothing, or goes on to the last step of all. The ``fit`` of
linear models and networks can begin at coefficients (``warm_start``, ``coef_init``),
and counts its steps anew. So it is their own ``fit`` that puts them there: it gets a
row of zeros for each class, and takes steps that are too small to change anything. So
its errors are raised, and no private name of scikit-learn is used. Meta-estimators
clone what they train, so that it starts from nothing in their own ``fit`` too.
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
# With these a fit changes nothing: one step, smaller than what a float64 can add.
_STILL = {
    "C": 1e-30,
    "eta0": 1e-30,
    "learning_rate": "constant",
    "max_iter": 1,
    "random_state": 0,
    "tol": None,
    "verbose": 0,
}
_NEVER = 10**9  # steps before averaging begins
# L-BFGS ends before its first step where the gradient is below its tolerance.
_STILL_MLP = {
    "max_iter": 1,
    "random_state": 0,
    "solver": "lbfgs",
    "tol": 1e300,
    "verbose": False,
}


@dataclass(frozen=True)
class Start:
    """What training starts from, if not from nothing.

    ``trained`` is the estimator that ``warm_start`` goes on from, ``given`` what was
    given to ``fit`` by name.
    """

    trained: Any = None
    given: dict = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.trained is not None or bool(self.given)

    def begin(self, estimator, rows, y, classes):
        """Return the untrained ``estimator``, or a copy of the trained one, set up.

        ``rows`` are some of those to train on, ``y`` their targets, and ``classes``
        what is told to the first ``partial_fit``.
        """
        if not self:
            return estimator
        begin = find_entry(type(estimator)).entry.warm_start
        if begin is None or not has_sklearns(estimator, "fit"):
            return self.go_on(estimator)
        y = _make_target(estimator, y, classes)
        return begin(self, estimator, _make_zeros(rows, len(y)), y)

    def go_on(self, estimator):
        """Return a copy of what is trained, with the parameters of ``estimator``."""
        return deepcopy(self.trained).set_params(**estimator.get_params(deep=False))


def take_start(estimator, trained, params: dict) -> tuple[Start, dict]:
    """Return what training starts from, and those ``params`` that do not say it.

    ``trained`` is what has learned before, None if nothing has.
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
    """Raise for coefficients of what a meta-estimator clones and trains inside."""
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
    """Return a linear model with the coefficients to start from."""
    is_warm = start.trained is not None
    begun = start.go_on(estimator) if is_warm else estimator
    # fit learns in the array that it is given.
    given = {name: np.array(value) for name, value in start.given.items()}
    still = _STILL | ({"average": _NEVER} if estimator.average else {})
    _fit_still(begun, X, y, still, is_warm, given)
    begun.t_ = 1.0
    if hasattr(begun, "classes_"):
        del begun.classes_  # or names of features would not be taken any more
    return begun


def begin_mlp(start: Start, estimator, X, y):
    """Return a new network with the trained weights: the optimizer begins anew."""
    # This one is asked whether it can go on with such rows and classes.
    _fit_still(start.go_on(estimator), X, y, _STILL_MLP, True, {})
    _fit_still(estimator, X, y, _STILL_MLP, False, {})
    # Of the trained one, since L-BFGS makes float64 of all.
    estimator.coefs_ = deepcopy(start.trained.coefs_)
    estimator.intercepts_ = deepcopy(start.trained.intercepts_)
    # What L-BFGS does not need, and fit goes on with.
    estimator.t_ = start.trained.t_
    estimator.loss_curve_ = list(getattr(start.trained, "loss_curve_", None) or [])
    estimator.best_loss_ = np.inf
    estimator.validation_scores_ = estimator.best_validation_score_ = None
    return estimator


def _fit_still(estimator, X, y, still: dict, is_warm: bool, given: dict) -> None:
    """Have ``fit`` set up the estimator; parameters are afterwards what they were."""
    params = estimator.get_params(deep=False)
    still = {name: value for name, value in still.items() if name in params}
    estimator.set_params(**still, warm_start=is_warm)
    estimator.fit(X, y, **given)
    estimator.set_params(**{name: params[name] for name in [*still, "warm_start"]})


def _make_target(estimator, y, classes) -> np.ndarray:
    """Return targets with each class; for others, zeros."""
    several = y is not None and np.ndim(y) > 1
    if not is_classifier(estimator):
        return np.zeros((2, y.shape[1]) if several else 2)
    classes = np.asarray(classes)
    return np.eye(len(classes), dtype=int) if several else classes


def _make_zeros(rows, n_rows: int):
    """Return rows of zeros of the same type, so that names of features are kept."""
    if isinstance(rows, list | tuple):
        rows = np.asarray(rows)
    return 0 * resample(
        InputLayout(flat=True).apply(rows), n_samples=n_rows, random_state=0
    )
