"""Steps that several fits learn from the same rows, which is done once for all.

In a search, candidates that differ in a later step have the same ones before it. What
a step learns follows from its key: its class and parameters, those of the wrapper, and
the keys of the rows, targets and weights that it gets. A step has no key if it draws
from a generator, which has to move on as if each fit had learned alone.
"""

from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from numbers import Integral
from typing import Any

from skmmap.checkpoints import find_journal
from skmmap.learn import find_own_seed, find_unset_seeds, is_shuffled
from skmmap.pipelines.passes import Request
from skmmap.pipelines.steps import map_rows
from skmmap.rows import Rows, find_source, find_value_key
from skmmap.run import find_sharing
from skmmap.wrap import is_sklearn_class

# Parameters of the wrapper that have no effect on what is learned.
_OTHERS = "estimator", "verbose", "n_jobs"
_KEY = "_step_key"


def find_step_key(wrapper, rows: Rows, y, params: dict, *more) -> Any:
    """Return the key of what a step learns; None if it is learned by each fit.

    ``more`` is what it depends on besides.
    """
    if not (find_sharing().is_shared and _is_determined(wrapper, y)):
        return None
    settings = wrapper.get_params(deep=False)
    settings = {k: v for k, v in settings.items() if k not in _OTHERS}
    return (
        find_value_key(wrapper.estimator),
        find_value_key(settings),
        find_source(rows).shared_key,
        _find_rows_key(y),
        tuple((name, _find_rows_key(value)) for name, value in params.items()),
        *more,
    )


def _is_determined(wrapper, y) -> bool:
    # A run that is continued goes through the same units again.
    if find_journal().is_kept or "estimator_" in vars(wrapper):
        return False
    if isinstance(wrapper.random_state, Integral):
        return True
    if wrapper.random_state is not None:  # a generator, which each pass draws from
        return False
    if isinstance(find_own_seed(wrapper.estimator)[1], Integral):
        return True
    in_order = wrapper.shuffle in ("auto", False) and not is_shuffled(wrapper, y)
    return in_order and not find_unset_seeds(wrapper)


def _find_rows_key(value) -> Any:
    is_rows = isinstance(value, Rows)
    return find_source(value).shared_key if is_rows else find_value_key(value)


def get_key(wrapper) -> Any:
    """Return the key of what a wrapper has learned, None if it has none."""
    return vars(wrapper).get(_KEY)


def set_key(wrapper, key) -> None:
    vars(wrapper)[_KEY] = key


def drop_key(wrapper) -> None:
    """Let a wrapper forget it, as the keys of rows are not for pickles."""
    vars(wrapper).pop(_KEY, None)


def join_keys(kind: str, own, keys: list) -> Any:
    """Return the key of a composition, None if one of its parts has none."""
    is_known = own is not None and all(key is not None for key in keys)
    return (kind, own, *keys) if is_known else None


def learn_once(
    key, wrappers: list, rows: Rows, learning: Iterator[list[Request]]
) -> Iterator[list[Request]]:
    """Ask for the passes of a step, or wait for the fit that asks for the same ones.

    What all ``wrappers`` have learned then is the same objects, which nothing changes;
    of third-party estimators, whose methods may change them, copies.
    """
    sharing = find_sharing()
    while key is not None and not sharing.claim(key):
        if (found := sharing.find(key)) is not None:
            for wrapper, learned in zip(wrappers, found[0], strict=True):
                vars(wrapper).update(_copy(wrapper, learned))
            return
        yield [Request(wrappers[0], rows, waits=partial(sharing.wait_for, key))]
    if key is None:
        yield from learning
        return
    before = [set(vars(wrapper)) for wrapper in wrappers]
    try:
        yield from learning
    except BaseException:
        sharing.settle(key)
        raise
    both = zip(wrappers, before, strict=True)
    learned = [{k: v for k, v in vars(w).items() if k not in had} for w, had in both]
    kept = [_copy(*pair) for pair in zip(wrappers, learned, strict=True)]
    sharing.settle(key, kept)


def map_once(rows: Rows, function) -> Rows:
    """Return the rows that a function computes, the same for fits that share it."""
    map_it, key = partial(map_rows, rows, function), function.shared_key
    if key is None:
        return map_it()
    key = "mapped", key, find_source(rows).shared_key
    return find_sharing().remember(key, map_it)


def _copy(wrapper, learned: dict) -> dict:
    is_known = is_sklearn_class(type(wrapper.estimator))
    return learned if is_known else deepcopy(learned)
