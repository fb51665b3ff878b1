"""URLs: which texts are some, and what messages call them."""

import re
from glob import has_magic

from skmmap.disk import by_numbers

_URL = re.compile(r"([a-z][a-z0-9+.-]*)(::[a-z0-9+.-]+)*://", re.IGNORECASE)
_SECRET = re.compile(r"(?<=://)[^/@]*@")


def is_url(value) -> bool:
    """Whether ``value`` is a text that begins as a URL does."""
    return isinstance(value, str) and _URL.match(value) is not None


def is_url_pattern(url: str) -> bool:
    """Whether a URL is a pattern; ``?`` begins the query of a web address."""
    is_web = url.lower().startswith("http")
    return "*" in url if is_web else has_magic(url)


def say_url(url: str) -> str:
    """Return what messages call a URL: without user, password and signed query."""
    is_web = url.lower().startswith("http")
    return _SECRET.sub("", url.partition("?")[0] if is_web else url)


def open_file_system(url: str, storage_options: dict | None) -> tuple:
    """Return the file system of a URL, and the path of the object in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ImportError(
            f"open_rows({say_url(url)!r}) reads objects through fsspec, which is not "
            "installed: pip install 'skmmap[remote]'."
        ) from error
    return url_to_fs(url, **(storage_options or {}))


def find_urls(pattern: str, name: str, storage_options: dict | None) -> list[str]:
    """Return the URLs that a pattern finds, X_2 before X_10."""
    system, path = open_file_system(pattern, storage_options)
    found = sorted(map(system.unstrip_protocol, system.glob(path)), key=by_numbers)
    if not found:
        raise FileNotFoundError(f"{name}={say_url(pattern)!r} matches no object.")
    return found
