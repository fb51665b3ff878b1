"""Trains estimators that make their passes over the rows by themselves, as boosters do.

They get the rows in pieces, as often as they ask for them; y and weights are in memory.
"""

from inspect import signature

import numpy as np

from skmmap._messages import say_count, say_size
from skmmap.estimators import find_entry
from skmmap.learn.explanation import say_entry
from skmmap.learn.rendering import Explanation
from skmmap.learn.whole_plan import WholePlan, make_whole_plan, makes_dense
from skmmap.read import choose_way, say_parts
from skmmap.run import Report, open_tasks
from skmmap.wrap import InputLayout, keep_names


def train_whole(wrapper, X, y, params: dict, **given) -> None:
    """Train a fresh clone of the estimator, and keep it if training succeeds."""
    name = type(wrapper.estimator).__name__
    with Report(wrapper.verbose, "ChunkedFit", "fit") as report:
        plan = make_whole_plan(wrapper, X, y, params, report, **given)
        estimator, table, run = plan.estimator, plan.table, plan.run
        choose_way([(None, plan.parts)], "fit", table.reading.memory_limit)
        chunks = -(-run.X.shape[0] // run.X.chunk_rows)
        tasks = open_tasks(wrapper, estimator, table, 1, chunks)
        with tasks.fit(lambda: _find_learned(plan)):
            find_entry(type(estimator)).entry.train(estimator, run)
            if not run.X.passes:
                raise RuntimeError(
                    f"The function train of the entry of {name} has read no rows: they "
                    "are in run.X.iter_pieces()."
                )
            run.X.end_pass()
    keep_names(estimator, table.X)
    vars(wrapper).update(_find_learned(plan))


def explain_whole(wrapper, X, y, params: dict, **given) -> Explanation:
    """Return what ``ChunkedFit.explain`` does."""
    plan = make_whole_plan(wrapper, X, y, params, Report(), is_run=False, **given)
    estimator, run = plan.estimator, plan.run
    entry, source = find_entry(type(estimator)).entry, plan.table.X
    shape = " x ".join(f"{size:,}" for size in source.shape)
    kind = source.dtype if source.store.is_array else source.store.kind
    name = type(estimator).__name__
    rows = min(run.X.chunk_rows, source.n_rows)
    said = {"learning": say_entry(type(estimator))}
    if entry.train_explain is not None:
        said |= entry.train_explain(estimator, run)
    limit = say_size(plan.table.reading.memory_limit)
    total = say_size(sum(plan.parts.values()))
    said |= {
        "chunks": f"{-(-source.n_rows // rows):,} of {say_count(rows, 'row')}",
        "memory": f"{say_parts(plan.parts)}: {total} of {limit}",
    }
    return Explanation(f"ChunkedFit({name}) on {shape} {kind}", said)


_OWN_CHECKPOINTS = (
    " xgboost.callback.TrainingCheckPoint writes models, from which "
    "fit(X, y, xgb_model=path) continues."
)


def refuse_checkpoint(wrapper) -> None:
    """Raise for a checkpoint of an estimator that trains by itself."""
    if wrapper.checkpoint is not None:
        name = type(wrapper.estimator).__name__
        is_xgboost = "xgb_model" in signature(wrapper.estimator.fit).parameters
        raise ValueError(
            f"checkpoint={str(wrapper.checkpoint)!r} is for training with partial_fit, "
            f"and {name} trains by itself, in a single call. Set checkpoint=None."
            + is_xgboost
            * _OWN_CHECKPOINTS
        )


def _find_learned(plan: WholePlan) -> dict:
    """Return the learned attributes of the wrapper."""
    passes = plan.run.X.passes
    bound_by = ["reading" if p.waited > p.seconds / 2 else "estimator" for p in passes]
    return {
        "estimator_": plan.estimator,
        "n_epochs_": len(passes),
        "chunk_size_": plan.run.X.chunk_rows,
        "random_state_": plan.seed,
        "history_": {
            "rows": [p.n_rows for p in passes],
            "seconds": [p.seconds for p in passes],
            "read_seconds": [p.waited for p in passes],
            "bound_by": bound_by,
            "loss": [np.nan] * len(passes),
            "score": [np.nan] * len(passes),
        },
        "_input_layout": InputLayout(
            flat=True, dense=makes_dense(plan.estimator, plan.table)
        ),
    }
