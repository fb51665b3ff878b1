"""Train and apply scikit-learn estimators on arrays that stay on disk."""

from skmmap._chunked_fit import ChunkedFit
from skmmap._history_display import LearningHistoryDisplay
from skmmap._version import __version__
from skmmap.estimators import merge, register
from skmmap.formats import open_rows
from skmmap.rows import Rows
from skmmap.write import NpyWriter, convert, save_rows

__all__ = [
    "ChunkedFit",
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
