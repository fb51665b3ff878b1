"""Write the table of transformers: ``python docs/transformers_table.py``.

How each one learns is what its fit by ChunkedFit does here, on small data; what that
equals is compared with its own fit.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import sklearn
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from transformer_cases import (
    CASES,
    REFUSED,
    UNEQUAL,
    Case,
    find_transformers,
    make,
    make_data,
    make_given,
)

from skmmap import ChunkedFit, open_rows
from skmmap.estimators import find_learning
from skmmap.learn import is_stateless, make_additive_learner
from skmmap.rows import find_source
from skmmap.transformers import ranks
from skmmap.transformers.drawn_rows import DrawnRows
from skmmap.wrap import find_members, is_pipeline

PAGE = Path(__file__).parent / "reference" / "transformers.md"
_LITTLE = 2**17  # bytes, of which ranks have 64 MB
_CLOSE = 1e-10
SHAPE, DRAWN, MEMBERS = "shape alone", "drawn rows", "members"
CHUNKS, TWICE = "chunks, one pass", "chunks, two passes"
SEVERAL = "chunks, several passes"
SUMS, BATCHES, EPOCHS = (
    f"`partial_fit`, {way}" for way in ("sums", "one pass", "own epochs")
)
BITS, CLOSE, LOOP = "same bits", "to 1e-10", "in the sense of `partial_fit`"


class Fit(NamedTuple):
    """A fit by ChunkedFit: what was fitted, and what was noted during it."""

    model: ChunkedFit
    fitted: Any
    n_passes: int
    draws: bool


def fit(estimator, case: Case, **params) -> Fit:
    """Fit by chunks, and count the passes: the times that the last row is read.

    What is fitted on the first rows, or looks at them, reads 10,000 of some more.
    """
    X, *y = make_given(case.data)
    n_passes = 0

    def take(numbers):
        nonlocal n_passes
        n_passes += int(np.sum(numbers == len(X) - 1))
        return [X[i] for i in numbers] if isinstance(X, list) else X[numbers]

    rows = open_rows(np.arange(len(X))).map(take)
    is_step = is_stateless(estimator)
    step = make_pipeline(estimator, "passthrough") if is_step else estimator
    with noting_draws() as draws:
        model = ChunkedFit(step, **params).fit(rows, *y)
    fitted = model.estimator_[0] if is_step else model.estimator_
    return Fit(model, fitted, n_passes, bool(draws))


@contextmanager
def noting_draws() -> Iterator[list]:
    """Note chunks of which drawn rows are kept."""
    noted, add = [], DrawnRows.add

    def note(drawn, X):
        noted.append(len(X))
        add(drawn, X)

    with mock.patch.object(DrawnRows, "add", note):
        yield noted


def describe(code: str, case: Case) -> list[str]:
    """Return the row of a transformer: how it learns, its passes, what it equals."""
    estimator = seed(make(code).set_params(**case.hidden))
    learning = find_learning(estimator, uses_target=True)
    size = {} if learning.entry.batch_size else {"chunk_size": case.chunk_size}
    done = fit(estimator, case, **size)
    way = find_way(estimator, done, case)
    passes = str(done.n_passes)
    if way == SEVERAL:
        passes += " or more"
    elif way == EPOCHS:
        passes = f"at most `{learning.entry.epochs}`"
        assert done.model.n_epochs_ <= learning.n_epochs, code
    return [code, way, passes, find_equality(code, estimator, done, case)]


def seed(estimator):
    """Set all parameters of an estimator that are seeds."""
    names = [name for name in estimator.get_params() if name.endswith("random_state")]
    return estimator.set_params(**dict.fromkeys(names, 0))


def find_way(estimator, done: Fit, case: Case) -> str:
    """Return from what a transformer learns."""
    if is_pipeline(estimator) or find_members(estimator) is not None:
        return MEMBERS
    if is_stateless(estimator):
        return SHAPE
    if hasattr(estimator, "partial_fit"):
        rows = find_source(open_rows(make_data(case.data)))
        if make_additive_learner(done.model, rows) is not None:
            return SUMS
        entry = find_learning(estimator, uses_target=True).entry
        return BATCHES if entry.epochs is None else EPOCHS
    if done.draws:
        return DRAWN
    with mock.patch.object(ranks, "_BYTES", _LITTLE):
        again = fit(estimator, case, chunk_size=case.chunk_size)
    if again.n_passes != done.n_passes:
        return SEVERAL
    return CHUNKS if done.n_passes == 1 else TWICE


def find_equality(code: str, estimator, done: Fit, case: Case) -> str:
    """Return in which sense the fitted transformer equals what its own fit gives."""
    X, *y = make_given(case.data)
    apart = compare(done.fitted, clone(estimator).fit(X, *y), X[:500])
    if apart <= _CLOSE:
        return CLOSE if apart else BITS
    if code in UNEQUAL:
        return f"no: {UNEQUAL[code]}"
    assert hasattr(estimator, "partial_fit"), f"{code} differs by {apart}"
    size = done.model.chunk_size_
    loop = fit(estimator, case, chunk_size=size, shuffle=False, max_epochs=1)
    by_hand = clone(estimator)
    for start in range(0, len(X), size):
        by_hand.partial_fit(*(rows[start : start + size] for rows in (X, *y)))
    assert compare(loop.fitted, by_hand, X[:500]) == 0, code
    return LOOP


def compare(one, other, X) -> float:
    """Return how far apart two fitted transformers are, and what they return."""
    results = one.transform(X), other.transform(X)
    return max(find_distance(one, other), find_distance(*results))


def find_distance(one, other) -> float:
    """Return how far apart two values are, for the largest of them; inf if unlike."""
    if type(one) is not type(other):
        return np.inf
    if isinstance(one, np.random.RandomState):
        return 0.0
    if hasattr(one, "__dict__") and not isinstance(one, type | np.ndarray):
        one, other = get_learned(one), get_learned(other)
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return np.inf
        return max((find_distance(one[key], other[key]) for key in one), default=0.0)
    if isinstance(one, list | tuple):
        pairs = zip(one, other, strict=True)
        return max((find_distance(*pair) for pair in pairs), default=0.0)
    if isinstance(one, np.ndarray | float | np.floating):
        return find_array_distance(np.asarray(one), np.asarray(other))
    return 0.0 if one == other else np.inf


def find_array_distance(one: np.ndarray, other: np.ndarray) -> float:
    if one.dtype != other.dtype or one.shape != other.shape:
        return np.inf
    if one.dtype.kind != "f":
        return find_distance(one.tolist(), other.tolist())
    if not np.array_equal(np.isnan(one), np.isnan(other)):
        return np.inf
    apart = np.nanmax(np.abs(one - other), initial=0.0)
    return float(apart and apart / np.nanmax(np.abs(other)))


def get_learned(value) -> dict:
    """Return what an estimator has learned, or the attributes of another object.

    Trees of scikit-learn are left out: estimators hold arrays of what is in them. So
    are labels of the rows of fit, which only `predict` gives by chunks.
    """
    if hasattr(value, "get_params"):
        names = [n for n in vars(value) if n.endswith("_") and n != "labels_"]
        return {name: getattr(value, name) for name in names}
    is_tree = type(value).__module__.startswith("sklearn.")
    return {} if is_tree else vars(value)


def refuse(code: str, reason: str) -> list[str]:
    """Return the row of a transformer that is refused, before a row is read."""
    try:
        ChunkedFit(make_pipeline(make(code), "passthrough")).fit("nowhere.npy", [0])
    except (TypeError, ValueError):
        return [code, reason]
    except FileNotFoundError:  # only what is not refused comes so far
        raise AssertionError(f"{code} is not refused.") from None


def make_tables() -> str:
    """Return the tables in Markdown."""
    both = {**CASES, **REFUSED}
    missing = find_transformers() - {type(make(code)).__name__ for code in both}
    assert not missing, f"No case of {sorted(missing)} in docs/transformer_cases.py."
    learned = [describe(*item) for item in CASES.items()]
    refused = [refuse(*item) for item in REFUSED.items()]
    head = ["transformer", "learns from", "passes", "equals its own `fit`"]
    version = ".".join(sklearn.__version__.split(".")[:2])
    return (
        f"Measured with scikit-learn {version}.\n\n{format_table(head, learned)}\n"
        "## What is refused\n\n"
        "Of what transforms other rows than it is fitted on, fit one on a sample, and "
        "give `FrozenEstimator(fitted)` as the step.\n\n"
        f"{format_table(['transformer', 'why, and what serves'], refused)}"
    )


def format_table(head: list[str], rows: list[list[str]]) -> str:
    rows = sorted(rows, key=lambda row: row[0].lower())
    cells = [[f"`{code.removesuffix('()')}`", *others] for code, *others in rows]
    lines = [head, ["---"] * len(head), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def put_in(page: str, tables: str) -> str:
    """Return the page with other tables between its two comments."""
    start, end = "% The tables begin.\n", "% The tables end.\n"
    before, _, rest = page.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n{tables}\n{end}{after}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    text = put_in(PAGE.read_text(encoding="utf-8"), make_tables())
    PAGE.write_text(text, encoding="utf-8")
