"""Files behind URLs: ranges of them, repeated requests, and a cache on disk."""

from skmmap.remote.remote_file import RemoteFile, open_system
from skmmap.remote.remote_path import RemotePath, fetch_ends
from skmmap.remote.requests import repeat, shield
from skmmap.remote.together import at_once
from skmmap.remote.urls import find_path, is_url, say_url, split_chain

__all__ = [
    "RemoteFile",
    "RemotePath",
    "at_once",
    "fetch_ends",
    "find_path",
    "is_url",
    "open_system",
    "repeat",
    "say_url",
    "shield",
    "split_chain",
]
