"""Pickles functions without a name as part of what holds them.

cloudpickle copies what a function is bound to, so that one that uses its owner
(``self.step = lambda X: X @ self.w``) would go on with a copy that nobody trains, and
two functions that count in the same variable with one each. Here the function, its
variables and their values are in the pickle that the function is in. Its globals are
those of its module, which is the same script when a run is continued.
"""

import importlib
import marshal
import sys
from types import CellType, FunctionType, ModuleType

_KEPT = "__defaults__", "__kwdefaults__", "__qualname__", "__doc__"


def has_name(function: FunctionType) -> bool:
    """Whether the function is found by its name."""
    found = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is function


def is_of_module(function: FunctionType) -> bool:
    """Whether its globals are those of a module, which another process has too."""
    module = sys.modules.get(function.__module__)
    return module is not None and vars(module) is function.__globals__


def reduce_function(function: FunctionType) -> tuple:
    """Reduce to empty variables; their values may lead back to the function."""
    cells = function.__closure__
    args = marshal.dumps(function.__code__), function.__module__, cells
    values = [_find_values(cell) for cell in cells or ()]
    state = {name: getattr(function, name) for name in _KEPT}
    return _make, args, (state, vars(function), values), None, None, _put


def _find_values(cell: CellType) -> list:
    try:
        return [cell.cell_contents]
    except ValueError:  # nothing has been assigned yet
        return []


def reduce_cell(cell: CellType) -> tuple:
    """Reduce a variable to an empty one, which its function fills."""
    return _make_cell, ()


def _make_cell() -> CellType:
    return CellType()


def reduce_module(module: ModuleType) -> tuple:
    return importlib.import_module, (module.__name__,)


def _make(code: bytes, module: str, cells: tuple | None) -> FunctionType:
    found = importlib.import_module(module)
    return FunctionType(marshal.loads(code), vars(found), closure=cells)


def _put(function: FunctionType, state: tuple) -> None:
    attributes, own, values = state
    for name, value in attributes.items():
        setattr(function, name, value)
    vars(function).update(own)
    for cell, found in zip(function.__closure__ or (), values, strict=True):
        for value in found:
            cell.cell_contents = value
