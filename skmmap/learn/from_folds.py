"""Training sets of several folds, of which each row is learned once.

The rows are split into atoms, by which of the training sets have them: k for k folds.
Each atom is learned by one fit, in file order, and each fit merges those of its rows.
This is only done where the sum has the same bits in any order.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from functools import partial

import numpy as np

from skmmap.estimators import add_up, find_entry
from skmmap.learn.learner import Learner
from skmmap.learn.merge_fit import Part, lacks
from skmmap.learn.training import Training
from skmmap.order import Atom, FileOrder, find_atoms, find_key
from skmmap.rows import Source
from skmmap.run import Tasks, find_sharing
from skmmap.wrap import get_parameters, replace_parameters

_LARGEST = 2.0**53  # up to which float64 holds all integers
_WORTHWHILE = 3 / 4  # of the rows of all folds
_PIECES_SHARE = 16  # of `memory_limit`, for a number for each row of the store


class _InexactError(Exception):
    """What is learned of a chunk depends on the order in which chunks are added up."""


class ExactTasks(Tasks):
    """The tasks of a part that ends at a chunk which does not add up exactly."""

    def __init__(self, estimator):
        self._estimator = estimator
        self._is_exact = find_entry(type(estimator)).entry.adds_exactly

    def chunk(self, chunk, snapshot):
        """Return the context in which a chunk is learned; raise if it is inexact."""
        if not self._is_exact(self._estimator, chunk.X):
            raise _InexactError
        return nullcontext(nullcontext)


def learn_from_folds(
    training: Training, common: tuple, run: Callable[[], dict]
) -> dict:
    """Return what ``run`` would, with the rows that other fits have learned by each.

    ``common`` is what fits have in common that differ in nothing but rows.
    """
    table, order = training.table, training.schedule
    if not _can_join(training):
        return run()
    key = common, table.shared_stores, table.key[3:], replace(order, n_rows=0).key
    selections = find_sharing().gather(key, table.X.selection)
    number = next(i for i, s in enumerate(selections) if s is table.X.selection)
    key += tuple(map(find_key, selections))
    atoms = find_sharing().remember(
        ("atoms", key), partial(_split, training, selections)
    )
    if atoms is None:
        return run()
    began = time.perf_counter()
    learned = _learn(training, key, atoms, number)
    try:
        learner = None if None in learned else _merge(training, learned)
    except Exception:  # its own fit says what is wrong
        learner = None
    if learner is None:
        return run()
    training.learner.estimator = learner.estimator
    training.learner.corrections = learner.corrections
    training.learner.input_layout = learner.input_layout
    training.has_learned = True
    training.end_epoch(order.n_rows, time.perf_counter() - began, 0.0)
    return training.learned_attributes()


def _can_join(training: Training) -> bool:
    """Whether this fit can learn parts of its rows in any order, bit for bit."""
    learner, table = training.learner, training.table
    if find_entry(type(learner.estimator)).entry.adds_exactly is None:
        return False
    if learner.corrections.is_off or table.by_row or table.whole:
        return False
    if table.class_weight is not None or type(training.schedule) is not FileOrder:
        return False
    n_rows = table.X.store.n_rows
    alike = {(source.shared_key[1], source.store.n_rows) for source in table.sources}
    is_small = _PIECES_SHARE * n_rows <= table.reading.memory_limit
    return len(alike) == 1 and is_small


def _split(training: Training, selections: list) -> list[Atom] | None:
    """Return the atoms, None if as many rows would be learned without them.

    There are no more than fits, so that all are learned side by side, in one reading.
    """
    if len(selections) < 3:
        return None
    n_rows = training.table.X.store.n_rows
    atoms = find_atoms(selections, n_rows, len(selections))
    n_learned = sum(len(atom.rows) for atom in atoms or ())
    return atoms if n_learned < _WORTHWHILE * sum(map(len, selections)) else None


def _learn(training: Training, key: tuple, atoms: list[Atom], number: int) -> list:
    """Return the learners of a fit's atoms, of which it learns one or two itself."""
    remember = find_sharing().remember

    def learn(place: int) -> Learner | None:
        make = partial(_learn_atom, training, atoms[place])
        return remember(("atom", key, place), make)

    if number < len(atoms):
        learn(number)
    return [learn(place) for place, atom in enumerate(atoms) if number in atom.members]


def _learn_atom(training: Training, atom: Atom) -> Learner | None:
    """Return a learner that has learned the rows of an atom, None if it cannot."""
    learner, schedule = training.learner, training.schedule
    table = training.table.map(
        lambda source: Source(source.store, atom.rows, cast=source.cast)
    )
    estimator = learner.estimator
    part = Part(
        estimator,
        learner.input_layout,
        table,
        training.first_call_params,
        learner.corrections.fresh(),
        learner.learns_zero_weights,
    )
    make = partial(deepcopy, estimator)
    span = 0, replace(schedule, n_rows=len(atom.rows))
    try:
        return _train(part, make, span, ExactTasks(estimator))
    except Exception:  # each fit by itself says what is wrong, and in which rows
        return None


def _train(part: Part, make: Callable, span: tuple, tasks: Tasks) -> Learner:
    with part.table.lend() as table:
        return replace(part, table=table).train(make(), make, span, tasks).learner


def _merge(training: Training, learned: list[Learner]) -> Learner | None:
    """Return all of these together, None if their sum is not exact."""
    first, *others = learned
    merged = first.copy()
    for other in others:
        if lacks(merged.estimator) or lacks(other.estimator):
            return None
        both = add_up(merged.estimator, other.estimator)
        if both is NotImplemented:
            return None
        merged.estimator = both
        merged.corrections.add(deepcopy(other.corrections))
    derive(merged.estimator, training.learner.estimator)
    return merged if _is_exact(merged.estimator) else None


def _is_exact(estimator) -> bool:
    """Whether counts are so small that no one of their sums was rounded."""
    counts = getattr(estimator, "feature_count_", None)
    return not isinstance(counts, np.ndarray) or bool(counts.max() < _LARGEST)


def derive(learned, own) -> None:
    """Give a fitted estimator the free parameters of another one, and what they change.

    It raises for values that the estimator refuses.
    """
    entry = find_entry(type(own)).entry
    names = [name for name in entry.free if hasattr(own, name)]
    replace_parameters(learned, get_parameters(own, names))
    learned._validate_params()
    if entry.derive is not None:
        entry.derive(learned)
