"""An estimator's own score on all rows, from chunks.

The mean of the chunks' scores is not the score: R2 compares with the mean of all
rows, and a short tail would count as much as a whole chunk. How each kind of score
adds up is written down here, by the function that computes it.
"""

import math
from copy import copy

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.metrics import r2_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.utils import assert_all_finite

from skmmap._inference import iter_results
from skmmap._open import open_source
from skmmap._reader import Table
from skmmap._rows import show_rows

_ASKED = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "transform",
    "decision_function",
    "score_samples",
)


def compute_score(estimator, table: Table, schedule, form, chunked):
    """Return ``estimator.score`` on all rows.

    ``chunked(method)`` returns that method as a function of X that goes chunk by
    chunk; it serves the scores that are not known here.
    """
    combine = _COMBINE.get(getattr(type(estimator), "score", None))
    if combine is None or table.whole or (combine is _r2 and not _has_r2(table)):
        return _score_whole(estimator, table, chunked)
    return float(combine(estimator, table, schedule, form))


def _has_r2(table) -> bool:
    """Whether R2 is defined; if not, scikit-learn is to say so itself."""
    y = table.y
    return y is not None and y.n_rows > 1 and y.dtype.kind in "biuf"


def _score_whole(estimator, table, chunked):
    """Run the estimator's own ``score``; what it predicts inside goes by chunks."""
    scorer = copy(estimator)
    for method in _ASKED:
        # On one without __dict__ nothing can be put: its own methods get all rows.
        if hasattr(estimator, method) and hasattr(scorer, "__dict__"):
            vars(scorer)[method] = chunked(method)
    y = () if table.y is None else (show_rows(table.y),)
    params = {name: show_rows(source) for name, source in table.by_row.items()}
    return scorer.score(show_rows(table.X), *y, **params, **table.whole)


def _mean(estimator, table, schedule, form) -> float:
    """Mean over rows, such as accuracy: chunk means, weighted."""
    total, weight = 0.0, 0.0
    for chunk, score in _iter_scores(estimator, table, schedule, form):
        chunk_weight = _find_weights(chunk).sum()
        hits = score * chunk_weight
        # Without weights these are counts, which the division made inexact.
        total += hits if "sample_weight" in chunk.params else round(hits)
        weight += chunk_weight
    return total / weight


def _sum(estimator, table, schedule, form) -> float:
    """Sum over rows, such as the inertia of k-means."""
    scores = _iter_scores(estimator, table, schedule, form)
    return math.fsum(score for _, score in scores)


def _bound(estimator, table, schedule, form) -> float:
    """Sum over documents plus one term of the topics, which each chunk repeats.

    A document without words contributes nothing, so its score is that term.
    """
    row = table.X.read(0, 1)
    empty = Table(
        open_source(0 * (np.asarray(row) if isinstance(row, list) else row), "X")
    )
    ((_, topics),) = iter_results(estimator, "score", empty, [(0, 1)], form)
    scores = _iter_scores(estimator, table, schedule, form)
    return math.fsum(score - topics for _, score in scores) + topics


def _iter_scores(estimator, table, schedule, form):
    """Yield each chunk with its score; those of no weight are left out."""
    weights = table.by_row.get("sample_weight")
    if weights is not None:
        schedule = [rows for rows in schedule if weights.read(*rows).any()]
    yield from iter_results(estimator, "score", table, schedule, form)


def _r2(estimator, table, schedule, form) -> float:
    """Coefficient of determination, as ``sklearn.metrics.r2_score`` defines it."""
    mean = _mean_target(table, schedule)
    residual = total = 0.0
    results = iter_results(estimator, "predict", table, schedule, form, only_X=True)
    for chunk, y_pred in results:
        y, weights = _find_target(chunk)
        y_pred = np.asarray(y_pred, dtype=np.float64).reshape(len(y), -1)
        if y_pred.shape != y.shape:
            r2_score(y, y_pred)  # raises, and says what is wrong
        assert_all_finite(y_pred, input_name="y_pred")
        residual = residual + (weights * (y - y_pred) ** 2).sum(axis=0)
        total = total + (weights * (y - mean) ** 2).sum(axis=0)
    # A target that never varies is explained wholly or not at all.
    safe = np.where(total == 0, 1, total)
    scores = np.where(total == 0, residual == 0, 1 - residual / safe)
    return scores.mean()


def _mean_target(table, schedule):
    """Return the weighted mean, exact for a target that never varies."""
    origin = _to_columns(table.y.read(0, 1))
    total = weight = 0.0
    # Of the target alone: X is not read for it.
    targets = Table(table.y, table.y, table.by_row, reading=table.reading)
    for chunk in targets.iter_chunks(schedule):
        y, weights = _find_target(chunk)
        total = total + (weights * (y - origin)).sum(axis=0)
        weight += weights.sum()
    return origin[0] + total / weight


def _find_target(chunk):
    """Return the target as columns of float64, and weights as one column."""
    y = _to_columns(chunk.y)
    assert_all_finite(y, input_name="y")
    return y, _find_weights(chunk)[:, None]


def _to_columns(y):
    return y.astype(np.float64).reshape(len(y), -1)


def _find_weights(chunk):
    weights = chunk.params.get("sample_weight")
    return np.ones(chunk.n_rows) if weights is None else weights.astype(np.float64)


_COMBINE = {
    ClassifierMixin.score: _mean,
    MultiOutputClassifier.score: _mean,
    RegressorMixin.score: _r2,
    KMeans.score: _sum,
    LatentDirichletAllocation.score: _bound,
}
