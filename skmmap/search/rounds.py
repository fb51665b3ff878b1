"""The rounds of halving and of Hyperband: numbers of resources and candidates."""

from math import ceil
from typing import NamedTuple


class Halving(NamedTuple):
    """The resources of each round, and how many rounds are needed and possible."""

    n_resources: list[int]
    n_required: int
    n_possible: int


class Bracket(NamedTuple):
    """Candidates of Hyperband that begin in the same round."""

    number: int  # s in the paper: rounds after the first one
    n_candidates: int


def count_powers(number: float, factor: float) -> int:
    """Return the largest n with ``factor**n <= number``.

    A logarithm is no integer: log(243, 3) is 4.999.
    """
    power = 0
    while factor ** (power + 1) <= number:
        power += 1
    return power


def plan_halving(
    n_candidates: int,
    resources: tuple[int, int],
    factor: float,
    *,
    exhausts: bool,
    is_aggressive: bool,
) -> Halving:
    """Return the rounds for so many candidates, as scikit-learn's searches have them.

    ``resources`` are the least and the most. If it ``exhausts`` them, the first round
    has so many that the last one has as many as possible.
    """
    least, most = resources
    n_required = 1 + count_powers(n_candidates, factor)
    if exhausts:
        least = max(least, int(most // factor ** (n_required - 1)))
    n_possible = 1 + count_powers(most // least, factor)
    n_rounds = n_required if is_aggressive else min(n_required, n_possible)
    # Aggressive rounds repeat the first one, until the others are possible.
    delay = max(0, n_required - n_possible) if is_aggressive else 0
    powers = [max(0, i - delay) for i in range(n_rounds)]
    every = [min(int(factor**power * least), most) for power in powers]
    return Halving(every, n_required, n_possible)


def plan_hyperband(
    resources: tuple[int, int], factor: float
) -> tuple[list[int], list[Bracket]]:
    """Return the resources of each round, and the bracket that begins in it.

    All brackets have a round with the same resources at the same time, and end in the
    last one. Their sizes are those of algorithm 1 in Li et al.
    """
    least, most = resources
    last = count_powers(most / least, factor)
    every = [max(least, int(most / factor**s)) for s in range(last, -1, -1)]
    brackets = [
        Bracket(s, ceil((last + 1) / (s + 1) * factor**s)) for s in range(last, -1, -1)
    ]
    return every, brackets
