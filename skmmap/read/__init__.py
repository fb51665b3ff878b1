"""Carries out an order over rows: read-ahead, buffers, casts, and the scan of y."""

from skmmap.read.chunk import Chunk
from skmmap.read.class_weight import ClassWeight
from skmmap.read.labels import Labels, check_labels, scan_labels, warn_of_empty
from skmmap.read.opening import open_given, open_table
from skmmap.read.read_path import READS, Reading
from skmmap.read.table import Table
from skmmap.read.targets import is_tabular, open_target, open_target_as_it_is
from skmmap.read.values import check_finite

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
