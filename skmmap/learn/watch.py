"""The training loss of each epoch, for stopping rules and ``history_``.

There is a loss for each problem that the estimator solves separately, such as a class
against the rest, since ``fit`` stops each separately.
"""

from collections.abc import Callable

import numpy as np

from skmmap.estimators import can_compute_losses, compute_losses, read_losses

_PART_ROWS = 1_000  # of which a loss is computed at a time


class Watch:
    """The training loss of an epoch: reported by the estimator, or else computed.

    ``sample`` returns X and y of some rows. The loss is computed ``times`` times in an
    epoch, each time on another part of them: a single value would depend on the rows
    learned last, and ``fit`` averages over the epoch.
    """

    def __init__(self, sample: Callable | None = None, times: int = 0):
        self._sample, self._times = sample, times
        self.begin_epoch(0)

    def begin_epoch(self, n_rows: int) -> None:
        self._n_rows, self._done, self._looked = n_rows, 0, 0
        self._sum, self._weight = 0.0, 0
        self.error: ValueError | None = None  # why a loss could not be computed

    def take_state(self) -> dict:
        """Return what it has seen of an epoch."""
        return {name: value for name, value in vars(self).items() if name != "_sample"}

    def put_state(self, state: dict) -> None:
        """Go on from there."""
        vars(self).update(state)

    @property
    def loss(self) -> np.ndarray | None:
        """The mean loss of each problem of the estimator."""
        return self._sum / self._weight if self._weight else None

    def after_chunk(self, estimator, n_rows: int) -> None:
        self._done += n_rows
        told = read_losses(estimator, n_rows)
        if told is not None:
            self._add(told, n_rows)
            return
        looks = self._done * self._times // self._n_rows
        if looks > self._looked and can_compute_losses(estimator):
            self._looked = looks
            self._compute(estimator)

    def _compute(self, estimator) -> None:
        # Training itself raises for invalid rows, and names them.
        try:
            self._add(compute_losses(estimator, *self._find_part()), 1)
        except ValueError as error:
            self.error = error

    def _find_part(self):
        """Return X and y of the next part of the sample."""
        X, y = self._sample()
        n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
        n_parts = max(1, n_rows // _PART_ROWS) if self._times > 1 else 1
        part = slice(self._looked % n_parts, None, n_parts)
        rows = X.iloc if hasattr(X, "iloc") else X
        return rows[part], None if y is None else y[part]

    def _add(self, loss, weight: int) -> None:
        if self._weight and len(loss) != len(self._sum):
            self._sum, self._weight = 0.0, 0  # a class has been added
        self._sum, self._weight = self._sum + loss * weight, self._weight + weight
