"""What the strategies of a search are called, and which parameters each one uses."""

from inspect import signature
from numbers import Integral, Real
from typing import Any

STRATEGIES = "grid", "random", "halving", "hyperband"
_BY_ROUNDS = "halving", "hyperband"
# random_state is not among them: tools of scikit-learn set it wherever there is one.
_USED_BY = {
    "n_iter": ("random", "halving"),
    "factor": _BY_ROUNDS,
    "resource": _BY_ROUNDS,
    "min_resources": _BY_ROUNDS,
    "max_resources": _BY_ROUNDS,
    "aggressive_elimination": ("halving",),
}
_LEASTS = {"halving": ("auto", "smallest", "exhaust"), "hyperband": ("auto",)}


def check_settings(search) -> None:
    """Raise for values that make no sense, and for parameters that are not used."""
    _check_choice("strategy", search.strategy, STRATEGIES)
    for name, strategies in _USED_BY.items():
        value = getattr(search, name)
        default = signature(type(search)).parameters[name].default
        is_given = value is not default and value != default
        if is_given and search.strategy not in strategies:
            raise ValueError(
                f"{name}={value!r} is used with strategy={_join(strategies, 'or')} "
                f"only, and not with {search.strategy!r}. Leave it out, or choose "
                "another strategy."
            )
    _check_count("n_iter", search.n_iter)
    _check_choice("resource", search.resource, ("epochs", "rows"))
    _check_factor(search.factor)
    _check_resources(search)
    if not isinstance(search.param_grid, dict | list):
        return  # what scikit-learn refuses
    if has_distributions(search.param_grid):
        _check_draws(search.strategy)
    elif search.strategy == "halving" and search.n_iter != 10:
        raise ValueError(
            f"n_iter={search.n_iter} is the number of candidates to draw from "
            "distributions, and param_grid has lists only, of which "
            "strategy='halving' tries all values. Leave it out, or give a distribution."
        )


def has_distributions(param_grid: Any) -> bool:
    """Whether a value of some parameter is drawn from a distribution."""
    grids = [param_grid] if isinstance(param_grid, dict) else param_grid
    grids = [grid for grid in grids if isinstance(grid, dict)]  # others are refused
    return any(hasattr(values, "rvs") for grid in grids for values in grid.values())


def _join(names: tuple, word: str) -> str:
    *first, last = map(repr, names)
    return f"{', '.join(first)} {word} {last}" if first else last


def _check_choice(name: str, value: Any, choices: tuple) -> None:
    if not (isinstance(value, str) and value in choices):
        raise ValueError(f"{name} must be {_join(choices, 'or')}; got {value!r}.")


def _check_count(name: str, value: Any, other: str = "") -> None:
    is_count = isinstance(value, Integral) and not isinstance(value, bool)
    if not (is_count and value >= 1):
        raise ValueError(
            f"{name} must be {other}an integer of at least 1; got {value!r}."
        )


def _check_factor(factor: Any) -> None:
    if not (isinstance(factor, Real) and factor > 1):
        raise ValueError(
            f"factor must be a number above 1, since one candidate of so many is left "
            f"after each round; got {factor!r}."
        )


def _check_resources(search) -> None:
    least, words = search.min_resources, _LEASTS.get(search.strategy, ("auto",))
    if not (isinstance(least, str) and least in words):
        _check_count("min_resources", least, f"{', '.join(map(repr, words))} or ")
    if search.max_resources != "auto":
        _check_count("max_resources", search.max_resources, "'auto' or ")


def _check_draws(strategy: str) -> None:
    if strategy == "grid":
        raise ValueError(
            "param_grid has a distribution, and strategy='grid' draws no values from "
            f"one. Give lists, or choose strategy={_join(STRATEGIES[1:], 'or')}."
        )
