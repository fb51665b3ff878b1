"""Pickles what is sent to worker processes."""

import ctypes
import pickle
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
from joblib.externals.loky.backend.reduction import dumps


def pack_with_code(obj) -> Any:
    """Return what pickles to ``obj``, with the code of functions that are in no module.

    A plain pickle refuses lambdas and functions of functions.
    """
    return joblib.wrap_non_picklable_objects(obj, keep_wrapper=False)


def pack_work(work: Callable) -> bytes:
    """Return the pickled work, or say how to do without."""
    try:
        return _dump(work)
    except Exception as error:
        name = type(work.estimator).__name__
        error.add_note(
            f"while sending {name} to worker processes. Where it cannot be pickled, "
            "use n_jobs=1, or threads: with joblib.parallel_config('threading')."
        )
        raise


def _dump(work: Callable) -> bytes:
    """Pickle as joblib does, except for arrays in neither C nor Fortran order.

    joblib would write large arrays to a folder and map them; it does not for bytes.
    """
    return bytes(dumps(work, reducers={np.ndarray: _reduce_array}))


def _reduce_array(array: np.ndarray) -> tuple:
    """Keep the strides: rounding in BLAS depends on the memory layout."""
    if array.dtype.hasobject or array.flags.forc:
        return array.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    low, high = np.lib.array_utils.byte_bounds(array)
    offset = array.__array_interface__["data"][0] - low
    data = ctypes.string_at(low, high - low)
    return _lay_out, (data, array.shape, array.dtype, offset, array.strides)


def _lay_out(data: bytes, *layout) -> np.ndarray:
    shape, dtype, offset, strides = layout
    return np.ndarray(shape, dtype, bytearray(data), offset, strides)
