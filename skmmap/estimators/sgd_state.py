"""What scikit-learn's stochastic gradient descent forgets between calls.

``fit`` keeps two things that ``partial_fit`` of scikit-learn 1.9 begins anew: the
intercept that is not averaged, once averaging has begun, and what the cumulative L1
penalty [1]_ still has to take from weights that are 0.

References
----------
.. [1] Y. Tsuruoka, J. Tsujii, S. Ananiadou, "Stochastic gradient descent training for
   L1-regularized log-linear models with cumulative penalty", ACL 2009.
"""

from numbers import Integral, Real

import numpy as np
from scipy import sparse

from skmmap.estimators.statistics import Correction


class NotYet(int):
    """From which row on to average, and has never been reached.

    ``partial_fit`` asks that after each call by ``average <= t_ - 1``, and keeps the
    intercept that is not averaged where the answer is no.
    """

    def __le__(self, other):
        return False


class SgdState(Correction):
    """Averages and the L1 penalty go on from one chunk to the next."""

    def __init__(self):
        self._owed, self._paid = 0.0, None
        self._t, self._coef = 1.0, 0.0  # of an untrained member, at its first chunk

    @staticmethod
    def is_needed(learner) -> bool:
        return _averages(learner) or _is_sparse(learner)

    @staticmethod
    def find_overrides(learner) -> dict:
        return {"average": NotYet(learner.average)} if _averages(learner) else {}

    def begin(self, learner) -> None:
        # What goes on is not the average, which scikit-learn writes over otherwise.
        if _averages(learner) and hasattr(learner, "_average_coef"):
            self._show(learner, "standard")

    def finish(self, learner) -> None:
        if _averages(learner) and learner.average <= learner.t_ - 1:
            self._show(learner, "average")

    def _show(self, learner, kind: str) -> None:
        """Show the averaged weights or the others as those of the estimator."""
        state = vars(learner)
        learner.coef_ = state[f"_{kind}_coef"].reshape(learner.coef_.shape)
        intercept = state[f"_{kind}_intercept"]
        if hasattr(learner, "offset_"):
            learner.offset_ = 1 - intercept
        else:
            learner.intercept_ = intercept

    def before(self, learner, X, weights) -> None:
        self._t = vars(learner).get("t_", 1.0)
        coef = vars(learner).get("coef_") if _is_sparse(learner) else None
        self._coef = 0.0 if coef is None else coef.copy()

    def after(self, learner, X, weights) -> None:
        """Take what the L1 penalty has not got yet, of features that were in the chunk.

        Of a weight that is 0 it is not known what the chunk's penalty took: as much as
        the weight was, as if its gradients had cancelled out.
        """
        if not _is_sparse(learner):
            return
        owed = _count_penalties(learner, self._t)
        total, due = owed[-1], _find_due(owed, X)
        coef = learner.coef_
        paid = np.zeros_like(coef) if self._paid is None else self._paid
        rest = np.where(due > 0, self._owed + np.sign(coef) * paid, 0)
        left = np.sign(coef) * np.maximum(0, np.abs(coef) - rest)
        taken = np.where(
            coef == 0, np.clip(-self._coef, -due, due), -np.sign(coef) * due
        )
        self._owed += total
        self._paid = np.clip(paid + taken + left - coef, -self._owed, self._owed)
        coef[...] = left


class LearningRate(Correction):
    """A network's rate that shrinks with the rows does so after each epoch.

    ``partial_fit`` takes each call for one. The optimizer alone has the rate.
    """

    def __init__(self):
        self._rate = None

    @staticmethod
    def is_needed(learner) -> bool:
        return learner.solver == "sgd" and learner.learning_rate == "invscaling"

    def before(self, learner, X, weights) -> None:
        if hasattr(learner, "_optimizer"):
            self._rate = learner._optimizer.learning_rate

    def after(self, learner, X, weights) -> None:
        rate = learner.learning_rate_init if self._rate is None else self._rate
        learner._optimizer.learning_rate = rate

    def end_epoch(self, learner) -> None:
        learner._optimizer.iteration_ends(learner.t_)


def _averages(learner) -> bool:
    """Whether weights are averaged; what is no number is refused by the estimator."""
    average = getattr(learner, "average", False)
    return isinstance(average, Integral) and average > 0


def _is_sparse(learner) -> bool:
    """Whether there is an L1 penalty, by parameters that are numbers."""
    ratio = {"l1": 1.0, "elasticnet": learner.l1_ratio}.get(learner.penalty)
    return isinstance(ratio, Real) and isinstance(learner.alpha, Real) and ratio > 0


def _count_penalties(learner, t: float) -> np.ndarray:
    """Return the penalties of a chunk's rows up to each; ``t`` is the first one.

    Learning rates are those of scikit-learn's ``_sgd_fast``, in which the gradient
    never makes the first "optimal" one smaller.
    """
    t, alpha = np.arange(t, learner.t_), learner.alpha
    if learner.learning_rate == "optimal":
        rates = 1 / (alpha * (alpha**-0.75 + t - 1))
    elif learner.learning_rate == "invscaling":
        rates = learner.eta0 / t**learner.power_t
    else:
        rates = np.full(len(t), learner.eta0)
    ratio = 1.0 if learner.penalty == "l1" else learner.l1_ratio
    return ratio * alpha * np.cumsum(rates)


def _find_due(owed: np.ndarray, X):
    """Return what was due of each feature when it came last: 0 if it did not come."""
    if not sparse.issparse(X):
        return owed[-1]
    X = X.tocsr()
    last = np.zeros(X.shape[1], dtype=np.int64)  # the row after it
    last[X.indices] = np.repeat(np.arange(1, X.shape[0] + 1), np.diff(X.indptr))
    # A pair of classes gets its own rows alone.
    last = -(-last * len(owed) // X.shape[0])
    return np.concatenate([[0.0], owed])[last]
