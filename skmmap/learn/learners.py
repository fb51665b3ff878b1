"""What learns in a run: a fresh clone, an additive step, or what is trained already."""

from functools import partial

from skmmap.estimators import Corrections, can_merge, find_learning
from skmmap.learn.clones import make_estimator, make_learner
from skmmap.learn.learner import Learner
from skmmap.learn.plan import Plan
from skmmap.rows import is_mapped
from skmmap.wrap import (
    InputLayout,
    find_tags,
    find_target_passing,
    get_parameters,
    guesses_labels,
    own_arrays,
)


def make_fresh_learner(wrapper, plan: Plan, classes) -> Learner:
    """Return the learner of a fresh clone, which can be made again."""
    estimator = wrapper.estimator
    make = partial(make_learner, wrapper, plan)
    own = get_parameters(estimator, plan.overrides)
    if any(hasattr(value, "get_params") for value in own.values()):
        # An estimator as a parameter is cloned and seeded as well.
        own = get_parameters(make_estimator(wrapper, plan.seed, {}), plan.overrides)
    tags = find_tags(estimator)
    flat = False if tags and tags.input_tags.three_d_array else None
    layout = InputLayout(flat=flat, dense=plan.input_layout.dense)
    pass_target = find_target_passing(estimator)
    return Learner(
        make(),
        make,
        layout,
        pass_target,
        plan.corrections,
        own,
        plan.learning.learns_zero_weights,
        drops=("classes",) if classes is None and guesses_labels(estimator) else (),
    )


def make_additive_learner(wrapper, X) -> Learner | None:
    """Return what learns in one pass, in any pieces; None if more than that is needed.

    Only transformers: the parts of another estimator may need the labels of y.
    """
    estimator = wrapper.estimator
    learning = find_learning(estimator, uses_target=False)
    is_additive = can_merge(estimator) and learning.n_epochs == 1
    if not (is_additive and hasattr(estimator, "transform")):
        return None
    make = partial(make_estimator, wrapper, None, {})
    is_dense = learning.entry.dense and X.store.is_sparse
    return Learner(
        make(),
        make,
        InputLayout(dense=is_dense),
        find_target_passing(estimator),
        Corrections.of(estimator),
        learns_zero_weights=learning.learns_zero_weights,
    )


def make_trained_learner(wrapper, plan: Plan, trained) -> Learner:
    """Return the learner of a fitted estimator."""
    # A model that was loaded with mmap_mode cannot be trained in place.
    own_arrays(trained, is_mapped)
    before, X = vars(wrapper), plan.table.X
    layout = before.get("_input_layout", InputLayout())._replace(
        dense=plan.input_layout.dense
    )
    if layout.flat is None and X.ndim > 2:
        # Images are flattened if the fitted model has that number of features, without
        # trying it with rows.
        flat = getattr(trained, "n_features_in_", None) == X.row_values
        layout = layout._replace(flat=flat)
    corrections = plan.corrections
    if corrections.is_like(before.get("_corrections")):
        corrections = before["_corrections"]
    pass_target = find_target_passing(wrapper.estimator)
    return Learner(
        trained,
        None,
        layout,
        pass_target,
        corrections,
        learns_zero_weights=plan.learning.learns_zero_weights,
    )
