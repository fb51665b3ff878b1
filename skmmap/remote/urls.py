"""URLs: what is one, where its path stands, and what of it may be shown."""

import re
from pathlib import PurePosixPath

# Names of protocols have two letters at least: C:\ is a drive. In fsspec's chains, such
# as "simplecache::s3://b/X.npy" or "zip://X.npy::s3://b/X.zip", the first part with
# "//" has the path.
_URL = re.compile(r"(?:[A-Za-z0-9+.\-]{2,}::)*[A-Za-z][A-Za-z0-9+.\-]+://")
_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://[^\s'\"<>]+")
_WEB = "http://", "https://"
# What follows the path of an object in storage; only on the web any "?" begins a query.
_VERSION = re.compile(r"\?(?:versionId|generation)=[^/]*$")


def is_url(value) -> bool:
    """Whether ``value`` is a URL, of any protocol."""
    return isinstance(value, str) and _URL.match(value) is not None


def split_chain(url: str) -> tuple[str, str, str]:
    """Return the part of a URL that has the path, between what stands around it."""
    protocols, separator, _ = _URL.match(url).group().rpartition("::")
    before = protocols + separator
    place, separator, after = url[len(before) :].partition("::")
    return before, place, separator + after


def find_path(url: str) -> PurePosixPath:
    """Return the path of a URL with its protocol, without a query or a version."""
    place = split_chain(url)[1]
    if place.lower().startswith(_WEB):
        return PurePosixPath(place.partition("?")[0].partition("#")[0])
    return PurePosixPath(_VERSION.sub("", place))


def say_url(url: str) -> str:
    """Return a URL without what may be a secret: passwords, and signed queries."""
    return "::".join(map(_say_part, url.split("::")))


def _say_part(part: str) -> str:
    protocol, separator, place = part.partition("://")
    if not separator:
        return part
    place = place.partition("?")[0]
    if f"{protocol}://".lower() in _WEB:
        place = place.partition("#")[0]
    host, slash, path = place.partition("/")
    return protocol + separator + host.rpartition("@")[2] + slash + path


def hide_secrets(text: str, url: str) -> str:
    """Return a message about a URL without what may be a secret of it."""
    for part in url.split("::"):
        place, mark, query = part.partition("://")[2].partition("?")
        text = text.replace(mark + query, "") if query else text
        user = place.partition("/")[0].rpartition("@")[0]
        text = text.replace(f"{user}@", "") if user else text
    # Libraries write URLs in their own way, with other escapes.
    return _IN_TEXT.sub(lambda found: say_url(found.group()), text)
