"""A step of a pipeline has a wrapper of its own, and a part of the parameters."""

from typing import Any, NamedTuple

from sklearn import get_config
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)

from skmmap.learn.checks import find_members, is_passed, is_stateless
from skmmap.learn.clones import make_estimator
from skmmap.learn.seeds import draw_seed, find_unset_seeds
from skmmap.rows import Rows
from skmmap.wrap import InputLayout, is_learned, is_pipeline

# Stateless steps are fitted on so many rows, and `explain` fits all steps on as many.
FIRST_ROWS = 10_000
STATE = "_corrections", "_input_layout", "_classes", "_last_step", "_widest_row"


class Transform(NamedTuple):
    """What a fitted transformer does with rows, as a function for `Rows.map`."""

    transformer: Any
    layout: InputLayout

    def __str__(self) -> str:
        return type(self.transformer).__name__

    def __call__(self, rows):
        return self.transformer.transform(self.layout.apply(rows))


def derive(wrapper, estimator, **changes):
    """Return an unfitted wrapper with the same parameters around another estimator."""
    state = {
        name: value
        for name, value in vars(wrapper).items()
        if not is_learned(name) and name not in STATE
    }
    derived = type(wrapper).__new__(type(wrapper))
    vars(derived).update(state | {"estimator": estimator, "dtype": None} | changes)
    if not hasattr(estimator, "set_output"):
        vars(derived).pop("_sklearn_output_config", None)
    return derived


def find_state(wrapper) -> dict:
    """Return what a wrapper has learned."""
    return {
        name: value
        for name, value in vars(wrapper).items()
        if is_learned(name) or name in STATE
    }


def split_params(wrapper, params: dict, method: str) -> dict[str, dict]:
    """Return the parameters of each step.

    They are those that it requests; without metadata routing ``name__sample_weight`` is
    for the step of that name, and a name without a prefix for the last one.
    """
    names = [name for name, _ in wrapper.estimator.steps]
    given = {name: value for name, value in params.items() if value is not None}
    if get_config()["enable_metadata_routing"]:
        routed = process_routing(wrapper, method, **given)
        return {
            name: dict(routed.get(f"step_{name}", {}).get("fit", {})) for name in names
        }
    return split_by_name(given, names)


def split_by_name(params: dict, names: list[str]) -> dict[str, dict]:
    """Return the parameters of each of ``names``: those that begin with it.

    What begins with none of them is for the last one.

    >>> split_by_name({"a__x": 1, "x": 2}, ["a", "b"])
    {'a': {'x': 1}, 'b': {'x': 2}}
    """
    split: dict[str, dict] = {name: {} for name in names}
    for name, value in params.items():
        step, _, rest = name.partition("__")
        if rest and step in split:
            split[step][rest] = value
        else:
            split[names[-1]][name] = value
    return split


def say_step(step) -> str:
    """Say what a step, and what is inside it, learns."""
    name = type(step).__name__
    inside = step.steps if is_pipeline(step) else find_members(step)
    if inside is not None:
        said = [say_step(each) for _, each in inside if not is_passed(each)]
        return f"{name} of {'; '.join(said)}"
    learns = "learns no values" if is_stateless(step) else "learns before the last step"
    return f"{name}, {learns}"


def add_steps(wrapper, router: MetadataRouter) -> None:
    """Add the steps of a pipeline to the router of its wrapper."""
    mapping = MethodMapping().add(caller="fit", callee="fit")
    mapping.add(caller="partial_fit", callee="fit")
    for name, step in wrapper.estimator.steps:
        if hasattr(step, "partial_fit") or is_pipeline(step):
            derived = derive(wrapper, step)
            router.add(**{f"step_{name}": derived}, method_mapping=mapping)


def fit_stateless(wrapper, rows: Rows) -> None:
    """Fit a clone on the first rows, in the layout in which it takes them."""
    seed = draw_seed(wrapper, is_needed=bool(find_unset_seeds(wrapper)))
    transformer = make_estimator(wrapper, seed, {})
    transformer.fit(rows[:FIRST_ROWS].read())
    learned = {"estimator_": transformer, "random_state_": seed}
    vars(wrapper).update(learned | {"_input_layout": InputLayout()})
