"""Puts a run together: what the estimator's own ``fit`` would do, in chunks."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import (
    IncrementalPCA,
    MiniBatchDictionaryLearning,
    MiniBatchNMF,
)
from sklearn.exceptions import EfficiencyWarning
from sklearn.utils import check_array

from skmmap._messages import warn
from skmmap.learn.checks import (
    check_class_weight,
    find_first_params,
    find_known,
    find_reading,
    open_training,
    open_validation,
)
from skmmap.learn.corrections import Corrections
from skmmap.learn.first_centers import (
    draw_centers,
    draw_dictionary,
    draws_centers,
    draws_dictionary,
)
from skmmap.learn.first_state import (
    Start,
    begin_multilabel,
    is_multilabel,
)
from skmmap.learn.losses import can_compute_losses
from skmmap.learn.seeds import (
    draw_seed,
    find_unset_seeds,
)
from skmmap.learn.stopping import (
    Rule,
    ScoreRule,
    Watch,
    find_rule,
)
from skmmap.order import (
    BlockOrder,
    ChunkOrder,
    FileOrder,
    Runs,
    find_buffer_rows,
    find_chunk_rows,
    find_slices,
    parse_size,
    split_rows,
)
from skmmap.read import (
    ClassWeight,
    Labels,
    Table,
)
from skmmap.wrap import (
    MLP,
    SGD,
    Form,
    OwnFit,
    check_same_names,
    find_batch_rows,
    find_cost,
    find_epochs,
    find_even_batches,
    find_learner,
    find_limits,
    find_net_replacements,
    find_own_fit,
    find_replacements,
    is_loop,
    is_shuffled,
    is_told,
    replace_parameters,
    requires_labels,
    takes_target_as_it_is,
    warn_of_callbacks,
)

# The parameter that says how many rows the first chunk needs at least.
_NEEDS_ROWS = {IncrementalPCA: "n_components", MiniBatchKMeans: "n_clusters"}

# Rows of which the training loss is computed: in so many places, and fewer of them
# where it takes as long as to train on them. They take a small part of the limit.
_SAMPLE_ROWS = 10_000
_SLOW_SAMPLE_ROWS = 500
_SAMPLE_PLACES = 100
_SAMPLE_SHARE = 32
_LOOKS = 50  # at the loss in an epoch

# From here on labels are called sorted: a fifth of their variance lies between
# hundredths of the file.
_SORTED = 0.2


@dataclass(frozen=True)
class Plan:
    """All that is known of a run before the first row of X is read."""

    table: Table
    schedule: FileOrder
    n_epochs: int
    facts: OwnFit
    first: dict
    labels: Labels | None
    changed: dict
    seed: int | None  # None where nothing is drawn by it
    form: Form
    corrections: Corrections
    validation: Table | None = None
    start: Start = field(default_factory=Start)

    @property
    def is_mixed(self) -> bool:
        return isinstance(self.schedule, BlockOrder)


def make_plan(
    wrapper,
    X,
    y,
    params,
    *,
    classes=None,
    class_weight=None,
    validation=(None, None, None),
    is_fit: bool = True,
    is_run: bool = True,
    fitted=None,
    start=Start(),  # noqa: B008
) -> Plan:
    """Return what is to be done; refuse what cannot be done.

    ``validation`` holds X, y and weights of the user's own, if there are any. Without
    ``is_fit`` it is one pass of ``partial_fit``, which trains ``fitted`` further;
    without ``is_run`` it is only told, and draws no seed. ``start`` is where a fit
    starts.
    """
    estimator = wrapper.estimator
    check_class_weight(estimator, class_weight)
    facts = find_own_fit(estimator, is_told=is_told(estimator, y))
    how = _find_shuffle(wrapper, facts)
    reading = find_reading(wrapper, is_mixed=how == "blocks")
    table = open_training(estimator, X, y, params, reading)
    first, labels = find_first_params(estimator, fitted, table.y, classes)
    n_epochs = _find_epochs(wrapper, facts) if is_fit else 1
    has_validation = any(value is not None for value in validation)
    holds_out = n_epochs > 1 and not has_validation and _holds_out(estimator)
    is_seeded = fitted is None and bool(find_unset_seeds(wrapper))
    seed = draw_seed(
        wrapper, is_needed=bool(how) or holds_out or is_seeded, is_run=is_run
    )
    known = first.get("classes", None if labels is None else labels.classes)
    weights, is_own = _weigh_classes(estimator, class_weight, labels, is_fit)
    changed = {"class_weight": weights} if is_own else {}
    if requires_labels(estimator):
        given = first or _find_labels_before(wrapper, fitted, labels)
        table, first = replace(table, whole=table.whole | given), {}
    if weights and not is_own:
        may_miss = takes_target_as_it_is(estimator)
        weight = ClassWeight(known, weights, may_miss=may_miss)
        table = replace(table, class_weight=weight)
    held_out = None
    if has_validation:
        reading = find_reading(wrapper)
        held_out = open_validation(estimator, table, *validation, reading, known)
        check_same_names(estimator, table.X, held_out.X)
    elif holds_out:
        table, held_out = _hold_out(estimator, table, seed, labels)
    dense = needs_dense(estimator, table.X)
    schedule = make_schedule(
        wrapper,
        table.X,
        min_rows=find_min_rows(estimator) if fitted is None else 1,
        dense=dense,
        batch_rows=find_batch_rows(estimator, facts, table.X.shape),
        cuts=facts.cuts,
        evens_out=facts.steps_evenly and not is_loop(wrapper),
    )
    schedule = _shuffle(wrapper, how, schedule, table, labels, seed)
    _warn_if_sorted(wrapper, facts, schedule, labels)
    if not is_loop(wrapper):
        of_net = find_net_replacements(estimator)
        changed |= of_net
        if of_net:
            warn_of_callbacks(find_learner(estimator)[1], len(schedule))
    changed |= find_limits(estimator)
    if not is_loop(wrapper):
        changed |= find_replacements(
            estimator,
            n_rows=table.X.n_rows,
            chunk_rows=schedule.chunk_size,
            is_mixed=isinstance(schedule, BlockOrder),
        )
        changed |= find_even_batches(estimator, schedule.chunk_size)
    corrections = Corrections() if is_loop(wrapper) else Corrections.of(estimator)
    changed |= corrections.find_changes(estimator)
    return Plan(
        table,
        schedule,
        n_epochs,
        facts,
        first,
        labels,
        changed,
        seed,
        Form(dense=dense),
        corrections,
        held_out,
        start,
    )


def _find_labels_before(wrapper, fitted, labels: Labels | None) -> dict:
    """Return the classes that were named last, or that are known from elsewhere."""
    known = vars(wrapper).get("_classes")
    if known is None and fitted is not None:
        known = find_known(fitted)
    if known is None and labels is not None:
        known = labels.classes
    return {} if known is None else {"classes": known}


def _find_epochs(wrapper, facts: OwnFit) -> int:
    if isinstance(wrapper.max_epochs, str):
        return find_epochs(wrapper.estimator, facts)
    return int(wrapper.max_epochs)


def make_estimator(wrapper, seed: int | None, changed: dict):
    """Return an untrained clone, seeded, with the output format that was set."""
    estimator = clone(wrapper.estimator, safe=False)
    unset = [] if seed is None else find_unset_seeds(wrapper)
    if unset:
        estimator.set_params(**dict.fromkeys(unset, seed))
    replace_parameters(estimator, changed)
    config = vars(wrapper).get("_sklearn_output_config")
    return estimator.set_output(**config) if config else estimator


def make_learner(wrapper, plan: Plan):
    """Return what is trained, where it starts."""
    estimator = make_estimator(wrapper, plan.seed, plan.changed)
    if is_multilabel(estimator, plan.table.y):
        return begin_multilabel(estimator, plan.table.y)
    if not plan.start:
        return estimator
    rows, y, _ = plan.table.sample(range(1))
    return plan.start.begin(estimator, rows, y, plan.first.get("classes"))


def _weigh_classes(estimator, class_weight, labels, is_fit: bool):
    """Return what labels weigh, if anything has to be done, and if by the estimator."""
    own = getattr(estimator, "class_weight", None)
    is_own = hasattr(estimator, "class_weight") and hasattr(estimator, "set_params")
    asked = own if class_weight is None else class_weight
    is_balanced = isinstance(asked, str) and asked == "balanced"
    if asked is None or (asked is own and not is_balanced):
        return {}, False
    if not is_fit:
        raise ValueError(
            "class_weight='balanced' needs all rows, and partial_fit is given some of "
            "them. Use fit, or a dict of weights."
        )
    if labels is None or isinstance(labels.classes, list) or labels.counts is None:
        raise ValueError(
            f"class_weight={asked!r} needs labels in one column; "
            f"{type(estimator).__name__} is trained on other targets."
        )
    return (labels.balance() if is_balanced else dict(asked)), is_own


def _holds_out(estimator) -> bool:
    """Whether ``fit`` holds out rows to score each epoch on."""
    _, learner = find_learner(estimator)
    if not isinstance(learner, SGD + MLP) or not hasattr(estimator, "score"):
        return False
    return bool(getattr(learner, "early_stopping", False))


def _hold_out(estimator, table: Table, seed: int, labels):
    """Return the rows to train on, and those to score on."""
    _, learner = find_learner(estimator)
    is_stratified = labels is not None and table.y is not None and table.y.ndim == 1
    train, held_out = split_rows(
        table.X.n_rows,
        learner.validation_fraction,
        seed,
        table.y if is_stratified and is_classifier(learner) else None,
    )
    return table.keep(train), table.keep(held_out).to_score()


def _find_shuffle(wrapper, facts) -> str:
    """Return "blocks" or "chunks" if these are shuffled, else ""."""
    how = wrapper.shuffle
    if isinstance(how, str) and how == "auto":
        how = is_shuffled(wrapper.estimator, facts)
    if isinstance(how, str):
        return how
    return "blocks" if how else ""


def _shuffle(wrapper, how: str, chunks: FileOrder, table: Table, labels, seed: int):
    """Return the schedule that ``shuffle`` says."""
    if how == "chunks":
        return ChunkOrder(chunks.n_rows, chunks.chunk_size, chunks.min_rows, seed)
    if not how:
        return chunks
    buffer_rows = find_buffer_rows(
        wrapper.memory_limit, table.row_nbytes, chunks.chunk_size
    )
    slices = find_slices(
        buffer_rows, table.row_nbytes, chunks.n_rows, _count_classes(labels)
    )
    return BlockOrder(
        chunks.n_rows, chunks.chunk_size, chunks.min_rows, seed, buffer_rows, slices
    )


def _count_classes(labels: Labels | None) -> int:
    if labels is None:
        return 1
    if isinstance(labels.classes, list):
        return max(map(len, labels.classes))
    return len(labels.classes)


def _warn_if_sorted(wrapper, facts, schedule, labels) -> None:
    if labels is None or isinstance(schedule, BlockOrder):
        return
    if facts.shuffle is False or labels.sortedness < _SORTED or len(schedule) == 1:
        return
    is_own = isinstance(wrapper.shuffle, str) and wrapper.shuffle == "auto"
    asked = "its own shuffle=False" if is_own else f"shuffle={wrapper.shuffle!r}"
    warn(
        f"The labels are sorted: {100 * labels.sortedness:.0f} % of their variance is "
        "between hundredths of the file (0 % in random order), and "
        f"{type(wrapper.estimator).__name__} learns them in file order with "
        f"{asked}. Use shuffle='blocks', which shuffles rows at the cost of a scan.",
        UserWarning,
    )


def find_min_rows(estimator) -> int:
    """Return the rows that the estimator needs in a chunk, 1 if it does not say."""
    for kind, name in _NEEDS_ROWS.items():
        value = getattr(estimator, name) if isinstance(estimator, kind) else None
        if isinstance(value, Integral) and value > 1:
            return int(value)
    return 1


def needs_dense(estimator, X) -> bool:
    """Whether chunks are made dense, as the ``fit`` of IncrementalPCA makes them."""
    return isinstance(estimator, IncrementalPCA) and X.store.is_sparse


def make_schedule(
    wrapper,
    X,
    *,
    min_rows: int = 1,
    dense: bool = False,
    batch_rows: int | None = None,
    cuts: bool = False,
    evens_out: bool = False,
) -> FileOrder:
    """Return the chunks in which X is read, the first one of ``min_rows`` at least.

    ``batch_rows`` are those of the estimator's own ``fit``; where it ``cuts`` batches
    itself, a chunk of ``chunk_size="auto"`` has several of them. Where that is not what
    decides, and it ``evens_out``, a short tail makes all chunks a little shorter.
    """
    is_auto = isinstance(wrapper.chunk_size, str) and wrapper.chunk_size == "auto"
    # Costs were measured with dense rows, and sparse ones go another way.
    is_sparse = X.store.is_sparse and not dense
    find_rows = partial(
        find_chunk_rows,
        row_values=X.shape[1] if dense else X.row_values,
        row_nbytes=8 * X.shape[1] if dense else X.row_nbytes,
        memory_limit=wrapper.memory_limit,
        min_rows=min_rows,
        n_rows=X.n_rows,
        cost=None if is_sparse else find_cost(wrapper.estimator),
    )
    if not is_auto or batch_rows is None:
        rows = find_rows(wrapper.chunk_size)
        if evens_out and rows < X.n_rows and 0 < X.n_rows % rows < rows / 2:
            rows = -(-X.n_rows // -(-X.n_rows // rows))
    elif cuts:
        rows = batch_rows * max(1, find_rows("auto") // batch_rows)
    else:
        rows = min(max(batch_rows, min_rows), find_rows("auto"))
    if rows < min_rows and rows < X.n_rows:
        raise ValueError(
            f"chunk_size={wrapper.chunk_size!r} is {rows:,} rows, and "
            f"{type(wrapper.estimator).__name__} needs at least {min_rows:,} in a "
            "chunk."
        )
    if X.store.is_slow_layout and rows < X.n_rows:
        warn(
            "X is stored column by column (Fortran order), so each chunk of rows reads "
            "from the whole file. Saving it in C order once will make every pass "
            "faster: np.save(path, np.ascontiguousarray(X)) where X fits in memory.",
            EfficiencyWarning,
        )
    # The loop has its tail as it is: many estimators need so many rows but once.
    return FileOrder(X.n_rows, rows, 1 if is_loop(wrapper) else min_rows)


def make_rule(wrapper, plan: Plan, find_form: Callable) -> tuple[Rule, Watch]:
    """Return when the run stops, and how its loss is found.

    ``find_form`` returns the form in which the estimator takes rows, once it is known.
    """
    if plan.n_epochs == 1 and plan.validation is None:
        return Rule(), Watch()
    _, learner = find_learner(wrapper.estimator)
    is_slow = isinstance(learner, MiniBatchDictionaryLearning | MiniBatchNMF)
    n_rows = _SLOW_SAMPLE_ROWS if is_slow else _SAMPLE_ROWS
    sample = _make_sample(wrapper, plan, n_rows)

    def formed() -> tuple[Any, Any]:
        X, y, _ = sample()
        return find_form().apply(X), y

    try:
        rule = find_rule(
            wrapper.estimator,
            plan.facts,
            sample=formed,
            n_rows=plan.table.X.n_rows,
            has_validation=plan.validation is not None,
            is_loop=is_loop(wrapper),
        )
    except (TypeError, ValueError, ZeroDivisionError):
        # Of parameters that partial_fit refuses itself, and says which they are.
        rule = Rule()
    computes = type(rule) is not Rule and can_compute_losses(wrapper.estimator)
    times = _LOOKS if plan.facts.stops == "loss" else 1
    if isinstance(rule, ScoreRule):
        times = 1
    return rule, Watch(formed, times if computes else 0)


def find_start(wrapper, plan: Plan) -> dict:
    """Return parameters with which ``partial_fit`` starts as ``fit`` would.

    The loop that one writes by hand looks at no row before its turn.
    """
    estimator = wrapper.estimator
    has_dictionary = draws_dictionary(estimator)
    if is_loop(wrapper) or not (has_dictionary or draws_centers(estimator)):
        return {}
    X, _, weights = _make_sample(wrapper, plan, _SAMPLE_ROWS)()
    try:
        X = check_array(
            Form(flat=True).apply(X),
            accept_sparse=() if has_dictionary else "csr",
            dtype=(np.float64, np.float32),
        )
    except (TypeError, ValueError):
        return {}  # training refuses such rows, and says which they are
    if has_dictionary:
        n_rows = plan.table.X.n_rows
        return {"dict_init": draw_dictionary(estimator, X, plan.seed, n_rows)}
    centers = draw_centers(estimator, X, plan.seed, weights)
    return {} if centers is None else {"init": centers, "n_init": 1}


def _make_sample(wrapper, plan: Plan, most: int) -> Callable:
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
