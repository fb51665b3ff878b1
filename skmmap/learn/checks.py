"""Checks what can be known before the first row is used."""

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral

import numpy as np
from sklearn import get_config
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.multiclass import OneVsOneClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import process_routing

from skmmap.formats import open_source
from skmmap.learn.advice import say_alternative
from skmmap.learn.meta_estimators import find_classes_of_members
from skmmap.learn.registry import find_entry
from skmmap.order import parse_size
from skmmap.read import (
    READS,
    Labels,
    Reading,
    Table,
    check_finite,
    check_labels,
    is_tabular,
    open_table,
    open_target,
    open_target_as_it_is,
    scan_labels,
    warn_of_empty,
)
from skmmap.rows import (
    ArrayStore,
    Source,
    is_series,
)
from skmmap.wrap import (
    find_learner,
    find_tags,
    is_sklearns,
    is_told,
    requires_target,
    say_parameter,
    takes,
    takes_any,
    takes_labels,
    takes_target_as_it_is,
)

_SHUFFLES = "auto", "blocks", "chunks"

# Whoever writes a number so small has megabytes or gigabytes in mind.
_LEAST_LIMIT = 2**16


def check_estimator(estimator) -> None:
    """Raise unless ``estimator`` can be trained chunk by chunk."""
    if isinstance(estimator, type):
        raise TypeError(
            f"ChunkedFit needs an instance, and got the class {estimator.__name__}; "
            f"write ChunkedFit({estimator.__name__}())."
        )
    if isinstance(estimator, FrozenEstimator):
        raise TypeError(
            "ChunkedFit would train the model inside of FrozenEstimator, which is to "
            "stay as it is. Wrap the model itself to train it further."
        )
    if isinstance(estimator, SelectFromModel) and estimator.prefit:
        raise ValueError(
            "SelectFromModel(prefit=True) trains nothing, and fit of ChunkedFit trains "
            "a clone, which does not have what its estimator has learned. Call its own "
            "fit with some rows, and then ChunkedFit(selector).transform(X)."
        )
    _, learner = find_learner(estimator)
    check = find_entry(type(learner)).entry.check
    if check is not None:
        check(learner)
    if not callable(getattr(estimator, "partial_fit", None)):
        raise TypeError(say_alternative(estimator))


def check_parameters(wrapper) -> None:
    """Raise for the first parameter of ChunkedFit with an impossible value."""
    check_estimator(wrapper.estimator)
    if not _is_auto(wrapper.max_epochs):
        _check_count("max_epochs", wrapper.max_epochs, least=1, other=" or 'auto'")
    _check_count("verbose", wrapper.verbose, least=0)
    check_n_jobs(wrapper.n_jobs)
    _check_shuffle(wrapper.shuffle)
    check_random_state(wrapper.random_state)
    find_reading(wrapper)


def find_reading(wrapper, *, is_mixed: bool = False) -> Reading:
    """Return how rows are to be read, by the parameters of ChunkedFit."""
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
    """Return the bytes of ``memory_limit``, or raise for a small one without unit."""
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


def _check_shuffle(shuffle) -> None:
    is_flag = isinstance(shuffle, bool | np.bool_)
    if not is_flag and (not isinstance(shuffle, str) or shuffle not in _SHUFFLES):
        raise ValueError(
            "shuffle must be True, False, 'auto', 'blocks' or 'chunks'; got "
            f"{shuffle!r}."
        )


def check_class_weight(estimator, class_weight) -> None:
    """Raise unless the weights are some, and have one way to the estimator."""
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

    Without ``is_routed`` they all go there, since nobody can ask for them.
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


def open_training(estimator, X, y, params: dict, reading: Reading) -> Table:
    """Return the rows to train on, checked as far as their shapes tell."""
    X = open_source(X, "X")
    _check_rows(X, estimator)
    if y is None and requires_target(estimator):
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but "
            "the target y is None."
        )
    y = _open_target(estimator, y)
    is_checked = not takes_target_as_it_is(estimator)
    return open_table(X, y, params, reading, is_checked=is_checked)


def _open_target(estimator, y):
    """Return y as the estimator takes it, None for None."""
    is_given = is_told(estimator, y) or is_series(y)
    if is_given and takes_target_as_it_is(estimator):
        return open_target_as_it_is(y)
    if requires_target(estimator) or takes_labels(estimator):
        tags = find_tags(estimator)
        single = tags is not None and tags.target_tags.single_output
        return open_target(y, single_output=single)
    return None if y is None else open_source(y, "y")


def open_validation(
    estimator, table: Table, X, y, sample_weight, reading: Reading, classes=None
) -> Table:
    """Return the rows that the user gave to score each epoch on.

    ``classes`` are those that the estimator is told, None if it is told none.
    """
    if X is None:
        given = "sample_weight_val" if y is None else "y_val"
        raise ValueError(f"{given} is provided, but X_val was not provided.")
    if y is None and table.y is not None:
        raise ValueError("X_val is provided, but y_val was not provided.")
    if not hasattr(estimator, "score"):
        raise TypeError(
            f"X_val is given, and {type(estimator).__name__} has no score to compute "
            "on it."
        )
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    with noting_validation():
        given = open_training(estimator, X, y, weights, reading)
    if given.X.shape[1:] != table.X.shape[1:]:
        raise ValueError(
            f"X_val has rows of shape {given.X.shape[1:]}, and X of "
            f"{table.X.shape[1:]}; they must have the same."
        )
    is_checked = not takes_target_as_it_is(estimator)
    if given.y is not None and is_checked and requires_target(estimator):
        check_finite(given.y, "y_val")
        if classes is not None:
            check_labels(given.y, classes, "y_val")
    return given.to_score()


@contextmanager
def noting_validation() -> Iterator[None]:
    """Note on an error that it is about the rows that the user gave to score on."""
    try:
        yield
    except Exception as error:
        error.add_note("This is about X_val, y_val and sample_weight_val.")
        raise


def _check_rows(X, estimator) -> None:
    if X.n_rows == 0:
        raise ValueError("X has 0 rows; at least 1 is needed.")
    if X.ndim < 2 and not _takes_one_dimension(estimator):
        raise ValueError(
            f"Expected 2D array, got 1D array instead: X has the shape {X.shape}. "
            "Reshape your data with X.reshape(-1, 1) if it is one feature, or with "
            "X.reshape(1, -1) if it is one row."
        )


def _takes_one_dimension(estimator) -> bool:
    """Whether rows may be texts or single numbers; third parties may refuse them."""
    if not is_sklearns(find_learner(estimator)[1]):
        return True
    tags = find_tags(estimator)
    return tags is not None and not tags.input_tags.two_d_array


def find_first_params(estimator, fitted, y, classes) -> tuple[dict, Labels | None]:
    """Return what only the first ``partial_fit`` gets, and what is known of y.

    For that y is scanned once, and what cannot be trained on is refused on the way.
    The first parameters are the classes, if the estimator takes them.
    """
    _check_takes_classes(estimator, classes)
    given = {} if classes is None else {"classes": classes}
    if y is None:
        return given, None
    if takes_target_as_it_is(estimator):
        return _find_labels_of_others(estimator, fitted, y, given)
    if not takes_labels(estimator):
        if requires_target(estimator):
            check_finite(y, "y")
        return given, None
    tags = find_tags(estimator)
    per_column = tags is None or not tags.target_tags.single_output
    known = find_known_classes(fitted) if classes is None else classes
    if known is None and fitted is not None:
        check_finite(y, "y")
        return given, None
    labels = scan_labels(y, per_column=per_column)
    if known is None:
        known, given = labels.classes, {"classes": labels.classes}
        warn_of_empty(labels)
    elif labels.counts is None:
        check_finite(y, "y")
    else:
        with _noting_first_call(is_learned=classes is None):
            check_labels(y, known)
    if fitted is None:
        _check_one_vs_one(estimator, known)
    return given, labels


@contextmanager
def _noting_first_call(*, is_learned: bool) -> Iterator[None]:
    """Note on an error which call has to be told all labels, where none was."""
    try:
        yield
    except ValueError as error:
        if is_learned:
            error.add_note(
                "The first call of partial_fit says which labels there are: give it "
                "all that will occur, classes=[...]."
            )
        raise


def _find_labels_of_others(estimator, fitted, y, given: dict):
    """Return the same for the code of a third party, which judges y itself.

    NaN, None, or a label beside those that were ``given`` may say that there is none.
    """
    if is_tabular(y) and takes_labels(estimator):
        y = Source(ArrayStore(np.asarray(y.load())))
    has_columns = y.ndim == 1 or (y.ndim == 2 and not y.store.is_sparse)
    if not (takes_labels(estimator) and y.store.is_array and has_columns):
        return given, None
    tags = find_tags(estimator)
    is_column = y.ndim == 1 or y.shape[1] == 1
    is_multiple = tags is not None and not tags.target_tags.single_output
    per_column = is_multiple or (tags is None and not is_column)
    labels = scan_labels(y, per_column=per_column, may_miss=True)
    if given:
        labels = labels.among(given["classes"])
    elif fitted is None and len(labels.classes):
        given = {"classes": labels.classes}
        warn_of_empty(labels)
    return given, labels


def _check_takes_classes(estimator, classes) -> None:
    method = estimator.partial_fit
    if classes is not None and not takes(method, "classes") and not takes_any(method):
        raise TypeError(
            f"classes was given, and {type(estimator).__name__}.partial_fit has no "
            "such parameter."
        )


def find_known_classes(fitted):
    """Return the classes that a trained estimator knows, None if it does not say."""
    if isinstance(fitted, MultiOutputClassifier):
        return find_classes_of_members(fitted)
    return getattr(fitted, "classes_", None)


def _check_one_vs_one(estimator, classes) -> None:
    """Raise for what ``OneVsOneClassifier.partial_fit`` only fails at obscurely."""
    if not isinstance(estimator, OneVsOneClassifier):
        return
    if len(classes) < 2:
        raise ValueError(
            "OneVsOneClassifier needs at least two classes, and y has one class: "
            f"{np.asarray(classes).tolist()}."
        )
    if isinstance(classes[0], str):
        raise ValueError(
            "OneVsOneClassifier.partial_fit takes numbers as labels only. Number them "
            "with classes, y = np.unique(y, return_inverse=True)."
        )
