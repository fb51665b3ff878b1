"""Train and apply scikit-learn estimators on arrays that stay on disk."""

from skmmap._chunked_fit import ChunkedFit
from skmmap._version import __version__

__all__ = ["ChunkedFit", "__version__"]
