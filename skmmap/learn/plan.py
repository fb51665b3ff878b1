"""The plan of a run: what the estimator's own ``fit`` would do, in chunks."""

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

from sklearn.base import is_classifier

from skmmap.estimators import (
    Corrections,
    Learning,
    RunShape,
    Start,
    find_learning,
    is_loop,
)
from skmmap.learn.checks import check_class_weight, check_not_twice, find_reading
from skmmap.learn.chunking import (
    MIXED,
    find_ordered,
    find_shuffle,
    make_schedule,
    shuffle_chunks,
    warn_if_sorted,
)
from skmmap.learn.first_call import find_first_call_params, find_known_classes
from skmmap.learn.given_rows import open_training, open_validation
from skmmap.learn.keeping import (
    find_held_out_cache,
    find_row_cache,
    keeps_held_out,
    keeps_rows,
)
from skmmap.learn.seeds import draw_seed, find_unset_seeds
from skmmap.order import BlockOrder, FileOrder, split_rows
from skmmap.read import NO_CACHE, ClassWeight, Labels, RowCache, Table, balance
from skmmap.run import find_sharing
from skmmap.wrap import (
    InputLayout,
    check_same_names,
    requires_labels,
    takes_target_as_it_is,
    uses_target,
)


class Plan(NamedTuple):
    """All that is known of a run before the first row of X is read.

    ``overrides`` are parameters that the estimator has while it is trained, and
    ``first_call_params`` those of the first ``partial_fit`` alone.
    """

    table: Table
    schedule: FileOrder
    n_epochs: int
    learning: Learning
    first_call_params: dict
    labels: Labels | None
    overrides: dict
    seed: int | None  # None where nothing is drawn by it
    input_layout: InputLayout
    corrections: Corrections
    validation: Table | None = None
    start: Start = Start()
    keeps_rows: bool = False  # in memory for all epochs
    keeps_held_out: bool = False
    # Which rows are kept where not all of them are.
    row_cache: RowCache = NO_CACHE
    held_out_cache: RowCache = NO_CACHE
    class_weight: Any = None  # given to fit
    label_counts: dict | None = None  # of all rows so far

    @property
    def is_shuffled(self) -> bool:
        return isinstance(self.schedule, BlockOrder)


@dataclass(eq=False, repr=False)
class Planner:
    """Computes the parts of a plan, each once and from those that it needs.

    ``given_validation`` holds X, y and weights of the user's own, if there are any.
    Without ``is_fit`` the run is ``partial_fit``, which trains ``fitted`` further and
    never stops early; without ``is_run`` it is only explained, and draws no seed.
    ``start`` is where a fit starts, ``counts_before`` has those of earlier labels, and
    ``seed_before`` is that of a fit which goes on.
    """

    wrapper: Any
    X: Any
    y: Any
    params: dict
    classes: Any = None
    class_weight: Any = None
    given_validation: tuple = (None, None, None)
    is_fit: bool = True
    is_run: bool = True
    fitted: Any = None
    start: Start = field(default_factory=Start)
    counts_before: dict | None = None
    seed_before: int | None = None

    def make(self) -> Plan:
        """Return the plan; raise for what cannot be done."""
        check_class_weight(self.weighing, self.class_weight)
        check_not_twice(self.wrapper, self.weighing, self.class_weight)
        table, validation = self.tables
        rows = self.wrapper, table, self.schedule, self.n_epochs
        held_out = self.wrapper, validation, self.n_epochs
        return Plan(
            table,
            self.schedule,
            self.n_epochs,
            self.learning,
            {} if requires_labels(self.estimator) else self.first_call_params,
            self.labels,
            self.overrides,
            self.seed,
            InputLayout(dense=self.is_dense),
            self.corrections,
            validation,
            self.start,
            keeps_rows(*rows),
            keeps_held_out(*held_out),
            find_row_cache(*rows),
            find_held_out_cache(*held_out),
            self.class_weight,
            self.label_counts,
        )

    @property
    def estimator(self):
        return self.wrapper.estimator

    @cached_property
    def is_loop(self) -> bool:
        return is_loop(self.wrapper)

    @cached_property
    def learning(self) -> Learning:
        return find_learning(
            self.estimator, uses_target=uses_target(self.estimator, self.y)
        )

    @cached_property
    def shuffle(self) -> str:
        return find_shuffle(self.wrapper, self.learning)

    @cached_property
    def given(self) -> Table:
        """All rows that were passed, after validation of their shapes."""
        reading = find_reading(self.wrapper, is_mixed=self.shuffle in MIXED)
        return open_training(self.estimator, self.X, self.y, self.params, reading)

    @cached_property
    def target(self) -> tuple[dict, Labels | None]:
        """The scan of y, and the parameters of the first ``partial_fit``."""
        return find_first_call_params(
            self.estimator, self.fitted, self.given.y, self.classes
        )

    @property
    def first_call_params(self) -> dict:
        return self.target[0]

    @property
    def labels(self) -> Labels | None:
        return self.target[1]

    @property
    def known_classes(self):
        """The classes passed to the estimator now or before, or those in y."""
        found = None if self.labels is None else self.labels.classes
        if self.fitted is not None:
            known = find_known_classes(self.fitted)
            found = list(self.label_counts or ()) if known is None else known
        return self.first_call_params.get("classes", found)

    @cached_property
    def label_counts(self) -> dict | None:
        return None if self.labels is None else self.labels.count(self.counts_before)

    @property
    def weighing(self):
        """The estimator whose ``class_weight`` counts: one that is trained further."""
        return self.estimator if self.fitted is None else self.fitted

    @cached_property
    def n_epochs(self) -> int:
        if isinstance(self.wrapper.max_epochs, str):
            return self.learning.n_epochs if self.is_fit else 1
        return int(self.wrapper.max_epochs)

    @property
    def has_validation(self) -> bool:
        return any(value is not None for value in self.given_validation)

    @property
    def holds_out(self) -> bool:
        """Whether rows are held out, as ``fit`` does with early stopping."""
        if not self.is_fit or self.n_epochs == 1 or self.has_validation:
            return False
        return self.learning.holds_out and hasattr(self.estimator, "score")

    @cached_property
    def seed(self) -> int | None:
        is_needed = bool(self.shuffle) or self.holds_out or self._sets_seeds
        before = self.seed_before
        if self.fitted is not None:
            before = vars(self.wrapper).get("random_state_")
        return draw_seed(
            self.wrapper,
            is_needed=is_needed,
            is_run=self.is_run,
            before=before,
        )

    @property
    def _sets_seeds(self) -> bool:
        return self.fitted is None and bool(find_unset_seeds(self.wrapper))

    @cached_property
    def class_weights(self) -> tuple[dict, bool]:
        """What labels weigh, and whether the estimator weighs them itself."""
        return find_class_weights(self.weighing, self.class_weight, self.label_counts)

    @cached_property
    def weighted(self) -> Table:
        """The rows with the parameters of each chunk beside X and y."""
        table = self.given
        weights, is_own = self.class_weights
        if requires_labels(self.estimator):
            params = self.first_call_params or self._find_classes_before()
            table = replace(table, whole=table.whole | params)
        if weights and not is_own:
            may_miss = takes_target_as_it_is(self.estimator)
            weight = ClassWeight(self.known_classes, weights, may_miss=may_miss)
            table = replace(table, class_weight=weight)
        return table

    def _find_classes_before(self) -> dict:
        """Return the classes of an earlier call, or those of the fitted estimator."""
        classes = vars(self.wrapper).get("_classes")
        if classes is None and self.fitted is not None:
            classes = find_known_classes(self.fitted)
        if classes is None and self.labels is not None:
            classes = self.labels.classes
        return {} if classes is None else {"classes": classes}

    @cached_property
    def tables(self) -> tuple[Table, Table | None]:
        """The rows to train on, and those to score each epoch on."""
        table, estimator = self.weighted, self.estimator
        if self.has_validation:
            reading = find_reading(self.wrapper)
            validation = open_validation(
                estimator, table, *self.given_validation, reading, self.known_classes
            )
            check_same_names(estimator, table.X, validation.X)
            return table, validation
        if not self.holds_out:
            return table, None
        learner = self.learning.learner
        has_column = self.labels is not None and table.y is not None
        is_stratified = has_column and table.y.ndim == 1 and is_classifier(learner)
        share = learner.validation_fraction
        stratify = table.y if is_stratified else None
        n_rows, by = table.X.n_rows, None if stratify is None else stratify.shared_key
        train, held_out = find_sharing().remember(
            ("split", n_rows, share, self.seed, by),
            partial(split_rows, n_rows, share, self.seed, stratify),
        )
        return table.keep(train), table.keep(held_out).to_score()

    @property
    def is_dense(self) -> bool:
        """Whether sparse chunks are made dense."""
        return self.learning.entry.dense and self.weighted.X.store.is_sparse

    @cached_property
    def schedule(self) -> FileOrder:
        """Which rows come in which order."""
        table, _ = self.tables
        min_rows = self.learning.min_rows if self.fitted is None else 1
        chunks = make_schedule(
            self.wrapper,
            find_ordered(self.shuffle, table.X),
            learning=self.learning,
            min_rows=min_rows,
            dense=self.is_dense,
        )
        schedule = shuffle_chunks(
            self.wrapper, self.shuffle, chunks, table, self.labels, self.seed
        )
        warn_if_sorted(self.wrapper, self.learning, schedule, self.labels)
        return schedule

    @cached_property
    def overrides(self) -> dict:
        """Parameters that the estimator has while it is trained."""
        weights, is_own = self.class_weights
        overrides = {"class_weight": weights} if is_own else {}
        run = RunShape(
            n_rows=self.schedule.n_rows,
            chunk_rows=self.schedule.chunk_size,
            n_chunks=len(self.schedule),
            is_shuffled=isinstance(self.schedule, BlockOrder),
            is_loop=self.is_loop,
        )
        overrides |= self.learning.find_overrides(run)
        return overrides | self.corrections.find_overrides(self.estimator)

    @cached_property
    def corrections(self) -> Corrections:
        return Corrections() if self.is_loop else Corrections.of(self.estimator)


def find_class_weights(
    estimator, class_weight, label_counts: dict | None
) -> tuple[dict, bool]:
    """Return what labels weigh, and whether the estimator weighs them itself."""
    own = getattr(estimator, "class_weight", None)
    is_own = hasattr(estimator, "class_weight") and hasattr(estimator, "set_params")
    asked = own if class_weight is None else class_weight
    is_balanced = isinstance(asked, str) and asked == "balanced"
    if asked is None or (asked is own and not is_balanced):
        return {}, False
    if label_counts is None:
        raise ValueError(
            f"class_weight={asked!r} needs labels in one column; "
            f"{type(estimator).__name__} is trained on other targets."
        )
    return (balance(label_counts) if is_balanced else dict(asked)), is_own
