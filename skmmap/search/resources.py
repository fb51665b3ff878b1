"""What the rounds of a search have more and more of: epochs, or rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv

from skmmap.checkpoints import KeptFits
from skmmap.estimators import find_learning
from skmmap.learn import find_last_learner
from skmmap.search.subsets import SameSplits, Subsets

_LIMIT = "max_epochs"


@contextmanager
def having_resource(search, X, y, params: dict) -> Iterator[None]:
    """Let the rounds of a search, if it has any, know what they have more and more of.

    Its ``cv`` is a splitter meanwhile, since an iterator gives its folds only once.
    """
    if search.strategy in ("grid", "random"):
        yield
        return
    given = search.cv
    search.cv = check_cv(given, y, classifier=is_classifier(search.estimator))
    try:
        split_params = search._get_routed_params_for_fit(params).splitter.split
        n_folds = search.cv.get_n_splits(X, y, **split_params)
        is_epochs = search.resource == "epochs"
        search._resource = (
            Epochs(search, n_folds) if is_epochs else RowShares(search, X, y, n_folds)
        )
        yield
    finally:
        search.cv = given
        vars(search).pop("_resource", None)


class Epochs:
    """Rounds of more and more epochs, in which models go on from the round before."""

    forgets = False  # rows are those of the round before

    def __init__(self, search, n_folds: int):
        self.n_folds, self._cv = n_folds, SameSplits(search.cv)
        self._name, chunked = _find_limited(search.estimator)
        self._most = chunked.max_epochs
        if self._most == "auto":
            last = find_last_learner(chunked.estimator)
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
        self.n_folds, self._cv = n_folds, SameSplits(search.cv)
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
