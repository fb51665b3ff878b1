"""The seed of a run, and the parameters of the estimator that it sets."""

from copy import deepcopy
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

from skmmap.estimators import is_loop
from skmmap.wrap import find_learner, find_parameters

_NAME = "random_state"
# Names in third-party estimators, beside random_state or instead of it. isotree uses
# random_seed=1 unless random_state is set.
_OTHER_NAMES = "random_seed", "seed"


def find_unset_seeds(wrapper) -> list[str]:
    """Return the parameters that the seed of a run sets: each random_state of None.

    One beside another seed is not set, since it would take precedence. None is set if
    the parameters select the hand-written loop without a seed, which sets none.
    """
    estimator = wrapper.estimator
    is_unseeded_loop = wrapper.random_state is None and is_loop(wrapper)
    if is_unseeded_loop or not hasattr(estimator, "get_params"):
        return []
    params = find_parameters(estimator)
    return [
        name
        for name, value in params.items()
        if name.split("__")[-1] == _NAME and value is None
        if all(params.get(other) is None for other in _find_others(name))
    ]


def _find_others(name: str) -> list[str]:
    """Return the other names of a seed, of the same part of the estimator."""
    prefix = name.removesuffix(_NAME)
    return [prefix + other for other in _OTHER_NAMES]


def draw_seed(
    wrapper, *, is_needed: bool, is_run: bool = True, before: int | None = None
) -> int | None:
    """Return the seed of a run: the wrapper's, else the estimator's, else a new one.

    A run that continues another one has the seed of that one, ``before``, instead of a
    new one. A new one is drawn only if it is needed, since that moves NumPy's generator
    on. Where there is no run, no generator moves on, and 0 stands for what would be
    drawn.
    """
    random_state = wrapper.random_state
    if random_state is None:
        # A RandomState in the estimator belongs to the user, and must not advance.
        random_state = deepcopy(find_own_seed(wrapper.estimator)[1])
    if random_state is None:
        random_state = before
    if isinstance(random_state, Integral):
        return int(random_state)
    if random_state is None and not is_needed:
        return None
    if not is_run:
        return 0
    return int(check_random_state(random_state).randint(2**31 - 1))


def find_own_seed(estimator) -> tuple:
    """Return the name and the value of the estimator's own seed, or None and None."""
    _, learner = find_learner(estimator)
    own = getattr(learner, _NAME, None)
    if isinstance(own, Integral | np.random.RandomState):
        return _NAME, own
    for name in _OTHER_NAMES:
        value = getattr(learner, name, None)
        if isinstance(value, Integral) and value >= 0:
            return name, value
    return None, None
