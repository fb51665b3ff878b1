"""Train and apply scikit-learn estimators on arrays that stay on disk."""

from importlib import import_module
from typing import TYPE_CHECKING

from skmmap._chunked_fit import ChunkedFit
from skmmap._version import __version__
from skmmap.checkpoints import Checkpoint
from skmmap.estimators import merge, register
from skmmap.formats import open_rows
from skmmap.order import Order
from skmmap.rows import Rows

__all__ = [
    "Checkpoint",
    "ChunkedFit",
    "ChunkedSearchCV",
    "LearningHistoryDisplay",
    "NpyWriter",
    "Order",
    "Rows",
    "SearchHistoryDisplay",
    "__version__",
    "convert",
    "cross_val_predict",
    "cross_val_score",
    "cross_validate",
    "learning_curve",
    "merge",
    "open_rows",
    "register",
    "save_rows",
    "validation_curve",
]

if TYPE_CHECKING:
    from skmmap._chunked_search import ChunkedSearchCV
    from skmmap._curves import learning_curve, validation_curve
    from skmmap._history_display import LearningHistoryDisplay
    from skmmap._model_selection import (
        cross_val_predict,
        cross_val_score,
        cross_validate,
    )
    from skmmap._search_display import SearchHistoryDisplay
    from skmmap.write import NpyWriter, convert, save_rows
else:
    # These are imported when they are used, as training and predictions need none of
    # them. Type checkers would believe a __getattr__ that every name exists.
    _HOMES = {
        "ChunkedSearchCV": "skmmap._chunked_search",
        "LearningHistoryDisplay": "skmmap._history_display",
        "NpyWriter": "skmmap.write",
        "SearchHistoryDisplay": "skmmap._search_display",
        "convert": "skmmap.write",
        "cross_val_predict": "skmmap._model_selection",
        "cross_val_score": "skmmap._model_selection",
        "cross_validate": "skmmap._model_selection",
        "learning_curve": "skmmap._curves",
        "save_rows": "skmmap.write",
        "validation_curve": "skmmap._curves",
    }

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found

    def __dir__():
        return sorted({*globals(), *__all__})
