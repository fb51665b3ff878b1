"""The order of a run that was given, or that samples classes."""

from functools import reduce
from numbers import Integral
from typing import Any

import numpy as np

from skmmap.order import ClassOrder, Order
from skmmap.read import Labels, Table, iter_values

_LISTED = 10


def find_given(wrapper, table: Table, labels: Labels | None) -> tuple[Order, Any]:
    """Return the order, and y as it needs it: labels, or the numbers of classes."""
    if wrapper.sampling is None:
        order = wrapper.shuffle
        if order.needs_y and table.y is None:
            raise ValueError(f"{type(order).__name__} needs y, and none was passed.")
        return order, table.y.load() if order.needs_y else None
    classes = _find_classes(wrapper, table, labels)
    codes = _find_codes(wrapper.sampling, table, classes)
    counts = np.bincount(codes, minlength=len(classes))
    return ClassOrder(_find_sizes(wrapper.sampling, classes, counts)), codes


def _find_classes(wrapper, table: Table, labels: Labels | None) -> np.ndarray:
    """Return the labels that can occur; of an estimator that is not told of them too.

    Raise unless they are in one column.
    """
    if table.y is None or table.y.ndim > 1:
        raise ValueError(
            f"sampling={wrapper.sampling!r} needs labels in one column; "
            f"{type(wrapper.estimator).__name__} is trained on other targets."
        )
    if labels is not None:
        return np.asarray(labels.classes)
    pieces = (np.unique(np.asarray(piece)) for _, piece in iter_values(table.y))
    return reduce(np.union1d, pieces)


def _find_codes(sampling, table: Table, classes: np.ndarray) -> np.ndarray:
    """Return the number of the class of each row, in as few bytes as possible."""
    codes = np.empty(table.y.n_rows, np.min_scalar_type(max(1, len(classes) - 1)))
    for start, piece in iter_values(table.y):
        piece = np.asarray(piece)
        found = np.minimum(np.searchsorted(classes, piece), len(classes) - 1)
        bad = np.flatnonzero(classes[found] != piece)
        if len(bad):
            row = int(table.y.name_rows(start + bad[:1])[0])
            raise ValueError(
                f"sampling={sampling!r} needs a label in every row, and row {row:,} of "
                "y has none. Leave such rows out."
            )
        codes[start : start + len(piece)] = found
    return codes


def _find_sizes(sampling, classes, counts: np.ndarray) -> list[int]:
    """Return the rows of each class in an epoch."""
    if isinstance(sampling, str):
        found = counts[counts > 0]
        size = found.min() if sampling == "balanced" else found.max()
        return np.where(counts > 0, size, 0).tolist()
    known, sizes = np.asarray(classes).tolist(), counts.tolist()
    for label, size in sampling.items():
        if label not in known:
            raise ValueError(
                f"sampling has rows of the label {label!r}, which does not occur in y. "
                f"It has {_list(known)}."
            )
        is_count = isinstance(size, Integral) and not isinstance(size, bool)
        if not is_count or size < 1:
            raise ValueError(
                f"sampling[{label!r}] must be the rows of that label in an epoch, an "
                f"integer of at least 1; got {size!r}."
            )
        place = known.index(label)
        if not sizes[place]:
            raise ValueError(f"No row to train on has the label {label!r}.")
        sizes[place] = int(size)
    return sizes


def _list(labels: list) -> str:
    """Return the first labels."""
    more = len(labels) - _LISTED
    listed = ", ".join(map(repr, labels[:_LISTED]))
    return listed + (f" and {more:,} more" if more > 0 else "")
