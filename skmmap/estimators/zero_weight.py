"""Chunks of rows that all weigh 0: ``partial_fit`` refuses them, ``fit`` does not.

Such rows change nothing in most estimators, and are left out. In others the entry of
the class says that ``fit`` learns from them: gradient descent takes a step for each, in
which its rate falls and its coefficients decay.
"""

import numpy as np

from skmmap.wrap import iter_fitted

# The least weight that is none of zero in float32 as well, nor slow to compute with.
LEAST = float(np.finfo(np.float32).tiny)
_DUST = 1e-30  # what such weights leave is less, even in sums of many rows
_ADDED_UP = "coef_", "intercept_", "class_count_", "category_count_"


def is_weightless(params: dict) -> bool:
    """Whether there are weights, and each is zero."""
    weights = params.get("sample_weight")
    return isinstance(weights, np.ndarray) and not weights.any()


def counts_rows_alone(scaler) -> bool:
    """Whether a ``StandardScaler`` counts rows, and learns nothing of their weights."""
    return not (scaler.with_mean or scaler.with_std)


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
