"""``fit``, ``partial_fit`` and ``explain`` of every estimator, composed or not."""

from functools import partial
from itertools import groupby

from skmmap._messages import say_count
from skmmap.checkpoints import run_kept, without_journal
from skmmap.formats import open_source
from skmmap.learn import (
    Explanation,
    check_parameters,
    explain_fit,
    explain_whole,
    is_learned_by_passes,
    learns_target,
    refuse_checkpoint,
    train_anew,
    train_further,
    train_whole,
    trains_whole,
)
from skmmap.pipelines.passes import NOTHING, make_passes
from skmmap.pipelines.spill import kept_on_disk
from skmmap.pipelines.stages import Stages, learn_step, open_rows
from skmmap.pipelines.steps import (
    FIRST_ROWS,
    derive,
    refuse_params,
    say_step,
)
from skmmap.pipelines.targets import TargetStage, transforms_target
from skmmap.rows import Rows, find_source
from skmmap.run import find_sharing, keep_callbacks
from skmmap.wrap import copy_trained, find_state, find_trained, is_pipeline


def train(wrapper, X, y, params: dict, **given) -> None:
    """Train a fresh clone of the estimator, or what is left of that to do."""
    if trains_whole(wrapper.estimator):
        refuse_checkpoint(wrapper)
    X_val, y_val, weights_val = given["given_validation"]
    named = {"X": X, "y": y, **params, "X_val": X_val, "y_val": y_val}
    named |= {"sample_weight_val": weights_val}
    named |= {name: given[name] for name in ("classes", "class_weight")}
    run_kept(
        wrapper,
        named,
        partial(_train, wrapper, X, y, params, **given),
        partial(find_state, wrapper),
        partial(_put, wrapper),
    )
    find_sharing().record(vars(wrapper).get("history_"))


def _put(wrapper, state: dict) -> None:
    """Set what a run has learned that is over already."""
    trained = keep_callbacks(wrapper.estimator, state["estimator_"])
    vars(wrapper).update(state | {"estimator_": trained})


def _train(wrapper, X, y, params: dict, **given) -> None:
    """Train a fresh clone of the estimator; of a pipeline, one step after the other."""
    if is_learned_by_passes(wrapper.estimator):
        step, _ = _learn_by_passes(wrapper, X, y, params, **given)
        vars(wrapper).update(find_state(step))
        return
    if trains_whole(wrapper.estimator):
        train_whole(wrapper, X, y, params, **given)
        return
    if transforms_target(wrapper.estimator):
        target = TargetStage(wrapper, X, y, params, learn_step)
        validation = target.transform_validation(*given.pop("given_validation"))
        given |= {"given_validation": validation}
        with target.finishing():
            _train(target.regressor, X, target.y, target.params, **given)
        return
    if not is_pipeline(wrapper.estimator):
        train_anew(wrapper, X, y, params, **given)
        return
    stages = Stages(wrapper, X, y, params, "fit", **given)
    given |= {"given_validation": stages.train_transformers()}
    with stages.finishing():
        if not stages.has_learned_last:
            _train_last(stages, **given)


def _learn_by_passes(wrapper, X, y, params: dict, *, explains=False, **given):
    """Train a copy of a wrapper whose transformer has no ``partial_fit``; return it."""
    check_parameters(wrapper)
    X_val, y_val, weights_val = given.pop("given_validation")
    given |= {"X_val": X_val, "y_val": y_val, "sample_weight_val": weights_val}
    given = {name: value for name, value in given.items() if value is not None}
    params = {name: value for name, value in params.items() if value is not None}
    step, source = derive(wrapper, wrapper.estimator), open_rows(wrapper, X)
    if y is not None and learns_target(step.estimator):
        given["y"] = y
    refuse_params(step.estimator, given)
    passes = []
    for requests in learn_step(step, Rows(source), y, params):
        passes += make_passes(step, requests, y, explains=explains)
    source.store.identity.check(values=True)
    return step, passes


@without_journal()
def train_more(wrapper, X, y, params: dict, *, classes) -> None:
    """Train on further rows; of a pipeline the last step, the others once at all."""
    _check_same_steps(wrapper)
    if not is_pipeline(wrapper.estimator):
        train_further(wrapper, X, y, params, classes=classes)
        return
    trained = copy_trained(wrapper)
    stages = Stages(
        wrapper, X, y, params, "partial_fit", **NOTHING | {"classes": classes}
    )
    if trained is None:
        stages.train_transformers()
    else:
        stages.use_transformers(trained)
    with stages.finishing():
        last_params = stages.params[stages.last_name]
        train_more(stages.last, stages.rows, y, last_params, classes=classes)


def _check_same_steps(wrapper) -> None:
    """Raise if what is trained has other steps than the estimator."""
    now, trained = wrapper.estimator, find_trained(wrapper)
    if trained is not None and _list_kinds(now) != _list_kinds(trained):
        raise ValueError(
            "The estimator of ChunkedFit has other steps than what was trained, which "
            "partial_fit would train further. Call fit."
        )


def _list_kinds(estimator) -> list | None:
    if not is_pipeline(estimator):
        return None
    return [(name, type(step)) for name, step in estimator.steps]


def is_composed(estimator) -> bool:
    """Whether training makes more passes than those of one ``partial_fit``."""
    is_one = not (is_pipeline(estimator) or transforms_target(estimator))
    return not is_one or is_learned_by_passes(estimator) or trains_whole(estimator)


@without_journal()
def explain(wrapper, X, y, params: dict, **given) -> Explanation:
    """Return what ``ChunkedFit.explain`` does.

    The plan of a pipeline's last step needs the shape of what it gets: that of what the
    others make of the first rows, when they are fitted to these alone.
    """
    if is_learned_by_passes(wrapper.estimator):
        rows = Rows(open_source(X, "X"))
        some = y if y is None else Rows(open_source(y, "y"))[:FIRST_ROWS]
        # No generator of random numbers moves on.
        kept = {"random_state": 0, "dtype": wrapper.dtype}
        seeded = derive(wrapper, wrapper.estimator, **kept)
        given |= {"explains": True}
        _, passes = _learn_by_passes(seeded, rows[:FIRST_ROWS], some, params, **given)
        kind = type(wrapper.estimator).__name__
        said = {"step": say_step(wrapper.estimator), "passes": "; ".join(passes)}
        return Explanation(
            f"ChunkedFit({kind}) on {_say_shape(rows)}", said, wrapper.estimator
        )
    if transforms_target(wrapper.estimator):
        target = TargetStage(wrapper, X, y, params, learn_step)
        validation = target.transform_validation(*given.pop("given_validation"))
        given |= {"given_validation": validation}
        plan = explain(target.regressor, X, target.y, target.params, **given)
        said = {"target": f"transformed by {target.name}, as it is read"}
        return Explanation(plan.title, said | plan.sections, wrapper.estimator)
    if trains_whole(wrapper.estimator):
        return explain_whole(wrapper, X, y, params, **given)
    if not is_pipeline(wrapper.estimator):
        return explain_fit(wrapper, X, y, params, **given)
    stages = Stages(wrapper, X, y, params, "fit", **given)
    given |= {"given_validation": stages.train_transformers(n_rows=FIRST_ROWS)}
    last_params = stages.params[stages.last_name]
    sections, kind = stages.say_steps(), type(stages.last.estimator).__name__
    after = f", after {say_count(len(sections), 'step')}" * bool(sections)
    plan = Explanation(f"ChunkedFit({kind}) on {_say_shape(stages.rows)}", {})
    if stages.has_learned_last:
        sections[f"step {stages.last_name}"] = say_step(stages.last.estimator)
    elif _is_trained(stages.last.estimator):
        plan = explain(stages.last, stages.rows, y, last_params, **given)
    else:
        stages.last.random_state = 0  # no generator of random numbers moves on
        _train_last(stages, FIRST_ROWS)
        sections[f"step {stages.last_name}"] = say_step(stages.last.estimator)
    return Explanation(
        plan.title.replace("ChunkedFit(", "ChunkedFit(Pipeline: ", 1) + after,
        sections | {"passes": _say_passes(stages)} | plan.sections,
        wrapper.estimator,
    )


def _is_trained(last) -> bool:
    """Whether the last step is trained as it would be alone."""
    has_own = is_pipeline(last) or transforms_target(last)
    return has_own or hasattr(last, "partial_fit") or trains_whole(last)


def _train_last(stages: Stages, n_rows: int | None = None, **given) -> None:
    """Train the last step as it would be alone, or as one that transforms rows."""
    last, params = stages.last, stages.params[stages.last_name]
    if n_rows is None and _is_trained(last.estimator):
        if is_pipeline(last.estimator) or transforms_target(last.estimator):
            _train(last, stages.rows, stages.y, params, **given)
            return
        if trains_whole(last.estimator):
            _train(last, stages.rows, stages.y, params, **given)
            return
        with kept_on_disk(last, stages.rows, stages.y, params, given) as rows:
            _train(last, rows, stages.y, params, **given)
        return
    rows, y = stages.find_rows(n_rows)
    for requests in learn_step(last, rows, y, params):
        explains = n_rows is not None
        stages.passes += make_passes(last, requests, y, explains=explains)
    vars(last).pop("_training", None)  # no step comes behind it


def _say_passes(stages: Stages) -> str:
    # One that may make several says so, and makes others of all rows than of the first.
    once = [names for names, _ in groupby(stages.passes)]
    said = "; ".join(f"{number}. {names}" for number, names in enumerate(once, 1))
    if stages.has_learned_last:
        return said
    return f"{said}; then those of the last step" if said else "those of the last step"


def _say_shape(rows: Rows) -> str:
    store = find_source(rows).store
    kind = rows.dtype if store.is_array else store.kind
    return f"{' x '.join(f'{size:,}' for size in rows.shape)} {kind}"
