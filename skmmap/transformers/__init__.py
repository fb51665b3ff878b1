"""How transformers without ``partial_fit`` learn from chunks, one family a module."""

from skmmap.transformers.chunk_learner import ChunkLearner
from skmmap.transformers.learners import (
    learn_bins,
    learn_document_counts,
    learn_encoder,
    learn_imputer,
    learn_indicator,
    learn_names,
    learn_nystroem,
    learn_pca,
    learn_projection,
    learn_quantiles,
    learn_robust_scaler,
    learn_sampler,
    learn_selection,
    learn_splines,
    learn_truncated_svd,
    learn_variances,
    learn_vocabulary,
)

__all__ = [
    "ChunkLearner",
    "learn_bins",
    "learn_document_counts",
    "learn_encoder",
    "learn_imputer",
    "learn_indicator",
    "learn_names",
    "learn_nystroem",
    "learn_pca",
    "learn_projection",
    "learn_quantiles",
    "learn_robust_scaler",
    "learn_sampler",
    "learn_selection",
    "learn_splines",
    "learn_truncated_svd",
    "learn_variances",
    "learn_vocabulary",
]
