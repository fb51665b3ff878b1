"""How encoders of categories learn from chunks."""

import numpy as np

from skmmap.transformers.columns import iter_columns
from skmmap.transformers.witnesses import Witnesses


class CategoryRows(Witnesses):
    """A row for each category of each column."""

    def __init__(self, encoder):
        super().__init__(encoder)
        self._known: list[set] = []

    def find(self, X) -> np.ndarray:
        numbers = []
        for j, values in enumerate(iter_columns(X)):
            if j == len(self._known):
                self._known.append(set())
            numbers += _find_new(values, self._known[j])
        return np.array(numbers, dtype=np.intp)


def _find_new(values: list, known: set) -> list[int]:
    """Return where values occur first that are not known, and add them."""
    new, numbers = set(values) - known, []
    for value in new:
        # NaN is no other NaN's equal, and pandas.NA nobody's.
        key = f"{_NAN}{type(value).__name__}" if is_nan(value) else value
        if key not in known:
            known.add(key)
            numbers.append(next(i for i, v in enumerate(values) if _is_same(v, value)))
    return numbers


def is_nan(value) -> bool:
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA
        return True


def _is_same(one, other) -> bool:
    try:
        return one is other or bool(one == other)
    except TypeError:
        return False


_NAN = "\udfff"  # begins a key, and no text


def learn_encoder(encoder) -> CategoryRows:
    """Return what learns for `OneHotEncoder` and `OrdinalEncoder`."""
    for name in ("min_frequency", "max_categories"):
        if getattr(encoder, name) is not None:
            raise ValueError(
                f"{type(encoder).__name__} with {name}={getattr(encoder, name)!r} "
                "needs the counts of all categories, which are not computed by chunks. "
                f"Set {name}=None, or fit it on a sample."
            )
    return CategoryRows(encoder)
