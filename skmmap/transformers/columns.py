"""The values of columns, of each kind of rows."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse


def iter_columns(X) -> Iterator[list]:
    """Yield the values of each column, as they are in lists."""
    if sparse.issparse(X):
        return  # which its fit refuses
    if isinstance(X, list):
        yield from map(list, zip(*X, strict=True))
    elif hasattr(X, "iloc"):
        yield from (X.iloc[:, j].tolist() for j in range(X.shape[1]))
    elif hasattr(X, "iter_columns"):  # polars
        yield from (column.to_list() for column in X.iter_columns())
    else:
        yield from np.asarray(X).T.tolist()
