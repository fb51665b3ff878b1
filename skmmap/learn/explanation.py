"""Describes what a fit would do, without reading X."""

from numbers import Integral

import numpy as np

from skmmap._messages import say_count, say_size
from skmmap.estimators import find_entry, find_unused
from skmmap.learn.memory import find_fit_parts
from skmmap.learn.merge_fit import find_merge_jobs
from skmmap.learn.plan import Plan
from skmmap.learn.rendering import Explanation
from skmmap.learn.rule_choice import find_rule_class, say_stop
from skmmap.learn.seeds import find_own_seed
from skmmap.order import BlockOrder, ChunkOrder, ClassOrder, GivenOrder, SharedOrder
from skmmap.read import PickedCache, say_parts
from skmmap.rows import find_read_nbytes
from skmmap.wrap import get_parameters


def explain(wrapper, plan: Plan) -> Explanation:
    """Return what ``ChunkedFit.explain`` does."""
    title = f"ChunkedFit({type(wrapper.estimator).__name__}) on {_say_data(plan)}"
    sections = {
        "learning": say_entry(type(plan.learning.learner)),
        "starts from": _say_start(plan),
        "order": _say_order(plan),
        "chunks": _say_chunks(wrapper, plan),
        "epochs": _say_epochs(wrapper, plan),
        "reads": _say_reads(plan),
        "reads by": _say_path(plan),
        "memory": _say_memory(plan),
        "labels": _say_labels(plan),
        "held out": _say_held_out(plan),
        "jobs": _say_jobs(wrapper, plan),
        "from the estimator": _say_taken(wrapper, plan),
        "overridden": _say_overrides(wrapper, plan),
        "without effect": _say_unused(wrapper),
        "seed": _say_seed(wrapper, plan),
    }
    return Explanation(title, {name: said for name, said in sections.items() if said})


def _say_data(plan: Plan) -> str:
    X = plan.table.X
    shape = " x ".join(f"{size:,}" for size in X.shape)
    kind = X.dtype if X.store.is_array else X.store.kind
    with_y = "" if plan.table.y is None else " with y"
    return f"{shape} {kind}, {say_size(X.n_rows * plan.table.row_nbytes)}{with_y}"


def _say_start(plan: Plan) -> str:
    learned = "the previous fit (warm_start=True)"
    parts = [learned] if plan.start.trained is not None else []
    return ", ".join([*parts, *plan.start.given])


def _say_order(plan: Plan) -> str:
    schedule = plan.schedule
    if isinstance(schedule, ChunkOrder):
        chunks = say_count(len(schedule), "chunk")
        return f"{chunks} in random order, their rows in file order"
    if isinstance(schedule, GivenOrder):
        return _say_given(schedule)
    if not isinstance(schedule, BlockOrder):
        return "file order"
    said = _say_buffers(schedule.parent, plan.table.row_nbytes)
    if not isinstance(schedule, SharedOrder):
        return said
    share = 100 * schedule.n_rows / schedule.parent.n_rows
    return f"{said}; without the rows that are not selected ({100 - share:.0f} %)"


def _say_given(schedule: GivenOrder) -> str:
    about, n_rows = schedule.about, say_count(schedule.n_rows, "row")
    name, of_all = type(schedule.order).__name__, f"of {about.n_rows:,} in each epoch"
    if not isinstance(schedule.order, ClassOrder):
        return f"that of {name}: {n_rows} {of_all}"
    classes = " and ".join(f"{size:,}" for size in schedule.order.sizes)
    run = say_count(schedule.order.find_block_rows(about), "row")
    return (
        f"sampled classes: {n_rows} {of_all} ({classes} of the classes), from blocks "
        f"of {run}"
    )


def _say_buffers(order: BlockOrder, row_nbytes: int) -> str:
    if order.n_buffers == 1:
        return "all rows shuffled in one buffer"
    rows = order.n_rows // order.n_buffers
    block = max(1, rows // order.n_slices)
    return (
        f"{order.n_buffers:,} shuffled buffers of {say_count(rows, 'row')}, each with "
        f"a block of {say_count(block, 'row')} ({say_size(block * row_nbytes)}) from "
        f"each of {say_count(order.n_slices, 'slice')} of the file"
    )


def _say_chunks(wrapper, plan: Plan) -> str:
    rows = min(plan.schedule.chunk_size, plan.schedule.n_rows)
    said = f"{len(plan.schedule):,} of {say_count(rows, 'row')}"
    if plan.learning.entry.batch_size and wrapper.chunk_size == "auto":
        several = "a multiple of " if plan.learning.entry.splits_chunks else ""
        said += f" ({several}{plan.learning.entry.batch_size} of the estimator)"
    return said


def _say_epochs(wrapper, plan: Plan) -> str:
    if plan.n_epochs == 1:
        return "1"
    source = plan.learning.say_limit(wrapper.max_epochs)
    stops = say_stop(plan.learning, has_validation=plan.validation is not None)
    if not stops:
        return f"{plan.n_epochs:,} ({source})"
    return f"at most {plan.n_epochs:,} ({source}), {stops}"


def _say_reads(plan: Plan) -> str:
    nbytes, is_exact = find_read_nbytes(plan.table.sources)
    size = f"{'' if is_exact else 'about '}{say_size(nbytes)}"
    if plan.keeps_rows and plan.n_epochs == 1:
        return f"{size}, once: all rows are kept in memory for the blocks of the epoch"
    if plan.keeps_rows:
        return f"{size} in the first epoch, after which rows are kept in memory (100 %)"
    if plan.row_cache.units and not isinstance(plan.row_cache, PickedCache):
        share = plan.row_cache.share
        if plan.n_epochs == 1:
            return f"{size}; keeps {round(100 * share)} % of the rows in memory"
        later = say_size(round((1 - share) * nbytes))
        return (
            f"{size} in the first epoch; keeps {round(100 * share)} % of the rows in "
            f"memory: about {later} in each later epoch"
        )
    if isinstance(plan.schedule, GivenOrder):
        used = say_size(plan.schedule.n_rows * plan.table.row_nbytes)
        picked = getattr(plan.row_cache, "picked", None)
        n_read = plan.schedule.count_read(plan.table.X.store.gap_rows, picked)
        taken = say_size(round(n_read * nbytes / max(1, plan.table.X.n_rows)))
        said = f"about {taken} in the first epoch, of which {used} are used"
        if picked is None:
            return said
        kept = say_size(plan.row_cache.nbytes)
        return f"{said}; rows that an epoch has several times stay in memory ({kept})"
    return f"{size} in each epoch, with {say_count(plan.schedule.n_reads, 'seek')}"


def _say_path(plan: Plan) -> str:
    files = plan.table.files
    if not files:
        return ""
    path, reason = plan.table.reading.choose(files)
    return f"{_PATHS[path]}: {reason}"


_PATHS = {
    "map": "memory maps",
    "buffer": "buffered reads",
    "uncached": "buffered reads that leave nothing in the page cache",
}


def _say_memory(plan: Plan) -> str:
    parts = find_fit_parts(
        plan,
        keeps_rows=plan.keeps_rows,
        reads_ahead=True,
        row_cache=plan.row_cache,
    )
    nbytes, limit = sum(parts.values()), plan.table.reading.memory_limit
    return f"{say_parts(parts)}: {say_size(nbytes)} of {say_size(limit)}"


def _say_labels(plan: Plan) -> str:
    labels = plan.labels
    if labels is None or labels.counts is None:
        return ""
    several = isinstance(labels.classes, list)
    number = " and ".join(
        f"{len(column):,}"
        for column in (labels.classes if several else [labels.classes])
    )
    percent = round(100 * labels.sortedness)
    order = f"{percent} % sorted" if _NOT_SORTED < percent < _SORTED else "sorted"
    return f"{number} classes, {'not ' * (percent <= _NOT_SORTED)}{order}"


_NOT_SORTED, _SORTED = 5, 95  # percent; the remainder is within chance


def _say_held_out(plan: Plan) -> str:
    if plan.validation is None:
        return ""
    return f"{say_count(plan.validation.X.n_rows, 'row')}, scored after each epoch"


def _say_jobs(wrapper, plan: Plan) -> str:
    number = find_merge_jobs(wrapper, plan).number
    if number > 1:
        return f"{number:,} workers train on parts of the rows, and are merged"
    one = "1 (this fit cannot be merged from parts)"
    return "" if wrapper.n_jobs in (None, 1) else one


def _say_taken(wrapper, plan: Plan) -> str:
    """Return the estimator's own parameters that the run uses."""
    learner, entry = plan.learning.learner, plan.learning.entry
    names = [entry.epochs if wrapper.max_epochs == "auto" else None]
    if isinstance(plan.learning.shuffle, str) and wrapper.shuffle == "auto":
        names.append(plan.learning.shuffle)
    if wrapper.chunk_size == "auto":
        names.append(entry.batch_size)
    if plan.n_epochs > 1:
        names += find_rule_class(plan.learning).parameters
    shown = [name for name in names if name and hasattr(learner, name)]
    return ", ".join(f"{name}={getattr(learner, name)!r}" for name in shown)


def say_entry(cls: type) -> str:
    """Return which entries of the registry a run uses."""
    said = [_say_origin(cls, *origin) for origin in find_entry(cls).origins]
    return "; ".join(said) or f"no entry for {cls.__name__} (see skmmap.register)"


def _say_origin(cls: type, base: type, is_own: bool) -> str:
    kind = "registered" if is_own else "built-in"
    through = "" if base is cls else f", a base of {cls.__name__}"
    return f"{kind} entry for {base.__name__}{through}"


def _say_seed(wrapper, plan: Plan) -> str:
    name, own = find_own_seed(wrapper.estimator)
    if isinstance(wrapper.random_state, Integral):
        return f"{plan.seed} (random_state)"
    if wrapper.random_state is None:
        if isinstance(own, Integral):
            return f"{plan.seed} ({name} of the estimator)"
        if plan.seed is None:
            return "none (nothing is random)"
        return "drawn in fit, stored in random_state_"
    return "drawn in fit from random_state, stored in random_state_"


def _say_unused(wrapper) -> str:
    found = find_unused(wrapper.estimator)
    said = ", ".join(f"{name}={value!r}" for name, value in found.items())
    return f"{said} (partial_fit ignores it)" if said else ""


def _say_overrides(wrapper, plan: Plan) -> str:
    given = get_parameters(wrapper.estimator, plan.overrides)
    return ", ".join(
        f"{name}={value!r} (was {given[name]!r}{_REASONS.get(name, '')})"
        for name, value in plan.overrides.items()
        if not np.array_equal(value, given[name])
    )


_REASONS = {
    "shuffle": "; skmmap shuffles",
    "early_stopping": "; skmmap scores held-out rows",
    "class_weight": "; skmmap counts labels in all of y",
}
