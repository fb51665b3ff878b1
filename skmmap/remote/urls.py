"""URLs: what is one, and what of it may be shown."""

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

# Names of protocols have two letters at least: C:\ is a drive. In fsspec's chains, such
# as "simplecache::s3://", the last one has the path.
_URL = re.compile(r"(?:[A-Za-z0-9+.\-]{2,}::)*[A-Za-z][A-Za-z0-9+.\-]+://")

_IN_TEXT = re.compile(_URL.pattern + r"[^\s'\"<>]*")


def is_url(value) -> bool:
    """Whether ``value`` is a URL, of any protocol."""
    return isinstance(value, str) and _URL.match(value) is not None


def say_url(url: str) -> str:
    """Return a URL without what may be a secret: passwords, and signed queries."""
    begin = _URL.match(url).group()
    place = url[len(begin) :].partition("?")[0].partition("#")[0]
    host, slash, path = place.partition("/")
    return begin + host.rpartition("@")[2] + slash + path


def say_text(error: BaseException) -> str:
    """Return the text of an error, without what may be a secret in URLs in it."""
    return _IN_TEXT.sub(lambda found: say_url(found.group()), str(error))


def find_name(url: str) -> str:
    """Return the last part of the path of a URL."""
    return PurePosixPath(say_url(url)).name


def find_url_suffix(url: str) -> str:
    """Return the suffix of the path of a URL, in small letters."""
    return PurePosixPath(urlsplit(url.rpartition("::")[2]).path).suffix.lower()
