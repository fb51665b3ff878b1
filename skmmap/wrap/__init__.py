"""What the wrapper shows of an estimator, what learns inside it, and its input."""

from skmmap.wrap.delegation import (
    available_with,
    copy_trained,
    delegate,
    find_tags,
    find_target_passing,
    find_trained,
    guesses_labels,
    is_learned,
    note_where,
    requires_labels,
    requires_target,
    shows_sample_weight,
    takes,
    takes_any,
    takes_labels,
    takes_target_as_it_is,
    uses_target,
)
from skmmap.wrap.feature_names import (
    check_names,
    check_same_names,
    hidden_names,
    keep_names,
)
from skmmap.wrap.input_layout import InputLayout, describe_error, note_refusal
from skmmap.wrap.keywords import note_prefix, say_parameter, takes_keywords
from skmmap.wrap.meta_estimators import (
    find_learner,
    get_parameters,
    is_meta_estimator,
    iter_fitted,
    replace_parameters,
)
from skmmap.wrap.origin import has_sklearns, is_one_of, is_sklearn_class, is_sklearns
from skmmap.wrap.views import own_arrays

__all__ = [
    "InputLayout",
    "available_with",
    "check_names",
    "check_same_names",
    "copy_trained",
    "delegate",
    "describe_error",
    "find_learner",
    "find_tags",
    "find_target_passing",
    "find_trained",
    "get_parameters",
    "guesses_labels",
    "has_sklearns",
    "hidden_names",
    "is_learned",
    "is_meta_estimator",
    "is_one_of",
    "is_sklearn_class",
    "is_sklearns",
    "iter_fitted",
    "keep_names",
    "note_prefix",
    "note_refusal",
    "note_where",
    "own_arrays",
    "replace_parameters",
    "requires_labels",
    "requires_target",
    "say_parameter",
    "shows_sample_weight",
    "takes",
    "takes_any",
    "takes_keywords",
    "takes_labels",
    "takes_target_as_it_is",
    "uses_target",
]
