"""Parameters with which ``partial_fit`` of scikit-learn does what ``fit`` does.

``partial_fit`` takes each chunk for an epoch, for all rows or for a batch, shuffles
again what is shuffled already, and refuses some parameters. Each function returns what
its estimator has instead while it is trained; all is set back at the end.
"""

from numbers import Integral, Real

import numpy as np


def override_sgd(sgd, run) -> dict:
    """Return overrides of linear models with stochastic gradient descent."""
    if run.is_loop:
        return {}
    overrides = {"shuffle": False} if run.is_shuffled and sgd.shuffle else {}
    if sgd.learning_rate == "adaptive":
        overrides["eta0"] = sgd.eta0  # set back at the end, as it is reduced meanwhile
    return overrides


def override_mlp(mlp, run) -> dict:
    """Return overrides of multi-layer perceptrons."""
    # One with warm_start refuses a chunk in which a class is missing.
    overrides = {"warm_start": False} if mlp.warm_start else {}
    if run.is_loop:
        return overrides
    if run.is_shuffled and mlp.shuffle:
        overrides["shuffle"] = False
    patience = mlp.n_iter_no_change
    if isinstance(patience, Integral) and patience > 0:
        # partial_fit counts chunks for epochs, and stops after so many of them.
        overrides["n_iter_no_change"] = np.inf
    return overrides | _find_even_batches(mlp, run.chunk_rows)


def _find_even_batches(mlp, chunk_rows: int) -> dict:
    """Return the ``batch_size`` of which a chunk has no short tail.

    ``partial_fit`` cuts each chunk into batches, and the last one counts as much as
    the others however short it is; ``fit`` has one such batch in an epoch.
    """
    size = 200 if mlp.batch_size == "auto" else mlp.batch_size
    if not isinstance(size, Integral) or not 1 <= size < chunk_rows:
        return {}  # the estimator refuses it, or a chunk is a batch
    if not 0 < chunk_rows % size < size / 2:
        return {}
    return {"batch_size": -(-chunk_rows // (chunk_rows // size + 1))}


def override_lda(lda, run) -> dict:
    """Return overrides of latent Dirichlet allocation: it learns online."""
    overrides = {"learning_method": "online"}
    return overrides if run.is_loop else overrides | {"total_samples": run.n_rows}


def override_rbm(rbm, run) -> dict:
    """Return overrides of restricted Boltzmann machines.

    They compare with as many drawn rows as a batch has.
    """
    if run.is_loop or not run.is_shuffled:
        return {}
    return {"batch_size": run.chunk_rows}


def override_nmf(nmf, run) -> dict:
    """Return the factor of a chunk, which is one step, for that of all rows.

    https://github.com/scikit-learn/scikit-learn/blob/1.9.0/sklearn/decomposition/_nmf.py
    ``_check_params`` takes the share of a batch in the rows that it is given.
    """
    factor, batch = nmf.forget_factor, nmf.batch_size
    is_valid = isinstance(factor, Real) and isinstance(batch, Integral) and batch > 0
    if run.is_loop or not is_valid:
        return {}  # what is not valid is refused by the estimator itself
    share = min(1.0, run.chunk_rows / run.n_rows)
    overrides = {} if share == 1 else {"forget_factor": factor**share}
    if batch < run.chunk_rows:
        overrides["batch_size"] = run.chunk_rows
    return overrides


def check_mlp(mlp) -> None:
    """Raise for the solver that has no ``partial_fit``."""
    if mlp.solver == "lbfgs":
        raise ValueError(
            f"{type(mlp).__name__} with solver='lbfgs' needs all rows in each "
            "step, and ChunkedFit gives it one chunk after the other. Use "
            "solver='adam' or 'sgd'."
        )
