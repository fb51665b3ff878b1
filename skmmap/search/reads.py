"""What the models of a search read, together and one by one, and what they hold."""

from collections.abc import Iterable
from typing import NamedTuple

from skmmap.order import BlockOrder
from skmmap.search.planned import Model

_SAMPLE_ROWS = 10_000  # of a fit, for the loss that it stops by


class Total(NamedTuple):
    """Bytes of X, and "", "about" or "at most"."""

    nbytes: int
    word: str = ""


def count_together(models: list[Model], room: int, n_scores: int) -> Total:
    """Return the bytes of X that models of a stage read together.

    Feeds that are open at once hold ``room`` bytes at most, or are one.
    """
    nbytes, stops = 0, any(model.stops for model in models)
    for some in _group(models, lambda model: model.common).values():
        n_times = count_passes(some, room)
        if stops:  # folds get out of step
            n_times = len({model.feed for model in some})
        if any(m.plan.validation and not m.plan.keeps_held_out for m in some):
            n_times = len(some)  # each waits for its own held-out rows
        nbytes += n_times * max(model.n_epochs for model in some) * some[0].nbytes
    for some in _group(models, lambda model: model.feed).values():
        nbytes += max(_count_held_out(model) * model.stops for model in some)
    for some in _group(models, lambda model: (model.scored, model.n_epochs)).values():
        # Those that stop in different epochs are scored one after the other.
        # The rows of all folds, where these are read together.
        n_times = n_scores + (n_scores > 1)  # they get out of step
        nbytes += n_times * (len(some) if stops else 1) * some[0].scored_nbytes
    nbytes += sum({m.first_rows: m.first_nbytes for m in models}.values())
    is_exact = n_scores == 1 and all(model.is_exact for model in models)
    if stops or not is_exact or len(find_groups(models)) > 1:
        return Total(nbytes, "at most ")
    # In file order folds end at different times, and score while others still learn.
    is_joint = models[0].common[0][0] == "windows"
    is_mixed = isinstance(models[0].plan.schedule, BlockOrder)
    is_apart = (is_joint and not is_mixed) or len(models[0].scored) > 1
    # A chunk that is in the test rows of two folds is read for each.
    is_apart |= models[0].scored[0][0] == "windows"
    return Total(nbytes, "about " if is_apart else "")


def count_passes(models: list[Model], room: int) -> int:
    """Return how often models with rows in common go through these in each epoch."""
    n_feeds = len({model.feed for model in models})
    n_open = max(1, room // max(1, max(model.held_nbytes for model in models)))
    return -(-n_feeds // n_open)


def _count_held_out(model: Model) -> int:
    """Return the bytes of held-out rows, or of the sample for the loss."""
    plan = model.plan
    if plan.validation is not None:
        return (1 if plan.keeps_held_out else model.n_epochs) * model.held_out_nbytes
    return min(_SAMPLE_ROWS * plan.table.X.row_nbytes, model.alone_nbytes)


def count_alone(models: list[Model], n_scores: int) -> Total:
    """Return the bytes of X that the models read one by one."""
    nbytes = sum(
        model.nbytes_alone
        + _count_held_out(model) * model.stops
        + n_scores * model.scored_alone_nbytes
        for model in models
    )
    is_exact = n_scores == 1 and all(m.is_exact and not m.stops for m in models)
    return Total(nbytes, "" if is_exact else "at most ")


def find_held(models: list[Model], room: int) -> int:
    """Return the bytes of what is open at the same time."""
    feeds = {model.feed: model.held_nbytes for model in models}
    sizes = sorted(feeds.values(), reverse=True)
    return max(sizes[0], min(sum(sizes), room))


def find_groups(models: list[Model]) -> list[list[dict]]:
    """Return the candidates that read together, of a fold."""
    first = [model for model in models if model.fold == 0]
    groups = _group(first, lambda model: model.feed).values()
    return [[model.params for model in some] for some in groups]


def find_differing(groups: list[list[dict]]) -> list[str]:
    """Return the parameters that are the same in each group, and differ between."""
    names = dict.fromkeys(name for group in groups for each in group for name in each)
    found = []
    for name in names:
        values = [{repr(each.get(name)) for each in group} for group in groups]
        if all(len(own) == 1 for own in values) and len(set.union(*values)) > 1:
            found.append(name)
    return found


def _group(models: Iterable[Model], find_key) -> dict[tuple, list[Model]]:
    groups: dict[tuple, list[Model]] = {}
    for model in models:
        groups.setdefault(find_key(model), []).append(model)
    return groups
