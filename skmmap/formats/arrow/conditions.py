"""Conditions on columns: their form, and values in the types of the columns.

pyarrow compares an integer and a float as float32, and refuses integers above 2**24 in
the column then; of unsigned ones it refuses what int64 cannot hold.
"""

import sys
from collections.abc import Iterable
from math import ceil, floor, isfinite
from numbers import Integral

import numpy as np

OPERATORS = "=", "==", "!=", "<", "<=", ">", ">=", "in", "not in"
_INTEGERS = {f"{u}int{bits}": bits for u in ("", "u") for bits in (8, 16, 32, 64)}
_FLOATS = "halffloat", "float", "double"


def list_alternatives(given) -> list[list[tuple]]:
    """Return lists of conditions, all of one of which must hold, or raise."""
    if isinstance(given, tuple) and given and isinstance(given[0], str):
        raise ValueError(
            f"filters must be a list of conditions; got {given!r}. Give [{given!r}]."
        )
    if not isinstance(given, list | tuple):
        _refuse(given, "it is no list")
    if not given:
        _refuse(given, "it has no conditions")
    is_single = _begins_with_name(given[0])
    return [_list_conditions(each, given) for each in ([given] if is_single else given)]


def _begins_with_name(value) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], str)


def _list_conditions(conditions, given) -> list[tuple]:
    if not isinstance(conditions, list | tuple) or not conditions:
        _refuse(given, f"{conditions!r} has no conditions")
    return [_check_condition(condition, given) for condition in conditions]


def _check_condition(condition, given) -> tuple:
    """Return a condition, with a list of values for what needs such."""
    if not _begins_with_name(condition) or len(condition) != 3:
        _refuse(given, f"{condition!r} is no condition")
    name, operator, value = condition
    if operator not in OPERATORS:
        _refuse(given, f"operators are {', '.join(OPERATORS)}, and not {operator!r}")
    if operator not in ("in", "not in"):
        return name, operator, value
    # pyarrow would take the letters of a text for the values.
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ValueError(
            f"filters={given!r}: {operator!r} needs a list of values; got {value!r}. "
            f"Give ({name!r}, {operator!r}, [{value!r}])."
        )
    return name, operator, list(value)


def _refuse(given, reason: str) -> None:
    raise ValueError(
        "filters must be a list of (column, operator, value), or a list of such lists; "
        f"got {given!r}: {reason}."
    )


def fit_condition(condition: tuple, type_) -> tuple:
    """Return a condition that is as true, with values in the type of a column."""
    name, operator, value = condition
    if (bits := _INTEGERS.get(str(type_))) is None:
        return condition
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if str(type_).startswith("u"):
        low, high = 0, 2**bits - 1
    arrow = sys.modules["pyarrow"]
    if operator in ("in", "not in"):
        if not all(each is None or _is_number(each) for each in value):
            return condition
        known = [e if e is None else int(e) for e in value if _is_in(e, low, high)]
        return name, operator, arrow.array(known, type_)
    if not _is_number(value):
        return condition
    operator, value = _bound(operator, _to_exact(value), low, high)
    return name, operator, arrow.scalar(value, type_)


def _is_number(value) -> bool:
    is_bool = isinstance(value, bool)
    return isinstance(value, Integral | float | np.floating) and not is_bool


def _to_exact(value) -> int | float:
    """Return a number of Python: floor makes floats of NumPy's integers."""
    return int(value) if isinstance(value, Integral) else float(value)


def _is_in(value, low: int, high: int) -> bool:
    """Whether it is missing, or one of the integers of a type."""
    if value is None:
        return True
    value = _to_exact(value)
    return isfinite(value) and value == floor(value) and low <= value <= high


def _bound(operator: str, value, low: int, high: int) -> tuple[str, int]:
    """Return a comparison with an integer of the type that is as true for these."""
    every, none = ("<=", high), (">", high)
    if operator in ("=", "==", "!="):
        otherwise = every if operator == "!=" else none
        return (operator, int(value)) if _is_in(value, low, high) else otherwise
    if value != value:
        return none
    value = min(max(value, low - 1), high + 1)
    if operator.startswith("<"):
        last = ceil(value) - 1 if operator == "<" else floor(value)
        return ("<=", last) if low <= last <= high else (none if last < low else every)
    first = floor(value) + 1 if operator == ">" else ceil(value)
    return (">=", first) if low <= first <= high else (none if first > high else every)


def may_ask_statistics(condition: tuple, type_) -> bool:
    """Whether the least and the greatest value tell if a condition can hold.

    They leave out NaN, which these operators find, and tell -0.0 from 0.0:
    https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
    """
    return str(type_) not in _FLOATS or condition[1] not in ("!=", "in", "not in")
