"""``fit`` and ``partial_fit``: from their parameters to the learned attributes."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import cache, partial
from typing import Any

from sklearn import config_context

from skmmap.checkpoints import Unit, find_journal
from skmmap.estimators import (
    Rule,
    can_merge,
    is_loop,
    note_start,
    set_attributes,
    summarize,
    take_start,
)
from skmmap.formats import open_source
from skmmap.learn.checks import check_parameters, route
from skmmap.learn.chunking import make_schedule
from skmmap.learn.given_rows import noting_validation
from skmmap.learn.interrupt import tell_interrupted
from skmmap.learn.learned_once import can_share, learn_once
from skmmap.learn.learner import Learner, put_estimator, take_estimator
from skmmap.learn.learners import make_fresh_learner, make_trained_learner
from skmmap.learn.memory import find_limit_beside, fit_plan
from skmmap.learn.model_size import find_model_nbytes
from skmmap.learn.plan import Plan, Planner
from skmmap.learn.rendering import Explanation
from skmmap.learn.sampling import find_start, make_rule
from skmmap.learn.training import Training
from skmmap.learn.watch import Watch
from skmmap.read import Table
from skmmap.run import FitReport, Tasks, find_sharing, open_tasks
from skmmap.wrap import (
    check_names,
    copy_names,
    copy_trained,
    find_state,
    find_trained,
    hidden_names,
    keep_names,
    requires_labels,
    takes_target_as_it_is,
)


def make_fit_plan(wrapper, X, y, params: dict, **given) -> Plan:
    """Return the plan of ``fit``, with its other parameters in ``given``."""
    check_parameters(wrapper)
    trained = find_trained(wrapper)
    start, params = take_start(wrapper.estimator, trained, params)
    params = route(wrapper, "fit", "partial_fit", params)
    return Planner(wrapper, X, y, params, start=start, **given).make()


def explain_fit(wrapper, X, y, params: dict, **given) -> Explanation:
    """Return what ``ChunkedFit.explain`` does."""
    from skmmap.learn.explanation import explain

    return explain(wrapper, make_fit_plan(wrapper, X, y, params, is_run=False, **given))


def count_workers(wrapper, X, y, params: dict) -> int:
    """Return how many workers train on parts of many such rows, and are merged."""
    from skmmap.learn.merge_fit import find_merge_jobs

    given = {"classes": None, "class_weight": None}
    given |= {"given_validation": (None, None, None), "is_run": False}
    with config_context(enable_metadata_routing=False):
        plan = make_fit_plan(wrapper, X, y, params, **given)
    return find_merge_jobs(wrapper, plan, least_chunks=1).number


def train_anew(
    wrapper, X, y, params: dict, *, classes, given_validation, **given
) -> None:
    """Train a fresh clone of the estimator, and keep it if training succeeds."""
    unit = find_journal().open_unit(wrapper.max_epochs)
    if unit.result is not None:
        trained = put_estimator(wrapper.estimator, unit.result["estimator_"])
        vars(wrapper).update(unit.result | {"estimator_": trained})
        return
    given |= {"classes": classes, "given_validation": given_validation}
    given |= {"seed_before": unit.seed}
    plan = fit_plan(make_fit_plan(wrapper, X, y, params, **given))
    plan.overrides.update(find_start(wrapper, plan))
    learner = make_fresh_learner(wrapper, plan, classes)
    is_given = given_validation[0] is not None
    score = _make_score(wrapper, plan, learner, is_given=is_given)
    title = vars(wrapper).get("_title", "fit")  # of a step, its name too
    training = _make_training(wrapper, plan, learner, title, score, unit)
    counted = note_start(learner.estimator)
    # In turn, since callbacks get chunks in order and warm starts continue a model.
    is_free = not plan.start and type(training.tasks) is Tasks
    find_sharing().hold_model(partial(find_model_nbytes, learner, plan))
    learned = _run_fresh(wrapper, plan, training, may_merge=is_free)
    is_held_out = plan.validation is not None and not is_given
    n_held_out = plan.validation.X.n_rows if is_held_out else 0
    _put_attributes_right(wrapper, training, counted, n_held_out=n_held_out)
    _keep(wrapper, plan, training, learned)
    if unit.is_kept:
        kept = {"estimator_": take_estimator(wrapper.estimator_)}
        unit.end(find_state(wrapper) | kept)


def train_further(wrapper, X, y, params: dict, *, classes) -> None:
    """Train the fitted estimator, or else a fresh clone, on further rows."""
    trained = copy_trained(wrapper)
    check_parameters(wrapper)
    params = route(wrapper, "partial_fit", "partial_fit", params)
    given = {"classes": classes, "is_fit": False, "fitted": trained}
    given["class_weight"] = vars(wrapper).get("_class_weight")
    given["counts_before"] = vars(wrapper).get("_label_counts")
    plan = fit_plan(Planner(wrapper, X, y, params, **given).make())
    if trained is None:
        learner = make_fresh_learner(wrapper, plan, classes)
    else:
        learner = make_trained_learner(wrapper, plan, trained)
    training = _make_training(wrapper, plan, learner, "partial_fit", is_fit=False)
    if trained is not None:
        check_names(trained, plan.table.X)
    counted = note_start(learner.estimator)
    if trained is None:
        learned = _run_fresh(wrapper, plan, training, may_merge=False)
    else:
        learned = _run_further(training, plan.overrides)
    _put_attributes_right(wrapper, training, counted, is_fit=False)
    if training.interrupt is not None:  # the call that continues counts these rows
        learned["_label_counts"] = vars(wrapper).get("_label_counts")
    _keep(wrapper, plan, training, learned, is_fit=False)


def _run_fresh(wrapper, plan: Plan, training: Training, *, may_merge: bool) -> dict:
    """Train a fresh clone, and return what it has learned; parts of it may merge."""
    run = partial(_run_alone, wrapper, plan, training, may_merge=may_merge)
    if may_merge and find_sharing().is_shared and can_share(plan, training):
        learned = learn_once(training, wrapper.n_jobs, run)
    else:
        learned = run()
    training.learner.finish()
    keep_names(training.learner.estimator, training.table.X)
    return learned


def _run_alone(wrapper, plan: Plan, training: Training, *, may_merge: bool) -> dict:
    """Train on all rows, and return what was learned; parts of them may merge."""
    if may_merge and len(plan.schedule) > 1 and can_merge(wrapper.estimator):
        from skmmap.learn.merge_fit import run_merge

        return run_merge(wrapper, plan, training)
    return training.run(training.unit.take_state(training))


def _run_further(training: Training, overrides: dict) -> dict:
    """Train a fitted estimator further, and return the learned attributes."""
    learner = training.learner
    trained = learner.estimator
    learner.begin(overrides)
    try:
        with hidden_names(trained, training.table.X):
            learned = training.run()
        if learner.estimator is not trained:  # but a copy, after Ctrl-C
            copy_names(trained, learner.estimator)
        return learned
    finally:
        # After an error it has learned the chunks before it, as in the hand-written
        # loop. A copy before each call would take too long, and not every model can be
        # copied (the tree of a Birch may be too deep).
        learner.finish()


def _make_training(
    wrapper,
    plan: Plan,
    learner: Learner,
    title: str,
    score=None,
    unit: Unit | None = None,
    *,
    is_fit=True,
) -> Training:
    table, schedule, n_epochs = plan.table, plan.schedule, plan.n_epochs
    rule, watch, before, unit = Rule(), Watch(), {}, unit or Unit()
    if is_fit:
        find_layout = lambda: learner.input_layout  # noqa: E731
        rule, watch = make_rule(wrapper, plan, find_layout, goes_on=unit.may_go_on)
    elif "history_" in vars(wrapper):
        before = {"history_before": wrapper.history_}
    return Training(
        learner,
        table,
        schedule,
        n_epochs,
        plan.first_call_params,
        open_tasks(wrapper, learner.estimator, table, n_epochs, len(schedule)),
        FitReport(
            wrapper.verbose,
            title,
            schedule.n_rows,
            n_epochs,
            table.row_nbytes,
            may_stop=type(rule) is not Rule,
        ),
        rule,
        watch,
        score,
        0 if wrapper.max_epochs == "auto" else rule.least_epochs,
        is_loop(wrapper) and takes_target_as_it_is(wrapper.estimator),
        plan.learning.say_limit(wrapper.max_epochs),
        keeps_rows=plan.keeps_rows,
        row_cache=plan.row_cache,
        known=_find_known(wrapper, plan),
        unit=unit,
        **before,
    )


def _find_known(wrapper, plan: Plan) -> dict:
    """Return the attributes of the wrapper that are known before training."""
    known = {
        "random_state_": plan.seed,
        "_class_weight": plan.class_weight,
        "_label_counts": plan.label_counts,
    }
    if requires_labels(wrapper.estimator):
        known["_classes"] = plan.table.whole.get("classes")
    return known


def _make_score(
    wrapper, plan: Plan, learner: Learner, *, is_given: bool
) -> Callable[[Any], float] | None:
    """Return a function that scores an estimator on held-out rows, None without any.

    ``is_given`` says that they were passed as ``X_val``.
    """
    if plan.validation is None:
        return None
    from skmmap.apply import Output, Work, apply_method, compute_score

    schedule = make_schedule(wrapper, plan.validation.X)

    @cache
    def find_table() -> Table:
        if plan.keeps_held_out:
            key = "held out", plan.validation.key
            return find_sharing().remember(key, plan.validation.load)
        table = plan.held_out_cache.use_for(plan.validation)
        is_one = wrapper.n_jobs in (None, 1)
        return table if is_one else table.limit(find_limit_beside(plan))

    def score(estimator) -> float:
        table, layout = find_table(), learner.input_layout
        work = Work(estimator, "score", table, schedule, layout, wrapper.n_jobs)

        def by_chunks(method, take):
            def call(X, **params):
                given = Table(open_source(X, "X"), whole=params)
                asked = replace(work, method=method, table=given, take=take)
                return apply_method(asked, Output(given.X.n_rows))

            return call

        with noting_validation() if is_given else nullcontext():
            return compute_score(work, by_chunks)

    return score


def _put_attributes_right(
    wrapper, training: Training, counted: list, *, is_fit=True, n_held_out=0
) -> None:
    """Set learned attributes as the estimator's own ``fit`` would."""
    if not is_loop(wrapper):
        run = summarize(training, is_fit, n_held_out, counted)
        set_attributes(training.learner.estimator, run)


def _keep(
    wrapper, plan: Plan, training: Training, learned: dict, *, is_fit=True
) -> None:
    """Set the learned attributes; then raise KeyboardInterrupt if Ctrl-C ended it."""
    interrupt, is_kept = training.interrupt, training.unit.is_kept
    if interrupt is not None and is_kept and plan.start:
        raise interrupt  # the next call starts from where this one did
    vars(wrapper).update(learned)
    if interrupt is not None:
        # Of a run with a checkpoint it is told how to continue. A step is not kept.
        if not (is_kept or "_title" in vars(wrapper)):
            n_epochs, is_partial = len(training.history["rows"]), training.is_partial
            how = {"is_fit": is_fit, "is_partial": is_partial}
            tell_interrupted(n_epochs, plan.n_epochs, wrapper, **how)
        raise interrupt
