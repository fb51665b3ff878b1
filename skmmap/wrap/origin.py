"""Whose an estimator is: scikit-learn's, which is known, or a third party's."""

from functools import lru_cache


def is_sklearns(estimator) -> bool:
    """Whether ``partial_fit`` is scikit-learn's own, or builds on it.

    So it is in a subclass. One that has only a mixin, a base class or ``Pipeline`` from
    there is a third party's, and may take whatever it likes.

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
    kinds = filter(is_sklearn_class, type(estimator).__mro__)
    return any("partial_fit" in vars(cls) for cls in kinds)


def has_sklearns(estimator, method: str) -> bool:
    """Whether the method is scikit-learn's code, as it is there.

    >>> from sklearn.linear_model import SGDClassifier
    >>> class Mine(SGDClassifier):
    ...     def fit(self, X, y):
    ...         return self
    >>> [has_sklearns(Mine(), name) for name in ("fit", "partial_fit", "nothing")]
    [False, True, False]
    """
    kinds = (cls for cls in type(estimator).__mro__ if method in vars(cls))
    return is_sklearn_class(next(kinds, object))


def is_sklearn_class(cls: type) -> bool:
    """Whether scikit-learn defines this very class."""
    return cls.__module__.partition(".")[0] == "sklearn"


def is_one_of(estimator, *names: str) -> bool:
    """Whether the estimator is of one of scikit-learn's classes with these names.

    It is ``isinstance`` without an import: of all modules with such classes, that would
    take longer than a fit of a few rows.

    >>> from sklearn.linear_model import SGDClassifier
    >>> class Mine(SGDClassifier):
    ...     pass
    >>> is_one_of(Mine(), "SGDClassifier", "SGDRegressor"), is_one_of(Mine(), "Mine")
    (True, False)
    """
    return not _list_names(type(estimator)).isdisjoint(names)


@lru_cache
def _list_names(cls: type) -> frozenset[str]:
    return frozenset(kind.__name__ for kind in cls.__mro__ if is_sklearn_class(kind))
