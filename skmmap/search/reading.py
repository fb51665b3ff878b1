"""Opens the rows of a search, so that all of its fits read them together."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skmmap.order import AUTO_SHARE, BUFFER_SHARE, can_keep, parse_size
from skmmap.read import open_given
from skmmap.rows import LoadedStore, Rows, Source, StandIn
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
    sources = {"X": given.X, "y": given.y, **given.by_row}
    sources = {key: each for key, each in sources.items() if each is not None}
    nbytes = sum(source.nbytes for source in sources.values() if not source.is_held)
    if can_keep(limit, nbytes, limit // AUTO_SHARE):
        sources = {key: _load(source) for key, source in sources.items()}
    rows: dict[str, Any] = {key: Rows(source) for key, source in sources.items()}
    # As much as two shuffled buffers, of which a fit alone has two.
    with together(n_jobs, 2 * limit // BUFFER_SHARE):
        yield rows.pop("X"), rows.pop("y", None), whole | rows


def _load(source: Source) -> Source:
    """Return rows in memory, if they are to be read from elsewhere each time."""
    takes_time = source.store.on_disk or source.store.is_decoded
    if source.is_held or not takes_time or not source.store.is_parallel:
        return source
    return StandIn(LoadedStore(source, source.load()))
