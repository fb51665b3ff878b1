"""Whether a list is shards, which are sources each, or rows."""

import os

import numpy as np

from skmmap.disk import find_memmap, is_path
from skmmap.formats.adapters import is_container, names_rows
from skmmap.rows import ListStore, Rows, Store


def is_shards(value, *, is_text: bool) -> bool:
    """Whether ``value`` is a list of sources, rather than of rows.

    Paths, maps, `Rows` and containers are sources. Texts are paths if all of them name
    files of rows: lists of labels and of sentences are lists of texts too. Without
    ``is_text``, a text can only be a path.
    """
    if not isinstance(value, list | tuple) or not len(value):
        return False
    if isinstance(value[0], str | bytes):  # NumPy's own texts, too
        return not is_text or all(map(_names_rows, value))
    if isinstance(value[0], _NEVER):
        return False  # without a look at each of a million labels
    texts = () if is_text else (str, bytes)
    return any(isinstance(item, texts) or _is_source(item) for item in value)


_NEVER = int, float, complex, dict, list, tuple, np.generic


def _names_rows(item) -> bool:
    return is_path(item) and (isinstance(item, os.PathLike) or names_rows(item))


def _is_source(item) -> bool:
    if isinstance(item, np.ndarray):  # first: there can be a million of them
        return isinstance(item, np.memmap) and not _is_row(item)
    return isinstance(item, os.PathLike | Rows) or is_container(item)


def _is_row(item: np.memmap) -> bool:
    """Whether this is one row of a map, as in ``list(memmap)``."""
    return item.ndim > 0 and item.shape == find_memmap(item).shape[1:]


def check_rows(store: Store, name: str) -> None:
    """Raise for a list of matrices, as scikit-learn does: it is no list of shards.

    Pairs of texts and numbers, as in ``FeatureHasher``, are no matrices.
    """
    if isinstance(store, ListStore) and len(store.shape) > 2 and not _is_text(store):
        dims, kind = len(store.shape), type(store.rows[0]).__name__
        raise ValueError(
            f"Found array with dim {dims}, while dim <= 2 is required: {name} is a "
            f"list of {kind} of {dims - 1} dimensions. Join them: np.concatenate("
            f"{name}) where each is many rows, np.stack({name}) where each is one. Of "
            "paths, maps and Rows, a list is shards."
        )


def _is_text(store: ListStore) -> bool:
    return store.dtype.kind in "US"
