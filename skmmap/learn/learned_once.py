"""Fits of the same rows that differ only in what they derive from the same sums.

The counts of naive Bayes do not depend on ``alpha``. So the candidates of a search that
differ in such parameters learn once: the first one makes the pass, and each of the
others derives its own attributes from what that has learned.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from skmmap.estimators import find_entry
from skmmap.learn.from_folds import derive, learn_from_folds
from skmmap.learn.plan import Plan
from skmmap.learn.training import Training
from skmmap.run import find_sharing
from skmmap.wrap import Alike, find_parameters


def can_share(plan: Plan, training: Training) -> bool:
    """Whether all that is learned are sums, in one pass."""
    is_free = find_entry(type(training.learner.estimator)).entry.free is not None
    is_plain = plan.validation is None and not training.unit.may_go_on
    return is_free and is_plain and training.n_epochs == 1


def learn_once(training: Training, n_jobs, run: Callable[[], dict]) -> dict:
    """Return what ``run`` would, which is called for one of several such fits."""
    own: list[dict] = []

    def learn() -> Learned:
        own.append(learn_from_folds(training, common, run))
        return Learned(deepcopy(training.take_state()))

    common = _find_common(training, n_jobs)
    if common is None:
        return run()
    key = "learned", common, training.table.key, training.schedule.key
    learned = find_sharing().remember(key, learn)
    if not own:
        try:
            state = learned.derive(training.learner.estimator)
        except Exception:  # its own fit says what is wrong, and in which rows
            return run()
        training.put_state(state)
        own.append(training.learned_attributes())
    learned.add(training.learner.estimator)
    return own[0]


class Learned:
    """What a fit has learned, and the estimators that have it."""

    def __init__(self, state: dict) -> None:
        self._state, self._alike = state, []

    def derive(self, own) -> dict:
        """Return a copy of the state, with the parameters of another estimator."""
        state = deepcopy(self._state)
        derive(state["learner"]["estimator"], own)
        return state

    def add(self, estimator) -> None:
        """Let this estimator and others like it compute their results together."""
        compute = find_entry(type(estimator)).entry.compute_alike
        if compute is None:
            return
        if not self._alike or self._alike[-1].is_full:
            self._alike.append(Alike(compute))
        self._alike[-1].add(estimator)


def _find_common(training: Training, n_jobs) -> tuple | None:
    """Return what fits have in common that learn the same of the same rows, or None."""
    learner = training.learner
    kind, free = type(learner.estimator), find_entry(type(learner.estimator)).entry.free
    params = find_parameters(learner.estimator)
    named = {name: value for name, value in params.items() if name not in free}
    try:
        values = _describe([named, training.first_call_params])
        how = learner.input_layout, learner.corrections.is_off, learner.drops
        how += learner.learns_zero_weights, training.takes_weightless, n_jobs
        common = kind, values, how
        hash(common)
    except TypeError:
        return None
    return common


def _describe(value: Any) -> Any:
    """Return what is equal for equal values; raise TypeError for other objects."""
    if isinstance(value, dict):
        return tuple((name, _describe(each)) for name, each in sorted(value.items()))
    if isinstance(value, list | tuple):
        return type(value), tuple(map(_describe, value))
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, bool | int | float | str | bytes | np.generic | type(None)):
        return type(value), value
    if isinstance(value, np.ndarray):
        return (
            value.dtype.str,
            value.shape,
            tuple(map(_describe, value.ravel().tolist())),
        )
    raise TypeError(f"{type(value).__name__} is not known by its value.")
