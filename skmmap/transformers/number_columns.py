"""Fitted imputers and scalers as arithmetic on columns of numbers, without frames."""

import numpy as np

from skmmap.wrap import has_sklearns, is_one_of, is_passed


def find_changes(steps: list) -> list[tuple] | None:
    """Return what steps do to columns of float64: functions, and a value for each.

    None if they do more than that, or if a step leaves columns out. The functions are
    those that scikit-learn applies, in its order: results have the same bits.
    """
    found = [_find_change(step) for step in steps]
    return None if None in found else [change for each in found for change in each]


def _find_change(step) -> list[tuple] | None:
    if is_passed(step):
        return [] if step != "drop" else None
    if is_one_of(step, "FunctionTransformer"):
        return [] if step.func is None and not step.validate else None
    if not has_sklearns(step, "transform"):
        return None
    if is_one_of(step, "SimpleImputer"):
        return _find_filling(step)
    if is_one_of(step, "StandardScaler"):
        center = step.mean_ if step.with_mean else None
        return _list_given((np.subtract, center), (np.divide, step.scale_))
    if is_one_of(step, "RobustScaler"):
        center = step.center_ if step.with_centering else None
        scale = step.scale_ if step.with_scaling else None
        return _list_given((np.subtract, center), (np.divide, scale))
    if is_one_of(step, "MinMaxScaler") and not step.clip:
        return _list_given((np.multiply, step.scale_), (np.add, step.min_))
    if is_one_of(step, "MaxAbsScaler") and not getattr(step, "clip", False):
        return _list_given((np.divide, step.scale_))
    return None


def _list_given(*changes: tuple) -> list[tuple]:
    given = [(change, value) for change, value in changes if value is not None]
    return [(change, np.asarray(value, np.float64)) for change, value in given]


def _find_filling(imputer) -> list[tuple] | None:
    missing = imputer.missing_values
    is_nan = isinstance(missing, float) and missing != missing
    if imputer.add_indicator or not is_nan:
        return None
    values = np.asarray(imputer.statistics_)
    if values.dtype == object:  # constants, of which integers are what they were
        is_known = all(
            isinstance(v, int | float) and float(v).is_integer() for v in values
        )
        values = values.astype(np.float64) if is_known else values
    if values.dtype != np.float64 or np.isnan(values).any():
        return None
    return [(_fill, values)]


def _fill(values: np.ndarray, by_column: np.ndarray, out: np.ndarray) -> None:
    np.copyto(out, by_column, where=np.isnan(values))


def makes_floats(steps: list) -> bool:
    """Whether the first step makes floats of integers."""
    first = steps[0] if steps else None
    if is_passed(first) or is_one_of(first, "FunctionTransformer"):
        return False
    is_imputer = is_one_of(first, "SimpleImputer")
    return not is_imputer or first.strategy in ("mean", "median")


def change(values: np.ndarray, changes: list[tuple]) -> bool:
    """Change columns in place, which are the rows of an array.

    Return whether that is what the steps do: they refuse infinite values.

    >>> columns = np.array([[1.0, np.nan], [5.0, 7.0]])
    >>> change(columns, [(_fill, np.array([3.0, 0.0])), (np.subtract, np.ones(2))])
    True
    >>> columns.tolist()
    [[0.0, 2.0], [4.0, 6.0]]
    """
    if changes and np.isinf(values).any():
        return False
    for function, by_column in changes:
        function(values, by_column[:, np.newaxis], out=values)
    return True
