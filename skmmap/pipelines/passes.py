"""Passes over the rows, in which all steps learn that can learn at the same time.

A step asks for a pass by yielding a `Request`. Steps that do not need one another's
results ask together, and share a pass: rows are read, and transformed by the steps that
all have before them, once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator

from skmmap.learn import Learner, train_anew
from skmmap.order import rows_at
from skmmap.pipelines.steps import derive
from skmmap.read import Chunk, slice_rows
from skmmap.rows import (
    CodedFrame,
    MappedStore,
    Rows,
    Source,
    find_source,
    share_out,
)

NOTHING = {
    "classes": None,
    "class_weight": None,
    "given_validation": (None, None, None),
}
_POSITIONS = "positions"


@dataclass(eq=False, repr=False)
class Request:
    """A step, and the rows from which it learns in the next pass.

    ``learner`` learns a chunk at a time. ``train`` trains the step alone, with all that
    its own ``fit`` does; a step that is no additive one has only this. ``notes`` say
    which steps errors are about.
    """

    wrapper: Any
    rows: Rows
    learner: Learner | None = None
    takes_target: bool = False
    takes_positions: bool = False  # of rows among all of them
    takes_codes: bool = False  # in place of frames
    sample_weight: Any = None
    train: Callable[[], None] | None = None
    notes: list[str] = field(default_factory=list)
    context: Callable = nullcontext  # of the estimator, around each call
    does: str = ""  # what it does in the pass, if there is more to say

    @property
    def name(self) -> str:
        name = type(self.wrapper.estimator).__name__
        return f"{name} {self.does}" if self.does else name

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Add the notes to an error."""
        try:
            yield
        except Exception as error:
            for note in self.notes:
                error.add_note(note)
            raise


class Shared(BaseEstimator):
    """Learns for several steps at once, as an estimator that is trained alone.

    ``selection`` has the numbers of all rows in their store.
    """

    def __init__(self, requests, chains: list[list[MappedStore]], selection):
        self.requests, self.chains, self.selection = requests, chains, selection

    def __sklearn_clone__(self):
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True  # each learner has a layout of its own
        return tags

    def skmmap_state(self) -> list[dict]:
        """Return what the learners have learned, to be kept in a checkpoint."""
        return [request.learner.take_state() for request in self.requests]

    def skmmap_continue(self, states: list[dict]) -> None:
        """Let the learners go on from there."""
        for request, state in zip(self.requests, states, strict=True):
            request.learner.put_state(state)

    def partial_fit(self, X, y=None, **weights):
        n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
        calls = [store.call_rows for chain in self.chains for store in chain]
        pieces = share_out(0, n_rows, min(calls, default=max(1, n_rows)))
        for start, stop in pieces:
            rows = X if len(pieces) == 1 else slice_rows(X, start, stop)
            self._learn(rows, y, weights, start, stop)
        return self

    def _learn(self, X, y, weights: dict, start: int, stop: int) -> None:
        known: dict[Any, Any] = {}
        positions = weights.get(_POSITIONS)
        positions = None if positions is None else positions[start:stop].astype(int)
        numbers = None if positions is None else rows_at(self.selection, positions)
        every = zip(self.requests, self.chains, strict=True)
        for number, (request, chain) in enumerate(every):
            with request.noting():
                rows = X
                for store in chain:
                    if id(store) not in known:
                        known[id(store)] = store.compute(rows, numbers)
                    rows = known[id(store)]
                if isinstance(rows, CodedFrame) and not request.takes_codes:
                    rows = self._find_frame(rows, known)
                target = None if y is None else y[start:stop]
                params = {_POSITIONS: positions} if request.takes_positions else {}
                if (weight := weights.get(_name_weight(number))) is not None:
                    is_whole = np.ndim(weight) == 0
                    weight = weight if is_whole else weight[start:stop]
                    params["sample_weight"] = weight
                chunk = Chunk(start, stop, rows, target, params)
                request.learner.learn(chunk, request.context, tuple)

    @staticmethod
    def _find_frame(rows: CodedFrame, known: dict):
        """Return the frame of rows, which is made once."""
        if ("frame", id(rows)) not in known:
            known["frame", id(rows)] = rows.to_frame()
        return known["frame", id(rows)]


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


def make_passes(wrapper, requests: list[Request], y) -> list[str]:
    """Let all steps learn that have asked for it, in as few passes as possible.

    Return which steps have learned in each pass.
    """
    additive = [each for each in requests if each.learner is not None]
    alone = [each for each in requests if each.learner is None]
    if len(additive) == 1 and additive[0].train is not None:
        alone, additive = requests, []
    said = []
    if additive:
        _share_pass(wrapper, additive, y)
        said.append(_say_names(additive))
    for request in alone:
        with request.noting():
            request.train()
        n_epochs = vars(request.wrapper).get("n_epochs_", 1)
        said += n_epochs * [request.name]
    return said


def _say_names(requests: list[Request]) -> str:
    return ", ".join(dict.fromkeys(request.name for request in requests))


def _share_pass(wrapper, requests: list[Request], y) -> None:
    takes_codes = any(request.takes_codes for request in requests)
    every = [request.rows for request in requests]
    rows, chains = _find_common(every, takes_codes=takes_codes)
    y = y if any(request.takes_target for request in requests) else None
    title = f"fit of {_say_names(requests)}"
    changes = {"shuffle": False, "max_epochs": "auto", "_title": title}
    shared = Shared(requests, chains, find_source(rows).selection)
    by_row = {
        _name_weight(number): request.sample_weight
        for number, request in enumerate(requests)
        if request.sample_weight is not None
    }
    if any(request.takes_positions for request in requests) or any(
        store.takes_numbers for chain in chains for store in chain
    ):
        n_rows = len(rows)
        by_row[_POSITIONS] = np.arange(n_rows, dtype=np.min_scalar_type(n_rows))
    with config_context(enable_metadata_routing=False):  # which is done
        train_anew(derive(wrapper, shared, **changes), rows, y, by_row, **NOTHING)


def _name_weight(number: int) -> str:
    """Return the parameter of `Shared` with the weights for a request."""
    return f"weight_{number}"


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
