"""scikit-learn's meta-estimators, and the learners that they train.

Each of them calls ``partial_fit`` of clones of its ``estimator``, so that training
depends on the innermost estimator, the learner.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from operator import attrgetter
from typing import Any
from weakref import WeakKeyDictionary

from sklearn.base import BaseEstimator

from skmmap.wrap.origin import derives_from, has_sklearns, is_one_of

META = (
    "MultiOutputClassifier",
    "MultiOutputRegressor",
    "OneVsOneClassifier",
    "OneVsRestClassifier",
    "SelectFromModel",
)


def is_meta_estimator(estimator) -> bool:
    """Whether it is a meta-estimator of scikit-learn with ``partial_fit``."""
    return _is_meta(type(estimator))


@lru_cache
def _is_meta(cls: type) -> bool:
    return derives_from(cls, *META)


def is_pipeline(estimator) -> bool:
    """Whether it is scikit-learn's pipeline, which is trained step by step.

    A subclass with a ``partial_fit`` of its own is an estimator like any other.
    """
    return is_one_of(estimator, "Pipeline") and not hasattr(estimator, "partial_fit")


def find_last_step(estimator):
    """Return the last step of a pipeline, of nested ones the innermost.

    >>> from sklearn.linear_model import SGDClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> find_last_step(make_pipeline(StandardScaler(), SGDClassifier()))
    SGDClassifier()
    """
    while is_pipeline(estimator) and estimator.steps:
        estimator = estimator.steps[-1][1]
    return estimator


def find_members(estimator) -> list[tuple[str, Any]] | None:
    """Return the members of a union of transformers, None if it is no union."""
    if hasattr(estimator, "partial_fit"):
        return None
    if is_one_of(estimator, "FeatureUnion"):
        return list(estimator.transformer_list)
    if is_one_of(estimator, "ColumnTransformer"):
        members = [(name, member) for name, member, _ in estimator.transformers]
        return [*members, ("remainder", estimator.remainder)]
    return None


def list_parts(estimator) -> list[tuple[str, Any]]:
    """Return the steps of a pipeline, or the members of another composition."""
    if is_pipeline(estimator):
        return list(estimator.steps)
    if is_one_of(estimator, "TransformedTargetRegressor"):
        members = estimator.regressor, estimator.transformer
        named = zip(("regressor", "transformer"), members, strict=True)
        return [(name, member) for name, member in named if member is not None]
    return find_members(estimator) or []


def is_passed(step) -> bool:
    """Whether a step or member does not learn: "passthrough", "drop" or None."""
    return step is None or isinstance(step, str)


def find_learner(estimator) -> tuple[str, Any]:
    """Return the prefix of a learner's parameters in a meta-estimator, and the learner.

    >>> from sklearn.linear_model import SGDClassifier
    >>> from sklearn.multiclass import OneVsRestClassifier
    >>> find_learner(OneVsRestClassifier(SGDClassifier()))
    ('estimator__', SGDClassifier())
    """
    prefix = ""
    while is_meta_estimator(estimator):
        prefix, estimator = f"{prefix}estimator__", estimator.estimator
    return prefix, estimator


def iter_fitted(estimator) -> Iterator[Any]:
    """Yield the trained learners inside meta-estimators, or the estimator itself."""
    if not is_meta_estimator(estimator):
        yield estimator
        return
    for member in _find_members(estimator):
        yield from iter_fitted(member)


def _find_members(estimator) -> list:
    """Return the trained clones that a meta-estimator holds."""
    if not is_meta_estimator(estimator):
        return []
    fitted = vars(estimator).get("estimators_", vars(estimator).get("estimator_"))
    if fitted is None:
        return []
    return list(fitted) if isinstance(fitted, list | tuple) else [fitted]


def replace_parameters(estimator, params: dict) -> dict:
    """Set parameters, also of trained members; return the previous values."""
    if not params:
        return {}
    before = get_parameters(estimator, params)
    _set_parameters(estimator, params)
    return before


def get_parameters(estimator, names: Iterable[str]) -> dict:
    """Return some parameters of an estimator, which may have none."""
    if not names or _are_attributes(estimator, names):
        return {name: getattr(estimator, name) for name in names}
    given = estimator.get_params()
    return {
        # A subclass may have fewer parameters than its base.
        name: given[name] if name in given else _read(estimator, name)
        for name in names
    }


# Of scikit-learn's own get_params, which reads the signature of the class each time.
_names: WeakKeyDictionary[type, list[str]] = WeakKeyDictionary()


def find_parameters(estimator) -> dict:
    """Return the parameters of an estimator and of its members, as ``get_params``.

    >>> from sklearn.multiclass import OneVsRestClassifier
    >>> from sklearn.naive_bayes import GaussianNB
    >>> sorted(find_parameters(OneVsRestClassifier(GaussianNB())))[:2]
    ['estimator', 'estimator__priors']
    """
    kind = type(estimator)
    if getattr(kind, "get_params", None) is not BaseEstimator.get_params:
        return estimator.get_params()
    if kind not in _names:
        _names[kind] = list(estimator.get_params(deep=False))
    params = {name: getattr(estimator, name) for name in _names[kind]}
    for name, value in list(params.items()):
        if hasattr(value, "get_params") and not isinstance(value, type):
            inner = find_parameters(value).items()
            params |= {f"{name}__{key}": own for key, own in inner}
    return params


def _are_attributes(estimator, names: Iterable[str]) -> bool:
    """Whether scikit-learn's own code has these as attributes, and does no more.

    Its ``get_params`` and ``set_params`` read the signature of the class each time.
    """
    methods = "get_params", "set_params"
    is_plain = all(has_sklearns(estimator, method) for method in methods)
    return is_plain and not any("__" in name for name in names)


def _read(estimator, name: str) -> Any:
    return attrgetter(name.replace("__", "."))(estimator)


def _set_parameters(estimator, params: dict) -> None:
    given = {} if _are_attributes(estimator, params) else estimator.get_params()
    if given:
        estimator.set_params(**{k: v for k, v in params.items() if k in given})
    for name in params.keys() - given.keys():
        path, _, last = name.rpartition("__")
        setattr(_read(estimator, path) if path else estimator, last, params[name])
    inner = {name.removeprefix("estimator__"): value for name, value in params.items()}
    for member in _find_members(estimator):
        # OneVsRestClassifier uses a private _ConstantPredictor for a label that is in
        # all rows or in none.
        if isinstance(member, type(estimator.estimator)):
            _set_parameters(member, inner)
