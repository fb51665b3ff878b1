"""When further epochs no longer help: the rules of the estimators' own ``fit``."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from math import inf
from numbers import Real
from typing import Any

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import LatentDirichletAllocation, MiniBatchNMF

from skmmap.learn.losses import (
    can_compute_losses,
    compute_losses,
    compute_perplexity,
    read_losses,
)
from skmmap.wrap import (
    MLP,
    SGD,
    OwnFit,
    find_learner,
    iter_fitted,
)

_PART_ROWS = 1_000  # of which a loss is computed at a time
_SMALLEST_RATE = 1e-6  # below it "adaptive" learning rates end, as in fit


class Rule:
    """Stops never: for estimators whose ``fit`` has a number of epochs and no more.

    ``after_chunk`` and ``after_epoch`` return whether to stop; ``is_met`` says whether
    the rule has stopped a run, ``least_epochs`` in how many it can at the earliest.
    """

    is_met = False
    least_epochs = 0

    def after_chunk(self, estimator, n_rows: int) -> bool:
        return False

    def after_epoch(self, estimator, loss, score) -> bool:
        return False

    def choose(self, estimator):
        """Return the estimator that is kept in the end."""
        return estimator


class LossRule(Rule):
    """No loss has become smaller by ``tol`` for some epochs in a row.

    Each problem is watched by itself, as ``fit`` solves each by itself. What is watched
    is the mean loss of the last ``window`` epochs.
    """

    def __init__(self, tol: float, patience: int, window: int = 1):
        self._tol, self._patience = tol, patience
        self._last = deque(maxlen=window)
        self._best, self._stalled = None, None
        self.least_epochs = patience

    def after_epoch(self, estimator, loss, score) -> bool:
        if loss is None:
            return False
        if self._best is None or len(self._best) != len(loss):
            self._last.clear()
            self._best = np.full(len(loss), inf)
            self._stalled = np.zeros(len(loss), dtype=int)
        self._last.append(loss)
        loss = np.mean(self._last, axis=0)
        # What has stalled for long enough would be trained no further by fit.
        done = self._stalled >= self._patience
        no_better = (loss > self._best - self._tol) | done
        self._stalled = np.where(no_better, self._stalled + 1, 0)
        self._best = np.fmin(self._best, loss)
        if (self._stalled < self._patience).any():
            return False
        if _reduce_rate(estimator):
            self._stalled[:] = 0
            return False
        self.is_met = True
        return True


class ScoreRule(Rule):
    """No score on held-out rows is better by ``tol`` for some epochs; keeps the best.

    Without a tolerance it only keeps the best.
    """

    def __init__(self, tol: float | None, patience: int):
        self._tol, self._patience = tol, patience
        self._best, self._stalled, self._kept = -inf, 0, None
        self.least_epochs = 0 if tol is None else patience

    def after_epoch(self, estimator, loss, score) -> bool:
        is_no_better = self._tol is not None and score < self._best + self._tol
        self._stalled = self._stalled + 1 if is_no_better else 0
        if score > self._best:
            self._best, self._kept = score, deepcopy(estimator)
        if self._tol is None or self._stalled < self._patience:
            return False
        if _reduce_rate(estimator):
            self._stalled = 0
            return False
        self.is_met = True
        return True

    def choose(self, estimator):
        return estimator if self._kept is None else self._kept


class StepRule(Rule):
    """The parameters hardly change in a step, or the smoothed loss has stalled.

    A step is what it is for ``fit``: as many rows as a batch has, in whatever chunks.
    """

    def __init__(self, estimator, n_rows: int, find_variance: Callable):
        self._is_kmeans = isinstance(estimator, MiniBatchKMeans)
        self._is_nmf = isinstance(estimator, MiniBatchNMF)
        self._n_rows, self._batch = n_rows, min(estimator.batch_size, n_rows)
        self._tol, self._patience = estimator.tol, estimator.max_no_improvement
        if self._tol > 0 and self._is_kmeans:
            self._tol *= find_variance()
        # Steps that are left out, since they say little of what is learned.
        is_early = self._is_kmeans or self._is_nmf
        self._ignored = 1 if is_early else min(100, n_rows / self._batch)
        self._step, self._seen, self._inertia = 0, 0, 0.0
        self._before = self._smoothed = None
        self._least, self._stalled = inf, 0.0

    def after_chunk(self, estimator, n_rows: int) -> bool:
        self._seen += n_rows
        self._inertia += getattr(estimator, "inertia_", 0.0)
        if self._seen >= self._batch:
            self.is_met = self._step_is_last(estimator)
            self._seen, self._inertia = 0, 0.0
        return self.is_met

    def after_epoch(self, estimator, loss, score) -> bool:
        """Watch the loss that no step tells; an epoch has many steps."""
        if self._is_kmeans or loss is None:
            return False
        self.is_met = self._has_stalled(float(loss.mean()), self._n_rows / self._batch)
        return self.is_met

    def _step_is_last(self, estimator) -> bool:
        self._step += 1
        changes_little = self._tol > 0 and self._find_change(estimator) <= self._tol
        if self._step <= self._ignored:
            return False
        has_stalled = False
        if self._is_kmeans and hasattr(estimator, "inertia_"):
            has_stalled = self._has_stalled(self._smooth(self._inertia / self._seen), 1)
        return changes_little or has_stalled

    def _find_change(self, estimator) -> float:
        """Return how far the last step moved the parameters, as ``fit`` measures it."""
        name = "cluster_centers_" if self._is_kmeans else "components_"
        now, before = getattr(estimator, name), self._before
        self._before = now.copy()
        if before is None:
            return inf
        change = float(np.linalg.norm(now - before))
        if self._is_kmeans:
            return change**2
        return change / (np.linalg.norm(now) if self._is_nmf else len(now))

    def _smooth(self, inertia: float) -> float:
        share = min(1, 2 * self._seen / (self._n_rows + 1))
        if self._smoothed is None:
            self._smoothed = inertia
        self._smoothed += share * (inertia - self._smoothed)
        return self._smoothed

    def _has_stalled(self, loss: float, n_steps: float) -> bool:
        self._stalled = 0 if loss < self._least else self._stalled + n_steps
        self._least = min(self._least, loss)
        return self._patience is not None and self._stalled >= self._patience


class PerplexityRule(Rule):
    """The perplexity on some rows has hardly changed since it was last looked at."""

    def __init__(self, estimator: LatentDirichletAllocation, compute: Callable):
        self._every, self._tol = estimator.evaluate_every, estimator.perp_tol
        self._compute, self._epoch, self._last = compute, 0, None

    def after_epoch(self, estimator, loss, score) -> bool:
        self._epoch += 1
        if self._every <= 0 or self._epoch % self._every:
            return False
        last, self._last = self._last, self._compute(estimator)
        self.is_met = last is not None and abs(last - self._last) < self._tol
        return self.is_met


class Watch:
    """The training loss of an epoch: what the estimator tells, or what is computed.

    ``sample`` returns X and y of some rows. The loss on them is computed at some
    ``times`` in an epoch, each time on another part of them: that of one moment varies
    with the rows learned last, and ``fit`` takes the mean over all moments.
    """

    def __init__(self, sample: Callable | None = None, times: int = 0):
        self._sample, self._times = sample, times
        self.begin_epoch(0)

    def begin_epoch(self, n_rows: int) -> None:
        self._n_rows, self._done, self._looked = n_rows, 0, 0
        self._sum, self._weight = 0.0, 0

    @property
    def loss(self) -> np.ndarray | None:
        """The mean of what was told or computed, for each problem of the estimator."""
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
        # Rows that cannot be used are refused by training, which says where they are.
        with suppress(ValueError):
            self._add(compute_losses(estimator, *self._find_part()), 1)

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
            self._sum, self._weight = 0.0, 0  # a class that was not there before
        self._sum, self._weight = self._sum + loss * weight, self._weight + weight


def find_rule(
    estimator,
    facts: OwnFit,
    *,
    sample,
    n_rows: int,
    has_validation: bool,
    is_loop: bool,
) -> Rule:
    """Return when to stop a run of several epochs.

    ``sample`` returns X and y of some rows, in the form that the estimator takes. The
    loop changes no learning rate, and does not stop where ``fit`` would change it.
    """
    _, learner = find_learner(estimator)
    is_left = is_loop and getattr(learner, "learning_rate", None) == "adaptive"
    if has_validation and hasattr(learner, "n_iter_no_change"):
        return ScoreRule(*((None, 0) if is_left else _find_patience(learner)))
    if is_left:
        return Rule()
    if facts.stops == "loss":
        tol, patience = _find_patience(learner)
        if tol is None:
            return Rule()
        # fit takes the mean of the losses before each step: a few looks in an epoch
        # vary more, and the best of them would end the run too early.
        is_told = isinstance(learner, MLP)
        return LossRule(tol, patience, window=1 if is_told else patience)
    if facts.stops == "steps":
        return StepRule(learner, n_rows, lambda: _find_variance(sample()[0]))
    if facts.stops == "perplexity":
        return PerplexityRule(learner, lambda e: compute_perplexity(e, sample()[0]))
    return Rule()


def _find_variance(X) -> float:
    X = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
    return float(np.var(X, axis=0).mean())


def _find_patience(learner) -> tuple[float | None, int]:
    """Return the tolerance and after how many epochs without an improvement to stop."""
    tol = getattr(learner, "tol", None)
    tol = tol if isinstance(tol, Real) and tol > -inf else None
    patience = getattr(learner, "n_iter_no_change", None)
    if patience is None or patience == inf:
        return None, 0
    # SGD stops when so many epochs were of no use, multi-layer perceptrons one later.
    return tol, int(patience) + isinstance(learner, MLP)


def _reduce_rate(estimator) -> bool:
    """Divide "adaptive" learning rates by 5, as ``fit`` does; say whether any was."""
    reduced = [_reduce(member) for member in iter_fitted(estimator)]
    return any(reduced)


def _reduce(learner: Any) -> bool:
    if getattr(learner, "learning_rate", None) != "adaptive":
        return False
    if isinstance(learner, SGD) and learner.eta0 > _SMALLEST_RATE:
        learner.eta0 /= 5
        return True
    if isinstance(learner, MLP) and learner.solver == "sgd":
        return not learner._optimizer.trigger_stopping("", verbose=False)
    return False
