"""State of stochastic gradient descent that is lost between calls of ``partial_fit``.

In scikit-learn 1.9 two things persist during ``fit`` and are reset by each
``partial_fit``: the intercept before averaging, once averaging has begun
(``_stochastic_gradient.py``), and the cumulative L1 penalty [1]_, for which
``_plain_sgd`` in ``_sgd_fast.pyx.tp`` allocates the array ``q`` in each call.

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
    """A value of ``average`` that has never been reached.

    After each call ``_partial_fit`` compares ``average <= t_ - 1``. If that is true, it
    overwrites the intercept with the averaged one, and the next call starts from that.
    """

    def __le__(self, other):
        return False


class SgdState(Correction):
    """Keeps averaging and the cumulative L1 penalty from one chunk to the next.

    ``_owed`` is u in the paper, the penalty that each weight could have received so
    far, and ``_paid`` is q, the penalty that each weight has received.
    """

    def __init__(self):
        self._owed, self._paid = 0.0, None
        self._t, self._coef = 1.0, 0.0  # t_ and coef_ before the first chunk

    @staticmethod
    def is_needed(learner) -> bool:
        return _averages(learner) or _is_sparse(learner)

    @staticmethod
    def find_overrides(learner) -> dict:
        return {"average": NotYet(learner.average)} if _averages(learner) else {}

    def begin(self, learner) -> None:
        # Training continues from the weights before averaging.
        if _averages(learner) and hasattr(learner, "_average_coef"):
            self._show(learner, "standard")

    def finish(self, learner) -> None:
        if _averages(learner) and learner.average <= learner.t_ - 1:
            self._show(learner, "average")

    def _show(self, learner, kind: str) -> None:
        """Set ``coef_`` and ``intercept_`` to the "average" or "standard" weights."""
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
        """Apply the penalty of earlier chunks to features that occur in this chunk.

        For a weight that is now 0, the penalty that it received in this chunk is not
        known. It is taken to be the weight before, as if the gradients had cancelled.
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
    """Decreases the "invscaling" learning rate of a network once in each epoch.

    ``_fit_stochastic`` does it at the end of each epoch, by ``iteration_ends`` of the
    optimizer, and each call of ``partial_fit`` is an epoch. No public attribute holds
    the rate.
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
    """Whether weights are averaged; the estimator itself rejects invalid values."""
    average = getattr(learner, "average", False)
    return isinstance(average, Integral) and average > 0


def _is_sparse(learner) -> bool:
    """Whether there is an L1 penalty; the estimator itself rejects invalid values."""
    ratio = {"l1": 1.0, "elasticnet": learner.l1_ratio}.get(learner.penalty)
    return isinstance(ratio, Real) and isinstance(learner.alpha, Real) and ratio > 0


def _count_penalties(learner, t: float) -> np.ndarray:
    """Return the cumulative penalty after each row of a chunk, the first being ``t``.

    The learning rates are those of ``_plain_sgd``. The first "optimal" one is always
    ``typw``, ``alpha**-0.25``: it is divided by ``max(1, gradient(1, -typw))``, and
    this gradient is not positive for any of the losses.
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
    """Return the cumulative penalty at the last row in which each feature occurs.

    It is 0 for features that do not occur. Dense rows have all features.
    """
    if not sparse.issparse(X):
        return owed[-1]
    X = X.tocsr()
    last = np.zeros(X.shape[1], dtype=np.int64)  # its row number, from 1
    last[X.indices] = np.repeat(np.arange(1, X.shape[0] + 1), np.diff(X.indptr))
    # Inside OneVsOneClassifier an estimator learns only the rows of its two classes.
    last = -(-last * len(owed) // X.shape[0])
    return np.concatenate([[0.0], owed])[last]
