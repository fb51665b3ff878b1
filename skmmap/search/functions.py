"""Calls functions of scikit-learn so that all of their fits read together."""

from collections.abc import Callable
from typing import Any

from skmmap.search.reading import reading_together


def call_together(
    function: Callable, estimator, X, y, groups, params, n_jobs, **given: Any
) -> Any:
    """Return what a function of scikit-learn returns, with one reading for its fits."""
    name, params = function.__name__, dict(params or {})
    own = {"groups": groups} if groups is not None else {}
    if own.keys() & params.keys():
        raise TypeError(
            f"{name} got groups twice: as groups=... and in params. Leave one of them "
            "out; with metadata routing, give params={'groups': ...}."
        )
    with reading_together(estimator, X, y, own | params, n_jobs, name) as opened:
        X, y, params = opened
        groups = params.pop("groups") if own else None
        given |= {"params": params or None, "pre_dispatch": "all", "n_jobs": n_jobs}
        return function(estimator, X, y, groups=groups, **given)
