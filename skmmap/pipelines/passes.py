"""Passes over the rows, in which all steps learn that can learn at the same time.

A step asks for a pass by yielding a `Request`. Steps that do not need one another's
results ask together, and share a pass: rows are read, and transformed by the steps that
all have before them, once.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn import config_context

from skmmap._messages import say_count
from skmmap.learn import Learner, count_workers, train_anew
from skmmap.pipelines.shared import POSITIONS, AddedUp, Member, Shared, name_weight
from skmmap.pipelines.steps import derive
from skmmap.rows import ArrayStore, MappedStore, Rows, Source, find_source
from skmmap.run import find_sharing

NOTHING = {
    "classes": None,
    "class_weight": None,
    "given_validation": (None, None, None),
}

_HISTORY = "n_epochs_", "chunk_size_", "history_", "random_state_"


@dataclass(eq=False, repr=False)
class Request:
    """A step, and the rows from which it learns in the next pass.

    ``learner`` learns a chunk at a time. ``train`` trains the step alone, with all that
    its own ``fit`` does; a step that is no additive one has only this. ``waits`` waits
    for another fit that learns the same. ``notes`` say which steps errors are about.
    """

    wrapper: Any
    rows: Rows
    learner: Learner | None = None
    takes_target: bool = False
    takes_positions: bool = False  # of rows among all of them
    takes_codes: bool = False  # in place of frames
    sample_weight: Any = None
    train: Callable[[], None] | None = None
    waits: Callable[[], None] | None = None
    notes: list[str] = field(default_factory=list)
    context: Callable = nullcontext  # of the estimator, around each call
    does: str = ""  # what it does in the pass, if there is more to say
    history: dict = field(default_factory=dict)  # of the pass, once it is made

    @property
    def name(self) -> str:
        name = type(self.wrapper.estimator).__name__
        return f"{name} {self.does}" if self.does else name

    def join(self, chain: list[MappedStore]) -> Member:
        """Return it as a member of a pass, with the steps before it."""
        takes = self.takes_positions, self.takes_codes
        member = Member(self.learner, chain, *takes, self.notes, self.context)
        find = getattr(member.learner and self.learner.estimator, "find_part_nbytes", 0)
        member.part_nbytes = find and find(find_source(self.rows))
        return member


def inside(note: str, learning: Iterator[list[Request]]) -> Iterator[list[Request]]:
    """Add a note to the errors of a step, also while it learns in a pass."""
    try:
        for requests in learning:
            for request in requests:
                request.notes.append(note)
            yield requests
    except Exception as error:
        error.add_note(note)
        raise


def side_by_side(every: list[Iterator[list[Request]]]) -> Iterator[list[Request]]:
    """Let steps ask together that do not need one another's results."""
    while every:
        asked = [(learning, next(learning, None)) for learning in every]
        every = [learning for learning, requests in asked if requests is not None]
        if every:
            yield [each for _, requests in asked for each in requests or ()]


def make_passes(wrapper, requests: list[Request], y, *, explains=False) -> list[str]:
    """Let all steps learn that have asked for it, in as few passes as possible.

    Return which steps have learned in each pass; where that is to be explained, also on
    how many workers, and the steps learn on one.
    """
    if requests and all(request.waits for request in requests):
        requests[0].waits()  # a fit that waits is learning nothing
        return []
    requests = [each for each in requests if not each.waits]
    additive = [each for each in requests if each.learner is not None]
    alone = [each for each in requests if each.learner is None]
    said, workers = [], ""
    if additive:
        shared = _Pass(wrapper, additive, y)
        workers = _say_workers(shared) if explains else ""
    if len(additive) == 1 and additive[0].train is not None:
        alone = requests
    elif additive:
        shared.run(n_jobs=1 if explains else wrapper.n_jobs)
        said.append(_say_names(additive) + workers)
    for request in alone:
        with request.join([]).noting():
            request.train()
        n_epochs = vars(request.wrapper).get("n_epochs_", 1)
        on = workers if request.learner is not None else ""
        said += n_epochs * [request.name + on]
    return said


def _say_names(requests: list[Request]) -> str:
    return ", ".join(dict.fromkeys(request.name for request in requests))


def _say_workers(shared: "_Pass") -> str:
    number = count_workers(shared.derive(), *shared.given)
    return f" on {say_count(number, 'worker')}" if number > 1 else ""


def _counts_texts(request: Request) -> bool:
    """Whether workers would wait for one another (docs/measured/pipelines.md)."""
    store = find_source(request.rows).store
    is_numeric = store.is_sparse or (store.is_array and store.dtype.kind in "biuf")
    return getattr(request.learner.estimator, "counts_values", False) and not is_numeric


class _Pass:
    """A pass of several steps, as training of one estimator that has them all."""

    def __init__(self, wrapper, requests: list[Request], y):
        self._wrapper, self._requests = wrapper, requests
        takes_codes = any(request.takes_codes for request in requests)
        every = [request.rows for request in requests]
        rows, chains = _find_common(every, takes_codes=takes_codes)
        both = zip(requests, chains, strict=True)
        members = [request.join(chain) for request, chain in both]
        merges = all(member.merges for member in members)
        kind = AddedUp if merges and not any(map(_counts_texts, requests)) else Shared
        self._shared = kind(members, find_source(rows).selection)
        takes_target = any(request.takes_target for request in requests)
        self.given = rows, y if takes_target else None, self._find_by_row(rows)

    def _find_by_row(self, rows: Rows) -> dict:
        """Return what members get beside X and y."""
        by_row = {
            name_weight(number): request.sample_weight
            for number, request in enumerate(self._requests)
            if request.sample_weight is not None
        }
        if self._shared.takes_positions:
            by_row[POSITIONS] = _find_positions(len(rows))
        return by_row

    def derive(self, **changes):
        title = f"fit of {_say_names(self._requests)}"
        changes |= {
            "shuffle": False,
            "sampling": None,
            "max_epochs": "auto",
            "_title": title,
        }
        return derive(self._wrapper, self._shared, **changes)

    def run(self, n_jobs) -> None:
        wrapper = self.derive(n_jobs=n_jobs)
        with ExitStack() as around, config_context(enable_metadata_routing=False):
            for request in self._requests:
                # Filters of warnings are those of all threads.
                around.enter_context(request.context(None))
            train_anew(wrapper, *self.given, **NOTHING)
        members = wrapper.estimator_.members
        for request, member in zip(self._requests, members, strict=True):
            request.learner.become(member.learner)
            request.history |= {name: vars(wrapper)[name] for name in _HISTORY}


def _find_positions(n_rows: int) -> Rows:
    """Return the positions of all rows, the same ones for fits that share rows."""
    kind = np.min_scalar_type(n_rows)
    make = lambda: Rows(Source(ArrayStore(np.arange(n_rows, dtype=kind))))  # noqa: E731
    return find_sharing().remember((POSITIONS, n_rows), make)


def _find_common(
    every: list[Rows], *, takes_codes: bool
) -> tuple[Rows, list[list[MappedStore]]]:
    """Return the rows from which all can be computed, and the steps to each."""
    lines = [_list_stores(find_source(rows).store) for rows in every]
    n_common = 0
    while all(len(line) > n_common for line in lines) and all(
        line[n_common] is lines[0][n_common] for line in lines
    ):
        n_common += 1
    ends = [line[n_common:] for line in lines]
    # Rows are cast as they are read from the file, before the first step.
    casts = [
        end[0].cast if end else find_source(rows).cast
        for end, rows in zip(ends, every, strict=True)
    ]
    source = find_source(every[0])
    common = lines[0][n_common - 1]
    if takes_codes:
        common = common.as_codes() or common
    return Rows(Source(common, source.selection, source.order, casts[0])), ends


def _list_stores(store) -> list:
    """Return the stores from that of the file to the one that is computed last."""
    stores = [store]
    while isinstance(stores[0], MappedStore):
        stores.insert(0, stores[0].given)
    return stores
