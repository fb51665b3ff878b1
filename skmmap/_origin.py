"""Whose code an estimator runs: scikit-learn's, which is known, or a third party's."""


def is_sklearns(estimator, method: str = "partial_fit") -> bool:
    """Whether ``method`` of the estimator is scikit-learn's own code.

    A subclass that inherits it is scikit-learn's as well. One that has only a mixin, a
    base class or ``Pipeline`` from there, or that overrides the method, may take
    whatever it likes, and is a third party's.

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
    for cls in type(estimator).__mro__:
        if method in vars(cls):
            return is_sklearn_class(cls)
    return False


def is_sklearn_class(cls: type) -> bool:
    """Whether scikit-learn defines this very class."""
    return cls.__module__.partition(".")[0] == "sklearn"
