"""Parameters with which ``partial_fit`` of scikit-learn does what ``fit`` does.

``partial_fit`` treats each chunk as an epoch, as all rows or as a batch, shuffles rows
that are already shuffled, and refuses some parameters. Each function returns the
parameters that are overridden during training; they are reset at the end.
"""

from numbers import Integral, Real

import numpy as np


def override_sgd(sgd, run) -> dict:
    """Return overrides of linear models with stochastic gradient descent."""
    if run.is_loop:
        return {}
    overrides = {"shuffle": False} if run.is_shuffled and sgd.shuffle else {}
    if sgd.learning_rate == "adaptive":
        overrides["eta0"] = sgd.eta0  # reduced during training, and reset at the end
    return overrides


def override_mlp(mlp, run) -> dict:
    """Return overrides of multi-layer perceptrons."""
    # With warm_start, _validate_input raises for a chunk that lacks a class.
    overrides = {"warm_start": False} if mlp.warm_start else {}
    if run.is_loop:
        return overrides
    if run.is_shuffled and mlp.shuffle:
        overrides["shuffle"] = False
    patience = mlp.n_iter_no_change
    if isinstance(patience, Integral) and patience > 0:
        # partial_fit counts each chunk as an epoch: it would stop within an epoch.
        overrides["n_iter_no_change"] = np.inf
    return overrides | _find_even_batches(mlp, run.chunk_rows)


def _find_even_batches(mlp, chunk_rows: int) -> dict:
    """Return a ``batch_size`` that cuts a chunk into batches of nearly equal size.

    Every batch is a step of the same weight. ``fit`` has one short batch in an epoch,
    ``partial_fit`` would have one in each chunk.
    """
    size = 200 if mlp.batch_size == "auto" else mlp.batch_size
    if not isinstance(size, Integral) or not 1 <= size < chunk_rows:
        return {}  # one batch, or a value that the estimator itself refuses
    if not 0 < chunk_rows % size < size / 2:
        return {}
    return {"batch_size": -(-chunk_rows // (chunk_rows // size + 1))}


def override_lda(lda, run) -> dict:
    """Return overrides of latent Dirichlet allocation, which learns online."""
    overrides = {"learning_method": "online"}
    return overrides if run.is_loop else overrides | {"total_samples": run.n_rows}


def override_rbm(rbm, run) -> dict:
    """Return overrides of restricted Boltzmann machines.

    ``partial_fit`` samples ``batch_size`` rows in its first call (``h_samples_``).
    """
    if run.is_loop or not run.is_shuffled:
        return {}
    return {"batch_size": run.chunk_rows}


def override_nmf(nmf, run) -> dict:
    """Return the forget factor of a step, which is a chunk and not all rows.

    https://github.com/scikit-learn/scikit-learn/blob/1.9.0/sklearn/decomposition/_nmf.py
    ``_check_params`` raises it to the share of a batch in the rows that it is given.
    """
    factor, batch = nmf.forget_factor, nmf.batch_size
    is_valid = isinstance(factor, Real) and isinstance(batch, Integral) and batch > 0
    if run.is_loop or not is_valid:
        return {}  # the estimator itself refuses invalid values
    share = min(1.0, run.chunk_rows / run.n_rows)
    overrides = {} if share == 1 else {"forget_factor": factor**share}
    if batch < run.chunk_rows:
        overrides["batch_size"] = run.chunk_rows
    return overrides


def check_mlp(mlp) -> None:
    """Raise for the solver without ``partial_fit``."""
    if mlp.solver == "lbfgs":
        raise ValueError(
            f"{type(mlp).__name__} with solver='lbfgs' needs all rows in each "
            "step, and ChunkedFit gives it one chunk after the other. Use "
            "solver='adam' or 'sgd'."
        )
