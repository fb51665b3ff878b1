"""What ``fit`` of an estimator does, by the entry of its class and its parameters."""

from inspect import signature
from math import prod
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from skmmap.estimators.entry import LearningEntry
from skmmap.estimators.growing import GROWING
from skmmap.estimators.lightgbm_entries import LIGHTGBM
from skmmap.estimators.registry import Found, add_built_in, find_entry
from skmmap.estimators.sklearn_entries import SKLEARN
from skmmap.estimators.skorch_entries import SKORCH
from skmmap.estimators.xgboost_entries import XGBOOST
from skmmap.order import COSTS, Cost
from skmmap.wrap import find_learner, find_parameters, is_sklearn_class, is_sklearns

add_built_in(SKLEARN)
add_built_in(SKORCH)
add_built_in(XGBOOST)
add_built_in(LIGHTGBM)
add_built_in(GROWING)


class RunShape(NamedTuple):
    """The shape of a run, on which the overridden parameters depend."""

    n_rows: int
    chunk_rows: int
    n_chunks: int
    is_shuffled: bool
    is_loop: bool


class Learning(NamedTuple):
    """How one estimator learns: the entry of its class applied to its parameters.

    ``prefix`` is that of the ``learner``'s parameters in a meta-estimator. ``shuffle``
    is True, False, or the name of the parameter that controls shuffling.
    """

    learner: Any
    prefix: str
    found: Found
    shuffle: bool | str

    @property
    def entry(self) -> LearningEntry:
        return self.found.entry

    @property
    def n_epochs(self) -> int:
        """The maximum number of epochs of ``fit``."""
        return _find_count(self.learner, self.entry.epochs) or 1

    def say_limit(self, max_epochs: int | str) -> str:
        """Say which parameter limits the number of epochs."""
        is_own = isinstance(max_epochs, str) and self.entry.epochs is not None
        return f"{self.entry.epochs} of the estimator" if is_own else "max_epochs"

    @property
    def is_shuffled(self) -> bool:
        """Whether ``fit`` sees rows in random order."""
        if isinstance(self.shuffle, str):
            return bool(getattr(self.learner, self.shuffle))
        return self.shuffle

    @property
    def min_rows(self) -> int:
        """The minimum number of rows in the first chunk, 1 by default."""
        return _find_count(self.learner, self.entry.min_rows) or 1

    @property
    def holds_out(self) -> bool:
        """Whether ``fit`` holds out rows to score each epoch on."""
        name = self.entry.early_stopping
        return name is not None and bool(getattr(self.learner, name, False))

    @property
    def learns_zero_weights(self) -> bool:
        """Whether ``fit`` learns from rows with a weight of zero."""
        learns = self.entry.zero_weights
        return learns(self.learner) if callable(learns) else learns

    def find_batch_rows(self, shape: tuple) -> int | None:
        """Return the batch size of ``fit``, None if it has no batches."""
        name, default = self.entry.batch_size, self.entry.default_batch_size
        if name and default and getattr(self.learner, name) is None:
            return default(prod(shape[1:]))
        return _find_count(self.learner, name)

    def find_overrides(self, run: RunShape) -> dict:
        """Return the parameters that are overridden during training."""
        overrides = {self.entry.early_stopping: False} if self.holds_out else {}
        if self.entry.overrides is not None:
            overrides |= self.call("overrides", run)
        return {self.prefix + name: value for name, value in overrides.items()}

    def call(self, field: str, argument) -> dict:
        """Return the parameters that a function of the entry returns."""
        params = getattr(self.entry, field)(self.learner, argument)
        if params is None:
            raise TypeError(
                f"The function {field} in the entry of {type(self.learner).__name__} "
                "returned None. Let it return a dict of parameters."
            )
        _check_names(self.learner, params.keys() - find_parameters(self.learner).keys())
        return params


def find_learning(estimator, *, uses_target: bool) -> Learning:
    """Return how an estimator learns; ``uses_target`` is whether it learns from y."""
    prefix, learner = find_learner(estimator)
    found = find_entry(type(learner))
    entry = found.entry
    named = entry.epochs, entry.batch_size, entry.min_rows, entry.early_stopping
    _check_names(learner, [name for name in (*named, entry.shuffle) if name])
    return Learning(learner, prefix, found, _find_shuffle(learner, entry, uses_target))


def _check_names(learner, names) -> None:
    """Raise for a parameter that the learner does not have."""
    for name in names:
        if isinstance(name, str) and not hasattr(learner, name):
            raise ValueError(
                f"The entry of {type(learner).__name__} names the parameter {name!r}, "
                "which it does not have. Correct the call of skmmap.register."
            )


def _find_shuffle(learner, entry: LearningEntry, uses_target: bool) -> bool | str:
    """Return whether rows are shuffled, or the name of the parameter that controls it.

    Without an entry, this is the parameter ``shuffle``. Third-party estimators that
    have no such parameter are assumed to depend on the order if they learn from y.
    """
    if isinstance(entry.shuffle, bool | np.bool_):
        return bool(entry.shuffle)
    name = entry.shuffle or "shuffle"
    value = getattr(learner, name, None)
    if isinstance(value, bool | np.bool_) or (entry.shuffle and value is not None):
        return name
    return uses_target and not is_sklearns(learner)


def _find_count(learner, name: str | None) -> int | None:
    """Return a parameter if it is an integer of at least 1; else None."""
    value = None if name is None else getattr(learner, name)
    return int(value) if isinstance(value, Integral) and value >= 1 else None


def is_loop(wrapper) -> bool:
    """Whether the parameters select the loop over ``partial_fit``, in file order.

    With ``shuffle=False`` and a number for ``max_epochs`` the result is that loop's,
    bit for bit. Otherwise it is what the estimator's own ``fit`` would do.
    """
    is_in_order = isinstance(wrapper.shuffle, bool | np.bool_) and not wrapper.shuffle
    return is_in_order and not isinstance(wrapper.max_epochs, str)


def find_cost(estimator) -> Cost | None:
    """Return the measured cost of ``partial_fit``, None if it was not measured.

    A chunk goes to each member of a meta-estimator, so that the cost is the learner's.
    """
    _, learner = find_learner(estimator)
    for kind in type(learner).__mro__:
        if is_sklearn_class(kind) and kind.__name__ in COSTS:
            return COSTS[kind.__name__]
    return None


def find_unused(estimator) -> dict:
    """Return parameters with a non-default value that only ``fit`` uses."""
    params = estimator.get_params() if hasattr(estimator, "get_params") else {}
    prefix, learner = find_learner(estimator)
    unused = {}
    for start, part in {prefix: learner, "": estimator}.items():
        for name in find_entry(type(part)).entry.fit_only:
            default = signature(type(part)).parameters.get(name)
            # A subclass may have fewer parameters than its base.
            if default is not None and params[start + name] != default.default:
                unused[start + name] = params[start + name]
    return unused
