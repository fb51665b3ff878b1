"""Train and apply scikit-learn estimators on arrays that stay on disk."""

from skmmap._chunked_fit import ChunkedFit
from skmmap._convert import convert
from skmmap._merge import merge
from skmmap._npy import NpyWriter, save_rows
from skmmap._open import open_rows
from skmmap._rows import Rows
from skmmap._version import __version__

__all__ = [
    "ChunkedFit",
    "NpyWriter",
    "Rows",
    "__version__",
    "convert",
    "merge",
    "open_rows",
    "save_rows",
]
