"""Scalers that learn in the pass of the imputer before them.

A scaler skips missing values. What they become is one value a column, known after the
pass: to add it as often as values are missing gives what the scaler would learn from
imputed rows. How moments add up is in `estimators.sums`.
"""

import numpy as np
from sklearn.base import clone

from skmmap.estimators import add_up
from skmmap.rows import Rows, find_source
from skmmap.wrap import is_one_of


def can_fuse(imputer, scaler, rows: Rows) -> bool:
    """Whether a scaler behind an imputer can learn from the rows before it."""
    store = find_source(rows).store
    is_imputer = is_one_of(imputer, "SimpleImputer")
    if not is_imputer or store.is_sparse or len(store.shape) != 2:
        return False
    if imputer.add_indicator or not _is_nan(imputer.missing_values):
        return False
    if _is_nan(imputer.fill_value):
        return False  # what is missing stays so
    if store.dtype == object and imputer.strategy not in ("mean", "median"):
        return False  # None is not NaN, and stays
    if type(scaler).__name__ == "StandardScaler":
        return is_one_of(scaler, "StandardScaler")
    # What is put in lies between the others, so that no extreme changes.
    is_between = imputer.strategy in ("mean", "median", "most_frequent")
    return is_between and is_one_of(scaler, "MinMaxScaler", "MaxAbsScaler")


def _is_nan(value) -> bool:
    return isinstance(value, float | np.floating) and value != value


def complete(scaler, imputer, n_rows: int):
    """Return the scaler as if it had learned what the imputer makes of its rows."""
    fill = imputer.statistics_.astype(np.float64)
    is_kept = ~np.isnan(fill)  # others are left out, or zero
    if is_kept.all() or not imputer.keep_empty_features:
        scaler = _keep_columns(scaler, is_kept)
        fill = fill[is_kept]
    vars(scaler).pop("feature_names_in_", None)  # of the rows before the imputer
    filled = clone(scaler)
    if hasattr(scaler, "var_"):
        n_missing = n_rows - np.asarray(scaler.n_samples_seen_)
        filled.n_samples_seen_ = n_missing
        filled.mean_, filled.var_ = fill, np.zeros(len(fill))
    else:
        filled.n_samples_seen_ = 0
        fill = fill.astype(scaler.scale_.dtype)
        filled.data_min_ = filled.data_max_ = fill
        filled.max_abs_ = np.abs(fill)
    return add_up(scaler, filled)


def _keep_columns(scaler, is_kept: np.ndarray):
    """Return the scaler of some of its columns."""
    if is_kept.all():
        return scaler
    for name, value in vars(scaler).items():
        if isinstance(value, np.ndarray) and value.shape == is_kept.shape:
            setattr(scaler, name, value[is_kept])
    scaler.n_features_in_ = int(is_kept.sum())
    return scaler
