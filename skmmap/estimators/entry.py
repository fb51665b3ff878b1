"""The entry of a class in the registry: its fields and their validation."""

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any, NamedTuple

import numpy as np


class LearningEntry(NamedTuple):
    """How an estimator learns from chunks. The fields are those of `register`.

    Only skmmap's own entries use these additional fields:

    default_batch_size : function of the number of features that returns the rows of a
        batch where the parameter ``batch_size`` is None.
    splits_chunks : whether ``partial_fit`` cuts a chunk into batches itself.
    equal_steps : whether each batch is a step of equal weight, regardless of its size.
    dense : whether sparse rows are made dense, as ``fit`` does.
    extra_patience : epochs without improvement beyond ``n_iter_no_change`` after which
        ``fit`` stops.
    reduce_rate : function of a learner that reduces an adaptive learning rate, and
        returns whether it did.
    loss_rows : maximum number of rows on which ``loss`` is computed.
    chunk_loss : function of an estimator and the rows of a chunk that it has just
        learned; returns their mean loss. By default, the attribute ``loss_``.
    fit_only : names of parameters that only ``fit`` uses.
    check : function of an estimator that raises for parameters with which it cannot
        learn from chunks.
    warm_start : function of a `Start`, an estimator, and some rows and targets.
    correction : a subclass of `Correction`.
    zero_weights : whether ``fit`` learns from rows with a weight of zero, or a function
        of an estimator that returns this.
    attributes : function of a trained learner, a `Run` and the learner's number in it.
    counts : function of a trained learner that returns its counts before training
        continues.
    hidden : learned attributes that cannot be computed by chunks, with the alternative.
    free : names of the parameters of this very class that do not change what is summed
        up, but only what is derived from it. None if fits with equal other parameters
        may learn something else.
    derive : function of an estimator that derives again what its free parameters
        change, and raises for values that ``partial_fit`` refuses.
    adds_exactly : function of an estimator and rows: returns whether what it learns of
        them can be added up in any order, bit for bit.
    train_if : function of an estimator: whether ``train`` trains it, if it is not
        always.
    train_by_buffers : whether ``train`` takes shuffled buffers of rows.
    train_memory : function of an estimator and a `WholeRun`: returns the bytes that
        ``train`` allocates, by what they are for.
    train_explain : function of the same: returns sections of ``explain``.
    compute_alike : function of several fitted estimators that differ in their free
        parameters, the name of a method and finite rows: returns the result of each,
        or None if it has no quicker way than the method.
    """

    epochs: str | None = None
    shuffle: bool | str | None = None
    batch_size: str | None = None
    default_batch_size: Callable[[int], int] | None = None
    splits_chunks: bool = False
    equal_steps: bool = False
    min_rows: str | None = None
    dense: bool = False
    stopping: Any = None
    extra_patience: int = 0
    early_stopping: str | None = None
    reduce_rate: Callable[[Any], bool] | None = None
    loss: Callable[..., Any] | None = None
    loss_rows: int = 10_000
    chunk_loss: Callable[[Any, int], float | None] | None = None
    overrides: Callable[..., dict] | None = None
    fit_only: tuple[str, ...] = ()
    check: Callable[[Any], None] | None = None
    initialize: Callable[..., dict] | None = None
    warm_start: Callable[..., Any] | None = None
    correction: type | None = None
    finish: Callable[[Any], None] | None = None
    zero_weights: bool | Callable[[Any], bool] = False
    attributes: Callable[..., None] | None = None
    counts: Callable[[Any], dict] | None = None
    hidden: Mapping[str, str] = {}
    merge: Callable[[Any, Any], Any] | None = None
    free: tuple[str, ...] | None = None
    derive: Callable[[Any], Any] | None = None
    adds_exactly: Callable[[Any, Any], bool] | None = None
    compute_alike: Callable[[list, str, Any], list | None] | None = None
    stateless: bool | Callable[[Any], bool] = False
    chunk_learner: Callable[[Any], Any] | None = None
    train: Callable[[Any, Any], None] | None = None
    train_if: Callable[[Any], bool] | None = None
    train_by_buffers: bool = False
    train_memory: Callable[[Any, Any], dict[str, int]] | None = None
    train_explain: Callable[[Any, Any], dict[str, str]] | None = None


# Fields that name a parameter of the estimator.
_PARAMETERS = "epochs", "shuffle", "batch_size", "min_rows", "early_stopping"
_FUNCTIONS = "loss", "overrides", "initialize", "finish", "merge", "chunk_learner"
_FUNCTIONS += ("train",)
_LOSS = "tol", "n_iter_no_change"
_PUBLIC = (
    "epochs",
    "shuffle",
    "batch_size",
    "min_rows",
    "stopping",
    "loss",
    "early_stopping",
    "overrides",
    "initialize",
    "finish",
    "merge",
    "stateless",
    "chunk_learner",
    "train",
)


def check_fields(entry: dict) -> None:
    """Raise for an unknown field or one of a wrong type; None is the default."""
    for name, value in entry.items():
        if name not in _PUBLIC:
            raise TypeError(
                f"register has no field {name!r}. Its fields are {', '.join(_PUBLIC)}."
            )
        if value is None or (name == "shuffle" and isinstance(value, bool | np.bool_)):
            continue
        if name in _PARAMETERS and not isinstance(value, str):
            raise TypeError(f"{name} must be the name of a parameter; got {value!r}.")
        if name in _FUNCTIONS and not callable(value):
            raise TypeError(f"{name} must be a function; got {value!r}.")
        if name == "stateless" and not (isinstance(value, bool) or callable(value)):
            raise TypeError(f"stateless must be a bool or a function; got {value!r}.")
        if name == "stopping" and value != "loss" and not callable(value):
            raise TypeError(f"stopping must be 'loss' or None; got {value!r}.")


def check_parameters(cls: type, entry: dict) -> None:
    """Raise for a field that names a parameter which the class does not have."""
    params = _find_parameters(cls)
    if params is None or any(
        each.kind is Parameter.VAR_KEYWORD for each in params.values()
    ):
        return
    given = [name for name in _PARAMETERS if name in entry]
    named = [(f"{name}={entry[name]!r}", entry[name]) for name in given]
    if entry.get("stopping") == "loss":
        named += [(f"{name!r}, which stopping='loss' needs,", name) for name in _LOSS]
    if entry.get("early_stopping"):
        name = "validation_fraction"
        named.append((f"{name!r}, which early_stopping needs,", name))
    for said, name in named:
        if isinstance(name, str) and name not in params:
            raise ValueError(
                f"{said} is not a parameter of {cls.__name__}, which has: "
                f"{', '.join(params) or 'none'}."
            )


def _find_parameters(cls: type) -> Mapping[str, Parameter] | None:
    """Return the parameters of a class, None for compiled code without a signature."""
    if cls.__module__ == "builtins":
        raise TypeError(f"register needs a class of estimators; got {cls.__name__}.")
    try:
        return signature(cls).parameters
    except ValueError:
        return None
