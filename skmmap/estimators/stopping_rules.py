"""The stopping rules of the estimators' own ``fit``."""

from collections import deque
from collections.abc import Callable
from copy import deepcopy
from math import inf

import numpy as np

from skmmap.estimators.losses import compute_perplexity
from skmmap.estimators.registry import find_entry
from skmmap.wrap import iter_fitted

_SMALLEST_RATE = 1e-6  # of "adaptive" learning rates (_plain_sgd in _sgd_fast.pyx.tp)


class Rule:
    """Never stops: for estimators whose ``fit`` only has a number of epochs.

    ``after_chunk`` and ``after_epoch`` return whether to stop; ``is_met`` says whether
    the rule has stopped a run. It cannot stop before ``least_epochs``.
    """

    is_met = False
    least_epochs = 0
    text = ""
    parameters: tuple[str, ...] = ()  # parameters of the estimator that the rule uses
    looks = 1  # how often in an epoch a loss is computed

    def after_chunk(self, estimator, n_rows: int) -> bool:
        return False

    def after_epoch(self, estimator, loss, score) -> bool:
        return False

    def choose(self, estimator):
        """Return the estimator to keep at the end."""
        return estimator

    def take_state(self) -> dict:
        """Return what it has seen of a run; the rows of a sample are read again."""
        return {name: value for name, value in vars(self).items() if name != "_sample"}

    def put_state(self, state: dict) -> None:
        """Go on from there."""
        vars(self).update(state)


class LossRule(Rule):
    """Stops when no loss has decreased by ``tol`` in consecutive epochs.

    Each problem has its own loss, since ``fit`` solves and stops each separately. The
    mean loss of the last ``window`` epochs is compared.
    """

    text = "until the loss stops improving"
    parameters = "tol", "n_iter_no_change", "early_stopping"
    looks = 50

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
        # fit trains each problem separately, and would no longer train these.
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
    """Stops when the held-out score has not increased by ``tol``; keeps the best epoch.

    Without a tolerance it only keeps the best epoch.
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
    """The parameters hardly change in a step, or the loss has stalled.

    A step is what it is for ``fit``: as many rows as a batch has, in whatever chunks.
    ``weights`` is the attribute that a step changes.
    """

    text = "until updates become small"
    parameters = "tol", "max_no_improvement"
    weights = "components_"

    def __init__(self, estimator, n_rows: int, sample: Callable):
        self._n_rows, self._batch = n_rows, min(estimator.batch_size, n_rows)
        self._tol, self._patience = estimator.tol, estimator.max_no_improvement
        self._step, self._seen, self._before = 0, 0, None
        self._least, self._stalled = inf, 0.0

    @property
    def ignored(self) -> float:
        """Number of first steps that cannot stop training, as in ``fit``."""
        return 1

    def after_chunk(self, estimator, n_rows: int) -> bool:
        self._seen += n_rows
        if self._seen >= self._batch:
            self.is_met = self._step_is_last(estimator)
            self._seen = 0
        return self.is_met

    def after_epoch(self, estimator, loss, score) -> bool:
        """Compare the loss of an epoch, which has many steps, if one is computed."""
        if loss is None:
            return False
        self.is_met = self._has_stalled(float(loss.mean()), self._n_rows / self._batch)
        return self.is_met

    def _step_is_last(self, estimator) -> bool:
        self._step += 1
        changes_little = self._tol > 0 and self._find_change(estimator) <= self._tol
        if self._step <= self.ignored:
            return False
        return self._loss_has_stalled(estimator) or changes_little

    def _loss_has_stalled(self, estimator) -> bool:
        """Whether the loss that a step reports has stopped improving."""
        return False

    def _find_change(self, estimator) -> float:
        """Return how far the last step moved the weights, as ``fit`` measures it."""
        now, before = getattr(estimator, self.weights), self._before
        self._before = now.copy()
        return inf if before is None else self._measure(now, before)

    def _measure(self, now: np.ndarray, before: np.ndarray) -> float:
        raise NotImplementedError

    def _has_stalled(self, loss: float, n_steps: float) -> bool:
        self._stalled = 0 if loss < self._least else self._stalled + n_steps
        self._least = min(self._least, loss)
        return self._patience is not None and self._stalled >= self._patience


class KMeansRule(StepRule):
    """The centers hardly move in a step, or the smoothed inertia stops improving.

    This is ``MiniBatchKMeans._mini_batch_convergence``.
    """

    weights = "cluster_centers_"

    def __init__(self, estimator, n_rows: int, sample: Callable):
        super().__init__(estimator, n_rows, sample)
        if self._tol > 0:
            self._tol *= _find_variance(sample()[0])
        self._inertia, self._smoothed = 0.0, None

    def after_chunk(self, estimator, n_rows: int) -> bool:
        self._inertia += getattr(estimator, "inertia_", 0.0)
        is_over = super().after_chunk(estimator, n_rows)
        if not self._seen:
            self._inertia = 0.0
        return is_over

    def after_epoch(self, estimator, loss, score) -> bool:
        return False

    def _loss_has_stalled(self, estimator) -> bool:
        if not hasattr(estimator, "inertia_"):
            return False
        return self._has_stalled(self._smooth(self._inertia / self._seen), 1)

    def _smooth(self, inertia: float) -> float:
        share = min(1, 2 * self._seen / (self._n_rows + 1))
        if self._smoothed is None:
            self._smoothed = inertia
        self._smoothed += share * (inertia - self._smoothed)
        return self._smoothed

    def _measure(self, now, before) -> float:
        return float(np.linalg.norm(now - before)) ** 2


class NmfRule(StepRule):
    """The components hardly change in a step, or the loss stops improving.

    The change is that of ``MiniBatchNMF._minibatch_convergence``.
    """

    def _measure(self, now, before) -> float:
        return float(np.linalg.norm(now - before)) / np.linalg.norm(now)


class DictionaryRule(StepRule):
    """The dictionary hardly changes in a step, or the loss stops improving.

    As in ``MiniBatchDictionaryLearning._check_convergence``, which ignores the first
    epoch, or the first 100 steps if these are fewer.
    """

    @property
    def ignored(self) -> float:
        return min(100, self._n_rows / self._batch)

    def _measure(self, now, before) -> float:
        return float(np.linalg.norm(now - before)) / len(now)


class PerplexityRule(Rule):
    """The perplexity on a sample has hardly changed since it was last computed."""

    text = "until the perplexity stops improving, if evaluate_every > 0"
    parameters = "evaluate_every", "perp_tol"

    def __init__(self, estimator, n_rows: int, sample: Callable):
        self._every, self._tol = estimator.evaluate_every, estimator.perp_tol
        self._sample, self._epoch, self._last = sample, 0, None

    def after_epoch(self, estimator, loss, score) -> bool:
        self._epoch += 1
        if self._every <= 0 or self._epoch % self._every:
            return False
        last, self._last = self._last, compute_perplexity(estimator, self._sample()[0])
        self.is_met = last is not None and abs(last - self._last) < self._tol
        return self.is_met


def _find_variance(X) -> float:
    X = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
    return float(np.var(X, axis=0).mean())


def _reduce_rate(estimator) -> bool:
    """Reduce "adaptive" learning rates, as ``fit`` does; return whether any was."""
    reduced = [_reduce(member) for member in iter_fitted(estimator)]
    return any(reduced)


def _reduce(learner) -> bool:
    reduce = find_entry(type(learner)).entry.reduce_rate
    if reduce is None or getattr(learner, "learning_rate", None) != "adaptive":
        return False
    return reduce(learner)


def reduce_sgd_rate(sgd) -> bool:
    """Divide the learning rate by 5, unless it is already small."""
    if sgd.eta0 <= _SMALLEST_RATE:
        return False
    sgd.eta0 /= 5
    return True


def reduce_mlp_rate(mlp) -> bool:
    """Let the optimizer divide its learning rate by 5, unless it is already small."""
    is_sgd = mlp.solver == "sgd"
    return is_sgd and not mlp._optimizer.trigger_stopping("", verbose=False)
