"""Steps that are no pipelines and no unions: the passes that they ask for."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from skmmap.estimators import find_entry
from skmmap.learn import (
    Learner,
    draw_seed,
    find_unset_seeds,
    make_additive_learner,
    make_estimator,
    train_anew,
)
from skmmap.pipelines.fusing import complete
from skmmap.pipelines.passes import NOTHING, Request, side_by_side
from skmmap.pipelines.steps import Transform, refuse_params
from skmmap.rows import Rows, find_source
from skmmap.transformers import ChunkLearner
from skmmap.wrap import InputLayout, keep_names


def learn_alone_or_shared(wrapper, rows: Rows, y, params: dict):
    """Ask for a pass with others, if the step is additive, or for its own training."""
    given = {name: value for name, value in params.items() if value is not None}
    source = find_source(rows)
    learner = None if given else make_additive_learner(wrapper, source)
    alone = partial(train_anew, wrapper, rows, y, params, **NOTHING)
    yield [Request(wrapper, rows, learner, train=alone)]
    if "estimator_" not in vars(wrapper):
        learner.finish()
        keep_names(learner.estimator, source)
        wrapper.estimator_ = learner.estimator
        wrapper._input_layout = learner.input_layout


def learn_by_chunks(wrapper, rows: Rows, params: dict) -> Iterator[list[Request]]:
    """Ask for the passes of a transformer without ``partial_fit``: its entry's."""
    seed = draw_seed(wrapper, is_needed=bool(find_unset_seeds(wrapper)))
    transformer, source = make_estimator(wrapper, seed, {}), find_source(rows)
    learn = find_entry(type(transformer)).entry.chunk_learner
    make = partial(ChunkLearner, transformer, learn, source.n_rows)
    takes_target = make().takes_target
    weights = {k: v for k, v in params.items() if k == "sample_weight"}
    weights = weights if make().takes("sample_weight") else {}
    refuse_params(transformer, params.keys() - weights.keys())
    does = "(in several, if its values need more memory)"
    does = does if make().may_repeat else ""
    learner = Learner(
        make(), make, InputLayout(), lambda y: ((), {"y": y} if takes_target else {})
    )
    while True:
        yield [Request(wrapper, rows, learner, takes_target, **weights, does=does)]
        if not learner.estimator.end_pass():
            break
    wrapper.estimator_ = learner.estimator.finish()
    wrapper._input_layout = learner.input_layout
    keep_names(wrapper.estimator_, source)


def learn_fused(imputing, scaling, rows: Rows, learning) -> Iterator[list[Request]]:
    """Ask for the passes of an imputer, in the first of which a scaler learns too."""
    source = find_source(rows)
    learner = make_additive_learner(scaling, source)
    request = Request(scaling, rows, learner, context=_ignoring_empty_columns)
    yield from side_by_side([learning, iter([[request]])])
    learner.finish()
    imputer = imputing.estimator_
    scaling.estimator_ = complete(learner.estimator, imputer, source.n_rows)
    scaling._input_layout = InputLayout()
    imputed = rows.map(Transform(imputer, imputing._input_layout))
    keep_names(scaling.estimator_, find_source(imputed))


@contextmanager
def _ignoring_empty_columns(scaler) -> Iterator[None]:
    """Ignore columns without a value in a chunk, which the imputer fills."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
        yield
