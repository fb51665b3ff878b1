"""Chunks of rows that all weigh 0: ``partial_fit`` refuses them, ``fit`` does not.

Of most estimators such rows change nothing, and they are left out. `counts_weightless`
says where they do: gradient descent takes a step for each, in which its rate falls and
its coefficients decay.
"""

import numpy as np
from sklearn.naive_bayes import CategoricalNB
from sklearn.preprocessing import StandardScaler

from skmmap.wrap import (
    SGD,
    find_learner,
    is_sklearns,
    iter_fitted,
)

# The least weight that is none of zero in float32 as well, nor slow to compute with.
LEAST = float(np.finfo(np.float32).tiny)
_DUST = 1e-30  # what such weights leave is less, even in sums of many rows
_ADDED_UP = "coef_", "intercept_", "class_count_", "category_count_"


def is_weightless(params: dict) -> bool:
    """Whether there are weights, and each is zero."""
    weights = params.get("sample_weight")
    return isinstance(weights, np.ndarray) and not weights.any()


def counts_weightless(estimator) -> bool:
    """Whether ``fit`` of scikit-learn's own learns from rows that weigh nothing."""
    _, learner = find_learner(estimator)
    if not is_sklearns(learner):
        return False
    if isinstance(learner, StandardScaler):
        return not (learner.with_mean or learner.with_std)  # it counts rows alone
    return isinstance(learner, (*SGD, CategoricalNB))


def weigh_least(params: dict) -> dict:
    """Return parameters with weights that are not refused, and count for nothing."""
    weights = params["sample_weight"]
    return params | {"sample_weight": np.full(weights.shape, LEAST)}


def drop_dust(estimator) -> None:
    """Make zeros again of what such weights have added to zeros.

    A perceptron would take the least coefficient for one that it has learned.
    """
    for learner in iter_fitted(estimator):
        for name in _ADDED_UP:
            value = vars(learner).get(name)
            for array in value if isinstance(value, list) else [value]:
                if isinstance(array, np.ndarray):
                    array[np.abs(array) < _DUST] = 0
