"""Rows that later steps are trained on, where a transformer gives them other values.

`TargetEncoder` encodes the rows of ``fit`` by folds, and all others by what it has
learned from all rows. What knows how is a ``training``: it has ``bind(fitted,
positions)``, which returns the transformer for the rows of ``fit`` at some positions.
"""

from typing import Any, NamedTuple

import numpy as np

from skmmap.estimators import find_entry
from skmmap.learn import is_stateless
from skmmap.order import Positions
from skmmap.rows import Source
from skmmap.transformers import ChunkLearner
from skmmap.wrap import InputLayout, list_parts

# Where pipelines and unions have their steps, by name.
_PARTS = "steps", "transformer_list", "transformers_"


class OfMembers(NamedTuple):
    """The trainings of some members of a pipeline or a union, by their names."""

    members: dict[str, Any]

    def bind(self, fitted, positions: np.ndarray):
        """Return a copy with members for the rows of ``fit`` at these positions."""
        bound = object.__new__(type(fitted))
        vars(bound).update(vars(fitted))
        for attribute in _PARTS:
            if attribute in vars(fitted):
                parts = getattr(fitted, attribute)
                bound_parts = [self._bind(positions, *part) for part in parts]
                setattr(bound, attribute, bound_parts)
        if hasattr(bound, "n_jobs"):
            bound.n_jobs = None  # other processes would get the folds of all rows
        return bound

    def _bind(self, positions: np.ndarray, name: str, member, *columns) -> tuple:
        if name in self.members:
            member = self.members[name].bind(member, positions)
        return name, member, *columns


class TrainingTransform:
    """Transforms the rows of ``fit`` by their numbers, as a function for `Rows.map`."""

    is_value = takes_numbers = True

    def __init__(
        self, transformer, layout: InputLayout, training, source: Source, key=None
    ):
        self.shared_key = None if key is None else (type(self), key, layout)
        self._transformer, self._layout = transformer, layout
        self._training, self._positions = training, Positions(source.selection)

    def __str__(self) -> str:
        return type(self._transformer).__name__

    def __call__(self, rows, numbers: np.ndarray):
        positions = self._positions.find(numbers)
        transformer = self._training.bind(self._transformer, positions)
        return transformer.transform(self._layout.apply(rows))


def check_single(transformer, source: Source) -> None:
    """Raise if a row is selected twice: it has two positions, and maybe two folds."""
    row = Positions(source.selection).find_repeated()
    if row is not None:
        raise ValueError(
            f"{type(transformer).__name__} encodes the rows of fit by folds, and row "
            f"{row:,} of {source.store.where} is selected more than once. Write the "
            "selection to a file: convert(X, 'X.npy')."
        )


def encodes_folds(estimator) -> bool:
    """Whether a transformer, or a part of it, gives rows of ``fit`` other values."""
    learn = find_entry(type(estimator)).entry.chunk_learner
    is_learned = learn is not None and not is_stateless(estimator)
    if is_learned and ChunkLearner(estimator, learn, 0).encodes_folds:
        return True
    return any(encodes_folds(part) for _, part in list_parts(estimator) or ())


def refuse_fit_transform(estimator) -> None:
    """Raise for ``fit_transform`` if that is not ``fit``, then ``transform``."""
    if encodes_folds(estimator):
        raise TypeError(
            "fit_transform of TargetEncoder encodes rows by folds, and transform by "
            "all rows of fit. Steps behind it in a pipeline are trained on the former. "
            "For the latter, call fit(X, y), then transform(X)."
        )
