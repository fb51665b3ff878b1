"""What scikit-learn's meta-estimators do around the ``partial_fit`` of their members.

The rows and targets that each member learns, its classes, and the attributes that
``fit`` sets on the meta-estimator.
"""

from collections.abc import Iterator

import numpy as np
from scipy import sparse
from sklearn.base import clone

from skmmap.rows import DenseStore, Source
from skmmap.wrap import is_one_of

# Their fit sets feature_names_in_ from a member, and their partial_fit does not.
_NAMELESS = "MultiOutputClassifier", "MultiOutputRegressor", "OneVsRestClassifier"


def iter_problems(estimator, X, y) -> Iterator[tuple]:
    """Yield each member of a meta-estimator with its rows and targets."""
    if is_one_of(estimator, "SelectFromModel"):
        yield estimator.estimator_, X, y
    elif is_one_of(estimator, "MultiOutputClassifier", "MultiOutputRegressor"):
        for member, column in zip(estimator.estimators_, y.T, strict=True):
            yield member, X, column
    elif is_one_of(estimator, "OneVsRestClassifier"):
        positive = estimator.classes_[-len(estimator.estimators_) :]
        for member, label in zip(estimator.estimators_, positive, strict=True):
            target = y[:, label] if estimator.multilabel_ else y == label
            if isinstance(member, type(estimator.estimator)):  # not _ConstantPredictor
                yield member, X, target.astype(int)
    elif is_one_of(estimator, "OneVsOneClassifier"):
        yield from _iter_pairs(estimator, X, y)


def _iter_pairs(estimator, X, y):
    labels = estimator.classes_
    X, y = drop_names(X), np.asarray(y)
    pairs = zip(*np.triu_indices(len(labels), k=1), strict=True)
    for member, (i, j) in zip(estimator.estimators_, pairs, strict=True):
        rows = (y == labels[i]) | (y == labels[j])
        if rows.any():
            yield member, X[rows], (y[rows] == labels[j]).astype(int)


def drop_names(X):
    """Return rows without column names."""
    return X if sparse.issparse(X) else np.asarray(X)


def begin_multilabel(estimator, y: Source):
    """Set up OneVsRestClassifier for the labels of an indicator, as its ``fit`` does.

    Its first ``partial_fit`` only sets it up for a single label in each row, but later
    calls accept an indicator if it is set up for one.
    """
    from sklearn.preprocessing import LabelBinarizer

    estimator.classes_ = np.arange(y.shape[1])
    rows = np.eye(y.shape[1], dtype=int)
    # LabelBinarizer returns sparse predictions if it was fitted to sparse labels.
    rows = sparse.csr_array(rows) if isinstance(y.store, DenseStore) else rows
    estimator.label_binarizer_ = LabelBinarizer(sparse_output=True).fit(rows)
    estimator.estimators_ = [clone(estimator.estimator) for _ in estimator.classes_]
    return estimator


def is_multilabel(estimator, y: Source | None) -> bool:
    """Whether the estimator has to be set up for an indicator of labels."""
    is_indicator = y is not None and y.ndim == 2
    return is_one_of(estimator, "OneVsRestClassifier") and is_indicator


def find_classes_of_members(estimator) -> list | None:
    """Return the classes of each output, None if a third-party member has none."""
    if not is_one_of(estimator, "MultiOutputClassifier"):
        return None
    found = [getattr(member, "classes_", None) for member in estimator.estimators_]
    return None if any(classes is None for classes in found) else found


def set_members_attributes(estimator) -> None:
    """Set the attributes that ``fit`` takes from trained members."""
    classes = find_classes_of_members(estimator)
    if classes is not None:
        estimator.classes_ = classes
    if is_one_of(estimator, *_NAMELESS):
        names = getattr(estimator.estimators_[0], "feature_names_in_", None)
        if names is not None:
            estimator.feature_names_in_ = names
