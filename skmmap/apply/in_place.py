"""Transformers that compute in the array of the result, to which rows are copied first.

Otherwise each chunk is copied by the estimator, which changes the copy, and then to its
place in the result: the rows go through memory once more than in a call on all rows.
"""

from copy import copy

import numpy as np
from sklearn import get_config

from skmmap.apply.inference import Work
from skmmap.disk import RESULT, allocate
from skmmap.wrap import is_one_of, is_sklearn_class

# With copy=False their transform changes rows of these types in place.
_SCALERS = "MaxAbsScaler", "MinMaxScaler", "RobustScaler", "StandardScaler"
_TYPES = np.dtype("f4"), np.dtype("f8")


def find_place(work: Work) -> np.ndarray | None:
    """Return the array of the result if the work can be done there, and prepare it."""
    if not _can_be_in_place(work):
        return None
    X = work.table.X
    work.place = allocate(X.shape, X.dtype, RESULT)
    work.estimator = copy(work.estimator)
    work.estimator.copy = False
    return work.place


def _can_be_in_place(work: Work) -> bool:
    estimator, X = work.estimator, work.table.X
    is_scaler = is_sklearn_class(type(estimator)) and is_one_of(estimator, *_SCALERS)
    if not is_scaler or work.method != "transform" or work.table.whole:
        return False
    own = vars(estimator).get("_sklearn_output_config", {}).get("transform")
    is_array = (own or get_config()["transform_output"]) == "default"
    is_plain = X.store.is_array and X.ndim == 2 and X.dtype in _TYPES
    return is_array and is_plain and X.order is None
