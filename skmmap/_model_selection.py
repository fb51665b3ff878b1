"""Cross-validation of scikit-learn, with one reading for all folds."""

from typing import Any

import numpy as np
from sklearn import model_selection

from skmmap._types import RowsLike
from skmmap.search import call_together


def cross_validate(
    estimator: Any,
    X: RowsLike,
    y: RowsLike = None,
    *,
    groups: RowsLike = None,
    scoring: Any = None,
    cv: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    params: dict | None = None,
    return_train_score: bool = False,
    return_estimator: bool = False,
    return_indices: bool = False,
    error_score: Any = np.nan,
) -> dict[str, Any]:
    """Train and score a `ChunkedFit` on each fold, with one reading for all folds.

    It is scikit-learn's function of the same name on rows that stay on disk. The models
    of all folds are trained side by side, and chunks that several of them learn from or
    are scored on are read once.

    Parameters
    ----------
    estimator : ChunkedFit, or an estimator that has one inside
        What is trained: a clone for each fold.

    X : array-like of shape (n_rows, n_features) or (n_rows, ...)
        Rows, in any form that `ChunkedFit` takes.

    y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
        Targets, or the path of a ``.npy`` file with them.

    groups : array-like of shape (n_rows,), default=None
        Groups of rows for the splitter, or the path of a ``.npy`` file with them.

    scoring : str, callable, list, tuple or dict, default=None
        Scores, as in scikit-learn. None is the estimator's own ``score``, which goes
        chunk by chunk; others get predictions for all rows of a fold.

    cv : int, cross-validation generator or iterable, default=None
        The folds, as in scikit-learn; None is 5.

    n_jobs : int or None, default=None
        Number of threads that compute at a time. -1 is one for each core; None is 1,
        or what ``joblib.parallel_config`` says.

    verbose : int, default=0
        How much is printed.

    params : dict, default=None
        Parameters of the estimator's ``fit``; with metadata routing also of the scorer
        and the splitter. Those with a value for each row are split along with X, and
        can be paths of ``.npy`` files.

    return_train_score : bool, default=False
        Whether models are scored on their training rows, too.

    return_estimator : bool, default=False
        Whether the fitted models are returned.

    return_indices : bool, default=False
        Whether the rows of each fold are returned.

    error_score : "raise" or number, default=nan
        The score of a model that cannot be fitted.

    Returns
    -------
    scores : dict of arrays
        An array for each score and time, with a value for each fold, by scikit-learn's
        names: ``"test_score"``, ``"fit_time"``, ... A time includes waiting for other
        models.

    See Also
    --------
    sklearn.model_selection.cross_validate : The same, one model after the other.
    ChunkedSearchCV : Several candidates, on all folds.

    Notes
    -----
    Reads: y once, and X once for each epoch, if X fits in half of the `memory_limit` of
    ChunkedFit; otherwise as `ChunkedSearchCV` does.
    Allocates: the models of all folds, a chunk or the buffers of a fold, and X if it
    fits.
    Equals: scikit-learn's ``cross_validate`` on `open_rows` of the same, bit for bit,
    except for times.

    There is no ``pre_dispatch``: all models begin together.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import SGDClassifier
    >>> from skmmap import ChunkedFit, cross_validate
    >>> X = np.random.default_rng(0).normal(size=(1000, 4))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> model = ChunkedFit(SGDClassifier(random_state=0))
    >>> scores = cross_validate(model, X, y, cv=3)
    >>> bool(scores["test_score"].min() > 0.9)
    True
    >>> cross_validate(SGDClassifier(), X, y)
    Traceback (most recent call last):
        ...
    TypeError: cross_validate trains ChunkedFit on chunks of rows, and SGDClassifier \
is none and has none inside. ...
    """
    given = {"scoring": scoring, "cv": cv, "verbose": verbose}
    given |= {"return_train_score": return_train_score, "error_score": error_score}
    given |= {"return_estimator": return_estimator, "return_indices": return_indices}
    function = model_selection.cross_validate
    return call_together(function, estimator, X, y, groups, params, n_jobs, **given)


def cross_val_score(
    estimator: Any,
    X: RowsLike,
    y: RowsLike = None,
    *,
    groups: RowsLike = None,
    scoring: Any = None,
    cv: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    params: dict | None = None,
    error_score: Any = np.nan,
) -> np.ndarray:
    """Return the score of a `ChunkedFit` on each fold, with one reading for all folds.

    It is scikit-learn's function of the same name on rows that stay on disk.

    Parameters
    ----------
    estimator : ChunkedFit, or an estimator that has one inside
        What is trained: a clone for each fold.

    X : array-like of shape (n_rows, n_features) or (n_rows, ...)
        Rows, in any form that `ChunkedFit` takes.

    y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
        Targets, or the path of a ``.npy`` file with them.

    groups : array-like of shape (n_rows,), default=None
        Groups of rows for the splitter.

    scoring : str or callable, default=None
        The score, as in `cross_validate`; a single one.

    cv : int, cross-validation generator or iterable, default=None
        The folds.

    n_jobs : int or None, default=None
        Number of threads that compute at a time.

    verbose : int, default=0
        How much is printed.

    params : dict, default=None
        Parameters of the estimator's ``fit``.

    error_score : "raise" or number, default=nan
        The score of a model that cannot be fitted.

    Returns
    -------
    scores : ndarray of shape (n_folds,)
        A score for each fold.

    See Also
    --------
    cross_validate : Several scores, times, and the models.

    Notes
    -----
    Reads: what `cross_validate` reads.
    Allocates: what `cross_validate` allocates.
    Equals: scikit-learn's ``cross_val_score`` on `open_rows` of the same, bit for bit.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skmmap import ChunkedFit, cross_val_score
    >>> X = np.random.default_rng(0).normal(size=(1000, 4))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> cross_val_score(ChunkedFit(GaussianNB()), X, y, cv=3).shape
    (3,)
    >>> cross_val_score(GaussianNB(), X, y)
    Traceback (most recent call last):
        ...
    TypeError: cross_val_score trains ChunkedFit on chunks of rows, and GaussianNB is \
none and has none inside. ...
    """
    given = {"scoring": scoring, "cv": cv, "verbose": verbose}
    given |= {"error_score": error_score}
    function = model_selection.cross_val_score
    return call_together(function, estimator, X, y, groups, params, n_jobs, **given)


def cross_val_predict(
    estimator: Any,
    X: RowsLike,
    y: RowsLike = None,
    *,
    groups: RowsLike = None,
    cv: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    params: dict | None = None,
    method: str = "predict",
) -> Any:
    """Return for each row what a model predicts that was trained on other folds.

    It is scikit-learn's function of the same name on rows that stay on disk, with one
    reading for all folds. Results are in memory; if they do not fit, call
    ``predict(X, out=...)`` of the models that ``cross_validate(return_estimator=True)``
    returns.

    Parameters
    ----------
    estimator : ChunkedFit, or an estimator that has one inside
        What is trained: a clone for each fold.

    X : array-like of shape (n_rows, n_features) or (n_rows, ...)
        Rows, in any form that `ChunkedFit` takes.

    y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
        Targets, or the path of a ``.npy`` file with them.

    groups : array-like of shape (n_rows,), default=None
        Groups of rows for the splitter.

    cv : int, cross-validation generator or iterable, default=None
        The folds; each row must be in the test rows of one of them.

    n_jobs : int or None, default=None
        Number of threads that compute at a time.

    verbose : int, default=0
        How much is printed.

    params : dict, default=None
        Parameters of the estimator's ``fit``.

    method : str, default="predict"
        The method: ``"predict"``, ``"predict_proba"``, ``"predict_log_proba"`` or
        ``"decision_function"``.

    Returns
    -------
    predictions : ndarray, sparse matrix, or list of arrays
        What the method returns, in the order of X.

    See Also
    --------
    cross_validate : Scores of the folds.

    Notes
    -----
    Reads: y once, and X as `cross_validate` does.
    Allocates: what `cross_validate` allocates, y, and three times the predictions.
    Equals: scikit-learn's ``cross_val_predict`` on `open_rows` of the same, bit for
    bit.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skmmap import ChunkedFit, cross_val_predict
    >>> X = np.random.default_rng(0).normal(size=(1000, 4))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> model = ChunkedFit(GaussianNB())
    >>> cross_val_predict(model, X, y, cv=3, method="predict_proba").shape
    (1000, 2)
    >>> cross_val_predict(GaussianNB(), X, y)
    Traceback (most recent call last):
        ...
    TypeError: cross_val_predict trains ChunkedFit on chunks of rows, and GaussianNB \
is none and has none inside. ...
    """
    given = {"cv": cv, "verbose": verbose, "method": method}
    function = model_selection.cross_val_predict
    return call_together(function, estimator, X, y, groups, params, n_jobs, **given)
