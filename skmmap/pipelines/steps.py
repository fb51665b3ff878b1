"""A step of a pipeline has a wrapper of its own, and a part of the parameters."""

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn import get_config
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)

from skmmap.learn import (
    draw_seed,
    find_unset_seeds,
    is_learned_by_passes,
    is_stateless,
    make_estimator,
    trains_whole,
)
from skmmap.order import AUTO_SHARE, Order, parse_size
from skmmap.rows import Rows, find_source
from skmmap.transformers import find_coded
from skmmap.wrap import (
    STATE,
    InputLayout,
    is_learned,
    is_passed,
    is_pipeline,
    keep_names,
    list_parts,
    takes,
)

# Stateless steps are fitted on so many rows, and `explain` fits all steps on as many.
FIRST_ROWS = 10_000
_FIRST_NBYTES, _LEAST_ROWS = 2**24, 10
CALLBACKS = "_skl_callbacks", "_parent_callback_ctx"


class Transform(NamedTuple):
    """What a fitted transformer does with rows, as a function for `Rows.map`."""

    transformer: Any
    layout: InputLayout
    key: Any = None  # of what it has learned, if other fits have the same
    is_value = True

    @property
    def shared_key(self) -> Any:
        return None if self.key is None else (Transform, self.key, self.layout)

    def __str__(self) -> str:
        return type(self.transformer).__name__

    def __call__(self, rows):
        return self.transformer.transform(self.layout.apply(rows))


def map_rows(rows: Rows, function) -> Rows:
    """Return the rows that a function computes: with codes for texts, if it can."""
    coded = None
    if isinstance(function, Transform):
        coded = find_coded(function.transformer, function, find_source(rows))
    if coded is None:
        return rows.map(function)
    source, function = coded
    return Rows(source).map(function)


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


def derive_step(wrapper, step, number: int, **changes):
    """Return the wrapper of a transformer, with a seed of its own if there is one."""
    seed = wrapper.random_state
    if isinstance(seed, Integral):
        spawned = np.random.SeedSequence(int(seed), spawn_key=(number,))
        changes = {"random_state": int(spawned.generate_state(1)[0] >> 1)} | changes
    # Steps before the last learn from all rows.
    changes |= {"sampling": None}
    if isinstance(wrapper.shuffle, Order):
        changes |= {"shuffle": "auto"}
    changes |= {"_title": f"fit of {type(step).__name__}"}
    return derive_untold(wrapper, step, **{"max_epochs": "auto"} | changes)


def derive_untold(wrapper, estimator, **changes):
    """Return one without callbacks, which are told of the last step alone."""
    derived = derive(wrapper, estimator, **changes)
    for own in CALLBACKS:
        vars(derived).pop(own, None)
    return derived


def split_params(wrapper, params: dict, method: str) -> dict[str, dict]:
    """Return the parameters of each step of a pipeline, or member of a union.

    They are those that it requests; without metadata routing ``name__sample_weight`` is
    for the step of that name, and a name without a prefix for the last step.
    """
    names = [name for name, _ in list_parts(wrapper.estimator)]
    given = {name: value for name, value in params.items() if value is not None}
    if get_config()["enable_metadata_routing"]:
        routed = process_routing(wrapper, method, **given)
        found = {name: routed.get(f"step_{name}", {}) for name in names}
        return {name: dict(found[name].get("fit", {})) for name in names}
    split: dict[str, dict] = {name: {} for name in names}
    for name, value in given.items():
        step, _, rest = name.partition("__")
        if rest and step in split:
            _set_once(split[step], rest, value, step)
        elif is_pipeline(wrapper.estimator):
            _set_once(split[names[-1]], name, value, names[-1])
        else:
            kind = type(wrapper.estimator).__name__
            raise TypeError(
                f"fit got {name} for the {kind}, and members of it are meant by their "
                f"names: {', '.join(f'{each}__{name}' for each in names)}."
            )
    return split


def _set_once(params: dict, name: str, value, step: str) -> None:
    if name in params:
        raise TypeError(
            f"fit got {name} and {step}__{name}, which are both for the last step."
        )
    params[name] = value


def refuse_params(step, params: dict) -> None:
    """Raise for parameters of a step that learns without any."""
    for name in params:
        kind = repr(step) if is_passed(step) else type(step).__name__
        raise TypeError(f"fit got {name} for {kind}, which takes no such parameter.")


def say_step(step) -> str:
    """Say what a step, and what is inside it, learns."""
    name = type(step).__name__
    if inside := list_parts(step):
        said = [say_step(each) for _, each in inside if not is_passed(each)]
        return f"{name} of ({'; '.join(said)})"
    learns = "learns no values" if is_stateless(step) else "learns before the last step"
    return f"{name}, {learns}"


def add_steps(wrapper, router: MetadataRouter) -> None:
    """Add the steps of a pipeline, or the members of a union, to a router."""
    mapping = MethodMapping().add(caller="fit", callee="fit")
    mapping.add(caller="partial_fit", callee="fit")
    for name, step in list_parts(wrapper.estimator):
        if is_learned_by_passes(step) and not list_parts(step):
            router.add(**{f"step_{name}": step}, method_mapping=mapping)
        elif hasattr(step, "partial_fit") or list_parts(step) or trains_whole(step):
            derived = derive(wrapper, step)
            router.add(**{f"step_{name}": derived}, method_mapping=mapping)


def find_first_rows(wrapper, rows: Rows) -> Rows:
    """Return the first rows, as many as take little of the memory limit."""
    limit = parse_size(wrapper.memory_limit, "memory_limit")
    nbytes = min(_FIRST_NBYTES, limit // AUTO_SHARE)
    n_rows = nbytes // max(1, 8 * find_source(rows).row_values)
    return rows[: min(max(n_rows, _LEAST_ROWS), FIRST_ROWS)]


def fit_stateless(wrapper, rows: Rows) -> dict:
    """Fit a clone on the first rows, in the layout in which it takes them; return it.

    That is with the other attributes that the wrapper then has.
    """
    seed = draw_seed(wrapper, is_needed=bool(find_unset_seeds(wrapper)))
    transformer = make_estimator(wrapper, seed, {})
    # FrozenEstimator has no default for y.
    y = {"y": None} if takes(transformer.fit, "y") else {}
    transformer.fit(find_first_rows(wrapper, rows).read(), **y)
    keep_names(transformer, find_source(rows))
    learned = {"estimator_": transformer, "random_state_": seed}
    return learned | {"_input_layout": InputLayout()}
