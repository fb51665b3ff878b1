"""Validation before any row is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from numbers import Integral

import numpy as np
from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import process_routing

from skmmap.estimators import find_entry
from skmmap.order import Order, parse_size
from skmmap.read import READS, Reading
from skmmap.wrap import (
    find_last_step,
    find_learner,
    find_members,
    is_one_of,
    is_passed,
    is_pipeline,
    say_parameter,
    takes,
    takes_any,
)

_SAMPLINGS = "balanced", "oversample"
_SHUFFLES = "auto", "blocks", "chunks", "shared"

# A smaller number was probably meant as megabytes or gigabytes.
_LEAST_LIMIT = 2**16


def check_estimator(estimator) -> None:
    """Raise unless ``estimator`` can be trained chunk by chunk."""
    if isinstance(estimator, type):
        raise TypeError(
            f"ChunkedFit needs an instance, and got the class {estimator.__name__}; "
            f"write ChunkedFit({estimator.__name__}())."
        )
    if is_one_of(estimator, "FrozenEstimator"):
        raise TypeError(
            "ChunkedFit would train the model inside of FrozenEstimator, which is to "
            "stay as it is. Wrap the model itself to train it further."
        )
    if is_one_of(estimator, "SelectFromModel") and estimator.prefit:
        raise ValueError(
            "SelectFromModel(prefit=True) trains nothing, and fit of ChunkedFit trains "
            "a clone, which does not have what its estimator has learned. Call its own "
            "fit with some rows, and then ChunkedFit(selector).transform(X)."
        )
    if is_pipeline(estimator):
        _check_pipeline(estimator)
        return
    if is_learned_by_passes(estimator):
        check_step(estimator)
        return
    if is_one_of(estimator, "TransformedTargetRegressor"):
        _check_target_regressor(estimator)
        return
    _, learner = find_learner(estimator)
    check = find_entry(type(learner)).entry.check
    if check is not None:
        check(learner)
    if not (
        trains_whole(estimator) or callable(getattr(estimator, "partial_fit", None))
    ):
        from skmmap.learn.advice import say_alternative

        raise TypeError(say_alternative(estimator))


def _check_pipeline(pipeline) -> None:
    """Raise unless each step of a pipeline can be trained chunk by chunk."""
    if pipeline.memory is not None:
        raise ValueError(
            f"memory={pipeline.memory!r} of the Pipeline would store whole arrays of "
            "transformed rows. Set memory=None; a step is trained once in each fit."
        )
    if not pipeline.steps:
        raise ValueError("The pipeline is empty. Please add steps.")
    pipeline._validate_names([name for name, _ in pipeline.steps])
    *steps, (last_name, last) = pipeline.steps
    for name, step in steps:
        with noting_step(name, pipeline):
            _check_transforms(step)
            check_step(step)
    with noting_step(last_name, pipeline):
        _check_takes_rows(last)
        check_step(last)


def _check_target_regressor(estimator) -> None:
    """Raise unless both members can be trained chunk by chunk."""
    if estimator.regressor is None:
        raise TypeError(
            "TransformedTargetRegressor with regressor=None trains LinearRegression, "
            "which has no partial_fit. Give SGDRegressor() or another one that has."
        )
    with noting_step("regressor", estimator):
        check_estimator(estimator.regressor)
    if estimator.transformer is not None:
        with noting_step("transformer", estimator):
            _check_transforms(estimator.transformer)
            check_step(estimator.transformer)


def check_step(step) -> None:
    """Raise unless a step of a pipeline can be trained chunk by chunk."""
    if is_passed(step) or is_stateless(step):
        return
    members = find_members(step)
    if members is None:
        learn = find_entry(type(step)).entry.chunk_learner
        _ = check_estimator(step) if learn is None else learn(step)
        return
    is_union = is_one_of(step, "FeatureUnion")
    step._validate_names([n for n, _ in (members if is_union else members[:-1])])
    for name, member in members:
        with noting_step(name, step):
            if member is None:
                raise TypeError("None is no transformer; write 'drop'.")
            _check_transforms(member)
            check_step(member)


def _check_takes_rows(step) -> None:
    if learns_target(step):
        name = type(step).__name__
        raise TypeError(
            f"{name} is for y, and a step gets X. Train it alone, "
            f"ChunkedFit({name}()).fit(y). Classifiers take labels as they are."
        )


def learns_target(transformer) -> bool:
    """Whether its ``fit`` takes y alone."""
    fit = getattr(transformer, "fit", None)
    return callable(fit) and next(iter(signature(fit).parameters), "") == "y"


def _check_transforms(step) -> None:
    _check_takes_rows(step)
    if not is_passed(step) and not hasattr(step, "transform"):
        raise TypeError(
            f"All steps but the last must have a transform method, and "
            f"{type(step).__name__} has none."
        )


@contextmanager
def noting_step(name: str, composed) -> Iterator[None]:
    """Add to an error which member of a composed estimator it is about."""
    try:
        yield
    except Exception as error:
        error.add_note(say_member(name, composed))
        raise


def say_member(name: str, composed) -> str:
    return f"This is about the step {name!r} of the {type(composed).__name__}."


def is_learned_by_passes(estimator) -> bool:
    """Whether it is a transformer that learns without ``partial_fit``."""
    if isinstance(estimator, type) or hasattr(estimator, "partial_fit"):
        return False
    has_entry = find_entry(type(estimator)).entry.chunk_learner is not None
    return has_entry or is_stateless(estimator) or find_members(estimator) is not None


def trains_whole(estimator) -> bool:
    """Whether it makes its passes over the rows by itself, as boosters do."""
    entry = find_entry(type(estimator)).entry
    return entry.train is not None and (
        entry.train_if is None or entry.train_if(estimator)
    )


def is_stateless(estimator) -> bool:
    """Whether ``fit`` gives the same for any rows of this shape and type."""
    found = find_entry(type(estimator)).entry.stateless
    return bool(found(estimator) if callable(found) else found)


def check_parameters(wrapper) -> None:
    """Raise for the first parameter of ChunkedFit with an impossible value."""
    check_estimator(wrapper.estimator)
    if not _is_auto(wrapper.max_epochs):
        _check_count("max_epochs", wrapper.max_epochs, least=1, other=" or 'auto'")
    _check_count("verbose", wrapper.verbose, least=0)
    check_n_jobs(wrapper.n_jobs)
    _check_shuffle(wrapper)
    _check_sampling(wrapper)
    check_random_state(wrapper.random_state)
    find_reading(wrapper)


def find_reading(wrapper, *, is_mixed: bool = False) -> Reading:
    """Return how to read rows, from the parameters of ChunkedFit."""
    read, dtype = wrapper.read, wrapper.dtype
    if not isinstance(read, str) or read not in READS:
        names = ", ".join(map(repr, READS[:-1]))
        raise ValueError(f"read must be {names} or {READS[-1]!r}; got {read!r}.")
    limit = _find_limit(wrapper.memory_limit)
    if dtype is None:
        return Reading(read, None, limit, is_mixed)
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = None
    if kind is None or kind.kind not in "biuf":
        raise ValueError(
            f"dtype must be None or a type of real numbers such as 'float32'; got "
            f"{dtype!r}."
        )
    return Reading(read, kind.newbyteorder("="), limit, is_mixed)


def _find_limit(size) -> int:
    """Return ``memory_limit`` in bytes; raise if it is small and has no unit."""
    n_bytes = parse_size(size, "memory_limit")
    if isinstance(size, Integral) and n_bytes < _LEAST_LIMIT:
        raise ValueError(
            f"memory_limit={size!r} is {n_bytes:,} bytes. Write the unit: '{size}MB' "
            f"for megabytes, or '{size}B' if bytes are meant."
        )
    return n_bytes


def _is_auto(value) -> bool:
    return isinstance(value, str) and value == "auto"


def _check_count(name: str, value, *, least: int, other: str = "") -> None:
    is_flag = isinstance(value, bool) and name != "verbose"
    if is_flag or not isinstance(value, Integral) or value < least:
        raise ValueError(
            f"{name} must be an integer of at least {least}{other}; got {value!r}."
        )


def check_n_jobs(n_jobs) -> None:
    is_count = isinstance(n_jobs, Integral) and not isinstance(n_jobs, bool)
    if n_jobs is not None and (not is_count or n_jobs == 0):
        raise ValueError(
            f"n_jobs must be None or an integer other than 0; got {n_jobs!r}."
        )


def _check_shuffle(wrapper) -> None:
    shuffle, learner = wrapper.shuffle, find_last_step(wrapper.estimator)
    if isinstance(shuffle, Order):
        if is_learned_by_passes(learner):
            raise ValueError(
                f"{type(learner).__name__} learns from all rows, each of them once, so "
                f"the order {type(shuffle).__name__} would have no effect. Set "
                "shuffle='auto', and fit it to some rows: "
                "ChunkedFit(...).fit(X[numbers])."
            )
        return
    is_flag = isinstance(shuffle, bool | np.bool_)
    if not is_flag and (not isinstance(shuffle, str) or shuffle not in _SHUFFLES):
        raise ValueError(
            "shuffle must be True, False, 'auto', 'blocks', 'chunks', 'shared' or an "
            f"instance of skmmap.Order; got {shuffle!r}."
        )


def _check_sampling(wrapper) -> None:
    sampling, shuffle = wrapper.sampling, wrapper.shuffle
    if sampling is None:
        return
    is_name = isinstance(sampling, str) and sampling in _SAMPLINGS
    if not is_name and not isinstance(sampling, dict):
        raise ValueError(
            "sampling must be None, 'balanced', 'oversample', or a dict of the rows of "
            f"each label in an epoch; got {sampling!r}."
        )
    is_default = isinstance(shuffle, str) and shuffle in ("auto", "blocks")
    if not (is_default or shuffle is True):
        raise ValueError(
            f"sampling={sampling!r} has an order of its own, and shuffle={shuffle!r} "
            "asks for another one. Leave shuffle='auto'."
        )
    learner = find_last_step(wrapper.estimator)
    if not is_classifier(learner):
        raise ValueError(
            f"sampling={sampling!r} counts rows of each class, and "
            f"{type(learner).__name__} is no classifier. Set sampling=None, or give an "
            "order of your own (skmmap.Order) as shuffle."
        )


def check_not_twice(wrapper, estimator, class_weight) -> None:
    """Raise if classes are balanced by weights, and once more by sampling."""
    own = getattr(estimator, "class_weight", None)
    asked = own if class_weight is None else class_weight
    is_balanced = isinstance(asked, str) and asked == "balanced"
    if wrapper.sampling is not None and is_balanced:
        raise ValueError(
            f"class_weight='balanced' counts all rows, and sampling="
            f"{wrapper.sampling!r} changes how often each class is learned: together "
            "they would correct twice. Set one of them to None."
        )


def check_class_weight(estimator, class_weight) -> None:
    """Raise unless the class weights are valid, and can reach the estimator once."""
    if class_weight is None:
        return
    is_balanced = isinstance(class_weight, str) and class_weight == "balanced"
    if not is_balanced and not isinstance(class_weight, dict):
        raise ValueError(
            "class_weight must be None, 'balanced', or a dict of a weight for each "
            f"label; got {class_weight!r}."
        )
    name = type(estimator).__name__
    if getattr(estimator, "class_weight", None) is not None:
        raise ValueError(
            f"class_weight={class_weight!r} was given to fit, and "
            f"class_weight={estimator.class_weight!r} to {name}; give one of them."
        )
    takes_weights = takes(estimator.partial_fit, "sample_weight")
    if not takes_weights and not hasattr(estimator, "class_weight"):
        raise TypeError(
            f"class_weight={class_weight!r} was given, and {name} takes neither class "
            "weights nor, in partial_fit, sample_weight."
        )


def route(
    wrapper, caller: str, callee: str, params: dict, *, is_routed: bool = True
) -> dict:
    """Return the parameters of ``caller`` that go to the estimator's ``callee``.

    Without ``is_routed`` all of them do, since there are no metadata requests.
    """
    if params.get("sample_weight", 0) is None:
        del params["sample_weight"]
    if is_routed and get_config()["enable_metadata_routing"]:
        return dict(process_routing(wrapper, caller, **params)["estimator"][callee])
    method = getattr(wrapper.estimator, callee)
    for name, value in params.items():
        if not (takes(method, name) or takes_any(method)):
            raise TypeError(
                f"{caller} got {name}, and {type(wrapper.estimator).__name__}."
                f"{callee} has no such parameter."
                f"{say_parameter(wrapper, caller, name, value)}"
            )
    return params
