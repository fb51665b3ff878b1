"""How much memory an estimator takes once it is trained, found on few rows."""

from contextlib import nullcontext

import numpy as np

from skmmap.learn.learner import Learner
from skmmap.learn.plan import Plan
from skmmap.read import Chunk
from skmmap.wrap import own_arrays, replace_parameters

_FEW_ROWS = 100


def count_trial_rows(plan: Plan) -> int:
    """Return on how many rows the size of a model is found."""
    return min(plan.table.X.n_rows, max(_FEW_ROWS, plan.learning.min_rows))


def find_model_nbytes(learner: Learner, plan: Plan) -> int:
    """Return the bytes of the arrays of a copy that is trained on few rows.

    0 if it cannot be trained on so few; nothing else is changed.
    """
    n_few = count_trial_rows(plan)
    sizes: dict[int, int] = {}

    def look(array: np.ndarray) -> bool:
        sizes[id(array)] = array.nbytes
        return False

    drawn = np.random.get_state()
    try:
        X, y, weights = plan.table.sample(range(n_few))
        params = dict(plan.table.whole | plan.first_call_params)
        params |= {} if weights is None else {"sample_weight": weights}
        trial = learner.copy()
        _silence(trial.estimator)
        trial.learn(Chunk(0, n_few, X, y, params), nullcontext, tuple)
        own_arrays(trial.estimator, look)
    except Exception:  # the run will raise it, and name the rows
        return 0
    finally:
        np.random.set_state(drawn)
    return sum(sizes.values())


def _silence(estimator) -> None:
    """Let an estimator print nothing."""
    params = estimator.get_params() if hasattr(estimator, "get_params") else {}
    loud = [name for name in params if name.split("__")[-1] == "verbose"]
    replace_parameters(estimator, dict.fromkeys(loud, 0))
