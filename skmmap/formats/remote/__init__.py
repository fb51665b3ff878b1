"""Formats of objects behind URLs, read range by range."""

from skmmap.formats.remote.remote_store import TAKEN, open_remote

__all__ = ["TAKEN", "open_remote"]
