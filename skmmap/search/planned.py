"""The models that a search is to train, with the plan of each, before it begins."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import ParameterGrid, ParameterSampler, check_cv

from skmmap.learn import (
    Plan,
    count_trial_rows,
    find_held_nbytes,
    find_own_seed,
    make_fit_plan,
    make_schedule,
    say_stop,
)
from skmmap.order import BlockOrder, ChunkOrder, rows_at
from skmmap.read import Table, find_common
from skmmap.rows import find_read_nbytes, find_source
from skmmap.run import find_sharing
from skmmap.search.halving import Halving
from skmmap.search.reading import SplitRows

_NAMED = "classes", "class_weight"
_VALIDATION = "X_val", "y_val", "sample_weight_val"


class Stage(NamedTuple):
    """A round of a search, or all of it, with the candidates that may be in it.

    Each of ``candidates`` is its parameters, and the epochs that it has made before.
    """

    n_candidates: int
    n_resources: int | None
    candidates: list[tuple[dict, int]]
    cv: Any


class Model(NamedTuple):
    """A model of a candidate and a fold.

    Those with the same ``feed`` read together; of those with the same ``common``,
    several feeds may. An epoch reads ``nbytes`` of X, and holds ``held_nbytes``.
    ``n_before`` epochs were made in earlier rounds. Models with the same ``scored`` are
    scored together on ``scored_nbytes`` of X. Unless it ``is_exact``, rows between
    those that are needed may be read as well. The size of models is found on
    ``first_rows``.
    """

    params: dict
    fold: int
    plan: Plan
    n_before: int
    stops: bool
    feed: tuple
    common: tuple
    nbytes: int
    held_nbytes: int
    scored: tuple
    scored_nbytes: int
    alone_nbytes: int
    scored_alone_nbytes: int
    held_out_nbytes: int
    first_rows: tuple
    first_nbytes: int
    is_exact: bool

    @property
    def n_epochs(self) -> int:
        """The number of epochs that it makes, or at most if it ``stops``."""
        return max(0, self.plan.n_epochs - self.n_before)

    @property
    def nbytes_alone(self) -> int:
        """Bytes of X that are read if the model is trained by itself."""
        later = 1.0
        if self.plan.keeps_rows:
            later = 0
        elif self.plan.row_cache.units:
            later = 1 - self.plan.row_cache.share
        return round(self.alone_nbytes * (1 + later * (self.plan.n_epochs - 1)))


def list_stages(search, y) -> list[Stage]:
    """Return the rounds of a search, or all of its candidates at once."""
    if "_resource" not in vars(search):
        grid, seed = search.param_grid, search.random_state
        drawn = ParameterSampler(grid, search.n_iter, random_state=seed)
        every = list(ParameterGrid(grid) if search.strategy == "grid" else drawn)
        cv = check_cv(search.cv, y, classifier=is_classifier(search.estimator))
        return [Stage(len(every), None, [(params, 0) for params in every], cv)]
    resource, stages, before = search._resource, [], 0
    goes_on = search.resource == "epochs"
    for number, n_resources, candidates in Halving(search, resource, None).plan():
        every = [
            (resource.set_in(params, n_resources), 0 if is_new else before)
            for params, is_new in candidates
        ]
        stages.append(Stage(number, n_resources, every, resource.make_cv(n_resources)))
        before = n_resources if goes_on else 0
    return stages


def iter_models(search, stage: Stage, X, y, routed) -> Iterator[Model]:
    """Yield the models of all candidates and folds."""
    splits = list(stage.cv.split(X, y, **routed.splitter.split))
    for params, n_before in stage.candidates:
        with _noting(params):
            wrapper = clone(search.estimator).set_params(**clone(params, safe=False))
            for fold, (train, test) in enumerate(splits):
                plan = _make_plan(wrapper, X, y, train, routed.estimator.fit)
                rows = [X[test], *([X[train]] if search.return_train_score else [])]
                own = (repr(params), fold) if _draws_own_seed(wrapper, plan) else ()
                yield _make_model(wrapper, params, fold, plan, n_before, rows, own)


def _make_model(
    wrapper, params: dict, fold: int, plan: Plan, n_before: int, rows: list, own: tuple
) -> Model:
    """Return the model with what it reads; its ``own`` order is that of no other."""
    table, schedule = plan.table, plan.schedule
    common, read = find_common(table, schedule)
    scored = [
        find_common(Table(source), make_schedule(wrapper, source))
        for source in map(find_source, rows)
    ]
    first = table.X.select(range(count_trial_rows(plan)))
    held_out = [] if plan.validation is None else [plan.validation.X]
    sizes = [_find_size([each]) for each in (read.X, table.X)]
    sizes += _find_size([each.X for _, each in scored]), _find_size(held_out)
    stops = say_stop(plan.learning, has_validation=plan.validation is not None)
    return Model(
        params,
        fold,
        plan,
        n_before,
        plan.n_epochs > 1 and bool(stops),
        (table.key, schedule.key, n_before, own),
        (common, n_before, own),
        sizes[0][0],
        find_held_nbytes(table, schedule, gathers=False),
        tuple(key for key, _ in scored),
        sizes[2][0],
        sizes[1][0],
        _find_size([find_source(each) for each in rows])[0],
        sizes[3][0],
        first.shared_key,
        first.nbytes,
        all(is_exact for _, is_exact in sizes),
    )


def _find_size(sources: list) -> tuple[int, bool]:
    """Return the bytes that are read of sources, and whether all of them are needed."""
    total, is_exact = 0, True
    for source in sources:
        n_read = find_sharing().remember(
            ("taken", source.shared_key), partial(_count_taken, source)
        )
        total += round(find_read_nbytes([source])[0] * n_read / max(1, source.n_rows))
        is_exact &= n_read == source.n_rows
    return total, is_exact


def _count_taken(source) -> int:
    rows = np.sort(rows_at(source.selection, range(source.n_rows)))
    return source.store.count_taken(rows)


def _make_plan(wrapper, X, y, train, params: dict) -> Plan:
    """Return the plan of the fit to a fold."""
    params = {
        name: value[train] if isinstance(value, SplitRows) else value
        for name, value in params.items()
    }
    given = {name: params.pop(name, None) for name in _NAMED}
    given["given_validation"] = tuple(params.pop(name, None) for name in _VALIDATION)
    y = y if y is None else y[train]
    return make_fit_plan(wrapper, X[train], y, params, is_run=False, **given)


def _draws_own_seed(wrapper, plan: Plan) -> bool:
    """Whether a fit draws a seed, and has an order or held-out rows of its own by it.

    A generator is copied for each fit, which then all draw the same.
    """
    own = find_own_seed(wrapper.estimator)[1]
    if wrapper.random_state is not None or own is not None or plan.seed is None:
        return False
    is_random = isinstance(plan.schedule, BlockOrder | ChunkOrder)
    return is_random or plan.validation is not None


@contextmanager
def _noting(params: dict) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(f"This is about the candidate {params}.")
        raise
