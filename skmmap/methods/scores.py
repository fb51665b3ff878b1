"""One number for all rows: scores, and the perplexity of topics."""

from dataclasses import replace
from typing import Any

from sklearn.utils.metaestimators import available_if

from skmmap._types import RowsLike
from skmmap.methods.base import FittedMethods
from skmmap.read import open_target, open_target_as_it_is
from skmmap.wrap import (
    available_with,
    delegate,
    has_sklearns,
    is_sklearns,
    takes_keywords,
)


def _has_perplexity(wrapper) -> bool:
    """Whether the perplexity is the one that is known to add up."""
    return has_sklearns(delegate(wrapper), "perplexity")


class Scores(FittedMethods):
    """``score`` and ``perplexity``."""

    @available_with("score")
    def score(
        self,
        X: RowsLike,
        y: RowsLike = None,
        sample_weight: RowsLike = None,
        **params: Any,
    ) -> float:
        """Compute the estimator's own score on all rows, chunk by chunk.

        Accuracy, R2, the score of k-means and the bound of latent Dirichlet allocation
        are added up from chunks. An estimator with a ``score`` of its own runs that
        method, and the predictions that it asks for are computed chunk by chunk.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or (n_rows, ...)
            Rows, in any form that `fit` takes.

        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            True targets, or the path of a ``.npy`` file with them.

        sample_weight : array-like of shape (n_rows,), default=None
            Weights, or the path of a ``.npy`` file with them.

        **params : dict
            Further parameters of the estimator's ``score``.

        Returns
        -------
        score : float
            The score.

        Raises
        ------
        NotFittedError
            If the estimator has to be trained first.

        ValueError
            If X, y and `sample_weight` differ in length, or the estimator refuses a
            chunk; a note then names the rows of that chunk.

        OSError
            If a file cannot be read.

        Notes
        -----
        Reads: X once and y once, in file order; y twice for R2.
        Allocates: at most three chunks, and what the estimator needs for a chunk. A
        ``score`` of the estimator's own holds the predictions for all rows that it asks
        for; where a prediction is one object instead of rows, it gets all rows in
        memory.
        Equals: the estimator's ``score`` on all rows; sums over chunks round
        differently in the last digits.
        """
        from skmmap.apply import compute_score

        params = {"sample_weight": sample_weight, **params}
        is_own = is_sklearns(self._find_fitted())
        y = open_target(y, single_output=False) if is_own else open_target_as_it_is(y)
        work = self._open_work("score", X, params, y=y, is_checked=is_own)

        def by_chunks(method: str, take):
            def call(X, **params):
                asked = self._open_work(method, X, params, estimator=work.estimator)
                return self._run(replace(asked, take=take, report=work.report))

            return call

        with self._report(work) as work.report:
            return compute_score(work, by_chunks)

    @available_if(_has_perplexity)
    @takes_keywords
    def perplexity(self, X: RowsLike, sub_sampling: bool = False) -> float:
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

        Raises
        ------
        NotFittedError
            If the estimator has to be trained first.

        ValueError
            If X has other columns than in `fit`, or negative values.

        OSError
            If a file cannot be read.

        Notes
        -----
        Reads: X once, in file order.
        Allocates: at most three chunks, and what the estimator needs for a chunk.
        Equals: the estimator's ``perplexity`` on all rows; sums over chunks round
        differently in the last digits.

        References
        ----------
        Hoffman, Blei & Bach, "Online Learning for Latent Dirichlet Allocation", NIPS
        2010, for the bound.
        """
        from skmmap.apply import compute_perplexity

        work = self._open_work("perplexity", X, {})
        return compute_perplexity(work, sub_sampling=sub_sampling)
