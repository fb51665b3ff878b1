"""Imports a library of boosted trees when it is needed, and its base classes."""

import importlib
from functools import lru_cache
from types import ModuleType


def import_booster(name: str, asked: str) -> ModuleType:
    """Return the library, or say how to install it; ``asked`` is what needs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{asked} needs {name}, which is not installed: "
            f"pip install 'skmmap[{name}]'."
        ) from error


@lru_cache
def join_classes(own: type, base: type) -> type:
    """Return a class of ours that is one of a library, too, which is imported by now.

    ``own`` comes first: its methods are those that the library calls.
    """
    return type(own.__name__, (own, base), {"__doc__": own.__doc__})
