"""Training: the loop over chunks, stopping, plans, and what ``explain`` says."""

from skmmap.learn.checks import (
    check_n_jobs,
    check_parameters,
    find_reading,
    is_learned_by_passes,
    is_stateless,
    learns_target,
    route,
    say_member,
    trains_whole,
)
from skmmap.learn.chunking import find_last_learner, is_shuffled, make_schedule
from skmmap.learn.clones import make_estimator
from skmmap.learn.first_call import find_first_call_params
from skmmap.learn.fitting import (
    count_workers,
    explain_fit,
    make_fit_plan,
    train_anew,
    train_further,
)
from skmmap.learn.given_rows import check_target
from skmmap.learn.learner import Learner
from skmmap.learn.learners import make_additive_learner
from skmmap.learn.model_size import count_trial_rows
from skmmap.learn.plan import Plan
from skmmap.learn.rendering import Explanation
from skmmap.learn.rule_choice import say_stop
from skmmap.learn.seeds import draw_seed, find_own_seed, find_unset_seeds
from skmmap.learn.training import find_held_nbytes
from skmmap.learn.whole import explain_whole, refuse_checkpoint, train_whole

__all__ = [
    "Explanation",
    "Learner",
    "Plan",
    "check_n_jobs",
    "check_parameters",
    "check_target",
    "count_trial_rows",
    "count_workers",
    "draw_seed",
    "explain_fit",
    "explain_whole",
    "find_first_call_params",
    "find_held_nbytes",
    "find_last_learner",
    "find_own_seed",
    "find_reading",
    "find_unset_seeds",
    "is_learned_by_passes",
    "is_shuffled",
    "is_stateless",
    "learns_target",
    "make_additive_learner",
    "make_estimator",
    "make_fit_plan",
    "make_schedule",
    "refuse_checkpoint",
    "route",
    "say_member",
    "say_stop",
    "train_anew",
    "train_further",
    "train_whole",
    "trains_whole",
]
