"""One bounded scan of y: its labels, their counts, and how sorted they are."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skmmap._messages import warn
from skmmap.read.tally import Tally
from skmmap.read.values import is_missing, iter_finite, iter_values, name_first


class Labels(NamedTuple):
    """What a scan found in y: the labels, how often each occurs, how sorted they are.

    ``classes`` and ``counts`` are lists, with an entry for each column, if y is 2-D.
    """

    classes: Any
    counts: Any = None
    tallies: tuple[Tally, ...] = ()  # of each column

    @property
    def sortedness(self) -> float:
        """That of the most sorted column."""
        return max((tally.sortedness for tally in self.tallies), default=0.0)

    def among(self, classes) -> "Labels":
        """Return those that are among ``classes``, if y has one column."""
        if isinstance(self.classes, list) or self.counts is None:
            return self
        kept = np.isin(self.classes, np.asarray(classes))
        return self._replace(classes=self.classes[kept], counts=self.counts[kept])

    def count(self, before: dict | None = None) -> dict | None:
        """Return how often each label has occurred, with rows ``before``, by its value.

        None if y has several columns.
        """
        if isinstance(self.classes, list) or self.counts is None:
            return None
        counts = dict(before or {})
        found = zip(self.classes.tolist(), self.counts.tolist(), strict=True)
        for label, number in found:
            counts[label] = counts.get(label, 0) + number
        return counts


def balance(counts: dict) -> dict:
    """Return the weight of each label that gives all labels the same total.

    >>> balance({"a": 1, "b": 3})
    {'a': 2.0, 'b': 0.6666666666666666}
    """
    n_rows = sum(counts.values())
    return {label: n_rows / (len(counts) * number) for label, number in counts.items()}


def scan_labels(y, *, per_column: bool, may_miss: bool = False) -> Labels:
    """Return the sorted labels of y, and what is known of them.

    A multilabel indicator has its column numbers as labels, unless
    ``per_column``: then each column is a target with classes of its own. Rows
    ``may_miss`` their label (NaN or None), and are not counted then.
    """
    is_column = y.ndim == 1 or (y.shape[1] == 1 and not per_column)
    if not is_column and not per_column and is_multilabel(y):
        return Labels(np.arange(y.shape[1]))
    tallies = [Tally(y.n_rows) for _ in range(1 if y.ndim == 1 else y.shape[1])]
    for start, piece in iter_values(y) if may_miss else iter_finite(y):
        for column, tally in zip(_columns(piece), tallies, strict=True):
            missing = is_missing(column) if may_miss else None
            if missing is not None and not missing.any():
                missing = None
            _check_discrete(column if missing is None else column[~missing])
            tally.add(start, column, missing)
    classes, counts = [t.values for t in tallies], [t.counts for t in tallies]
    if is_column:
        classes, counts = classes[0], counts[0]
    return Labels(classes, counts, tuple(tallies))


def warn_of_empty(labels: Labels) -> None:
    """Warn of empty strings, which files have in place of missing labels."""
    several = isinstance(labels.classes, list)
    for classes in labels.classes if several else [labels.classes]:
        if classes.dtype.kind == "U" and "" in classes[:1]:
            warn(
                "y has empty strings, which become a class of their own. In files that "
                "skmmap.convert writes, they stand for labels that are missing. Leave "
                "these rows out, or name all labels, '' too, with classes=[...].",
                UserWarning,
            )


def is_multilabel(y) -> bool:
    """Whether the first rows of y look like a multilabel indicator."""
    _, piece = next(iter_values(y))
    return type_of_target(piece, input_name="y") == "multilabel-indicator"


def check_labels(y, classes, name: str = "y") -> None:
    """Raise for the first label of y that is not in ``classes``."""
    if not isinstance(classes, list | tuple) and np.ndim(classes) == 0:
        raise TypeError(
            "classes must be an array or a list of labels; got "
            f"{type(classes).__name__}."
        )
    known = classes if y.ndim > 1 else [classes]
    if y.ndim > 1 and len(known) != y.shape[1]:
        raise ValueError(
            f"classes has {len(known):,} entries and {name} has {y.shape[1]:,} "
            "columns; give a list with the labels of each column."
        )
    for start, piece in iter_finite(y):
        for j, column in enumerate(_columns(piece)):
            strange = ~np.isin(column, np.asarray(known[j]))
            if strange.any():
                row, i = name_first(y, start, strange), int(np.argmax(strange))
                where = f"column {j} of {name}" if y.ndim > 1 else name
                raise ValueError(
                    f"{where} contains the label {_plain(column[i])} (first in row "
                    f"{row:,}), which is not in {_describe(known[j])}."
                )


def _describe(classes) -> str:
    labels = np.asarray(classes).tolist()
    return f"the {len(labels):,} classes" if len(labels) > 20 else f"classes={labels}"


def _check_discrete(piece) -> None:
    """Raise as scikit-learn does where numbers cannot be class labels."""
    if piece.dtype.kind == "f" and np.any(piece != np.floor(piece)):
        check_classification_targets(piece)


def _columns(piece):
    return piece.T if piece.ndim > 1 else [piece]


def _plain(label):
    """Return a NumPy scalar as the Python value that a person would type."""
    return repr(label.item() if isinstance(label, np.generic) else label)
