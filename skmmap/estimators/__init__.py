"""How estimators learn from chunks: the registry, and what its entries call."""

from skmmap.estimators.attributes import (
    find_reason_hidden,
    note_start,
    set_attributes,
    summarize,
)
from skmmap.estimators.corrections import Corrections
from skmmap.estimators.first_state import Start, take_start
from skmmap.estimators.learning import (
    Learning,
    RunShape,
    find_cost,
    find_learning,
    find_unused,
    is_loop,
)
from skmmap.estimators.losses import can_compute_losses, compute_losses, read_losses
from skmmap.estimators.merging import add_up, can_merge, merge
from skmmap.estimators.meta_estimators import (
    begin_multilabel,
    find_classes_of_members,
    is_multilabel,
)
from skmmap.estimators.registry import (
    add_built_in,
    add_own_entries,
    find_entry,
    find_own_entries,
    get_own_entries,
    register,
)
from skmmap.estimators.stopping_rules import LossRule, Rule, ScoreRule
from skmmap.estimators.whole import WholeRun
from skmmap.estimators.zero_weight import (
    is_weightless,
    use_least_weights,
    zero_negligible,
)

__all__ = [
    "Corrections",
    "Learning",
    "LossRule",
    "Rule",
    "RunShape",
    "ScoreRule",
    "Start",
    "WholeRun",
    "add_built_in",
    "add_own_entries",
    "add_up",
    "begin_multilabel",
    "can_compute_losses",
    "can_merge",
    "compute_losses",
    "find_classes_of_members",
    "find_cost",
    "find_entry",
    "find_learning",
    "find_own_entries",
    "find_reason_hidden",
    "find_unused",
    "get_own_entries",
    "is_loop",
    "is_multilabel",
    "is_weightless",
    "merge",
    "note_start",
    "read_losses",
    "register",
    "set_attributes",
    "summarize",
    "take_start",
    "use_least_weights",
    "zero_negligible",
]
