"""Rounds of a search: the best candidates of each are trained further in the next."""

from collections import Counter
from collections.abc import Callable, Iterator
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import ParameterGrid, ParameterSampler
from sklearn.utils import check_random_state

from skmmap.run import begin_round
from skmmap.search.rounds import plan_halving, plan_hyperband
from skmmap.search.settings import has_distributions


class Candidate(NamedTuple):
    """A candidate that is left, and what is kept of its fit to each fold."""

    params: dict
    bracket: int
    kept: list


class Halving:
    """The rounds of a search by halving, or of all brackets of Hyperband at once."""

    def __init__(self, search, resource, evaluate: Callable):
        check_metric(search)
        self._search, self._resource, self._evaluate = search, resource, evaluate
        self._is_hyperband = search.strategy == "hyperband"
        self._left: list[Candidate] = []
        between = self._find_resources()
        plan = self._plan_hyperband if self._is_hyperband else self._plan_halving
        every, beginning = plan(between)
        self._every, self._beginning = every, beginning
        search.min_resources_, search.max_resources_ = every[0], between[1]
        search.n_resources_, search.n_candidates_ = every, []
        search.n_iterations_ = len(every)

    @property
    def n_left(self) -> int:
        """The number of candidates that are left."""
        return len(self._left)

    def _find_resources(self) -> tuple[int, int]:
        """Return the least and the most resources of a round."""
        search, resource = self._search, self._resource
        least = search.min_resources
        least = resource.least if isinstance(least, str) else int(least)
        most = resource.find_most(search.max_resources)
        if least > most:
            raise ValueError(
                f"The first round would have {least:,} {search.resource} "
                f"(min_resources={search.min_resources!r}) and the last one {most:,} "
                f"(max_resources={search.max_resources!r}). Give a smaller "
                "min_resources, or a larger max_resources."
            )
        return least, most

    def _plan_halving(self, between: tuple[int, int]) -> tuple[list, list]:
        search, candidates = self._search, list(self._draw())
        plan = plan_halving(
            len(candidates),
            between,
            search.factor,
            exhausts=search.min_resources in ("auto", "exhaust"),
            is_aggressive=search.aggressive_elimination,
        )
        search.n_required_iterations_ = plan.n_required
        search.n_possible_iterations_ = plan.n_possible
        begin = [self._make(params, 0) for params in candidates]
        return plan.n_resources, [begin, *([] for _ in plan.n_resources[1:])]

    def _plan_hyperband(self, between: tuple[int, int]) -> tuple[list, list]:
        search = self._search
        every, brackets = plan_hyperband(between, search.factor)
        if len(every) == 1:
            raise ValueError(
                f"strategy='hyperband' needs max_resources to be factor="
                f"{search.factor} times as many as min_resources at least; got "
                f"{between[1]:,} and {between[0]:,} {search.resource}. Give a larger "
                "max_resources, or a smaller factor."
            )
        generator = check_random_state(search.random_state)
        return every, [
            [
                self._make(params, bracket.number)
                for params in _sample(search, bracket.n_candidates, generator)
            ]
            for bracket in brackets
        ]

    def _draw(self):
        """Return all of a grid, or as many as ``n_iter`` says of distributions."""
        grid, search = self._search.param_grid, self._search
        if not has_distributions(grid):
            return ParameterGrid(grid)
        return ParameterSampler(grid, search.n_iter, random_state=search.random_state)

    def _make(self, params: dict, bracket: int) -> Candidate:
        self._resource.check_candidate(params)
        return Candidate(params, bracket, [None] * self._resource.n_folds)

    def plan(self) -> Iterator[tuple[int, int, list]]:
        """Yield what each round is to have: candidates, resources, and who may be left.

        These are parameters, and whether the candidate is new in the round.
        """
        sizes: Counter = Counter()
        left: list[dict] = []
        for number, n_resources in enumerate(self._every):
            new = [each.params for each in self._beginning[number]]
            sizes.update(each.bracket for each in self._beginning[number])
            every = [(params, False) for params in left] + [(p, True) for p in new]
            yield sizes.total(), n_resources, every
            left += new
            sizes = Counter({b: self._count_left(n) for b, n in sizes.items()})

    def begin(self, number: int) -> int:
        """Let new candidates join those that are left; return how many there are."""
        now, *later = self._every[number:]
        keep, after = self._resource.keep, later[0] if later else None
        self._left = [
            each._replace(kept=[keep(fold, now, after) for fold in each.kept])
            for each in (*self._left, *self._beginning[number])
        ]
        self._beginning[number] = []
        self._search.n_candidates_.append(len(self._left))
        kept = [fold for each in self._left for fold in each.kept]
        begin_round(kept, forgets=self._resource.forgets)
        return len(self._left)

    def run(self, number: int, **callbacks: Any) -> None:
        """Train and score the candidates, and leave the best."""
        search, left, now = self._search, self._left, self._every[number]
        if search.verbose:
            print(
                f"Round {number + 1} of {search.n_iterations_}: {len(left):,} "
                f"candidates with {now:,} {search.resource}"
            )
        more = {"iter": [number] * len(left), "n_resources": [now] * len(left)}
        if self._is_hyperband:
            more["bracket"] = [each.bracket for each in left]
        params = [self._resource.set_in(each.params, now) for each in left]
        cv = self._resource.make_cv(now)
        results = self._evaluate(params, cv, more_results=more, **callbacks)
        scores = results[_find_name(search, results)][-len(left) :]
        self._left = self._keep_best(left, scores)

    def _keep_best(self, candidates: list[Candidate], scores) -> list[Candidate]:
        """Return the best of each bracket, in ascending order; NaN is worst."""
        order = np.argsort(np.where(np.isnan(scores), -np.inf, scores), kind="stable")
        ranked = [candidates[i] for i in order]
        best = []
        for bracket in dict.fromkeys(each.bracket for each in candidates):
            own = [each for each in ranked if each.bracket == bracket]
            best += own[-self._count_left(len(own)) :]
        return best

    def _count_left(self, number: int) -> int:
        share = number / self._search.factor
        return max(1, int(share)) if self._is_hyperband else ceil(share)


def _sample(search, number: int, generator) -> ParameterSampler:
    """Return so many candidates for a bracket, or all that there are in lists."""
    if not has_distributions(search.param_grid):
        number = min(number, len(ParameterGrid(search.param_grid)))
    return ParameterSampler(search.param_grid, number, random_state=generator)


def check_metric(search) -> None:
    """Raise if there are several scores, and none of them is named to compare by."""
    has_several = isinstance(search.scoring, list | tuple | set | dict)
    if has_several and not isinstance(search.refit, str):
        _refuse_several(search)


def _find_name(search, results: dict) -> str:
    """Return the name of the score that candidates are compared by."""
    for name in (f"mean_test_{search.refit}", "mean_test_score"):
        if name in results:
            return name
    return _refuse_several(search)


def _refuse_several(search) -> Any:
    raise ValueError(
        f"strategy={search.strategy!r} compares candidates after each round, and "
        "there are several scores. Give the name of one as refit; got "
        f"refit={search.refit!r}."
    )


def select_best(results: dict, name: str) -> int:
    """Return the index of the best candidate of the last round, or its first one."""
    last = np.flatnonzero(results["iter"] == np.max(results["iter"]))
    scores = results[name][last]
    return last[0 if np.isnan(scores).all() else np.nanargmax(scores)]
