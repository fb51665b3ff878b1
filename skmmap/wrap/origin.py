"""Whether an estimator is of scikit-learn or third-party."""

from functools import lru_cache


def is_sklearns(estimator) -> bool:
    """Whether ``partial_fit`` is that of scikit-learn, or a subclass overrides it.

    An estimator that only inherits a mixin, a base class or ``Pipeline`` from
    scikit-learn is third-party: nothing is known of its ``partial_fit``.

    >>> from sklearn.linear_model import SGDClassifier
    >>> from sklearn.pipeline import Pipeline
    >>> class Mine(SGDClassifier):
    ...     pass
    >>> class Online(Pipeline):
    ...     def partial_fit(self, X, y):
    ...         return self
    >>> [is_sklearns(each) for each in (SGDClassifier(), Mine(), Online([]))]
    [True, True, False]
    """
    return _learns_by_sklearn(type(estimator))


@lru_cache
def _learns_by_sklearn(cls: type) -> bool:
    kinds = filter(is_sklearn_class, cls.__mro__)
    return any("partial_fit" in vars(kind) for kind in kinds)


def has_sklearns(estimator, method: str) -> bool:
    """Whether the method is defined in scikit-learn, and not overridden.

    >>> from sklearn.linear_model import SGDClassifier
    >>> class Mine(SGDClassifier):
    ...     def fit(self, X, y):
    ...         return self
    >>> [has_sklearns(Mine(), name) for name in ("fit", "partial_fit", "nothing")]
    [False, True, False]
    """
    return _defines_by_sklearn(type(estimator), method)


@lru_cache
def _defines_by_sklearn(cls: type, method: str) -> bool:
    kinds = (kind for kind in cls.__mro__ if method in vars(kind))
    return is_sklearn_class(next(kinds, object))


def is_sklearn_class(cls: type) -> bool:
    """Whether scikit-learn defines this very class."""
    return cls.__module__.partition(".")[0] == "sklearn"


def is_one_of(estimator, *names: str) -> bool:
    """Whether the estimator is of one of scikit-learn's classes with these names.

    It is ``isinstance`` without an import: importing all modules with such classes
    takes longer than fitting a few rows.

    >>> from sklearn.linear_model import SGDClassifier
    >>> class Mine(SGDClassifier):
    ...     pass
    >>> is_one_of(Mine(), "SGDClassifier", "SGDRegressor"), is_one_of(Mine(), "Mine")
    (True, False)
    """
    return derives_from(type(estimator), *names)


def derives_from(cls: type, *names: str) -> bool:
    """Whether a class is one of scikit-learn's with these names, or derived from it."""
    return not _list_names(cls).isdisjoint(names)


@lru_cache
def _list_names(cls: type) -> frozenset[str]:
    return frozenset(kind.__name__ for kind in cls.__mro__ if is_sklearn_class(kind))
