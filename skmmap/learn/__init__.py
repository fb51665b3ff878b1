"""Training: how estimators learn from chunks, the loop, stopping, merging and plans."""

from skmmap.learn.attributes import (
    find_reason_hidden,
)
from skmmap.learn.checks import (
    check_n_jobs,
    find_reading,
    route,
)
from skmmap.learn.chunking import (
    make_schedule,
)
from skmmap.learn.clones import (
    make_estimator,
)
from skmmap.learn.explanation import (
    explain,
)
from skmmap.learn.fitting import (
    make_fit_plan,
    train_anew,
    train_further,
)
from skmmap.learn.merging import (
    merge,
)
from skmmap.learn.registry import (
    add_own_entries,
    find_own_entries,
    register,
)
from skmmap.learn.rendering import (
    Explanation,
)

__all__ = [
    "Explanation",
    "add_own_entries",
    "check_n_jobs",
    "explain",
    "find_own_entries",
    "find_reading",
    "find_reason_hidden",
    "make_estimator",
    "make_fit_plan",
    "make_schedule",
    "merge",
    "register",
    "route",
    "train_anew",
    "train_further",
]
