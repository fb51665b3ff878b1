"""Trains a pipeline stage by stage: each step on the rows of the fitted ones before."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, NamedTuple

from sklearn import get_config
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)

from skmmap.formats import open_source
from skmmap.learn.checks import check_parameters, find_reading, is_stateless
from skmmap.learn.clones import make_estimator
from skmmap.learn.first_call import find_first_call_params
from skmmap.learn.fitting import explain_fit, train_anew, train_further
from skmmap.learn.given_rows import check_target
from skmmap.learn.rendering import Explanation
from skmmap.learn.seeds import draw_seed, find_unset_seeds
from skmmap.rows import Rows, Source, find_source
from skmmap.wrap import (
    InputLayout,
    copy_trained,
    find_last_step,
    is_learned,
    is_pipeline,
)

# Stateless steps are fitted on so many rows, and `explain` fits all steps on as many.
_FIRST_ROWS = 10_000
_INIT = "_init_callback_context"
_CALLBACKS = "_skl_callbacks", "_parent_callback_ctx"
_STATE = "_corrections", "_input_layout", "_classes", "_last_step", "_widest_row"


class Transform(NamedTuple):
    """What a fitted transformer does with rows, as a function for `Rows.map`."""

    transformer: Any
    layout: InputLayout

    def __str__(self) -> str:
        return type(self.transformer).__name__

    def __call__(self, rows):
        return self.transformer.transform(self.layout.apply(rows))


def train(wrapper, X, y, params: dict, **given) -> None:
    """Train a fresh clone of the estimator; of a pipeline, one step after the other."""
    if not is_pipeline(wrapper.estimator):
        train_anew(wrapper, X, y, params, **given)
        return
    stages = _Stages(wrapper, X, y, params, "fit", given["classes"])
    given |= {"given_validation": stages.open_validation(*given["given_validation"])}
    stages.train_transformers()
    X_val, *validation = given["given_validation"]
    if X_val is not None:
        X_val = stages.transform(X_val)
    given |= {"given_validation": (X_val, *validation)}
    with stages.finishing():
        last_params = stages.params[stages.last_name]
        _train_step(stages.last, stages.rows, y, last_params, **given)


def train_more(wrapper, X, y, params: dict, *, classes) -> None:
    """Train on further rows; of a pipeline the last step, the others once at all."""
    if not is_pipeline(wrapper.estimator):
        train_further(wrapper, X, y, params, classes=classes)
        return
    trained = copy_trained(wrapper)
    stages = _Stages(wrapper, X, y, params, "partial_fit", classes)
    if trained is None:
        stages.train_transformers()
    else:
        stages.use_transformers(trained)
    with stages.finishing():
        last_params = stages.params[stages.last_name]
        train_more(stages.last, stages.rows, y, last_params, classes=classes)


def explain(wrapper, X, y, params: dict, **given) -> Explanation:
    """Return what ``ChunkedFit.explain`` does.

    The plan of a pipeline's last step needs the shape of what it gets: that of what the
    others make of the first rows, when they are fitted to these alone.
    """
    if not is_pipeline(wrapper.estimator):
        return explain_fit(wrapper, X, y, params, **given)
    stages = _Stages(wrapper, X, y, params, "fit")
    said = stages.say_steps()
    stages.train_transformers(n_rows=_FIRST_ROWS)
    last_params = stages.params[stages.last_name]
    given |= {"given_validation": (None, None, None)}
    plan = explain(stages.last, stages.rows, y, last_params, **given)
    return Explanation(
        plan.title.replace("ChunkedFit(", "ChunkedFit(Pipeline: ", 1),
        said | plan.sections,
    )


class _Stages:
    """The steps of a pipeline, and the rows as the fitted ones of them return them."""

    def __init__(self, wrapper, X, y, params: dict, method: str, classes=None):
        check_parameters(wrapper)
        self._wrapper, self._y, self._classes = wrapper, y, classes
        *self._steps, (self.last_name, last) = wrapper.estimator.steps
        self.params = _split_params(wrapper, params, method)
        source = _open(wrapper, X)
        self._check_target(last, source)
        self._identity, self.rows = source.store.identity, Rows(source)
        self._fitted: list[tuple[str, Any]] = []
        self._transforms: list[Transform] = []
        self._widest = 0  # values in a row between two steps
        self.last = _derive(wrapper, last)
        if hasattr(wrapper, _INIT):  # callbacks are told of the last step alone
            vars(self.last)[_INIT] = getattr(wrapper, _INIT)
        before = vars(wrapper).get("_last_step")
        if before is not None:  # where a warm start begins
            vars(self.last).update(_find_state(before))

    def _check_target(self, last, X: Source) -> None:
        """Raise for a wrong y or weights of the last step before a step is trained."""
        last, reading = find_last_step(last), find_reading(self._wrapper)
        if not hasattr(last, "partial_fit"):
            return
        params, reading = self.params[self.last_name], reading._replace(dtype=None)
        table = check_target(last, X, self._y, params, reading)
        find_first_call_params(last, None, table.y, self._classes)

    def train_transformers(self, n_rows: int | None = None) -> None:
        """Fit all steps but the last, on the first rows or on all."""
        for name, step in self._steps:
            if _is_passed(step):
                self._fitted.append((name, step))
                continue
            with self._naming(name):
                # No generator of random numbers moves on for a part of the rows.
                seeded = {} if n_rows is None else {"random_state": 0}
                wrapper = _derive(self._wrapper, step, max_epochs="auto", **seeded)
                for own in _CALLBACKS:
                    vars(wrapper).pop(own, None)
                _train_transformer(
                    wrapper, self.rows, self._y, self.params[name], n_rows
                )
                self._add(name, wrapper.estimator_, vars(wrapper)["_input_layout"])
        self._identity.check(values=True)

    def use_transformers(self, pipeline) -> None:
        """Take the fitted steps of a pipeline, the last one to be trained further."""
        layout = vars(self._wrapper).get("_input_layout", InputLayout())
        for name, step in pipeline.steps[:-1]:
            if _is_passed(step):
                self._fitted.append((name, step))
                continue
            self._add(name, step, layout)
            layout = InputLayout()
        if "estimator_" not in vars(self.last):
            self.last.estimator = pipeline.steps[-1][1]

    def _add(self, name: str, transformer, layout: InputLayout) -> None:
        self._fitted.append((name, transformer))
        self._transforms.append(Transform(transformer, layout))
        with self._naming(name):
            self.rows = self.rows.map(self._transforms[-1])
        self._widest = max(self._widest, find_source(self.rows).row_values)

    def transform(self, rows: Rows) -> Rows:
        """Return other rows as the fitted steps return them."""
        for transform in self._transforms:
            rows = rows.map(transform)
        return rows

    def open_validation(self, X, *others) -> tuple:
        return (None if X is None else Rows(_open(self._wrapper, X)), *others)

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Keep what was learned, if the last step was trained or ended by Ctrl-C."""
        before = vars(self.last).get("estimator_")
        try:
            with self._naming(self.last_name):
                yield
        except KeyboardInterrupt:
            if vars(self.last).get("estimator_") is not before:
                self._keep()
            raise
        finally:
            vars(self.last).pop(_INIT, None)
        self._keep()

    def _keep(self) -> None:
        pipeline = copy(self._wrapper.estimator)
        pipeline.steps = [*self._fitted, (self.last_name, self.last.estimator_)]
        first = self._transforms[0].layout if self._transforms else None
        state = _find_state(self.last)
        layout = state.get("_input_layout", InputLayout()) if first is None else first
        learned = {name: value for name, value in state.items() if is_learned(name)}
        widest = max(self._widest, state.get("_widest_row", 0))
        own = {
            "_last_step": self.last,
            "_input_layout": layout,
            "_widest_row": widest,
        }
        vars(self._wrapper).update(learned | {"estimator_": pipeline} | own)

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Add the name of a step to an error."""
        try:
            yield
        except Exception as error:
            step = dict(self._wrapper.estimator.steps)[name]
            error.add_note(f"This is in the step {name!r}, a {type(step).__name__}.")
            raise

    def say_steps(self) -> dict[str, str]:
        return {
            f"step {name}": _say_step(step)
            for name, step in self._steps
            if not _is_passed(step)
        }


def _train_transformer(wrapper, rows: Rows, y, params: dict, n_rows) -> None:
    """Train a step that is not the last, on the first rows or on all."""
    if n_rows is not None:
        first = slice(0, n_rows)
        rows, y = rows[first], None if y is None else Rows(open_source(y, "y"))[first]
    none = {"classes": None, "class_weight": None, "given_validation": (None,) * 3}
    _train_step(wrapper, rows, y, params, **none)


def _train_step(wrapper, rows: Rows, y, params: dict, **given) -> None:
    if _is_passed(wrapper.estimator):
        wrapper.estimator_ = wrapper.estimator
    elif is_stateless(wrapper.estimator):
        _fit_stateless(wrapper, rows)
    else:
        train(wrapper, rows, y, params, **given)


def add_steps(wrapper, router: MetadataRouter) -> None:
    """Add the steps of a pipeline to the router of its wrapper."""
    mapping = MethodMapping().add(caller="fit", callee="fit")
    mapping.add(caller="partial_fit", callee="fit")
    for name, step in wrapper.estimator.steps:
        if hasattr(step, "partial_fit") or is_pipeline(step):
            derived = _derive(wrapper, step)
            router.add(**{f"step_{name}": derived}, method_mapping=mapping)


def _is_passed(step) -> bool:
    return step is None or isinstance(step, str)  # "passthrough"


def _fit_stateless(wrapper, rows: Rows) -> None:
    """Fit a clone on the first rows, in the layout in which it takes them."""
    seed = draw_seed(wrapper, is_needed=bool(find_unset_seeds(wrapper)))
    transformer = make_estimator(wrapper, seed, {})
    transformer.fit(rows[:_FIRST_ROWS].read())
    learned = {"estimator_": transformer, "random_state_": seed}
    vars(wrapper).update(learned | {"_input_layout": InputLayout()})


def _open(wrapper, X) -> Source:
    """Return the rows of X, cast as `dtype` of ChunkedFit says."""
    return find_reading(wrapper).cast(open_source(X, "X"))


def _derive(wrapper, estimator, **changes):
    """Return an unfitted wrapper with the same parameters around another estimator."""
    state = {
        name: value
        for name, value in vars(wrapper).items()
        if not is_learned(name) and name not in _STATE
    }
    derived = type(wrapper).__new__(type(wrapper))
    vars(derived).update(state | {"estimator": estimator, "dtype": None} | changes)
    if not hasattr(estimator, "set_output"):
        vars(derived).pop("_sklearn_output_config", None)
    return derived


def _find_state(wrapper) -> dict:
    """Return what a wrapper has learned."""
    return {
        name: value
        for name, value in vars(wrapper).items()
        if is_learned(name) or name in _STATE
    }


def _split_params(wrapper, params: dict, method: str) -> dict[str, dict]:
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
    split: dict[str, dict] = {name: {} for name in names}
    for name, value in given.items():
        step, _, rest = name.partition("__")
        if rest and step in split:
            split[step][rest] = value
        else:
            split[names[-1]][name] = value
    return split


def _say_step(step) -> str:
    name = type(step).__name__
    if is_pipeline(step):
        steps = [_say_step(each) for _, each in step.steps if not _is_passed(each)]
        return f"{name} of {', '.join(steps)}"
    learns = "learns no values" if is_stateless(step) else "learns before the last step"
    return f"{name}, {learns}"
