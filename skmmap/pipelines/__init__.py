"""Pipelines and unions: each step is trained on the rows of the fitted ones before."""

from skmmap.pipelines.fitting import explain, train, train_more
from skmmap.pipelines.steps import Transform, add_steps
from skmmap.pipelines.training_rows import refuse_fit_transform

__all__ = [
    "Transform",
    "add_steps",
    "explain",
    "refuse_fit_transform",
    "train",
    "train_more",
]
