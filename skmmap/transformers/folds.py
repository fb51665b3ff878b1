"""Folds of cross-fitting, from y alone."""

from collections.abc import Iterator
from numbers import Integral

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

_UNSET = "deprecated"  # parameters that scikit-learn 1.9 is about to remove


def iter_splits(encoder, y: np.ndarray, random_state: int | None) -> Iterator[tuple]:
    """Yield the rows from which each fold's encodings are learned, and its own.

    ``random_state`` is for an encoder without its own.
    """
    cv = 5 if encoder.cv is None else encoder.cv
    if isinstance(cv, Integral):
        shuffle = bool(getattr(encoder, "shuffle", _UNSET))  # if unset, it is
        seed = getattr(encoder, "random_state", _UNSET)
        if seed is None or (isinstance(seed, str) and seed == _UNSET):
            seed = random_state
        kind = KFold if encoder.target_type_ == "continuous" else StratifiedKFold
        cv = kind(cv, shuffle=shuffle, random_state=seed if shuffle else None)
    splits = cv.split(_Unread(len(y)), y) if hasattr(cv, "split") else cv
    for split in splits:
        yield tuple(map(_to_numbers, split))


def _to_numbers(rows) -> np.ndarray:
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows


class _Unread:
    """Stands for the rows of X, at which a cross-validation generator cannot look."""

    def __init__(self, n_rows: int):
        self.shape = (n_rows, 1)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key):
        raise TypeError(
            "cv of TargetEncoder looks at X, which is not in memory. Give a generator "
            "that splits by y alone, such as StratifiedKFold, or the splits "
            "themselves: cv=list(cv.split(X, y))."
        )


class Folds:
    """The fold of each row. Others are learned from all rows that are not in it."""

    def __init__(self, n_rows: int):
        self._numbers = np.full(n_rows, -1, dtype=np.int32)
        self.n_folds = 0

    def add(self, others: np.ndarray, own: np.ndarray) -> None:
        """Add a fold; raise unless its encodings are learned from all other rows."""
        n_rows = len(self._numbers)
        is_other = np.zeros(n_rows, dtype=bool)
        is_other[others] = True
        is_rest = is_other.sum() == len(others) == n_rows - len(own)
        if not is_rest or is_other[own].any():
            raise ValueError(
                f"cv of TargetEncoder must split all {n_rows:,} rows in two; split "
                f"{self.n_folds} has {len(others):,} to learn from and {len(own):,} to "
                "encode. Use KFold or StratifiedKFold."
            )
        if np.any(self._numbers[own] >= 0):
            row = own[np.argmax(self._numbers[own] >= 0)]
            self._refuse(f"row {row:,} is in more than one.")
        self._numbers[own] = self.n_folds
        self.n_folds += 1

    @property
    def numbers(self) -> np.ndarray:
        """The fold of each row, in few bytes."""
        if np.any(self._numbers < 0):
            self._refuse(f"row {np.argmin(self._numbers):,} is in none.")
        return self._numbers.astype(np.min_scalar_type(self.n_folds))

    def _refuse(self, why: str) -> None:
        raise ValueError(
            f"cv of TargetEncoder must have each row in exactly one fold; {why} Use "
            "KFold or StratifiedKFold."
        )
