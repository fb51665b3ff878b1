"""Rows for libraries of boosted trees, which read them in pieces by themselves."""

from skmmap.boosters.lightgbm_rows import make_dataset, make_sequence
from skmmap.boosters.pieces import Pieces, as_matrix, make_fields, make_pieces
from skmmap.boosters.xgboost_rows import find_cache_nbytes, make_matrix

__all__ = [
    "Pieces",
    "as_matrix",
    "find_cache_nbytes",
    "make_dataset",
    "make_fields",
    "make_matrix",
    "make_pieces",
    "make_sequence",
]
