"""How transformers without ``partial_fit`` learn from chunks, one family a module."""

from skmmap.transformers.bins import learn_bins
from skmmap.transformers.chunk_learner import ChunkLearner
from skmmap.transformers.encoders import learn_encoder
from skmmap.transformers.imputers import learn_imputer, learn_indicator
from skmmap.transformers.pca import learn_pca
from skmmap.transformers.projections import learn_projection, learn_sampler
from skmmap.transformers.samples import learn_nystroem, learn_quantiles
from skmmap.transformers.scalers import learn_robust_scaler
from skmmap.transformers.selection import learn_selection, learn_variances
from skmmap.transformers.splines import learn_splines
from skmmap.transformers.texts import (
    learn_document_counts,
    learn_names,
    learn_vocabulary,
)
from skmmap.transformers.truncated_svd import learn_truncated_svd

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
