"""What an estimator's own ``fit`` does: its epochs, its batches, its order of rows.

``partial_fit`` does none of it, so that a loop around it has to. This is the table of
scikit-learn's estimators, and what is assumed of others.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from inspect import signature
from math import prod
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn import linear_model
from sklearn.cluster import Birch, MiniBatchKMeans
from sklearn.decomposition import (
    IncrementalPCA,
    LatentDirichletAllocation,
    MiniBatchDictionaryLearning,
    MiniBatchNMF,
)
from sklearn.feature_selection import SelectFromModel
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.neural_network import BernoulliRBM, MLPClassifier, MLPRegressor

from skmmap.order import COSTS, Cost
from skmmap.wrap.origin import (
    is_sklearn_class,
    is_sklearns,
)
from skmmap.wrap.skorch_nets import (
    find_net_changes,
    is_net,
    is_net_shuffled,
)

META = (
    MultiOutputClassifier,
    MultiOutputRegressor,
    OneVsOneClassifier,
    OneVsRestClassifier,
    SelectFromModel,
)
# Some of these leave scikit-learn with version 1.10.
SGD = tuple(
    getattr(linear_model, name)
    for name in (
        "SGDClassifier",
        "SGDRegressor",
        "SGDOneClassSVM",
        "Perceptron",
        "PassiveAggressiveClassifier",
        "PassiveAggressiveRegressor",
    )
    if hasattr(linear_model, name)
)
MLP = MLPClassifier, MLPRegressor


@dataclass(frozen=True)
class OwnFit:
    """Which parameters say what ``fit`` does with the rows.

    ``epochs`` and ``batch`` name parameters. ``shuffle`` is True, False, or the name of
    the parameter that says it; it is True also where ``fit`` takes the batches as they
    lie although their order matters. ``stops`` says by what further epochs are seen to
    be of no use: the "loss" or score of each epoch, the "steps" of the parameters, or
    the "perplexity". ``cuts`` is True where ``partial_fit`` cuts batches itself, and
    ``steps_evenly`` where a batch is a step of full length, however short it is.
    """

    epochs: str | None = None
    shuffle: bool | str = False
    batch: str | None = None
    stops: str | None = None
    cuts: bool = False
    steps_evenly: bool = False


_TABLE = (
    (SGD, OwnFit("max_iter", "shuffle", stops="loss")),
    (MLP, OwnFit("max_iter", "shuffle", stops="loss", steps_evenly=True)),
    ((MiniBatchKMeans,), OwnFit("max_iter", True, "batch_size", stops="steps")),
    (
        (MiniBatchDictionaryLearning,),
        OwnFit("max_iter", "shuffle", "batch_size", stops="steps", steps_evenly=True),
    ),
    ((MiniBatchNMF,), OwnFit("max_iter", True, "batch_size", stops="steps")),
    (
        (LatentDirichletAllocation,),
        OwnFit("max_iter", True, "batch_size", stops="perplexity", cuts=True),
    ),
    ((BernoulliRBM,), OwnFit("n_iter", True, "batch_size")),
    ((IncrementalPCA,), OwnFit(batch="batch_size")),
    ((Birch,), OwnFit()),
)


def find_learner(estimator) -> tuple[str, Any]:
    """Return what learns inside meta-estimators, and the prefix of its parameters."""
    prefix = ""
    while isinstance(estimator, META):
        prefix, estimator = f"{prefix}estimator__", estimator.estimator
    return prefix, estimator


def iter_fitted(estimator) -> Iterator[Any]:
    """Yield the trained learners inside meta-estimators, or the estimator itself."""
    if not isinstance(estimator, META):
        yield estimator
    for member in _find_members(estimator):
        yield from iter_fitted(member)


def _find_members(estimator) -> list:
    """Return the trained estimators right inside of a meta-estimator."""
    if not isinstance(estimator, META):
        return []
    fitted = vars(estimator).get("estimators_", vars(estimator).get("estimator_"))
    if fitted is None:
        return []
    return list(fitted) if isinstance(fitted, list | tuple) else [fitted]


def is_loop(wrapper) -> bool:
    """Whether the user wrote out the hand-written loop: file order, so many epochs.

    Then the result is that loop's, bit for bit, and nothing is put right. Everything
    that is left to "auto" is what the estimator's own ``fit`` would do.
    """
    is_in_order = isinstance(wrapper.shuffle, bool | np.bool_) and not wrapper.shuffle
    return is_in_order and not isinstance(wrapper.max_epochs, str)


def find_own_fit(estimator, *, is_told: bool) -> OwnFit:
    """Return what the estimator's own ``fit`` does, as far as it is known.

    Of others than scikit-learn's it is assumed that they see each row once, in an order
    that matters if they are told y: unless a parameter ``shuffle`` says otherwise.
    ``is_told`` says whether they are.
    """
    _, learner = find_learner(estimator)
    for classes, facts in _TABLE:
        if isinstance(learner, classes):
            return facts
    if is_net(learner):
        shuffle = is_net_shuffled(learner, is_told)
        return OwnFit("max_epochs", shuffle, "batch_size", cuts=True)
    if isinstance(getattr(learner, "shuffle", None), bool | np.bool_):
        return OwnFit(shuffle="shuffle")
    return OwnFit(shuffle=is_told and not is_sklearns(learner))


def takes_target_as_it_is(estimator) -> bool:
    """Whether y goes to the code of a third party, which may take what it likes.

    scikit-learn's meta-estimators check y themselves, but for one that hands it on.
    """
    while isinstance(estimator, SelectFromModel):
        estimator = estimator.estimator
    return not is_sklearns(estimator)


def find_epochs(estimator, facts: OwnFit) -> int:
    """Return the passes that the estimator's own ``fit`` makes at most."""
    if facts.epochs is None:
        return 1
    value = getattr(find_learner(estimator)[1], facts.epochs)
    return int(value) if isinstance(value, Integral) and value >= 1 else 1


def is_shuffled(estimator, facts: OwnFit) -> bool:
    """Whether the estimator's own ``fit`` sees rows in random order."""
    if isinstance(facts.shuffle, str):
        return bool(getattr(find_learner(estimator)[1], facts.shuffle))
    return facts.shuffle


def find_batch_rows(estimator, facts: OwnFit, shape: tuple) -> int | None:
    """Return the rows of the batches that ``fit`` cuts, None if it cuts none."""
    if facts.batch is None:
        return None
    value = getattr(find_learner(estimator)[1], facts.batch)
    if value is None and isinstance(estimator, IncrementalPCA):
        return 5 * prod(shape[1:])
    return int(value) if isinstance(value, Integral) and value >= 1 else None


def find_cost(estimator) -> Cost | None:
    """Return what ``partial_fit`` was measured to cost, None if it was not.

    Members of a meta-estimator each take the chunk, and cost what they cost alone.
    """
    _, learner = find_learner(estimator)
    for kind in type(learner).__mro__:
        if is_sklearn_class(kind) and kind.__name__ in COSTS:
            return COSTS[kind.__name__]
    return None


def find_limits(estimator) -> dict:
    """Return parameters that every ``partial_fit`` has to be given otherwise.

    It refuses ``early_stopping``, and a network that starts warm a chunk in which a
    class is missing. It learns topics online, whatever it is told.
    """
    prefix, learner = find_learner(estimator)
    changed = {}
    if isinstance(learner, SGD + MLP) and getattr(learner, "early_stopping", False):
        changed["early_stopping"] = False
    if isinstance(learner, MLP) and learner.warm_start:
        changed["warm_start"] = False
    if isinstance(learner, LatentDirichletAllocation):
        changed["learning_method"] = "online"
    return {prefix + name: value for name, value in changed.items()}


def find_replacements(
    estimator, *, n_rows: int, chunk_rows: int, is_mixed: bool
) -> dict:
    """Return parameters with which ``partial_fit`` does what ``fit`` does.

    It takes each chunk for an epoch, for the whole or for a batch, and shuffles again
    what is mixed already. It is left to do so in the loop that is written out.
    """
    prefix, learner = find_learner(estimator)
    changed = {}
    if is_mixed and isinstance(learner, SGD + MLP) and learner.shuffle:
        changed["shuffle"] = False
    patience = getattr(learner, "n_iter_no_change", None)
    if isinstance(learner, MLP) and isinstance(patience, Integral) and patience > 0:
        changed["n_iter_no_change"] = np.inf
    if isinstance(learner, SGD) and learner.learning_rate == "adaptive":
        changed["eta0"] = learner.eta0  # which is reduced on the way
    if isinstance(learner, LatentDirichletAllocation):
        changed["total_samples"] = n_rows
    if is_mixed and isinstance(learner, BernoulliRBM):
        changed["batch_size"] = chunk_rows  # it draws as many rows to compare with
    if isinstance(learner, MiniBatchNMF):
        changed |= _find_forget_factor(learner, n_rows, chunk_rows)
    return {prefix + name: value for name, value in changed.items()}


def _find_forget_factor(nmf: MiniBatchNMF, n_rows: int, chunk_rows: int) -> dict:
    """Return the factor of a chunk, which is one step, for that of all rows.

    https://github.com/scikit-learn/scikit-learn/blob/1.9.0/sklearn/decomposition/_nmf.py
    ``_check_params`` takes the share of a batch in the rows that it is given.
    """
    factor, batch = nmf.forget_factor, nmf.batch_size
    if not (isinstance(factor, Real) and isinstance(batch, Integral) and batch > 0):
        return {}  # refused by the estimator itself
    share = min(1.0, chunk_rows / n_rows)
    changed = {} if share == 1 else {"forget_factor": factor**share}
    return changed | ({"batch_size": chunk_rows} if batch < chunk_rows else {})


def find_even_batches(estimator, chunk_rows: int) -> dict:
    """Return the ``batch_size`` of a network of which a chunk has no short tail.

    Its ``partial_fit`` cuts each chunk into batches, and the last one counts as much as
    the others however short it is; ``fit`` has one such batch in an epoch.
    """
    prefix, learner = find_learner(estimator)
    if not isinstance(learner, MLP):
        return {}
    size = 200 if learner.batch_size == "auto" else learner.batch_size
    if not isinstance(size, Integral) or not 1 <= size < chunk_rows:
        return {}  # the estimator refuses it, or a chunk is a batch
    if not 0 < chunk_rows % size < size / 2:
        return {}
    return {f"{prefix}batch_size": -(-chunk_rows // (chunk_rows // size + 1))}


def find_net_replacements(estimator) -> dict:
    """Return the same for nets of skorch, where no loop by hand is written out."""
    prefix, learner = find_learner(estimator)
    changed = find_net_changes(learner) if is_net(learner) else {}
    return {prefix + name: value for name, value in changed.items()}


def find_unheard(estimator) -> dict:
    """Return parameters that were set, and that nothing but ``fit`` looks at."""
    params = estimator.get_params() if hasattr(estimator, "get_params") else {}
    prefix, learner = find_learner(estimator)
    parts = {prefix: learner, "": estimator}
    found = {}
    for start, part in parts.items():
        for name in _FIT_ONLY.get(_name_class(part), ()):
            value = params[start + name]
            if value != signature(type(part)).parameters[name].default:
                found[start + name] = value
    return found


def _name_class(estimator) -> str:
    kinds = filter(is_sklearn_class, type(estimator).__mro__)
    return next(kinds, object).__name__


_FIT_ONLY = {
    "BernoulliRBM": ("verbose",),
    "LatentDirichletAllocation": ("verbose",),
    "MiniBatchDictionaryLearning": ("callback", "verbose"),
    "MiniBatchKMeans": ("compute_labels",),
    "MiniBatchNMF": ("verbose",),
    "OneVsRestClassifier": ("verbose",),
}


def replace_parameters(estimator, changed: dict) -> dict:
    """Set parameters, of trained members too; return what they were."""
    if not changed:
        return {}
    before = get_parameters(estimator, changed)
    _set_parameters(estimator, changed)
    return before


def get_parameters(estimator, names: Iterable[str]) -> dict:
    """Return some parameters of an estimator, which may have none."""
    given = estimator.get_params() if names else {}
    return {name: given[name] for name in names}


def _set_parameters(estimator, changed: dict) -> None:
    estimator.set_params(**changed)
    inner = {name.removeprefix("estimator__"): value for name, value in changed.items()}
    for member in _find_members(estimator):
        if isinstance(member, type(estimator.estimator)):  # and not a constant
            _set_parameters(member, inner)
