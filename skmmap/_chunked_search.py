"""``ChunkedSearchCV``: searches whose models are trained side by side."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.model_selection import GridSearchCV, ParameterGrid

from skmmap._types import RowsLike
from skmmap.search import reading_together


class ChunkedSearchCV(GridSearchCV):
    """Search over parameters of `ChunkedFit`, with one reading for all models.

    ``ChunkedSearchCV(ChunkedFit(model), grid).fit(X, y)`` is scikit-learn's
    ``GridSearchCV`` on rows that stay on disk. All candidates are trained on all folds
    side by side: a chunk is read, cast and mixed once, and given to each model that
    learns from it or is scored on it, while it is in the cache.

    Use it where reading and mixing are a large part of the work: cheap estimators, many
    candidates, rows that do not fit in memory. Where an estimator takes far longer than
    its rows (networks, many classes), ``GridSearchCV(ChunkedFit(model), n_jobs=...)``
    on `open_rows` takes as long.

    Parameters
    ----------
    estimator : ChunkedFit, or an estimator that has one inside
        What is trained, with parameters as in ``GridSearchCV``: ``estimator__alpha`` is
        ``alpha`` of the estimator in it.

    param_grid : dict or list of dicts
        The values of each parameter, by its name; of a list, each dict is a grid.

    scoring : str, callable, list, tuple or dict, default=None
        What the models are compared by, as in ``GridSearchCV``. None is the
        estimator's own ``score``, which goes chunk by chunk; others get predictions for
        all rows of a fold.

    n_jobs : int or None, default=None
        Number of threads that compute at a time. -1 is one for each core; None is 1,
        or what ``joblib.parallel_config`` says.

    refit : bool, str or callable, default=True
        Whether the best candidate is trained on all rows at the end, and which score it
        is the best by, as in ``GridSearchCV``.

    cv : int, cross-validation generator or iterable, default=None
        The folds, as in ``GridSearchCV``; None is 5.

    verbose : int, default=0
        How much is printed, as in ``GridSearchCV``.

    error_score : "raise" or number, default=nan
        The score of a model that cannot be fitted.

    return_train_score : bool, default=False
        Whether models are scored on their training rows, too.

    Attributes
    ----------
    cv_results_ : dict of arrays
        Scores and times of each candidate, by the names that ``GridSearchCV`` has for
        them. A time includes waiting for other models.

    best_estimator_ : estimator instance
        The best candidate, trained on all rows, unless ``refit=False``.

    best_score_ : float
        Its mean score over the folds.

    best_params_ : dict
        Its parameters.

    best_index_ : int
        Its place in ``cv_results_``.

    scorer_ : callable or dict
        What it was chosen by.

    n_splits_ : int
        Number of folds.

    refit_time_ : float
        Seconds of the training on all rows.

    multimetric_ : bool
        Whether there are several scores.

    See Also
    --------
    sklearn.model_selection.GridSearchCV : The same, one model after the other.
    ChunkedFit : The estimator that is searched over.

    Notes
    -----
    Reads: y once, and X once for each epoch, if X fits in half of the `memory_limit`
    of ChunkedFit or its rows come in file order. Shuffled rows that do not fit are read
    once for each fold and epoch, by all candidates together.
    Allocates: all models, a chunk or the buffers of a fold, and X if it fits.
    Equals: ``GridSearchCV(estimator, param_grid, ...).fit(open_rows(X), open_rows(y))``
    bit for bit, except for times.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import SGDClassifier
    >>> from skmmap import ChunkedFit, ChunkedSearchCV
    >>> X = np.random.default_rng(0).normal(size=(1000, 4))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> model = ChunkedFit(SGDClassifier(random_state=0))
    >>> search = ChunkedSearchCV(model, {"estimator__alpha": [1e-4, 1.0]}, cv=3)
    >>> search.fit(X, y).best_params_
    {'estimator__alpha': 0.0001}
    >>> ChunkedSearchCV(SGDClassifier(), {"alpha": [1e-4, 1.0]}).fit(X, y)
    Traceback (most recent call last):
        ...
    TypeError: ChunkedSearchCV trains ChunkedFit on chunks of rows, and SGDClassifier \
is none and has none inside. ...
    """

    __module__ = "skmmap"

    pre_dispatch = "all"  # tasks that begin later would read anew

    def __init__(
        self,
        estimator: Any,
        param_grid: dict | list,
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: bool | str | Callable = True,
        cv: Any = None,
        verbose: int = 0,
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ) -> None:
        self.estimator = estimator
        self.param_grid = param_grid
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.refit = refit
        self.cv = cv
        self.verbose = verbose
        self.error_score = error_score
        self.return_train_score = return_train_score

    def _run_search(self, evaluate_candidates: Callable) -> None:
        evaluate_candidates(ParameterGrid(self.param_grid))

    def fit(self, X: RowsLike, y: RowsLike = None, **params: Any) -> Self:
        """Train and score all candidates on all folds, in one reading.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `ChunkedFit` takes.

        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            Targets, or the path of a ``.npy`` file with them.

        **params : dict
            Parameters of the estimator's ``fit``, of the scorer and the splitter, as in
            ``GridSearchCV``. Those with a value for each row are split along with X.

        Returns
        -------
        self : ChunkedSearchCV
            The fitted object.

        Raises
        ------
        TypeError
            If there is no `ChunkedFit` in the estimator.

        ValueError
            If all fits fail, or one does and ``error_score="raise"``.

        OSError
            If a file cannot be read, or is truncated or replaced during training.

        Notes
        -----
        Reads: y once, and X once for each epoch, or once for each fold and epoch; then
        as often as ``fit`` of ChunkedFit for the best candidate.
        Allocates: all models, a chunk or the buffers of a fold, and X if it fits.
        Equals: ``GridSearchCV.fit`` on `open_rows` of the same, bit for bit.
        """
        name = type(self).__name__
        reading = reading_together(self.estimator, X, y, params, self.n_jobs, name)
        with reading as (X, y, params):
            return super().fit(X, y, **params)


# doctest takes only what says that it is of this module.
__test__ = {"ChunkedSearchCV": ChunkedSearchCV}
