"""Train and apply scikit-learn estimators on arrays that stay on disk."""

from importlib import import_module
from typing import TYPE_CHECKING

from skmmap._chunked_fit import ChunkedFit
from skmmap._version import __version__
from skmmap.checkpoints import Checkpoint
from skmmap.estimators import merge, register
from skmmap.formats import open_rows
from skmmap.rows import Rows

__all__ = [
    "Checkpoint",
    "ChunkedFit",
    "ChunkedSearchCV",
    "LearningHistoryDisplay",
    "NpyWriter",
    "Rows",
    "__version__",
    "convert",
    "merge",
    "open_rows",
    "register",
    "save_rows",
]

if TYPE_CHECKING:
    from skmmap._chunked_search import ChunkedSearchCV
    from skmmap._history_display import LearningHistoryDisplay
    from skmmap.write import NpyWriter, convert, save_rows
else:
    # These are imported when they are used, as training and predictions need none of
    # them. Type checkers would believe a __getattr__ that every name exists.
    _HOMES = {
        "ChunkedSearchCV": "skmmap._chunked_search",
        "LearningHistoryDisplay": "skmmap._history_display",
        "NpyWriter": "skmmap.write",
        "convert": "skmmap.write",
        "save_rows": "skmmap.write",
    }

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found

    def __dir__():
        return sorted({*globals(), *__all__})
