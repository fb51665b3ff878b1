"""Steps that are no pipelines and no unions: the passes that they ask for."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from skmmap.estimators import find_entry
from skmmap.learn import (
    Learner,
    draw_seed,
    find_unset_seeds,
    is_stateless,
    make_additive_learner,
    make_estimator,
    train_anew,
)
from skmmap.order import rows_at
from skmmap.pipelines.fusing import complete
from skmmap.pipelines.passes import NOTHING, Request, side_by_side
from skmmap.pipelines.shared_steps import (
    find_step_key,
    join_keys,
    learn_once,
    set_key,
)
from skmmap.pipelines.steps import Transform, fit_stateless, refuse_params
from skmmap.pipelines.training_rows import check_single
from skmmap.rows import Rows, find_source
from skmmap.run import find_sharing
from skmmap.transformers import ChunkLearner
from skmmap.wrap import InputLayout, keep_names


def learn_alone_or_shared(wrapper, rows: Rows, y, params: dict):
    """Ask for a pass with others, if the step is additive, or for its own training."""
    given = {name: value for name, value in params.items() if value is not None}
    source = find_source(rows)
    key = find_step_key(wrapper, rows, y, given)
    learner = None if given else make_additive_learner(wrapper, source)
    alone = partial(train_anew, wrapper, rows, y, params, **NOTHING)
    asked = Request(wrapper, rows, learner, train=alone)
    yield from learn_once(key, [wrapper], rows, _learn_alone(asked))
    set_key(wrapper, key)


def _learn_alone(asked: Request) -> Iterator[list[Request]]:
    wrapper, learner = asked.wrapper, asked.learner
    yield [asked]
    if "estimator_" not in vars(wrapper):
        learner.finish()
        keep_names(learner.estimator, find_source(asked.rows))
        wrapper.estimator_ = learner.estimator
        wrapper._input_layout = learner.input_layout


def learn_stateless(wrapper, rows: Rows) -> None:
    """Fit a step that learns no values, once for all fits that have the same one."""
    key, sharing = find_step_key(wrapper, rows, None, {}), find_sharing()
    fit = partial(fit_stateless, wrapper, rows)
    learned = fit() if key is None else sharing.remember(("stateless", key), fit)
    vars(wrapper).update(learned)
    set_key(wrapper, join_keys("stateless", key, []))


def learn_by_chunks(
    wrapper, rows: Rows, y, params: dict, *, is_shared: bool = True
) -> Iterator[list[Request]]:
    """Ask for the passes of a transformer without ``partial_fit``: its entry's."""
    learn = find_entry(type(wrapper.estimator)).entry.chunk_learner
    source = find_source(rows)
    takes_seed = ChunkLearner(wrapper.estimator, learn, source.n_rows).takes_seed
    is_needed = takes_seed or bool(find_unset_seeds(wrapper))
    seed = draw_seed(wrapper, is_needed=is_needed)
    transformer = make_estimator(wrapper, seed, {})
    make = partial(ChunkLearner, transformer, learn, source.n_rows, seed)
    if make().takes_order and (order := source.find_file_order()) is not None:
        make = partial(make, order=rows_at(order, range(source.n_rows)))
    takes_target, takes_positions = make().takes_target, make().takes("positions")
    if make().encodes_folds:
        check_single(transformer, source)
    weights = {k: v for k, v in params.items() if k == "sample_weight"}
    weights = weights if make().takes("sample_weight") else {}
    refuse_params(transformer, params.keys() - weights.keys())
    learner = Learner(
        make(), make, InputLayout(), lambda y: ((), {"y": y} if takes_target else {})
    )
    takes = {"takes_target": takes_target, "takes_positions": takes_positions}
    takes["takes_codes"] = make().takes_codes
    asked = partial(Request, wrapper, rows, learner, **takes, **weights)
    y = y if takes_target else None
    key = find_step_key(wrapper, rows, y, weights, seed) if is_shared else None
    yield from learn_once(key, [wrapper], rows, _learn_in_passes(asked, learner))
    set_key(wrapper, key)


def _learn_in_passes(asked: Callable, learner: Learner) -> Iterator[list[Request]]:
    """Ask for passes until the learner needs none; then keep what it has learned."""
    while True:
        does = learner.estimator.does
        yield [request := asked(does=does)]
        if not learner.estimator.end_pass():
            break
    wrapper = request.wrapper
    wrapper.estimator_ = learner.estimator.finish()
    wrapper._input_layout = learner.input_layout
    if learner.estimator.encodes_folds:
        wrapper._training = learner.estimator.learner_.training_transform()
    keep_names(wrapper.estimator_, find_source(request.rows))


def learn_fused(imputing, scaling, rows: Rows) -> Iterator[list[Request]]:
    """Ask for the passes of an imputer, in the first of which a scaler learns too."""
    keys = [find_step_key(each, rows, None, {}) for each in (imputing, scaling)]
    key = join_keys("fused", keys[0], keys[1:])
    learning = _learn_fused(imputing, scaling, rows)
    yield from learn_once(key, [imputing, scaling], rows, learning)
    set_key(imputing, join_keys("imputer", key, []))
    set_key(scaling, join_keys("scaler", key, []))


def _learn_fused(imputing, scaling, rows: Rows) -> Iterator[list[Request]]:
    # By itself: a fit that has begun to make something for others waits for none.
    learning = _learn_imputer(imputing, rows)
    source = find_source(rows)
    learner = make_additive_learner(scaling, source)
    request = Request(scaling, rows, learner, context=_ignoring_empty_columns)
    yield from side_by_side([learning, iter([[request]])])
    learner.finish()
    imputer = imputing.estimator_
    scaling.estimator_ = complete(learner.estimator, imputer, source.n_rows)
    scaling._input_layout = InputLayout()
    vars(scaling).update(request.history)
    imputed = rows.map(Transform(imputer, imputing._input_layout))
    keep_names(scaling.estimator_, find_source(imputed))


def _learn_imputer(imputing, rows: Rows) -> Iterator[list[Request]]:
    if is_stateless(imputing.estimator):
        vars(imputing).update(fit_stateless(imputing, rows))
    else:
        yield from learn_by_chunks(imputing, rows, None, {}, is_shared=False)


@contextmanager
def _ignoring_empty_columns(scaler) -> Iterator[None]:
    """Ignore columns without a value in a chunk, which the imputer fills."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
        yield
