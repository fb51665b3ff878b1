"""Methods of some estimators: by their names, and what is added up from chunks."""

from sklearn.decomposition import LatentDirichletAllocation
from sklearn.utils.metaestimators import available_if

from skmmap._methods import KNOWN
from skmmap.apply import compute_perplexity
from skmmap.formats import open_source
from skmmap.learn import check_n_jobs, make_schedule
from skmmap.read import open_table
from skmmap.wrap import check_names, delegate

_ADDED_UP = "score", "perplexity"  # one number for all rows, which is known
_TRAIN = "fit", "partial_fit", "set_"


def _has_perplexity(wrapper) -> bool:
    """Whether the perplexity is the one that is known to add up."""
    own = getattr(type(delegate(wrapper)), "perplexity", None)
    return own is LatentDirichletAllocation.perplexity


class OtherMethods:
    """What ``ChunkedFit`` does with rows by methods that few estimators have."""

    def apply_method(self, name, X, *, out=None, resume=False, **params):
        """Call any method of the estimator that takes rows, chunk by chunk.

        For methods that `ChunkedFit` does not have itself, such as the ``gibbs`` of
        ``BernoulliRBM``, or those of third parties. Their result has to have a row for
        each row of X, which is checked; that a row of it depends on no other row than
        its own cannot be checked.

        Parameters
        ----------
        name : str
            Name of the method.

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
            Further parameters of the method. Those with a value for each row are
            sliced along with X. They are not routed by metadata routing.

        Returns
        -------
        result : array, sparse matrix, data frame, list, or a tuple of arrays
            What the method returns, with a row for each row of X; the one number of
            ``score`` and ``perplexity`` where `ChunkedFit` has them.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: three chunks at most, the estimator's own needs on a chunk, and
        the result, unless that goes to `out`.
        Equals: the estimator's method on all rows. Where it draws random numbers, other
        ones are drawn.

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
        if name in KNOWN:
            return getattr(self, name)(X, out=out, resume=resume, **params)
        if name in _ADDED_UP and hasattr(self, name):
            _check_no_output(name, out, resume)
            return getattr(self, name)(X, **params)
        return self._apply(name, X, params, out, resume, is_routed=False)

    @available_if(_has_perplexity)
    def perplexity(self, X, sub_sampling=False):
        """Compute the perplexity of latent Dirichlet allocation, chunk by chunk.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Counts of words, in any form that `fit` takes.

        sub_sampling : bool, default=False
            Whether X is a sample of ``total_samples`` documents.

        Returns
        -------
        perplexity : float
            The exponential of the negative bound for each word.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: three chunks at most, and the estimator's own needs on a chunk.
        Equals: the estimator's ``perplexity`` on all rows; sums over chunks round
        differently in the last digits.
        """
        fitted = self._find_fitted()
        check_n_jobs(self.n_jobs)
        X = open_source(X, "X")
        estimator = check_names(fitted, X)
        table = open_table(X, None, {}, self._find_reading("perplexity", X))
        schedule, form = make_schedule(self, table.X), self._find_form()
        return compute_perplexity(
            estimator, table, schedule, form, self.n_jobs, sub_sampling=sub_sampling
        )


def _check_no_output(name: str, out, resume) -> None:
    if out is not None or resume:
        raise ValueError(
            f"{name} is one number for all rows, which goes to no file. Leave out=None "
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
