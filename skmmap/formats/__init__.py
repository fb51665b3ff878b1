"""Where rows come from: the one place that knows which source is of which format."""

from skmmap.formats.lists import (
    is_shards,
)
from skmmap.formats.open import (
    open_rows,
    open_source,
)

__all__ = [
    "is_shards",
    "open_rows",
    "open_source",
]
