"""Keys of values and functions, which are equal only for what does the same."""

from functools import partial
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

_SIMPLE = bool, int, str, bytes, type(None), np.generic, np.dtype
_NAMED = type, FunctionType, BuiltinFunctionType, np.ufunc
_OUTPUT = "_sklearn_output_config"


class Same:
    """Is equal for the same object alone, which it keeps alive."""

    def __init__(self, value: Any):
        self._value = value

    def __hash__(self) -> int:
        return id(self._value)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Same) and other._value is self._value


def find_value_key(value: Any) -> Any:
    """Return what is equal for equal values, and can be hashed.

    Estimators are compared by their parameters, functions and all that is not known
    here are equal to themselves alone.

    >>> find_value_key([1, 2.0]) == find_value_key([1, 2.0])
    True
    >>> find_value_key([1]) == find_value_key([True]) or find_value_key(object()) == 1
    False
    """
    if isinstance(value, float):  # NaN is not equal to itself
        return type(value), repr(value)
    if isinstance(value, _SIMPLE):
        return type(value), value
    if isinstance(value, _NAMED):
        return value
    if isinstance(value, list | tuple):
        return type(value), tuple(map(find_value_key, value))
    if isinstance(value, slice):
        return slice, find_value_key((value.start, value.stop, value.step))
    if isinstance(value, dict):
        items = [(find_value_key(k), find_value_key(v)) for k, v in value.items()]
        return dict, tuple(items)
    if type(value) is np.ndarray and not value.dtype.hasobject:
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, partial):
        return partial, find_value_key((value.func, value.args, value.keywords))
    return _find_estimator_key(value)


def _find_estimator_key(value: Any) -> Any:
    # What is not cloned by its parameters, as FrozenEstimator, has learned something.
    own = getattr(type(value), "__sklearn_clone__", None)
    if not hasattr(value, "get_params") or not _is_default(own):
        return Same(value)
    params = find_value_key(value.get_params(deep=False))
    return type(value), params, find_value_key(vars(value).get(_OUTPUT))


def _is_default(clone: Any) -> bool:
    """Whether an estimator is cloned as scikit-learn clones all that say nothing."""
    return clone is None or clone.__qualname__ == "BaseEstimator.__sklearn_clone__"


def find_function_key(function: Any) -> Any:
    """Return the key of a function of rows: its own, if it has one."""
    if (key := getattr(function, "shared_key", None)) is not None:
        return key
    try:
        hash(function)
    except TypeError:
        return Same(function)
    return function
