"""Any method of the estimator that takes rows, by its name."""

from typing import Any, overload

from numpy.typing import NDArray

from skmmap._types import MapFile, RowsLike, StrPath
from skmmap.methods.base import BY_ROW, FittedMethods
from skmmap.rows import Rows
from skmmap.wrap import takes_keywords

_ADDED_UP = "score", "perplexity"  # one number for all rows, which is known
_TRAIN = "fit", "partial_fit", "set_"


class ApplyMethod(FittedMethods):
    """``apply_method``, for methods that few estimators have."""

    @overload
    def apply_method(
        self,
        name: str,
        X: RowsLike,
        *,
        out: None = None,
        resume: bool = False,
        **params: Any,
    ) -> Any: ...
    @overload
    def apply_method(
        self,
        name: str,
        X: RowsLike,
        *,
        out: NDArray[Any],
        resume: bool = False,
        **params: Any,
    ) -> NDArray[Any]: ...
    @overload
    def apply_method(
        self,
        name: str,
        X: RowsLike,
        *,
        out: StrPath,
        resume: bool = False,
        **params: Any,
    ) -> MapFile | Rows: ...
    @takes_keywords
    def apply_method(
        self,
        name: str,
        X: RowsLike,
        *,
        out: Any = None,
        resume: bool = False,
        **params: Any,
    ) -> Any:
        """Call any method of the estimator that takes rows, chunk by chunk.

        For methods that `ChunkedFit` does not have itself, such as the ``gibbs`` of
        ``BernoulliRBM``, or those of third-party estimators. The result must have a row
        for each row of X, which is checked. That each of its rows depends on one row of
        X alone cannot be checked.

        Parameters
        ----------
        name : str
            Name of the method.

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
            Further parameters of the method. Those with a value for each row are
            sliced along with X. Metadata routing does not apply to them.

        Returns
        -------
        result : ndarray, sparse matrix, data frame, list, or a tuple of ndarray
            What the method returns, with a row for each row of X; a float for ``score``
            and ``perplexity`` where `ChunkedFit` has them. With a path as `out`, a
            read-only memory map of the file, or `Rows` of the folder.

        Raises
        ------
        NotFittedError
            If the estimator has to be trained first.

        AttributeError
            If the estimator has no such method.

        TypeError
            If `name` is not a str.

        ValueError
            If the method would train the estimator, the result has another number of
            rows than X or does not fit `out`, or the estimator refuses a chunk; a note
            then names the rows of that chunk.

        OSError
            If a file cannot be read or written.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: at most three chunks, what the estimator needs for a chunk, and the
        result unless it goes to `out`.
        Equals: the estimator's method on all rows. A method that draws random numbers
        draws other ones.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.naive_bayes import GaussianNB
        >>> from skmmap import ChunkedFit
        >>> X = np.arange(8.0).reshape(4, 2)
        >>> model = ChunkedFit(GaussianNB()).fit(X, [0, 0, 1, 1])
        >>> model.apply_method("predict_joint_log_proba", X).shape
        (4, 2)
        >>> model.apply_method("partial_fit", X)
        Traceback (most recent call last):
            ...
        ValueError: apply_method leaves the estimator as it is; call model.partial_fit.
        """
        estimator = self._find_fitted()
        _check_method(estimator, name)
        if name in BY_ROW:
            return getattr(self, name)(X, out=out, resume=resume, **params)
        if name in _ADDED_UP and hasattr(self, name):
            _check_no_output(name, out, resume)
            return getattr(self, name)(X, **params)
        return self._apply(name, X, params, out, resume, is_routed=False)


def _check_no_output(name: str, out, resume) -> None:
    if out is not None or resume:
        raise ValueError(
            f"{name} is one number for all rows, not written to files. Leave out=None "
            "and resume=False."
        )


def _check_method(estimator, name) -> None:
    """Raise unless a method of that name can be called for chunks of rows."""
    if not isinstance(name, str):
        raise TypeError(
            f"apply_method needs the name of a method, such as 'predict'; got {name!r}."
        )
    if name.startswith(_TRAIN):
        raise ValueError(
            f"apply_method leaves the estimator as it is; call model.{name}."
        )
    if name.startswith("_") or not callable(getattr(estimator, name, None)):
        raise AttributeError(
            f"{type(estimator).__name__} has no method {name!r} to be called with rows."
        )
