"""Trains estimators that make their passes over the rows by themselves, as boosters do.

They get the rows in pieces, as often as they ask for them; y and weights are in memory.
"""

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from skmmap._messages import say_count, say_size
from skmmap.boosters import Pieces, as_matrix
from skmmap.estimators import WholeRun, find_entry
from skmmap.formats import open_source
from skmmap.learn.checks import check_parameters, find_reading, route
from skmmap.learn.chunking import make_schedule
from skmmap.learn.clones import make_estimator
from skmmap.learn.explanation import say_entry
from skmmap.learn.given_rows import check_rows, noting_validation
from skmmap.learn.rendering import Explanation
from skmmap.learn.seeds import draw_seed
from skmmap.order import FileOrder, rows_at
from skmmap.read import Table, choose_way, open_table, open_target_as_it_is, say_parts
from skmmap.rows import Rows
from skmmap.run import Report, open_tasks
from skmmap.wrap import (
    InputLayout,
    check_same_names,
    keep_names,
    requires_target,
)


class TablePieces(Pieces):
    """The rows of a table, read ahead and reported."""

    def __init__(self, table: Table, schedule: FileOrder, report: Report):
        super().__init__(table.X, schedule.chunk_size)
        self._table, self._schedule, self._report = table, schedule, report

    def _iter_all(self):
        with self._table.lend() as table:
            for chunk in table.iter_chunks(self._schedule):
                yield as_matrix(chunk.X)
                self._report.add(chunk.stop - chunk.start)
                del chunk
            table.finish()


class WholePlan(NamedTuple):
    """What is known before the estimator makes its first pass."""

    estimator: Any
    run: WholeRun
    table: Table
    seed: int | None
    parts: dict[str, int]  # bytes that training takes, by what they are for


def train_whole(wrapper, X, y, params: dict, **given) -> None:
    """Train a fresh clone of the estimator, and keep it if training succeeds."""
    name = type(wrapper.estimator).__name__
    with Report(wrapper.verbose, "ChunkedFit", "fit") as report:
        plan = _make_plan(wrapper, X, y, params, report, **given)
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
    plan = _make_plan(wrapper, X, y, params, Report(), is_run=False, **given)
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


def refuse_checkpoint(wrapper) -> None:
    """Raise for a checkpoint of an estimator that trains by itself."""
    if wrapper.checkpoint is not None:
        name = type(wrapper.estimator).__name__
        raise ValueError(
            f"checkpoint={str(wrapper.checkpoint)!r} is for training with partial_fit, "
            f"and {name} trains by itself, in a single call. Set checkpoint=None. "
            "XGBoost's xgboost.callback.TrainingCheckPoint writes models of its own, "
            "from which fit(X, y, xgb_model=path) continues."
        )


def _refuse(wrapper, classes) -> None:
    """Raise for parameters that would have no effect."""
    name = type(wrapper.estimator).__name__
    if wrapper.max_epochs != "auto":
        raise ValueError(
            f"{name} makes its passes over the rows by itself, so max_epochs="
            f"{wrapper.max_epochs!r} would have no effect. Set max_epochs='auto'."
        )
    if isinstance(wrapper.shuffle, str | bool | np.bool_) and wrapper.shuffle not in (
        "auto",
        False,
    ):
        raise ValueError(
            f"{name} learns from all rows together, so shuffle={wrapper.shuffle!r} "
            "would have no effect. Set shuffle='auto'."
        )
    if classes is not None:
        raise TypeError(
            f"classes was given, and {name} takes the labels that occur in y."
        )


def _make_plan(
    wrapper,
    X,
    y,
    params: dict,
    report: Report,
    *,
    classes=None,
    class_weight=None,
    given_validation=(None, None, None),
    is_run: bool = True,
) -> WholePlan:
    check_parameters(wrapper)
    _refuse(wrapper, classes)
    params = route(wrapper, "fit", "fit", dict(params))
    weights = params.pop("sample_weight", None)
    table = _open(wrapper, X, y, weights)
    pieces = _make_pieces(wrapper, table, report)
    y, weights = _load(table)
    params = {name: _reorder(value, table.X) for name, value in params.items()}
    run = WholeRun(
        pieces,
        y,
        _weigh(wrapper.estimator, class_weight, weights, y),
        params,
        *_open_validation(wrapper, table, given_validation, report),
        verbose=wrapper.verbose,
    )
    seed = draw_seed(wrapper, is_needed=False, is_run=is_run)
    # Their random_state=None is a seed that does not change, unlike scikit-learn's.
    own = None if wrapper.random_state is None else seed
    estimator = make_estimator(wrapper, own, {})
    parts = _find_parts(estimator, run, table)
    _check_limit(estimator, parts, table.reading.memory_limit)
    return WholePlan(estimator, run, table, seed, parts)


def _open(wrapper, X, y, weights) -> Table:
    """Return the rows, and y and weights beside them, of the shapes that they need."""
    estimator, source = wrapper.estimator, open_source(X, "X")
    check_rows(source, takes_one_dimension=False)
    if y is None and requires_target(estimator):
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but "
            "the target y is None."
        )
    target = None if y is None else open_target_as_it_is(y)
    by_row = {} if weights is None else {"sample_weight": weights}
    reading = find_reading(wrapper)
    return open_table(source, target, by_row, reading, is_checked=False)


def _load(table: Table) -> tuple:
    """Return y and the weights as arrays."""
    y = None if table.y is None else np.asarray(table.y.load())
    if "sample_weight" in table.by_row:
        return y, np.asarray(table.by_row["sample_weight"].load())
    weight = table.whole.get("sample_weight")
    return y, None if weight is None else np.full(table.X.n_rows, float(weight))


def _reorder(value, source):
    """Return a parameter with an entry for each row in the order of the rows."""
    value = np.asarray(value) if isinstance(value, Rows) else value
    shape = getattr(value, "shape", ())
    if source.order is None or not shape or shape[0] != source.n_rows:
        return value
    return np.asarray(value)[rows_at(source.order, range(source.n_rows))]


def _make_pieces(wrapper, table: Table, report: Report) -> TablePieces:
    """Return X alone, to be read in chunks."""
    rows = Table(table.X, reading=table.reading)
    dense = _is_dense(wrapper.estimator, table)
    return TablePieces(rows, make_schedule(wrapper, table.X, dense=dense), report)


def _is_dense(estimator, table: Table) -> bool:
    """Whether sparse rows are made dense."""
    return find_entry(type(estimator)).entry.dense and table.X.store.is_sparse


def _open_validation(wrapper, table: Table, given: tuple, report: Report) -> tuple:
    """Return the pieces, targets and weights that were passed to score each round."""
    X, y, weights = given
    if X is None and y is None and weights is None:
        return None, None, None
    if X is None or y is None:
        missing, other = ("X_val", "y_val") if X is None else ("y_val", "X_val")
        raise ValueError(f"{other} is provided, but {missing} was not provided.")
    with noting_validation():
        validation = _open(wrapper, X, y, weights)
        if validation.X.shape[1:] != table.X.shape[1:]:
            raise ValueError(
                f"X_val has rows of shape {validation.X.shape[1:]}, and X of "
                f"{table.X.shape[1:]}; they must have the same."
            )
        check_same_names(wrapper.estimator, table.X, validation.X)
    return _make_pieces(wrapper, validation, report), *_load(validation)


def _weigh(estimator, class_weight, weights, y):
    """Return the weights of rows, multiplied by those of their labels."""
    if class_weight is None:
        return weights
    own = getattr(estimator, "class_weight", None)
    if own is not None:
        raise ValueError(
            f"class_weight={class_weight!r} was given to fit, and class_weight={own!r} "
            f"to {type(estimator).__name__}; give one of them."
        )
    of_labels = compute_sample_weight(class_weight, y)
    return of_labels if weights is None else weights * of_labels


def _find_parts(estimator, run: WholeRun, table: Table) -> dict[str, int]:
    """Return the bytes that training takes, by what they are for."""
    need = table.find_need(min(run.X.chunk_rows, run.X.shape[0]))
    parts = need.find_stored(reads_ahead=True)
    find = find_entry(type(estimator)).entry.train_memory
    return parts if find is None else parts | find(estimator, run)


def _check_limit(estimator, parts: dict[str, int], limit: int) -> None:
    nbytes = sum(parts.values())
    if nbytes > limit:
        megabytes = -(-nbytes // 10**6)
        raise MemoryError(
            f"fit of {type(estimator).__name__} needs up to {say_size(nbytes)}: "
            f"{say_parts(parts)}. memory_limit is {say_size(limit)}. Set "
            f"memory_limit='{megabytes}MB' if there is so much, or train on fewer "
            "columns or bins."
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
            flat=True, dense=_is_dense(plan.estimator, plan.table)
        ),
    }
