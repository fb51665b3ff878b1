"""A sample of the rows, for initial parameters and for the training loss."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from sklearn.utils import check_array

from skmmap.estimators import Rule, can_compute_losses, is_loop
from skmmap.learn.plan import Plan
from skmmap.learn.rule_choice import find_rule
from skmmap.learn.watch import Watch
from skmmap.order import SAMPLE_SHARE, Runs, parse_size
from skmmap.wrap import InputLayout

_SAMPLE_ROWS = 10_000
_SAMPLE_PLACES = 100


class UnusableRowsError(Exception):
    """An estimator could not be trained on the rows of a sample."""


@dataclass(eq=False, repr=False)
class Sample:
    """Rows from the whole file, which are read on first use."""

    load: Callable[[], tuple]
    n_rows: int
    seed: int

    @cached_property
    def X(self):
        """The rows, dense or CSR, of float64 or float32."""
        try:
            return check_array(
                InputLayout(flat=True).apply(self.load()[0]),
                accept_sparse="csr",
                dtype=(np.float64, np.float32),
            )
        except (TypeError, ValueError) as error:
            raise UnusableRowsError from error

    @property
    def sample_weight(self):
        """The weights of the rows, None if there are none."""
        return self.load()[2]


def find_start(wrapper, plan: Plan) -> dict:
    """Return parameters with which ``partial_fit`` starts as ``fit`` would.

    The loop over ``partial_fit`` has none, since it reads no row in advance.
    """
    learning = plan.learning
    if is_loop(wrapper) or learning.entry.initialize is None:
        return {}
    load = make_sample(wrapper, plan, _SAMPLE_ROWS)
    sample = Sample(load, plan.table.X.n_rows, plan.seed)
    try:
        params = learning.call("initialize", sample)
    except UnusableRowsError:
        return {}  # training will raise for these rows, and name them
    return {learning.prefix + name: value for name, value in params.items()}


def make_rule(
    wrapper, plan: Plan, find_layout: Callable, *, goes_on: bool = False
) -> tuple[Rule, Watch]:
    """Return the stopping rule of the run, and how its loss is computed.

    ``find_layout`` returns the layout in which the estimator takes rows, once it is
    known. A run of one epoch needs none, unless it ``goes_on`` to more of them.
    """
    is_single = plan.n_epochs == 1 and plan.validation is None
    if is_single and not goes_on:
        return Rule(), Watch()
    most = min(_SAMPLE_ROWS, plan.learning.entry.loss_rows)
    load = make_sample(wrapper, plan, most)

    def sample() -> tuple[Any, Any]:
        X, y, _ = load()
        return find_layout().apply(X), y

    try:
        rule = find_rule(
            plan.learning,
            sample=sample,
            n_rows=plan.schedule.n_rows,
            has_validation=plan.validation is not None,
            is_loop=is_loop(wrapper),
        )
    except (TypeError, ValueError, ZeroDivisionError):
        # Of parameters that partial_fit refuses itself, and says which they are.
        rule = Rule()
    if is_single and type(rule).after_chunk is not Rule.after_chunk:
        return Rule(), Watch()  # it could end the epoch, as it may not
    computes = type(rule) is not Rule and can_compute_losses(wrapper.estimator)
    return rule, Watch(sample, rule.looks if computes else 0)


def make_sample(wrapper, plan: Plan, most: int) -> Callable:
    """Return a function that loads rows from the whole file, once."""
    n_rows = plan.table.X.n_rows
    nbytes = parse_size(wrapper.memory_limit, "memory_limit") // SAMPLE_SHARE
    most = min(most, max(1, nbytes // max(1, plan.table.row_nbytes)))

    @cache
    def sample():
        if n_rows <= most:
            return plan.table.sample(range(n_rows))
        places = min(_SAMPLE_PLACES, most)
        starts = np.arange(places) * n_rows // places
        return plan.table.sample(Runs(starts, np.full(places, most // places)))

    return sample
