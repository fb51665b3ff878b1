"""Pipelines and unions: each step is trained on the rows of the fitted ones before."""

from skmmap.pipelines.coded_steps import take_codes
from skmmap.pipelines.fitting import explain, is_composed, train, train_more
from skmmap.pipelines.steps import Transform, add_steps, map_rows
from skmmap.pipelines.training_rows import refuse_fit_transform

__all__ = [
    "Transform",
    "add_steps",
    "explain",
    "is_composed",
    "map_rows",
    "refuse_fit_transform",
    "take_codes",
    "train",
    "train_more",
]
