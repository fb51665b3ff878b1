"""`merge`: combines two estimators that were fitted to different rows."""

from collections.abc import Callable
from inspect import isclass, signature
from typing import Any, Protocol, TypeVar, cast, get_type_hints, overload

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skmmap.estimators.registry import find_entry, register

_Estimator = TypeVar("_Estimator", bound=Any)
_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Merge(Protocol):
    """The type of `merge`: type checkers do not see attributes set on functions."""

    def __call__(self, estimator: _Estimator, other: _Estimator) -> _Estimator: ...
    @overload
    def register(
        self, cls: type[Any], function: None = None
    ) -> Callable[[_Function], _Function]: ...
    @overload
    def register(self, cls: type[Any], function: _Function) -> _Function: ...
    @overload
    def register(self, cls: _Function) -> _Function: ...
    def dispatch(self, cls: type[Any]) -> Callable[..., Any] | None: ...


def _register(cls, function: Callable | None = None):
    """Register a merge function for a class, with the calls of singledispatch."""
    if function is not None:
        register(cls, merge=function)
        return function
    if isclass(cls):
        return lambda function: _register(cls, function)
    hints, (first, *_) = get_type_hints(cls), signature(cls).parameters
    if not isclass(hints.get(first)):
        raise TypeError(
            f"merge.register needs a class: annotate the first parameter of "
            f"{cls.__name__}, or write @merge.register(Class)."
        )
    return _register(hints[first], cls)


def _dispatch(cls: type) -> Callable | None:
    """Return the merge function of a class, or of its nearest base that has one."""
    found = (find_entry(kind).entry.merge for kind in cls.__mro__)
    return next(filter(None, found), None)


def _as_registry(function: Callable[..., Any]) -> _Merge:
    """Give a function the methods of `functools.singledispatch`."""
    function.register, function.dispatch = _register, _dispatch
    return cast(_Merge, function)


@_as_registry
def merge(estimator: _Estimator, other: _Estimator) -> _Estimator:
    """Add to an estimator what another one has learned from other rows.

    It supports estimators whose state can be added up: the naive Bayes classifiers,
    ``StandardScaler``, ``MinMaxScaler`` and ``MaxAbsScaler`` of scikit-learn, and
    registered classes. ``ChunkedFit(estimator, n_jobs=2).fit`` trains these on several
    cores.

    Register a class by ``register(Class, merge=function)``, or with the decorator
    ``merge.register``, which works as that of `functools.singledispatch`. The function
    takes two fitted estimators, changes the first one, and returns it. It has to be
    exact: the first one is then as if it had been given the rows of the second one
    after its own. Where it cannot be, it leaves both as they are and returns
    NotImplemented; ``fit`` then trains on these rows in turn. A registration is for
    that class alone, since a subclass may learn something else.

    Parameters
    ----------
    estimator : estimator instance
        A fitted estimator, which is changed.

    other : estimator instance
        One of the same class and parameters, fitted to other rows.

    Returns
    -------
    estimator : estimator instance
        The first one.

    Raises
    ------
    TypeError
        If they are of two classes, or of a class without a merge function.

    ValueError
        If they have seen different features or classes, or if the registered function
        returns NotImplemented because merging would not be exact.

    sklearn.exceptions.NotFittedError
        If one of them is not fitted.

    Notes
    -----
    Reads: nothing.
    Allocates: a few arrays of the size of the learned attributes.
    Equals: ``estimator.partial_fit`` on the rows of `other`: exactly for counts,
    minima and maxima, to rounding (1e-12 for float64, unless a mean is a million times
    the standard deviation) for means and variances. A column of which all values were
    missing in one of them takes nothing from it, where ``partial_fit`` makes it NaN.

    References
    ----------
    Chan, Golub, LeVeque, "Algorithms for computing the sample variance: analysis and
    recommendations", The American Statistician 37 (3), 1983.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import MinMaxScaler
    >>> from skmmap import merge
    >>> low, high = np.array([[1.0], [2.0]]), np.array([[5.0]])
    >>> merge(MinMaxScaler().fit(low), MinMaxScaler().fit(high)).data_max_
    array([5.])
    >>> from sklearn.linear_model import SGDRegressor
    >>> merge(SGDRegressor(), SGDRegressor())
    Traceback (most recent call last):
        ...
    TypeError: SGDRegressor has no merge function. If what it learns can be added up \
exactly, register how: @merge.register.
    """
    if type(estimator) is not type(other):
        raise TypeError(
            "merge takes two estimators of one class; got "
            f"{type(estimator).__name__} and {type(other).__name__}."
        )
    if not can_merge(estimator):
        raise TypeError(
            f"{type(estimator).__name__} has no merge function. If what it learns "
            "can be added up exactly, register how: @merge.register."
        )
    for part in (estimator, other):
        if hasattr(part, "fit"):  # else check_is_fitted raises TypeError
            check_is_fitted(part)
    for name in ("n_features_in_", "classes_"):
        one, another = getattr(estimator, name, None), getattr(other, name, None)
        if not np.array_equal(one, another):
            raise ValueError(
                f"Both estimators need the same {name}; got {one} and {another}. "
                "Train both on the same columns, and classifiers with classes=."
            )
    merged = add_up(estimator, other)
    if merged is NotImplemented:
        raise ValueError(
            f"What these two {type(estimator).__name__} have learned does not add up "
            "exactly. Give the rows of the second one to partial_fit of the first one."
        )
    return merged


def add_up(estimator, other):
    """Merge without validation; return NotImplemented if it would not be exact."""
    merged = find_entry(type(estimator)).entry.merge(estimator, other)
    if merged is None:
        raise TypeError(
            "The function that is registered to merge two "
            f"{type(estimator).__name__} returned None. Let it return the first one."
        )
    return merged


def can_merge(estimator) -> bool:
    """Whether this very class has a merge function; those of bases do not count."""
    return find_entry(type(estimator)).entry.merge is not None
