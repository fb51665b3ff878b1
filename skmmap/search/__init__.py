"""Many models, one reading: what searches and cross-validation have in common."""

from skmmap.search.reading import reading_together

__all__ = ["reading_together"]
