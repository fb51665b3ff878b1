"""Objects behind URLs: their identity, ranges of their bytes, and a cache of these."""

from skmmap.remote.block_cache import open_cache
from skmmap.remote.remote_file import RemoteFile
from skmmap.remote.urls import find_urls, is_url, is_url_pattern, say_url

__all__ = [
    "RemoteFile",
    "find_urls",
    "is_url",
    "is_url_pattern",
    "open_cache",
    "say_url",
]
