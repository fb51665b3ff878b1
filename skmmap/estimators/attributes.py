"""Learned attributes that say what ``fit`` says, and not what its last chunk was.

``partial_fit`` counts each call as a run of its own, and some of what ``fit`` computes
over all rows it never computes. What can be known without a further pass over X is put
right; what cannot is hidden, and the error says how to get it.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from skmmap.estimators.meta_estimators import set_members_attributes
from skmmap.estimators.registry import find_entry
from skmmap.wrap import find_tags, iter_fitted


def find_reason_hidden(estimator, name: str) -> str | None:
    """Return why an estimator trained by chunks does not show an attribute.

    None if it shows it. Labels of others than clusterers and outlier detectors may be
    names of classes.
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


@dataclass(frozen=True)
class Run:
    """What a run has done: its epochs, and what each of them gave.

    ``losses`` has an array for each epoch, with a number for each learner, or None.
    ``scores`` is None where no rows were held out, of which there were ``n_held_out``
    in X. ``before`` is what `note_start` returned. ``is_inside`` says that the learner
    is inside a meta-estimator.
    """

    is_fit: bool
    chunk_size: int
    n_rows: list[int]
    losses: list
    scores: list | None = None
    n_held_out: int = 0
    before: list[dict] = field(default_factory=list)
    is_inside: bool = False

    @property
    def n_epochs(self) -> int:
        return len(self.n_rows)

    def get_losses(self, number: int) -> list | None:
        """Return the loss of each epoch of one learner, None if one is not known."""
        if any(loss is None or number >= len(loss) for loss in self.losses):
            return None
        return [float(loss[number]) for loss in self.losses]


def summarize(training, is_fit: bool, n_held_out: int, before: list) -> Run:
    """Return what a training has done; what was held out of X are so many rows."""
    history = training.history
    scores = None if training.score is None else history["score"]
    chunk_size, n_rows = training.schedule.chunk_size, history["rows"]
    losses = training.losses[: len(n_rows)]  # Ctrl-C may have ended the one after
    return Run(is_fit, chunk_size, n_rows, losses, scores, n_held_out, before)


def note_start(estimator) -> list[dict]:
    """Return what learners that are trained further have counted so far."""
    return [_count(learner) for learner in iter_fitted(estimator)]


def _count(learner) -> dict:
    counts = find_entry(type(learner)).entry.counts
    return {} if counts is None else counts(learner)


def set_attributes(estimator, run: Run) -> None:
    """Have a trained estimator say of itself what its own ``fit`` would say."""
    for number, learner in enumerate(iter_fitted(estimator)):
        set_own = find_entry(type(learner)).entry.attributes
        if set_own is not None:
            set_own(learner, replace(run, is_inside=learner is not estimator), number)
    set_members_attributes(estimator)


def set_sgd(learner, run: Run, number: int) -> None:
    """Set the epochs and steps of stochastic gradient descent."""
    learner.n_iter_ = run.n_epochs
    if run.is_fit and run.scores is not None:
        # The epoch that is kept may be an earlier one; fit counts what it held out.
        learner.t_ = 1.0 + sum(run.n_rows) + run.n_epochs * run.n_held_out


def count_mlp(learner) -> dict:
    """Return the steps and losses of a network that is trained further."""
    # After early stopping there is none, and partial_fit would compare with it.
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
    # The epoch that is kept may be an earlier one.
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
    """Set the epochs of k-means, and drop what describes its last chunk alone."""
    set_epochs(learner, run, number)
    drop_labels(learner, run, number)


def drop_labels(learner, run: Run, number: int) -> None:
    """Drop what describes the last chunk alone."""
    for name in ("labels_", "inertia_"):
        vars(learner).pop(name, None)


def set_batch_size(learner, run: Run, number: int) -> None:
    """Set the rows of a batch, which were those of a chunk."""
    learner.batch_size_ = run.chunk_size
