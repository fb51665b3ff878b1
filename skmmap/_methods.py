"""The methods of the wrapped estimator that take rows, each chunk by chunk."""

from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from skmmap.apply import (
    Work,
    apply_method,
    check_output,
    compute_score,
    find_key,
    keep_result,
    open_output,
)
from skmmap.formats import open_source
from skmmap.learn import (
    check_n_jobs,
    find_reading,
    make_estimator,
    make_schedule,
    route,
)
from skmmap.read import (
    Reading,
    open_given,
    open_table,
    open_target,
    open_target_as_it_is,
)
from skmmap.rows import Source
from skmmap.wrap import (
    Form,
    available_with,
    check_names,
    copy_trained,
    find_trained,
    is_sklearns,
)

_WHERE = {"out": UNUSED, "resume": UNUSED}
# Those that return a row for each row, and take ``out``.
KNOWN = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
    "inverse_transform",
    "score_samples",
)


class RowMethods:
    """What ``ChunkedFit`` does with rows once it is fitted."""

    # Where results go is for the wrapper, and no metadata of the estimator's.
    __metadata_request__predict = _WHERE
    __metadata_request__predict_proba = _WHERE
    __metadata_request__predict_log_proba = _WHERE
    __metadata_request__decision_function = _WHERE
    __metadata_request__transform = _WHERE
    __metadata_request__inverse_transform = _WHERE

    @available_with("predict")
    def predict(self, X, *, out=None, resume=False, **params):
        """Predict, chunk by chunk.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        out : str, path-like or ndarray, default=None
            Where the result goes: a ``.npy`` file, which appears when it is whole; a
            folder (a name without a suffix) for a sparse result; or an array or
            writable map of its shape, which is filled. None for an array in memory.

        resume : bool, default=False
            Whether to go on with the file that a run before this one, of the same
            estimator, data and versions, has left when it was killed or failed.

        **params : dict
            Further parameters of the estimator's ``predict``. Those with a value for
            each row are sliced along with X.

        Returns
        -------
        y_pred : array of shape (n_rows,) or (n_rows, n_outputs)
            What the estimator predicts.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: three chunks at most, the estimator's own needs on a chunk, and
        the result, unless that goes to `out`.
        Equals: the estimator's ``predict`` on all rows.
        """
        return self._apply("predict", X, params, out, resume)

    @available_with("predict_proba")
    def predict_proba(self, X, *, out=None, resume=False, **params):
        """Predict the probability of each class, chunk by chunk.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        out : str, path-like or ndarray, default=None
            Where the result goes: a ``.npy`` file, which appears when it is whole; a
            folder (a name without a suffix) for a sparse result; or an array or
            writable map of its shape, which is filled. None for an array in memory.

        resume : bool, default=False
            Whether to go on with the file that a run before this one, of the same
            estimator, data and versions, has left when it was killed or failed.

        **params : dict
            Further parameters of the estimator's ``predict_proba``. Those with a value
            for each row are sliced along with X.

        Returns
        -------
        y_proba : array of shape (n_rows, n_classes), or a list of them
            Probabilities, in the order of `classes_`.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: three chunks at most, the estimator's own needs on a chunk, and
        the result, unless that goes to `out`.
        Equals: the estimator's ``predict_proba`` on all rows.
        """
        return self._apply("predict_proba", X, params, out, resume)

    @available_with("predict_log_proba")
    def predict_log_proba(self, X, *, out=None, resume=False, **params):
        """Predict the logarithm of the probability of each class, chunk by chunk.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        out : str, path-like or ndarray, default=None
            Where the result goes: a ``.npy`` file, which appears when it is whole; a
            folder (a name without a suffix) for a sparse result; or an array or
            writable map of its shape, which is filled. None for an array in memory.

        resume : bool, default=False
            Whether to go on with the file that a run before this one, of the same
            estimator, data and versions, has left when it was killed or failed.

        **params : dict
            Further parameters of the estimator's ``predict_log_proba``. Those with a
            value for each row are sliced along with X.

        Returns
        -------
        y_log_proba : array of shape (n_rows, n_classes), or a list of them
            Logarithms of probabilities, in the order of `classes_`.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: three chunks at most, the estimator's own needs on a chunk, and
        the result, unless that goes to `out`.
        Equals: the estimator's ``predict_log_proba`` on all rows.
        """
        return self._apply("predict_log_proba", X, params, out, resume)

    @available_with("decision_function")
    def decision_function(self, X, *, out=None, resume=False, **params):
        """Compute the confidence in each class, chunk by chunk.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        out : str, path-like or ndarray, default=None
            Where the result goes: a ``.npy`` file, which appears when it is whole; a
            folder (a name without a suffix) for a sparse result; or an array or
            writable map of its shape, which is filled. None for an array in memory.

        resume : bool, default=False
            Whether to go on with the file that a run before this one, of the same
            estimator, data and versions, has left when it was killed or failed.

        **params : dict
            Further parameters of the estimator's ``decision_function``. Those with a
            value for each row are sliced along with X.

        Returns
        -------
        y_score : array of shape (n_rows,) or (n_rows, n_classes)
            Confidence, as the estimator defines it.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: three chunks at most, the estimator's own needs on a chunk, and
        the result, unless that goes to `out`.
        Equals: the estimator's ``decision_function`` on all rows.
        """
        return self._apply("decision_function", X, params, out, resume)

    @available_with("transform")
    def transform(self, X, *, out=None, resume=False, **params):
        """Transform rows, chunk by chunk.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        out : str, path-like or ndarray, default=None
            Where the result goes: a ``.npy`` file, which appears when it is whole; a
            folder (a name without a suffix) for a sparse result; or an array or
            writable map of its shape, which is filled. None for an array in memory.

        resume : bool, default=False
            Whether to go on with the file that a run before this one, of the same
            estimator, data and versions, has left when it was killed or failed.

        **params : dict
            Further parameters of the estimator's ``transform``. Those with a value
            for each row are sliced along with X.

        Returns
        -------
        X_out : array, sparse matrix or data frame of shape (n_rows, n_features_out)
            Transformed rows, in the type that the estimator returns.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: three chunks at most, the estimator's own needs on a chunk, and
        the result, unless that goes to `out`; frames, and sparse results other than
        CSR, are joined at the end, which takes them twice.
        Equals: the estimator's ``transform`` on all rows.
        """
        return self._apply("transform", X, params, out, resume)

    @available_with("inverse_transform")
    def inverse_transform(self, X, *, out=None, resume=False, **params):
        """Transform rows back to the space of X, chunk by chunk.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features_out)
            Transformed rows.

        out : str, path-like or ndarray, default=None
            Where the result goes: a ``.npy`` file, which appears when it is whole; a
            folder (a name without a suffix) for a sparse result; or an array or
            writable map of its shape, which is filled. None for an array in memory.

        resume : bool, default=False
            Whether to go on with the file that a run before this one, of the same
            estimator, data and versions, has left when it was killed or failed.

        **params : dict
            Further parameters of the estimator's ``inverse_transform``. Those with a
            value for each row are sliced along with X.

        Returns
        -------
        X_original : array or sparse matrix of shape (n_rows, n_features), or a list
            Rows in the original space; those of a vectorizer are a list with the words
            of each.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: three chunks at most, the estimator's own needs on a chunk, and
        the result, unless that goes to `out`.
        Equals: the estimator's ``inverse_transform`` on all rows.
        """
        return self._apply("inverse_transform", X, params, out, resume)

    @available_with("score_samples")
    def score_samples(self, X, *, out=None, resume=False):
        """Compute a score for each row, chunk by chunk.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        out : str, path-like or ndarray, default=None
            Where the result goes: a ``.npy`` file, which appears when it is whole; a
            folder (a name without a suffix) for a sparse result; or an array or
            writable map of its shape, which is filled. None for an array in memory.

        resume : bool, default=False
            Whether to go on with the file that a run before this one, of the same
            estimator, data and versions, has left when it was killed or failed.

        Returns
        -------
        scores : array of shape (n_rows,)
            Scores, as the estimator defines them.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: three chunks at most, the estimator's own needs on a chunk, and
        the result, unless that goes to `out`.
        Equals: the estimator's ``score_samples`` on all rows.
        """
        return self._apply("score_samples", X, {}, out, resume)

    @available_with("score")
    def score(self, X, y=None, sample_weight=None, **params):
        """Compute the estimator's own score on all rows, chunk by chunk.

        Accuracy, R2, the score of k-means and the bound of latent Dirichlet
        allocation are added up from chunks. Of an estimator with a ``score`` of its
        own that method runs, and the predictions that it asks for go by chunks.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            True targets, or a path to a ``.npy`` file with them.

        sample_weight : array-like of shape (n_rows,), default=None
            Weights, or a path to a ``.npy`` file with them.

        **params : dict
            Further parameters of the estimator's ``score``.

        Returns
        -------
        score : float
            The score.

        Notes
        -----
        Reads: X once and y once, for R2 y twice, in file order.
        Allocates: three chunks at most, and the estimator's own needs on a chunk; a
        ``score`` of an estimator's own holds the predictions for all rows that it asks
        for, and what it makes of them; where these are an object and no rows, it gets
        all rows in memory.
        Equals: the estimator's ``score`` on all rows; sums over chunks round
        differently in the last digits.
        """
        estimator = self._find_fitted()
        check_n_jobs(self.n_jobs)
        params = {"sample_weight": sample_weight, **params}
        params = route(self, "score", "score", params)
        X = open_source(X, "X")
        estimator = check_names(estimator, X)
        is_own = is_sklearns(estimator)
        y = open_target(y, single_output=False) if is_own else open_target_as_it_is(y)
        reading = self._find_reading("score", X)
        table = open_table(X, y, params, reading, is_checked=is_own)
        return compute_score(
            estimator,
            table,
            make_schedule(self, table.X),
            self._find_form(),
            chunked=lambda method, take: (
                lambda X, **params: self._apply(
                    method, X, params, take=take, estimator=estimator
                )
            ),
            n_jobs=self.n_jobs,
        )

    @available_with("fit_predict")
    def fit_predict(self, X, y=None, *, out=None, resume=False, **params):
        """Fit to all rows, then predict them.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        y : array-like of shape (n_rows,), default=None
            Targets, which clusterers and outlier detectors ignore.

        out : str, path-like or ndarray, default=None
            Where the result goes: a ``.npy`` file, which appears when it is whole; a
            folder (a name without a suffix) for a sparse result; or an array or
            writable map of its shape, which is filled. None for an array in memory.

        resume : bool, default=False
            Whether to go on with the file that a run before this one has left, if it
            had trained the same estimator on the same data. `fit` itself runs anew.

        **params : dict
            Parameters of `fit`.

        Returns
        -------
        y_pred : array of shape (n_rows,)
            What the trained estimator predicts.

        Notes
        -----
        Reads: what `fit` reads, then X once.
        Allocates: what `fit` and `predict` allocate.
        Equals: ``fit(X, y).predict(X, out=out)``.
        """
        self._check_output(X, y, params, out, resume)
        return self.fit(X, y, **params).predict(X, out=out, resume=resume)

    @available_with("fit_transform")
    def fit_transform(self, X, y=None, *, out=None, resume=False, **params):
        """Fit to all rows, then transform them.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            Targets.

        out : str, path-like or ndarray, default=None
            Where the result goes: a ``.npy`` file, which appears when it is whole; a
            folder (a name without a suffix) for a sparse result; or an array or
            writable map of its shape, which is filled. None for an array in memory.

        resume : bool, default=False
            Whether to go on with the file that a run before this one has left, if it
            had trained the same estimator on the same data. `fit` itself runs anew.

        **params : dict
            Parameters of `fit`.

        Returns
        -------
        X_out : array, sparse matrix or data frame of shape (n_rows, n_features_out)
            Transformed rows.

        Notes
        -----
        Reads: what `fit` reads, then X once.
        Allocates: what `fit` and `transform` allocate.
        Equals: ``fit(X, y).transform(X, out=out)``.
        """
        self._check_output(X, y, params, out, resume)
        return self.fit(X, y, **params).transform(X, out=out, resume=resume)

    @available_with("get_feature_names_out")
    def get_feature_names_out(self, input_features=None):
        """Name the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X.

        Returns
        -------
        feature_names_out : ndarray of str
            Names of the transformed columns.

        Notes
        -----
        Reads: nothing.
        Allocates: the names.
        Equals: the estimator's ``get_feature_names_out``.
        """
        return self._find_fitted().get_feature_names_out(input_features)

    @available_with("set_output")
    def set_output(self, *, transform=None):
        """Choose the type that `transform` returns.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            The type; None leaves it as it is.

        Returns
        -------
        self : ChunkedFit
            The object itself.

        Notes
        -----
        Reads: nothing.
        Allocates: nothing.
        Equals: the estimator's ``set_output``, now and after the next `fit`.
        """
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
            if self.__sklearn_is_fitted__():
                # The user's own is not changed: what is set is a copy's.
                self.estimator_ = copy_trained(self).set_output(transform=transform)
        return self

    def _check_output(self, X, y, params: dict, out, resume: bool) -> None:
        """Raise before training if the result could not be put where it is to be."""
        if out is not None or resume:
            check_output(out, open_given(X, y, params), resume=resume)

    def _apply(
        self,
        method: str,
        X,
        params: dict,
        out=None,
        resume: bool = False,
        take=keep_result,
        estimator=None,
        is_routed=True,
    ):
        """Return the result of ``method`` for all rows of X, put where it is to be.

        ``estimator`` is the one whose names were checked, if they were.
        """
        fitted = self._find_fitted()
        check_n_jobs(self.n_jobs)
        if params:
            params = route(self, method, method, params, is_routed=is_routed)
        X = open_source(X, "X")
        if estimator is None:
            is_back = method == "inverse_transform"
            estimator = fitted if is_back else check_names(fitted, X)
        reading = self._find_reading(method, X)
        table = open_table(X, None, params, reading)
        schedule = make_schedule(self, table.X)

        def key() -> str:
            for source in table.sources if resume else ():
                source.store.sync()
            # Of what is read, however it is brought.
            given = table.map(lambda source: source.by("map"))
            rows = given.X, given.by_row, table.whole, reading.dtype
            return find_key(method, fitted, schedule, *rows)

        output = open_output(out, table, resume=resume, key=key)
        form, n_chunks = self._find_form(), len(schedule)
        work = Work(estimator, method, table, form, n_chunks, take)
        return apply_method(work, schedule, output, self.n_jobs)

    def _find_fitted(self):
        """Return what is trained, or a fresh clone where no training is needed."""
        check_is_fitted(self)
        fitted = find_trained(self)
        return make_estimator(self, None, {}) if fitted is None else fitted

    def _find_reading(self, method: str, X: Source) -> Reading:
        """Return how X is read; ``dtype`` is for what `fit` has learned from."""
        reading, store = find_reading(self), X.store
        # A few rows in a list or a frame are left to the estimator.
        is_alike = method != "inverse_transform" and (store.is_array or store.is_sparse)
        return reading if is_alike else reading._replace(dtype=None)

    def _find_form(self) -> Form:
        return vars(self).get("_form", Form())
