"""Digests of parameters and rows, which are the same in another process."""

import pickle
from operator import itemgetter
from types import CodeType, FunctionType
from typing import Any

from joblib.hashing import NumpyHasher
from sklearn.utils import check_random_state

from skmmap.disk import Identity, find_memmap
from skmmap.rows import ArrayStore
from skmmap.run import without_callbacks

_SHARED = check_random_state(None)


class _Hasher(NumpyHasher):
    """joblib's digest; of functions by their code, and of maps without reading them."""

    def __init__(self):
        super().__init__(hash_name="md5")
        self._inside = set()  # functions, which may be bound in themselves

    def save(self, obj):
        if obj is _SHARED:  # such as in a distribution of SciPy; it always moves on
            obj = "the generator of numpy.random"
        elif isinstance(obj, Identity):  # which is compared by itself
            obj = Identity()
        elif isinstance(obj, ArrayStore) and obj.on_disk:
            obj = _describe_map(obj.rows)
        elif isinstance(obj, FunctionType):
            self._save_function(obj)
            return
        elif isinstance(obj, set | frozenset):
            # joblib knows none that are frozen, and texts are in no order.
            obj = type(obj).__name__, sorted(find_digest(each) for each in obj)
        elif hasattr(obj, "get_params") and not isinstance(obj, type):
            obj = without_callbacks(obj)
        super().save(obj)

    def _batch_setitems(self, items, *args):
        # joblib takes an error of a value for one of keys that cannot be sorted, and
        # goes on with what is left of the values.
        # A store in use has an object that says which it is, of this process alone.
        pairs = [pair for pair in items if type(pair[1]) is not object]
        try:
            pairs.sort(key=itemgetter(0))
        except TypeError:
            pairs.sort(key=lambda pair: find_digest(pair[0]))
        pickle._Pickler._batch_setitems(self, iter(pairs), *args)

    def _save_function(self, function: FunctionType) -> None:
        if function in self._inside:
            super().save(function.__qualname__)
            return
        self._inside.add(function)
        super().save(_describe_function(function))
        self._inside.remove(function)


def _describe_map(rows) -> tuple:
    """Return where in a file the rows are."""
    whole = find_memmap(rows)
    if whole is None or getattr(whole, "filename", None) is None:
        raise ValueError("the file of this map has no name")
    if whole.mode == "c":
        raise ValueError("what is written to a map of mode 'c' is not in its file")
    start = _find_address(rows) - _find_address(whole) + getattr(whole, "offset", 0)
    return str(whole.filename), start, rows.strides, rows.shape, rows.dtype


def _find_address(array) -> int:
    return array.__array_interface__["data"][0]


def _describe_function(function: FunctionType) -> tuple:
    bound = [cell.cell_contents for cell in function.__closure__ or ()]
    code = _describe_code(function.__code__)
    return function.__qualname__, code, function.__defaults__, bound


def _describe_code(code: CodeType) -> tuple:
    consts = [
        _describe_code(c) if isinstance(c, CodeType) else c for c in code.co_consts
    ]
    return code.co_code, consts, code.co_names


def find_digest(value: Any) -> str:
    """Return a digest of a value; any error may come from its pickling code."""
    return _Hasher().hash(value)
