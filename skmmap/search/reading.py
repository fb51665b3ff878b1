"""Opens the rows of a search, so that all of its fits read them together."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skmmap.order import AUTO_SHARE, BUFFER_SHARE, can_keep, parse_size
from skmmap.read import Table, open_given
from skmmap.rows import Rows
from skmmap.run import together


def find_chunked(estimator, name: str) -> Any:
    """Return the `ChunkedFit` that an estimator is, or that it has inside."""
    params = estimator.get_params() if hasattr(estimator, "get_params") else {}
    for each in (estimator, *params.values()):
        if any(kind.__name__ == "ChunkedFit" for kind in type(each).__mro__):
            return each
    kind = type(estimator).__name__
    raise TypeError(
        f"{name} trains ChunkedFit on chunks of rows, and {kind} is none and has none "
        f"inside. Write {name}(ChunkedFit({kind}(...)), ...), or use that of "
        "scikit-learn."
    )


@contextmanager
def reading_together(
    estimator, X, y, params: dict, n_jobs: int | None, name: str
) -> Iterator[tuple[Rows, Rows | None, dict]]:
    """Yield X, y and parameters; what is fitted to selections of them is read once.

    Rows that take half of `memory_limit` at most are loaded.
    """
    limit = parse_size(find_chunked(estimator, name).memory_limit, "memory_limit")
    given = open_given(X, y, params)
    whole = {key: value for key, value in given.whole.items() if key != "y"}
    if can_keep(limit, given.unheld_nbytes, limit // AUTO_SHARE):
        given = _load(given)
    sources = {"X": given.X, "y": given.y, **given.by_row}
    sources = {key: each for key, each in sources.items() if each is not None}
    rows: dict[str, Any] = {key: Rows(source) for key, source in sources.items()}
    # As much as two shuffled buffers, of which a fit alone has two.
    with together(n_jobs, 2 * limit // BUFFER_SHARE):
        yield rows.pop("X"), rows.pop("y", None), whole | rows


def _load(given: Table) -> Table:
    """Return rows in memory, if they are to be read from elsewhere each time."""
    takes_time = any(s.store.on_disk or s.store.is_decoded for s in given.sources)
    return given.load() if takes_time and given.is_parallel else given
