"""Rows as floats, checked as ``fit`` does."""

import numpy as np
from sklearn.utils import check_array

_FLOATS = np.float64, np.float32, np.float16


def check_floats(X, transformer, **checks):
    """Return rows as floats, dense or CSR; raise for what ``fit`` refuses in them."""
    usual = {
        "dtype": _FLOATS,
        "accept_sparse": "csr",
        "ensure_all_finite": "allow-nan",
        "input_name": "X",
    }
    return check_array(X, estimator=transformer, **(usual | checks))
