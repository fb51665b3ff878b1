"""Learned attributes that describe the whole fit, not its last chunk.

Each call of ``partial_fit`` sets attributes such as ``n_iter_`` as if it were a fit of
its own, and never computes some of those that ``fit`` computes from all rows. Where no
further pass over X is needed they are corrected. Others are hidden, and the error says
how to get them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skmmap.estimators.meta_estimators import set_members_attributes
from skmmap.estimators.registry import find_entry
from skmmap.wrap import find_tags, iter_fitted


def find_reason_hidden(estimator, name: str) -> str | None:
    """Return why an attribute of an estimator trained by chunks is hidden, or None.

    ``labels_`` of other kinds of estimators than clusterers and outlier detectors may
    have an entry for each class, and is not hidden.
    """
    if name == "labels_" and _labels_rows(estimator):
        has_predict = hasattr(estimator, "predict")
        other = (
            "model.predict(X) labels all rows."
            if has_predict
            else "model.estimator_.labels_ has those of the last chunk."
        )
        return f"labels_ would be those of the last chunk alone; {other}"
    return find_entry(type(estimator)).entry.hidden.get(name)


def _labels_rows(estimator) -> bool:
    """Whether ``labels_`` has an entry for each row."""
    tags = find_tags(estimator)
    kinds = "clusterer", "outlier_detector"
    return tags is not None and tags.estimator_type in kinds


class Run(NamedTuple):
    """The results of a run, epoch by epoch.

    ``losses`` has an array for each epoch, with a number for each learner, or None.
    ``scores`` is None if no rows were held out; ``n_held_out`` rows of X were.
    ``before`` is what `note_start` returned. ``is_inside`` is True for a learner inside
    a meta-estimator.
    """

    is_fit: bool
    chunk_size: int
    n_rows: list[int]
    losses: list
    scores: list | None = None
    n_held_out: int = 0
    before: Sequence[dict] = ()
    is_inside: bool = False

    @property
    def n_epochs(self) -> int:
        return len(self.n_rows)

    def get_losses(self, number: int) -> list | None:
        """Return the loss of each epoch of one learner, None if any is unknown."""
        if any(loss is None or number >= len(loss) for loss in self.losses):
            return None
        return [float(loss[number]) for loss in self.losses]


def summarize(training, is_fit: bool, n_held_out: int, before: list) -> Run:
    """Return the results of a training, for which ``n_held_out`` rows were held out."""
    history = training.history
    scores = None if training.score is None else history["score"]
    chunk_size, n_rows = training.schedule.chunk_size, history["rows"]
    losses = training.losses[: len(n_rows)]  # not of an epoch that Ctrl-C interrupted
    return Run(is_fit, chunk_size, n_rows, losses, scores, n_held_out, before)


def note_start(estimator) -> list[dict]:
    """Return the counts of learners whose training continues, before it does."""
    return [_count(learner) for learner in iter_fitted(estimator)]


def _count(learner) -> dict:
    counts = find_entry(type(learner)).entry.counts
    return {} if counts is None else counts(learner)


def set_attributes(estimator, run: Run) -> None:
    """Set the learned attributes of a trained estimator as its own ``fit`` would."""
    for number, learner in enumerate(iter_fitted(estimator)):
        set_own = find_entry(type(learner)).entry.attributes
        if set_own is not None:
            set_own(learner, run._replace(is_inside=learner is not estimator), number)
    set_members_attributes(estimator)


def set_sgd(learner, run: Run, number: int) -> None:
    """Set the epochs and steps of stochastic gradient descent."""
    learner.n_iter_ = run.n_epochs
    if run.is_fit and run.scores is not None:
        # The best epoch is kept, with its own t_. In fit t_ counts rows that were held
        # out as well: it adds n_iter_ * X.shape[0] (_fit_binary).
        learner.t_ = 1.0 + sum(run.n_rows) + run.n_epochs * run.n_held_out


def count_mlp(learner) -> dict:
    """Return the steps and losses of a network whose training continues."""
    # fit with early_stopping sets it to None, and partial_fit, which never stops early,
    # compares it with a loss (_update_no_improvement_count).
    if vars(learner).get("best_loss_", 0) is None:
        learner.best_loss_ = np.inf
    return {
        "loss_curve_": list(getattr(learner, "loss_curve_", None) or []),
        "t_": getattr(learner, "t_", 0),
    }


def set_mlp(learner, run: Run, number: int) -> None:
    """Set the epochs, losses, steps and scores of a network."""
    learner.n_iter_ = run.n_epochs
    before = run.before[number] if number < len(run.before) else {}
    losses = run.get_losses(number)
    if losses is not None:
        learner.loss_curve_ = before.get("loss_curve_", []) + losses
        learner.loss_ = losses[-1]
        learner.best_loss_ = min(learner.loss_curve_)
    # The best epoch is kept, with its own t_, while fit counts all epochs.
    learner.t_ = before.get("t_", 0) + sum(run.n_rows)
    if run.is_fit and run.scores is not None and not run.is_inside:
        _set_scores(learner, run.scores)


def _set_scores(learner, scores: list) -> None:
    learner.validation_scores_ = [float(score) for score in scores]
    learner.best_validation_score_ = max(learner.validation_scores_)
    if learner.early_stopping:
        learner.best_loss_ = None


def set_epochs(learner, run: Run, number: int) -> None:
    """Set the epochs of a fit."""
    if run.is_fit:
        learner.n_iter_ = run.n_epochs


def set_kmeans(learner, run: Run, number: int) -> None:
    """Set the epochs of k-means, and delete the attributes of its last chunk."""
    set_epochs(learner, run, number)
    drop_labels(learner, run, number)


def drop_labels(learner, run: Run, number: int) -> None:
    """Delete attributes that describe the last chunk only."""
    for name in ("labels_", "inertia_"):
        vars(learner).pop(name, None)


def set_batch_size(learner, run: Run, number: int) -> None:
    """Set the batch size to the rows of a chunk, which are the batches of this fit."""
    learner.batch_size_ = run.chunk_size
