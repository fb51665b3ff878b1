"""What a function ``train`` of the registry gets: all rows, to be read in pieces."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier

from skmmap.boosters import Pieces


class WholeRun(NamedTuple):
    """The rows of a fit, for an estimator that makes its passes over them by itself.

    X and ``X_val`` are read in pieces; all else is arrays, or None where it was not
    given. ``params`` are further parameters of ``fit``.
    """

    X: Pieces
    y: Any
    sample_weight: Any
    params: dict
    X_val: Pieces | None = None
    y_val: Any = None
    sample_weight_val: Any = None
    verbose: int = 0


def refuse_parameters(estimator, run: WholeRun, names: dict[str, str]) -> None:
    """Raise for parameters of ``fit`` that have rows of their own."""
    kind = type(estimator).__name__
    for name in run.params:
        if name in names:
            raise TypeError(f"ChunkedFit({kind}(...)).fit got {name}. {names[name]}")


def refuse_others(estimator, library: str, function: str) -> None:
    """Raise unless it is a classifier or regressor; name the function for rankers."""
    kind = type(estimator).__name__
    if kind.startswith("Dask") or "Ranker" in kind:
        raise TypeError(
            f"ChunkedFit trains classifiers and regressors of {library}, and {kind} is "
            f"neither. {function}."
        )


def list_evaluations(run: WholeRun, weights: str, open_pieces=None) -> dict:
    """Return the parameters of ``fit`` with rows to score each round, if there are any.

    ``weights`` is the name of their weights, and ``open_pieces`` makes what the library
    takes.
    """
    if run.X_val is None:
        return {}
    X_val = run.X_val if open_pieces is None else open_pieces(run.X_val)
    given = {"eval_set": [(X_val, run.y_val)]}
    weighs = run.sample_weight_val is not None
    return given | ({weights: [run.sample_weight_val]} if weighs else {})


OF_EVALUATION = "It takes X_val=, y_val= and sample_weight_val= for that."


def find_held(run: WholeRun) -> dict[str, int]:
    """Return the bytes of what is held of each row but X."""
    sources = run.y, run.sample_weight, run.y_val, run.sample_weight_val
    arrays = [each for each in sources if each is not None]
    return {"y and weights": sum(each.nbytes for each in arrays)}


def count_outputs(estimator, y) -> int:
    """Return how many trees a round has: one for each class from three on."""
    if y is None:
        return 1
    if is_classifier(estimator) and y.ndim == 1:
        n_classes = len(np.unique(y))
        return n_classes if n_classes > 2 else 1
    return int(np.prod(y.shape[1:], dtype=int)) or 1
