"""An estimator's own score on all rows, from chunks.

The mean of the chunks' scores is not the score: R2 compares with the mean of all rows,
and a short last chunk would count as much as a whole one. A table at the end has a
function for each ``score`` of scikit-learn that is known to add up. Any other ``score``
runs as it is, and the methods that it calls go chunk by chunk.
"""

import math
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from functools import partial

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite

from skmmap.apply.inference import (
    NotByRowError,
    Work,
    iter_results,
    keep_result,
    keep_rows,
)
from skmmap.formats import open_source
from skmmap.read import Table
from skmmap.rows import show_rows
from skmmap.wrap import has_sklearns, is_one_of, is_sklearn_class, is_sklearns

_ASKED = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "transform",
    "decision_function",
    "score_samples",
)


def compute_score(work: Work, by_chunks: Callable):
    """Return the ``score`` of the work's estimator on all rows.

    ``by_chunks(method, take)`` returns that method as a function of X that goes chunk
    by chunk, for scores that are not in the table.
    """
    estimator, table = work.estimator, work.table
    scored = _find_scored(estimator)
    combine = _find_combine(type(scored))
    if combine is None or table.whole or (combine is _r2 and not _has_r2(table)):
        names = [name for name in _ASKED if hasattr(estimator, name)]
        methods = {name: _ask(work, name, by_chunks) for name in names}
        return _score_whole(scored, table, methods)
    return float(combine(work))


def _has_r2(table) -> bool:
    """Whether R2 is defined; if not, scikit-learn's own function warns or raises."""
    y = table.y
    return y is not None and y.n_rows > 1 and y.dtype.kind in "biuf"


def _find_scored(estimator):
    """Return the member whose ``score`` is computed.

    It is the last step of a pipeline, or the model inside a search: the others only
    transform rows or pass them on, as they do for predictions, so that they need not
    get all rows at once.
    """
    for kind, name in _HAND_ON.items():
        if is_one_of(estimator, kind) and not is_one_of(estimator, "RFECV"):
            return _find_scored(getattr(estimator, name))
    is_pipeline = is_one_of(estimator, "Pipeline")
    if is_pipeline and hasattr(estimator.steps[-1][1], "score"):
        return _find_scored(estimator.steps[-1][1])
    if _is_search(estimator) and estimator.scoring is None:
        return _find_scored(estimator.best_estimator_)
    return estimator


_HAND_ON = {
    "FrozenEstimator": "estimator",
    "RFE": "estimator_",
    "SelfTrainingClassifier": "estimator_",
}


def _is_search(estimator) -> bool:
    """Whether it is one of scikit-learn's searches, which hold the best model."""
    has_best = "best_estimator_" in getattr(estimator, "__dict__", ())
    return has_best and has_sklearns(estimator, "score")


def _score_whole(estimator, table, methods: dict):
    """Run the estimator's own ``score``; its predictions go chunk by chunk."""
    scorer = _ask_instead(estimator, methods)
    if _is_search(estimator):
        scorer.best_estimator_ = _ask_instead(estimator.best_estimator_, methods)
    y = () if table.y is None else (show_rows(table.y),)
    params = {name: show_rows(source) for name, source in table.by_row.items()}
    return scorer.score(show_rows(table.X), *y, **params, **table.whole)


def _ask(work: Work, method: str, by_chunks: Callable):
    """Return the method as a function of X that goes by chunks, if results are rows."""
    if is_sklearns(work.estimator):
        return by_chunks(method, keep_result)

    def call(X, **params):
        try:
            return by_chunks(method, keep_rows)(X, **params)
        except NotByRowError:
            # skfolio predicts a portfolio, whose ratio is one of all rows together.
            rows = work.input_layout.apply(open_source(X, "X").load())
            return getattr(work.estimator, method)(rows, **params)

    return call


def _ask_instead(estimator, methods: dict):
    """Return a shallow copy with ``methods`` in place of its own."""
    if not hasattr(estimator, "__dict__"):
        return estimator  # no place for attributes: its own methods get all rows
    scorer = copy(estimator)
    for name, method in methods.items():
        method.__name__ = name  # by which scikit-learn's scorers ask for it
        vars(scorer)[name] = method
    return scorer


def _mean(work: Work) -> float:
    """Mean over rows, such as accuracy: chunk means, weighted."""
    total, weight = 0.0, 0.0
    take = _take_hits
    if _is_share_of_equals(work):
        work = replace(work, method="predict", asked="score", only_X=True)
        take = _count_equals
    for hits, chunk_weight in _iter_taken(work, take):
        total += hits
        weight += chunk_weight
    return total / weight


def _take_hits(chunk, score) -> tuple:
    """Return the weight of what is right in a chunk, and of all of it."""
    weight = _find_weights(chunk).sum()
    hits = score * weight
    # Without weights this is a count, which the division made inexact.
    return hits if "sample_weight" in chunk.params else round(hits), weight


def _is_share_of_equals(work: Work) -> bool:
    """Whether the score is the share of labels that are predicted.

    scikit-learn's accuracy finds out of each chunk what kind of labels it has, which
    takes longer than the predictions of a linear model.
    """
    kind, y = type(work.estimator), work.table.y
    own = getattr(kind, "score", None)
    if not is_sklearn_class(kind) or own is not ClassifierMixin.score:
        return False
    if y is None or y.ndim != 1 or y.dtype.kind not in "biuU" or work.table.by_row:
        return False
    classes = getattr(work.estimator, "classes_", None)
    return isinstance(classes, np.ndarray) and classes.dtype.kind == y.dtype.kind


def _count_equals(chunk, predicted) -> tuple:
    """Return how many labels are right in a chunk, and how many there are."""
    return np.count_nonzero(np.ravel(predicted) == chunk.y), chunk.n_rows


def _sum(work: Work) -> float:
    """Sum over rows, such as the inertia of k-means."""
    return math.fsum(_iter_taken(work, keep_result))


def _bound(work: Work) -> float:
    """Sum over documents plus one term of the topics, which each chunk repeats.

    A document without words contributes nothing, so its score is that term.
    """
    topics = _find_topics(work)
    scores = _iter_taken(work, keep_result)
    return math.fsum(score - topics for score in scores) + topics


def _find_topics(work: Work) -> float:
    """Return the term of the topics: the score of a document without words."""
    row = work.table.X.read(0, 1)
    empty = Table(
        open_source(0 * (np.asarray(row) if isinstance(row, list) else row), "X")
    )
    ((*_, topics),) = iter_results(replace(work, table=empty), [(0, 1)])
    return topics


def compute_perplexity(work: Work, *, sub_sampling: bool) -> float:
    """Return the ``perplexity`` of LatentDirichletAllocation on all rows.

    It is the bound for each word, of which documents have terms that add up.
    """
    work = replace(work, method="score")
    topics = _find_topics(work)
    taken = [*_iter_taken(work, _take_words)]
    documents = math.fsum(score - topics for score, _ in taken)
    words = np.float64(math.fsum(n_words for _, n_words in taken))
    # Of a sample both are counted as those of all documents.
    n_rows, n_documents = work.table.X.n_rows, work.estimator.total_samples
    share = n_documents / n_rows if sub_sampling else 1.0
    return np.exp(-(share * documents + topics) / (share * words))


def _take_words(chunk, score) -> tuple:
    """Return the score of a chunk, and how many words are in it."""
    X = chunk.X if sparse.issparse(chunk.X) else np.asarray(chunk.X)
    return score, float(X.sum(dtype=np.float64))


def _iter_taken(work: Work, take):
    """Yield what is taken of each chunk; chunks without weight are skipped."""
    chunks, weights = work.schedule, work.table.by_row.get("sample_weight")
    if weights is not None:
        chunks = [rows for rows in chunks if weights.read(*rows).any()]
    for start, stop, taken in iter_results(replace(work, take=take), chunks):
        yield taken
        work.report.add(stop - start)


def _r2(work: Work) -> float:
    """Coefficient of determination, as ``sklearn.metrics.r2_score`` defines it."""
    take = partial(_take_squares, _mean_target(work.table, work.schedule))
    work = replace(work, method="predict", take=take, only_X=True)
    residual = total = 0.0
    for start, stop, (left, around) in iter_results(work):
        work.report.add(stop - start)
        residual = residual + left
        total = total + around
    # A target that never varies is explained wholly or not at all.
    safe = np.where(total == 0, 1, total)
    scores = np.where(total == 0, residual == 0, 1 - residual / safe)
    return scores.mean()


def _take_squares(mean, chunk, y_pred) -> tuple:
    """Return the squares that are left of a chunk, and those around the mean."""
    y, weights = _find_target(chunk)
    y_pred = np.asarray(y_pred, dtype=np.float64).reshape(len(y), -1)
    if y_pred.shape != y.shape:
        from sklearn.metrics import r2_score

        r2_score(y, y_pred)  # raises, and says what is wrong
    assert_all_finite(y_pred, input_name="y_pred")
    squares = (y - y_pred) ** 2, (y - mean) ** 2
    return tuple((weights * square).sum(axis=0) for square in squares)


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
    return np.asarray(y).astype(np.float64).reshape(len(y), -1)


def _find_weights(chunk):
    weights = chunk.params.get("sample_weight")
    return np.ones(chunk.n_rows) if weights is None else weights.astype(np.float64)


_COMBINE = {
    "ClassifierMixin": _mean,
    "MultiOutputClassifier": _mean,
    "RegressorMixin": _r2,
    "KMeans": _sum,
    "BisectingKMeans": _sum,
    "MiniBatchKMeans": _sum,
    "LatentDirichletAllocation": _bound,
}


def _find_combine(cls: type) -> Callable | None:
    """Return what adds up the ``score`` of a class, None if it has one of its own."""
    own = getattr(cls, "score", None)
    for kind in filter(is_sklearn_class, cls.__mro__):
        if kind.__name__ in _COMBINE and kind.score is own:
            return _COMBINE[kind.__name__]
    return None
