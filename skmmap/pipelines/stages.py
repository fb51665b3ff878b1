"""Trains a pipeline stage by stage: each step on the rows of the fitted ones before."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from skmmap.formats import open_source
from skmmap.learn import (
    check_parameters,
    check_target,
    find_first_call_params,
    find_reading,
    is_stateless,
)
from skmmap.order import Order
from skmmap.pipelines.compositions import learn_members
from skmmap.pipelines.fusing import can_fuse
from skmmap.pipelines.passes import NOTHING, Request, inside, make_passes
from skmmap.pipelines.shared_steps import (
    drop_key,
    get_key,
    join_keys,
    map_once,
    set_key,
)
from skmmap.pipelines.single_steps import (
    learn_alone_or_shared,
    learn_by_chunks,
    learn_fused,
    learn_stateless,
)
from skmmap.pipelines.steps import (
    CALLBACKS,
    Transform,
    derive,
    derive_step,
    derive_untold,
    refuse_params,
    say_step,
    split_params,
)
from skmmap.pipelines.training_rows import OfMembers, TrainingTransform
from skmmap.rows import Rows, Source, find_source
from skmmap.wrap import (
    InputLayout,
    check_names,
    find_last_step,
    find_members,
    find_state,
    is_learned,
    is_passed,
    is_pipeline,
)

_INIT = "_init_callback_context"


class Stages:
    """The steps of a pipeline, and the rows as the fitted ones of them return them."""

    def __init__(self, wrapper, X, y, params: dict, method: str, **given):
        check_parameters(wrapper)
        self._wrapper, self.y, self._classes = wrapper, y, given["classes"]
        *self._steps, (self.last_name, last) = wrapper.estimator.steps
        self.params = split_params(wrapper, params, method)
        source, (X_val, *others) = open_rows(wrapper, X), given["given_validation"]
        self._validation = (
            X_val if X_val is None else Rows(open_rows(wrapper, X_val)),
            others,
        )
        self._check_target(last, source)
        self._identity, self.rows = source.store.identity, Rows(source)
        self._fitted: list[tuple[str, Any]] = []
        self._transforms: list[Transform] = []
        self._keys: list[Any] = []  # of what each step has learned
        self._trainings: dict[str, Any] = {}  # of steps that have one
        self._widest = 0  # values in a row between two steps
        self.passes: list[str] = []  # what learned in each, before the last step
        self.last = derive(wrapper, last)
        if hasattr(wrapper, _INIT):  # callbacks are told of the last step alone
            vars(self.last)[_INIT] = getattr(wrapper, _INIT)
        self._may_fuse_last = method == "fit" and self._is_plain(given)
        self.has_learned_last = False  # together with the step before it
        before = vars(wrapper).get("_last_step")
        if before is not None:  # where a warm start begins
            vars(self.last).update(find_state(before))

    def _is_plain(self, given: dict) -> bool:
        """Whether the last step is to learn as the steps before it do."""
        wrapper, (X_val, *_) = self._wrapper, given["given_validation"]
        is_usual = wrapper.max_epochs == "auto" and wrapper.sampling is None
        is_usual &= not isinstance(wrapper.shuffle, Order)
        is_usual = is_usual and wrapper.shuffle in ("auto", False)
        is_watched = bool(getattr(wrapper, CALLBACKS[0], None))
        return is_usual and not is_watched and X_val is None

    def _check_target(self, last, X: Source) -> None:
        """Raise for a wrong y or weights of the last step before a step is trained."""
        last, reading = find_last_step(last), find_reading(self._wrapper)
        if not hasattr(last, "partial_fit"):
            return
        params, reading = self.params[self.last_name], reading._replace(dtype=None)
        table = check_target(last, X, self.y, params, reading)
        find_first_call_params(last, None, table.y, self._classes)

    def train_transformers(self, n_rows: int | None = None) -> tuple:
        """Fit all steps but the last, on the first rows or on all.

        Return the rows to score each epoch on as they transform them, and the others of
        ``given_validation``.
        """
        _, y = self.find_rows(n_rows)
        untold = derive_untold(self._wrapper, self._wrapper.estimator)
        for requests in self.learn_transformers(n_rows):
            explains = n_rows is not None
            self.passes += make_passes(untold, requests, y, explains=explains)
        X_val, others = self._validation
        for transform in self._transforms if X_val is not None else ():
            X_val = map_once(X_val, transform)
        return X_val, *others

    def learn_transformers(self, n_rows: int | None = None) -> Iterator[list[Request]]:
        """Ask for the passes that the steps before the last need, one by one."""
        number = 0
        while number < len(self._steps):
            rows, y = self.find_rows(n_rows)
            steps = self._find_next(number, rows)
            wrappers = [
                # No generator of random numbers moves on for a part of the rows.
                derive_step(self._wrapper, step, number + i, **_find_seed(n_rows))
                for i, (_, step) in enumerate(steps[: len(self._steps) - number])
            ]
            if len(wrappers) < len(steps):
                self.has_learned_last = True
                wrappers.append(self.last)
            name, _ = steps[0]
            if len(steps) == 2:
                learning = learn_fused(*wrappers, rows)
            else:
                learning = learn_step(wrappers[0], rows, y, self.params[name])
            yield from inside(self._note(name), learning)
            for (name, step), wrapper in zip(steps, wrappers, strict=True):
                if wrapper is self.last:
                    break
                self._keep_step(name, step, wrapper, is_whole=n_rows is None)
            number += len(steps)
        self._identity.check(values=True)

    def _find_next(self, number: int, rows: Rows) -> list[tuple[str, Any]]:
        """Return the next step, or an imputer and the scaler that learns with it."""
        steps = self._steps[number : number + 2]
        if len(steps) == 1 and self._may_fuse_last:
            steps = [*steps, (self.last_name, self.last.estimator)]
        has_params = any(self.params[name] for name, _ in steps)
        if len(steps) < 2 or has_params:
            return steps[:1]
        (_, imputer), (_, scaler) = steps
        return steps if can_fuse(imputer, scaler, rows) else steps[:1]

    def _keep_step(self, name: str, step, wrapper, *, is_whole: bool) -> None:
        if is_passed(step):
            self._fitted.append((name, step))
            self._keys.append((name, step))
            return
        key = get_key(wrapper)
        self._keys.append(None if key is None else (name, key))
        training = vars(wrapper).get("_training")
        if training is not None and is_whole:
            self._trainings[name] = training
        self._add(name, wrapper.estimator_, vars(wrapper)["_input_layout"], key)

    def learn_all(self) -> Iterator[list[Request]]:
        """Ask for the passes of all steps, where the last one transforms as well."""
        self._steps, self._may_fuse_last = self._wrapper.estimator.steps, False
        yield from self.learn_transformers()
        pipeline = copy(self._wrapper.estimator)
        pipeline.steps = self._fitted
        layout = self._transforms[0].layout if self._transforms else InputLayout()
        vars(self._wrapper).update(estimator_=pipeline, _input_layout=layout)
        if self._trainings:
            self._wrapper._training = OfMembers(self._trainings)
        set_key(self._wrapper, join_keys("pipeline", (), self._keys))

    def find_rows(self, n_rows: int | None) -> tuple[Rows, Any]:
        """Return the first rows and their targets, or all."""
        if n_rows is None:
            return self.rows, self.y
        y = None if self.y is None else Rows(open_source(self.y, "y"))[:n_rows]
        return self.rows[:n_rows], y

    def use_transformers(self, pipeline) -> None:
        """Take the fitted steps of a pipeline, the last one to be trained further."""
        layout = vars(self._wrapper).get("_input_layout", InputLayout())
        for name, step in pipeline.steps[:-1]:
            if is_passed(step):
                self._fitted.append((name, step))
                continue
            self._add(name, step, layout)
            layout = InputLayout()
        if "estimator_" not in vars(self.last):
            self.last.estimator = pipeline.steps[-1][1]

    def _add(self, name: str, transformer, layout: InputLayout, key=None) -> None:
        self._fitted.append((name, transformer))
        # On rows without names, those of a file's columns would be asked for.
        source = find_source(self.rows)
        unnamed = check_names(transformer, source)
        function = Transform(unnamed, layout, key)
        self._transforms.append(function)
        if name in self._trainings:
            training = self._trainings[name]
            function = TrainingTransform(unnamed, layout, training, source, key)
        with self._naming(name):
            self.rows = map_once(self.rows, function)
        self._widest = max(self._widest, find_source(self.rows).row_values)

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Keep what was learned, if the last step was trained or ended by Ctrl-C."""
        # A new one after each training, where the estimator may be the same.
        before = vars(self.last).get("history_")
        try:
            with self._naming(self.last_name):
                yield
        except KeyboardInterrupt:
            if vars(self.last).get("history_") is not before:
                self.keep()
            raise
        finally:
            vars(self.last).pop(_INIT, None)
            drop_key(self.last)
        self.keep()

    def keep(self) -> None:
        pipeline = copy(self._wrapper.estimator)
        pipeline.steps = [*self._fitted, (self.last_name, self.last.estimator_)]
        first = self._transforms[0].layout if self._transforms else None
        state = find_state(self.last)
        layout = state.get("_input_layout", InputLayout()) if first is None else first
        learned = {name: value for name, value in state.items() if is_learned(name)}
        widest = max(self._widest, state.get("_widest_row", 0))
        own = {
            "_last_step": self.last,
            "_input_layout": layout,
            "_widest_row": widest,
        }
        vars(self._wrapper).update(learned | {"estimator_": pipeline} | own)

    def _note(self, name: str) -> str:
        step = dict(self._wrapper.estimator.steps)[name]
        return f"This is in the step {name!r}, a {type(step).__name__}."

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Add the name of a step to an error."""
        try:
            yield
        except Exception as error:
            error.add_note(self._note(name))
            raise

    def say_steps(self) -> dict[str, str]:
        return {
            f"step {name}": say_step(step)
            for name, step in self._steps
            if not is_passed(step)
        }


def learn_step(wrapper, rows: Rows, y, params: dict) -> Iterator[list[Request]]:
    """Train a step that transforms rows: ask for the passes that it needs."""
    estimator = wrapper.estimator
    drop_key(wrapper)
    if is_passed(estimator):
        refuse_params(estimator, params)
        wrapper.estimator_ = estimator
    elif is_stateless(estimator):
        refuse_params(estimator, params)
        learn_stateless(wrapper, rows)
    elif find_members(estimator) is not None:
        yield from learn_members(wrapper, rows, y, params, learn_step)
    elif is_pipeline(estimator):
        yield from Stages(wrapper, rows, y, params, "fit", **NOTHING).learn_all()
    elif hasattr(estimator, "partial_fit"):
        yield from learn_alone_or_shared(wrapper, rows, y, params)
    else:
        yield from learn_by_chunks(wrapper, rows, y, params)


def _find_seed(n_rows: int | None) -> dict:
    return {} if n_rows is None else {"random_state": 0}


def open_rows(wrapper, X) -> Source:
    """Return the rows of X, cast as `dtype` of ChunkedFit says."""
    return find_reading(wrapper).cast(open_source(X, "X"))
