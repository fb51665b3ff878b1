"""Files behind URLs: ranges of them, repeated requests, and a cache on disk."""

from skmmap.remote.remote_file import open_system
from skmmap.remote.remote_path import RemotePath
from skmmap.remote.urls import find_url_suffix, is_url, say_url

__all__ = [
    "RemotePath",
    "find_url_suffix",
    "is_url",
    "open_system",
    "say_url",
]
