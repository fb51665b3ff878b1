"""Predictions of each row: labels, probabilities, confidence and scores by row."""

from typing import Any

from skmmap._types import RowsLike
from skmmap.formats import open_stream
from skmmap.methods.base import NOT_ROUTED, FittedMethods
from skmmap.methods.signatures import fits_and_predicts, predicts


class Predictions(FittedMethods):
    """``predict`` and its kind."""

    __metadata_request__predict = NOT_ROUTED
    __metadata_request__predict_proba = NOT_ROUTED
    __metadata_request__predict_log_proba = NOT_ROUTED
    __metadata_request__decision_function = NOT_ROUTED

    @predicts("predict")
    def predict(
        self, X: RowsLike, *, out: Any = None, resume: bool = False, **params: Any
    ) -> Any:
        """Predict the target of each row, chunk by chunk.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        out : str, path-like or ndarray, default=None
            Where the result goes: the path of a ``.npy`` file, which appears once it is
            complete; the path of a folder (a name without a suffix) for a sparse
            result; or an array or writable memory map of the shape of the result, which
            is filled. None returns an array in memory.

        resume : bool, default=False
            Whether to continue the file that an earlier run left when it was killed or
            failed. That run must have had the same estimator, data and library
            versions.

        **params : dict
            Further parameters of the estimator's ``predict``. Those with a value for
            each row are sliced along with X.

        Returns
        -------
        y_pred : ndarray of shape (n_rows,) or (n_rows, n_outputs)
            What the estimator predicts, in its dtype: class labels, regression targets
            or cluster numbers. With a path as `out`, a read-only memory map of the
            file.

        Raises
        ------
        NotFittedError
            If the estimator has to be trained first.

        ValueError
            If the result does not fit `out`, `out` is a file that X is read from, or
            the estimator refuses a chunk; a note then names the rows of that chunk.

        OSError
            If a file cannot be read or written.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: at most three chunks, what the estimator needs for a chunk, and the
        result unless it goes to `out`.
        Equals: the estimator's ``predict`` on all rows.
        """
        return self._apply("predict", X, params, out, resume)

    @predicts("predict_proba")
    def predict_proba(
        self, X: RowsLike, *, out: Any = None, resume: bool = False, **params: Any
    ) -> Any:
        """Predict the probability of each class, chunk by chunk.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        out : str, path-like or ndarray, default=None
            Where the result goes: the path of a ``.npy`` file, which appears once it is
            complete; the path of a folder (a name without a suffix) for a sparse
            result; or an array or writable memory map of the shape of the result, which
            is filled. None returns an array in memory.

        resume : bool, default=False
            Whether to continue the file that an earlier run left when it was killed or
            failed. That run must have had the same estimator, data and library
            versions.

        **params : dict
            Further parameters of the estimator's ``predict_proba``. Those with a value
            for each row are sliced along with X.

        Returns
        -------
        y_proba : ndarray of shape (n_rows, n_classes), or a list of these
            Probabilities, in the order of `classes_`; a list has an array for each
            output. With a path as `out`, a read-only memory map of the file.

        Raises
        ------
        NotFittedError
            If the estimator has to be trained first.

        ValueError
            If the result does not fit `out`, `out` is a file that X is read from, or
            the estimator refuses a chunk; a note then names the rows of that chunk.

        OSError
            If a file cannot be read or written.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: at most three chunks, what the estimator needs for a chunk, and the
        result unless it goes to `out`.
        Equals: the estimator's ``predict_proba`` on all rows.
        """
        return self._apply("predict_proba", X, params, out, resume)

    @predicts("predict_log_proba")
    def predict_log_proba(
        self, X: RowsLike, *, out: Any = None, resume: bool = False, **params: Any
    ) -> Any:
        """Predict the logarithm of the probability of each class, chunk by chunk.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        out : str, path-like or ndarray, default=None
            Where the result goes: the path of a ``.npy`` file, which appears once it is
            complete; the path of a folder (a name without a suffix) for a sparse
            result; or an array or writable memory map of the shape of the result, which
            is filled. None returns an array in memory.

        resume : bool, default=False
            Whether to continue the file that an earlier run left when it was killed or
            failed. That run must have had the same estimator, data and library
            versions.

        **params : dict
            Further parameters of the estimator's ``predict_log_proba``. Those with a
            value for each row are sliced along with X.

        Returns
        -------
        y_log_proba : ndarray of shape (n_rows, n_classes), or a list of these
            Natural logarithms of probabilities, in the order of `classes_`; a list has
            an array for each output. With a path as `out`, a read-only memory map of
            the file.

        Raises
        ------
        NotFittedError
            If the estimator has to be trained first.

        ValueError
            If the result does not fit `out`, `out` is a file that X is read from, or
            the estimator refuses a chunk; a note then names the rows of that chunk.

        OSError
            If a file cannot be read or written.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: at most three chunks, what the estimator needs for a chunk, and the
        result unless it goes to `out`.
        Equals: the estimator's ``predict_log_proba`` on all rows.
        """
        return self._apply("predict_log_proba", X, params, out, resume)

    @predicts("decision_function")
    def decision_function(
        self, X: RowsLike, *, out: Any = None, resume: bool = False, **params: Any
    ) -> Any:
        """Compute the confidence in each class, chunk by chunk.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        out : str, path-like or ndarray, default=None
            Where the result goes: the path of a ``.npy`` file, which appears once it is
            complete; the path of a folder (a name without a suffix) for a sparse
            result; or an array or writable memory map of the shape of the result, which
            is filled. None returns an array in memory.

        resume : bool, default=False
            Whether to continue the file that an earlier run left when it was killed or
            failed. That run must have had the same estimator, data and library
            versions.

        **params : dict
            Further parameters of the estimator's ``decision_function``. Those with a
            value for each row are sliced along with X.

        Returns
        -------
        y_score : ndarray of shape (n_rows,) or (n_rows, n_classes)
            Confidence scores, as the estimator defines them: one column for two
            classes. With a path as `out`, a read-only memory map of the file.

        Raises
        ------
        NotFittedError
            If the estimator has to be trained first.

        ValueError
            If the result does not fit `out`, `out` is a file that X is read from, or
            the estimator refuses a chunk; a note then names the rows of that chunk.

        OSError
            If a file cannot be read or written.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: at most three chunks, what the estimator needs for a chunk, and the
        result unless it goes to `out`.
        Equals: the estimator's ``decision_function`` on all rows.
        """
        return self._apply("decision_function", X, params, out, resume)

    @predicts("score_samples")
    def score_samples(
        self, X: RowsLike, *, out: Any = None, resume: bool = False
    ) -> Any:
        """Compute a score for each row, such as its log-likelihood, chunk by chunk.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        out : str, path-like or ndarray, default=None
            Where the result goes: the path of a ``.npy`` file, which appears once it is
            complete; the path of a folder (a name without a suffix) for a sparse
            result; or an array or writable memory map of the shape of the result, which
            is filled. None returns an array in memory.

        resume : bool, default=False
            Whether to continue the file that an earlier run left when it was killed or
            failed. That run must have had the same estimator, data and library
            versions.

        Returns
        -------
        scores : ndarray of shape (n_rows,)
            Scores, as the estimator defines them. With a path as `out`, a read-only
            memory map of the file.

        Raises
        ------
        NotFittedError
            If the estimator has to be trained first.

        ValueError
            If the result does not fit `out`, `out` is a file that X is read from, or
            the estimator refuses a chunk; a note then names the rows of that chunk.

        OSError
            If a file cannot be read or written.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: at most three chunks, what the estimator needs for a chunk, and the
        result unless it goes to `out`.
        Equals: the estimator's ``score_samples`` on all rows.
        """
        return self._apply("score_samples", X, {}, out, resume)

    @fits_and_predicts("fit_predict")
    def fit_predict(
        self,
        X: RowsLike,
        y: RowsLike = None,
        *,
        out: Any = None,
        resume: bool = False,
        **params: Any,
    ) -> Any:
        """Fit to all rows, then predict them.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        y : array-like of shape (n_rows,), default=None
            Targets, which clusterers and outlier detectors ignore.

        out : str, path-like or ndarray, default=None
            Where the result goes: the path of a ``.npy`` file, which appears once it is
            complete; the path of a folder (a name without a suffix) for a sparse
            result; or an array or writable memory map of the shape of the result, which
            is filled. None returns an array in memory.

        resume : bool, default=False
            Whether to continue the file that an earlier run left when it was killed or
            failed, if that run had trained the same estimator on the same data. `fit`
            itself runs anew.

        **params : dict
            Parameters of `fit`.

        Returns
        -------
        y_pred : ndarray of shape (n_rows,)
            What the trained estimator predicts. With a path as `out`, a read-only
            memory map of the file.

        Raises
        ------
        ValueError
            If the result does not fit `out`, `out` is a file that X is read from, or
            the estimator refuses a chunk; a note then names the rows of that chunk.

        OSError
            If a file cannot be read or written.

        Notes
        -----
        Reads: what `fit` reads, then X once more.
        Allocates: what `fit` and `predict` allocate.
        Equals: ``fit(X, y).predict(X, out=out)``.
        """
        X = open_stream(X, "X")
        self._check_output(X, y, params, out, resume)
        return self.fit(X, y, **params).predict(X, out=out, resume=resume)
