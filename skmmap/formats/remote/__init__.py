"""Formats behind URLs: arrays, tables and zarr of which ranges are read."""

from skmmap.formats.remote.opening import join_urls, list_urls, open_url

__all__ = ["join_urls", "list_urls", "open_url"]
