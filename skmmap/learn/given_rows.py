"""Opens and validates the rows that are passed to ``fit``."""

from collections.abc import Iterator
from contextlib import contextmanager

from skmmap.formats import open_source
from skmmap.read import (
    Reading,
    Table,
    check_finite,
    check_labels,
    open_table,
    open_target,
    open_target_as_it_is,
)
from skmmap.rows import is_series
from skmmap.wrap import (
    find_learner,
    find_tags,
    is_sklearns,
    requires_target,
    takes_labels,
    takes_target_as_it_is,
    uses_target,
)


def open_training(estimator, X, y, params: dict, reading: Reading) -> Table:
    """Return the rows to train on, after validation of their shapes."""
    X = open_source(X, "X")
    check_rows(X, takes_one_dimension=_takes_one_dimension(estimator))
    return check_target(estimator, X, y, params, reading)


def check_target(estimator, X, y, params: dict, reading: Reading) -> Table:
    """Return the rows to train on, after validation of y and weights."""
    _check_any(X)
    if y is None and requires_target(estimator):
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but "
            "the target y is None."
        )
    y = _open_target(estimator, y)
    is_checked = not takes_target_as_it_is(estimator)
    return open_table(X, y, params, reading, is_checked=is_checked)


def _open_target(estimator, y):
    """Return y in the form that the estimator takes; None stays None."""
    is_given = uses_target(estimator, y) or is_series(y)
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
    """Return the rows that were passed to score each epoch on.

    ``classes`` are those passed to the estimator, or None.
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
    """Add a note to an error that it is about ``X_val`` and its targets."""
    try:
        yield
    except Exception as error:
        error.add_note("This is about X_val, y_val and sample_weight_val.")
        raise


def _check_any(X) -> None:
    if X.n_rows == 0:
        raise ValueError("X has 0 rows; at least 1 is needed.")


def check_rows(X, *, takes_one_dimension: bool) -> None:
    """Raise unless there are rows, of one dimension at least."""
    _check_any(X)
    if X.ndim < 2 and not takes_one_dimension:
        raise ValueError(
            f"Expected 2D array, got 1D array instead: X has the shape {X.shape}. "
            "Reshape your data with X.reshape(-1, 1) if it is one feature, or with "
            "X.reshape(1, -1) if it is one row."
        )


def _takes_one_dimension(estimator) -> bool:
    """Whether rows may be texts or numbers; third-party estimators may refuse them."""
    if not is_sklearns(find_learner(estimator)[1]):
        return True
    tags = find_tags(estimator)
    return tags is not None and not tags.input_tags.two_d_array
