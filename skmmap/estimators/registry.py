"""The registry of how estimators learn from chunks: an entry for each class.

The entry of an estimator is put together field by field from those of its bases, the
nearest class first. Classes are known by their full names, so that nothing that is not
installed is imported, and so that an entry can be sent to another process.
"""

import sys
from collections.abc import Iterator, Mapping
from inspect import isclass
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary, ref

from skmmap.estimators.entry import LearningEntry, check_fields, check_parameters
from skmmap.wrap import find_learner, list_parts

_Class = TypeVar("_Class", bound=type[Any] | str)
# A subclass may learn more than what its base adds up.
_NOT_INHERITED = frozenset({"merge", "free", "derive", "adds_exactly", "compute_alike"})


class Found(NamedTuple):
    """The entry of a class, and where its fields come from, the nearest class first."""

    entry: LearningEntry
    origins: tuple["Origin", ...]


class Origin(NamedTuple):
    """A class with an entry; ``is_own`` says that it was registered by `register`."""

    cls: type
    is_own: bool


_built_in: dict[str, dict[str, Any]] = {}
_own: dict[str, dict[str, Any]] = {}
# Classes that were registered in this process, None where only the name is known. What
# else `_own` has comes from pickles.
_classes: dict[str, "ref[type] | None"] = {}
_found: WeakKeyDictionary[type, Found] = WeakKeyDictionary()


def register(estimator_class: _Class, **entry: Any) -> _Class:
    """Say how a class of estimators learns from chunks.

    `ChunkedFit` calls ``partial_fit`` of an estimator that it does not know once for
    each chunk. Of scikit-learn's estimators it knows what their own ``fit`` does
    besides: how many epochs it makes, when it stops, and what it computes of all rows.
    This function says it of any other class.

    An entry is for the class and its subclasses, except for `merge`: a subclass may
    learn more than its base can merge. Fields that are not given come from the next
    base with an entry. Where skmmap has an entry of the same class, the registered
    fields count. A second call for a class replaces the fields that it gives.

    Parameters
    ----------
    estimator_class : class or str
        The class, or its full name such as ``"package.module.Class"``, which is not
        imported.

    **entry : dict
        The fields of the entry:

        epochs : str
            Name of the parameter with the number of epochs that ``fit`` makes at most.
        shuffle : bool or str
            Whether ``fit`` sees rows in random order, or the name of the parameter
            that says so. By default, rows are shuffled if ``partial_fit`` takes y.
        batch_size : str
            Name of the parameter with the rows of a batch, which become those of a
            chunk.
        min_rows : str
            Name of the parameter with the rows that the first chunk needs at least.
        stopping : "loss"
            Stop when the loss has not improved by ``tol`` in ``n_iter_no_change``
            epochs, two parameters of the class.
        loss : function of ``(estimator, X, y)``
            Returns the mean training loss on some rows. By default, the estimator's
            ``loss_`` is read after each chunk.
        early_stopping : str
            Name of the parameter that says whether ``fit`` holds out
            ``validation_fraction`` of the rows, and stops by the score on them.
        overrides : function of ``(estimator, run)``
            Returns parameters that the estimator has while it is trained. ``run`` has
            ``n_rows``, ``chunk_rows``, ``n_chunks``, ``is_shuffled`` and ``is_loop``,
            which is True if `ChunkedFit` has ``shuffle=False`` and a number for
            ``max_epochs``.
        initialize : function of ``(estimator, sample)``
            Returns parameters that ``partial_fit`` starts from. ``sample`` has ``X``
            and ``sample_weight`` of up to 10,000 rows from all over the data,
            ``n_rows`` and ``seed``.
        finish : function of ``(estimator)``
            Does what ``fit`` does once at its end. It is called after each
            ``partial_fit`` of `ChunkedFit`, and before a held-out score.
        merge : function of ``(estimator, other)``
            What `merge` calls for two estimators of this very class.
        stateless : bool or function of ``(estimator)``
            Whether ``fit`` learns the shape and type of rows alone, or draws numbers by
            its ``random_state``, so that any rows will do. In a pipeline it is fitted
            on the first rows.
        chunk_learner : function of ``(estimator)``
            For transformers without ``partial_fit``: returns an object with
            ``partial_fit(X)`` or ``partial_fit(X, y)``, which is called for each chunk
            in file order, and ``finish()``, which returns the fitted estimator. It may
            have ``begin(n_rows)``, called once before, and ``end_pass()``, called after
            each pass over all rows, which returns whether it needs another. With
            ``merge(other)``, which adds what a copy has learned in this pass from rows
            behind its own, `n_jobs` of `ChunkedFit` counts.
        train : function of ``(estimator, run)``
            For estimators that make passes over all rows by themselves: fits the
            estimator, a fresh clone. ``run.X.iter_pieces()`` yields the rows in chunks,
            as often as it is called, ``run.X.read(start, stop)`` returns some, and
            ``run.X.shape`` is their shape. ``run.y``, ``run.sample_weight``, and
            ``run.X_val``, ``run.y_val`` and ``run.sample_weight_val`` are what ``fit``
            was given, as arrays in memory but for X, or None; ``run.params`` are its
            further parameters. No other field counts then.

    Returns
    -------
    estimator_class : class or str
        What was given.

    Raises
    ------
    TypeError
        If `estimator_class` is not a class, or a field is unknown or of a wrong type.

    ValueError
        If a field names a parameter that the class does not have.

    See Also
    --------
    merge : Add to an estimator what another one has learned.

    Notes
    -----
    Reads: nothing.
    Allocates: nothing.
    Equals: the entries that skmmap has of scikit-learn's estimators.

    With ``shuffle=False`` and a number for `max_epochs`, `ChunkedFit` is the loop over
    ``partial_fit``: `epochs`, `shuffle`, `initialize` and `finish` do not count then.

    Call it in the module that defines the class, so that every process that has the
    class has its entry. An entry from elsewhere is pickled with each `ChunkedFit` that
    uses it. All entries that can be pickled are sent to the worker processes of a grid
    search on this machine; workers on a cluster get those of `estimator`, and not those
    of estimators that the grid itself has.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator, RegressorMixin
    >>> from skmmap import ChunkedFit, register
    >>> class Mean(RegressorMixin, BaseEstimator):
    ...     def __init__(self, n_iter=3):
    ...         self.n_iter = n_iter
    ...
    ...     def partial_fit(self, X, y):
    ...         self.n_ = getattr(self, "n_", 0) + len(y)
    ...         self.total_ = getattr(self, "total_", 0.0) + y.sum()
    ...         return self
    ...
    ...     def predict(self, X):
    ...         return np.full(len(X), self.mean_)
    >>> def finish(estimator):
    ...     estimator.mean_ = estimator.total_ / estimator.n_
    >>> _ = register(Mean, epochs="n_iter", finish=finish)
    >>> model = ChunkedFit(Mean()).fit(np.zeros((4, 1)), np.arange(4.0))
    >>> model.n_epochs_, float(model.mean_)
    (3, 1.5)
    >>> register(Mean, epochs="max_iter")
    Traceback (most recent call last):
        ...
    ValueError: epochs='max_iter' is not a parameter of Mean, which has: n_iter.
    """
    check_fields(entry)
    name = _name(estimator_class)
    cls = _find_class(estimator_class)
    if cls is not None:
        check_parameters(cls, entry)
    before = _own.get(name, {}) if _is_registered(name, cls) else {}
    _own[name] = before | entry
    _classes[name] = None if cls is None else ref(cls)
    _found.clear()
    return estimator_class


def _is_registered(name: str, cls: type | None) -> bool:
    """Whether this class is registered, and not another class of the same name.

    The other one comes from a pickle, or from an earlier run of a notebook cell.
    """
    if name not in _classes:
        return False
    known = _classes[name]
    return known is None or known() is cls


def add_built_in(entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Add entries of skmmap itself, by the full names of classes."""
    _built_in.update({name: dict(entry) for name, entry in entries.items()})
    _found.clear()


def find_entry(cls: type) -> Found:
    """Return the entry of a class, with the default for each field that no base has."""
    found = _found.get(cls)
    if found is None:  # another thread may register something meanwhile
        found = _found[cls] = _put_together(cls)
    return found


def find_own_entries(estimator) -> dict[str, dict[str, Any]]:
    """Return the registered entries of an estimator's classes, by full names."""
    own = {}
    for _, step in list_parts(estimator):
        own |= find_own_entries(step)
    for part in (estimator, find_learner(estimator)[1]):
        for cls in type(part).__mro__:
            if fields := _find_fields(_own, cls):
                own[_name(cls)] = fields
    return own


def get_own_entries() -> Mapping[str, dict[str, Any]]:
    """Return all registered entries, by full names of classes."""
    return _own


def add_own_entries(entries: Mapping[str, dict[str, Any]]) -> None:
    """Register entries from another process, except for classes registered here."""
    for name, entry in entries.items():
        if name not in _classes:
            _own[name] = entry
    _found.clear()


def _put_together(cls: type) -> Found:
    values: dict[str, Any] = {}
    origins = []
    for kind in reversed(cls.__mro__):
        for entries in (_built_in, _own):
            fields = _find_fields(entries, kind)
            if kind is not cls:
                fields = {k: v for k, v in fields.items() if k not in _NOT_INHERITED}
            if fields:
                values |= fields
                origins.append(Origin(kind, entries is _own))
    return Found(LearningEntry(**values), tuple(reversed(origins)))


def _find_fields(entries: dict, cls: type) -> dict[str, Any]:
    """Return the fields of a class itself, without those of its bases.

    Fields registered by the name of a package, before the class was imported, come
    first.
    """
    found: dict[str, Any] = {}
    for name in _iter_names(cls):
        if name in entries and _is_at(cls, name):
            found = entries[name] | found
    return found


def _iter_names(cls: type) -> Iterator[str]:
    """Yield the full name of a class, and those by which packages may export it.

    >>> from sklearn.linear_model import SGDClassifier
    >>> [*_iter_names(SGDClassifier)][1]
    'sklearn.linear_model.SGDClassifier'
    """
    package = cls.__module__
    while package:
        yield f"{package}.{cls.__qualname__}"
        package = package.rpartition(".")[0]


def _is_at(cls: type, name: str) -> bool:
    """Whether this is a name of the class, and not of another class in a package."""
    package = name.removesuffix(f".{cls.__qualname__}")
    if package == cls.__module__:
        return True
    return getattr(sys.modules.get(package), cls.__name__, None) is cls


def _name(cls) -> str:
    """Return the full name of what was given as a class; raise if it is none."""
    if isinstance(cls, str):
        if not all(part.isidentifier() for part in cls.split(".")) or "." not in cls:
            raise TypeError(
                "register needs a class, or its full name such as "
                f"'package.module.Class'; got {cls!r}."
            )
        kind = _find_class(cls)
        return cls if kind is None else _name(kind)
    if not isclass(cls):
        raise TypeError(
            "register needs a class, or its full name such as 'package.module.Class'; "
            f"got an instance of {type(cls).__name__}."
        )
    return f"{cls.__module__}.{cls.__qualname__}"


def _find_class(cls) -> type | None:
    """Return a class that is given by its name, None if it is not imported yet."""
    if not isinstance(cls, str):
        return cls
    module, _, name = cls.rpartition(".")
    kind = getattr(sys.modules.get(module), name, None)
    return kind if isclass(kind) else None
