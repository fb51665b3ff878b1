"""Training: the loop over chunks, stopping, plans, and what ``explain`` says."""

from skmmap.learn.checks import check_n_jobs, find_reading, route
from skmmap.learn.chunking import make_schedule
from skmmap.learn.clones import make_estimator
from skmmap.learn.rendering import Explanation
from skmmap.learn.stages import explain, train, train_more
from skmmap.learn.steps import Transform, add_steps

__all__ = [
    "Explanation",
    "Transform",
    "add_steps",
    "check_n_jobs",
    "explain",
    "find_reading",
    "make_estimator",
    "make_schedule",
    "route",
    "train",
    "train_more",
]
