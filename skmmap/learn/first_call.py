"""Parameters of the first ``partial_fit``: all labels that will occur."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

from skmmap.estimators import find_classes_of_members
from skmmap.read import (
    Labels,
    check_finite,
    check_labels,
    is_tabular,
    scan_labels,
    warn_of_empty,
)
from skmmap.rows import ArrayStore, Source
from skmmap.run import find_sharing
from skmmap.wrap import (
    find_tags,
    is_one_of,
    requires_target,
    takes,
    takes_any,
    takes_labels,
    takes_target_as_it_is,
)


def find_first_call_params(estimator, fitted, y, classes) -> tuple[dict, Labels | None]:
    """Return the parameters of the first ``partial_fit`` alone, and the scan of y.

    y is scanned once, and invalid values raise. The parameters are the classes, if the
    estimator takes them.
    """
    _check_takes_classes(estimator, classes)
    given = {} if classes is None else {"classes": classes}
    if y is None:
        return given, None
    if takes_target_as_it_is(estimator):
        return _find_third_party_labels(estimator, fitted, y, given)
    if not takes_labels(estimator):
        if requires_target(estimator):
            check_finite(y, "y")
        return given, None
    tags = find_tags(estimator)
    per_column = tags is None or not tags.target_tags.single_output
    expected = find_known_classes(fitted) if classes is None else classes
    if expected is None and fitted is not None:
        check_finite(y, "y")
        return given, None
    labels = find_sharing().remember(
        ("labels", y.shared_key, per_column),
        partial(scan_labels, y, per_column=per_column),
    )
    if expected is None:
        expected, given = labels.classes, {"classes": labels.classes}
        warn_of_empty(labels)
    elif labels.counts is None:
        check_finite(y, "y")
    else:
        with _noting_first_call(is_learned=classes is None):
            check_labels(y, expected)
    if fitted is None:
        _check_one_vs_one(estimator, expected)
    return given, labels


@contextmanager
def _noting_first_call(*, is_learned: bool) -> Iterator[None]:
    """Add a note to an error on how to pass all labels, if none were passed."""
    try:
        yield
    except ValueError as error:
        if is_learned:
            error.add_note(
                "The first fit or partial_fit says which labels there are: give it all "
                "that will occur, classes=[...]."
            )
        raise


def _find_third_party_labels(estimator, fitted, y, given: dict):
    """Return the same for third-party estimators, which validate y themselves.

    NaN, None, or a label that is not among those ``given`` may mark a missing label.
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
    """Return the classes of a trained estimator, None if it has no such attribute."""
    if is_one_of(fitted, "MultiOutputClassifier"):
        return find_classes_of_members(fitted)
    return getattr(fitted, "classes_", None)


def _check_one_vs_one(estimator, classes) -> None:
    """Raise for labels on which ``OneVsOneClassifier.partial_fit`` fails obscurely."""
    if not is_one_of(estimator, "OneVsOneClassifier"):
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
