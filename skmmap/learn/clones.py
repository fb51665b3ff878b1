"""Creates the clone to train: seeded, with overrides, in its initial state."""

from sklearn.base import clone

from skmmap.estimators import begin_multilabel, is_multilabel
from skmmap.learn.plan import Plan
from skmmap.learn.seeds import find_unset_seeds
from skmmap.wrap import replace_parameters


def make_estimator(wrapper, seed: int | None, overrides: dict):
    """Return an untrained clone with its seeds and the output format set."""
    estimator = clone(wrapper.estimator, safe=False)
    unset = [] if seed is None else find_unset_seeds(wrapper)
    if unset:
        estimator.set_params(**dict.fromkeys(unset, seed))
    replace_parameters(estimator, overrides)
    config = vars(wrapper).get("_sklearn_output_config")
    return estimator.set_output(**config) if config else estimator


def make_learner(wrapper, plan: Plan):
    """Return the estimator to train, in its initial state."""
    estimator = make_estimator(wrapper, plan.seed, plan.overrides)
    if is_multilabel(estimator, plan.table.y):
        return begin_multilabel(estimator, plan.table.y)
    if not plan.start:
        return estimator
    rows, y, _ = plan.table.sample(range(1))
    classes = plan.first_call_params.get("classes")
    return plan.start.begin(estimator, rows, y, classes)
