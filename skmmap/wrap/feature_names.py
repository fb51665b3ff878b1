"""Feature names of columnar files, whose chunks are arrays without names.

Names are kept and checked as scikit-learn does for data frames, but once for all
chunks. Meanwhile they are hidden from the estimator, which would warn for each chunk
that it has no names.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from skmmap.wrap.origin import is_one_of, is_sklearn_class

_NAMES = "feature_names_in_"
_MEMBERS = "estimator_", "estimators_"


def _iter_parts(estimator) -> Iterator:
    """Yield the estimator and its members that know the features of X."""
    if isinstance(estimator, BaseEstimator) and hasattr(estimator, "n_features_in_"):
        yield estimator
        # The fit of these also passes arrays without names to members.
        for name in () if is_one_of(estimator, "OneVsOneClassifier") else _MEMBERS:
            members = vars(estimator).get(name, ())
            for member in members if isinstance(members, list) else [members]:
                yield from _iter_parts(member)


def _brings_names(source) -> bool:
    """Whether chunks are frames, of which the estimator checks the names itself."""
    store = source.store
    return not (store.is_array or store.is_sparse or store.kind == "list")


def keep_names(estimator, source) -> None:
    """Set ``feature_names_in_`` of a trained estimator and its members."""
    names = source.store.names
    for part in _iter_parts(estimator) if names else ():
        # Those of a FeatureUnion or a Pipeline are its first member's.
        is_own = not isinstance(getattr(type(part), _NAMES, None), property)
        if is_own and part.n_features_in_ == len(names):
            setattr(part, _NAMES, np.array(names, dtype=object))


def copy_names(estimator, other) -> None:
    """Set ``feature_names_in_`` of a copy of an estimator, made without names."""
    for part, own in zip(_iter_parts(estimator), _iter_parts(other), strict=True):
        if _NAMES in vars(part):
            setattr(own, _NAMES, vars(part)[_NAMES])


def check_names(estimator, source, *, gets_frames=True):
    """Check the names of columns as scikit-learn does; return the estimator to use.

    This is the estimator itself, or if it has names, a copy without them. One that
    ``gets_frames`` checks the names of frames itself.
    """
    names, known = source.store.names, getattr(estimator, _NAMES, None)
    is_fitted = any(True for _ in _iter_parts(estimator))
    checks_itself = gets_frames and _brings_names(source)
    if (names is None and known is None) or checks_itself or not is_fitted:
        return estimator
    if names is None:
        X = np.empty((0, len(known)))
    else:
        arrow = import_module("pyarrow")
        X = arrow.table([arrow.array([], "f8")] * len(names), names=names)
    validate_data(estimator, X=X, reset=False, skip_check_array=True)
    return estimator if known is None else _forget_names(estimator)


def check_same_names(estimator, source, other, *, gets_frames=True) -> None:
    """Check the names of ``other`` rows against those of the training rows."""
    has_names = source.store.names or other.store.names
    if has_names and isinstance(estimator, BaseEstimator):
        # Without a property of the class, which would say that it is not fitted.
        trained = type(type(estimator).__name__, (BaseEstimator,), {})()
        trained.n_features_in_ = source.shape[1]
        keep_names(trained, source)
        check_names(trained, other, gets_frames=gets_frames)


def _forget_names(estimator):
    """Return a copy of the estimator without names that shares its arrays."""
    # Not copy.copy: it calls __getstate__, which may write files.
    bare = object.__new__(_find_nameless(type(estimator)))
    vars(bare).update({key: _strip(value) for key, value in vars(estimator).items()})
    vars(bare).pop(_NAMES, None)
    # set_output takes the columns of frames from it.
    if hasattr(estimator, "get_feature_names_out"):
        bare.get_feature_names_out = estimator.get_feature_names_out
    return bare


@lru_cache
def _find_nameless(cls: type) -> type:
    """Return the class, without a property that always has names, as LightGBM's."""
    if is_sklearn_class(cls) or not isinstance(getattr(cls, _NAMES, None), property):
        return cls

    def raise_missing(self):
        raise AttributeError(_NAMES)

    return type(cls.__name__, (cls,), {_NAMES: property(raise_missing)})


def _strip(value):
    """Return an estimator, a list of estimators, or a list of steps, without names."""
    if isinstance(value, BaseEstimator):
        return _forget_names(value) if hasattr(value, _NAMES) else value
    if isinstance(value, list) and value and isinstance(value[0], BaseEstimator):
        return list(map(_strip, value))
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return [tuple(map(_strip, step)) for step in value]
    return value


@contextmanager
def hidden_names(estimator, source) -> Iterator[None]:
    """Hide names in the context, so that arrays raise no warning in training."""
    parts = () if _brings_names(source) else _iter_parts(estimator)
    kept = [(part, vars(part).pop(_NAMES, None)) for part in parts]
    try:
        yield
    finally:
        for part, names in kept:
            if names is not None:
                setattr(part, _NAMES, names)
