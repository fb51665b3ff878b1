"""What a run that is resumed is known by: rows that can be told from others."""

import joblib
import numpy as np

from skmmap._version import __version__
from skmmap.rows import Source


def check_known(
    source: Source, instead: str = "", name: str = "X", asked: str = "resume=True"
) -> None:
    """Raise unless the rows can be compared with those of an earlier run.

    ``asked`` is what needs that, and ``instead`` what to do if it is not to write the
    rows to a file.
    """
    identity, where = source.store.identity, source.store.where
    if identity.is_known and not identity.has_code:
        return
    why = f"what is behind {where} may change unnoticed"
    if identity.has_code:
        why = f"{where} is computed, by code that may have changed since an earlier run"
    raise ValueError(
        f"{asked} needs rows that can be identified, and {why}. "
        f"{instead or _say_instead(source, name)}"
    )


def _say_instead(source: Source, name: str) -> str:
    if source.store.is_array or source.store.is_sparse:
        suffix = ".npy" * source.store.is_array
        how = f"a file with skmmap.convert({name}, '{name}{suffix}')"
    else:  # frames, which may have texts
        how = "a Parquet file"
    return f"Write them to {how}, and give that."


def find_fingerprint(*parts) -> str:
    """Return the fingerprint of rows and other things, "" if it cannot be pickled."""
    try:
        return joblib.hash((parts, __version__, np.__version__))
    except Exception:  # any type, from pickling code of a third party
        return ""
