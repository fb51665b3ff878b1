"""The stopping rule of a run, from the entry and parameters of the estimator."""

from math import inf
from numbers import Real

from skmmap.estimators import Learning, LossRule, Rule, ScoreRule


def find_rule(
    learning: Learning, *, sample, n_rows: int, has_validation: bool, is_loop: bool
) -> Rule:
    """Return the stopping rule of a run of several epochs.

    ``sample`` returns X and y of some rows, in the layout that the estimator takes. The
    loop changes no learning rate, and does not stop where ``fit`` would change it.
    """
    learner, stopping = learning.learner, learning.entry.stopping
    is_left = is_loop and getattr(learner, "learning_rate", None) == "adaptive"
    if has_validation and hasattr(learner, "n_iter_no_change"):
        return ScoreRule(*((None, 0) if is_left else _find_patience(learning)))
    if is_left or stopping is None:
        return Rule()
    if stopping != "loss":
        return stopping(learner, n_rows, sample)
    tol, patience = _find_patience(learning)
    if tol is None:
        return Rule()
    # fit averages the loss before every step of an epoch. The mean of a few values
    # varies more, and its minimum would stop training too early.
    is_reported = learning.entry.loss is None
    return LossRule(tol, patience, window=1 if is_reported else patience)


def find_rule_class(learning: Learning) -> type[Rule]:
    """Return the rule of a learner's own ``fit``, to describe it."""
    stopping = learning.entry.stopping
    return {None: Rule, "loss": LossRule}.get(stopping, stopping)


def say_stop(learning: Learning, *, has_validation: bool) -> str:
    """Say what stops a fit before its last epoch; "" if nothing does."""
    learner, rule = learning.learner, find_rule_class(learning)
    if rule is LossRule and learner.tol is None:
        return ""
    if has_validation and hasattr(learner, "n_iter_no_change"):
        return "until the score of held-out rows stops improving"
    return rule.text


def _find_patience(learning: Learning) -> tuple[float | None, int]:
    """Return the tolerance, and the epochs without improvement before stopping."""
    tol = getattr(learning.learner, "tol", None)
    tol = tol if isinstance(tol, Real) and tol > -inf else None
    patience = getattr(learning.learner, "n_iter_no_change", None)
    if patience is None or patience == inf:
        return None, 0
    return tol, int(patience) + learning.entry.extra_patience
