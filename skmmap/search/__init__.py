"""Many models, one reading: what searches and cross-validation have in common."""

from skmmap.search.explaining import explain_search
from skmmap.search.functions import call_together
from skmmap.search.halving import select_best
from skmmap.search.reading import find_chunked, reading_together
from skmmap.search.resources import having_resource
from skmmap.search.settings import check_settings
from skmmap.search.strategies import run_strategy

__all__ = [
    "call_together",
    "check_settings",
    "explain_search",
    "find_chunked",
    "having_resource",
    "reading_together",
    "run_strategy",
    "select_best",
]
