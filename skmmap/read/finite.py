"""Looks once for values that are not finite, in chunks that several estimators get."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext

import numpy as np
from sklearn import config_context

from skmmap.read.chunk import Chunk
from skmmap.wrap import is_sklearns


def look_once(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Yield chunks that say whether all of their values are known to be finite."""
    with closing(chunks):
        for chunk in chunks:
            yield chunk._replace(is_finite=_is_finite(chunk.X), results={})
            del chunk


def _is_finite(X) -> bool:
    values = getattr(X, "data", None) if hasattr(X, "indptr") else X
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub":
        return False
    if values.dtype.kind != "f":
        return True
    # As scikit-learn does. A sum that is too large is looked at by the estimator.
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.sum(values)))


def assuming_finite(chunk: Chunk, estimator) -> AbstractContextManager:
    """Return the context in which an estimator need not look for itself."""
    if chunk.is_finite and is_sklearns(estimator):
        return config_context(assume_finite=True)
    return nullcontext()
