"""Training: how estimators learn from chunks, the loop, stopping, merging and plans."""

from skmmap.learn.attributes import (
    find_reason_hidden,
    note_start,
    set_attributes,
    summarize,
)
from skmmap.learn.checks import (
    check_n_jobs,
    check_parameters,
    find_reading,
    noting_validation,
    route,
)
from skmmap.learn.explanation import (
    explain,
)
from skmmap.learn.first_state import (
    take_start,
)
from skmmap.learn.interrupt import (
    tell_interrupted,
)
from skmmap.learn.merge_fit import (
    find_merge_jobs,
    run_parts,
)
from skmmap.learn.merging import (
    merge,
)
from skmmap.learn.plan import (
    Plan,
    find_start,
    make_estimator,
    make_learner,
    make_plan,
    make_rule,
    make_schedule,
)
from skmmap.learn.stopping import (
    Rule,
)
from skmmap.learn.training import (
    Learner,
    Training,
)

__all__ = [
    "Learner",
    "Plan",
    "Rule",
    "Training",
    "check_n_jobs",
    "check_parameters",
    "explain",
    "find_merge_jobs",
    "find_reading",
    "find_reason_hidden",
    "find_start",
    "make_estimator",
    "make_learner",
    "make_plan",
    "make_rule",
    "make_schedule",
    "merge",
    "note_start",
    "noting_validation",
    "route",
    "run_parts",
    "set_attributes",
    "summarize",
    "take_start",
    "tell_interrupted",
]
