"""Opens y and weights as sources of arrays."""

import numpy as np
from sklearn.exceptions import DataConversionWarning

from skmmap._messages import warn
from skmmap.formats import open_source
from skmmap.read.values import check_filled
from skmmap.rows import ArrayStore, FrameStore, Source, holds_frames, is_series

_LISTED = 10  # columns


def open_target(y, *, single_output: bool):
    """Return y as a source of arrays, None for None; a column becomes 1-D."""
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
    """Return y as a source for a third-party estimator, None for None.

    A series or frame stays one: an array has neither its NA nor its data types. Other
    objects become an array if that keeps their values: NumPy would turn NaN among text
    labels into text, and has no rows of different lengths.
    """
    if y is None:
        return None
    if is_series(y) and hasattr(y, "shape"):  # or else it is refused
        return Source(FrameStore(y))
    source = open_source(y, "y")
    _refuse_table(source, "y")
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
    _refuse_table(source, name)
    if source.store.has_missing_strings:
        check_filled(source.mark_missing(), name)
    if source.store.is_sparse:
        return source.to_dense()
    return source if source.store.is_array else Source(ArrayStore(np.asarray(value)))


def _refuse_table(source: Source, name: str) -> None:
    """Raise for the rows of a table in a file, of which one column is meant."""
    store = source.store
    if store.on_disk and holds_frames(store):
        columns = list(store.names or ())
        listed = ", ".join(map(repr, columns[:_LISTED]))
        more = f" and {len(columns) - _LISTED:,} more" if columns[_LISTED:] else ""
        one = repr(columns[-1]) if columns else "..."
        raise TypeError(
            f"{name} is data frames of {store.where}, with the columns {listed}{more}, "
            f"and must be one column. Choose it: open_rows(path, columns={one})."
        )
