"""Describes what a search would read, without reading X and without training."""

from typing import Any

from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv

from skmmap._messages import say_count, say_size
from skmmap.learn import Explanation, trains_whole
from skmmap.order import BlockOrder, SharedOrder
from skmmap.pipelines import is_composed
from skmmap.read import say_parts
from skmmap.run import Remembering, count_jobs, using_sharing
from skmmap.search.planned import Model, Stage, iter_models, list_stages
from skmmap.search.reading import Opened, SplitRows, find_chunked
from skmmap.search.reads import (
    Total,
    count_alone,
    count_passes,
    count_together,
    find_differing,
    find_groups,
    find_held,
)
from skmmap.search.resources import having_resource


def explain_search(search, X, y, params: dict) -> Explanation:
    """Return what ``ChunkedSearchCV.explain`` does."""
    name = type(search).__name__
    if hasattr(search.cv, "__next__"):
        raise ValueError(
            "cv is an iterator, and explain would use up the folds that fit needs. "
            "Give a list: cv=list(...)."
        )
    chunked = find_chunked(search.estimator, name)
    opened = Opened.of(search.estimator, X, y, params, name)
    rows: dict[str, Any] = {k: SplitRows(each) for k, each in opened.sources.items()}
    X, y = rows.pop("X"), rows.pop("y", None)
    search, params = clone(search), opened.whole | rows
    routed = search._get_routed_params_for_fit(params)
    is_plain = type(search.estimator) is type(chunked)
    is_plain = is_plain and not is_composed(chunked.estimator)
    with using_sharing(Remembering()), having_resource(search, X, y, params):
        stages = list_stages(search, y)
        cv = check_cv(search.cv, y, classifier=is_classifier(search.estimator))
        n_folds = cv.get_n_splits(X, y, **routed.splitter.split)
        sections = _say_models(search, stages, n_folds)
        if is_plain:
            given = X, y, routed
            every = [list(iter_models(search, stage, *given)) for stage in stages]
            sections |= _say_reading(search, opened, every)
        else:
            sections |= _say_composed(opened, chunked.estimator)
    sections["threads"] = f"{count_jobs(search.n_jobs):,} at a time"
    shape = " x ".join(f"{size:,}" for size in X.shape)
    kind, size = type(chunked.estimator).__name__, say_size(opened.sources["X"].nbytes)
    return Explanation(f"{name}(ChunkedFit({kind})) on {shape}, {size}", sections)


def _say_models(search, stages: list[Stage], n_folds: int) -> dict[str, str]:
    total = sum(stage.n_candidates for stage in stages)
    said = f"{total * n_folds:,} ({say_count(total, 'candidate')} x {n_folds:,} folds)"
    last = ", then the best one on all rows" if search.refit else ""
    if stages[0].n_resources is None:
        return {"models": said + last}
    rounds = "; ".join(
        f"{say_count(stage.n_candidates, 'candidate')} with {stage.n_resources:,} "
        f"{search.resource}"
        for stage in stages
    )
    return {"models": f"{said} in all rounds{last}", "rounds": rounds}


def _say_composed(opened: Opened, estimator) -> dict[str, str]:
    if _is_in_memory(opened) or opened.loads(opened.sources["X"]):
        return {"reads": _say_once(opened)}
    if trains_whole(estimator):
        return {"reads": "each model by itself, as explain of ChunkedFit says"}
    return {
        "reads": "as explain of ChunkedFit says for each step, together where equal"
    }


def _is_in_memory(opened: Opened) -> bool:
    store = opened.sources["X"].store
    return not (store.on_disk or store.is_decoded)


def _say_once(opened: Opened) -> str:
    if _is_in_memory(opened):
        return "nothing: X is in memory"
    size = say_size(opened.sources["X"].nbytes)
    return f"X once ({size}), which is then in memory for all models"


def _say_reading(search, opened: Opened, every: list[list[Model]]) -> dict[str, str]:
    """Return what is said of the rows."""
    models = [model for some in every for model in some]
    sections = {"read together": _say_together(models)}
    if _is_in_memory(opened) or opened.loads(opened.sources["X"]):
        sections["reads"] = _say_once(opened)
        nbytes = 0 if _is_in_memory(opened) else opened.sources["X"].nbytes
        total = Total(nbytes)
    else:
        sections["reads"] = _say_epochs(models, opened)
        n_scores = _count_scores(search)
        totals = [count_together(some, opened.room, n_scores) for some in every]
        word = totals[0].word if len(totals) == 1 else "at most "
        total = Total(sum(each.nbytes for each in totals), word)
    alone = None
    if len(every) == 1 and not _is_in_memory(opened):
        alone = count_alone(models, _count_scores(search))
    last = ", without the fit to all rows" if search.refit else ""
    sections["bytes of X"] = _say_bytes(total, alone) + last
    sections["memory"] = _say_memory(search, opened, models)
    return sections


def _count_scores(search) -> int:
    """Return how often rows are read to be scored, at most."""
    several = isinstance(search.scoring, list | tuple | set | dict)
    return max(1, len(search.scoring)) if several else 1


def _say_together(models: list[Model]) -> str:
    groups = find_groups(models)
    if len(groups) == 1:
        return "all candidates"
    if models[0].feed[-1]:
        return (
            "none, since each model draws a seed of its own. Set random_state of "
            "ChunkedFit"
        )
    said = f"candidates in {len(groups):,} groups"
    names = find_differing(groups)
    return f"{said}, by {' and '.join(names)}" if names else said


def _say_epochs(models: list[Model], opened: Opened) -> str:
    """Say how an epoch reads rows that are not kept."""
    plan, first = models[0].plan, models[0].common
    some = [model for model in models if model.common == first]
    n_folds = len({model.fold for model in models})
    if first[0][0] == "windows":
        n_passes = count_passes(some, opened.room)
        times = "once" if n_passes == 1 else f"{n_passes:,} times"
        return f"all rows {times} in each epoch, for all folds"
    if isinstance(plan.schedule, BlockOrder):
        more = ""
        if n_folds > 1 and not isinstance(plan.schedule, SharedOrder):
            more = (
                ": each is shuffled on its own (shuffle='shared' reads them together)"
            )
        return f"the rows of each of {n_folds:,} folds once in each epoch{more}"
    how = "through memory maps, " if plan.table.is_viewed else ""
    return (
        f"the rows of each of {n_folds:,} folds once in each epoch, {how}side by side"
    )


def _say_bytes(total: Total, alone: Total | None) -> str:
    """Return the bytes, and those of a search that trains one model after the other."""
    said = _say_total(total)
    if alone is None:
        return said
    return f"{said}; GridSearchCV {_say_total(alone)}"


def _say_total(total: Total) -> str:
    return f"{total.word}{say_size(total.nbytes)}"


def _say_memory(search, opened: Opened, models: list[Model]) -> str:
    """Return what is held of rows, and what computing on chunks takes."""
    parts = {}
    loaded = [each for each in opened.sources.values() if opened.loads(each)]
    if loaded:
        parts["rows that are kept"] = sum(each.nbytes for each in loaded)
    elif held := find_held(models, opened.room):
        parts["rows that are read"] = held
    largest = max(models, key=lambda m: m.plan.schedule.chunk_size).plan
    need = largest.table.find_need(
        min(largest.schedule.chunk_size, largest.schedule.n_rows)
    )
    n_threads = count_jobs(search.n_jobs)
    for name, nbytes in need.find_working().items():
        many = f" in each of {n_threads:,} threads" if n_threads > 1 else ""
        parts[name + many] = n_threads * nbytes
    limit = say_size(opened.memory_limit)
    return f"{say_parts(parts)}: {say_size(sum(parts.values()))} of {limit}; and models"
