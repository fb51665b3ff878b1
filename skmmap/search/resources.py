"""What the rounds of a search have more and more of: epochs, or rows."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier

from skmmap.checkpoints import KeptFits
from skmmap.estimators import find_learning
from skmmap.search.subsets import SameSplits, Subsets
from skmmap.wrap import find_last_step

_LIMIT = "max_epochs"


def find_resource(search, X, y, split_params: dict) -> "Epochs | RowShares | None":
    """Return what the rounds have more and more of, None if there are no rounds."""
    if search.strategy in ("grid", "random"):
        return None
    if search.resource == "epochs":
        return Epochs(search)
    n_folds = search._checked_cv_orig.get_n_splits(X, y, **split_params)
    return RowShares(search, X, y, n_folds)


class Epochs:
    """Rounds of more and more epochs, in which models go on from the round before."""

    forgets = False  # rows are those of the round before

    def __init__(self, search):
        self._name, chunked = _find_limited(search.estimator)
        self._cv, self._most = SameSplits(search._checked_cv_orig), chunked.max_epochs
        if self._most == "auto":
            last = find_last_step(chunked.estimator)
            self._most = find_learning(last, uses_target=False).n_epochs
        self.least = 1

    def find_most(self, given: int | str) -> int:
        """Return how many epochs there are at most."""
        most = self._most if given == "auto" else given
        if most == 1:
            raise ValueError(
                "resource='epochs' needs several epochs, and a fit of this estimator "
                "makes 1. Give resource='rows', or a larger max_resources."
            )
        return int(most)

    def check_candidate(self, params: dict) -> None:
        """Raise if a candidate has a number of epochs of its own."""
        if self._name in params:
            raise ValueError(
                f"param_grid has {self._name!r}, which is the resource that the search "
                "sets itself. Leave it out, or give resource='rows'."
            )

    def set_in(self, params: dict, n_resources: int) -> dict:
        """Return the parameters of a candidate with so many epochs."""
        return params | {self._name: n_resources}

    def make_cv(self, n_resources: int) -> Any:
        """Return the folds."""
        return self._cv

    def keep(self, before: KeptFits | None, now: int, later: int | None) -> Any:
        """Return what is kept of the fits of a task for the next round."""
        return KeptFits(now, later, before)


class RowShares:
    """Rounds of more and more rows of each fold, in which models start over."""

    forgets = True

    def __init__(self, search, X, y, n_folds: int):
        self._cv = SameSplits(search._checked_cv_orig)
        self._n_rows = len(X)
        n_classes = len(np.unique(y)) if is_classifier(search.estimator) else 1
        # Two rows of each class for each fold to test on, as in scikit-learn's.
        self.least = 2 * n_classes * n_folds

    def find_most(self, given: int | str) -> int:
        """Return how many rows there are at most, of all folds."""
        if given != "auto" and given > self._n_rows:
            raise ValueError(
                f"max_resources={given:,} is larger than the number of rows, "
                f"{self._n_rows:,}. Leave it out to end with all of them."
            )
        return self._n_rows if given == "auto" else int(given)

    def check_candidate(self, params: dict) -> None:
        """Take any candidate."""

    def set_in(self, params: dict, n_resources: int) -> dict:
        """Return the parameters of a candidate."""
        return params

    def make_cv(self, n_resources: int) -> Any:
        """Return the folds, with a share of the rows of each."""
        return Subsets(self._cv, n_resources, self._n_rows)

    def keep(self, before: None, now: int, later: int | None) -> None:
        """Keep nothing: other rows are another fit."""


def _find_limited(estimator) -> tuple[str, Any]:
    """Return the name of the number of epochs, and the ChunkedFit that has it.

    Of several inside a pipeline, it is that of the last step.
    """
    params = {"": estimator} | estimator.get_params()
    found = {
        name: each
        for name, each in params.items()
        if any(kind.__name__ == "ChunkedFit" for kind in type(each).__mro__)
    }
    depth = min(name.count("__") for name in found)
    name = [name for name in found if name.count("__") == depth][-1]
    return (f"{name}__{_LIMIT}" if name else _LIMIT), found[name]
