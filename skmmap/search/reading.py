"""Opens the rows of a search, so that all of its fits read them together."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from sklearn import config_context

from skmmap.learn import find_reading, is_shuffled
from skmmap.order import (
    AUTO_SHARE,
    BUFFER_SHARE,
    can_keep,
    parse_size,
    rows_at,
)
from skmmap.read import Table, open_given
from skmmap.rows import Rows, Source
from skmmap.run import Keeper, together

_MODELS_SHARE = 2  # of the limit, for all models that are trained at the same time


def find_chunked(estimator, name: str) -> Any:
    """Return the `ChunkedFit` that an estimator is, or that it has inside."""
    params = estimator.get_params() if hasattr(estimator, "get_params") else {}
    chunked = [
        each
        for each in (estimator, *params.values())
        if any(kind.__name__ == "ChunkedFit" for kind in type(each).__mro__)
    ]
    for each in chunked:
        if each.checkpoint is not None:
            raise ValueError(
                f"{name} makes many fits, and the ChunkedFit in it has "
                f"checkpoint={each.checkpoint!r}, to which all of them would write. "
                "Leave it out there, and give it to the search: "
                "ChunkedSearchCV(..., checkpoint=...)."
            )
    if chunked:
        return chunked[0]
    kind = type(estimator).__name__
    raise TypeError(
        f"{name} trains ChunkedFit on chunks of rows, and {kind} is none and has none "
        f"inside. Write {name}(ChunkedFit({kind}(...)), ...), or use that of "
        "scikit-learn."
    )


class SplitRows(Rows):
    """Rows that are split by the same arrays for each candidate, which is done once."""

    def __init__(self, source: Any) -> None:
        super().__init__(source)
        # Before each run has a store of its own, which then has the same key.
        self._key = source.store.shared_key
        self._splits: dict[int, tuple[Any, Any]] = {}

    def __getitem__(self, key: Any) -> Any:
        # scikit-learn asks for rows[train, ...].
        key = key[0] if isinstance(key, tuple) and key[1:] == (...,) else key
        if not isinstance(key, np.ndarray):
            return super().__getitem__(key)
        if id(key) not in self._splits:
            self._splits[id(key)] = key, super().__getitem__(key)
        return self._splits[id(key)][1]


@contextmanager
def reading_together(
    estimator,
    X,
    y,
    params: dict,
    n_jobs: int | None,
    name: str,
    keeper: Keeper | None = None,
) -> Iterator[tuple[Rows, Rows | None, dict]]:
    """Yield X, y and parameters; what is fitted to selections of them is read once.

    Rows that take half of `memory_limit` at most are loaded, if each fit would mix or
    decode them. The ``keeper`` keeps the state of all fits.
    """
    opened = Opened.of(estimator, X, y, params, name)
    sources = {
        key: _load(source.for_run(opened.how)) if opened.loads(source) else source
        for key, source in opened.sources.items()
    }
    rows: dict[str, Any] = {k: SplitRows(source) for k, source in sources.items()}
    rooms = opened.room, opened.model_room
    # Rows are of NumPy, and scikit-learn asks whose they are where others compute.
    numpy_only = config_context(array_api_dispatch=False)
    with numpy_only, together(n_jobs, *rooms, keeper):
        yield rows.pop("X"), rows.pop("y", None), opened.whole | rows


class Opened(NamedTuple):
    """What a search is given: sources by their names, and values that have no rows.

    ``fits`` says that the sources fit in memory beside what the fits need, ``is_mixed``
    that the fits shuffle rows, and ``how`` in which way files are read.
    """

    sources: dict[str, Source]
    whole: dict
    memory_limit: int
    fits: bool
    is_mixed: bool
    how: str

    @classmethod
    def of(cls, estimator, X, y, params: dict, name: str) -> "Opened":
        """Open the arguments of a search that is called so."""
        chunked = find_chunked(estimator, name)
        limit = parse_size(chunked.memory_limit, "memory_limit")
        given = open_given(X, y, params)
        whole = {key: value for key, value in given.whole.items() if key != "y"}
        sources = {"X": given.X, "y": given.y, **given.by_row}
        sources = {key: each for key, each in sources.items() if each is not None}
        fits = can_keep(limit, given.unheld_nbytes, limit // AUTO_SHARE)
        is_mixed, how = is_shuffled(chunked, y), "map"
        if fits:
            how, _ = find_reading(chunked, is_mixed=is_mixed).choose(given.files)
        return cls(sources, whole, limit, fits, is_mixed, how)

    @property
    def room(self) -> int:
        """Bytes of the rows that are held: two shuffled buffers, as of a fit alone."""
        return 2 * self.memory_limit // BUFFER_SHARE

    @property
    def model_room(self) -> int:
        """Bytes of all models that are trained at the same time."""
        return self.memory_limit // _MODELS_SHARE

    def loads(self, source: Source) -> bool:
        """Whether rows are loaded, since to read them in each fit would take time."""
        is_elsewhere = source.store.on_disk or source.store.is_decoded
        is_viewed = self.how == "map" and Table(source).is_viewed
        return self.fits and is_elsewhere and (self.is_mixed or not is_viewed)


def _load(source: Source) -> Source:
    """Return rows in memory."""
    order = source.find_file_order()
    if order is None:
        return Table(source).load().X
    # Fits learn in file order, which they would not know of rows in another order.
    loaded = Table(source.reorder(order)).load().X
    places = np.empty(source.n_rows, dtype=np.int64)
    places[rows_at(order, range(source.n_rows))] = np.arange(source.n_rows)
    return loaded.select(places)
