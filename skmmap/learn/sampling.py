"""Rows from all over the file: what training starts from, and what its loss is of."""

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
from skmmap.order import Runs, parse_size
from skmmap.wrap import InputLayout

_SAMPLE_ROWS = 10_000
_SAMPLE_PLACES = 100
_SAMPLE_SHARE = 32  # of memory_limit


class UnusableRowsError(Exception):
    """The rows of a sample are none that an estimator learns from."""


@dataclass
class Sample:
    """Some rows from all over the data, which are read when they are asked for."""

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

    The loop over ``partial_fit`` looks at no row before its turn.
    """
    learning = plan.learning
    if is_loop(wrapper) or learning.entry.initialize is None:
        return {}
    load = make_sample(wrapper, plan, _SAMPLE_ROWS)
    sample = Sample(load, plan.table.X.n_rows, plan.seed)
    try:
        params = learning.call("initialize", sample)
    except UnusableRowsError:
        return {}  # training refuses such rows, and says which they are
    return {learning.prefix + name: value for name, value in params.items()}


def make_rule(wrapper, plan: Plan, find_layout: Callable) -> tuple[Rule, Watch]:
    """Return when the run stops, and how its loss is found.

    ``find_layout`` returns the layout in which the estimator takes rows, once it is
    known.
    """
    if plan.n_epochs == 1 and plan.validation is None:
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
            n_rows=plan.table.X.n_rows,
            has_validation=plan.validation is not None,
            is_loop=is_loop(wrapper),
        )
    except (TypeError, ValueError, ZeroDivisionError):
        # Of parameters that partial_fit refuses itself, and says which they are.
        rule = Rule()
    computes = type(rule) is not Rule and can_compute_losses(wrapper.estimator)
    return rule, Watch(sample, rule.looks if computes else 0)


def make_sample(wrapper, plan: Plan, most: int) -> Callable:
    """Return a function that loads some rows from all over the file, once."""
    n_rows = plan.table.X.n_rows
    nbytes = parse_size(wrapper.memory_limit, "memory_limit") // _SAMPLE_SHARE
    most = min(most, max(1, nbytes // max(1, plan.table.row_nbytes)))

    @cache
    def sample():
        if n_rows <= most:
            return plan.table.sample(range(n_rows))
        places = min(_SAMPLE_PLACES, most)
        starts = np.arange(places) * n_rows // places
        return plan.table.sample(Runs(starts, np.full(places, most // places)))

    return sample
