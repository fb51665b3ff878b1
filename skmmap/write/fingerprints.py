"""What a run that is resumed is known by: rows that can be told from others."""

import joblib
import numpy as np

from skmmap._version import __version__
from skmmap.rows import Source

_INSTEAD = "Write them to a file with skmmap.convert(X, 'X.npy'), and give that."


def check_known(source: Source, instead: str = _INSTEAD) -> None:
    """Raise unless the rows can be compared with those of an earlier run."""
    identity = source.store.identity
    if identity.has_code:
        raise ValueError(
            f"resume=True needs rows that can be identified, and {source.store.where} "
            "is computed, by code that may have changed since an earlier run. "
            f"{instead}"
        )
    if not identity.is_known:
        raise ValueError(
            f"resume=True needs rows that can be identified, and what is "
            f"behind {source.store.where} may change unnoticed. {instead}"
        )


def find_fingerprint(*parts) -> str:
    """Return the fingerprint of rows and other things, "" if it cannot be pickled."""
    try:
        return joblib.hash((parts, __version__, np.__version__))
    except Exception:  # any type, from pickling code of a third party
        return ""
