"""Curves of scikit-learn, with one reading for all of their models."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn import model_selection

from skmmap._types import RowsLike
from skmmap.search import call_together


def learning_curve(
    estimator: Any,
    X: RowsLike,
    y: RowsLike,
    *,
    groups: RowsLike = None,
    train_sizes: Iterable[float] = (0.1, 0.325, 0.55, 0.775, 1.0),
    cv: Any = None,
    scoring: Any = None,
    exploit_incremental_learning: bool = False,
    n_jobs: int | None = None,
    verbose: int = 0,
    shuffle: bool = False,
    random_state: int | np.random.RandomState | None = None,
    error_score: Any = np.nan,
    return_times: bool = False,
    params: dict | None = None,
) -> tuple[np.ndarray, ...]:
    """Train a `ChunkedFit` on more and more rows of each fold, in one reading.

    It is scikit-learn's function of the same name on rows that stay on disk: it shows
    whether more rows would help. The models of all sizes and folds are trained side by
    side.

    Parameters
    ----------
    estimator : ChunkedFit, or an estimator that has one inside
        What is trained: a clone for each size and fold.

    X : array-like of shape (n_rows, n_features) or (n_rows, ...)
        Rows, in any form that `ChunkedFit` takes.

    y : array-like of shape (n_rows,) or (n_rows, n_outputs), or None
        Targets, or the path of a ``.npy`` file with them.

    groups : array-like of shape (n_rows,), default=None
        Groups of rows for the splitter.

    train_sizes : array-like of shape (n_sizes,), default=(0.1, 0.325, 0.55, 0.775, 1.0)
        Numbers of training rows, or shares of those of a fold. The first rows of each
        training set are taken.

    cv : int, cross-validation generator or iterable, default=None
        The folds.

    scoring : str or callable, default=None
        The score, as in `cross_validate`; a single one.

    exploit_incremental_learning : bool, default=False
        Whether there is one model for each fold, which ``partial_fit`` trains further
        on the rows that the next size has more: `max_epochs` epochs of each part, or
        one with ``"auto"``.

    n_jobs : int or None, default=None
        Number of threads that compute at a time.

    verbose : int, default=0
        How much is printed.

    shuffle : bool, default=False
        Whether training rows are shuffled before the first of them are taken, which
        sorted labels need. Rows of a file are then read in pieces.

    random_state : int, RandomState instance or None, default=None
        Seed of this order.

    error_score : "raise" or number, default=nan
        The score of a model that cannot be fitted.

    return_times : bool, default=False
        Whether times are returned, too. They include waiting for other models.

    params : dict, default=None
        Parameters of the estimator's ``fit``.

    Returns
    -------
    train_sizes_abs : ndarray of shape (n_sizes,)
        Numbers of training rows.

    train_scores : ndarray of shape (n_sizes, n_folds)
        Scores on the training rows.

    test_scores : ndarray of shape (n_sizes, n_folds)
        Scores on the test rows.

    fit_times, score_times : ndarray of shape (n_sizes, n_folds)
        Times, if they are asked for.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Plots the result.

    Notes
    -----
    Reads: y once, and X once for each epoch, if X fits in half of the `memory_limit` of
    ChunkedFit. Otherwise the rows of each size and fold are read on their own.
    Allocates: the models of all sizes and folds, a chunk or the buffers of one, and X
    if it fits.
    Equals: scikit-learn's ``learning_curve`` on `open_rows` of the same, bit for bit,
    except for times.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skmmap import ChunkedFit, learning_curve
    >>> X = np.random.default_rng(0).normal(size=(1000, 4))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> sizes, train, test = learning_curve(ChunkedFit(GaussianNB()), X, y, cv=4)
    >>> sizes
    array([ 75, 243, 412, 581, 750])
    >>> test.shape
    (5, 4)
    >>> learning_curve(GaussianNB(), X, y)
    Traceback (most recent call last):
        ...
    TypeError: learning_curve trains ChunkedFit on chunks of rows, and GaussianNB is \
none and has none inside. ...
    """
    given = {"train_sizes": np.asarray(train_sizes), "cv": cv, "scoring": scoring}
    given |= {"exploit_incremental_learning": exploit_incremental_learning}
    given |= {"verbose": verbose, "shuffle": shuffle, "random_state": random_state}
    given |= {"error_score": error_score, "return_times": return_times}
    function = model_selection.learning_curve
    return call_together(function, estimator, X, y, groups, params, n_jobs, **given)


def validation_curve(
    estimator: Any,
    X: RowsLike,
    y: RowsLike,
    *,
    param_name: str,
    param_range: Any,
    groups: RowsLike = None,
    cv: Any = None,
    scoring: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    error_score: Any = np.nan,
    params: dict | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Train a `ChunkedFit` with each value of a parameter, in one reading.

    It is scikit-learn's function of the same name on rows that stay on disk. The models
    of all values and folds are trained side by side, and chunks are read once for all
    of them.

    Parameters
    ----------
    estimator : ChunkedFit, or an estimator that has one inside
        What is trained: a clone for each value and fold.

    X : array-like of shape (n_rows, n_features) or (n_rows, ...)
        Rows, in any form that `ChunkedFit` takes.

    y : array-like of shape (n_rows,) or (n_rows, n_outputs), or None
        Targets, or the path of a ``.npy`` file with them.

    param_name : str
        Name of the parameter: ``"estimator__alpha"`` is ``alpha`` of the estimator that
        ChunkedFit trains.

    param_range : array-like of shape (n_values,)
        Its values.

    groups : array-like of shape (n_rows,), default=None
        Groups of rows for the splitter.

    cv : int, cross-validation generator or iterable, default=None
        The folds.

    scoring : str or callable, default=None
        The score, as in `cross_validate`; a single one.

    n_jobs : int or None, default=None
        Number of threads that compute at a time.

    verbose : int, default=0
        How much is printed.

    error_score : "raise" or number, default=nan
        The score of a model that cannot be fitted.

    params : dict, default=None
        Parameters of the estimator's ``fit``.

    Returns
    -------
    train_scores : ndarray of shape (n_values, n_folds)
        Scores on the training rows.

    test_scores : ndarray of shape (n_values, n_folds)
        Scores on the test rows.

    See Also
    --------
    sklearn.model_selection.ValidationCurveDisplay : Plots the result.
    ChunkedSearchCV : Several parameters, and the best of their values.

    Notes
    -----
    Reads: y once, and X once for each epoch, if X fits in half of the `memory_limit` of
    ChunkedFit; otherwise as `ChunkedSearchCV` does.
    Allocates: the models of all values and folds, a chunk or the buffers of a fold, and
    X if it fits.
    Equals: scikit-learn's ``validation_curve`` on `open_rows` of the same, bit for bit.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import SGDClassifier
    >>> from skmmap import ChunkedFit, validation_curve
    >>> X = np.random.default_rng(0).normal(size=(1000, 4))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> model = ChunkedFit(SGDClassifier(random_state=0))
    >>> values = {"param_name": "estimator__alpha", "param_range": [1e-4, 1e-2, 1.0]}
    >>> train, test = validation_curve(model, X, y, **values)
    >>> test.shape
    (3, 5)
    >>> validation_curve(SGDClassifier(), X, y, **values)
    Traceback (most recent call last):
        ...
    TypeError: validation_curve trains ChunkedFit on chunks of rows, and SGDClassifier \
is none and has none inside. ...
    """
    given = {"param_name": param_name, "param_range": param_range, "cv": cv}
    given |= {"scoring": scoring, "verbose": verbose, "error_score": error_score}
    function = model_selection.validation_curve
    return call_together(function, estimator, X, y, groups, params, n_jobs, **given)
