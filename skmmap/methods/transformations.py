"""Transformed rows, and what describes their columns."""

from copy import deepcopy
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config

from skmmap._types import RowsLike
from skmmap.formats import open_source, open_stream
from skmmap.methods.base import NOT_ROUTED, FittedMethods
from skmmap.methods.signatures import fits_and_transforms, transforms
from skmmap.pipelines import Transform, map_rows, refuse_fit_transform
from skmmap.rows import Rows
from skmmap.wrap import (
    InputLayout,
    available_with,
    check_names,
    copy_trained,
    find_last_step,
)


class Transformations(FittedMethods):
    """``transform`` and its kind."""

    __metadata_request__transform = NOT_ROUTED
    __metadata_request__inverse_transform = NOT_ROUTED

    @transforms("transform")
    def transform(
        self, X: RowsLike, *, out: Any = None, resume: bool = False, **params: Any
    ) -> Any:
        """Transform rows, chunk by chunk.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        out : str, path-like or ndarray, default=None
            Where the result goes: the path of a ``.npy`` file, which appears once it is
            complete; the path of a folder (a name without a suffix) for a sparse
            result; or an array or writable memory map of the shape of the result, which
            is filled. None returns an array in memory, or a data frame if
            `set_output` says so; and of `Rows` again `Rows`, which are transformed when
            they are read.

        resume : bool, default=False
            Whether to continue the file that an earlier run left when it was killed or
            failed. That run must have had the same estimator, data and library
            versions.

        **params : dict
            Further parameters of the estimator's ``transform``. Those with a value for
            each row are sliced along with X.

        Returns
        -------
        X_out : ndarray, sparse matrix, data frame or Rows of shape (n_rows, \
                n_features_out)
            Transformed rows, in the type that the estimator returns. With a path as
            `out`, a read-only memory map of the file, or `Rows` of the folder.

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
        Reads: X once, in file order; of `Rows` without `out`, the first rows.
        Allocates: at most three chunks, what the estimator needs for a chunk, and the
        result unless it goes to `out`. Data frames, and sparse results other than CSR,
        are joined at the end, which needs the result twice. For `Rows` without `out`, a
        copy of the estimator, which is not trained further.
        Equals: the estimator's ``transform`` on all rows.
        """
        is_eager = out is not None or resume or params or self._returns_frames()
        if isinstance(X, Rows) and not is_eager:
            return self._map(X)
        return self._apply("transform", X, params, out, resume)

    def _returns_frames(self) -> bool:
        last = find_last_step(self._find_fitted())
        own = getattr(last, "_sklearn_output_config", {}).get("transform")
        return (own or get_config()["transform_output"]) != "default"

    def _map(self, X: Rows) -> Rows:
        """Return rows that are transformed when they are read."""
        source = open_source(X, "X")
        estimator = deepcopy(check_names(self._find_fitted(), source))
        layout = vars(self).get("_input_layout", InputLayout())
        rows = Rows(self._find_reading("transform", source).cast(source))
        return map_rows(rows, Transform(estimator, layout))

    @transforms("inverse_transform")
    def inverse_transform(
        self, X: RowsLike, *, out: Any = None, resume: bool = False, **params: Any
    ) -> Any:
        """Transform rows back to the space of X, chunk by chunk.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features_out)
            Transformed rows, in any form that `fit` takes. `dtype` has no effect on
            them.

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
            Further parameters of the estimator's ``inverse_transform``. Those with a
            value for each row are sliced along with X.

        Returns
        -------
        X_original : ndarray or sparse matrix of shape (n_rows, n_features), or a list
            Rows in the original space; those of a vectorizer are a list with the words
            of each. With a path as `out`, a read-only memory map of the file, or `Rows`
            of the folder.

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
        Equals: the estimator's ``inverse_transform`` on all rows.
        """
        return self._apply("inverse_transform", X, params, out, resume)

    @fits_and_transforms("fit_transform")
    def fit_transform(
        self,
        X: RowsLike,
        y: RowsLike = None,
        *,
        out: Any = None,
        resume: bool = False,
        **params: Any,
    ) -> Any:
        """Fit to all rows, then transform them.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            Targets.

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
        X_out : ndarray, sparse matrix, data frame or Rows of shape (n_rows, \
                n_features_out)
            Transformed rows, as `transform` returns them.

        Raises
        ------
        ValueError
            If the result does not fit `out`, `out` is a file that X is read from, or
            the estimator refuses a chunk; a note then names the rows of that chunk.

        TypeError
            If the estimator is or contains a `TargetEncoder`, whose ``fit_transform``
            is not ``fit``, then ``transform``.

        OSError
            If a file cannot be read or written.

        Notes
        -----
        Reads: what `fit` reads, then X once more.
        Allocates: what `fit` and `transform` allocate.
        Equals: ``fit(X, y).transform(X, out=out)``.
        """
        refuse_fit_transform(self.estimator)
        rows = open_stream(X, "X")
        self._check_output(rows, y, params, out, resume)
        self.fit(rows, y, **params)
        if rows is not X:  # a result as of X, which are no Rows
            return self._apply("transform", rows, {}, out, resume)
        return self.transform(X, out=out, resume=resume)

    @available_with("get_feature_names_out")
    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            Names of the columns of X. None takes those of the X in `fit`, if it had
            any.

        Returns
        -------
        feature_names_out : ndarray of str objects of shape (n_features_out,)
            Names of the transformed columns.

        Raises
        ------
        NotFittedError
            If the estimator has to be trained first.

        ValueError
            If these are not the names of the columns in `fit`.

        Notes
        -----
        Reads: nothing.
        Allocates: the names.
        Equals: the estimator's ``get_feature_names_out``.
        """
        return self._find_fitted().get_feature_names_out(input_features)

    @available_with("set_output")
    def set_output(
        self, *, transform: Literal["default", "pandas", "polars"] | None = None
    ) -> Self:
        """Choose the type that `transform` returns.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            The type; None leaves it as it is.

        Returns
        -------
        self : ChunkedFit
            The object itself.

        Raises
        ------
        ValueError
            If the estimator is trained and does not know the type.

        Notes
        -----
        Reads: nothing.
        Allocates: nothing; a copy of an estimator that was given trained.
        Equals: the estimator's ``set_output``, now and after the next `fit`.
        """
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
            if self.__sklearn_is_fitted__():
                # The user's own is not changed: what is set is a copy's.
                self.estimator_ = copy_trained(self).set_output(transform=transform)
        return self
