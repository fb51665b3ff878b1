"""Pickles what is sent to worker processes."""

import ctypes
import pickle
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import joblib
import numpy as np
from joblib.externals.loky.backend.reduction import dumps, register


def pack_with_code(obj) -> Any:
    """Return ``obj`` so that it pickles functions by their code instead of their name.

    The pickle module stores names, which fails for lambdas and nested functions.
    """
    return joblib.wrap_non_picklable_objects(obj, keep_wrapper=False)


class WithCode(dict):
    """A dict that pickles functions by their code.

    Worker processes of joblib on this machine also get ``others``, if these can be
    pickled. A deep copy in this process has the same values.
    """

    def __init__(self, values: Mapping, others: Mapping):
        super().__init__(values)
        self._others = others

    def __deepcopy__(self, memo: dict) -> "WithCode":
        return self

    def __reduce__(self) -> tuple:
        # Without values a file needs no function of skmmap's to be loaded.
        return (_load, ([_dump_with_code(dict(self))],)) if self else (dict, ())


def _reduce_for_workers(values: WithCode) -> tuple:
    data = [_dump_with_code(dict(values))]
    for name in values._others.keys() - values.keys():
        # One that cannot be pickled must not stop work that may not need it.
        with suppress(Exception):
            data.append(_dump_with_code({name: values._others[name]}))
    return _load, (data,)


register(WithCode, _reduce_for_workers)


def _dump_with_code(obj) -> bytes:
    return pickle.dumps(pack_with_code(obj))


def _load(data: list[bytes]) -> dict:
    return {k: v for each in data for k, v in pickle.loads(each).items()}


def pack_work(work: Callable) -> bytes:
    """Return the pickled work; an error names an alternative."""
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

    joblib would write large arrays to a folder and map them, but not bytes.
    """
    return bytes(dumps(work, reducers={np.ndarray: reduce_array}))


def reduce_array(array: np.ndarray) -> tuple:
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
