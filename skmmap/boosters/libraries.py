"""Imports a library of boosted trees when it is needed."""

import importlib
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
