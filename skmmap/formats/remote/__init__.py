"""Formats behind URLs: arrays, tables and zarr of which ranges are read."""

from skmmap.formats.remote.opening import find_urls, join_urls, open_url

__all__ = ["find_urls", "join_urls", "open_url"]
