"""How the candidates of a search are chosen, and in which rounds they are trained."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.model_selection import ParameterGrid, ParameterSampler

from skmmap.run import has_callbacks
from skmmap.search.halving import Halving


def run_strategy(search, resource, evaluate: Callable, context) -> None:
    """Train and score the candidates of a search, as its strategy says.

    ``evaluate`` is what scikit-learn calls so, and ``context`` that of its callbacks.
    """
    if not has_callbacks(search, *search.get_params().values()):
        context = None  # of a fit that nobody is told of
    if resource is None:
        _run_at_once(search, evaluate, context)
        return
    rounds = Halving(search, resource, evaluate)
    with telling(context, search, "search", search.n_iterations_) as own:
        for number in range(search.n_iterations_):
            n_tasks = rounds.begin(number) * resource.n_folds
            given = own.get("callback_ctx"), search, "halving-iteration", n_tasks
            with telling(*given, sequential_subtasks=False) as inner:
                rounds.run(number, **inner)
    search.n_remaining_candidates_ = rounds.n_left


def _run_at_once(search, evaluate: Callable, context) -> None:
    """Train all candidates of a grid, or those that are drawn from it."""
    grid = search.param_grid
    if search.strategy == "grid":
        candidates = ParameterGrid(grid)
    else:
        seed = search.random_state
        candidates = ParameterSampler(grid, search.n_iter, random_state=seed)
    # scikit-learn before 1.9 tells nobody, and sets the number of folds at the end.
    n_tasks = 0 if context is None else len(candidates) * search.n_splits_
    with telling(context, search, "search", n_tasks, sequential_subtasks=False) as own:
        evaluate(candidates, **own)


@contextmanager
def telling(context, search, name: str, n_tasks: int, **more: Any) -> Iterator[dict]:
    """Tell callbacks of a task, and yield its context by the name that it is given by.

    scikit-learn has none before 1.9.
    """
    if context is None:
        yield {}
        return
    own = context.subcontext(task_name=name, max_subtasks=n_tasks, **more)
    own.call_on_fit_task_begin(estimator=search)
    yield {"callback_ctx": own}
    own.call_on_fit_task_end(estimator=search)
