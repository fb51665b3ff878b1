"""One bounded scan of y before training: is it usable, and which classes are in it."""

from functools import partial

import numpy as np
from scipy import sparse
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skmmap._messages import warn
from skmmap._open import open_source
from skmmap._source import Source
from skmmap._stores import ArrayStore

# The scan holds this much of y at a time.
_PIECE_NBYTES = 2**23


def open_target(y, *, single_output: bool):
    """Return y as a source, None for None; a column becomes one-dimensional."""
    if y is None:
        return None
    if sparse.issparse(y):
        raise TypeError(
            "y is a sparse matrix, and partial_fit takes dense targets; pass "
            "y.toarray()."
        )
    source = open_array(y, "y")
    if single_output and source.ndim == 2 and source.shape[1] == 1:
        warn(
            "A column-vector y was passed when a 1d array was expected. Please "
            "change the shape of y to (n_samples,), for example using ravel().",
            DataConversionWarning,
        )
        source = source.ravel()
    return source


def open_array(value, name: str) -> Source:
    """Return ``value`` as a source whose chunks are arrays."""
    source = open_source(value, name)
    return source if source.store.is_array else Source(ArrayStore(np.asarray(value)))


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
                numbers = np.where(_is_missing(piece), np.nan, 0.0)
            assert_all_finite(numbers, input_name=name)
        except ValueError as error:
            bad = ~np.isfinite(numbers.reshape(len(numbers), -1)).all(axis=1)
            row = _name_first(source, start, bad)
            error.add_note(f"The first is in row {row:,} of {name}.")
            raise
        yield start, piece


@partial(np.vectorize, otypes=[bool])
def _is_missing(value) -> bool:
    """Whether an object is None, NaN or a pandas NA."""
    try:
        return value is None or bool(value != value)
    except TypeError:
        return True


def find_classes(y, *, per_column: bool):
    """Return the sorted labels of y; a list with those of each column if 2-D.

    A multilabel indicator has its column numbers as labels, unless
    ``per_column``: then each column is a target with classes of its own.
    """
    if y.ndim > 1 and not per_column and is_multilabel(y):
        return np.arange(y.shape[1])
    columns = None
    for _, piece in _iter_finite_pieces(y):
        _check_discrete(piece)
        found = [_find_labels(column) for column in _columns(piece)]
        columns = [
            _find_labels(np.concatenate(both))
            for both in zip(columns or found, found, strict=True)
        ]
    return columns if y.ndim > 1 else columns[0]


def is_multilabel(y) -> bool:
    """Whether the first rows of y look like a multilabel indicator."""
    _, piece = next(_iter_pieces(y))
    return type_of_target(piece, input_name="y") == "multilabel-indicator"


def check_labels(y, classes) -> None:
    """Raise for the first label of y that is not in ``classes``."""
    if not isinstance(classes, list | tuple) and np.ndim(classes) == 0:
        raise TypeError(
            "classes must be an array or a list of labels; got "
            f"{type(classes).__name__}."
        )
    known = classes if y.ndim > 1 else [classes]
    if y.ndim > 1 and len(known) != y.shape[1]:
        raise ValueError(
            f"classes has {len(known):,} entries and y has {y.shape[1]:,} columns; "
            "give a list with the labels of each column."
        )
    for start, piece in _iter_finite_pieces(y):
        for j, column in enumerate(_columns(piece)):
            strange = ~np.isin(column, np.asarray(known[j]))
            if strange.any():
                row, i = _name_first(y, start, strange), int(np.argmax(strange))
                where = f"column {j} of y" if y.ndim > 1 else "y"
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


def check_has_weight(weights) -> None:
    """Raise if no row weighs anything."""
    if not any(np.any(piece) for _, piece in _iter_pieces(weights)):
        raise ValueError("Sample weights must contain at least one non-zero number.")


def _check_discrete(piece) -> None:
    """Raise as scikit-learn does where numbers cannot be class labels."""
    if piece.dtype.kind == "f" and np.any(piece != np.floor(piece)):
        check_classification_targets(piece)


def _find_labels(column):
    try:
        return np.unique(column)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in column})
        raise TypeError(
            f"y mixes labels of the types {', '.join(kinds)}, which have no order. "
            "Use one type, for example y.astype(str)."
        ) from error


def _columns(piece):
    return piece.T if piece.ndim > 1 else [piece]


def _plain(label):
    """Return a NumPy scalar as the Python value that a person would type."""
    return repr(label.item() if isinstance(label, np.generic) else label)


def _iter_pieces(source):
    step = max(1, _PIECE_NBYTES // max(1, source.row_nbytes))
    for start in range(0, source.n_rows, step):
        yield start, source.read(start, min(start + step, source.n_rows))
