"""The plan of a fit whose estimator makes its passes over the rows by itself."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.class_weight import compute_sample_weight

from skmmap._messages import say_size
from skmmap.estimators import WholeRun, find_entry
from skmmap.formats import open_source
from skmmap.learn.checks import check_parameters, find_reading, route
from skmmap.learn.chunking import make_schedule, shuffle_chunks
from skmmap.learn.clones import make_estimator
from skmmap.learn.given_rows import check_rows, noting_validation
from skmmap.learn.seeds import draw_seed
from skmmap.learn.table_pieces import TablePieces
from skmmap.order import FileOrder, find_buffer_rows, rows_at
from skmmap.read import Labels, Table, open_table, open_target_as_it_is, say_parts
from skmmap.rows import Rows
from skmmap.run import Report
from skmmap.wrap import check_same_names, requires_target


class WholePlan(NamedTuple):
    """What is known before the estimator makes its first pass."""

    estimator: Any
    run: WholeRun
    table: Table
    seed: int | None
    parts: dict[str, int]  # bytes that training takes, by what they are for


def make_whole_plan(
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
    y, weights = _load(table)
    by_buffers = find_entry(type(wrapper.estimator)).entry.train_by_buffers
    seed = draw_seed(wrapper, is_needed=by_buffers, is_run=is_run)
    schedule = _make_shuffled(wrapper, table, y, seed) if by_buffers else None
    pieces = _make_pieces(wrapper, table, report, schedule)
    params = {name: _reorder(value, table.X) for name, value in params.items()}
    run = WholeRun(
        pieces,
        y,
        _weigh(wrapper.estimator, class_weight, weights, y),
        params,
        *_open_validation(wrapper, table, given_validation, report),
        verbose=wrapper.verbose,
    )
    # None of boosters, whose random_state=None is a seed that does not change.
    estimator = make_estimator(wrapper, seed, {})
    parts = _find_parts(estimator, run, table)
    _check_limit(estimator, parts, table.reading.memory_limit)
    return WholePlan(estimator, run, table, seed, parts)


def _refuse(wrapper, classes) -> None:
    """Raise for parameters that would have no effect."""
    name = type(wrapper.estimator).__name__
    if wrapper.max_epochs != "auto":
        raise ValueError(
            f"{name} makes its passes over the rows by itself, so max_epochs="
            f"{wrapper.max_epochs!r} would have no effect. Set max_epochs='auto'."
        )
    by_buffers = find_entry(type(wrapper.estimator)).entry.train_by_buffers
    known = ("auto", True, "blocks") if by_buffers else ("auto", False)
    if wrapper.shuffle not in known:
        learns = "shuffled buffers of rows" if by_buffers else "all rows together"
        raise ValueError(
            f"{name} learns from {learns}, so shuffle={wrapper.shuffle!r} would have "
            "no effect. Set shuffle='auto'."
        )
    if wrapper.sampling is not None:
        raise ValueError(
            f"{name} is given all rows, so sampling={wrapper.sampling!r} would have "
            "no effect. Set sampling=None, and fit(X, y, class_weight='balanced')."
        )
    if classes is not None:
        raise TypeError(
            f"classes was given, and {name} takes the labels that occur in y."
        )


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


def _make_pieces(wrapper, table: Table, report: Report, schedule=None) -> TablePieces:
    """Return X alone, to be read in chunks."""
    rows = Table(table.X, reading=table.reading)
    if schedule is None:
        dense = makes_dense(wrapper.estimator, table)
        schedule = make_schedule(wrapper, table.X, dense=dense)
    return TablePieces(rows, schedule, report)


def makes_dense(estimator, table: Table) -> bool:
    """Whether sparse rows are made dense."""
    return find_entry(type(estimator)).entry.dense and table.X.store.is_sparse


def _make_shuffled(wrapper, table: Table, y, seed) -> FileOrder:
    """Return the order in which rows are shuffled: chunks are as large as buffers."""
    schedule = make_schedule(wrapper, table.X)
    n_rows, rows = table.X.n_rows, schedule.chunk_size
    if isinstance(wrapper.chunk_size, str) and wrapper.chunk_size == "auto":
        rows = find_buffer_rows(wrapper.memory_limit, 8 * table.X.row_values, 1)
    rows = -(-n_rows // -(-n_rows // rows))  # of equal size
    is_labelled = is_classifier(wrapper.estimator) and y.ndim == 1
    labels = Labels(np.unique(y)) if is_labelled else None
    chunks = FileOrder(n_rows, rows, 1)
    return shuffle_chunks(wrapper, "blocks", chunks, table, labels, seed)


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
        rows = table.X, validation.X
        check_same_names(wrapper.estimator, *rows, gets_frames=False)
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
