"""One bounded scan of y: is it usable, which labels has it, how sorted do they lie."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skmmap._messages import warn
from skmmap.formats import open_source
from skmmap.rows import (
    MISSING,
    ArrayStore,
    FrameStore,
    Source,
    is_series,
)

# The scan holds this much of y at a time.
_PIECE_NBYTES = 2**23
# How sorted labels lie is measured between this many segments of so many rows at least.
_SEGMENTS = 100
_LEAST_SEGMENT = 10
_LISTED = 20  # labels in a message


def open_target(y, *, single_output: bool):
    """Return y as a source of arrays, None for None; a column has one dimension."""
    if y is None:
        return None
    source = open_array(y, "y")
    if single_output and source.ndim == 2 and source.shape[1] == 1:
        warn(
            "A column-vector y was passed when a 1d array was expected. Please "
            "change the shape of y to (n_samples,), for example using ravel().",
            DataConversionWarning,
        )
        source = source.ravel()
    return source


def open_target_as_it_is(y):
    """Return y as a source for the code of a third party, None for None.

    A series or frame stays one: an array has neither their NA nor their types. Else an
    array where it can be one that says the same: NumPy would make text of NaN among
    labels of text, and has no rows of several lengths.
    """
    if y is None:
        return None
    if is_series(y) and hasattr(y, "shape"):  # or else it is refused
        return Source(FrameStore(y))
    source = open_source(y, "y")
    if is_tabular(source) or source.store.is_array or source.store.is_sparse:
        return source
    try:
        array = np.asarray(y)
    except ValueError:
        return source
    if isinstance(y, list | tuple) and array.ndim == 1 and array.dtype.kind in "US":
        is_text = all(isinstance(label, str | bytes) for label in y)
        array = array if is_text else np.array(y, dtype=object)
    return Source(ArrayStore(array))


def is_tabular(source: Source) -> bool:
    """Whether the rows are those of a series or a frame."""
    return isinstance(source.store, FrameStore)


def open_array(value, name: str) -> Source:
    """Return ``value`` as a source whose chunks are arrays."""
    source = open_source(value, name)
    if source.store.has_gaps:
        _check_filled(source.marking(), name)
    if source.store.is_sparse:
        return source.to_dense()
    return source if source.store.is_array else Source(ArrayStore(np.asarray(value)))


def _check_filled(source, name: str) -> None:
    """Raise for the first row without a label, which would have an empty one."""
    for start, piece in _iter_pieces(source):
        if (bad := piece == MISSING).any():
            raise ValueError(
                f"{name} has no value in row {_name_first(source, start, bad):,}, and "
                "a missing string would be the label ''. Fill such values, or leave "
                "their rows out."
            )


def check_finite(source, name: str) -> None:
    """Raise for the first row of y or of the weights with NaN or infinity."""
    if source.dtype.kind in "fcO":
        for _ in _iter_finite_pieces(source, name):
            pass


def _iter_finite_pieces(source, name: str = "y"):
    """Yield the pieces, each after a look for NaN and infinity."""
    for start, piece in _iter_pieces(source):
        numbers = piece
        try:
            if piece.dtype == object:
                numbers = np.where(is_missing(piece), np.nan, 0.0)
            assert_all_finite(numbers, input_name=name)
        except ValueError as error:
            bad = ~np.isfinite(numbers.reshape(len(numbers), -1)).all(axis=1)
            row = _name_first(source, start, bad)
            error.add_note(f"The first is in row {row:,} of {name}.")
            raise
        yield start, piece


def is_missing(labels: np.ndarray) -> np.ndarray:
    """Return which of the labels are NaN, None or a pandas NA."""
    if labels.dtype == object:
        return _is_missing_object(labels)
    return (
        np.isnan(labels) if labels.dtype.kind in "fc" else np.zeros(labels.shape, bool)
    )


@partial(np.vectorize, otypes=[bool])
def _is_missing_object(value) -> bool:
    try:
        return value is None or bool(value != value)
    except TypeError:
        return True


@dataclass(frozen=True)
class Labels:
    """What a scan found in y: the labels, how often each occurs, how sorted they lie.

    ``classes`` and ``counts`` are lists, with an entry for each column, if y is 2-D.
    """

    classes: Any
    counts: Any = None
    sortedness: float = 0.0

    def among(self, classes) -> "Labels":
        """Return those that are among ``classes``, where they are of one column."""
        if isinstance(self.classes, list) or self.counts is None:
            return self
        kept = np.isin(self.classes, np.asarray(classes))
        return replace(self, classes=self.classes[kept], counts=self.counts[kept])

    def balance(self) -> dict:
        """Return the weight of each label by which all weigh the same in sum."""
        n_rows = self.counts.sum()
        weights = n_rows / (len(self.classes) * self.counts)
        return dict(zip(self.classes.tolist(), weights.tolist(), strict=True))


class ClassWeight:
    """What each label weighs; labels of which nothing is said weigh 1.

    Rows ``may_miss`` their label, or have one that is not among ``classes``; they
    weigh 1 too.
    """

    def __init__(self, classes, weights: dict, *, may_miss: bool = False):
        known = np.unique(np.asarray(classes))
        strange = [label for label in weights if label not in known.tolist()]
        if strange:
            raise ValueError(
                f"class_weight has a weight for {strange[0]!r}, which is not among the "
                f"labels of y; they are {_list(known)}."
            )
        self._labels, self._may_miss = known, may_miss
        self._weights = np.array([weights.get(label, 1.0) for label in known.tolist()])

    def weigh(self, y: np.ndarray) -> np.ndarray:
        """Return the weight of each row of y."""
        y = np.asarray(y)  # third parties may get a series
        if not self._may_miss:
            return self._weights[np.searchsorted(self._labels, y)]
        labels, weights = y.reshape(len(y)), np.ones(len(y))
        rows = np.flatnonzero(~is_missing(labels))
        rows = rows[np.isin(labels[rows], self._labels)]
        weights[rows] = self._weights[np.searchsorted(self._labels, labels[rows])]
        return weights


def scan_labels(y, *, per_column: bool, may_miss: bool = False) -> Labels:
    """Return the sorted labels of y, and what is known of them.

    A multilabel indicator has its column numbers as labels, unless
    ``per_column``: then each column is a target with classes of its own. Rows
    ``may_miss`` their label (NaN or None), and are not counted then.
    """
    is_column = y.ndim == 1 or (y.shape[1] == 1 and not per_column)
    if not is_column and not per_column and is_multilabel(y):
        return Labels(np.arange(y.shape[1]))
    tallies = [_Tally(y.n_rows) for _ in range(1 if y.ndim == 1 else y.shape[1])]
    for start, piece in _iter_pieces(y) if may_miss else _iter_finite_pieces(y):
        for column, tally in zip(_columns(piece), tallies, strict=True):
            missing = is_missing(column) if may_miss else None
            if missing is not None and not missing.any():
                missing = None
            _check_discrete(column if missing is None else column[~missing])
            tally.add(start, column, missing)
    classes, counts = [t.values for t in tallies], [t.counts for t in tallies]
    if is_column:
        classes, counts = classes[0], counts[0]
    return Labels(classes, counts, max(tally.sortedness for tally in tallies))


def warn_of_empty(labels: Labels) -> None:
    """Warn of empty strings, which are what a file has where a label is missing."""
    several = isinstance(labels.classes, list)
    for classes in labels.classes if several else [labels.classes]:
        if classes.dtype.kind == "U" and "" in classes[:1]:
            warn(
                "y has empty strings, which become a class of their own. In files that "
                "skmmap.convert writes, they stand for labels that are missing. Leave "
                "these rows out, or name all labels, '' too, with classes=[...].",
                UserWarning,
            )


class _Tally:
    """Counts labels, in all and in each of up to a hundred segments of the file."""

    def __init__(self, n_rows: int):
        n_segments = min(_SEGMENTS, max(1, n_rows // _LEAST_SEGMENT))
        self._edges = np.arange(n_segments + 1) * n_rows // n_segments
        self._segment, self._squares = None, 0.0
        self.values = self.counts = None
        self._n_used = 0  # segments in which there is a label

    def add(self, start: int, column: np.ndarray, missing=None) -> None:
        inside = self._edges[
            (self._edges > start) & (self._edges < start + len(column))
        ]
        cuts = [0, *(inside - start).tolist(), len(column)]
        for a, b in pairwise(cuts):
            labels = column[a:b]
            found = _count_labels(labels if missing is None else labels[~missing[a:b]])
            self._segment = _add_counts(self._segment, found)
            if start + b in self._edges:
                self._end_segment()

    def _end_segment(self) -> None:
        _, counts = self._segment
        if len(counts):
            squares = (counts.astype(np.float64) ** 2).sum()
            self._squares += float(squares / counts.sum())
            self._n_used += 1
        total = None if self.values is None else (self.values, self.counts)
        self.values, self.counts = _add_counts(total, self._segment)
        self._segment = None

    @property
    def sortedness(self) -> float:
        """Share of the labels' variance that lies between segments.

        0 is what random order gives on average (the share is adjusted as R2 is), and 1
        is one label in each segment.
        """
        n_rows, segments = int(self.counts.sum()), self._n_used
        if segments < 2 or n_rows <= segments:
            return 0.0
        shares = self.counts / n_rows
        total = n_rows * (1 - (shares**2).sum())
        if total <= 0:
            return 0.0
        within = n_rows - self._squares
        share = 1 - (within / (n_rows - segments)) / (total / (n_rows - 1))
        return float(np.clip(share, 0, 1))


def _count_labels(column):
    """Return the sorted labels and how often each occurs."""
    if len(column) and np.can_cast(column.dtype, np.int64):
        # Small numbers are counted several times as fast as they are sorted.
        low, high = int(column.min()), int(column.max())
        if high - low < len(column):
            counts = np.bincount(column.astype(np.int64) - low)
            labels = np.flatnonzero(counts)
            return (labels + low).astype(column.dtype), counts[labels]
    return _find_unique(column, return_counts=True)


def _find_unique(labels, **options):
    try:
        return np.unique(labels, **options)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in labels})
        raise TypeError(
            f"y mixes labels of the types {', '.join(kinds)}, which have no order. "
            "Use one type, for example y.astype(str)."
        ) from error


def _add_counts(total, found):
    """Return labels and their counts of both."""
    if total is None:
        return found
    if np.array_equal(total[0], found[0]):
        return total[0], total[1] + found[1]
    labels = np.concatenate([total[0], found[0]])
    values, places = _find_unique(labels, return_inverse=True)
    counts = np.bincount(places, np.concatenate([total[1], found[1]]))
    return values, counts.astype(np.int64)


def is_multilabel(y) -> bool:
    """Whether the first rows of y look like a multilabel indicator."""
    _, piece = next(_iter_pieces(y))
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
    for start, piece in _iter_finite_pieces(y):
        for j, column in enumerate(_columns(piece)):
            strange = ~np.isin(column, np.asarray(known[j]))
            if strange.any():
                row, i = _name_first(y, start, strange), int(np.argmax(strange))
                where = f"column {j} of {name}" if y.ndim > 1 else name
                raise ValueError(
                    f"{where} contains the label {_plain(column[i])} (first in row "
                    f"{row:,}), which is not in {_describe(known[j])}."
                )


def _name_first(source, start: int, bad) -> int:
    """Return the number that the user knows the first bad row by."""
    return int(source.name_rows(start + np.flatnonzero(bad)).min())


def _describe(classes) -> str:
    labels = np.asarray(classes).tolist()
    return f"the {len(labels):,} classes" if len(labels) > 20 else f"classes={labels}"


def _list(labels: np.ndarray) -> str:
    shown = ", ".join(map(repr, labels[:_LISTED].tolist()))
    return shown if len(labels) <= _LISTED else f"{shown}, ... ({len(labels):,})"


def check_has_weight(weights) -> None:
    """Raise if no row weighs anything."""
    if not any(np.any(piece) for _, piece in _iter_pieces(weights)):
        raise ValueError("Sample weights must contain at least one non-zero number.")


def _check_discrete(piece) -> None:
    """Raise as scikit-learn does where numbers cannot be class labels."""
    if piece.dtype.kind == "f" and np.any(piece != np.floor(piece)):
        check_classification_targets(piece)


def _columns(piece):
    return piece.T if piece.ndim > 1 else [piece]


def _plain(label):
    """Return a NumPy scalar as the Python value that a person would type."""
    return repr(label.item() if isinstance(label, np.generic) else label)


def _iter_pieces(source):
    step = max(1, _PIECE_NBYTES // max(1, source.row_nbytes))
    for start in range(0, source.n_rows, step):
        yield start, source.read(start, min(start + step, source.n_rows))
