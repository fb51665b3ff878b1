"""Pickles an estimator in the middle of its training, so that it goes on as before.

Pickle alone makes a copy of each array. Where one is a view of another (the centers in
a Birch, and the array in which it has room for more), what is written to one of them
would no longer be seen in the other.
"""

import copyreg
import pickle
import random
from types import CellType, FunctionType, ModuleType
from typing import Any, BinaryIO

import numpy as np
from joblib.externals.loky.backend.reduction import dumps
from sklearn.utils import check_random_state

from skmmap.run.birch_tree import find_birch_reducers
from skmmap.run.callbacks import without_callbacks
from skmmap.run.closures import (
    has_name,
    is_of_module,
    reduce_cell,
    reduce_function,
    reduce_module,
)
from skmmap.run.packing import reduce_array


def dump_state(state, file: BinaryIO) -> None:
    """Write an object to a file; functions without a name by their code."""
    _Pickler(file).dump(state)


def load_state(file: BinaryIO) -> Any:
    """Return what `dump_state` wrote, which can run any code."""
    return pickle.load(file)


_PLAIN = type(None), bytes, bytearray


class _Pickler(pickle.Pickler):
    """Pickle, for states of estimators.

    Classes are stored by their names, those of a script too: it is the same script that
    goes on. Callbacks are those of the process.
    """

    proto = pickle.HIGHEST_PROTOCOL

    def __init__(self, file: BinaryIO):
        super().__init__(file, self.proto)
        reducers = {np.ndarray: _reduce} | _REDUCERS | find_birch_reducers()
        self.dispatch_table = copyreg.dispatch_table | reducers

    def reducer_override(self, obj):
        if isinstance(obj, FunctionType) and not has_name(obj):
            if is_of_module(obj):
                return reduce_function(obj)
            return pickle.loads, (bytes(dumps(obj)),)
        bare = obj if isinstance(obj, type) else without_callbacks(obj)
        return NotImplemented if bare is obj else bare.__reduce_ex__(self.proto)


def _find_shared(name: str) -> Any:
    """Return the generator that NumPy's or Python's functions draw from."""
    return check_random_state(None) if name == "numpy" else random.random.__self__


def _reduce_numpy_generator(generator: np.random.RandomState) -> tuple:
    # A copy would go on beside the one that all other code draws from.
    if generator is _find_shared("numpy"):
        return _find_shared, ("numpy",)
    return generator.__reduce__()


def _reduce_python_generator(generator: random.Random) -> tuple:
    if generator is _find_shared("python"):
        return _find_shared, ("python",)
    return generator.__reduce__()


_REDUCERS = {
    np.random.RandomState: _reduce_numpy_generator,
    random.Random: _reduce_python_generator,
    CellType: reduce_cell,
    ModuleType: reduce_module,
}


def _reduce(array: np.ndarray) -> tuple:
    root = _find_root(array)
    if root is array or array.dtype.hasobject or root.dtype.hasobject:
        return reduce_array(array)
    offset = _find_address(array) - _find_address(root)
    return _view, (root, offset, array.shape, array.dtype, array.strides)


def _find_root(array: np.ndarray) -> np.ndarray:
    """Return the array that has the memory of ``array``, if no file or reader has it.

    Arrays that come from a pickle have theirs from a bytearray.
    """
    root = array
    while type(root.base) is np.ndarray:
        root = root.base
    owner = root.base.obj if isinstance(root.base, memoryview) else root.base
    is_plain = type(owner) in _PLAIN and root.flags.forc
    return root if is_plain and root.nbytes else array


def _find_address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _view(root: np.ndarray, offset: int, shape, dtype, strides) -> np.ndarray:
    memory = root if root.flags.c_contiguous else root.T
    return np.ndarray(shape, dtype, memory, offset, strides)
