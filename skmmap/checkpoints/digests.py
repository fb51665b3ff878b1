"""Digests of parameters and rows, which are the same in another process."""

from types import CodeType, FunctionType
from typing import Any

from joblib.hashing import NumpyHasher

from skmmap.disk import Identity, find_memmap
from skmmap.rows import ArrayStore


class _Hasher(NumpyHasher):
    """joblib's digest; of functions by their code, and of maps without reading them."""

    def save(self, obj):
        if isinstance(obj, Identity):  # which is compared by itself
            obj = Identity()
        elif isinstance(obj, ArrayStore) and obj.on_disk:
            obj = _describe_map(obj.rows)
        elif isinstance(obj, FunctionType):
            obj = _describe_function(obj)
        super().save(obj)


def _describe_map(rows) -> tuple:
    """Return where in a file the rows are."""
    whole = find_memmap(rows)
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
    """Return a digest of a value, "" where it cannot be pickled."""
    try:
        return _Hasher(hash_name="md5").hash(value)
    except Exception:  # any type, from pickling code of a third party
        return ""
