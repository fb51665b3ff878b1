"""``ChunkedSearchCV``: searches whose models are trained side by side."""

from collections.abc import Callable
from functools import partial
from os import PathLike
from typing import Any, Literal, Self

import numpy as np
from sklearn.model_selection import GridSearchCV

from skmmap._types import RowsLike
from skmmap.checkpoints import Checkpoint, run_search_kept
from skmmap.learn import Explanation
from skmmap.run import find_histories
from skmmap.search import (
    check_settings,
    explain_search,
    find_chunked,
    having_resource,
    reading_together,
    run_strategy,
    select_best,
)
from skmmap.wrap import find_state


class ChunkedSearchCV(GridSearchCV):
    """Search over parameters of `ChunkedFit`, with one reading for all models.

    ``ChunkedSearchCV(ChunkedFit(model), grid).fit(X, y)`` is scikit-learn's
    ``GridSearchCV`` on rows that stay on disk. All candidates are trained on all folds
    side by side: a chunk is read, cast and mixed once, and given to each model that
    learns from it or is scored on it, while it is in the cache. `strategy` chooses the
    candidates, and how long each of them is trained.

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
        Values are lists, or distributions with an ``rvs`` method where candidates are
        drawn.

    strategy : {"grid", "random", "halving", "hyperband"}, default="grid"
        ``"grid"`` trains all candidates, as ``GridSearchCV`` does. ``"random"`` trains
        `n_iter` of them, as ``RandomizedSearchCV``. ``"halving"`` trains all with few
        epochs or rows, and in each further round one of `factor` of them with `factor`
        times as many, as ``HalvingGridSearchCV``. ``"hyperband"`` makes several such
        searches, which begin with fewer candidates and more epochs each. The last two
        are inexact: a candidate that would have been the best at the end is lost if it
        is not good enough in an early round.

    n_iter : int, default=10
        Number of candidates that are drawn. ``"halving"`` draws from distributions, and
        tries all candidates if there are lists only. ``"hyperband"`` draws as many as
        `max_resources` and `factor` make of it.

    random_state : int, RandomState instance or None, default=None
        Seed of the candidates that are drawn, which ``"grid"`` does not do. Folds and
        models have their own.

    factor : number above 1, default=3
        One of so many candidates is left after each round, and gets so many times the
        resources.

    resource : {"epochs", "rows"}, default="epochs"
        What candidates get more of in each round. With ``"epochs"``, which sets
        ``max_epochs`` of ChunkedFit, models continue from where they are. With
        ``"rows"`` they start over, on a part of each fold's rows that has the one of
        the round before in it: short runs from 1,000 places in equal distances, so
        that few blocks are read, and sorted files are represented. Test rows are
        reduced in the same way.

    min_resources : int, "auto", "smallest" or "exhaust", default="auto"
        Epochs, or rows of all folds, in the first round. ``"smallest"`` is 1 epoch, or
        twice the number of folds (and of classes) in rows. ``"exhaust"`` is as many as
        let the last round have `max_resources`; so is ``"auto"`` for ``"halving"``. For
        ``"hyperband"``, ``"auto"`` is the smallest.

    max_resources : int or "auto", default="auto"
        Epochs or rows in the last round. ``"auto"`` is ``max_epochs`` of ChunkedFit, or
        the estimator's ``max_iter`` if that is ``"auto"``; or all rows.

    aggressive_elimination : bool, default=False
        Whether ``"halving"`` repeats the first round until so few candidates are left
        that the last round has less than `factor`.

    scoring : str, callable, list, tuple or dict, default=None
        What the models are compared by, as in ``GridSearchCV``. None is the
        estimator's own ``score``, which goes chunk by chunk; others get predictions for
        all rows of a fold.

    n_jobs : int or None, default=None
        Number of threads that compute at a time. -1 is one for each core; None is 1,
        or what ``joblib.parallel_config`` says.

    refit : bool, str or callable, default=True
        Whether the best candidate is trained on all rows at the end, and which score it
        is the best by, as in ``GridSearchCV``. ``"halving"`` and ``"hyperband"``
        compare by it after each round as well, and need a name if there are several
        scores; the best one is of the last round, unless a callable says otherwise.

    cv : int, cross-validation generator or iterable, default=None
        The folds, as in ``GridSearchCV``; None is 5. All rounds have the same.

    verbose : int, default=0
        How much is printed, as in ``GridSearchCV``.

    error_score : "raise" or number, default=nan
        The score of a model that cannot be fitted.

    return_train_score : bool, default=False
        Whether models are scored on their training rows, too.

    checkpoint : str, path-like, Checkpoint or None, default=None
        File that the state of `fit` is written to every 60 seconds, or as `Checkpoint`
        says. If the process is killed, the same call goes on from there: scores that
        are known are not computed again, and each model that was being trained
        continues after its last chunk. Once the search is over, `fit` returns its
        result from the file. Only `n_jobs` and `verbose`, and ``n_jobs``, ``read`` and
        ``verbose`` of ChunkedFit, may be others; that has no checkpoint of its own.

    Attributes
    ----------
    cv_results_ : dict of arrays
        Scores and times of each candidate, by the names that ``GridSearchCV`` has for
        them. A time includes waiting for other models. With ``"halving"`` and
        ``"hyperband"`` also ``iter``, the round, and ``n_resources``; of
        ``"hyperband"`` also ``bracket``, the number of rounds that are to follow the
        first one of the candidate. A candidate has a place for each of its rounds.

    best_estimator_ : estimator instance
        The best candidate, trained on all rows, unless ``refit=False``.

    best_score_ : float
        Its mean score over the folds.

    best_params_ : dict
        Its parameters.

    best_index_ : int
        Its place in ``cv_results_``.

    histories_ : list of lists of dicts
        The ``history_`` of the `ChunkedFit` of each candidate, in the order of
        ``cv_results_``, and of each fold: its loss, its score on held-out rows and its
        time in each epoch. None of a model that could not be fitted.
        `SearchHistoryDisplay` plots them.

    scorer_ : callable or dict
        What it was chosen by.

    n_splits_ : int
        Number of folds.

    refit_time_ : float
        Seconds of the training on all rows.

    multimetric_ : bool
        Whether there are several scores.

    n_iterations_, n_resources_, n_candidates_ : int, list of int, list of int
        Number of rounds of ``"halving"`` or ``"hyperband"``, and what each one had.

    n_remaining_candidates_ : int
        Number of candidates that would be in the next round.

    min_resources_, max_resources_ : int
        Resources of the first round, and at most.

    n_required_iterations_, n_possible_iterations_ : int
        Rounds until fewer than `factor` candidates are left, and those that
        `max_resources` allows; of ``"halving"``.

    See Also
    --------
    sklearn.model_selection.GridSearchCV : The same, one model after the other.
    sklearn.model_selection.RandomizedSearchCV : That of ``strategy="random"``.
    sklearn.model_selection.HalvingGridSearchCV : That of ``strategy="halving"``.
    ChunkedFit : The estimator that is searched over.
    SearchHistoryDisplay : Plots what the models have recorded.

    Notes
    -----
    Reads: y once, and X once for each epoch, if X fits in half of the `memory_limit`
    of ChunkedFit or its rows come in file order. Shuffled rows that do not fit are read
    once for each fold and epoch, by all candidates together; with ``shuffle="shared"``
    of ChunkedFit, once for each epoch. Naive Bayes classifiers and scalers learn once
    for all candidates that differ in smoothing, priors or ranges alone, and each row
    once for all folds if sums are exact in any order: counts of integers without
    weights, minima, maxima.
    Allocates: all models, or as many at a time as fit in half of the `memory_limit`, a
    chunk of each fold or the buffers of one, and X if it fits; between two rounds, the
    models that are left. Predictions for a scorer take a quarter of the limit, and
    those of further models are in temporary files.
    Equals: ``GridSearchCV(estimator, param_grid, ...).fit(open_rows(X), open_rows(y))``
    bit for bit, except for times; with ``"random"``, ``RandomizedSearchCV``; with
    ``"halving"``, ``HalvingGridSearchCV`` with ``resource="max_epochs"``. With
    ``resource="epochs"`` each score is that of a fit of as many epochs from the start,
    with ``"rows"`` that of a fit to as many rows.

    A model starts over in the next round, with the same result, if its state cannot be
    pickled, if ``random_state`` of ChunkedFit is a generator, or if its first round of
    a single epoch was another fit (``early_stopping`` holds out rows of several epochs
    only). A fit that has stopped by its own rule is not continued.

    All brackets of Hyperband make the rounds with the same resources together, and so
    read the rows less often than one after the other.

    References
    ----------
    Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
    Optimization", AISTATS 2016, for halving.

    Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
    Optimization", JMLR 18 (185), 2018.

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
    >>> grid = {"estimator__alpha": [1e-4, 1e-2, 1.0, 100.0]}
    >>> given = {"strategy": "halving", "factor": 2, "max_resources": 4, "cv": 3}
    >>> search = ChunkedSearchCV(model, grid, **given).fit(X, y)
    >>> search.n_resources_, search.n_candidates_
    ([1, 2, 4], [4, 2, 1])
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
        strategy: Literal["grid", "random", "halving", "hyperband"] = "grid",
        n_iter: int = 10,
        random_state: int | np.random.RandomState | None = None,
        factor: float = 3,
        resource: Literal["epochs", "rows"] = "epochs",
        min_resources: int | Literal["auto", "smallest", "exhaust"] = "auto",
        max_resources: int | Literal["auto"] = "auto",
        aggressive_elimination: bool = False,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: bool | str | Callable = True,
        cv: Any = None,
        verbose: int = 0,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        checkpoint: str | PathLike[str] | Checkpoint | None = None,
    ) -> None:
        self.estimator = estimator
        self.param_grid = param_grid
        self.strategy = strategy
        self.n_iter = n_iter
        self.random_state = random_state
        self.factor = factor
        self.resource = resource
        self.min_resources = min_resources
        self.max_resources = max_resources
        self.aggressive_elimination = aggressive_elimination
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.refit = refit
        self.cv = cv
        self.verbose = verbose
        self.error_score = error_score
        self.return_train_score = return_train_score
        self.checkpoint = checkpoint

    def _run_search(
        self, evaluate_candidates: Callable, *, callback_ctx: Any = None
    ) -> None:
        resource = vars(self).get("_resource")
        run_strategy(self, resource, evaluate_candidates, callback_ctx)

    def _select_best_index(self, refit: Any, refit_metric: str, results: dict) -> int:
        if "iter" not in results or callable(refit):
            return super()._select_best_index(refit, refit_metric, results)
        return select_best(results, f"mean_test_{refit_metric}")

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
            If all fits fail, as where a file is truncated or replaced during training,
            or one does and ``error_score="raise"``; or if a parameter is set that the
            strategy does not use.

        OSError
            If a file cannot be read.

        Notes
        -----
        Reads: y once, and X once for each epoch, or once for each fold and epoch, of
        the candidate that makes most of them; then as often as ``fit`` of ChunkedFit
        for the best candidate.
        Allocates: all models, or as many at a time as fit in half of the
        `memory_limit`; a chunk of each fold or the buffers of one, and X if it fits.
        Equals: ``fit`` of scikit-learn's search on `open_rows` of the same, bit for
        bit, but for what the class says of ``resource="rows"``.
        """
        check_settings(self)
        find_chunked(self.estimator, type(self).__name__)  # before a file is written
        run_search_kept(
            self,
            {"X": X, "y": y, **params},
            partial(self._run, X, y, params),
            partial(find_state, self),
            vars(self).update,
        )
        return self

    def _run(self, X: Any, y: Any, params: dict, keeper: Any) -> None:
        given = self.estimator, X, y, params, self.n_jobs, type(self).__name__
        reading = reading_together(*given, keeper)
        with reading as (X, y, params), having_resource(self, X, y, params):
            super().fit(X, y, **params)
            self.histories_ = find_histories(self.n_splits_)

    def explain(self, X: RowsLike, y: RowsLike = None, **params: Any) -> Explanation:
        """Return what `fit` would read with these rows, without training.

        Notebooks show it as a list, ``print`` as text.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            Targets, or the path of a ``.npy`` file with them.

        **params : dict
            Further parameters of `fit`.

        Returns
        -------
        explanation : Explanation
            The plan of the search. ``str(explanation)`` is its text, and
            ``explanation.sections`` a dict of the text of each section.

        Raises
        ------
        ValueError
            If the parameters of a candidate are refused, which a note names; or if `cv`
            is an iterator.

        Notes
        -----
        Reads: y once for each fold, and nothing of X.
        Allocates: a plan of each model.
        Equals: what `fit` does: which candidates read together, how often rows are
        read, and how many bytes of X. Where fits stop early, candidates are drawn or
        fall out, or several scores are computed, it is the most that can be.
        """
        check_settings(self)
        return explain_search(self, X, y, params)


# doctest takes only what says that it is of this module.
__test__ = {"ChunkedSearchCV": ChunkedSearchCV}
