"""Rows of pandas and polars data frames, neither of which is imported."""

import sys

import numpy as np

from skmmap.disk import Identity
from skmmap.rows.object_sizes import find_frame_nbytes
from skmmap.rows.store import Store


class FrameStore(Store):
    """Rows of a pandas or polars data frame, or of a series; chunks stay that."""

    on_disk = False
    where = "a data frame"

    def __init__(self, frame):
        self.rows, self.shape = frame, frame.shape
        columns = list(frame.columns) if len(frame.shape) > 1 else []
        # As in scikit-learn, other names than texts are none.
        is_named = columns and all(isinstance(name, str) for name in columns)
        self.names = columns if is_named else None
        named = f"frame of {columns}" if len(frame.shape) > 1 else "series"
        self.kind = f"{_library(frame)} {named}"
        self.has_index = hasattr(frame, "iloc")

    @property
    def dtype(self) -> np.dtype:
        """The type of an array of these rows."""
        try:
            return self.rows[:0].to_numpy().dtype
        except TypeError:  # polars, of columns without a common type
            return np.dtype(object)

    @property
    def row_nbytes(self) -> int:
        return 8 * self.row_values

    @property
    def memory_nbytes(self) -> int:
        if self.has_index:
            return find_frame_nbytes(self.rows)
        return int(self.rows.estimated_size())

    @property
    def _arrays(self) -> list:
        # Others are copied, by polars too.
        if not self.has_index:
            return []
        whole = (("", self.rows),) if self.rows.ndim == 1 else self.rows.items()
        return [c.to_numpy() for _, c in whole if isinstance(c.dtype, np.dtype)]

    @property
    def identity(self) -> Identity:
        return Identity.of_arrays(self._arrays)

    def read(self, start: int, stop: int):
        if self.has_index:
            # A copy: scikit-learn makes pandas' arrays writable where it needs to.
            return self.rows.iloc[start:stop].copy()
        return self.rows[start:stop]

    def take(self, rows):
        return self.pick(self.rows, rows)

    @staticmethod
    def pick(block, rows):
        return block.iloc[rows] if hasattr(block, "iloc") else block[rows]

    @staticmethod
    def join(parts: list):
        return concat_frames(parts, keep_index=True)


def is_frame(value) -> bool:
    """Whether ``value`` is a pandas or polars frame."""
    return bool(_library(value)) and len(getattr(value, "shape", ())) == 2


def is_series(value) -> bool:
    """Whether ``value`` is of pandas or polars, frame or column."""
    return bool(_library(value))


def holds_frames(store: Store) -> bool:
    """Whether rows of a store are read as frames."""
    return store.kind.startswith(("pandas frame", "polars frame"))


def _library(value) -> str:
    """Return "pandas" or "polars" if ``value`` is of a class from there."""
    modules = [cls.__module__.partition(".")[0] for cls in type(value).__mro__]
    return next((name for name in modules if name in ("pandas", "polars")), "")


def concat_frames(parts, *, keep_index: bool):
    """Join data frames of one library, row-wise."""
    library = sys.modules[_library(parts[0])]
    if library.__name__ == "pandas":
        return library.concat(parts, ignore_index=not keep_index)
    return library.concat(parts)
