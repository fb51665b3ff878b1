"""What the registry has for transformers without ``partial_fit``, and for codes.

A family is imported when one of it is trained: all of them take longer than a fit of a
few rows.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def _from(module: str, name: str) -> Callable[..., Any]:
    def learn(transformer, *given):
        found = getattr(import_module(f"skmmap.transformers.{module}"), name)
        return found(transformer, *given)

    return learn


find_coded = _from("coded_transforms", "find_coded")
learn_bins = _from("bins", "learn_bins")
learn_encoder = _from("encoders", "learn_encoder")
learn_imputer = _from("imputers", "learn_imputer")
learn_indicator = _from("imputers", "learn_indicator")
learn_labels = _from("labels", "learn_labels")
learn_label_sets = _from("labels", "learn_label_sets")
learn_pca = _from("pca", "learn_pca")
learn_projection = _from("projections", "learn_projection")
learn_sampler = _from("projections", "learn_sampler")
learn_nystroem = _from("samples", "learn_nystroem")
learn_quantiles = _from("samples", "learn_quantiles")
learn_robust_scaler = _from("scalers", "learn_robust_scaler")
learn_selection = _from("selection", "learn_selection")
learn_variances = _from("selection", "learn_variances")
learn_splines = _from("splines", "learn_splines")
learn_document_counts = _from("texts", "learn_document_counts")
learn_names = _from("texts", "learn_names")
learn_vocabulary = _from("texts", "learn_vocabulary")
learn_target_encoder = _from("targets", "learn_target_encoder")
learn_truncated_svd = _from("truncated_svd", "learn_truncated_svd")
