"""Carries out an order over rows: read-ahead, buffers, casts, and the scan of y."""

from skmmap.read.read_path import (
    READS,
    Reading,
)
from skmmap.read.reader import (
    Chunk,
    Table,
    open_given,
    open_table,
)
from skmmap.read.targets import (
    ClassWeight,
    Labels,
    check_finite,
    check_labels,
    is_tabular,
    open_target,
    open_target_as_it_is,
    scan_labels,
    warn_of_empty,
)

__all__ = [
    "READS",
    "Chunk",
    "ClassWeight",
    "Labels",
    "Reading",
    "Table",
    "check_finite",
    "check_labels",
    "is_tabular",
    "open_given",
    "open_table",
    "open_target",
    "open_target_as_it_is",
    "scan_labels",
    "warn_of_empty",
]
