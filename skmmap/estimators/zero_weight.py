"""Chunks in which all sample weights are zero.

scikit-learn's ``partial_fit`` raises for such a chunk (``_check_sample_weight``), but
``fit`` accepts the same rows among others. Most estimators learn nothing from them, so
that the chunk is skipped. Gradient descent does: each row is a step in which the
learning rate decreases and the penalty shrinks the coefficients. The field
``zero_weights`` of an entry says so.
"""

import numpy as np

from skmmap.wrap import iter_fitted

# The smallest normal float32: it is not rounded to zero, and it is not a subnormal
# number, with which some processors compute slowly.
LEAST = float(np.finfo(np.float32).tiny)
_NEGLIGIBLE = 1e-30  # above any sum of such weights, below any learned coefficient
_ADDED_UP = "coef_", "intercept_", "class_count_", "category_count_"


def is_weightless(params: dict) -> bool:
    """Whether sample weights are given and all of them are zero."""
    weights = params.get("sample_weight")
    return isinstance(weights, np.ndarray) and not weights.any()


def counts_rows_alone(scaler) -> bool:
    """Whether a ``StandardScaler`` only counts rows, so that weights do not matter."""
    return not (scaler.with_mean or scaler.with_std)


def use_least_weights(params: dict) -> dict:
    """Return parameters with weights that pass the check and have no effect."""
    weights = params["sample_weight"]
    return params | {"sample_weight": np.full(weights.shape, LEAST)}


def zero_negligible(estimator) -> None:
    """Set to zero the coefficients and counts that only such weights have changed.

    A perceptron would otherwise predict by the sign of a coefficient of 1e-38.
    """
    for learner in iter_fitted(estimator):
        for name in _ADDED_UP:
            value = vars(learner).get(name)
            for array in value if isinstance(value, list) else [value]:
                if isinstance(array, np.ndarray):
                    array[np.abs(array) < _NEGLIGIBLE] = 0
